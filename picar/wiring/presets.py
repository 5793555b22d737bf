"""The wirings that tutorials use, each as a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from picar.config import L298NConfig
from picar.options import toml


@dataclass(frozen=True, slots=True)
class Preset:
    """One wiring. `pwm_hz` is the tutorial's own where it is worth keeping."""

    name: str
    sentence: str
    wiring: L298NConfig
    pwm_hz: int | None = None


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("picar", "the default of picar: each pin is low at power-on and free of buses", L298NConfig()),
        Preset(
            "classic-4-wire",
            "the WiFi car of the Chinese tutorials: header pins 11, 12, 13 and 15, both EN jumpers left on",
            L298NConfig(ena="jumper", in1=17, in2=18, enb="jumper", in3=27, in4=22),
        ),
        Preset(
            "classic-6-wire",
            "the same car with speed control: EN on header pins 16 and 18",
            L298NConfig(ena=23, in1=17, in2=18, enb=24, in3=27, in4=22),
            pwm_hz=80,
        ),
        Preset(
            "electronicshub",
            "the widely copied L298N tutorial: IN1 24, IN2 23, EN 25; it has one motor, the second is wired as in its copies",
            L298NConfig(ena=25, in1=24, in2=23, enb=22, in3=27, in4=17),
            pwm_hz=1000,
        ),
        Preset(
            "donkeycar",
            "donkeycar's DC_TWO_WHEEL_L298N: header pins 16, 18, 22 and 15, 13, 11",
            L298NConfig(ena=25, in1=23, in2=24, enb=17, in3=22, in4=27),
        ),
    )
}


def as_toml(preset: Preset) -> str:
    """Return the preset as a configuration file."""
    names = ("ena", "in1", "in2", "enb", "in3", "in4")
    lines = [f"# picar wiring --preset {preset.name}", f"# {preset.sentence}", "", "[l298n]"]
    lines += [f"{name} = {toml(getattr(preset.wiring, name))}" for name in names]
    if preset.pwm_hz:
        lines += ["", "[motors]", f"pwm_hz = {preset.pwm_hz}"]
    return "\n".join(lines) + "\n"
