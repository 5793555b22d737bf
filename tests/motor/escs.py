"""A car's ESC as its manuals say, written down apart from picar's: pulses in, what the motor does out.

A double ESC takes the first reverse pulses after forward for the brake; it drives backwards once it has seen neutral after them.
"""

from __future__ import annotations

from picar.config import BoardConfig, Config, EscConfig, LayoutConfig, SteeringConfig
from tests.motor.chips import BRAKE, COAST, FORWARD, REVERSE

LEAST_S = 0.06  # three pulses: an ESC takes shorter signals for noise
ESC, SERVO = 18, 19


def esc_car(esc: EscConfig | None = None, chip: str = "header", oe: bool = False) -> Config:
    """Return a car with an ESC and a steering servo."""
    pins = (ESC, SERVO) if chip == "header" else (100, 115)
    config = Config(
        board=BoardConfig(kind="esc", chip=chip, oe=5 if oe else "none"),  # type: ignore[arg-type]
        layout=LayoutConfig("steer-servo"),
        steering=SteeringConfig(pins[1]),
        esc=esc or EscConfig(),
    )
    return config.having("motor.drive", pwm=pins[0])


class Esc:
    """One ESC.

    Args:
        kind: double, direct or none: how it goes backwards.
        neutral_us: its neutral pulse.
        start_us: the distance from it at which the motor begins to turn.
    """

    def __init__(self, kind: str, neutral_us: float, start_us: float) -> None:
        self._kind, self._neutral_us, self._start_us = kind, neutral_us, start_us
        self._zone, self._since = 0, 0.0
        self._braked = False  # it has seen the reverse pulses of the brake since the last forward
        self.reverses = kind == "direct"

    def get(self, pulse_us: float, now: float) -> str:
        """Take the pulses from now on. Returns what the motor does."""
        self.advance(now)
        distance_us = pulse_us - self._neutral_us
        zone = (distance_us > self._start_us) - (distance_us < -self._start_us)
        if zone != self._zone:
            self._zone, self._since = zone, now
        if zone > 0 and self._kind == "double":
            self._braked = self.reverses = False
        return self.action

    def advance(self, now: float) -> None:
        """Let time pass."""
        if self._kind == "double" and now - self._since >= LEAST_S - 1e-9:
            self._braked = self._braked or self._zone < 0
            self.reverses = self.reverses or (self._braked and self._zone == 0)

    @property
    def action(self) -> str:
        """What the motor does."""
        if self._zone == 0:
            return COAST
        if self._zone > 0:
            return FORWARD
        return REVERSE if self.reverses else BRAKE
