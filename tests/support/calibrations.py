"""Calibrations of a car with a left and a right motor."""

from __future__ import annotations

from typing import Any

from picar.calibration.values import Calibration, names_of
from picar.layouts import LAYOUTS

SIDES = LAYOUTS["sides"].motors
NAMES = names_of(SIDES)


def two_sides(
    swap: bool,
    left_invert: bool,
    right_invert: bool,
    left_trim: float,
    right_trim: float,
    min_duty: float,
) -> Calibration:
    """Return a calibration of two sides."""
    return Calibration(SIDES, swap, (left_invert, right_invert), (left_trim, right_trim), min_duty)


def changed(before: Calibration, **values: Any) -> Calibration:
    """Return a calibration with other values by name."""
    return Calibration.named(before.motors, {**before.values, **values})
