"""lgpio on an emulated Raspberry Pi whose kernel leaves released pins as they were, as Raspberry Pi OS does: everything.

The tests build upon each other's machine, in this order, and each leaves a running service behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from picar.core.shaping import duty_cycle
from tests.emulator.readings import broken_rules, direction, share_high
from tests.pi.breaking import PYTHON_STARTS_S, SOON_S, break_it, cut_the_link, note
from tests.pi.car import PATIENCE_S, UNIT, Car
from tests.support.client import Client
from tests.support.product import ALL_PINS
from tests.support.waiting import until

pytestmark = pytest.mark.pi

WATCHDOG_S = 30.0  # of the drop-in
LEFT, RIGHT = (12, 23, 24), (13, 27, 22)


async def until_full(phone: Client, speed: float) -> None:
    """Wait until both wheels have this speed."""
    full = {"left": speed, "right": speed}
    await until(lambda: phone.state["applied"] == full, f"speed {speed}", PATIENCE_S)


async def test_scripts_install_makes_it_a_service_and_its_pins_are_low(car: Car) -> None:
    assert "picar is ready" in car.installed
    assert car.state_after_installation == "active"
    assert car.pins_after_installation == {("out", 0)}
    assert (await car.run("ps", "-o", "user=", "-p", str((await car.pids())["motor"]))).strip() == "picar"


async def test_after_a_boot_it_is_ready_and_its_pins_are_low(car: Car) -> None:
    began = time.monotonic()
    await car.power_cycle()
    off_and_up = time.monotonic() - began
    await car.until_active()
    print(
        f"\nshutdown and boot to ssh: {off_and_up:.0f} s, to the ready service: {time.monotonic() - began:.0f} s"
    )
    assert car.pins() == {("out", 0)}


@pytest.mark.parametrize(
    ("throttle", "steering", "directions"),
    [(1.0, 0.0, (1, 1)), (-1.0, 0.0, (-1, -1)), (0.0, 1.0, (1, -1)), (0.0, -1.0, (-1, 1))],
    ids=["forward", "reverse", "spin right", "spin left"],
)
async def test_the_registers_show_where_it_goes_and_that_it_stops(
    car: Car, throttle: float, steering: float, directions: tuple[int, int]
) -> None:
    with car.machine.monitor() as monitor:

        def shown() -> tuple[int, int]:
            pins = monitor.pins()
            return direction(pins, LEFT), direction(pins, RIGHT)

        async with Client(car.url) as phone:
            await phone.take()
            phone.hold(throttle, steering, repeat_s=0.1)
            await until(lambda: shown() == directions, f"the pins for {directions}", PATIENCE_S)
            await phone.let_go()
            await until(lambda: not any(map(monitor.pins().drives, ALL_PINS)), "every pin low", PATIENCE_S)


async def test_the_share_of_time_that_an_enable_pin_is_high_is_the_duty(car: Car) -> None:
    async with car.driven(0.6) as (reader, phone):
        began = time.monotonic()
        await until(lambda: len(reader.since(began)) > 1500, "1500 readings", PATIENCE_S)
        wanted = duty_cycle(phone.state["applied"]["left"], trim=1.0, min_duty=0.25)
        shares = [share_high(reader.since(began), bcm) for bcm in (12, 13)]
    print(f"\nduty {wanted:.2f}, seen {shares[0]:.2f} and {shares[1]:.2f}")
    assert all(abs(share - wanted) < 0.1 for share in shares)


async def test_no_bridge_reverses_without_a_pause_or_has_both_inputs_high(car: Car) -> None:
    async with car.driven() as (reader, phone):
        for throttle in (-1.0, 1.0, -1.0, 1.0):
            await phone.let_go(zero=False)
            phone.hold(throttle, repeat_s=0.1)
            await until_full(phone, throttle)
        readings = list(reader.readings)
    for bridge in (LEFT, RIGHT):
        assert {direction(reading.pins, bridge) for reading in readings} == {-1, 0, 1}
    # Of the 0.1 s a reading before and one after may each miss some.
    assert not broken_rules(readings, pause_s=0.06)


async def test_the_doctor_finds_no_problem_and_knows_whose_the_pins_are(car: Car) -> None:
    report = await car.doctor()
    print(f"\n{report}")
    problems = [finding for finding in report if finding["status"] == "problem"]
    assert not problems
    (pins,) = [finding for finding in report if finding["check"] == "pins"]
    assert "in use by the running picar" in pins["message"]


async def test_a_link_that_is_cut_stops_it(car: Car) -> None:
    await cut_the_link(car)


@pytest.mark.parametrize(
    ("signal", "whom", "least_s", "most_s"),
    [
        ("KILL", ("server",), 0.0, SOON_S),
        ("KILL", ("motor",), 0.0, SOON_S),
        ("KILL", ("server", "motor"), PYTHON_STARTS_S, PATIENCE_S),
        ("STOP", ("server",), 0.0, SOON_S),
        ("STOP", ("motor",), 0.0, SOON_S),
        ("STOP", ("server", "motor"), WATCHDOG_S / 2, PATIENCE_S),
    ],
    ids=lambda value: " and ".join(value) if isinstance(value, tuple) else None,
)
async def test_a_signal_stops_it_and_it_starts_again(
    car: Car, signal: str, whom: tuple[str, ...], least_s: float, most_s: float
) -> None:
    name = f"SIG{signal} to {' and '.join(whom)}"
    await break_it(car, name, signal, *whom, least_s=least_s, most_s=most_s)


async def test_a_wave_that_died_in_its_high_half_is_low_in_the_end(car: Car) -> None:
    name = "SIGKILL to server and motor, half throttle"
    await break_it(car, name, "KILL", "server", "motor", throttle=0.5, least_s=PYTHON_STARTS_S)


async def test_systemctl_kill_stops_it(car: Car) -> None:
    await break_it(car, "systemctl kill -s KILL", "run", "systemctl", "kill", "-s", "KILL", UNIT)


async def test_systemctl_stop_stops_it(car: Car) -> None:
    await break_it(car, "systemctl stop", "run", "systemctl", "stop", UNIT, again=False)
    assert (await car.show("ActiveState"), await car.show("Result")) == ("inactive", "success")
    await car.start()


async def test_killed_again_while_it_starts_it_comes_back_with_low_pins(car: Car) -> None:
    await car.ready()
    pids = await car.pids()
    async with car.driven() as (reader, _):
        since = time.monotonic()
        for _ in range(4):  # at first picar, then whatever was started in its place
            await car.run("systemctl", "kill", "-s", "KILL", UNIT, check=False)
            await asyncio.sleep(2.0)
        await car.until_active(but=pids["server"])
        await until(lambda: reader.is_low(2.0), "every enable pin low", PATIENCE_S)
        note(car, "systemctl kill -s KILL, four times within seconds", reader.readings, since)
    assert car.pins() == {("out", 0)}


async def test_a_reboot_stops_it_and_it_comes_back_with_low_pins(car: Car) -> None:
    boot = await car.run("cat", "/proc/sys/kernel/random/boot_id")
    async with car.driven() as (reader, _):
        since = time.monotonic()
        with contextlib.suppress(AssertionError):  # its ssh goes with it
            await car.run("systemctl", "reboot")
        await until(lambda: reader.is_low(1.0), "every enable pin low", PATIENCE_S)
        note(car, "reboot", reader.readings, since)  # as outputs: picar did it, and not the chip's reset
        stopped = time.monotonic()
        await asyncio.to_thread(car.until_rebooted, boot)
        await car.until_active()
        assert not any(reading.drives for reading in reader.since(stopped))
    assert car.pins() == {("out", 0)}
