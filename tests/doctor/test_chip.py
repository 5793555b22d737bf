"""A car with a motor HAT, a servo or an ESC: its bus, its chip, OE, and the kernel's PWM."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar import configfile
from picar.access.locations import resting
from picar.calibration.store import Overlay
from picar.calibration.values import Calibration
from picar.doctor import bootconfig, probe
from picar.doctor.machine import Answer, Finding, is_well
from picar.wirecheck import KEEPS_DRIVING
from picar.wiring.presets import PRESETS, as_toml
from tests.doctor.trees import WELL_CONFIG, Case, laptop
from tests.fakes.i2c_chip import I2cBus

CONFIG_TXT = "boot/firmware/config.txt"
PI_3: dict[str, str | None] = {"proc/device-tree/model": "Raspberry Pi 3 Model B Rev 1.2\0"}
FAST = WELL_CONFIG + "dtparam=i2c_arm=on,i2c_arm_baudrate=400000\n"
PWM = "dtoverlay=pwm-2chan,pin=18,func=2,pin2=13,func2=4"
PROBE = "PYTHON -m picar.doctor.probe i2c 1 64"
HAT = as_toml(PRESETS["waveshare-hat"])
WITH_OE = HAT.replace("address = 64", "address = 64\noe = 5")
GPIO = as_toml(PRESETS["donkeycar-gpio"])
IN_FORCE: dict[str, str | None] = {"sys/class/pwm/pwmchip0/npwm": "4"}


def examined(
    tree: Path,
    config: str,
    text: str = FAST,
    answers: dict[str, Answer] | None = None,
    files: dict[str, str | None] | None = None,
) -> list[Finding]:
    case = Case(
        config=config,
        files={CONFIG_TXT: text, **IN_FORCE, **(files or {})},
        answers={PROBE: Answer(0), **(answers or {})},
    )
    return case.examine(tree)


def about(findings: list[Finding], check: str) -> list[tuple[str, str, str]]:
    return [(f.status, f.message, f.fix) for f in findings if f.check == check and f.status != "ok"]


def test_a_hat_with_oe_is_well(tmp_path: Path) -> None:
    findings = examined(tmp_path, WITH_OE)
    assert [finding for finding in findings if finding.status != "ok"] == []
    assert "0x70" in next(f.message for f in findings if f.check == "motor HAT")
    assert next(f.message for f in findings if f.check == "pins") == (
        "lgpio drives GPIO 5 and channels 0, 1, 2, 3, 4, 5 (now at rest)"
    )


def test_the_sentence_about_a_chip_without_oe_is_a_warning_everywhere(tmp_path: Path) -> None:
    ((status, message, fix),) = about(examined(tmp_path / "pi", HAT), "motor HAT")
    assert (status, message) == ("warning", KEEPS_DRIVING)
    assert "GPIO 5 or 6" in fix
    case = laptop()
    case.config = HAT
    assert [message for _, message, _ in about(case.examine(tmp_path / "laptop"), "motor HAT")] == [
        KEEPS_DRIVING
    ]
    assert PROBE not in case.asked


@pytest.mark.parametrize(
    ("answer", "message", "fix"),
    [
        (Answer(1, err="I2C is off: there is no /dev/i2c-1. Switch it on: sudo raspi-config nonint do_i2c 0, then reboot."), "I2C is off", "Switch it on"),
        (Answer(1, err="No device answers at 0x40 on I2C bus 1. Check the wires and the address: i2cdetect -y 1"), "No device answers at 0x40", "i2cdetect"),
        (Answer(None), "it does not answer", "reboot"),
        (Answer(-11), "it crashes", "reboot"),
    ],
)  # fmt: skip
def test_a_chip_that_does_not_answer_is_a_problem_and_no_pin_is_claimed(
    tmp_path: Path, answer: Answer, message: str, fix: str
) -> None:
    findings = examined(tmp_path, WITH_OE, answers={PROBE: answer})
    ((status, said, mended),) = about(findings, "motor HAT")
    assert (status, message in said, fix in mended) == ("problem", True, True), (said, mended)
    assert "not tried" in next(f.message for f in findings if f.check == "pins")


@pytest.mark.parametrize(
    ("line", "is_slow"),
    [
        ("", True),
        ("dtparam=i2c_arm=on", True),
        ("dtparam=i2c_arm_baudrate=100000", True),
        ("dtparam=i2c_arm=on,i2c_arm_baudrate=400000", False),
        ("dtparam=i2c_baudrate=1000000", False),
        ("dtparam=i2c_vc_baudrate=400000", True),
    ],
)
def test_a_slow_bus_is_a_warning(tmp_path: Path, line: str, is_slow: bool) -> None:
    found = about(examined(tmp_path, WITH_OE, WELL_CONFIG + line), "motor HAT")
    assert [status for status, *_ in found] == ["warning"] * is_slow
    assert not is_slow or "dtparam=i2c_arm_baudrate=400000 to /boot/firmware/config.txt" in found[0][2]


def test_a_pin_for_oe_is_right_if_it_is_pulled_up(tmp_path: Path) -> None:
    high = FAST + "gpio=5=op,dh\n"
    assert about(examined(tmp_path / "5", WITH_OE, high), "wiring") == []
    ((status, message, fix),) = about(
        examined(tmp_path / "17", WITH_OE.replace("oe = 5", "oe = 17")), "wiring"
    )
    assert (status, "not pulled up at power-on" in message) == ("warning", True)
    assert fix == 'move its wire to GPIO 5 and set oe = "GPIO5" under [board]'
    ((status, message, _),) = about(
        examined(tmp_path / "spi", WITH_OE, FAST + "dtoverlay=dht11,gpiopin=5\n"), "wiring"
    )
    assert (status, "is used by" in message) == ("problem", True)


@pytest.mark.parametrize(
    ("lines", "is_on"),
    [
        (PWM, True),
        ("dtoverlay=pwm-2chan,pin=12,func=4,pin2=13,func2=4", False),
        ("dtoverlay=pwm,pin=13,func=4", False),
        ("dtoverlay=pwm,pin=18,func=2\ndtoverlay=pwm,pin=13,func=4", False),
        (f"dtoverlay=pwm,pin=18,func=2\n{PWM}", True),
        ("", False),
    ],
)
def test_servo_pulses_need_one_line_of_the_kernels_pwm(tmp_path: Path, lines: str, is_on: bool) -> None:
    findings = examined(tmp_path, GPIO, WELL_CONFIG + lines)
    assert about(findings, "wiring") == []
    found = about(findings, "servo pulses")
    assert [status for status, *_ in found] == ["problem"] * (not is_on)
    assert is_on or "dtoverlay=pwm-2chan,pin" in found[0][2]


def test_the_line_of_the_fix_is_accepted(tmp_path: Path) -> None:
    ((_, _, fix),) = about(examined(tmp_path / "without", GPIO, WELL_CONFIG), "servo pulses")
    line = next(word for word in fix.split() if word.startswith("dtoverlay"))
    assert about(examined(tmp_path / "with", GPIO, WELL_CONFIG + line), "servo pulses") == []


def test_the_pwm_may_wait_for_the_next_start(tmp_path: Path) -> None:
    case = Case(config=GPIO, files={CONFIG_TXT: WELL_CONFIG + PWM})
    ((_, message, fix),) = about(case.examine(tmp_path), "servo pulses")
    assert (message, fix) == ("set, but not in force until the next start", "sudo reboot")


def test_a_sound_output_on_the_pin_of_a_servo_is_a_problem_with_another_pin(tmp_path: Path) -> None:
    findings = examined(tmp_path, GPIO, f"{WELL_CONFIG}{PWM}\ndtoverlay=audremap,pins_18_19\n")
    ((_, message, fix),) = about(findings, "wiring")
    assert "18: this pin is used by the sound output" in message
    assert fix.startswith("move its wire to GPIO 12 and set pwm = 12 under [motor.drive]")


@pytest.mark.parametrize(
    ("model", "line", "warns"),
    [(PI_3, "dtparam=audio=on", True), (PI_3, "dtparam=audio=off", False), ({}, "dtparam=audio=on", False)],
)
def test_the_headphone_socket_has_the_same_pwm_on_older_models(
    tmp_path: Path, model: dict[str, str | None], line: str, warns: bool
) -> None:
    found = about(examined(tmp_path, GPIO, f"{WELL_CONFIG}{PWM}\n{line}\n", files=model), "servo pulses")
    assert [(status, "audio=off" in fix) for status, _, fix in found] == [("warning", True)] * warns


def test_an_esc_is_to_be_calibrated_until_it_is(tmp_path: Path) -> None:
    findings = examined(tmp_path / "new", GPIO, WELL_CONFIG + PWM)
    assert is_well(findings)
    ((status, message, fix),) = about(findings, "ESC")
    assert (status, "1500 µs" in message, "page: Settings, This car, Tune the car" in fix) == (
        "warning",
        True,
        True,
    )
    assert (
        about(examined(tmp_path / "file", GPIO + "[esc]\nneutral_us = 1490\n", WELL_CONFIG + PWM), "ESC")
        == []
    )
    settings = configfile.load(tmp_path / "file/picar.toml", {})
    overlay = Overlay.configured(resting(), settings)
    overlay.path.parent.mkdir(parents=True, exist_ok=True)
    overlay.keep(Calibration.of(settings))
    try:
        assert about(examined(tmp_path / "page", GPIO, WELL_CONFIG + PWM), "ESC") == []
    finally:
        overlay.path.unlink()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("well", ""),
        ("other", "is no PCA9685"),
        ("absent", "No device answers"),
        ("held", "is held or disturbed"),
    ],
)
def test_the_probe_reads_one_register_and_writes_none(
    state: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bus = I2cBus(tmp_path)
    bus.install(monkeypatch.setattr)
    if state != "absent":
        bus.chip(0x60).connect()
    if state == "other":
        bus.chip(0x60).write(probe.ALLCALL, [0])
    if state == "held":
        bus.hold()
    assert probe.main("i2c", "1", "96") == bool(message)
    assert [(t.address, t.op, t.register) for t in bus.transactions] == [(0x60, "read", probe.ALLCALL)]
    assert message in capsys.readouterr().err


def test_the_file_of_the_fixes_is_the_one_of_this_system(tmp_path: Path) -> None:
    machine = Case(files={CONFIG_TXT: None, "boot/config.txt": ""}).build(tmp_path)
    assert bootconfig.file_of(machine) == "/boot/config.txt"
