"""One suite for all five backends: what the bridge may rely on, whatever library is underneath.

Vendor libraries are faked (tests/fakes) unless `--real-pins` is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from picar.config import L298NConfig
from picar.core.drive import Output
from picar.errors import BackendError, PinError, PinsBusy
from picar.motor.emergency import pins_low
from picar.motor.pins import Pins
from tests.motor.boards import ENABLED, JUMPERED, wired
from tests.motor.rig import wait_until
from tests.support.header import FAKED, REAL, REMEMBERED, FakeHeader, Header, PiHeader, RememberedHeader

EN, OTHER_EN, IN = 12, 13, 23
HZ = 200


@pytest.fixture(params=[*REMEMBERED, *FAKED])
def header(request: pytest.FixtureRequest, install_fake: Callable[[str], FakeHeader]) -> Header:
    """Each backend."""
    if request.param in REMEMBERED:
        return RememberedHeader(request.param)
    if request.config.getoption("--real-pins") and request.param in REAL:
        return PiHeader(request.param)
    return install_fake(request.param)


@pytest.fixture(params=FAKED)
def fake(request: pytest.FixtureRequest, install_fake: Callable[[str], FakeHeader]) -> FakeHeader:
    """Each vendor library's fake."""
    return install_fake(request.param)


@pytest.fixture
def opened(header: Header) -> Iterator[Pins]:
    pins = header.open()
    yield pins
    pins.close()


def test_a_claimed_pin_is_an_output_that_is_low(header: Header, opened: Pins) -> None:
    opened.output(IN)
    opened.pwm(EN, HZ)
    assert header.is_low_output(IN)
    assert header.is_low_output(EN)


def test_a_level_is_set(header: Header, opened: Pins) -> None:
    pin = opened.output(IN)
    for level in (1, 0, 1, 1, 0):
        pin.set(level)
        assert header.level(IN) == level


def test_an_output_that_rests_high_is_high_from_its_claim_to_its_end(header: Header) -> None:
    pins = header.open()
    disable = pins.output(IN, rest=1)
    assert header.level(IN) == 1
    disable.set(0)
    assert header.is_low_output(IN)
    pins.close()
    assert header.level(IN) == 1


def test_a_duty_cycle_is_set_and_zero_is_low(header: Header, opened: Pins) -> None:
    pin = opened.pwm(EN, HZ)
    for duty in (0.5, 1.0, 0.25, 0.0, 0.7, 0.0, 1.0, 0.0):
        pin.set(duty)
        wait_until(lambda duty=duty: header.level(EN) == (duty > 0), f"GPIO {EN} at {duty}")  # type: ignore[misc]
    assert header.is_low_output(EN)


def test_one_pin_leaves_the_others_alone(header: Header, opened: Pins) -> None:
    left, right = opened.pwm(EN, HZ), opened.pwm(OTHER_EN, HZ)
    left.set(1.0)
    right.set(0.5)
    right.set(0.0)
    wait_until(lambda: header.level(OTHER_EN) == 0, "the right one low")
    assert header.level(EN) == 1


@pytest.mark.parametrize("value", [-0.01, 1.01, 50, 100, -1, math.nan, math.inf, -math.inf])
def test_a_duty_cycle_out_of_range_is_refused_and_changes_nothing(
    header: Header, opened: Pins, value: float
) -> None:
    pin = opened.pwm(EN, HZ)
    with pytest.raises(PinError, match="not a duty cycle"):
        pin.set(value)
    assert header.is_low_output(EN)


@pytest.mark.parametrize("value", [0.5, 2, -1, math.nan, math.inf])
def test_a_level_out_of_range_is_refused_and_changes_nothing(
    header: Header, opened: Pins, value: float
) -> None:
    pin = opened.output(IN)
    with pytest.raises(PinError, match="not a level"):
        pin.set(value)
    assert header.is_low_output(IN)


@pytest.mark.parametrize("hz", [0, -5, 10_001, 10**9, 200.0, math.nan, True])
def test_a_frequency_out_of_range_is_refused(opened: Pins, hz: int) -> None:
    with pytest.raises(PinError, match="not a PWM frequency"):
        opened.pwm(EN, hz)


