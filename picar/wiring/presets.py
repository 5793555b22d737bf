"""The wirings of known tutorials, kits and boards, as configurations. The sources are public; their numbers are facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from picar import configfile
from picar.config import Config
from picar.layouts import LAYOUTS
from picar.options import toml
from picar.values import Value
from picar.wires import KEYS


class Preset(Value):
    """One wiring: its name, a sentence with its source, and the sections of its configuration that are not the default's."""

    name: str
    sentence: str
    sections: dict[str, dict[str, Any]]

    @property
    def config(self) -> Config:
        """The configuration with this wiring."""
        return replace(configfile.of_tables(self.sections, "defaults"), warnings=())

    @property
    def kind(self) -> str:
        """The kind of its board."""
        return str(self.sections.get("board", {}).get("kind", "l298n"))


def _l298n(pins: str, invert: str = "", pwm_hz: int = 0) -> dict[str, dict[str, Any]]:
    """Return a wiring with the pins of ENA, IN1, IN2, ENB, IN3, IN4."""
    keys = ("ena", "in1", "in2", "enb", "in3", "in4")
    sections: dict[str, dict[str, Any]] = {"l298n": dict(zip(keys, map(_pin, pins.split()), strict=True))}
    sections |= {side: {"invert": True} for side in invert.split()}
    return sections | ({"motors": {"pwm_hz": pwm_hz}} if pwm_hz else {})


