"""The calibration of the motors: some options of the configuration, as one value.

The page measures them, the motor process follows them at once, `store.py` keeps them beside the configuration. The motor
process loads neither the options nor `dataclasses`: functions that need them import them.
"""

from __future__ import annotations

import operator

from picar.tuples import TYPE_CHECKING, NamedTuple
from picar.wires import LEAST_WAY_US, are_good_ends, calibrated_section, full_us, layout_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from picar.config import Config
    from picar.options import Option


PULSES = {  # the values of a servo and of an ESC by name: section and key
    f"{section}_{key}": (section, key)
    for section, key in (
        ("steering", "left_us"),
        ("steering", "center_us"),
        ("steering", "right_us"),
        ("esc", "neutral_us"),
        ("esc", "start_us"),
    )
}


class Calibration(NamedTuple):
    """The values. `motors` names the motors of a layout; `inverts` and `trims` have one value for each of them.

    `pulses` has the values of a servo and of an ESC, in µs; see `PULSES`. Clients and files know each value by a name:
    `swap`, `min_duty`, and `left_invert`, `left_trim` and so on for each motor.
    """

    motors: tuple[str, ...]
    swap: bool
    inverts: tuple[bool, ...]
    trims: tuple[float, ...]
    min_duty: float
    pulses: dict[str, int] = {}  # noqa: RUF012 - never changed

    @classmethod
    def of(cls, config: Config) -> Calibration:
        """Return the calibration of a configuration."""
        places = places_of(config).items()
        values = {name: operator.attrgetter(f"{section}.{key}")(config) for name, (section, key) in places}
        return cls.named(layout_of(config).motors, values)

    @classmethod
    def named(cls, motors: tuple[str, ...], values: dict[str, Any]) -> Calibration:
        """Return the calibration with these values by name."""
        inverts = tuple(values[f"{motor}_invert"] for motor in motors)
        trims = tuple(values[f"{motor}_trim"] for motor in motors)
        pulses = {name: value for name, value in values.items() if name in PULSES}
        return cls(motors, values["swap"], inverts, trims, values["min_duty"], pulses)

    @classmethod
    def received(
        cls, motors: Any, swap: bool, inverts: Any, trims: Any, min_duty: float, pulses: Any
    ) -> Calibration:
        """Return the calibration whose fields were a JSON array: its tuples are lists there, and `pulses` an object."""
        return cls(tuple(motors), swap, tuple(inverts), tuple(trims), min_duty, pulses)

    @property
    def values(self) -> dict[str, Any]:
        """The values by name."""
        inverts = {f"{motor}_invert": value for motor, value in zip(self.motors, self.inverts, strict=True)}
        trims = {f"{motor}_trim": value for motor, value in zip(self.motors, self.trims, strict=True)}
        return {"swap": self.swap, **inverts, **trims, "min_duty": self.min_duty, **self.pulses}

    @property
    def ends(self) -> tuple[int, int, int]:
        """The pulses of the steering servo for left, straight ahead and right."""
        left_us, center_us, right_us = (
            self.pulses[f"steering_{place}_us"] for place in ("left", "center", "right")
        )
        return left_us, center_us, right_us

    @property
    def has_good_ends(self) -> bool:
        """Whether the middle of a servo is between its ends, at least `LEAST_WAY_US` from each; also without a servo."""
        return "steering_center_us" not in self.pulses or are_good_ends(*self.ends)

    def problem(self, configured: Calibration, most_us: float) -> str:
        """Return why a car must not follow this calibration, or an empty text.

        The motor of an ESC must stand at the new neutral pulse too, or a stop would drive. `most_us` is 0 without an ESC.
        """
        if not self.has_good_ends:
            return f"steering_center_us must be between the other two, at least {LEAST_WAY_US} µs from each"
        if not most_us:
            return ""
        if self.pulses["esc_start_us"] >= most_us:
            return f"esc_start_us must be below the {most_us:g} µs of max_throttle"
        middle_us, start_us = configured.neutral_us, configured.pulses["esc_start_us"]
        near_us = min(start_us, self.pulses["esc_start_us"])  # the emergency sends the configured neutral
        if abs(self.neutral_us - middle_us) > near_us:
            return f"esc_neutral_us must be within {near_us} µs (esc_start_us) of the configured {middle_us}; for more, change picar.toml"
        return ""

    @property
    def neutral_us(self) -> int:
        """The neutral pulse of the ESC."""
        return self.pulses["esc_neutral_us"]

    def least_duty(self, full_us: float) -> float:
        """Return the duty cycle at which the motors just begin to turn; of an ESC, a share of its highest pulse."""
        return self.pulses["esc_start_us"] / full_us if full_us else self.min_duty

    def of_motor(self, motor: str) -> tuple[bool, float]:
        """Return whether a motor is inverted, and its trim."""
        place = self.motors.index(motor)
        return self.inverts[place], self.trims[place]

    def applied_to(self, config: Config) -> Config:
        """Return the configuration with these values in it."""
        values = self.values
        for name, (section, key) in places_of(config).items():
            config = config.having(section, **{key: values[name]})
        return config

    @property
    def wired_trims(self) -> tuple[float, ...]:
        """The trims in the order of the channels of the board."""
        half = len(self.trims) // 2 if self.swap else 0
        return self.trims[half:] + self.trims[:half]

    def is_faster_than(self, other: Calibration) -> bool:
        """Return whether a motor may turn faster than with the other calibration, at the same stick."""
        ours = self.min_duty, self.pulses.get("esc_start_us", 0), *self.wired_trims
        theirs = other.min_duty, other.pulses.get("esc_start_us", 0), *other.wired_trims
        has_moved = self.pulses.get("esc_neutral_us") != other.pulses.get("esc_neutral_us")
        return has_moved or any(mine > yours for mine, yours in zip(ours, theirs, strict=True))

    def toml(self, config: Config, without: Collection[str] = ()) -> str:
        """Return the lines for picar.toml of a car with this configuration, without some values."""
        from picar.options import toml

        sections: dict[str, list[str]] = {}
        values = self.values
        for name, (section, key) in places_of(config).items():
            if name not in without:
                sections.setdefault(section, []).append(f"{key} = {toml(values[name])}\n")
        return "\n".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items())


