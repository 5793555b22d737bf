"""An admitted client, and the pairing modes: which clients must show a credential."""

from __future__ import annotations

from typing import Literal

from picar.access.content import Kind
from picar.config import Config
from picar.raspberrypi import raspberry_pi_model
from picar.values import Value

Pairing = Literal["on", "local", "off"]
FLEET = ("garage", "bridge")  # kinds that see the car, stop it and set lessons, and never drive


class Visitor(Value):
    """An admitted client: `session` identifies its browser; `name` and `kind` are of its entry in the list.

    Without an entry both are `None`; the bridge of this car to MQTT has a kind only.
    """

    session: str
    name: str | None = None
    kind: Kind | Literal["bridge"] | None = None

    @property
    def logged(self) -> str:
        """The name for the log; that of a guest stays in memory."""
        return "a guest" if self.kind == "guest" else self.name or "a client"

    @property
    def may_drive(self) -> bool:
        """Whether it may do more than to see, to stop and to set lessons."""
        return self.kind not in FLEET


def pairing_of(settings: Config) -> Pairing:
    """Return the pairing mode in force: the configured one; `auto` is `on` on a Pi and `local` elsewhere."""
    chosen = settings.access.pairing
    if chosen == "auto":
        return "on" if raspberry_pi_model() else "local"
    return chosen
