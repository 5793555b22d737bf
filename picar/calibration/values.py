"""The calibration of the two motors: six options of the configuration, as one value.

The page measures them, the motor process follows them at once, `store.py` keeps them beside the configuration. The motor
process loads neither the options nor `dataclasses`: functions that need them import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from picar.config import Config
    from picar.options import Option

PLACES = {  # in the order of the sections
    "min_duty": ("motors", "min_duty"),
    "swap": ("l298n", "swap"),
    "left_invert": ("left", "invert"),
    "left_trim": ("left", "trim"),
    "right_invert": ("right", "invert"),
    "right_trim": ("right", "trim"),
}


class Calibration(NamedTuple):
    """The six values. `PLACES` names the option of each; the range of that option holds."""

    swap: bool
    left_invert: bool
    right_invert: bool
    left_trim: float
    right_trim: float
    min_duty: float

    @classmethod
    def of(cls, config: Config) -> Calibration:
        """Return the calibration of a configuration."""
        return cls(**{name: getattr(getattr(config, s), key) for name, (s, key) in PLACES.items()})

    def applied_to(self, config: Config) -> Config:
        """Return the configuration with these values in it."""
        import dataclasses

        changed: dict[str, Any] = {}
        for name, (section, key) in PLACES.items():
            before = changed.get(section, getattr(config, section))
            changed[section] = dataclasses.replace(before, **{key: getattr(self, name)})
        return dataclasses.replace(config, **changed)

    @property
    def motor_trims(self) -> tuple[float, float]:
        """The trims of the first and of the second motor of the board."""
        return (self.right_trim, self.left_trim) if self.swap else (self.left_trim, self.right_trim)

    def is_faster_than(self, other: Calibration) -> bool:
        """Return whether a motor may turn faster than with the other calibration, at the same stick."""
        ours, theirs = (self.min_duty, *self.motor_trims), (other.min_duty, *other.motor_trims)
        return any(mine > yours for mine, yours in zip(ours, theirs, strict=True))

    def toml(self) -> str:
        """Return the lines for picar.toml."""
        from picar.options import toml

        sections: dict[str, list[str]] = {}
        for name, (section, key) in PLACES.items():
            sections.setdefault(section, []).append(f"{key} = {toml(getattr(self, name))}\n")
        return "\n".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items())


def option_of(name: str) -> Option:
    """Return the declared option behind one of the six names."""
    from picar.config import SECTIONS
    from picar.options import options_of

    section, key = PLACES[name]
    return options_of(SECTIONS[section])[key]
