"""The property that holds everywhere: after any sequence of messages and then silence, every pin is low."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from picar.config import DriveConfig, L298NConfig, SideConfig
from picar.core.drive import Drive, Refusal, State
from picar.motor.boards import Bridge
from tests.core.events import Event, Timeline, be_silent, play, timelines
from tests.motor.boards import WIRINGS, WatchedPins, board

wirings = st.sampled_from(list(WIRINGS.values())).flatmap(
    lambda wiring: st.booleans().map(lambda swap: replace(wiring, swap=swap))
)
sides = st.builds(SideConfig, invert=st.booleans(), trim=st.sampled_from([1.0, 0.5]))


@dataclass
class Car:
    """The drive on a board: after each call its output is written, as the motor process does."""

    drive: Drive
    board: Bridge
    pins: WatchedPins
    wiring: L298NConfig

    def __call__(self, _event: Event, now: float, _refusal: Refusal | None) -> None:
        self.board.apply(self.drive.tick(now))
        for enable, forward, reverse in self.pins.bridges:
            turning = self.pins.levels[forward] or self.pins.levels[reverse]
            if turning:
                assert self.drive.state is State.ARMED
            elif isinstance(enable, int) and self.pins.levels[enable]:
                assert self.drive.state is State.STOPPED  # both INs low: a brake


@given(wirings, sides, sides, timelines, st.booleans())
def test_after_anything_and_then_silence_every_pin_is_low(
    wiring: L298NConfig, left: SideConfig, right: SideConfig, timeline: Timeline, ticking: bool
) -> None:
    pins = WatchedPins(wiring)
    car = Car(Drive(DriveConfig(), 1.0, 0.3), board(pins, wiring, left=left, right=right), pins, wiring)
    now = play(car.drive, timeline, car, ticking=ticking)
    car.board.apply(be_silent(car.drive, now, car))
    assert set(pins.levels) == set(wiring.wired().values())
    assert not any(pins.levels.values())


@given(wirings, timelines)
def test_a_stop_turns_no_wheel_from_the_same_call_on(wiring: L298NConfig, timeline: Timeline) -> None:
    pins = WatchedPins(wiring)
    car = Car(Drive(DriveConfig(), 1.0, 0.3), board(pins, wiring), pins, wiring)
    now = play(car.drive, timeline, car)
    car.drive.stop(now)
    car.board.apply(car.drive.output(now))
    assert not any(pins.levels[bcm] for _, *ins in pins.bridges for bcm in ins)