def names_of(motors: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the values of these motors."""
    of_motors = (f"{motor}_{key}" for motor in motors for key in ("invert", "trim"))
    return ("min_duty", "swap", *of_motors)


def pulse_names(config: Config) -> tuple[str, ...]:
    """Return the names of the values of a car's servo and ESC."""
    sections = ("steering",) * layout_of(config).servo + ("esc",) * (full_us(config) > 0.0)
    return tuple(name for name in PULSES if name.startswith(sections))


def useless(config: Config) -> list[str]:
    """Return the names of the values that this car does not use."""
    return ["swap"] * (len(layout_of(config).motors) == 1) + ["min_duty"] * (full_us(config) > 0.0)


def places_of(config: Config) -> dict[str, tuple[str, str]]:
    """Return the section and the key of each value, by name, in the order of the sections."""
    motors = layout_of(config).motors
    sections = [calibrated_section(config, motor) for motor in motors for _ in ("invert", "trim")]
    keys = ("min_duty", "swap", *("invert", "trim") * len(motors))
    sections = ["motors", "board" if config.board else "l298n", *sections]
    places = dict(zip(names_of(motors), zip(sections, keys, strict=True), strict=True))
    return places | {name: PULSES[name] for name in pulse_names(config)}


def option_of(name: str) -> Option:
    """Return the declared option behind a name; its range holds."""
    from picar.config import SECTIONS
    from picar.options import options_of

    if name in PULSES:
        section, key = PULSES[name]
        return options_of(SECTIONS[section])[key]
    motor, _, key = name.rpartition("_")
    if key in ("invert", "trim"):
        return options_of(SECTIONS[f"motor.{motor}"])[key]
    return options_of(SECTIONS["motors" if name == "min_duty" else "board"])[name]
