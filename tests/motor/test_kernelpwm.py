"""Servo pulses by the kernel's PWM: the right channel of the right chip, and a sentence where it is off."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from picar.errors import BackendError, PinError
from picar.motor.pins import kernelpwm
from picar.motor.pins.kernelpwm import KernelPwm
from picar.raspberrypi import overlay
from tests.fakes.pwm_tree import OTHERS, PI4, PI5, PwmTree

FAN, SECOND_FAN, AUDIO = OTHERS
_OPENED: list[KernelPwm] = []


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the root back after each test, and close the files."""
    monkeypatch.setattr(kernelpwm, "ROOT", kernelpwm.ROOT)
    yield
    while _OPENED:
        _OPENED.pop().close()


@pytest.fixture
def tree(tmp_path: Path) -> PwmTree:
    """A Pi 4 with the overlay."""
    return PwmTree(tmp_path, {0: PI4})


def opened(tree: PwmTree, *pins: int) -> KernelPwm:
    kernelpwm.ROOT = str(tree.root)
    _OPENED.append(KernelPwm(pins or (12, 13)))
    return _OPENED[-1]


@pytest.mark.parametrize(
    "devices",
    [
        {0: PI5, 1: FAN},
        {0: FAN, 2: PI5},
        {0: SECOND_FAN, 2: PI5, 6: FAN},
    ],
    ids=["kernel 6.12", "other order", "kernel 6.6"],
)
@pytest.mark.parametrize(("pin", "channel"), [(12, 0), (13, 1), (18, 2), (19, 3)])
def test_a_pi_5_has_four_channels_on_a_chip_of_any_number(
    tmp_path: Path, devices: dict[int, str], pin: int, channel: int
) -> None:
    tree = PwmTree(tmp_path, devices)
    tree.export(channel)
    opened(tree).pulse(pin).set(1500)
    assert tree.pulse_us(channel) == 1500


@pytest.mark.parametrize("device", [PI4, "3f20c000.pwm", "2020c000.pwm"])
@pytest.mark.parametrize(("pin", "channel"), [(12, 0), (18, 0), (13, 1), (19, 1)])
def test_an_earlier_pi_has_two(tmp_path: Path, device: str, pin: int, channel: int) -> None:
    tree = PwmTree(tmp_path, {0: AUDIO, 1: device})
    tree.export(channel)
    opened(tree).pulse(pin).set(1000)
    assert tree.pulse_us(channel) == 1000


def test_the_first_pulse_switches_on_and_zero_switches_off(tree: PwmTree) -> None:
    tree.export(0)
    servo = opened(tree).pulse(12)
    assert (tree.value(0, "period"), tree.value(0, "enable")) == (20_000_000, 0)
    for us in (1500, 500, 2500, 1234.5):
        servo.set(us)
        assert tree.pulse_us(0) == us
    servo.set(0)
    assert (tree.value(0, "enable"), tree.value(0, "duty_cycle")) == (0, 0)
    servo.set(1500)
    assert tree.pulse_us(0) == 1500


