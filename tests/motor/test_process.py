"""A real motor process over real pipes: what it does with commands, and what it says."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

import pytest

from picar.config import Config, DriveConfig, L298NConfig, MotorsConfig
from picar.core.drive import Reason
from picar.core.shaping import NEUTRAL, Sticks, Tank
from picar.motor import pipe
from tests.bench.measure import wake_ups
from tests.motor.rig import AHEAD, ALL_PINS, EN_PINS, TIMEOUT_S, MotorProcess, wait_until
from tests.support.header import FakeHeader

QUICK = Config(drive=DriveConfig(accel=20.0))


def test_when_it_is_ready_it_says_so_and_its_pins_are_low() -> None:
    with MotorProcess() as motor:
        status = motor.ready()
        assert (status.n, status.state, status.reason) == (0, "disarmed", "started")
        assert (*status.wanted, *status.applied, status.moving) == (0, 0, 0, 0, False)
        assert (status.speed_limit, status.refused, status.pose) == (1.0, [], None)
        assert [line["op"] for line in motor.trace.lines()] == ["claim"] * 6
        assert motor.trace.low()


def test_a_simulated_car_says_where_it_is() -> None:
    with MotorProcess(QUICK, backend="sim") as motor:
        assert tuple(motor.ready().pose or ()) == (0.0, 0.0, 0.0)
        motor.armed()
        motor.hold(lambda: (motor.statuses[-1].pose or (0.0,))[0] > 0.1)
        motor.answer(motor.drive(NEUTRAL))
        motor.until(lambda s: not s.moving, "the car to have rolled out")


def test_sticks_turn_the_wheels_once_neutral_was_seen() -> None:
    with MotorProcess(QUICK) as motor:
        motor.ready()
        assert motor.refusal(motor.drive(AHEAD)) == "not_neutral"
        assert motor.trace.low()
        assert motor.answer(motor.drive(NEUTRAL)).state == "armed"
        motor.hold(motor.trace.driving)
        status = motor.answer(motor.drive(AHEAD))
        assert tuple(status.wanted) == (1.0, 0.0)
        assert status.applied[0] > 0.0
        assert status.moving
        assert status.reason is None


def test_a_command_is_on_the_pins_when_its_answer_comes() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.answer(motor.drive(AHEAD, life=10.0))
        assert motor.trace.driving()


def test_two_sticks_drive_a_side_each() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(lambda: motor.statuses[-1].applied[1] == -1.0, Tank(0.0, -1.0))
        levels = motor.trace.levels()
        assert (levels[12], levels[13], levels[27], levels[22]) == (0, 1, 0, 1)


def test_a_command_past_its_deadline_is_refused_and_turns_nothing() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        for life in (-10.0, -0.001, 0.0):
            assert motor.refusal(motor.drive(AHEAD, life)) == "stale"
        assert motor.trace.low()
        assert {line["op"] for line in motor.trace.lines()} == {"claim"}


def test_silence_makes_the_pins_low_at_the_deadline() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(motor.trace.driving)
        sent_at = time.monotonic()
        motor.answer(motor.drive(AHEAD))
        status = motor.until(lambda s: s.state == "failsafe", "a failsafe")
        assert (status.reason, *status.applied, *status.wanted) == ("commands_stale", 0, 0, 0, 0)
        assert motor.trace.low()
        low_at = next(line["t"] for line in reversed(motor.trace.lines()) if line["pin"] in EN_PINS)
        assert sent_at + TIMEOUT_S <= low_at < sent_at + TIMEOUT_S + 5.0
        assert (
            motor.until(lambda s: s.state == "disarmed", "the end of the re-arm time").reason
            == "commands_stale"
        )


def test_a_car_at_rest_stays_armed_and_quiet() -> None:
    with MotorProcess() as motor:
        motor.armed()
        deadline = time.monotonic() + TIMEOUT_S
        status = motor.until(lambda _: time.monotonic() > deadline + 0.2, "the deadline of the neutral")
        assert (status.state, status.moving) == ("armed", False)


def test_a_stop_brakes_and_then_lets_the_wheels_roll() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(motor.trace.driving)
        status = motor.answer(motor.stop())
        assert (status.state, status.reason, *status.applied) == ("stopped", "stop", 0, 0)
        wait_until(motor.trace.low, "the end of the brake")
        brake = [line for line in motor.trace.lines() if line["pin"] in EN_PINS][-6:]
        writes = [(line["pin"], line["value"]) for line in brake]
        assert writes == [(12, 0), (12, 1), (13, 0), (13, 1), (12, 0), (13, 0)]
        assert brake[4]["t"] - brake[1]["t"] >= 0.29
        assert motor.refusal(motor.drive(AHEAD)) == "stopped"
        assert motor.refusal(motor.drive(NEUTRAL)) == "stopped"


def test_a_reset_newer_than_the_stop_lifts_it() -> None:
    with MotorProcess() as motor:
        motor.ready()
        before = time.monotonic()
        motor.answer(motor.stop())
        after = time.monotonic()
        n = motor.number()
        motor.send(pipe.reset(n, before, after + 10.0))
        assert motor.refusal(n) == "stale"
        n = motor.number()
        motor.send(pipe.reset(n, after, after + 10.0))
        status = motor.answer(n)
        assert (status.state, status.reason) == ("disarmed", "reset")


@pytest.mark.parametrize("reason", [Reason.RELEASED, Reason.DRIVER_GONE])
def test_a_release_rolls_the_car_out_and_says_why(reason: Reason) -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(motor.trace.driving)
        n = motor.number()
        motor.send(pipe.release(n, reason))
        status = motor.answer(n)
        assert (status.state, status.reason) == ("disarmed", str(reason))
        assert motor.trace.low()


def test_a_speed_limit_is_followed_and_told() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        n = motor.number()
        motor.send(pipe.limit(n, 0.5, time.monotonic() + 10.0))
        assert motor.answer(n).speed_limit == 0.5
        motor.hold(lambda: tuple(motor.statuses[-1].applied) == (0.5, 0.5))
        n = motor.number()
        motor.send(pipe.limit(n, 0.9, time.monotonic() - 1.0))
        assert motor.refusal(n) == "stale"
        assert motor.statuses[-1].speed_limit == 0.5


def test_the_configured_board_is_the_one_that_is_driven() -> None:
    wiring = L298NConfig(ena="jumper", in1=17, in2=18, enb="jumper", in3=27, in4=22)
    with MotorProcess(
        Config(drive=DriveConfig(accel=20.0), l298n=wiring, motors=MotorsConfig(min_duty=0.5))
    ) as motor:
        motor.armed()
        motor.hold(lambda: tuple(motor.statuses[-1].applied) == (1.0, 1.0))
        assert motor.trace.levels() == {17: 1, 18: 0, 27: 1, 22: 0}
        ups = [line["value"] for line in motor.trace.lines() if line["pin"] == 17 and line["value"]]
        assert min(ups) >= 0.5


def test_while_it_drives_it_says_so_20_times_a_second() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        wait_until(lambda: beats(motor, life=1.5) >= 20.0, "20 beats in some second of driving")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the wake-ups")
def test_at_a_constant_speed_it_wakes_for_its_beats_alone() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(motor.trace.at_full_speed)

        def wakes_per_beat() -> float:
            motor.answer(motor.drive(AHEAD, 1.5))
            before, seen = wake_ups(motor.process.pid), len(motor.heard_at)
            motor.until(lambda _: len(motor.heard_at) - seen >= 20, "20 beats")
            return (wake_ups(motor.process.pid) - before) / (len(motor.heard_at) - seen)

        wait_until(lambda: wakes_per_beat() < 1.5, "a second in which only the beats wake it")


def test_sticks_that_are_followed_share_an_answer_and_a_refusal_comes_at_once() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()

        def answers_to_fifty() -> int:
            seen = len(motor.heard_at)
            for _ in range(50):
                n = motor.drive(AHEAD, 1.0)
                motor.read(0.005)
            motor.answer(n)
            return len(motor.heard_at) - seen

        wait_until(lambda: answers_to_fifty() <= 25, "50 commands that share their answers")

        def answered_alone() -> bool:
            motor.answer(motor.drive(AHEAD, 1.0))
            seen = len(motor.statuses)
            n = motor.drive(AHEAD, -1.0)
            motor.answer(n)
            return motor.statuses[seen].n == n and motor.statuses[seen].refused == [(n, "stale")]

        wait_until(answered_alone, "a refusal that does not wait for the beat")


def beats(motor: MotorProcess, life: float) -> float:
    """Send one command, listen while it holds, and return the beats a second between."""
    motor.answer(motor.drive(NEUTRAL))
    n = motor.drive(AHEAD, life)
    motor.answer(n)
    seen = len(motor.heard_at)
    end = time.monotonic() + life - 0.3
    while time.monotonic() < end:
        motor.read()
    heard = motor.heard_at[seen:]
    assert all(status.moving for status in motor.statuses[seen:])
    return (len(heard) - 1) / (heard[-1] - heard[0]) if len(heard) > 1 else 0.0


@pytest.mark.parametrize("rest", [NEUTRAL, Sticks(0.03, -0.02)], ids=["zero", "a drift in the deadband"])
def test_at_rest_it_says_so_twice_a_second(rest: Sticks) -> None:
    with MotorProcess() as motor:
        motor.armed()
        motor.answer(motor.drive(rest))
        seen = len(motor.heard_at)
        wait_until(lambda: 1.5 < resting_rate(motor) < 5.0, "about two beats a second")
        assert not any(status.moving for status in motor.statuses[seen:])


def resting_rate(motor: MotorProcess) -> float:
    """Return the beats a second over the next two pauses between them."""
    seen = len(motor.heard_at)
    motor.until(lambda _: len(motor.heard_at) - seen >= 3, "three beats")
    heard = motor.heard_at[seen:]
    return (len(heard) - 1) / (heard[-1] - heard[0])


def test_half_a_frame_at_a_time_is_a_frame_in_the_end() -> None:
    with MotorProcess(QUICK) as motor:
        motor.ready()
        for wanted in (NEUTRAL, AHEAD):
            n = motor.number()
            for byte in pipe.drive(n, wanted, time.monotonic() + 60.0):
                motor.send(bytes([byte]))
                motor.read(0.0)
            assert motor.refusal(n) is None
        wait_until(motor.trace.driving, "the wheels to turn")


def test_many_frames_at_once_are_answered_each_and_the_newest_counts() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        deadline = time.monotonic() + 60.0
        numbers = [motor.number() for _ in range(5000)]
        batch = [pipe.drive(n, Sticks((-1.0) ** n, 0.0), deadline) for n in numbers[:-1]]
        motor.send(b"".join([*batch, pipe.drive(numbers[-1], Sticks(0.25, 0.0), deadline)]))
        status = motor.answer(numbers[-1])
        assert tuple(status.wanted) == (0.25, 0.0)
        answers = [status.n for status in motor.statuses]
        assert answers == sorted(answers)
        assert all(len(status.encode()) <= pipe.MAX_BYTES for status in motor.statuses)


def test_every_refusal_of_a_flood_is_told_and_fits_the_pipe() -> None:
    with MotorProcess() as motor:
        motor.ready()
        deadline = time.monotonic() + 60.0
        numbers = [motor.number() for _ in range(3000)]
        for start in range(0, len(numbers), 500):  # the status pipe drops what does not fit
            part = numbers[start : start + 500]
            motor.send(b"".join(pipe.drive(n, AHEAD, deadline) for n in part))
            motor.answer(part[-1])
        refused = [n for status in motor.statuses for n, why in status.refused if why == "not_neutral"]
        assert refused == numbers
        assert all(len(status.encode()) <= pipe.MAX_BYTES for status in motor.statuses)
        assert motor.trace.low()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can make a pipe small")
def test_a_full_status_pipe_does_not_make_it_deaf() -> None:
    import fcntl

    with MotorProcess(QUICK) as motor:
        motor.armed()
        fcntl.fcntl(motor.status, fcntl.F_SETPIPE_SZ, 4096)
        begun = time.monotonic()

        def held() -> bool:
            for _ in range(20):
                motor.drive(AHEAD)
            return motor.trace.driving() and time.monotonic() - begun > 0.5

        wait_until(held, "the wheels to turn, though nobody listens")
        motor.stop()
        wait_until(motor.trace.low, "the end of the brake")
        n = motor.number()
        motor.send(pipe.release(n, Reason.RELEASED))
        assert motor.answer(n).state == "stopped"


def test_a_status_pipe_that_nobody_reads_any_more_does_not_stop_it() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        assert motor.process.stdout is not None
        motor.process.stdout.close()

        def held() -> bool:
            motor.drive(AHEAD)
            return motor.trace.driving()

        wait_until(held, "the wheels to turn")
        motor.stop()
        wait_until(motor.trace.low, "the end of the brake")
        motor.end_of_input()
        assert motor.ended() == 0


def test_a_brake_counts_as_moving_until_it_ends() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(motor.trace.driving)
        status = motor.answer(motor.stop())
        assert (status.state, status.applied, status.moving) == ("stopped", (0.0, 0.0), True)
        motor.until(lambda s: not s.moving, "the end of the brake")


def test_commands_that_waited_past_their_deadline_do_nothing() -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(motor.trace.at_full_speed)  # no ramp is under way that one more tick would go on with
        motor.answer(motor.drive(AHEAD, life=0.2))
        os.kill(motor.process.pid, signal.SIGSTOP)
        numbers = [motor.drive(AHEAD, life=0.2) for _ in range(50)]
        deadline = time.monotonic() + 0.25
        wait_until(lambda: time.monotonic() > deadline, "the deadline of all of them")
        before = len(motor.trace.lines())
        os.kill(motor.process.pid, signal.SIGCONT)
        assert [motor.refusal(n) for n in numbers] == ["stale"] * 50
        wait_until(motor.trace.low, "every pin low")
        assert not any(line["value"] for line in motor.trace.lines()[before:])


def test_what_a_library_prints_does_not_corrupt_the_frames() -> None:
    with MotorProcess(QUICK, program=(sys.executable, "-m", "tests.motor.odd_motor", "print")) as motor:
        motor.armed()
        motor.hold(motor.trace.driving)
        motor.end_of_input()
        assert motor.ended() == 0
        assert "a library says hello" in motor.stderr()


def test_a_backend_without_its_library_is_said_in_a_sentence(
    install_fake: Callable[[str], FakeHeader],
) -> None:
    install_fake("lgpio").board.tell("lgpio", "missing")
    with MotorProcess(backend="lgpio") as motor:
        assert motor.ended() == 1
        motor.read()
        assert motor.failure is not None
        assert "its library is not installed" in motor.failure
        assert motor.stderr() == ""


@pytest.mark.parametrize("reader", ["sleeps", "is gone"])
def test_a_trace_that_nobody_reads_does_not_stop_the_drive(reader: str) -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        if reader == "is gone":
            motor.trace.read_no_more()
        else:
            motor.trace.fill()
        motor.hold(lambda: motor.statuses[-1].applied[0] > 0.5)
        motor.end_of_input()
        assert motor.ended() == 0
        assert motor.stderr().count("the pin trace lacks") == 1


@pytest.mark.parametrize("pin", sorted(ALL_PINS))
@pytest.mark.parametrize("oddity", ["deaf", "stuck"])
def test_a_pin_that_does_not_answer_ends_it_with_the_others_low(oddity: str, pin: int) -> None:
    with MotorProcess(
        QUICK, program=(sys.executable, "-m", "tests.motor.odd_motor", oddity, str(pin))
    ) as motor:
        motor.armed()
        turn = AHEAD if pin in (12, 13, 23, 27) else Sticks(-1.0, 0.0)
        if oddity == "deaf":
            motor.drive(turn, life=10.0)
            motor.drive(turn, life=10.0)
        else:
            motor.hold(lambda: bool(motor.trace.levels()[pin]), turn)
            motor.drive(NEUTRAL)
        assert motor.ended() == 1
        levels = motor.trace.levels()
        assert not any(level for other, level in levels.items() if other != pin)
        complaint = motor.stderr()
        assert "the pin does not answer" in complaint
        assert "Traceback" not in complaint


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"{}\n", b"[]\n", b'["fly",1]\n', b'["drive",1]\n', b"\xff\n"]
)
def test_a_line_that_cannot_be_read_ends_it_with_every_pin_low(line: bytes) -> None:
    with MotorProcess(QUICK) as motor:
        motor.armed()
        motor.hold(motor.trace.driving)
        motor.send(line)
        assert motor.ended() == 1
        assert motor.trace.low()
        assert "Traceback" not in motor.stderr()
