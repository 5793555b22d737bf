"""`picar hotspot`: it sets up, shows, switches, and refuses in one sentence with the fix and without a change."""

from __future__ import annotations

import configparser
import os
import re
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from picar.commands.hotspot import ALPHABET, seconds, wifi_text
from picar.configfile import with_options
from picar.errors import UsageError
from picar.network.networkmanager import Network as Seen
from picar.network.networkmanager import emptiest, fields, interface, keyfile_ssid, password_line
from tests.network.machine import Network
from tests.support.household import Ended, Household, run
from tests.support.watcher import AT_THIS_SOCKET, STATUS, FakeWatcher

KEYFILE = "etc/NetworkManager/system-connections/picar-hotspot.nmconnection"
NAMES = "etc/NetworkManager/dnsmasq-shared.d/picar.conf"
RULE = "etc/polkit-1/rules.d/60-picar-hotspot.rules"
UNIT = "etc/systemd/system/picar-hotspot.service"
IN_A_TREE = """
import os, pathlib
from picar.commands import hotspot
tree = pathlib.Path(os.environ["TEST_TREE"])
for place in (*((hotspot, name) for name in ("KEYFILE", "NAMES", "RULE", "SYSTEMD")), (hotspot.wifi, "UNIT")):
    setattr(*place, tree / getattr(*place).relative_to("/"))
if "TEST_UID" in os.environ:
    os.geteuid = lambda: int(os.environ["TEST_UID"])
"""


