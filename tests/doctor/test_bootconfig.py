"""config.txt: which lines hold for which Pi, and which pins they want."""

from __future__ import annotations

import pytest

from picar.doctor import bootconfig

PI_4 = "Raspberry Pi 4 Model B Rev 1.5"


def pins_of(line: str) -> list[int]:
    return sorted(use.pin for use in bootconfig.uses([line]))


@pytest.mark.parametrize(
    ("line", "pins"),
    [
        ("dtparam=i2c_arm=on", [2, 3]),
        ("dtparam=i2c_arm=off", []),
        ("dtparam=i2c_vc=on", [0, 1]),
        ("dtparam=spi=on", [7, 8, 9, 10, 11]),
        ("dtparam=i2s=on,spi=off", [18, 19, 20, 21]),
        ("dtparam=audio=on", []),
        ("enable_uart=1", [14, 15]),
        ("enable_uart=0", []),
        ("enable_jtag_gpio=1", [22, 23, 24, 25, 26, 27]),
        ("dtoverlay=w1-gpio", [4]),
        ("dtoverlay=w1-gpio,gpiopin=17", [17]),
        ("dtoverlay=w1-gpio:gpiopin=17", [17]),
        ("dtoverlay=gpio-fan", [12]),
        ("dtoverlay=gpio-fan,gpiopin=14,temp=80000", [14]),
        ("dtoverlay=gpio-shutdown", [3]),
        ("dtoverlay=i2c-gpio,bus=3", [23, 24]),
        ("dtoverlay=pwm-2chan,pin=12,func=4,pin2=13,func2=4", [12, 13]),
        ("dtoverlay=audremap", [12, 13]),
        ("dtoverlay=audremap,pins_18_19", [18, 19]),
        ("dtoverlay=hifiberry-dacplus", [18, 19, 20, 21]),
        ("dtoverlay=spi1-1cs", [16, 17, 18, 19, 20, 21]),
        ("dtoverlay=mcp2515-can0,oscillator=12000000,interrupt=25", [25]),
        ("dtoverlay=vc4-kms-v3d", []),
        ("dtoverlay=disable-bt", []),
        ("gpio=12,13=op,dh", [12, 13]),
        ("gpio=22-24=pu", [22, 23, 24]),
        ("gpio=12,13=op,dl", []),
        ("gpio=nonsense=op,dh", []),
        ("arm_boost=1", []),
        ("nonsense", []),
    ],
)
def test_a_line_wants_its_pins(line: str, pins: list[int]) -> None:
    assert pins_of(line) == pins


@pytest.mark.parametrize(
    ("section", "model", "holds"),
    [
        ("all", PI_4, True),
        ("none", PI_4, False),
        ("pi4", PI_4, True),
        ("pi4", "Raspberry Pi Compute Module 4 Rev 1.1", True),
        ("pi3", PI_4, False),
        ("pi5", "Raspberry Pi 5 Model B Rev 1.0", True),
        ("pi5", PI_4, False),
        ("pi02", "Raspberry Pi Zero 2 W Rev 1.0", True),
        ("pi0", "Raspberry Pi Zero 2 W Rev 1.0", True),
        ("pi3+", "Raspberry Pi 3 Model B Plus Rev 1.3", True),
        ("cm5", "Raspberry Pi 5 Model B Rev 1.0", False),
        ("gpio4=1", PI_4, True),  # nobody knows: it may
        ("pi4", None, False),
    ],
)
def test_a_section_holds_for_its_models(section: str, model: str | None, holds: bool) -> None:
    text = f"[{section}]\ndtparam=spi=on # and a comment\n\n[all]\n#dtparam=i2c_arm=on\nenable_uart=1\n"
    assert bootconfig.lines(text, model) == ["dtparam=spi=on"] * holds + ["enable_uart=1"]


def test_the_last_word_on_a_parameter_counts() -> None:
    assert bootconfig.has_parameter(["dtparam=strict_gpiod"], "strict_gpiod")
    assert bootconfig.has_parameter(["dtparam=spi=on,strict_gpiod=on"], "strict_gpiod")
    assert not bootconfig.has_parameter(["dtparam=strict_gpiod", "dtparam=strict_gpiod=off"], "strict_gpiod")
    assert not bootconfig.has_parameter(["dtparam=spi=on"], "strict_gpiod")
