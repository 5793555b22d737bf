"""What picar tells systemd, heard on a real socket from the real program."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient

from picar.system.systemd import Watchdog, notify
from tests.service.listener import Listener
from tests.support.client import Client
from tests.support.product import Product
from tests.support.waiting import until

WATCHDOG_S = 2  # as in systemd/picar.service


@pytest.fixture(params=["a path", "the abstract namespace"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    address = f"@picar-test-{os.getpid()}" if "abstract" in request.param else str(tmp_path / "notify")
    with Listener(address) as listener:
        yield listener


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[tuple[Product, Listener]]:
    """A car that systemd watches, ready."""
    with Listener(str(tmp_path / "notify")) as listener:
        env = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000)}
        async with Product(env=env) as car:
            await until(lambda: any("READY=1" in each for each in listener.heard()), "ready")
            yield car, listener
            assert "Traceback" not in car.log()


async def test_it_is_ready_when_it_serves_and_has_its_pins(service: tuple[Product, Listener]) -> None:
    car, systemd = service
    assert systemd.heard()[0] == f"READY=1\nSTATUS=Ready on port {car.port}."
    answer = await AsyncHTTPClient().fetch(f"{car.url}/healthz")
    assert answer.code == 200


@pytest.mark.parametrize("driven", [False, True])
async def test_it_feeds_the_watchdog_in_time_and_seldom(
    service: tuple[Product, Listener], driven: bool
) -> None:
    car, systemd = service
    async with Client(car.url) as phone:
        if driven:
            await phone.take()
            phone.hold(0.5)
        before, began = systemd.feeds(), time.monotonic()
        await until(lambda: systemd.feeds() >= before + 4, "four feeds")
        took = time.monotonic() - began
    assert took < 4 * WATCHDOG_S
    assert took > 3 * WATCHDOG_S / 3 - 0.5  # not with each pulse, 20 times a second


async def test_a_stopped_motor_process_ends_the_feeding(service: tuple[Product, Listener]) -> None:
    car, systemd = service
    os.kill(car.motor_pid(), signal.SIGSTOP)
    before = systemd.feeds()
    assert await car.ended() == 1
    assert systemd.heard()[-1] == "STOPPING=1\nSTATUS=A failure; the log has the details."
    assert systemd.feeds() - before <= 3  # it counts as fresh for 2 s


async def test_a_stopped_server_is_fed_by_nobody_else(service: tuple[Product, Listener]) -> None:
    car, systemd = service
    car.process.send_signal(signal.SIGSTOP)
    try:
        stat = Path(f"/proc/{car.process.pid}/stat")
        await until(lambda: " T " in stat.read_text(), "the server stopped")
        before = systemd.feeds()
        await asyncio.sleep(WATCHDOG_S)
        assert systemd.feeds() == before
    finally:
        car.process.send_signal(signal.SIGCONT)


async def test_told_to_end_it_says_so_when_the_pins_are_low(service: tuple[Product, Listener]) -> None:
    car, systemd = service
    car.process.terminate()
    await until(lambda: "STOPPING=1\nSTATUS=Stopped on request." in systemd.heard(), "stopping")
    assert car.is_low()
    assert await car.ended() == 0


async def test_a_watchdog_of_another_process_is_not_fed(tmp_path: Path) -> None:
    with Listener(str(tmp_path / "notify")) as systemd:
        env = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}
        async with Product(env=env) as car:
            await until(systemd.heard, "ready")
            await car.terminate()
        assert [each.split("\n")[0] for each in systemd.heard()] == ["READY=1", "STOPPING=1"]


async def test_without_systemd_nothing_is_said_and_nothing_amiss(tmp_path: Path) -> None:
    async with Product(env={"NOTIFY_SOCKET": "", "WATCHDOG_USEC": ""}) as car:
        assert await car.terminate() == 0
        assert "NOTIFY" not in car.log()


def test_a_datagram_arrives_as_it_was_said(systemd: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    notify("READY=1\nSTATUS=“Räder frei”")
    assert systemd.heard() == ["READY=1\nSTATUS=“Räder frei”"]


def test_nobody_listening_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("", str(tmp_path / "gone"), "@picar-gone", "x" * 300):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("READY=1")


def test_a_listener_that_hangs_holds_nobody_up(systemd: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    for _ in range(2000):  # many more than a socket's queue holds
        notify("STATUS=" + "x" * 1000)
    assert 0 < len(systemd.heard()) < 2000


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"WATCHDOG_USEC": ""},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"},
    ],
)
def test_where_nobody_watches_nothing_is_fed(
    env: dict[str, str], systemd: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    watchdog = Watchdog(env)
    for now in (0.0, 10.0, 1e9):
        watchdog.feed(now)
    assert systemd.heard() == []


def test_asked_every_half_second_it_is_fed_every_second_of_two(
    systemd: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    watchdog = Watchdog({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())})
    for half_seconds in range(20):
        watchdog.feed(1000 + half_seconds / 2)
    assert systemd.feeds() == 10