def test_a_change_is_one_write(tree: PwmTree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.export(0)
    servo = opened(tree).pulse(12)
    servo.set(1500)
    writes, write = list[bytes](), os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        writes.append(data)
        return write(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    servo.set(1600)
    assert writes == [b"1600000\n"]


def test_pulses_go_on_when_claimed_and_when_closed(tree: PwmTree) -> None:
    tree.export(0, period=20_000_000, duty_cycle=1_700_000, enable=1)
    pins = opened(tree)
    pins.pulse(12)
    pins.close()
    assert tree.pulse_us(0) == 1700
    opened(tree).pulse(12).set(1500)
    assert tree.pulse_us(0) == 1500


def test_the_period_of_another_program_is_changed(tree: PwmTree) -> None:
    tree.export(0, period=10_000_000, duty_cycle=1_500_000, enable=1)
    opened(tree).pulse(12)
    assert (tree.value(0, "period"), tree.pulse_us(0)) == (20_000_000, 1500)


@pytest.mark.parametrize("us", [math.nan, math.inf, -1, 1, 499, 2501])
def test_a_pulse_out_of_range_is_refused_and_not_written(tree: PwmTree, us: float) -> None:
    tree.export(0)
    servo = opened(tree).pulse(12)
    with pytest.raises(PinError, match=r"GPIO 12: .* is not a pulse from 500 to 2500, or 0"):
        servo.set(us)
    assert (tree.value(0, "duty_cycle"), tree.value(0, "enable")) == (0, 0)


def test_a_channel_that_is_not_shown_is_exported(tree: PwmTree) -> None:
    with tree.exporting():
        opened(tree).pulse(13).set(1500)
    assert tree.pulse_us(1) == 1500


def test_the_files_are_waited_for_until_udev_has_given_permission(tree: PwmTree) -> None:
    with tree.exporting(udev_s=0.1):
        opened(tree).pulse(13).set(1500)
    assert tree.pulse_us(1) == 1500


def test_permission_is_not_waited_for_forever(tree: PwmTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernelpwm, "UDEV_S", 0.03)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BackendError, match=r"/pwm0/enable cannot be opened\. .* sudo usermod -aG gpio"):
        opened(tree).pulse(12)


@pytest.mark.parametrize(
    ("pins", "line"),
    [
        ((18,), "dtoverlay=pwm,pin=18,func=2"),
        ((12,), "dtoverlay=pwm,pin=12,func=4"),
        ((12, 13), "dtoverlay=pwm-2chan,pin=12,func=4,pin2=13,func2=4"),
        ((18, 13), "dtoverlay=pwm-2chan,pin=18,func=2,pin2=13,func2=4"),
    ],
)
def test_without_the_overlay_its_line_is_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pins: tuple[int, ...], line: str
) -> None:
    assert overlay(pins) == line
    trees = (PwmTree(tmp_path / "a", {0: FAN}), PwmTree(tmp_path / "b", {}))
    for root in (*(str(tree.root) for tree in trees), str(tmp_path / "none")):
        monkeypatch.setattr(kernelpwm, "ROOT", root)
        with pytest.raises(BackendError) as refused:
            KernelPwm(pins).pulse(pins[0])
        sentence = f"The PWM of GPIO {pins[0]} is off. Add this line to config.txt, then reboot: {line}"
        assert str(refused.value) == sentence


def test_a_chip_that_may_not_be_written_names_the_group(
    tree: PwmTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree.channel(0).parent / "export").unlink()
    (tree.channel(0).parent / "export").mkdir()
    monkeypatch.setattr(kernelpwm, "UDEV_S", 0.03)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BackendError, match=r"/export cannot be opened\. .* sudo usermod -aG gpio"):
        opened(tree).pulse(12)


def test_closed_pins_write_nothing(tree: PwmTree) -> None:
    tree.export(0)
    pins = opened(tree)
    servo = pins.pulse(12)
    pins.close()
    pins.close()
    uses: list[Callable[[], object]] = [lambda: servo.set(1500), lambda: servo.set(0)]
    for use in uses:
        with pytest.raises(ValueError, match="closed file"):
            use()
    assert tree.value(0, "duty_cycle") == 0


def test_pulses_that_another_program_has_inverted_are_upright_again(tree: PwmTree) -> None:
    tree.export(0, period=20_000_000, duty_cycle=1_500_000, enable=1, polarity="inversed")
    pwm = opened(tree)
    pulses = pwm.pulse(12)
    assert (tree.channel(0) / "polarity").read_text().split()[0] == "normal"
    assert tree.value(0, "enable") == 0, "the kernel changes the polarity of a channel at rest only"
    pulses.set(1500)
    assert tree.pulse_us(0) == 1500
    pwm.close()


def test_a_value_that_the_kernel_refuses_is_a_sentence(
    tree: PwmTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.export(0)

    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    pwm = opened(tree)
    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(
        BackendError, match=r"^The kernel refuses 20000000 for .*/pwm0/period: Invalid argument\. "
    ):
        pwm.pulse(12)
    pwm.close()
