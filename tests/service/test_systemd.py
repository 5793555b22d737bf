"""The service on a real systemd: it starts, whatever kills it leaves the pins low, and the journal says why.

Run them as root with `scripts/test tests/service -m systemd`; what they need is in machine.py.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from tornado.httpclient import AsyncHTTPClient

from picar.recording.reader import opened
from tests.service.installed import CONFIG, DRIVEN, PICAR, SLOW, UNIT, Service, drop_in
from tests.support.client import Client
from tests.support.product import ALL_PINS, EN_PINS
from tests.support.viewer import Viewer
from tests.support.waiting import until

pytestmark = pytest.mark.systemd

CAP_NET_BIND_SERVICE = 1 << 10
NOTIFY_SOCKET = "/run/systemd/notify"


@pytest.fixture
async def driven(service: Service) -> AsyncIterator[Service]:
    """The service with a driver who holds full throttle all through the test."""
    await service.start()
    async with Client(service.url) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"] == {"left": 1.0, "right": 1.0})
        yield service
        await phone.let_go(zero=False)


async def test_it_is_ready_when_systemctl_returns_and_no_more_than_a_user(service: Service) -> None:
    began = time.monotonic()
    await service.start()
    print(f"start to READY: {time.monotonic() - began:.2f} s")
    answer = await AsyncHTTPClient().fetch(f"{service.url}/healthz")
    assert answer.code == 200
    assert service.show("StatusText") == f"Ready on port {service.port}."
    for pid in service.pids().values():
        status = dict(
            line.split(":\t", 1)
            for line in service.machine.path(f"/proc/{pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        assert "0" not in status["Uid"].split()
        assert status["NoNewPrivs"] == "1"
        for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == CAP_NET_BIND_SERVICE


async def test_a_recording_is_in_the_state_directory_and_survives_the_end_of_the_service(
    service: Service,
) -> None:
    await service.start()
    async with Client(service.url) as phone:
        await phone.take()
        await phone.ask("record", on=True)
        await phone.until(lambda s: s["recording"] and s["recording"].get("s", 0) > 1.5)
        assert phone.state["recording"]["bytes"]
        service.machine.run("systemctl", "stop", "picar")
    folder = service.machine.path("/var/lib/picar/recordings")
    assert folder.stat().st_mode & 0o777 == 0o700
    (path,) = await until(lambda: list(folder.glob("*.mcap")), "a finished recording")
    with opened(path) as recording:
        assert recording.is_finished
        assert recording.totals().counts["/picar/state"]


async def test_it_runs_for_longer_than_its_watchdog_waits(service: Service) -> None:
    await service.start()
    server = service.pids()["server"]
    await asyncio.sleep(5.0)
    assert service.pids()["server"] == server


async def test_nobody_but_the_server_may_feed_the_watchdog(service: Service) -> None:
    await service.start()
    since, server = time.time(), service.pids()["server"]
    join = (
        'for file in $(find /sys/fs/cgroup -path "*/picar.service/cgroup.procs"); do echo $$ >"$file"; done'
    )
    feed = "from picar.system.systemd import *; import time\nfor _ in range(50): notify('WATCHDOG=1'); time.sleep(0.2)"
    env = f"NOTIFY_SOCKET={NOTIFY_SOCKET} {PICAR.replace('bin/picar', 'bin/python')}"
    feeding = asyncio.to_thread(
        service.machine.run, "sh", "-c", f'{join}; exec env {env} -c "{feed}"', check=False
    )
    impostor = asyncio.create_task(feeding)  # with the motor process's rights: it dies with the service
    await service.kill("STOP", "server")
    await service.until_journal("Watchdog timeout (limit 2s)!", since)
    await service.until_active_again(server)
    assert (await impostor).returncode not in (0, 1), "the watchdog ended it"


@pytest.mark.parametrize(
    ("signal", "whom", "journal"),
    [
        ("KILL", ("server",), "Main process exited, code=killed, status=9/KILL"),
        ("KILL", ("motor",), "motor process ended with signal 9: pins low"),
        ("KILL", ("server", "motor"), "Main process exited, code=killed, status=9/KILL"),
        ("STOP", ("server",), "Watchdog timeout (limit 2s)!"),
        ("STOP", ("motor",), "motor process silent for 0.5 s while driving: pins low"),
        ("STOP", ("server", "motor"), "Watchdog timeout (limit 2s)!"),
    ],
    ids=lambda value: " and ".join(value) if isinstance(value, tuple) else value[:4],
)
async def test_after_a_fault_the_pins_are_low_and_it_starts_again(
    driven: Service, signal: str, whom: tuple[str, ...], journal: str
) -> None:
    server = driven.pids()["server"]
    since, began = time.time(), time.monotonic()
    await driven.kill(signal, *whom)
    await until(driven.is_low, "every pin low")
    await driven.until_journal(journal, since)
    await driven.until_journal("Every motor pin is low.", since)
    await driven.until_active_again(server)
    again = time.monotonic() - began
    print(
        f"{signal} {' and '.join(whom)}: low after {driven.low_after(began) * 1000:.0f} ms, again after {again:.1f} s"
    )
    assert driven.is_low()


async def test_a_killed_server_takes_no_motor_process_with_it_before_that_has_told_why(
    service: Service,
) -> None:
    await service.start()
    told = service.flights()
    for _ in range(8):
        server = service.pids()["server"]
        await service.kill("KILL", "server")
        await service.until_active_again(server)
        (saved,) = service.flights() - told
        told.add(saved)
        head = json.loads(saved.read_text().splitlines()[0])
        assert (head["by"], head["why"]) == ("motor", "the server is gone")


async def test_a_camera_process_yields_to_the_others_and_is_killed_alone(driven: Service) -> None:
    def of_camera(file: str) -> str:
        return driven.machine.path(f"/proc/{driven.pids()['camera']}/{file}").read_text()

    async with Viewer(driven.url) as viewer:
        await viewer.sees(3)
        before = driven.pids()
        assert of_camera("stat").rpartition(") ")[2].split()[16] == "10", "nice"
        assert of_camera("oom_score_adj") == "800\n"
        since, began = time.time(), time.monotonic()
        await driven.kill("KILL", "camera")  # as the kernel does when memory runs out
        await driven.until_journal("camera: The camera needed more than 400 MB and was ended.", since)
        viewer.shown.clear()
        await viewer.sees(3)
        print(f"KILL camera: three pictures again after {time.monotonic() - began:.1f} s")
        after = driven.pids()
    assert after["camera"] != before["camera"]
    assert (after["server"], after["motor"]) == (before["server"], before["motor"])
    falls = [w for w in driven.trace() if w["t"] >= began and w["pin"] in EN_PINS and not w["value"]]
    assert not falls, "it drives on"
    await until(lambda: "camera" not in driven.pids(), "no camera process without a viewer")


@pytest.mark.parametrize("verb", ["stop", "restart"])
async def test_told_to_end_it_makes_the_pins_low_and_fails_not(driven: Service, verb: str) -> None:
    since, began, flights = time.time(), time.monotonic(), driven.flights()
    await driven.run("systemctl", verb, UNIT)
    took = time.monotonic() - began
    assert driven.is_low()
    assert driven.flights() == flights, "no fault, no flight"
    print(f"systemctl {verb}: low after {driven.low_after(began) * 1000:.0f} ms, returned after {took:.1f} s")
    await driven.until_journal("Deactivated successfully.", since)
    assert driven.show("Result") == "success"
    assert driven.show("ActiveState") == ("active" if verb == "restart" else "inactive")


async def test_a_stopped_server_does_not_keep_systemctl_stop_waiting(driven: Service) -> None:
    await driven.kill("STOP", "server")
    began = time.monotonic()
    await driven.run("systemctl", "stop", UNIT)
    assert driven.is_low()
    assert driven.show("ActiveState") in ("inactive", "failed")
    print(f"systemctl stop, server stopped in its tracks: returned after {time.monotonic() - began:.1f} s")


async def test_killed_again_and_again_it_never_gives_up(service: Service) -> None:
    await service.start()
    since = time.time()
    for _ in range(8):
        server = service.pids()["server"]
        await service.kill("KILL", "server", "motor")
        await service.until_active_again(server)
        assert service.is_low()
    assert service.show("NRestarts") == "8"
    lows = [line for line in service.journal(since) if line == "Every motor pin is low."]
    assert len(lows) == 8


async def test_a_wrong_configuration_is_said_once_and_not_tried_again(service: Service) -> None:
    good = service.machine.path(CONFIG).read_text()
    since = time.time()
    service.machine.write(CONFIG, "[server]\nprot = 80\n")
    try:
        service.machine.run("systemctl", "restart", UNIT, check=False)
        await service.until_journal("Did you mean port?", since)
        await asyncio.sleep(2.5)  # more than RestartSec
        assert service.show("ActiveState") == "failed"
        assert service.show("NRestarts") == "0"
    finally:
        service.machine.write(CONFIG, good)


async def test_a_configuration_broken_meanwhile_does_not_keep_the_pins_from_low(driven: Service) -> None:
    good = driven.machine.path(CONFIG).read_text()
    since = time.time()
    driven.machine.write(CONFIG, "[l298n]\nena = 99\n")
    try:
        await driven.kill("KILL", "server", "motor")
        await until(driven.is_low, "every pin low")
        await driven.until_journal("Every motor pin is low.", since)
    finally:
        driven.machine.write(CONFIG, good)


@pytest.fixture
def slow(driven: Service) -> Iterator[Callable[[str], Awaitable[None]]]:
    """Have `picar pins-low` after the end begin with these shell commands, as on a slow Pi with a cold cache."""
    machine, unit = driven.machine, f"/etc/systemd/system/{UNIT}.d/mock.conf"

    async def begin_with(commands: str) -> None:
        machine.write(SLOW, f'#!/bin/sh\n{commands}\nexec {PICAR} "$@"\n')
        await driven.run("chmod", "755", SLOW)
        machine.write(unit, drop_in("ExecStopPost"))
        await driven.run("systemctl", "daemon-reload")

    yield begin_with
    machine.path(SLOW).unlink()
    machine.write(unit, drop_in())
    machine.run("systemctl", "daemon-reload")


async def test_a_slow_start_of_python_is_waited_for(
    driven: Service, slow: Callable[[str], Awaitable[None]]
) -> None:
    await slow("sleep 3")  # longer than TimeoutStopSec
    server, since, began = driven.pids()["server"], time.time(), time.monotonic()
    await driven.kill("KILL", "server", "motor")
    await until(driven.is_low, "every pin low")
    await driven.until_journal("Every motor pin is low.", since)
    print(f"KILL server and motor, a Python that starts in 3 s: low after {driven.low_after(began):.1f} s")
    assert any("stop-post' timed out" in line for line in driven.journal(since))
    await driven.until_active_again(server)


async def test_what_took_too_long_is_done_at_the_next_start_on_the_pins_that_were_driven(
    driven: Service, slow: Callable[[str], Awaitable[None]]
) -> None:
    await slow("sleep 8; exit 1")  # and not for long, should systemd fail to kill it
    good = driven.machine.path(CONFIG).read_text()
    server, since = driven.pids()["server"], time.time()
    driven.machine.write(CONFIG, f"{good}[l298n]\nena = 5\nin1 = 6\nin2 = 16\nin3 = 17\nin4 = 25\nenb = 26\n")
    try:
        await driven.kill("KILL", "server", "motor")
        await driven.until_active_again(server)
        assert any("final-sigterm' timed out" in line for line in driven.journal(since))
        assert driven.levels().keys() > set(ALL_PINS), "it drives the other pins now"
        assert not any(driven.levels()[pin] for pin in ALL_PINS)
    finally:
        driven.machine.write(CONFIG, good)


async def test_pins_that_cannot_be_made_low_do_not_keep_it_from_starting(service: Service) -> None:
    await service.run("systemctl", "stop", UNIT)
    assert not service.machine.path(DRIVEN).exists()
    service.machine.write(DRIVEN, "[l298n]\nthis is no option = 1\n")
    await service.start()
    assert service.machine.path(DRIVEN).read_text() == service.machine.path(CONFIG).read_text()


async def test_without_a_configuration_it_says_so_once(service: Service) -> None:
    path, since = service.machine.path(CONFIG), time.time()
    good = path.read_text()
    path.unlink()
    try:
        service.machine.run("systemctl", "restart", UNIT, check=False)
        await service.until_journal(f"picar: {CONFIG}", since)
        await asyncio.sleep(2.5)  # more than RestartSec
        assert (service.show("ActiveState"), service.show("NRestarts")) == ("failed", "0")
    finally:
        service.machine.write(CONFIG, good)
