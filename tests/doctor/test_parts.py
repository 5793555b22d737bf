"""The parts beside the motors: their pins, and one measurement of the distance sensor."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from picar.doctor import probe
from picar.doctor.machine import Answer, Finding, is_well
from picar.motor.pins.library import PinsLock
from picar.motor.ranging.hcsr04 import SOUND_M_S
from picar.motor.ranging.lines import EVENT, FALLING, RISING, Line
from tests.doctor.trees import WELL_CONFIG, Case, laptop

SONAR = '[range]\nsource = "hcsr04"\ntrigger = 5\necho = 6\n'
SWITCH = '[range]\nsource = "switch"\nswitch = 25\n'
LASER = '[range]\nsource = "vl53l0x"\n'
HORN = '[aux.horn]\nkind = "momentary"\npin = {}\n'
PAN = '[aux.pan]\nkind = "servo"\npin = 18\n'
PROBE = "PYTHON -m picar.doctor.probe "
CONFIG_TXT = "boot/firmware/config.txt"
IIO = "sys/bus/iio/devices/iio:device1/"


def about(findings: list[Finding], check: str) -> list[tuple[str, str, str]]:
    return [(f.status, f.message, f.fix) for f in findings if f.check == check]


def examined(
    tree: Path, config: str, answer: Answer | None = None, lines: str = "", name: str = "hcsr04 5 6"
) -> list[Finding]:
    answers = {PROBE + name: answer or Answer(0, "HC-SR04: 42 cm")}
    return Case(config=config, files={CONFIG_TXT: WELL_CONFIG + lines}, answers=answers).examine(tree)


@pytest.mark.parametrize("pin", [4, 14, 17])
def test_a_horn_at_a_pin_that_is_high_at_power_on_is_a_warning(tmp_path: Path, pin: int) -> None:
    found = about(examined(tmp_path, HORN.format(pin)), "wiring")
    assert [status for status, *_ in found] == (["ok"] if pin == 17 else ["warning"])
    if pin != 17:
        ((_, message, fix),) = found
        assert "so this output may be on before picar does" in message
        assert fix.endswith("under [aux.horn]")


def test_a_sensor_may_have_a_pin_that_is_pulled_up(tmp_path: Path) -> None:
    findings = examined(tmp_path, SONAR, lines="gpio=6=ip,pu\n")
    assert [status for status, *_ in about(findings, "wiring")] == ["ok"]
    assert about(findings, "distance") == [("ok", "HC-SR04: 42 cm", "")]


@pytest.mark.parametrize(
    ("config", "line", "place"),
    [
        (SONAR, "dtoverlay=dht11,gpiopin=6\n", "[range] echo = 6"),
        (SONAR, "dtoverlay=dht11,gpiopin=5\n", "[range] trigger = 5"),
        (SWITCH, "dtoverlay=gpio-fan,gpiopin=25\n", "[range] switch = 25"),
        (HORN.format(17), "gpio=17=op,dh\n", "[aux.horn] pin = 17"),
        ("[lamp]\npin = 9\n", "dtparam=spi=on\n", "[lamp] pin = 9"),
    ],
)
def test_a_pin_that_is_used_by_something_else_is_a_problem_and_no_pin_is_claimed(
    tmp_path: Path, config: str, line: str, place: str
) -> None:
    case = Case(config=config, files={CONFIG_TXT: WELL_CONFIG + line})
    ((status, message, fix),) = about(case.examine(tmp_path), "wiring")
    assert (status, message.startswith(place), "delete that line" in fix) == ("problem", True, True), message
    assert not any("hcsr04" in asked or "switch" in asked for asked in case.asked)


def test_the_pins_of_the_outputs_are_tried_with_those_of_the_motors(tmp_path: Path) -> None:
    ((_, message, _),) = about(examined(tmp_path, HORN.format(17)), "pins")
    assert "GPIO 12, 13, 17, 22" in message


@pytest.mark.parametrize(("lines", "status"), [("dtoverlay=pwm,pin=18,func=2\n", "ok"), ("", "problem")])
def test_a_servo_needs_the_kernels_pwm(tmp_path: Path, lines: str, status: str) -> None:
    files: dict[str, str | None] = {"sys/class/pwm/pwmchip0/npwm": "4", CONFIG_TXT: WELL_CONFIG + lines}
    findings = Case(config=PAN, files=files).examine(tmp_path)
    assert [said for said, *_ in about(findings, "servo pulses")] == [status]
    assert [said for said, *_ in about(findings, "wiring")] == ["ok"]


@pytest.mark.parametrize(
    ("answer", "status", "message", "fix"),
    [
        (Answer(1, err="ECHO never rises. Check the wires."), "warning", "ECHO never rises: the car drives forward slowly", "Check the wires."),
        (Answer(1, err="GPIO 6 is in use by another program. Find it: sudo fuser -v /dev/gpiochip*"), "warning", "GPIO 6 is in use", "sudo fuser"),
        (Answer(1, err="Another picar has the motor pins, process 7. Stop it first: sudo"), "ok", "in use by the running picar", ""),
        (Answer(None), "warning", "it does not answer", "reboot"),
    ],
)  # fmt: skip
def test_a_sensor_that_is_not_measured(
    tmp_path: Path, answer: Answer, status: str, message: str, fix: str
) -> None:
    findings = examined(tmp_path, SONAR, answer)
    ((said, words, mended),) = about(findings, "distance")
    assert (said, message in words, fix in mended) == (status, True, True), (words, mended)
    assert is_well(findings), "the car can drive, slowly"


def test_a_switch_is_read(tmp_path: Path) -> None:
    findings = examined(tmp_path, SWITCH, Answer(0, "switch: open"), name="switch 25")
    assert about(findings, "distance") == [("ok", "switch: open", "")]


def test_nothing_is_measured_elsewhere_than_on_a_pi_and_with_simulated_pins(tmp_path: Path) -> None:
    case = laptop()
    case.config = SONAR
    assert about(case.examine(tmp_path / "laptop"), "distance") == []
    assert about(examined(tmp_path / "sim", '[motors]\nbackend = "sim"\n' + SONAR), "distance") == []
    assert about(examined(tmp_path / "none", ""), "distance") == []


@pytest.mark.parametrize(
    ("name", "raw", "status", "message"),
    [
        ("vl53l0x", Answer(0, "423"), "ok", "VL53L0X: 42 cm"),
        ("vl53l0x", Answer(0, "8190"), "ok", "VL53L0X: nothing within 2 m"),
        ("vl53l0x", Answer(1, err="cat: Remote I/O error"), "warning", "does not answer"),
        ("vl53l0x", None, "warning", "does not answer"),
        ("bme280", None, "warning", "the kernel has no VL53L0X"),
    ],
)
def test_the_kernels_device_of_a_vl53l0x(
    tmp_path: Path, name: str, raw: Answer | None, status: str, message: str
) -> None:
    case = Case(config=LASER, files={f"{IIO}name": f"{name}\n"}, answers={"cat ": raw})
    ((said, words, fix),) = about(case.examine(tmp_path), "distance")
    assert (said, message in words, bool(fix)) == (status, True, status == "warning"), words
    assert name != "bme280" or "new_device" in fix


class Wire(Line):
    """A line whose ECHO answers each end of a trigger pulse, at a distance; `stuck` gives another level instead."""

    m: float | None = 0.42
    stuck = 0
    echo: Wire | None = None

    def __init__(self) -> None:
        reading, self.end = os.pipe()
        os.set_blocking(reading, False)
        super().__init__(reading)

    def set(self, level: int) -> None:
        if level or self.m is None:
            return
        assert Wire.echo
        at = time.monotonic()
        for edge, s in ((RISING, 0.0), (FALLING, 2 * self.m / SOUND_M_S)):
            os.write(Wire.echo.end, EVENT.pack(round((at + s) * 1e9), edge, 6, 1, 1))

    def level(self) -> int:
        return self.stuck


@pytest.fixture
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.usefixtures("own_lock")
@pytest.mark.parametrize(
    ("m", "stuck", "code", "said"),
    [
        (0.42, 0, 0, "HC-SR04: 42 cm"),
        (6.0, 0, 0, "HC-SR04: nothing within 4 m"),
        (None, 0, 1, "ECHO never rises. Check the wires"),
        (None, 1, 1, "ECHO rises, and gives no steady distance"),
    ],
)
def test_the_probe_measures_and_ends_soon(
    m: float | None,
    stuck: int,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines: list[Wire] = []

    def claim(_pin: int, _flags: int) -> Wire:
        lines.append(Wire())
        Wire.echo = lines[-1]
        return lines[-1]

    monkeypatch.setattr(Wire, "m", m)
    monkeypatch.setattr(Wire, "stuck", stuck)
    monkeypatch.setattr(Line, "claim", claim)
    assert probe.main("hcsr04", "5", "6") == code
    shown = capsys.readouterr()
    assert said in (shown.err if code else shown.out)
    for line in lines:
        os.close(line.end)
        os.close(line.fileno())


@pytest.mark.usefixtures("own_lock")
@pytest.mark.parametrize(("stuck", "said"), [(0, "switch: closed"), (1, "switch: open")])
def test_the_probe_reads_a_switch(
    stuck: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Wire, "stuck", stuck)
    line = Wire()
    monkeypatch.setattr(Line, "claim", lambda _pin, _flags: line)
    assert probe.main("switch", "25") == 0
    assert capsys.readouterr().out == said
    os.close(line.end)
    os.close(line.fileno())


@pytest.mark.usefixtures("own_lock")
def test_the_probe_leaves_the_pins_of_a_running_picar_alone(capsys: pytest.CaptureFixture[str]) -> None:
    lock = PinsLock()
    assert probe.main("hcsr04", "5", "6") == 1
    lock.release()
    assert capsys.readouterr().err.startswith("Another picar has the motor pins")
