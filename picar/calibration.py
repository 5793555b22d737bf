"""What calibrating finds out about two motors: six options of the configuration, as one value.

The page measures them, the motor process follows them at once, `overlay.py` keeps them beside the configuration.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from picar.config import SECTIONS, Config
from picar.options import Option, options_of, toml

PLACES = {
    "swap": ("l298n", "swap"),
    "left_invert": ("left", "invert"),
    "right_invert": ("right", "invert"),
    "left_trim": ("left", "trim"),
    "right_trim": ("right", "trim"),
    "min_duty": ("motors", "min_duty"),
}


@dataclass(frozen=True, slots=True)
class Calibration:
    """The six values; `PLACES` says which option each is, and that option's range holds."""

    swap: bool
    left_invert: bool
    right_invert: bool
    left_trim: float
    right_trim: float
    min_duty: float

    @classmethod
    def of(cls, config: Config) -> Calibration:
        """Return what a configuration says."""
        return cls(**{name: getattr(getattr(config, s), key) for name, (s, key) in PLACES.items()})

    def applied_to(self, config: Config) -> Config:
        """Return the configuration with these values in it."""
        changed: dict[str, Any] = {}
        for name, (section, key) in PLACES.items():
            before = changed.get(section, getattr(config, section))
            changed[section] = dataclasses.replace(before, **{key: getattr(self, name)})
        return dataclasses.replace(config, **changed)

    def is_faster_than(self, other: Calibration) -> bool:
        """Tell whether a wheel may turn faster than with another one, at the same stick."""
        return any(
            getattr(self, name) > getattr(other, name) for name in ("left_trim", "right_trim", "min_duty")
        )

    def toml(self) -> str:
        """Return the lines that say the same in picar.toml."""
        lines: list[str] = []
        for name, (section, key) in sorted(
            PLACES.items(), key=lambda place: list(SECTIONS).index(place[1][0])
        ):
            if f"[{section}]" not in lines:
                lines += [*([""] if lines else []), f"[{section}]"]
            lines.append(f"{key} = {toml(getattr(self, name))}")
        return "\n".join(lines) + "\n"


def option_of(name: str) -> Option:
    """Return the declared option behind one of the six names."""
    section, key = PLACES[name]
    return options_of(SECTIONS[section])[key]


def marked(text: str, mark: str) -> str:
    """Return a configuration's TOML text with a comment after each of the six lines."""
    for section, key in PLACES.values():
        line = rf"(?m)^(\[{section}\]\n(?:(?!\[).+\n)*?{key} = .*)$"
        text = re.sub(line, rf"\1  # {mark}", text)
    return text
