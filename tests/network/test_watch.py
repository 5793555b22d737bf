"""The watcher as a process, with programs that stand for NetworkManager and the radio."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from picar.access.locations import Serving, announce, withdraw
from picar.commands import hotspot
from picar.config import HotspotConfig
from picar.network import watch, wifi
from picar.network.hotspot import ANNOUNCED_S
from tests.network.machine import AT_HOME, Network, Watching
from tests.support.household import Household
from tests.support.secure import SecureHousehold
from tests.support.waiting import until

pytestmark = pytest.mark.slow

HOME, CAFE = r"Home: \Net", "Café; 5"


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setattr(wifi, "CTL", tmp_path / "ctl")
    return Network(tmp_path / "bin")


@pytest.fixture
async def watching(network: Network) -> AsyncIterator[Watching]:
    """A watcher that acts on request only."""
    network.change(active="u-own")
    async with Watching(network, "") as watcher:
        await watcher.becomes(mode="hotspot")
        yield watcher


async def test_without_a_network_the_hotspot_comes_and_the_page_can_be_told(network: Network) -> None:
    network.appears(HOME, "another password")
    network.appears("x\n99:y\nz", "a name that forges lines")
    async with Watching(network, 'when = "fallback"\nfallback_s = 5\n') as watcher:
        await watcher.becomes(mode="none")
        status = await watcher.becomes(mode="hotspot", ssid="picar-3f2a")
        assert (status["stations"], status["last"]) == (0, None)
        assert 100 < status["next_look_s"] <= 180
        network.change(stations=2)
        await watcher.becomes(stations=2)
    ups = [call for call in network.calls() if " connection up " in call]
    assert ups == [
        "nmcli --wait 30 connection up uuid u-home",
        "nmcli --wait 40 connection up id picar-hotspot",
    ]
    assert "network: hotspot picar-3f2a" in watcher.log()
    assert "up failed: The password is wrong." in watcher.log()


async def test_a_join_with_a_password_of_any_kind_keeps_the_network(
    network: Network, watching: Watching
) -> None:
    network.appears(CAFE, AT_HOME)
    answer = await wifi.ask("join", ssid=CAFE, password=AT_HOME)
    assert answer["text"].startswith(f"The network goes in 5 s; the car tries {CAFE} for 60 s.")
    await watching.becomes(mode="wifi", ssid=CAFE, last=None)
    await until(lambda: network.state()["profiles"][network.active]["auto"], "the profile to be kept")
    assert network.state()["profiles"][network.active]["psk"] == AT_HOME
    assert AT_HOME not in "\n".join(network.calls())
    assert AT_HOME not in watching.log()


@pytest.mark.parametrize(
    ("password", "more", "code", "text"),
    [
        ("wrong password", {}, "wrong_password", "The password is wrong."),
        ("", {}, "wrong_password", "The password is wrong."),
        ("right password", {"deaf": True}, "no_address", "The network gave the car no address."),
        ("right password", None, "not_seen", "The network is not in sight."),
    ],
)
async def test_a_join_that_fails_is_told_and_undone(
    network: Network, watching: Watching, password: str, more: dict[str, Any] | None, code: str, text: str
) -> None:
    if more is not None:
        network.appears(CAFE, "right password", **more)
    profiles = network.state()["profiles"]
    await wifi.ask("join", ssid=CAFE, password=password)
    await watching.becomes(last={"ssid": CAFE, "code": code, "text": text}, mode="hotspot")
    assert network.state()["profiles"] == profiles
    tries = [call.split() for call in network.calls() if " connection up uuid " in call]
    answered = [(int(words[2]), words[-2] == "passwd-file") for words in tries]
    # NetworkManager asks again after a wrong password. Without an answer it ends the join at once.
    assert answered == {"wrong password": [(15, True), (45, False)], "": [(60, False)]}.get(
        password, [(15, True)]
    )


async def test_a_hidden_network_is_joined_by_its_name(network: Network, watching: Watching) -> None:
    network.appears(CAFE, AT_HOME, hidden=True)
    await wifi.ask("join", ssid=CAFE, password=AT_HOME)
    await watching.becomes(mode="wifi", ssid=CAFE, last=None)


async def test_the_networks_in_sight_are_those_of_the_last_scan(network: Network) -> None:
    network.appears(HOME, AT_HOME)
    network.appears(CAFE, "", signal=30)
    network.appears("line\nbreak", "")
    async with Watching(network, "") as watcher:
        await watcher.becomes(mode="none")
        seen = [
            {"ssid": HOME, "signal": 70, "secured": True, "known": True},
            {"ssid": CAFE, "signal": 30, "secured": False, "known": False},
        ]
        await watcher.becomes(seen=seen)
        network.appears("New", "")
        for _ in range(5):
            assert (await wifi.ask("status"))["seen"] == seen  # a scan disturbs, so not for each question
    assert len([call for call in network.calls() if "--rescan" in call]) == 1


async def test_no_scan_is_made_for_the_page_under_the_hotspot(network: Network, watching: Watching) -> None:
    network.appears(HOME, AT_HOME)
    before = len(network.calls())
    assert (await wifi.ask("status"))["seen"] == []
    await until(lambda: sum("--active" in call for call in network.calls()[before:]) > 3, "three turns")
    assert not [call for call in network.calls() if "--rescan" in call]


async def test_a_known_network_needs_replace_and_its_profile_stays(
    network: Network, watching: Watching
) -> None:
    network.appears(HOME, "new password")
    wanted = {"ssid": HOME, "password": "new password"}
    assert (await wifi.ask("join", **wanted))["error"] == "known"
    assert "error" not in await wifi.ask("join", **wanted, replace=True)
    assert (await wifi.ask("on"))["error"] == "busy"
    await watching.becomes(mode="wifi", ssid=HOME)
    assert network.state()["profiles"]["u-home"]["psk"] == AT_HOME


async def test_off_joins_a_known_network_and_on_comes_back(network: Network, watching: Watching) -> None:
    network.appears(HOME, AT_HOME)
    await wifi.ask("off")
    await watching.becomes(mode="wifi", ssid=HOME)
    text = (await wifi.ask("on", for_s=60))["text"]
    assert text == "The network goes in 5 s; join picar-3f2a; if nobody comes within 3 minutes it goes back."
    await watching.becomes(mode="hotspot")


async def test_while_a_client_drives_nobody_takes_the_network(network: Network, tmp_path: Path) -> None:
    network.change(active="u-own")
    async with Household("off") as car, car.client({}) as phone:
        async with Watching(network, "", {"XDG_RUNTIME_DIR": str(car.folder)}) as watcher:
            await watcher.becomes(mode="hotspot")
            await phone.take()
            phone.hold(0.5)
            await phone.until(lambda s: s["applied"]["left"] > 0)
            assert (await wifi.ask("off"))["error"] == "driving"
            assert (await wifi.ask("join", ssid=CAFE, password=""))["error"] == "driving"
            network.change(active="")
            await watcher.becomes(mode="none")
            before = len(network.calls())
            while sum("--active" in call for call in network.calls()[before:]) < 4:
                assert (await wifi.ask("status"))["seen"] == []
                await asyncio.sleep(0.05)
            assert not [call for call in network.calls() if "--rescan" in call]
            network.change(active="u-own")
            await watcher.becomes(mode="hotspot")
            await phone.let_go()
            await phone.until(lambda s: s["applied"]["left"] == 0)
            await asyncio.sleep(1.5)  # for so long its sender counts as driving
            assert "error" not in await wifi.ask("off")
        await car.terminate()


async def test_a_driver_over_https_alone_counts_too(network: Network) -> None:
    network.change(active="u-own")
    async with SecureHousehold("off", config="http_drives = false\n") as car:
        async with Watching(network, "", {"XDG_RUNTIME_DIR": str(car.folder)}) as watcher:
            await watcher.becomes(mode="hotspot")
            async with car.secure_client({}) as phone:
                await phone.take()
                phone.hold(0.5)
                await phone.until(lambda s: s["applied"]["left"] > 0)
                assert (await wifi.ask("off"))["error"] == "driving"
            while (refusal := (await wifi.ask("off")).get("error")) == "driving":
                pass  # it has just left
            assert refusal is None
        await car.terminate()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 503 Service Unavailable\r\n\r\n", None])
async def test_a_server_that_has_no_time_for_an_answer_may_be_driving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    """Strangers may have all its connections."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            writer.transport.abort()
        else:
            writer.write(answer)
        writer.close()

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    entry = announce(Serving(os.getpid(), "127.0.0.1", port, str(tmp_path), "off"), tmp_path / "picar")
    async with server:
        assert await hotspot._is_driven()
    assert not await hotspot._is_driven()  # nothing listens: it has ended, or just begins
    withdraw(entry, tmp_path / "picar")
    assert not await hotspot._is_driven()


