"""Deadband, expo, mix, desaturation and duty cycle: tables, and what holds for every number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.core.shaping import (
    NEUTRAL,
    Sticks,
    Tank,
    Wanted,
    Wheels,
    arcade_mix,
    duty_cycle,
    is_neutral,
    soften,
    wheel_speeds,
)

ROUNDING = 1e-12

axis = st.floats(-1.0, 1.0)
deadbands = st.floats(0.01, 0.3)
expos = st.floats(0.0, 1.0)
limits = st.floats(0.0, 1.0, exclude_min=True)
trims = st.floats(0.5, 1.0)
min_duties = st.floats(0.0, 0.8)
sticks = st.builds(Sticks, axis, axis)
tanks = st.builds(Tank, axis, axis)


@pytest.mark.parametrize(
    ("value", "deadband", "expo", "softened"),
    [
        (0.0, 0.05, 0.3, 0.0),
        (-0.0, 0.05, 0.3, 0.0),
        (0.05, 0.05, 0.3, 0.0),  # the end of the deadband still counts as neutral
        (-0.05, 0.05, 0.3, 0.0),
        (1.0, 0.05, 0.3, 1.0),
        (-1.0, 0.05, 0.3, -1.0),
        (0.5, 0.0, 0.0, 0.5),
        (0.6, 0.2, 0.0, 0.5),
        (-0.6, 0.2, 0.0, -0.5),
        (0.6, 0.2, 1.0, 0.125),
        (0.6, 0.2, 0.5, 0.3125),
        (-0.6, 0.2, 0.5, -0.3125),
    ],
)
def test_a_stick_is_softened_as_the_table_says(
    value: float, deadband: float, expo: float, softened: float
) -> None:
    assert soften(value, deadband, expo) == pytest.approx(softened)


@pytest.mark.parametrize(
    ("throttle", "steering", "wheels"),
    [
        (0.0, 0.0, (0.0, 0.0)),
        (1.0, 0.0, (1.0, 1.0)),
        (-1.0, 0.0, (-1.0, -1.0)),
        (0.0, 1.0, (1.0, -1.0)),  # + is right: clockwise from above
        (0.0, -1.0, (-1.0, 1.0)),
        (0.5, 0.25, (0.75, 0.25)),
        (0.5, -0.25, (0.25, 0.75)),
        (1.0, 1.0, (1.0, 0.0)),
        (1.0, 0.5, (1.0, 1 / 3)),  # scaled, where clipping would give (1, 0.5)
        (-1.0, 0.5, (-1 / 3, -1.0)),
    ],
)
def test_throttle_and_steering_mix_as_the_table_says(
    throttle: float, steering: float, wheels: tuple[float, float]
) -> None:
    assert arcade_mix(throttle, steering) == pytest.approx(wheels)


@pytest.mark.parametrize(
    ("wanted", "neutral"),
    [
        (NEUTRAL, True),
        (Sticks(0.05, -0.05), True),
        (Sticks(0.051, 0.0), False),
        (Sticks(0.0, -0.051), False),
        (Tank(0.05, -0.05), True),
        (Tank(0.0, 0.051), False),
        (Tank(-0.051, 0.0), False),
    ],
)
def test_neutral_is_both_axes_inside_the_deadband(wanted: Wanted, neutral: bool) -> None:
    assert is_neutral(wanted, 0.05) is neutral


@pytest.mark.parametrize(
    ("wanted", "limit", "wheels"),
    [
        (Sticks(1.0, 0.0), 0.5, (0.5, 0.5)),
        (Sticks(1.0, 1.0), 0.5, (0.5, 0.0)),
        (Tank(1.0, -1.0), 0.5, (0.5, -0.5)),
        (Tank(0.525, 0.0), 1.0, (0.5, 0.0)),
        (Tank(1.0, 0.03), 1.0, (1.0, 0.0)),
    ],
)
def test_wheel_speeds_are_a_share_of_the_limit(
    wanted: Sticks | Tank, limit: float, wheels: tuple[float, float]
) -> None:
    assert wheel_speeds(wanted, deadband=0.05, expo=0.0, limit=limit) == pytest.approx(wheels)


@pytest.mark.parametrize(
    ("tank", "throttle", "steering"),
    [
        (Tank(0.4, 0.4), 0.4, 0.0),
        (Tank(1.0, -1.0), 0.0, 1.0),
        (Tank(-1.0, 1.0), 0.0, -1.0),
        (Tank(0.5, 0.0), 0.25, 0.25),
    ],
)
def test_two_sticks_mean_throttle_and_steering(tank: Tank, throttle: float, steering: float) -> None:
    wanted = tank.as_sticks()
    assert (wanted.throttle, wanted.steering) == pytest.approx((throttle, steering))


@pytest.mark.parametrize(
    ("speed", "trim", "min_duty", "duty"),
    [
        (0.0, 1.0, 0.25, 0.0),
        (-0.0, 1.0, 0.25, 0.0),
        (1.0, 1.0, 0.25, 1.0),
        (-1.0, 1.0, 0.25, 1.0),
        (0.5, 1.0, 0.25, 0.625),
        (-0.5, 1.0, 0.25, 0.625),
        (1.0, 0.8, 0.25, 0.85),
        (0.5, 0.5, 0.0, 0.25),
    ],
)
def test_duty_starts_at_the_minimum_and_trim_takes_its_share_of_the_rest(
    speed: float, trim: float, min_duty: float, duty: float
) -> None:
    assert duty_cycle(speed, trim, min_duty) == pytest.approx(duty)


@given(axis, deadbands, expos)
def test_softening_stays_in_range_and_keeps_the_sign(value: float, deadband: float, expo: float) -> None:
    softened = soften(value, deadband, expo)
    assert abs(softened) <= 1.0
    assert softened * value >= 0.0


@given(axis, axis, deadbands, expos)
def test_more_stick_never_means_less(a: float, b: float, deadband: float, expo: float) -> None:
    low, high = sorted((a, b))
    assert soften(low, deadband, expo) <= soften(high, deadband, expo) + ROUNDING


@given(deadbands, expos, st.floats(0.0, 1.0))
def test_the_whole_deadband_is_zero(deadband: float, expo: float, share: float) -> None:
    assert soften(deadband * share, deadband, expo) == 0.0
    assert soften(-deadband * share, deadband, expo) == 0.0


@given(deadbands, expos)
def test_full_stick_is_full_speed_whatever_the_curve(deadband: float, expo: float) -> None:
    assert soften(1.0, deadband, expo) == pytest.approx(1.0)
    assert soften(-1.0, deadband, expo) == pytest.approx(-1.0)


@given(axis, axis)
def test_a_mix_never_leaves_the_range(throttle: float, steering: float) -> None:
    assert all(abs(side) <= 1.0 for side in arcade_mix(throttle, steering))


@given(axis, axis)
def test_desaturation_keeps_the_turn(throttle: float, steering: float) -> None:
    left, right = arcade_mix(throttle, steering)
    assert left * (throttle - steering) == pytest.approx(right * (throttle + steering), abs=ROUNDING)
    assert left * throttle + left * steering >= 0.0  # and no side turns round


@given(axis, axis)
def test_a_mix_that_fits_is_not_scaled(throttle: float, steering: float) -> None:
    scale = max(1.0, abs(throttle) + abs(steering))
    fitting = arcade_mix(throttle / scale, steering / scale)
    assert fitting == pytest.approx(((throttle + steering) / scale, (throttle - steering) / scale))


@given(sticks | tanks, deadbands, expos, limits)
def test_no_wheel_is_faster_than_the_limit(
    wanted: Sticks | Tank, deadband: float, expo: float, limit: float
) -> None:
    assert all(abs(side) <= limit for side in wheel_speeds(wanted, deadband, expo, limit))


@given(axis, axis, deadbands, expos, limits)
def test_mirrored_sticks_give_mirrored_wheels(
    a: float, b: float, deadband: float, expo: float, limit: float
) -> None:
    def speeds(wanted: Sticks | Tank) -> Wheels:
        return wheel_speeds(wanted, deadband, expo, limit)

    for kind in (Sticks, Tank):
        ahead, back = speeds(kind(a, b)), speeds(kind(-a, -b))
        assert back == (-ahead.left, -ahead.right)
    right, left = speeds(Sticks(a, b)), speeds(Sticks(a, -b))
    assert left == (right.right, right.left)
    one, other = speeds(Tank(a, b)), speeds(Tank(b, a))
    assert other == (one.right, one.left)


@given(sticks | tanks, deadbands, expos, limits)
def test_neutral_sticks_are_wheels_at_rest(
    wanted: Sticks | Tank, deadband: float, expo: float, limit: float
) -> None:
    if is_neutral(wanted, deadband):
        assert wheel_speeds(wanted, deadband, expo, limit) == (0.0, 0.0)


@given(axis, axis, deadbands, expos, limits)
def test_more_throttle_straight_ahead_is_never_slower(
    a: float, b: float, deadband: float, expo: float, limit: float
) -> None:
    low, high = sorted((a, b))
    slow = wheel_speeds(Sticks(low, 0.0), deadband, expo, limit)
    fast = wheel_speeds(Sticks(high, 0.0), deadband, expo, limit)
    assert slow.left <= fast.left + ROUNDING
    assert slow.left == slow.right


@given(sticks, deadbands, expos)
def test_steering_right_makes_the_left_side_the_faster(wanted: Sticks, deadband: float, expo: float) -> None:
    left, right = wheel_speeds(wanted, deadband, expo, 1.0)
    assert (left - right) * wanted.steering >= 0.0


@given(tanks)
def test_two_sticks_as_throttle_and_steering_mix_back_to_themselves(tank: Tank) -> None:
    wanted = tank.as_sticks()
    assert abs(wanted.throttle) <= 1.0
    assert abs(wanted.steering) <= 1.0
    assert arcade_mix(wanted.throttle, wanted.steering) == pytest.approx(
        (tank.left, tank.right), abs=ROUNDING
    )


@given(axis, trims, min_duties)
def test_a_duty_is_zero_at_rest_and_else_from_the_minimum_to_one(
    speed: float, trim: float, min_duty: float
) -> None:
    duty = duty_cycle(speed, trim, min_duty)
    assert duty == duty_cycle(-speed, trim, min_duty)
    if speed:
        assert min_duty <= duty <= 1.0
    else:
        assert duty == 0.0


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), trims, min_duties)
def test_a_faster_wheel_never_has_a_smaller_duty(a: float, b: float, trim: float, min_duty: float) -> None:
    low, high = sorted((a, b))
    assert duty_cycle(low, trim, min_duty) <= duty_cycle(high, trim, min_duty)
