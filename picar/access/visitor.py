"""An admitted client, and the pairing modes: which clients must show a credential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from picar.config import Config
from picar.raspberrypi import raspberry_pi_model

Pairing = Literal["on", "local", "off"]


@dataclass(frozen=True, slots=True)
class Visitor:
    """An admitted client: `session` identifies its browser; `name` is its entry in the list, `None` if it is not paired."""

    session: str
    name: str | None = None


def pairing_of(settings: Config) -> Pairing:
    """Return the pairing mode in force: the configured one; `auto` is `on` on a Pi and `local` elsewhere."""
    chosen = settings.access.pairing
    if chosen == "auto":
        return "on" if raspberry_pi_model() else "local"
    return chosen
