"""What goes over the pipes: every frame fits, and comes out as it went in."""

from __future__ import annotations

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st

from picar.calibration.values import Calibration
from picar.config import Config, L298NConfig, MotorsConfig, SideConfig
from picar.core.drive import Reason
from picar.core.shaping import Jog, Sticks, Tank, Wanted
from picar.motor import pipe
from picar.motor.pipe import MAX_BYTES, Obstacle, Order, Status
from tests.support.calibrations import two_sides

axis = st.floats(-1.0, 1.0)
times = st.floats(0.0, 1e9)
numbers = st.integers(0, 2**53)


def fits(frame: bytes) -> bool:
    return len(frame) <= MAX_BYTES and frame.endswith(b"\n") and frame.count(b"\n") == 1


@given(numbers, axis, axis, times)
def test_sticks_come_out_as_they_went_in(n: int, a: float, b: float, deadline: float) -> None:
    all_kinds: list[Wanted] = [Sticks(a, b), Tank(a, b), Jog("left", a), Jog("right", b)]
    for wanted in all_kinds:
        frame = pipe.drive(n, wanted, deadline)
        assert fits(frame)
        kind, m, until, *axes = json.loads(frame)
        assert (m, until) == (n, deadline)
        found = pipe.sticks(kind, *axes)
        assert (type(found), found) == (type(wanted), wanted)


@given(numbers, times, times, axis)
def test_every_other_command_fits_too(n: int, seen_at: float, deadline: float, speed: float) -> None:
    assert json.loads(pipe.stop(n)) == ["stop", n]
    assert json.loads(pipe.reset(n, seen_at, deadline)) == ["reset", n, deadline, seen_at]
    assert json.loads(pipe.limit(n, speed, deadline)) == ["limit", n, deadline, speed]
    calibration = two_sides(True, False, True, 1 / 3, 2 / 3, abs(speed))
    frame = pipe.calibrate(n, calibration, deadline)
    assert json.loads(frame)[:3] == ["calibrate", n, deadline]
    assert Calibration.received(*json.loads(frame)[3:]) == calibration
    assert fits(frame)
    name = "a" * 16
    assert json.loads(pipe.aux(n, name, deadline, speed)) == ["aux", n, name, deadline, speed]
    assert json.loads(pipe.override(n, deadline)) == ["override", n, deadline]
    assert fits(pipe.aux(n, name, deadline, speed))
    assert json.loads(pipe.hold(n, speed > 0)) == ["hold", n, speed > 0]
    assert fits(pipe.hold(n, True))
    for reason in Reason:
        assert json.loads(pipe.release(n, reason)) == ["release", n, reason]
        assert fits(pipe.release(n, reason))
    assert all(
        fits(f) for f in (pipe.stop(n), pipe.reset(n, seen_at, deadline), pipe.limit(n, speed, deadline))
    )


@given(numbers, st.text(max_size=9), st.none() | st.text(max_size=9), axis, axis, st.booleans())
def test_a_status_comes_out_as_it_went_in(
    n: int, state: str, reason: str | None, a: float, b: float, moving: bool
) -> None:
    pose = (a, b, 0.5) if moving else None
    status = Status(
        n, state, reason, (a, b), (b, a), (a, a), 0.5, moving, [(n, "stale"), (n + 1, "stopped")], pose
    )
    if moving:
        status = status._replace(obstacle=Obstacle(abs(a), abs(b), moving), aux=[a, None, b], at=b)
    line = status.encode()
    assert line.endswith(b"\n")
    assert pipe.parse_status(line) == status


def test_the_longest_status_without_refusals_fits() -> None:
    pair = (-0.1234, -0.1234)
    status = Status(
        2**53, "disarmed", "commands_stale", pair, pair, pair, 0.123456789, True, [], (-3.1234,) * 3
    )
    full = status._replace(obstacle=Obstacle(0.12, 0.34, True), aux=[-0.123] * 8, at=123456789.1234)
    assert fits(full.encode())
    assert fits(full._replace(refused=[(2**53, "not_neutral")] * 6).encode())


@given(st.text())
def test_a_failure_comes_out_as_a_sentence_and_fits(sentence: str) -> None:
    line = pipe.failure(sentence)
    assert fits(line)
    said = pipe.parse_status(line)
    assert isinstance(said, str)
    assert sentence.startswith(said.rstrip("…"))


def test_a_long_failure_fits_in_any_script() -> None:
    for sentence in ("a" * 5000, "ä" * 5000, "🚗" * 5000, "\x00" * 5000, "\udcff" * 5000):
        assert fits(pipe.failure(sentence))


def test_an_order_comes_out_as_it_went_in() -> None:
    settings = Config(
        motors=MotorsConfig(backend="mock", pwm_hz=100),
        l298n=L298NConfig(ena="jumper", in1=5, swap=True),
        left=SideConfig(invert=True, trim=0.75),
    )
    for trace in (None, 7):
        order = Order.of(settings, "sim", trace)
        line = order.encode()
        assert line.count(b"\n") == 1
        read = Order.parse(line)
        assert read[:-1] == order[:-1]
        assert type(read.configured) is Calibration
        for name in ("session", "drive", "motors", "l298n", "left", "right"):
            assert vars(getattr(read.config, name)) == dataclasses.asdict(getattr(settings, name))
        assert read.config.board == settings.board