@pytest.mark.parametrize(
    "line",
    [
        *(b"x\n", b"[]\n", b"[" * 8000 + b"\n", b"x" * 9000 + b"\n", b"\xff\n", b'{"verb":"reboot"}\n'),
        *(b'{"verb":"join","ssid":5}\n', b'{"verb":"on","for_s":"1"}\n', b'{"verb":"on","for_s":NaN}\n'),
        *(b'{"verb":"on","for_s":-1}\n', b'{"verb":"on","for_s":1' + b"0" * 400 + b"}\n"),
    ],
)
async def test_nonsense_is_refused_and_does_no_harm(watching: Watching, line: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(wifi.CTL)
    writer.write(line)
    answer = await reader.read()
    writer.close()
    assert answer == b"" or json.loads(answer)["error"] == "bad_request"
    assert (await wifi.ask("status"))["mode"] == "hotspot"


@pytest.mark.parametrize("ssid", ["\0", "\ud800"])
async def test_a_name_that_no_network_has_ends_as_any_join_that_fails(watching: Watching, ssid: str) -> None:
    await wifi.ask("join", ssid=ssid, password="")
    await until(lambda: "add failed" in watching.log(), "the join to fail")
    assert (await watching.becomes(mode="hotspot"))["last"]["code"] == "other"


@pytest.mark.parametrize("asked", [{"verb": "off"}, {"verb": "join", "ssid": CAFE, "password": ""}])
async def test_the_time_until_the_network_goes_begins_with_the_answer(asked: dict[str, str]) -> None:
    """The questions before it take seconds on a small Pi, and a phone must still read the answer."""

    class SlowRadio:
        async def known(self) -> dict[str, str]:
            return {}

    async def nobody_drives() -> bool:
        await asyncio.sleep(0.2)
        return False

    control = watch.Control(HotspotConfig(), cast(Any, SlowRadio()), nobody_drives)
    begun = time.monotonic()
    assert "error" not in await control._obey(asked)
    assert control._watcher._request
    assert control._watcher._request[0] >= begun + 0.2 + ANNOUNCED_S


async def test_the_socket_is_for_its_group_alone(watching: Watching) -> None:
    assert wifi.CTL.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize(
    ("user", "group", "may"),
    [(0, 12345, True), (None, 12345, True), (12345, None, True), (12345, 12345, False)],
)
def test_only_root_its_own_user_and_its_group_are_answered(
    monkeypatch: pytest.MonkeyPatch, user: int | None, group: int | None, may: bool
) -> None:
    monkeypatch.setattr("os.getuid", lambda: 990)
    monkeypatch.setattr("os.getgid", lambda: 991)

    class Peer:
        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            assert (level, option) == (socket.SOL_SOCKET, socket.SO_PEERCRED)
            return struct.pack("3i", 1, 990 if user is None else user, 991 if group is None else group)

    assert watch._may_ask(cast(Any, Peer())) == may


async def test_a_hotspot_that_fails_is_tried_again(network: Network) -> None:
    network.change(refuses=True)
    async with Watching(network, 'when = "always"\n') as watcher:
        await until(lambda: watcher.log().count("up failed") > 1, "two failures")
        network.change(refuses=False)
        await watcher.becomes(mode="hotspot")


async def test_without_an_answer_nothing_is_touched(network: Network, watching: Watching) -> None:
    """An unknown state is no lost network: a second `up` would send the phones away."""
    before = [call for call in network.calls() if "--wait" in call]
    network.change(fails=True)
    (network.folder / "iw").rename(network.folder / "iw.away")
    await asyncio.sleep(1.0)  # five looks
    network.change(fails=False)
    status = await watching.becomes(stations=1)  # nor can it be known that nobody is there
    assert (status["mode"], status["restarts"]) == ("hotspot", 0)
    assert [call for call in network.calls() if "--wait" in call] == before