@pytest.mark.parametrize("bcm", [28, 54, -1, 999, 12.0, "12", None, True])
def test_a_pin_that_is_not_on_the_header_is_refused(opened: Pins, bcm: int) -> None:
    for claim in (opened.output, lambda bcm: opened.pwm(bcm, HZ)):
        with pytest.raises(PinError, match="not on the header"):
            claim(bcm)


def test_a_pin_is_claimed_once(opened: Pins) -> None:
    opened.output(IN)
    for claim in (opened.output, lambda bcm: opened.pwm(bcm, HZ)):
        with pytest.raises(PinError, match=f"GPIO {IN} is claimed already"):
            claim(IN)


@pytest.mark.parametrize("duty", [0.3, 0.7, 1.0])
def test_closing_leaves_the_pins_outputs_that_are_low(header: Header, duty: float) -> None:
    pins = header.open()
    enable, level = pins.pwm(EN, HZ), pins.output(IN)
    enable.set(duty)
    level.set(1)
    pins.close()
    assert header.is_low_output(EN)
    assert header.is_low_output(IN)


def test_what_is_closed_refuses_everything_and_may_be_closed_again(header: Header) -> None:
    pins = header.open()
    enable, level = pins.pwm(EN, HZ), pins.output(IN)
    pins.close()
    uses = (lambda: enable.set(0), lambda: level.set(0), lambda: pins.output(24), lambda: pins.pwm(13, HZ))
    for use in uses:
        with pytest.raises(PinError, match="closed"):
            use()
    pins.close()
    assert header.is_low_output(EN)


def test_it_may_be_opened_again_after_closing(header: Header) -> None:
    for _ in range(3):
        pins = header.open()
        pins.pwm(EN, HZ).set(0.5)
        pins.close()
        assert header.is_low_output(EN)


# What needs a second process or a broken library, so a fake one.


def test_a_pin_that_was_left_high_is_low_once_claimed(fake: FakeHeader) -> None:
    fake.board.drive(IN, 1)
    fake.board.drive(EN, 1)
    pins = fake.open()
    pins.output(IN)
    pins.pwm(EN, HZ)
    assert fake.is_low_output(IN)
    assert fake.is_low_output(EN)
    pins.close()


def test_a_library_sends_no_servo_pulses(fake: FakeHeader) -> None:
    pins = fake.open()
    with pytest.raises(PinError, match=r"GPIO 12 cannot send servo pulses\."):
        pins.pulse(EN)
    pins.close()
    assert not [call for call in fake.board.calls() if call.startswith(("claim", "setup"))]


def test_a_bad_value_never_reaches_the_library(fake: FakeHeader) -> None:
    pins = fake.open()
    enable, level = pins.pwm(EN, HZ), pins.output(IN)
    before = fake.board.calls()
    for value in (math.nan, math.inf, -0.1, 1.1):
        for pin in (enable, level):
            with pytest.raises(PinError):
                pin.set(value)
    assert fake.board.calls() == before
    pins.close()


def test_a_change_is_one_call_of_the_library(fake: FakeHeader) -> None:
    pins = fake.open()
    enable, level = pins.pwm(EN, HZ), pins.output(IN)
    enable.set(0.3)
    before = len(fake.board.calls())
    for duty in (0.4, 0.5, 0.6):
        enable.set(duty)
    level.set(1)
    level.set(0)
    assert len(fake.board.calls()) - before == 5, fake.board.calls()[before:]
    pins.close()


def test_a_wave_has_the_frequency_and_the_duty_cycle_that_were_asked_for(fake: FakeHeader) -> None:
    pins = fake.open()
    enable = pins.pwm(EN, HZ)
    for duty in (0.25, 0.0, 0.5):  # a second wave as well
        enable.set(duty)
    waves = [call for call in fake.board.calls() if call.startswith(("tx_pwm", "pwm ")) and " 200 " in call]
    assert [float(wave.split()[-1]) for wave in waves] == [25.0, 50.0]
    pins.close()


def test_a_pin_that_does_not_answer_is_an_error_and_the_others_go_low(fake: FakeHeader) -> None:
    pins = fake.open()
    enable, broken, level = pins.pwm(EN, HZ), pins.output(22), pins.output(IN)
    enable.set(0.5)
    level.set(1)
    fake.board.tell("broken", "22")
    with pytest.raises(Exception, match=r"write|answer"):
        broken.set(1)
    with pytest.raises(Exception, match=r"write|answer"):
        pins.close()
    assert fake.is_low_output(EN)
    assert fake.is_low_output(IN)


