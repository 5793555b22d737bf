"""A real motor process with a sensor that is broken: it drives slowly, stops, and ends as without one."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from picar.config import Config
from picar.core.obstacle import SLOW_CAP
from picar.core.shaping import NEUTRAL, Sticks
from picar.motor import pipe
from picar.motor.pipe import Obstacle
from tests.motor.rig import PATIENT, MotorProcess, wait_until

pytestmark = pytest.mark.slow

SIM = Config().having("range", source="sim")
FAR_SIGHTED = SIM.having("range", stop_m=1.8, slow_m=2.6)  # the car starts 3 m in front of a wall
MM_FAR = 8190


def seen(motor: MotorProcess) -> Obstacle:
    """Return the newest state of the sensor."""
    obstacle = motor.statuses[-1].obstacle
    assert obstacle
    return obstacle


def test_a_car_stops_in_front_of_a_wall_and_backs_out() -> None:
    with MotorProcess(FAR_SIGHTED, "sim") as motor:
        motor.armed()
        motor.hold(lambda: seen(motor).cap == 0.0)
        motor.hold(lambda: motor.statuses[-1].applied == (0.0, 0.0))
        assert seen(motor).m == pytest.approx(1.8, abs=0.1)
        motor.hold(lambda: motor.statuses[-1].applied == (-1.0, -1.0), Sticks(-1.0, 0.0))


def test_an_override_is_slow_and_ends_with_a_stop() -> None:
    with MotorProcess(FAR_SIGHTED, "sim") as motor:
        motor.armed()
        motor.hold(lambda: seen(motor).cap == 0.0)
        n = motor.number()
        motor.send(pipe.override(n, 1e12))
        assert motor.refusal(n) is None
        motor.hold(lambda: motor.statuses[-1].applied == (SLOW_CAP, SLOW_CAP))
        assert seen(motor).override
        motor.answer(motor.stop())
        motor.until(lambda s: s.obstacle is not None and not s.obstacle.override, "the end of the override")
        n = motor.number()
        motor.send(pipe.override(n, 0.0))
        assert motor.refusal(n) == "stale"


@pytest.mark.parametrize("fault", ["dead", "high", "noisy", "far"])
def test_a_broken_sensor_changes_nothing_about_stop_deadline_and_end(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICAR_SIM_RANGE", fault)
    with MotorProcess(SIM, "sim") as motor:
        motor.armed()
        motor.hold(lambda: motor.statuses[-1].applied[0] >= SLOW_CAP)
        if fault in ("dead", "high"):
            for _ in range(20):
                motor.answer(motor.drive())
            assert max(s.applied[0] for s in motor.statuses) == SLOW_CAP
            assert seen(motor) == (None, SLOW_CAP, False)
        motor.until(lambda s: s.state == "failsafe", "the deadline")
        wait_until(motor.trace.low, "low pins")
        motor.armed().hold(lambda: motor.statuses[-1].applied[0] >= SLOW_CAP)
        motor.answer(motor.stop())
        motor.until(lambda s: s.state == "stopped", "the stop")
        wait_until(motor.trace.low, "low pins")
        motor.end_of_input()
        assert motor.ended() == 0


@pytest.mark.parametrize(
    "config",
    [
        Config().having("range", source="hcsr04", trigger=5, echo=6),
        Config().having("range", source="switch", switch=6),
    ],
)
def test_a_sensor_that_is_absent_at_the_start_makes_the_car_slow(config: Config) -> None:
    with MotorProcess(config) as motor:
        motor.armed()
        motor.hold(lambda: motor.statuses[-1].applied == (SLOW_CAP, SLOW_CAP))
        for _ in range(20):
            motor.answer(motor.drive())
        assert motor.statuses[-1].applied == (SLOW_CAP, SLOW_CAP)
        assert seen(motor) == (None, SLOW_CAP, False)
        assert "the distance sensor cannot be used" in motor.stderr()


class Laser:
    """A VL53L0X in a folder: its driver's files, and the motor process that looks there."""

    def __init__(self, folder: Path, mm: int = MM_FAR) -> None:
        device = folder / "iio:device0"
        device.mkdir()
        (device / "name").write_text("vl53l0x\n")
        self._file = device / "in_distance_raw"
        self.put(mm)
        code = (
            f"from picar.motor.ranging import vl53l0x; vl53l0x.ROOT = {str(folder)!r}; "
            "from picar.motor import __main__; raise SystemExit(__main__.main())"
        )
        self.program = (sys.executable, "-c", code)

    def put(self, mm: int) -> None:
        new = self._file.with_name("new")
        new.write_text(f"{mm}\n")
        new.rename(self._file)

    def broken(self) -> None:
        self._file.unlink()

    @staticmethod
    def reader(motor: MotorProcess) -> int:
        """Return the process that reads the sensor."""
        pid = motor.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        return int(wait_until(lambda: children.read_text().split(), "the reader")[0])


@pytest.fixture
def laser(tmp_path: Path) -> Laser:
    return Laser(tmp_path)


VL53L0X = Config().having("range", source="vl53l0x")


def gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_laser_stops_the_car_and_ends_with_the_motor_process(laser: Laser) -> None:
    with MotorProcess(VL53L0X, program=laser.program) as motor:
        motor.armed()
        motor.hold(lambda: motor.statuses[-1].applied == (1.0, 1.0))
        assert seen(motor) == (2.0, 1.0, False)
        laser.put(180)
        motor.hold(lambda: motor.statuses[-1].applied == (0.0, 0.0))
        assert seen(motor) == (0.18, 0.0, False)
        reader = laser.reader(motor)
        motor.process.kill()
        wait_until(lambda: gone(reader), "the end of the reader")


def test_a_failsafe_ends_an_override_also_of_a_sensor_that_sends_nothing(laser: Laser) -> None:
    with MotorProcess(VL53L0X, program=laser.program) as motor:
        motor.armed()
        os.kill(laser.reader(motor), signal.SIGKILL)
        wait_until(lambda: "the distance sensor failed" in motor.stderr(), "the warning")
        motor.answer(motor.drive())
        n = motor.number()
        motor.send(pipe.override(n, 1e12))
        assert motor.refusal(n) is None
        motor.answer(motor.drive())
        assert seen(motor).override
        motor.until(lambda s: s.state == "failsafe", "the deadline")
        motor.answer(motor.drive())
        assert motor.statuses[-1].state == "armed"
        assert not seen(motor).override


@pytest.mark.parametrize("how", ["killed", "hanging", "broken"])
def test_a_laser_that_falls_silent_makes_the_car_slow(laser: Laser, how: str) -> None:
    with MotorProcess(VL53L0X, program=laser.program) as motor:
        motor.armed()
        motor.hold(lambda: motor.statuses[-1].applied == (1.0, 1.0))
        reader = laser.reader(motor)
        if how == "broken":
            laser.broken()
        else:
            os.kill(reader, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        motor.hold(lambda: motor.statuses[-1].applied == (SLOW_CAP, SLOW_CAP))
        assert seen(motor) == (None, SLOW_CAP, False)
        wait_until(lambda: "distance sensor" in motor.stderr(), "the warning")
        if how == "broken":
            laser.put(MM_FAR)
            motor.hold(lambda: motor.statuses[-1].applied == (1.0, 1.0))
        motor.answer(motor.stop())
        motor.until(lambda s: s.state == "stopped", "the stop")
        motor.end_of_input()
        assert motor.ended() == 0
        wait_until(lambda: gone(reader), "the end of the reader")


@pytest.mark.parametrize(
    "written", ["print('x' * 10, flush=True)", "sys.stdout.write('9' * 10**7)", "print(-5)"]
)
def test_a_reader_that_floods_the_loop_with_nonsense_makes_the_car_slow(written: str) -> None:
    """The reader is a program that writes without end; commands, a stop and the end come through."""
    flood = f"import sys, itertools\nfor _ in itertools.count(): {written}"
    code = (
        "import picar.program\n"
        f"picar.program.python = lambda *_: ({sys.executable!r}, '-c', {flood!r})\n"
        "from picar.motor import __main__\n"
        "raise SystemExit(__main__.main())"
    )
    with MotorProcess(VL53L0X, program=(sys.executable, "-c", code)) as motor:
        motor.armed()
        motor.hold(lambda: motor.statuses[-1].applied == (SLOW_CAP, SLOW_CAP))
        assert seen(motor) == (None, SLOW_CAP, False)
        if "print(-5)" not in written:
            wait_until(lambda: "the distance sensor failed" in motor.stderr(), "the warning")
        motor.answer(motor.stop())
        motor.until(lambda s: s.state == "stopped", "the stop")
        wait_until(motor.trace.low, "low pins")
        motor.end_of_input()
        assert motor.ended() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the wake-ups")
def test_after_a_signal_nothing_is_due_for_the_sensor() -> None:
    with MotorProcess(SIM, "sim", program=PATIENT) as motor:
        motor.armed()
        motor.process.send_signal(signal.SIGTERM)
        wait_until(motor.trace.low, "low pins")
        motor.until(lambda s: s.obstacle is None, "the end of the sensor")
        before, seen_before = cpu_s(motor.process.pid), len(motor.heard_at)
        motor.until(lambda _: len(motor.heard_at) - seen_before >= 3, "three beats at rest")
        assert cpu_s(motor.process.pid) - before < 0.3


def cpu_s(pid: int) -> float:
    """Return the time for which a process has run."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_a_car_without_a_sensor_loads_nothing_for_one() -> None:
    code = (
        "import sys; from picar.motor import __main__; code = __main__.main(); "
        "print([name for name in sys.modules if 'ranging' in name or 'obstacle' in name], file=sys.stderr)"
    )
    with MotorProcess(program=(sys.executable, "-c", code)) as motor:
        assert motor.ready().obstacle is None
        n = motor.drive(NEUTRAL)
        motor.answer(n)
        motor.end_of_input()
        assert motor.ended() == 0
        wait_until(motor.stderr, "the modules")
        assert motor.stderr().splitlines()[-1] == "[]"