class Machine:
    """A tree of files, the programs of a network, and systemctl, useradd and raspi-config that only write down their calls."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.network = folder / "tree", Network(folder / "bin")
        self.network.change(profiles={})
        self.config, self.ctl = self.tree / "picar.toml", folder / "ctl"
        (self.tree / "run/systemd/system").mkdir(parents=True)
        self.config.write_text('[server]\nport = 8000\n\n[hotspot]\ninterface = "wlan0"  # the stick\n')
        for name in ("systemctl", "useradd", "raspi-config", "dnsmasq"):
            program = self.network.folder / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.network.folder}/calls"\n')
            program.chmod(0o755)
        (self.network.folder / "calls").touch()

    async def hotspot(self, *arguments: str, uid: int | None = None, state: Path | None = None) -> Ended:
        """Run `picar hotspot`."""
        env = self.network.env | {"TEST_TREE": str(self.tree), "TEST_CTL": str(self.ctl)}
        env |= {} if uid is None else {"TEST_UID": str(uid)}
        env |= {"STATE_DIRECTORY": str(state or self.tree / "state"), "PICAR_CONFIG": str(self.config)}
        return await run([sys.executable, "-c", IN_A_TREE + AT_THIS_SOCKET, "hotspot", *arguments], env)

    def files(self) -> dict[str, str]:
        """Return every file of the tree."""
        return {
            str(path.relative_to(self.tree)): path.read_text()
            for path in self.tree.rglob("*")
            if path.is_file()
        }

    def keyfile(self) -> configparser.ConfigParser:
        """Return the profile."""
        keys = configparser.ConfigParser(interpolation=None)
        keys.read(self.tree / KEYFILE)
        return keys


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def set_up(machine: Machine, *arguments: str) -> Ended:
    done = await machine.hotspot("setup", *arguments, uid=0)
    assert (done.code, done.err) == (0, "")
    return done


async def test_the_setup_writes_the_profile_to_the_letter(machine: Machine) -> None:
    machine.network.appears("Neighbour", "neighbours", signal=90)  # on channel 1
    done = await set_up(machine)
    keys = {name: dict(section) for name, section in machine.keyfile().items() if section}
    password = keys["wifi-security"].pop("psk")
    assert re.fullmatch(rf"([{ALPHABET}]{{4}}-){{2}}[{ALPHABET}]{{4}}", password)
    assert not set("01ilou") & set(ALPHABET)
    ssid, identity = keys["wifi"].pop("ssid"), keys["connection"].pop("uuid")
    assert re.fullmatch(r"picar-[0-9a-f]{4}", ssid)
    assert re.fullmatch(r"[0-9a-f-]{36}", identity)
    assert keys == {
        "connection": {
            "id": "picar-hotspot",
            "type": "wifi",
            "interface-name": "wlan0",
            "autoconnect": "false",
        },
        "wifi": {"mode": "ap", "band": "bg", "channel": "6", "powersave": "2"},
        "wifi-security": {
            "key-mgmt": "wpa-psk",
            "proto": "rsn;",
            "pairwise": "ccmp;",
            "group": "ccmp;",
            "pmf": "1",
        },
        "ipv4": {"method": "shared", "address1": "10.42.0.1/24"},
        "ipv6": {"method": "disabled"},
    }
    assert stat.S_IMODE((machine.tree / KEYFILE).stat().st_mode) == 0o600
    assert f"{ssid}, on channel 6" in done.out
    assert password not in done.out + "\n".join(machine.network.calls())


async def test_the_setup_writes_rights_names_unit_and_when(machine: Machine) -> None:
    await set_up(machine)
    files = machine.files()
    assert tomllib.loads(files["picar.toml"]) == {
        "server": {"port": 8000},
        "hotspot": {"interface": "wlan0", "when": "fallback"},
    }
    assert "# the stick" in files["picar.toml"]
    rights = re.findall(r"org\.freedesktop\.NetworkManager\.([\w.-]+)", files[RULE])
    assert rights == ["network-control", "wifi.scan", "wifi.share.protected", "settings.modify.system"]
    assert 'subject.user == "picar-net"' in files[RULE]
    names = re.findall(r"^address=/(.*)/10\.42\.0\.1$", files[NAMES], re.MULTILINE)
    assert len(names) == len(files[NAMES].splitlines())
    here = os.uname().nodename.split(".")[0]
    assert {"captive.apple.com", "connectivitycheck.gstatic.com", "car", f"{here}.local"} <= set(names)
    assert "User=picar-net" in files[UNIT]
    assert [call for call in machine.network.calls() if call.startswith("systemctl")] == [
        "systemctl daemon-reload",
        "systemctl enable picar-hotspot.service",
        "systemctl restart picar-hotspot.service",
    ]


async def test_a_second_setup_keeps_password_and_name(machine: Machine) -> None:
    await set_up(machine, "--when", "never", "--name", "Tom's car; :")
    first = machine.keyfile()
    assert first["wifi"]["ssid"] == "".join(f"{octet};" for octet in b"Tom's car; :")
    machine.network.change(
        profiles={"u-own": {"name": "picar-hotspot", "ssid": "Tom's car; :", "mode": "ap", "auto": False,
                            "psk": first["wifi-security"]["psk"]}}
    )  # fmt: skip
    await set_up(machine, "--channel", "11", "--when", "always")
    second = machine.keyfile()
    assert second["wifi"]["ssid"] == first["wifi"]["ssid"]
    assert second["wifi-security"]["psk"] == first["wifi-security"]["psk"]
    hotspot = tomllib.loads(machine.config.read_text())["hotspot"]
    assert hotspot == {"interface": "wlan0", "when": "always", "name": "Tom's car; :", "channel": 11}
    await set_up(machine, "--new-password")
    assert tomllib.loads(machine.config.read_text())["hotspot"] == hotspot
    assert machine.keyfile()["wifi-security"]["psk"] != first["wifi-security"]["psk"]


async def test_a_country_is_set_before_the_rest(machine: Machine) -> None:
    await set_up(machine, "--country", "DE")
    assert machine.network.calls()[0] == "raspi-config nonint do_wifi_country DE"


@pytest.mark.parametrize(
    ("changes", "uid", "message", "fix"),
    [
        ({}, 1000, "The setup needs root", "sudo "),
        ({"fails": True}, 0, "NetworkManager does not run", "sudo apt install network-manager"),
        ({"can_be_ap": False}, 0, "This machine's WiFi cannot be an access point", "use the WiFi of a Pi"),
        ({"country": "00"}, 0, "No country is set", "sudo raspi-config nonint do_wifi_country DE"),
    ],
)
async def test_a_machine_that_cannot_is_told_so_and_left_as_it_is(
    machine: Machine, changes: dict[str, Any], uid: int, message: str, fix: str
) -> None:
    machine.network.change(**changes)
    before = machine.files()
    done = await machine.hotspot("setup", uid=uid)
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert line.startswith(f"picar: {message}")
    assert fix in line
    assert machine.files() == before
    assert not [
        call for call in machine.network.calls() if call.startswith(("systemctl", "nmcli connection"))
    ]


async def test_it_shows_state_name_password_and_both_codes(machine: Machine) -> None:
    await set_up(machine)
    password = machine.keyfile()["wifi-security"]["psk"]
    async with Household() as car, FakeWatcher(machine.ctl):
        done = await machine.hotspot(state=car.state)
        await car.terminate()
    assert (done.code, done.err) == (0, "")
    assert "state     hotspot picar-3f2a for 40 s, 1 phones, looks for other WiFi in 140 s" in done.out
    assert f"password  {password}" in done.out
    assert "http://10.42.0.1/" in done.out
    assert len(re.findall(r"^  █+$", done.out, re.MULTILINE)) == 4  # the edges of both codes


async def test_the_label_has_all_that_a_phone_needs(machine: Machine) -> None:
    await set_up(machine, "--name", "Tom & Mia")
    file = machine.tree / "label.svg"
    async with Household() as car:
        done = await machine.hotspot("label", str(file), state=car.state)
        pin = car.pin
        await car.terminate()
    assert (done.code, done.err) == (0, "")
    text = file.read_text()
    for word in (
        machine.keyfile()["wifi-security"]["psk"],
        pin,
        "Tom &amp; Mia",
        "http://10.42.0.1",
        "mobile data off",
        "hsl(",
    ):
        assert word in text
    assert text.count("<image ") == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_uid == file.parent.stat().st_uid


async def test_requests_go_to_the_watcher_and_its_answer_is_printed(machine: Machine) -> None:
    async with FakeWatcher(machine.ctl) as watcher:
        watcher.answers |= {
            "on": {"text": "The network goes in 5 s."},
            "off": {"error": "driving", "text": "No."},
        }
        assert (await machine.hotspot("on", "--for", "30m")).out == "The network goes in 5 s.\n"
        assert (await machine.hotspot("try")).code == 0
        refused = await machine.hotspot("off")
        shown = await machine.hotspot("--json")
    assert (refused.code, refused.err) == (1, "picar: No.\n")
    assert [(one["verb"], one.get("for_s"), one.get("rehearsal")) for one in watcher.asked[:2]] == [
        ("on", 1800, False),
        ("on", 0, True),
    ]
    assert str(STATUS["ssid"]) in shown.out


async def test_without_a_setup_it_names_the_setup(machine: Machine) -> None:
    for arguments in (("on",), ("off",), ()):
        done = await machine.hotspot(*arguments)
        assert done.code == 1
        (line,) = done.err.splitlines()
        assert "hotspot setup" in line


@pytest.mark.parametrize("arguments", [("label",), ("on", "file"), ("on", "--for", "soon")])
async def test_a_wrong_use_is_refused(machine: Machine, arguments: tuple[str, ...]) -> None:
    assert (await machine.hotspot(*arguments)).code == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("picar-3f2a", "WIFI:T:WPA;S:picar-3f2a;P:a-b;;"),
        ('a\\b;c,d:e"f', 'WIFI:T:WPA;S:a\\\\b\\;c\\,d\\:e\\"f;P:a-b;;'),
    ],
)
def test_the_text_of_the_code_escapes_what_has_a_meaning(name: str, text: str) -> None:
    assert wifi_text(name, "a-b") == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", '[hotspot]\nwhen = "never"\n'),
        ("[server]\nport = 80", '[server]\nport = 80\n\n[hotspot]\nwhen = "never"\n'),
        ('[hotspot]\nwhen="x"\nname = "a"\n\n[left]\n', '[hotspot]\nwhen = "never"\nname = "a"\n\n[left]\n'),
        ("[hotspot]", '[hotspot]\nwhen = "never"\n'),
    ],
)
def test_one_option_of_a_file_is_changed_and_the_rest_stays(text: str, wanted: str) -> None:
    assert with_options(text, "hotspot", {"when": "never"}) == wanted
    assert with_options(wanted, "hotspot", {}) == wanted


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a:b", ["a", "b"]),
        (r"a\:b:", ["a:b", ""]),
        (r"a\\:b", ["a\\", "b"]),
        ("", [""]),
        ("::", ["", "", ""]),
    ],
)
def test_a_terse_line_is_read(line: str, found: list[str]) -> None:
    assert fields(line) == found


def test_a_password_survives_nmcli_s_reader() -> None:
    assert password_line(r" a\ b") == "802-11-wireless-security.psk:\\ a\\\\\\ b\n"


@pytest.mark.parametrize(
    ("seen", "channel"),
    [([], 6), ([(90, 1)], 6), ([(50, 3), (40, 11)], 11), ([(99, 36), (10, 6)], 1)],
)
def test_the_emptiest_channel(seen: list[tuple[int, int]], channel: int) -> None:
    assert emptiest([Seen(signal, at, "", "") for signal, at in seen]) == channel


def test_the_interface_is_the_first_radio(tmp_path: Path) -> None:
    assert interface(root=tmp_path) == ""
    for name in ("eth0/device", "wlan1/phy80211", "wlan0/phy80211"):
        (tmp_path / "sys/class/net" / name).mkdir(parents=True)
    assert interface(root=tmp_path) == "wlan0"
    assert interface("wlan1", tmp_path) == "wlan1"


def test_a_name_of_any_bytes_is_written_as_numbers() -> None:
    assert keyfile_ssid("Café") == "67;97;102;195;169;"


def test_a_time_needs_a_unit() -> None:
    assert [seconds(text) for text in ("0s", "90s", "30m", "2h")] == [0, 90, 1800, 7200]
    with pytest.raises(UsageError):
        seconds("30")
