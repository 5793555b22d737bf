"""Cars with a PCA9685 or with servo pulses in the campaign: their faults, and what their records say of the motors."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import pytest

from tests.bench.measure import Write
from tests.fakes.i2c_chip import FULL
from tests.faults import buses
from tests.faults.__main__ import measure
from tests.faults.catalogue import FAULTS, HAT_FAULTS, ON_OTHER_BOARDS
from tests.faults.hats import HATS, MOTORS, TITLES, Devices, Motion, watched
from tests.faults.judge import judge
from tests.faults.report import rows

ADDRESS, OE, HIT_AT = 0x40, 5, 10.0
LEFT = 8  # pwm, in2, in1 of the left motor
FORWARD, REVERSE = (FULL, 0, 0, 0, FULL, 0, FULL, 0, 0), (FULL, 0, 0, 0, 0, 0, FULL, 0, FULL)
ALL_OFF = 0xFD
NEUTRAL_STEPS, FULL_STEPS = 307, 338  # of 20 ms


class Story:
    """Writes of a car one after the other, 10 ms apart, from 9.5 s on."""

    def __init__(self, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.devices = name, Devices(folder, HATS[name])
        self._now, self._trace = 9.5, list[Write]()
        monkeypatch.setattr("time.monotonic", lambda: self._now)

    def at(self, now: float) -> Story:
        self._now = now
        return self

    def header(self, pin: int, value: float, op: str = "write") -> Story:
        self._trace.append(Write(self._now, pin, op, value))
        self._now += 0.01
        return self

    def chip(self, register: int, *values: int) -> Story:
        self.devices.bus.transfer(ADDRESS, "write", register, list(values))
        self._now += 0.01
        return self

    def channel(self, number: int, steps: int) -> Story:
        return self.chip(6 + 4 * number, 0, 0, steps & 0xFF, steps >> 8)

    def ready(self) -> Story:
        if self.name == "esc":
            return self
        self.header(OE, 1.0, "claim")
        return (
            self.chip(ALL_OFF, FULL).chip(0, 0x31).chip(0xFE, 121 if "esc" in self.name else 5).chip(0, 0x21)
        )

    def left(self, forward: bool = True) -> Story:
        """Drive the left motor of a HAT: pwm 8, in1 10, in2 9."""
        on, off = (0, FULL, 0, 0), (0, 0, 0, FULL)
        return self.chip(6 + 4 * LEFT, *on, *(off if forward else on), *(on if forward else off))

    def told(self) -> Motion:
        return self.devices.motion(self._trace, HIT_AT)

    def verdict(self) -> tuple[bool, float | None, int]:
        found = judge(self.told().writes, watched(HATS[self.name]), HIT_AT)
        return found.drove, found.low_at and round(found.low_at, 3), len(found.rose)


@pytest.fixture
def story(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(tmp_path, request.param, monkeypatch).ready()


on = pytest.mark.parametrize
oe, no_oe, esc = (on("story", [name], indirect=True) for name in ("hat-oe", "hat", "esc-oe"))


def test_every_car_has_the_deaths_of_the_others_with_their_bounds() -> None:
    of_l298n = {fault.name: (fault.bound_s, fault.since) for fault in FAULTS}
    of_hats = {fault.name: (fault.bound_s, fault.since) for fault in HAT_FAULTS}
    for car in HATS:
        both = "pwm-left-on" if car == "esc" else "both-killed"
        for name in ON_OTHER_BOARDS:
            of_car = both if name == "both-killed" else name
            assert of_hats[f"{car}/{of_car}"] == of_l298n[name]
    assert list(TITLES) == list(HATS)
    assert len(of_hats) == len(HAT_FAULTS)


@oe
def test_oe_switches_off_at_once_although_the_channels_stay_on(story: Story) -> None:
    story.header(OE, 0.0).left().at(10.1).header(OE, 1.0)
    assert story.verdict() == (True, 10.1, 0)


@oe
def test_oe_that_falls_again_drives_the_motors_again(story: Story) -> None:
    story.header(OE, 0.0).left().at(10.1).header(OE, 1.0).header(OE, 0.0)
    assert story.verdict() == (True, None, 1)
    assert [write.pin for write in story.told().drives.again] == [MOTORS]


@no_oe
def test_without_oe_only_the_channels_count(story: Story) -> None:
    story.left().at(10.1).header(OE, 1.0)
    assert story.verdict() == (True, None, 0)
    story.at(10.3).chip(ALL_OFF, FULL)
    assert story.verdict() == (True, 10.3, 0)


@no_oe
def test_a_motor_that_turns_the_other_way_after_the_fault_is_seen(story: Story) -> None:
    story.left().at(10.1).left(forward=False)
    assert len(story.told().drives.other) == 1


@no_oe
def test_a_chip_that_has_restarted_is_off_and_stays_off_when_its_channels_are_written(story: Story) -> None:
    story.left().devices.brown_out(10.0)
    story.at(10.1).left(forward=False)
    assert story.verdict() == (True, 10.0, 0)


@no_oe
def test_a_transaction_that_failed_changes_nothing(story: Story) -> None:
    story.left().devices.bus.hold()
    story.devices.bus.tell("timeout", 0)
    with pytest.raises(OSError, match="timed out"):
        story.at(10.1).chip(ALL_OFF, FULL)
    assert story.verdict() == (True, None, 0)


@esc
def test_an_esc_drives_with_every_pulse_but_neutral(story: Story) -> None:
    story.header(OE, 0.0).channel(0, NEUTRAL_STEPS)
    assert not story.told().writes
    story.channel(0, FULL_STEPS).at(10.1).channel(0, NEUTRAL_STEPS)
    assert story.verdict() == (True, 10.1, 0)
    story.channel(0, NEUTRAL_STEPS - 30)
    assert story.verdict() == (True, None, 1)
    assert len(story.told().drives.other) == 1


@on("story", ["esc"], indirect=True)
def test_an_esc_on_the_kernels_pwm_is_read_in_the_trace(story: Story) -> None:
    story.header(18, 1650, "pulse").header(19, 2000, "pulse").at(10.2).header(18, 1500, "pulse")
    assert story.verdict() == (True, 10.2, 0)


async def test_a_car_that_something_stops_is_not_called_one_that_only_its_switch_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (fault,) = (fault for fault in HAT_FAULTS if fault.name == "hat/bus-held-dead")
    assert fault.act is buses.bus_held_motor_killed_switch
    with_oe = dataclasses.replace(fault, board="hat-oe")
    (row,) = rows([with_oe], await measure([with_oe], runs=1, seed=0, observe_s=0.1))
    assert (row.verdict, row.good) == ("WRONG in 1", False)
    assert "something stopped the motors" in row.judged[0].wrong[0]
