"""One option: its declaration, its check, and the sentence about its valid values.

`config.py` declares the options; this file names no option.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from picar.raspberrypi import CHANNELS, NUMBERS, PINS

EnablePin = int | Literal["jumper"]
SignalPin = int | Literal["none"]
AnyPin = int | Literal["jumper", "none"]
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_PIN_NAME = re.compile(
    r"(?:(?:GPIO|BCM) ?(?P<bcm>\d{1,2})|(?:BOARD ?|J8:)(?P<place>\d{1,2})|CH ?(?P<channel>\d{1,3}))",
    re.ASCII | re.IGNORECASE,
)
# RFC 6454 §6.1; the port may be any. "null" is the origin of every page without one.
ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}|\*))?",
    re.ASCII | re.IGNORECASE,
)
# The address of a car: a host, if necessary with scheme and port.
ADDRESS = re.compile(r"(?:(https?)://)?(\[[\w:.%]+\]|[\w.-]+)(?::(\d{1,5}))?/?")
_HEX = re.compile(r"([0-9a-f]{6})?")
_HOST_NAME = re.compile(r"[\w.-]+")  # letters of any alphabet: browsers send them as xn--


class Option(NamedTuple):
    """One declared option. `check` converts a TOML value into the value for the program."""

    name: str
    type: Any
    default: Any
    sentence: str
    unit: str
    lo: float
    hi: float

    @property
    def may_be_channel(self) -> bool:
        """Whether it names a pin that may be a channel of a PCA9685: none of `[l298n]`, nor the chip's own switch, nor a sensor's."""
        return "none" in self._words and self.name not in ("oe", "trigger", "echo", "switch")

    def check(self, value: Any) -> Any:
        """Return the value to use.

        Raises:
            ValueError: the value has the wrong type or is out of range; the text is `rule`.
        """
        given = value
        if self.unit == "BCM":
            value = _pin_number(value)
        is_channel = self.unit == "BCM" and value in CHANNELS
        if not self._fits(value) or (is_channel and (given == value or not self.may_be_channel)):
            raise ValueError(self.rule + self._hint(given))
        if self.type is float:
            return float(value)
        return tuple(value) if isinstance(value, list) else value

    def _fits(self, value: Any) -> bool:
        if self.unit == "BCM":
            return (
                value in self._words
                if isinstance(value, str)
                else (type(value) is int and (value in NUMBERS or value in CHANNELS))
            )
        if self.type in (int, float):
            wanted = (int,) if self.type is int else (int, float)
            return type(value) in wanted and self.lo <= value <= self.hi  # which NaN is not
        if self.unit == "hex":
            return isinstance(value, str) and bool(_HEX.fullmatch(value))
        if self.type in (bool, str):
            return type(value) is self.type and (value != "" or self.default == "")
        if get_origin(self.type) is Literal:
            return any(type(value) is type(word) and value == word for word in get_args(self.type))
        form = {"origin": ORIGIN, "car": ADDRESS}.get(self.unit, _HOST_NAME)
        return isinstance(value, list) and all(isinstance(v, str) and form.fullmatch(v) for v in value)

    def _hint(self, value: Any) -> str:
        """Return a sentence about the form of a value that is almost right; empty for anything else."""
        if (
            isinstance(value, str)
            and (self.unit == "BCM" or self.type in (int, float))
            and _NUMBER.fullmatch(value)
        ):
            return ". Write it without quotes"
        if self.unit != "BCM":
            return ""
        if isinstance(value, str) and value.upper().startswith("CH"):
            return '. A PCA9685 has the channels 0 to 15; a pin of the header is a text like "GPIO17"'
        if type(value) is int and 1 <= value <= len(PINS):
            return (
                f". Pin {value} of the header is {PINS[value - 1].name}; "
                f'if your numbers are places on the header, write each like "BOARD{value}"'
            )
        return '. A name like "GPIO12" or "BOARD32" is good too' if isinstance(value, str) else ""

    @property
    def _words(self) -> tuple[str, ...]:
        """The words that a pin option takes beside a number."""
        return tuple(word for kind in get_args(self.type) for word in get_args(kind))

    @property
    def rule(self) -> str:
        """The valid values, in words."""
        if self.unit == "BCM":
            words = "".join(f' or "{word}"' for word in self._words)
            return f"a BCM pin number of the 40-pin header, 0 to 27{words}"
        if self.type in (int, float):
            kind = "a whole number" if self.type is int else "a number"
            return f"{kind} from {self.lo:g} to {self.hi:g} {self.unit}".rstrip()
        if self.type is bool:
            return "true or false"
        if self.unit == "hex":
            return 'six of the digits 0-9 and a-f in quotes, or ""'
        if self.type is str:
            return "a text in quotes" if self.default == "" else "a text in quotes, not empty"
        if get_origin(self.type) is Literal:
            return "one of " + ", ".join(toml(word) for word in get_args(self.type))
        if self.unit == "origin":
            return 'a list of origins, like ["http://pc.local:8080"], or ["http://pc.local:*"] for any port'
        if self.unit == "car":
            return 'a list of addresses, like ["blitz.local", "192.168.1.7:8000"]'
        return 'a list of host names without port, like ["car.example"]'


def option(
    default: Any, sentence: str, *, unit: str = "", lo: float = -math.inf, hi: float = math.inf
) -> Any:
    """Declare an option as a dataclass field: default, meaning, unit, and range with both ends included."""
    return dataclasses.field(
        default=default, metadata={"sentence": sentence, "unit": unit, "lo": lo, "hi": hi}
    )


def pin(default: AnyPin, sentence: str) -> Any:
    """Declare a pin option, a BCM number."""
    return option(default, sentence, unit="BCM")


def _pin_number(value: Any) -> Any:
    """Return the number of a pin's name, like "GPIO12", "BOARD32", "J8:32" or "CH3"; anything else as it is."""
    match = _PIN_NAME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    if match["bcm"]:
        return int(match["bcm"])
    if match["channel"]:
        number = CHANNELS[0] + int(match["channel"])
        return number if number in CHANNELS else value
    at = PINS[int(match["place"]) - 1 : int(match["place"])]
    return at[0].bcm if at and at[0].bcm is not None else value


def options_of(section: type) -> dict[str, Option]:
    """Return the declared options of a section's dataclass by name."""
    hints = get_type_hints(section)
    return {
        f.name: Option(f.name, hints[f.name], f.default, **f.metadata) for f in dataclasses.fields(section)
    }


def toml(value: Any) -> str:
    """Return a value as TOML text."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML does not permit it
    try:
        return str(value)
    except ValueError:  # more digits than Python prints
        return f"a number of {value.bit_length()} bits"