def test_a_second_process_is_kept_out_and_told_who_has_the_pins(fake: FakeHeader) -> None:
    owner = fake.python("pins.output(23).set(1); print('mine', flush=True); input()")
    assert owner.stdout
    assert owner.stdout.readline() == "mine\n", owner.communicate()
    with pytest.raises(PinsBusy, match=rf"process {owner.pid}\. Stop it first"):
        fake.open()
    assert fake.level(IN) == 1, "it touched the other one's pin"
    owner.kill()
    owner.communicate()
    pins_low(fake.open, wired())
    assert fake.is_low_output(IN)


@pytest.mark.parametrize("duty", [0.3, 1.0])
def test_what_a_killed_process_left_is_driven_low(fake: FakeHeader, duty: float) -> None:
    victim = fake.python(
        f"pins.pwm({EN}, 200).set({duty}); pins.pwm({OTHER_EN}, 200).set({duty}); pins.output({IN}).set(1)\n"
        "print('high', flush=True); input()"
    )
    assert victim.stdout
    assert victim.stdout.readline() == "high\n", victim.communicate()
    victim.kill()
    victim.communicate()
    assert fake.level(EN) == fake.level(OTHER_EN) == fake.level(IN) == 1, "a fake that is kinder than a Pi"
    pins_low(fake.open, wired())
    assert all(fake.is_low_output(bcm) for bcm in ENABLED.wired().values())


def test_a_process_that_closed_its_pins_leaves_them_low_when_it_ends(fake: FakeHeader) -> None:
    ended = fake.python(f"pins.pwm({EN}, 200).set(0.5); pins.output({IN}).set(1); pins.close()")
    assert ended.communicate() == ("", "")
    assert fake.is_low_output(EN)
    assert fake.is_low_output(IN)


def test_nothing_is_left_in_the_folder_that_it_was_started_in(fake: FakeHeader) -> None:
    started = fake.python("import os; print(os.getcwd())")
    assert Path(started.communicate()[0].strip()) == fake.board.folder
    assert not list(fake.board.folder.glob(".lgd*"))
    assert not [path for path in fake.board.folder.iterdir() if path.is_dir()]


def test_many_may_start_at_once(fake: FakeHeader) -> None:
    starting = [fake.python("print('in')") for _ in range(4)]
    said = [each.communicate() for each in starting]
    assert sum(out == "in\n" for out, _ in said) >= 1
    for out, err in said:
        assert out == "in\n" or "Another picar has the motor pins" in err


# Calls of the library for both sides together. A wave that ends takes two calls, one of them the low.
CALLS = {
    "the same again": ([Output(0.5, 0.5), Output(0.5, 0.5)], 0),
    "another speed": ([Output(0.5, 0.5), Output(0.6, 0.6)], 2),
    "one side's speed": ([Output(0.5, 0.5), Output(0.6, 0.5)], 1),
    "from rest": ([Output(0.0, 0.0), Output(0.5, 0.5)], 4),
}


@pytest.mark.parametrize(("outputs", "calls"), CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("wiring", [ENABLED, JUMPERED], ids=["EN-PWM", "jumpers"])
def test_a_drive_command_costs_as_few_calls_as_can_be(
    fake: FakeHeader, wiring: L298NConfig, outputs: list[Output], calls: int
) -> None:
    bridge = wired(wiring).claim(fake.open())
    bridge.apply(outputs[0])
    before = len(fake.board.calls())
    bridge.apply(outputs[1])
    made = [call for call in fake.board.calls()[before:] if not call.startswith("frequency")]
    expected = calls if wiring is ENABLED or outputs[0].left else 2  # no EN pin to write
    assert len(made) == expected, made
    bridge.close()


def test_a_library_that_cannot_be_opened_leaves_the_lock(fake: FakeHeader) -> None:
    fake.board.tell("lgpio", "no-access")
    fake.board.tell("rpigpio", *(fake.board.words("rpigpio") or []), "no-access")
    with pytest.raises(BackendError):
        fake.open()
    (fake.board.folder / "lgpio").unlink()
    fake.board.tell("rpigpio", *(fake.board.words("rpigpio") or [])[:-1])
    fake.open().close()
