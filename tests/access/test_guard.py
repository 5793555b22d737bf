"""How many PINs may be guessed."""

from __future__ import annotations

from picar.access.tokens import PAUSE_S, TRIES, PinGuard

NOW = 100.0


def test_ten_wrong_pins_close_the_door_for_a_minute() -> None:
    guard = PinGuard()
    for n in range(TRIES):
        assert guard.wait_s(NOW + n) == 0.0
        guard.wrong(NOW + n)
    last = NOW + TRIES - 1
    assert guard.wait_s(last) == PAUSE_S
    assert guard.wait_s(last + PAUSE_S - 0.1) > 0.0
    assert guard.wait_s(last + PAUSE_S) == 0.0


def test_after_the_minute_there_are_ten_tries_again() -> None:
    guard = PinGuard()
    for now in (NOW, NOW + PAUSE_S):
        for _ in range(TRIES):
            assert guard.wait_s(now) == 0.0
            guard.wrong(now)
        assert guard.wait_s(now) == PAUSE_S


def test_the_right_pin_forgives_the_wrong_ones_before_it() -> None:
    guard = PinGuard()
    for _ in range(3):
        for _ in range(TRIES - 1):
            guard.wrong(NOW)
        guard.right()
    assert guard.wait_s(NOW) == 0.0
