"""Traps of one GPIO library each, on its fake: a busy line, a chip's number, a wave's thread, another factory."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import pytest

from picar.errors import BackendError, PinsBusy
from picar.motor.emergency import pins_low
from picar.motor.pins import choose
from tests.motor.boards import ENABLED, wired
from tests.motor.rig import wait_until
from tests.support.header import FakeHeader

EN, IN = 12, 23
HZ = 200


@pytest.fixture
def fake_lgpio(install_fake: Callable[[str], FakeHeader]) -> FakeHeader:
    return install_fake("lgpio")


@pytest.fixture
def fake_gpiozero(install_fake: Callable[[str], FakeHeader]) -> FakeHeader:
    return install_fake("gpiozero")


@pytest.fixture
def fake_rpigpio(install_fake: Callable[[str], FakeHeader]) -> FakeHeader:
    return install_fake("rpigpio")


@pytest.mark.parametrize("library", ["lgpio", "gpiozero", "rpi-lgpio"])  # RPi.GPIO keeps nobody out
def test_another_program_on_a_line_is_named_as_such(
    install_fake: Callable[[str], FakeHeader], library: str
) -> None:
    header = install_fake(library)
    held = header.board.hold(EN)
    pins = header.open()
    with pytest.raises(PinsBusy, match=r"^GPIO 12 is in use by another program\. Find it: sudo fuser"):
        pins.pwm(EN, HZ)
    pins.output(IN).set(1)
    pins.close()
    header.board.release(held)


def test_lgpio_a_line_that_is_busy_for_a_moment_is_low_before_anything_sleeps(fake_lgpio: FakeHeader) -> None:
    """In the emergency: closing the chip takes 100 ms, longer than a busy line is tried again."""
    held = fake_lgpio.board.hold(EN)
    thread = threading.Timer(0.02, fake_lgpio.board.release, (held,))
    thread.start()
    pins_low(fake_lgpio.open, wired())
    thread.join()
    calls = fake_lgpio.board.calls()
    chip = [call for call in calls if call.startswith("gpiochip")]
    assert chip == ["gpiochip_open 2", "gpiochip_close"]
    assert calls[-1] == "gpiochip_close"
    assert all(fake_lgpio.is_low_output(bcm) for bcm in ENABLED.wired().values())


def test_lgpio_a_pin_that_rests_high_is_pulled_up(fake_lgpio: FakeHeader) -> None:
    pins = fake_lgpio.open()
    pins.output(IN, rest=1)
    assert "claim_output 23 1 32" in fake_lgpio.board.calls()
    pins.close()


def test_lgpio_a_driver_without_pulls_will_do(fake_lgpio: FakeHeader) -> None:
    fake_lgpio.board.tell("lgpio", "no-pulls")
    pins = fake_lgpio.open()
    pins.output(IN)
    assert [c for c in fake_lgpio.board.calls() if c.startswith("claim")] == [
        "claim_output 23 0 64",
        "claim_output 23 0 0",
    ]
    pins.close()


@pytest.mark.parametrize("number", [0, 4, 10])
def test_lgpio_the_chip_is_found_by_its_label(fake_lgpio: FakeHeader, number: int) -> None:
    others = [f"{n}:gpio-brcmstb@107d517c00" for n in range(12) if n != number]
    fake_lgpio.board.tell("chips", *others, f"{number}:pinctrl-rp1")
    pins = fake_lgpio.open()
    pins.output(IN)
    pins.close()
    opened = [call for call in fake_lgpio.board.calls() if call.startswith("gpiochip_open")]
    assert opened == [f"gpiochip_open {number}"], "each other chip takes 100 ms to close"


def test_rpigpio_never_cleans_up_and_sets_up_one_pin_at_a_time(fake_rpigpio: FakeHeader) -> None:
    pins = fake_rpigpio.open()
    pins.pwm(EN, HZ).set(0.5)
    pins.output(IN)
    pins.close()
    setups = [call for call in fake_rpigpio.board.calls() if call.startswith(("setup", "cleanup"))]
    assert setups == ["setup 12 0 0", "setup 23 0 0"]


def test_rpigpio_the_last_word_of_a_wave_comes_after_its_thread(fake_rpigpio: FakeHeader) -> None:
    pins = fake_rpigpio.open()
    enable = pins.pwm(EN, 20)  # the lowest: half a period is what a busy machine may be late
    for _, duty in itertools.product(range(3), (0.5, 0.0, 1.0)):
        enable.set(duty)
    before = len(fake_rpigpio.board.calls())
    pins.close()
    wait_until(lambda: "thread 12 0" in fake_rpigpio.board.calls()[before:], "the wave's thread at its end")
    calls = fake_rpigpio.board.calls()[before:]
    assert calls[-1] == "output 12 0", calls
    assert fake_rpigpio.is_low_output(EN)


def test_gpiozero_another_factory_is_never_fallen_back_to(
    fake_gpiozero: FakeHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY")
    fake_gpiozero.board.tell("lgpio", "missing")
    with pytest.raises(
        BackendError,
        match=r"^--pins gpiozero: its pin factory cannot be used \(Falling back from lgpio.*GPIOZERO_PIN_FACTORY=rpigpio$",
    ):
        choose("gpiozero", None)