def _board(
    kind: str,
    *motors: str,
    layout: str = "sides",
    standby: int | None = None,
    invert: str = "",
    address: int | None = None,
    **more: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    """Return a wiring of any kind; `motors` has the pins of each motor of the layout, in the order of `KEYS`.

    With the `address` of a PCA9685, a plain number is a channel of it. `more` has the sections of a servo and of an ESC.
    """
    sections: dict[str, dict[str, Any]] = {"board": {"kind": kind}}
    if address is not None:
        sections["board"] |= {"chip": "pca9685", "address": address}
    if standby is not None:
        sections["board"]["standby"] = standby
    if layout != "sides":
        sections["layout"] = {"kind": layout}
    for name, pins in zip(LAYOUTS[layout].motors, motors, strict=True):
        inverted = {"invert": True} if name in invert.split() else {}
        sections[f"motor.{name}"] = dict(zip(KEYS[kind], map(_pin, pins.split()), strict=True)) | inverted
    return sections | more


def _sonar(trigger: int, echo: int) -> dict[str, dict[str, Any]]:
    return {"range": {"source": "hcsr04", "trigger": trigger, "echo": echo}}


def _horn(pin: int | str) -> dict[str, dict[str, Any]]:
    return {"aux.horn": {"kind": "momentary", "pin": pin, "icon": "horn"}}


def _lights(**pins: int) -> dict[str, dict[str, Any]]:
    return {f"aux.{name}": {"kind": "dimmer", "pin": pin, "icon": "light"} for name, pin in pins.items()}


def _pin(word: str) -> int | str:
    return int(word) if word.isdecimal() else word


_DONKEY = {"left_us": 1872, "center_us": 1526, "right_us": 1180}  # 460 and 290 of 4096 steps at 60 Hz
PRESETS = {
    name: Preset(name, sentence, sections)
    for name, (sentence, sections) in {
        "picar": ("the default of picar: each pin is low at power-on and free of buses",
            _l298n("12 23 24 13 27 22")),
        "classic-4-wire": ("the WiFi car of the Chinese tutorials: header pins 11, 12, 13 and 15, both EN jumpers left on",
            _l298n("jumper 17 18 jumper 27 22")),
        "classic-6-wire": ("the same car with speed control: EN on header pins 16 and 18",
            _l298n("23 17 18 24 27 22", pwm_hz=80)),
        "electronicshub": ("the widely copied L298N tutorial: IN1 24, IN2 23, EN 25; it has one motor, the second is wired as in its copies",
            _l298n("25 24 23 22 27 17", pwm_hz=1000)),
        "donkeycar": ("donkeycar's DC_TWO_WHEEL_L298N: header pins 16, 18, 22 and 15, 13, 11",
            _l298n("25 23 24 17 22 27")),
        "pi-rc-python": ("the car of github.com/naveenk2022/pi_rc_python: an L298N and a Pi Zero 2 W",
            _l298n("17 22 27 26 13 19")),
        "watney": ("the rover of github.com/nikivanov/watney: an L298N with both EN on GPIO 13",
            _l298n("13 25 24 13 17 27")),
        "alphabot": ("Waveshare AlphaBot (L298P), as in its example code; ENA is on GPIO 6",
            _l298n("6 12 13 26 20 21", invert="right")),
        "easy-robo": ("two L298N with the EN jumpers on, four motors: messyprogress's \"Easy Robotics\", without strafing",
            _board("l298n", "jumper 21 20", "jumper 16 26", "jumper 19 13", "jumper 6 5", layout="four")),
        "donkeycar-bridge": ("donkeycar's SERVO_HBRIDGE_3PIN with an L298N: header pins 35, 18 and 16, servo at 33",
            _board("l298n", "19 24 23", layout="steer-servo", steering={"pin": 13, **_DONKEY})),
        "l293d": ("the two-motor L293D tutorial of the Raspberry Pi forum: header pins 16, 18, 22 and 23, 21, 19",
            _board("l293d", "25 23 24", "10 11 9")),
        "motozero": ("The Pi Hut's MotoZero (two L293D); here motors 1 and 2 are the left side, 3 and 4 the right, front first",
            _board("l293d", "5 24 27", "17 6 22", "12 23 16", "25 13 18", layout="four")),
        "howchoo": ("howchoo.com's TB6612 tutorial with both motors, as in github.com/nfroehberg's class for it",
            _board("tb6612", "4 18 17", "24 22 23", standby=27)),
        "go-raspi-car": ("the TB6612 car of github.com/DiscreteTom/go-raspi-car; several Chinese and Korean cars have the same pins",
            _board("tb6612", "18 22 27", "23 25 24")),
        "alphabot2": ("Waveshare AlphaBot2-Pi (TB6612), as in its example code; PWMA is on GPIO 6, and its buzzer on GPIO 4 may sound at power-on",
            _board("tb6612", "6 12 13", "26 20 21", invert="left right") | _sonar(22, 27) | _horn(4)),
        "yahboom-4wd": ("Yahboom's 4WD and G1 cars (TB6612 on the BST-4WD board), as in their CarRun.py; its buzzer, which is on when low, is left out",
            _board("tb6612", "16 20 21", "13 19 26") | _sonar(1, 0)),
        "adafruit-hat": ("Adafruit DC & Stepper Motor HAT; here M1 and M2 are the left side, M3 and M4 the right, front first",
            _board("tb6612", "8 10 9", "13 11 12", "2 4 3", "7 5 6", layout="four", address=0x60)),
        "adafruit-hat-2": ("the same HAT with two motors: M1 left, M2 right",
            _board("tb6612", "8 10 9", "13 11 12", address=0x60)),
        "waveshare-hat": ("Waveshare Motor Driver HAT, as in its example code; here motor A is the left side",
            _board("tb6612", "0 1 2", "5 3 4", invert="left right", address=0x40)),
        "loborobot": ("LOBOROBOT.py of the CLB cars, without strafing: one of its motors has its direction at the header",
            _board("tb6612", "0 1 2", "6 8 7", "5 3 4", "11 GPIO24 GPIO25", layout="four", address=0x40)),
        "camjam-edukit-3": ("CamJam EduKit 3 (DRV8833), as gpiozero's CamJamKitRobot; two of its pins are high at power-on",
            _board("drv8833", "9 10", "7 8") | _sonar(17, 18)),
        "explorer-hat": ("Pimoroni Explorer HAT Pro and pHAT (DRV8833); here motor 1 is the left side",
            _board("drv8833", "19 20", "21 26")),
        "rpi-car-control": ("a toy car with a steering motor and an MX1508: github.com/kig/rpi-car-control",
            _board("drv8833", "17 27", "23 24", layout="steer-motor")
            | _lights(left=5, right=6, rear=13)),
        "freenove-4wd": ("Freenove 4WD car kit, as in its motor.py, with ordinary wheels; its servos are left out",
            _board("drv8833", "1 0", "2 3", "7 6", "5 4", layout="four", address=0x40) | _sonar(27, 22) | _horn("GPIO17")),
        "rusty6": ("four motors on two L9110S: github.com/VladTomici14/Rusty6; here module 1 is the left side, front first",
            _board("l9110s", "21 20", "16 26", "19 13", "6 5", layout="four")),
        "pololu-drv8835": ("Pololu's DRV8835 board for the Raspberry Pi, as in its library: forward is DIR low",
            _board("phase-enable", "12 5", "13 6", invert="left right")),
        "donkeycar-pca": ("donkeycar's default PWM_STEERING_THROTTLE: servo and ESC on a PCA9685",
            _board("esc", "0", layout="steer-servo", address=0x40, steering={"pin": 1, **_DONKEY}, esc={"neutral_us": 1506})),
        "donkeycar-gpio": ("donkeycar's PIGPIO pins, also of its RC hat: servo at GPIO 13, ESC at GPIO 18",
            _board("esc", "18", layout="steer-servo", steering={"pin": 13})),
        "piracer-pro": ("Waveshare PiRacer Pro (servo and ESC on a PCA9685), as in github.com/twyleg/piracer_py",
            _board("esc", "1", layout="steer-servo", address=0x40, steering={"pin": 0, "left_us": 2000, "right_us": 1000})),
    }.items()
}  # fmt: skip


def as_toml(preset: Preset) -> str:
    """Return the preset as a configuration file."""
    blocks = [f"# picar wiring --preset {preset.name}\n# {preset.sentence}\n"]
    for name, values in preset.sections.items():
        lines = [f"{key} = {toml(value)}" for key, value in values.items()]
        blocks.append("\n".join([f"[{name}]", *lines, ""]))
    return "\n".join(blocks)
