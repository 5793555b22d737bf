"""The lines of config.txt that use pins of the header: buses, overlays, and levels at boot.

Sources: Raspberry Pi's documentation of config.txt, and the parameters in `overlays/README` of its kernel.
It reads the file, not the kernel: a line that was added since the last boot counts already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from picar.sensors.host import Tree
from picar.values import Value

PATHS = ("boot/firmware/config.txt", "boot/config.txt")  # since Bookworm, and before

_MODELS = {  # the filter in brackets, and a pattern for the name of the model
    "pi0": "Zero", "pi0w": "Zero W", "pi02": "Zero 2", "pi1": "Pi Model", "pi2": "Pi 2 ", "pi3": "(Pi|Module) 3",
    "pi3+": "Pi 3 .*Plus", "pi4": "(Pi|Module) 4", "pi400": "Pi 400", "pi5": "(Pi|Module) 5", "pi500": "Pi 500",
    "cm1": "Compute Module Rev", "cm3": "Module 3", "cm3+": "Module 3 Plus", "cm4": "Module 4 ", "cm4s": "Module 4S",
    "cm5": "Module 5",
}  # fmt: skip
_SPI, _I2S = tuple(range(7, 12)), tuple(range(18, 22))
_PARAMETERS = {
    "i2c": ("I2C", (2, 3)), "i2c_arm": ("I2C", (2, 3)), "i2c1": ("I2C", (2, 3)), "i2c_vc": ("I2C", (0, 1)),
    "i2c0": ("I2C", (0, 1)), "spi": ("SPI", _SPI), "i2s": ("I2S sound", _I2S), "uart0": ("the serial port", (14, 15)),
    "uart0_console": ("the serial port", (14, 15)),
}  # fmt: skip
_OVERLAYS: dict[str, dict[str, int]] = {  # parameters that name a pin, and their defaults
    "w1-gpio": {"gpiopin": 4}, "w1-gpio-pullup": {"gpiopin": 4}, "dht11": {"gpiopin": 4}, "gpio-fan": {"gpiopin": 12},
    "gpio-ir": {"gpio_pin": 18}, "gpio-ir-tx": {"gpio_pin": 18}, "pwm-ir-tx": {"gpio_pin": 18}, "gpio-key": {"gpio": 3},
    "gpio-led": {"gpio": 19}, "gpio-poweroff": {"gpiopin": 26}, "gpio-shutdown": {"gpio_pin": 3},
    "i2c-gpio": {"i2c_gpio_sda": 23, "i2c_gpio_scl": 24}, "pwm": {"pin": 18}, "pwm-2chan": {"pin": 18, "pin2": 19},
    "pps-gpio": {"gpiopin": 18},
}  # fmt: skip
_WITH_FIXED_PINS = (
    (re.compile(r"spi1-[123]cs"), "SPI", tuple(range(16, 22))),
    (re.compile(r"spi0-[012]cs"), "SPI", _SPI),
    (re.compile(r"i2c1"), "I2C", (2, 3)),
    (re.compile(r"i2c0"), "I2C", (0, 1)),
    (re.compile(r"uart0"), "the serial port", (14, 15)),
    (re.compile(r".*(dac|digi|amp|soundcard|audioinjector|iqaudio).*"), "a sound card", _I2S),
)
PWM = ("the overlay pwm", "the overlay pwm-2chan")  # the uses of a pin that are right for servo pulses
_NAMES_A_PIN = re.compile(r"(.*pin\d?|.*gpio|.*interrupt|i2c_gpio_sda|i2c_gpio_scl|extpullup)")


class Use(Value):
    """A line of config.txt that uses a pin. `drives_high` is true if a motor on this pin runs at boot."""

    pin: int
    line: str
    by: str
    drives_high: bool = False


def file_of(machine: Tree) -> str:
    """Return the path of config.txt."""
    return next((f"/{path}" for path in PATHS if (machine.root / path).exists()), f"/{PATHS[0]}")


def lines(text: str, model: str | None) -> list[str]:
    """Return the lines that hold for this model, without comments and spaces."""
    found, applies = [], True
    for raw in text.splitlines():
        line = raw.split("#")[0].strip()
        if line.startswith("["):
            applies = _applies(line.strip("[]").lower(), model or "")
        elif line and applies:
            found.append(line)
    return found


def uses(active: list[str]) -> list[Use]:
    """Return every pin that these lines use."""
    return [use for line in active for use in _uses_of(line)]


def has_parameter(active: list[str], name: str) -> bool:
    """Return whether a `dtparam` is on after the last line."""
    state = False
    for line in active:
        key, _, value = line.partition("=")
        if key.strip() == "dtparam":
            for given, setting in _parameters(value):
                state = _on(setting) if given == name else state
    return state


def _applies(condition: str, model: str) -> bool:
    """Return whether a section holds for this model; a condition other than a model may hold, so yes."""
    if condition in _MODELS:
        return re.search(_MODELS[condition], model) is not None
    return condition != "none"


def _uses_of(line: str) -> Iterator[Use]:
    key, _, value = (part.strip() for part in line.partition("="))
    if key == "dtparam":
        for name, setting in _parameters(value):
            by, pins = _PARAMETERS.get(name, ("", ()))
            yield from (Use(pin, line, by) for pin in pins if _on(setting))
    elif key == "dtoverlay":
        yield from _uses_of_overlay(line, value)
    elif key == "enable_uart" and value == "1":
        yield from (Use(pin, line, "the serial port") for pin in (14, 15))
    elif key == "enable_jtag_gpio" and value == "1":
        yield from (Use(pin, line, "JTAG") for pin in range(22, 28))
    elif key == "gpio":
        numbers, _, states = value.partition("=")
        if {"dh", "pu"} & set(states.replace(" ", "").split(",")):
            yield from (Use(pin, line, "a high level at boot", drives_high=True) for pin in _pins(numbers))


def _uses_of_overlay(line: str, value: str) -> Iterator[Use]:
    name, *given = (part.strip() for part in value.replace(":", ",", 1).split(","))
    parameters = dict(_parameters(",".join(given)))
    if name == "audremap":
        outputs = (18, 19) if "pins_18_19" in parameters else (12, 13)
        yield from (Use(pin, line, "the sound output") for pin in outputs)
        return
    for pattern, by, pins in _WITH_FIXED_PINS:
        if pattern.fullmatch(name):
            yield from (Use(pin, line, by) for pin in pins)
            return
    named = {key: number for key, number in parameters.items() if _NAMES_A_PIN.fullmatch(key)}
    for number in ({key: str(pin) for key, pin in _OVERLAYS.get(name, {}).items()} | named).values():
        yield from (Use(pin, line, f"the overlay {name}") for pin in _pins(number))


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        name, _, setting = part.partition("=")
        yield name.strip(), setting.strip()


def _on(setting: str) -> bool:
    return setting.lower() in ("", "on", "yes", "y", "true", "1", "okay")


def _pins(text: str) -> Iterator[int]:
    """Read `12`, `12,13` or `0-27`."""
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal() and (last.isdecimal() or not last):
            yield from range(int(first), int(last or first) + 1)
