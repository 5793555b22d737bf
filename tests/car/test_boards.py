"""Real servers with other boards and layouts on mock pins: drives, STOP brakes by the data sheet, and a cut link brings all low.

Every pin write of the trace is judged by the chips of `tests/motor/chips.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from picar.calibration.values import Calibration
from tests.motor import chips
from tests.motor.conformance import DRIVES
from tests.motor.kinds_rig import Car, ChipPins, Form, car
from tests.motor.kinds_rig import text_of as text
from tests.support.client import Client
from tests.support.product import Product
from tests.support.together import on_each
from tests.support.waiting import until

FAST = "\n[drive]\naccel = 20.0\ndecel = 50.0\n"
CARS = {
    "tb6612": car(Form("tb6612", standby=True), "sides"),
    "drv8833": car(Form("drv8833"), "sides"),
    "four": car(Form("tb6612", standby=True), "four"),
    "steer-motor": car(Form("drv8833", standby=True), "steer-motor"),
}


class Rig:
    """A server, its driver, and the chips behind its pins."""

    def __init__(self, toy: Car, car: Product, phone: Client) -> None:
        self.toy, self.car, self.phone = toy, car, phone

    def chips(self) -> ChipPins:
        """Replay the trace: what each motor did after each write."""
        pins = ChipPins(self.toy)
        for write in self.car.trace():
            pins.record(write["pin"], write["op"], write["value"])
        return pins

    def is_low(self) -> bool:
        levels = self.car.levels()
        return levels.keys() == self.toy.pins and not any(levels.values())

    async def low_for_good(self) -> None:
        """Wait until every pin is low, and see that none rises in what is a second to the motor process."""
        await until(self.is_low, "every pin low")
        writes = len(self.car.trace())
        await asyncio.sleep(1.0)
        assert not [write for write in self.car.trace()[writes:] if write["value"]]

    async def until_doing(self, *wanted: str) -> None:
        """Wait until each motor does this; a driven one may do something else while its wave is low."""
        await until(
            lambda: [*map(_driven, self.chips().doing)] == [*wanted], f"{wanted}, but {self.chips().doing}"
        )

    async def hold(self, throttle: float, steering: float = 0.0) -> None:
        await self.phone.let_go(zero=False)
        self.phone.hold(throttle, steering)


def _driven(actions: frozenset[str]) -> str:
    (action,) = actions & DRIVES or actions
    return action


@asynccontextmanager
async def serving(name: str) -> AsyncIterator[Rig]:
    toy = CARS[name]
    async with Product(config=text(toy) + FAST) as product, Client(product.url) as phone:
        yield Rig(toy, product, phone)
        assert "Traceback" not in product.log()


@asynccontextmanager
async def at_full_throttle(name: str) -> AsyncIterator[tuple[Rig]]:
    async with serving(name) as rig:
        await rig.phone.take()
        await rig.hold(1.0)
        await rig.phone.until(lambda s: 1.0 in s["applied"].values())
        yield (rig,)


@asynccontextmanager
async def at_rest(name: str) -> AsyncIterator[tuple[str, Rig]]:
    async with serving(name) as rig:
        yield name, rig


driven = on_each({name: functools.partial(at_full_throttle, name) for name in CARS})
rested = on_each({name: functools.partial(at_rest, name) for name in CARS})

FORWARD, REVERSE, COAST, BRAKE = chips.FORWARD, chips.REVERSE, chips.COAST, chips.BRAKE
RIGHT = {  # what each motor does in a turn to the right on the spot, or with full steering
    "tb6612": (FORWARD, REVERSE),
    "drv8833": (FORWARD, REVERSE),
    "four": (FORWARD, FORWARD, REVERSE, REVERSE),
    "steer-motor": (COAST, FORWARD),
}


@rested
async def test_it_drives_turns_and_lets_go(name: str, rig: Rig) -> None:
    board = rig.phone.hello["car"]["board"]
    steers = name == "steer-motor"
    assert board == {
        "kind": rig.toy.motors[0].form.kind,
        "steers": steers,
        "motors": [*rig.toy.layout.motors],
        "rolls_at_rest": True,
        "servo": False,
        "esc": False,
        "keeps_driving": False,
    }
    speeds = {"throttle", "steering"} if steers else {"left", "right"}
    assert rig.phone.state["applied"].keys() == rig.phone.state["target"].keys() == speeds
    assert rig.is_low()
    await rig.phone.take()
    ahead = (FORWARD, COAST) if steers else (FORWARD,) * len(rig.toy.motors)
    await rig.hold(1.0)
    await rig.until_doing(*ahead)
    await rig.hold(0.0, 1.0)
    await rig.until_doing(*RIGHT[name])
    await rig.hold(-1.0)
    await rig.until_doing(*(REVERSE if action == FORWARD else action for action in ahead))
    await rig.phone.let_go()
    await until(rig.is_low, "every pin low")
    assert rig.phone.errors == []
    motors = rig.chips().moments
    for index in range(len(rig.toy.motors)):  # each change of direction passed a moment without drive
        driven = [moment[index] & DRIVES for moment in motors]
        assert not any(a and b and a != b for a, b in itertools.pairwise(driven))


@driven
async def test_stop_brakes_every_motor_as_the_data_sheet_says(rig: Rig) -> None:
    async with Client(rig.car.url) as other:
        await other.send(type="stop")
        await rig.phone.until(lambda s: s["state"] == "stopped")
        await rig.low_for_good()
    everywhere = [*map(frozenset, [{BRAKE}] * len(rig.toy.motors))]
    moments = rig.chips().moments
    assert everywhere in moments
    braked = len(moments) - 1 - moments[::-1].index(everywhere)
    between = [moment for moment in moments[braked:] if any(actions & DRIVES for actions in moment)]
    without_standby = rig.toy.motors[0].form.brakes_by_both_high and rig.toy.motors[0].standby is None
    assert len(between) <= (len(rig.toy.motors) if without_standby else 0)


@driven
async def test_the_driver_falls_silent(rig: Rig) -> None:
    await rig.phone.let_go(zero=False)
    await rig.low_for_good()
    await rig.phone.until(lambda s: s["state"] == "disarmed" and s["reason"] == "commands_stale")


@driven
async def test_the_link_is_cut(rig: Rig) -> None:
    await rig.phone.let_go(zero=False)
    rig.phone.socket.close()
    await rig.low_for_good()


@driven
async def test_the_server_is_killed(rig: Rig) -> None:
    rig.car.process.kill()
    assert await rig.car.ended() == -signal.SIGKILL
    await rig.low_for_good()


@driven
async def test_the_motor_process_is_killed(rig: Rig) -> None:
    os.kill(rig.car.motor_pid(), signal.SIGKILL)
    assert await rig.car.ended() == 1
    await rig.low_for_good()
    emergency = [write["pin"] for write in rig.car.trace() if write["op"] == "write"][-len(rig.toy.pins) :]
    standby = rig.toy.motors[0].standby
    assert emergency[:1] == [standby or rig.toy.motors[0].pins["in1"]]


@driven
async def test_the_motor_process_is_stopped_in_its_tracks(rig: Rig) -> None:
    motor = rig.car.motor_pid()
    os.kill(motor, signal.SIGSTOP)
    try:
        assert await rig.car.ended() == 1
        await rig.low_for_good()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(motor, signal.SIGCONT)


async def test_a_car_with_steering_takes_two_sticks_and_jogs_of_its_own_motors() -> None:
    async with serving("steer-motor") as rig:
        await rig.phone.take()
        seq = rig.phone.session.seq + 10
        await rig.phone.ask("tank", seq=seq, left=1.0, right=-1.0)
        state = await rig.phone.until(lambda s: s["applied"]["steering"] > 0.5)
        assert state["applied"]["throttle"] == 0.0
        assert state["wanted"] == {"throttle": 0.0, "steering": 1.0}
        await rig.phone.until(lambda s: s["state"] == "failsafe")
        assert rig.is_low()
        await rig.phone.until(lambda s: s["state"] == "disarmed")
        rig.phone.session.seq = seq
        await rig.phone.drive(0.0)
        await rig.phone.until(lambda s: s["state"] == "armed")
        rig.phone.hold_jog("steer", -0.3)
        await rig.until_doing(COAST, REVERSE)
        await rig.phone.let_go()
        await until(rig.is_low, "every pin low")
        await rig.phone.jog("left", 0.3)
        await rig.phone.until_error("bad_value")
        assert "drive, steer" in str(rig.phone.errors[-1])


async def test_one_motor_of_four_is_jogged_alone_and_another_only_after_it_rests() -> None:
    async with serving("four") as rig:
        await rig.phone.take()
        rig.phone.hold_jog("rear_right", 0.3)
        await rig.until_doing(COAST, COAST, COAST, FORWARD)
        await rig.phone.jog("front_right", 0.3)
        await rig.phone.until_error("not_neutral")
        await rig.phone.let_go()
        await until(rig.is_low, "every pin low")
        rig.phone.hold_jog("front_right", -0.3)
        await rig.until_doing(COAST, COAST, REVERSE, COAST)
        await rig.phone.let_go()
        await until(rig.is_low, "every pin low")


async def test_motors_that_share_pins_are_calibrated_together() -> None:
    text = '[board]\nkind = "drv8833"\n[layout]\nkind = "four"\n' + "".join(
        f"[motor.{motor}]\nin1 = {in1}\nin2 = {in2}\n"
        for motor, in1, in2 in (
            ("front_left", 12, 13), ("rear_left", 12, 13), ("front_right", 16, 17), ("rear_right", 22, 23),
        )
    )  # fmt: skip
    async with Product(config=text) as car, Client(car.url) as phone:
        await phone.take()
        motors = tuple(phone.hello["car"]["board"]["motors"])
        values = Calibration(motors, False, (False,) * 4, (1.0,) * 4, 0.25).values
        await phone.ask("calibrate", **{**values, "rear_left_invert": True})
        await phone.until_error("bad_value")
        assert "share their pins" in str(phone.errors[-1])
        await phone.ask("calibrate", **{**values, "rear_right_invert": True})
        await until(lambda: "rear_right_invert=True" in car.log(), "the calibration")
