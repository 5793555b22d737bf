"""From a plain Debian to the first drive and back: Bookworm and Trixie, with apt, polkit, Avahi and logind at work.

Each Debian is installed on, driven, upgraded, restarted and switched off from a phone, and cleared; in this order.
`-s` shows what is said on the way, with the seconds it took.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.service.archive import add_archive
from tests.service.installed import CONFIG, PATIENCE_S, PICAR, UNIT, Service
from tests.service.machine import CHECKOUT, Machine, missing
from tests.support.client import Client
from tests.support.household import JSON, cookie_of
from tests.support.product import read_trace
from tests.support.raw import Answer, ask
from tests.support.waiting import until

pytestmark = pytest.mark.systemd

OPTIONS = ("--gpio", "--power", "--wifi")
TRACE = "/var/lib/picar/trace.jsonl"  # on disk, to be read when the machine is off
RULE = "/etc/polkit-1/rules.d/50-picar.rules"
ANNOUNCED = "/etc/avahi/services/picar.service"
WIFI_NM = "/etc/NetworkManager/conf.d/zz-picar-wifi.conf"
WIFI_UDEV = "/etc/udev/rules.d/70-picar-wifi.rules"
POWER = "/api/v1/power"


class Rehearsal:
    """A car on a plain Debian, and the phone of its owner."""

    def __init__(self, suite: str, machine: Machine) -> None:
        self.suite = suite
        began = time.monotonic()
        self.service = Service(machine, *OPTIONS, trace=TRACE)
        self.tell("scripts/install " + " ".join(OPTIONS), began, self.service.installed)
        config = machine.path(CONFIG)
        config.write_text(config.read_text() + '[access]\npairing = "on"\n')
        self.machine = machine
        self.phone: dict[str, str] = {}

    def tell(self, what: str, began: float, said: str) -> None:
        """Print a part of the transcript."""
        print(f"\n# {what}: {time.monotonic() - began:.1f} s\n{said}")

    async def pair(self) -> None:
        """Pair the phone by the PIN that scripts/install has shown."""
        pin = next(line.split()[1] for line in self.service.installed.splitlines() if "PIN " in line)
        answer = await self.ask("POST", "/api/v1/pair", f'{{"pin": "{pin}"}}')
        self.phone = cookie_of(answer)

    async def ask(self, method: str, path: str, body: str = "") -> Answer:
        """Send a request, as the phone where it is paired."""
        headers = {**self.phone, **(JSON if body else {})}
        return await ask(("127.0.0.1", self.service.port), method, path, headers, body.encode() or None)

    async def switch(self, action: str) -> Answer:
        """Ask the car to switch its machine off, or to start it again."""
        return await self.ask("POST", POWER, f'{{"action": "{action}"}}')

    def there(self, *paths: str) -> list[bool]:
        """Return which of these files are there."""
        return [self.machine.path(path).exists() for path in paths]


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def rehearsal(request: pytest.FixtureRequest) -> Iterator[Rehearsal]:
    if lack := missing():
        pytest.fail(lack)
    with Machine(request.param, bare=True) as machine:
        if request.param == "trixie":
            add_archive(machine)
        yield Rehearsal(request.param, machine)


def test_one_command_makes_a_car_of_a_plain_debian(rehearsal: Rehearsal) -> None:
    machine, said = rehearsal.machine, rehearsal.service.installed
    assert said.startswith("0\n"), said
    assert (
        "install from apt: python3-venv avahi-daemon polkitd iw, python3-lgpio python3-pil where they are there\n"
        in said
    )
    assert ("install lgpio from PyPI" in said) == (rehearsal.suite == "bookworm")
    assert rehearsal.there(RULE, ANNOUNCED, WIFI_UDEV, WIFI_NM) == [True, True, True, False]
    port = "" if rehearsal.service.free_port == 80 else f":{rehearsal.service.free_port}"
    first = next(line for line in said.splitlines() if line.startswith("  open "))
    assert first.endswith(f".local{port}"), said
    assert "  PIN    " in said
    python = PICAR.replace("/picar", "/python")
    machine.run("sh", "-c", f"cd /tmp && {python} -c 'import lgpio; lgpio.gpiochip_open'; rm -f .lgd*")
    announced = machine.path(ANNOUNCED).read_text()
    assert f"<port>{rehearsal.service.free_port}</port>" in announced
    car = json.loads(machine.run("cat", "/var/lib/picar/access.json").stdout)["car"]
    assert re.findall("<txt-record>(.*)</txt-record>", announced) == ["path=/", "v=1", f"id={car}"]


def test_it_has_a_picture(rehearsal: Rehearsal) -> None:
    machine, said = rehearsal.machine, rehearsal.service.installed
    assert "\n  camera   none found; connect one, then: picar camera --list\n" in said
    assert {"gpio", "video"} <= set(machine.run("id", "-nG", "picar").stdout.split())
    take = "PICAR_CAMERA__SOURCE=sim picar camera --snapshot /var/lib/picar/now.jpg"
    machine.run("runuser", "-u", "picar", "--", "sh", "-c", take)
    assert machine.path("/var/lib/picar/now.jpg").read_bytes().startswith(b"\xff\xd8")


async def test_it_drives(rehearsal: Rehearsal) -> None:
    service = rehearsal.service
    await service.start()
    await rehearsal.pair()
    async with Client(service.url, headers=rehearsal.phone) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"] == {"left": 1.0, "right": 1.0})
        assert any(service.levels().values())
        await phone.let_go()
        await until(service.is_low, "every pin low")


async def test_an_upgrade_in_place_keeps_what_was_chosen(rehearsal: Rehearsal) -> None:
    service, machine = rehearsal.service, rehearsal.machine
    config, server = machine.path(CONFIG).read_text(), service.pids()["server"]
    began = time.monotonic()
    said = service.install()
    rehearsal.tell("scripts/install, an upgrade", began, said)
    assert said.startswith("0\n")
    assert "from apt" not in said
    assert f":{service.port}\n" in said
    assert machine.path(CONFIG).read_text() == config
    assert service.pids()["server"] != server
    assert rehearsal.there(RULE, ANNOUNCED, WIFI_UDEV) == [True, True, True]
    assert f"<port>{service.port}</port>" in machine.path(ANNOUNCED).read_text()
    assert "= true" in machine.run("cat", "/opt/picar/venv/pyvenv.cfg").stdout


async def test_what_is_given_is_taken_back(rehearsal: Rehearsal) -> None:
    service = rehearsal.service
    assert (await rehearsal.ask("GET", POWER)).json == {"available": True}
    assert service.install(options=("--no-power", "--no-wifi")).startswith("0\n")
    assert rehearsal.there(RULE, WIFI_UDEV) == [False, False]
    assert (await rehearsal.ask("GET", POWER)).json == {"available": False}
    refused = await rehearsal.switch("off")
    assert (refused.status, refused.code) == (503, "not_available")
    assert "scripts/install --power" in refused.json["error"]["message"]
    assert service.install(options=OPTIONS).startswith("0\n")
    assert (await rehearsal.ask("GET", POWER)).json == {"available": True}


async def test_nobody_but_picar_and_nothing_but_that(rehearsal: Rehearsal) -> None:
    def may(user: str, action: str) -> bool:
        call = (
            f"busctl --allow-interactive-authorization=no call org.freedesktop.login1 /org/freedesktop/login1 \
            org.freedesktop.login1.Manager {action}"
        )
        said = rehearsal.machine.run("runuser", "-u", user, "--", "sh", "-c", call, check=False)
        return said.stdout == 's "yes"\n'

    assert may("picar", "CanPowerOff")
    assert may("picar", "CanReboot")
    assert not may("picar", "CanHalt")
    assert not may("nobody", "CanPowerOff")


async def test_strangers_and_a_moving_car_are_refused(rehearsal: Rehearsal) -> None:
    paired, rehearsal.phone = rehearsal.phone, {}
    stranger = await rehearsal.switch("off")
    rehearsal.phone = paired
    assert (stranger.status, stranger.code) == (401, "not_paired")
    async with Client(rehearsal.service.url, headers=paired) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"] == {"left": 1.0, "right": 1.0})
        refused = await rehearsal.switch("off")
        assert (refused.status, refused.code) == (409, "moving")
        await phone.hears(5)
        assert phone.state["applied"] == {"left": 1.0, "right": 1.0}, "it drives on"
        await phone.let_go()
        await until(rehearsal.service.is_low, "every pin low")


async def test_a_paired_phone_starts_the_machine_again(rehearsal: Rehearsal) -> None:
    machine, service = rehearsal.machine, rehearsal.service
    began = time.monotonic()
    answer = await rehearsal.switch("reboot")
    assert (answer.status, answer.json) == (202, {"action": "reboot"})
    await until(lambda: machine.ended() == "reboot", "a reboot", PATIENCE_S)
    machine.boot()
    await until(lambda: service.show("ActiveState") == "active", "the service by itself", PATIENCE_S)
    print(f"\n# POST {POWER} reboot: the service again after {time.monotonic() - began:.1f} s")
    assert (await rehearsal.ask("GET", "/api/v1/state")).status == 200, "still paired"


async def test_a_paired_phone_switches_the_machine_off_and_its_pins_are_low_before(
    rehearsal: Rehearsal,
) -> None:
    machine, service = rehearsal.machine, rehearsal.service
    async with Client(service.url, headers=rehearsal.phone) as phone:
        await phone.take()
        phone.hold(0.5)
        await phone.until(lambda s: s["applied"]["left"] > 0)
        await phone.let_go()
        await until(service.is_low, "every pin low")
        await phone.hears(5)
        began = time.monotonic()
        answer = await rehearsal.switch("off")
        answered = time.monotonic()
        assert (answer.status, answer.json) == (202, {"action": "off"})
    await until(lambda: machine.ended() == "off", "switched off", PATIENCE_S)
    print(
        f"\n# POST {POWER} off: answered {answered - began:.2f} s, off {time.monotonic() - began:.1f} s later"
    )
    trace = read_trace(machine.kept(TRACE))
    levels = {write["pin"]: write["value"] for write in trace if write["t"] <= answered}
    assert levels
    assert not any(levels.values()), "low before it was answered"
    assert not any(write["value"] for write in trace if write["t"] > answered)
    machine.boot()
    await until(lambda: service.show("ActiveState") == "active", "the service by itself", PATIENCE_S)


def test_a_camera_at_the_connector_gets_its_library_or_a_sentence(rehearsal: Rehearsal) -> None:
    node = "/sys/class/video4linux/video0"
    mount = f"mount -t tmpfs none /sys/class && mkdir -p {node} && echo unicam-image >{node}/name"
    command = ("unshare", "--mount", "sh", "-c", f"{mount} && exec {CHECKOUT}/scripts/install --gpio")
    began = time.monotonic()
    said = rehearsal.machine.run(*command).stdout
    rehearsal.tell("scripts/install with a camera", began, said)
    assert "install from apt: python3-picamera2, for the camera at the connector\n" in said
    assert ("apt could not install python3-picamera2" in said) == (rehearsal.suite == "bookworm")
    assert "\n  camera   picar camera --list\n" in said
    there = rehearsal.machine.path("/usr/lib/python3/dist-packages/picamera2")
    assert there.exists() == (rehearsal.suite == "trixie")


def test_removed_nothing_of_it_is_left(rehearsal: Rehearsal) -> None:
    machine = rehearsal.machine
    began = time.monotonic()
    said = machine.run(f"{CHECKOUT}/scripts/uninstall").stdout
    rehearsal.tell("scripts/uninstall", began, said)
    assert rehearsal.there(RULE, ANNOUNCED, WIFI_UDEV, "/usr/local/bin/picar", CONFIG) == [False] * 4 + [True]
    began = time.monotonic()
    said = machine.run(f"{CHECKOUT}/scripts/uninstall", "--purge").stdout
    rehearsal.tell("scripts/uninstall --purge", began, said)
    assert_nothing_left(machine)


def test_the_wifi_is_asked_about_on_a_terminal_and_then_never_again(rehearsal: Rehearsal) -> None:
    machine = rehearsal.machine
    machine.run("sh", "-c", "mount -t tmpfs none /sys/class/net; mkdir -p /sys/class/net/wlan0/phy80211")
    machine.run("mkdir", "/etc/NetworkManager")
    try:
        said = on_a_terminal(machine, "n")
        assert "Stop it from saving power? [Y/n]" in said
        assert "Answer questions about this car now" in said
        assert rehearsal.there(WIFI_NM, WIFI_UDEV) == [False, False]
        assert "Stop it from" not in on_a_terminal(machine, "")
        machine.run(f"{CHECKOUT}/scripts/uninstall", "--purge")
        assert "Stop it from saving power? [Y/n]" in on_a_terminal(machine, "")
        assert "wifi.powersave = 2\n" in machine.path(WIFI_NM).read_text()
    finally:
        machine.run("umount", "/sys/class/net")
    machine.run(f"{CHECKOUT}/scripts/uninstall", "--purge")
    machine.run("rm", "-r", "/etc/NetworkManager")
    assert_nothing_left(machine)


def on_a_terminal(machine: Machine, answer: str) -> str:
    """Run scripts/install on a terminal, answer with a line, and decline `picar setup`. Returns what it showed."""
    spawn = f"import os, pty; os.environ['TERM'] = 'dumb'; pty.spawn(['{CHECKOUT}/scripts/install'])"
    said = machine.run("sh", "-c", f'printf "%s\\n" "{answer}" n | python3 -c "{spawn}"').stdout
    assert "picar is ready" in said, said
    return said


def assert_nothing_left(machine: Machine) -> None:
    """See that no file has its name, none of the system's has it inside, and its user is gone."""
    left = machine.run("find", "/", "-xdev", "-name", "*picar*", "-not", "-path", "/root/*").stdout
    assert left == ""
    inside = machine.run(
        "grep",
        "-rIl",
        "--exclude=*-",
        "--exclude-dir=lists",
        "picar",
        "/etc",
        "/usr/local",
        "/var/lib",
        check=False,
    )
    assert inside.stdout == ""
    assert machine.run("getent", "passwd", "picar", check=False).returncode
    assert machine.show(UNIT, "LoadState") == "not-found"
