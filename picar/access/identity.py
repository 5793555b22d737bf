"""The car among others: its id, its colour and number for people, and the Raspberry Pi that its card was made in.

A copy of a card has the PIN, the secret and the list of the original. So the list keeps a fingerprint of the first Pi;
in another Pi the car has another id, until `picar pair --new-identity`.
"""

from __future__ import annotations

from pathlib import Path

from picar.access import tokens
from picar.access.store import AccessStore
from picar.config import FleetConfig
from picar.values import Value

SERIAL_FILE = "proc/device-tree/serial-number"  # below the machine's root
MOST_NUMBER = 99
# Of Paul Tol's "Colour Schemes" (SRON/EPS/TN/09-002) and of Okabe and Ito's "Color Universal Design", those that differ
# most for people with protanopia, deuteranopia or tritanopia. Without black, which a dark page hides.
COLOURS = (
    "332288", "882255", "99ddff", "997700", "f0e442", "aaaa00", "ee8866", "ee3377", "ffaabb", "77aadd", "117733", "aa4499",
)  # fmt: skip


class Identity(Value):
    """The `id` names the car in topics; `colour` (six hex digits) and `number` are for people.

    `moved`: the card was first used in another Pi.
    """

    id: str
    colour: str
    number: int
    moved: bool

    @classmethod
    def of(cls, store: AccessStore, config: FleetConfig) -> Identity:
        """Return the identity of a car; what the configuration leaves open follows from the id."""
        drawn = int(tokens.fingerprint(store.id), 16)
        colour = config.colour or COLOURS[drawn % len(COLOURS)]
        number = config.number or drawn // len(COLOURS) % MOST_NUMBER + 1
        return cls(store.id, colour, number, store.is_moved)


def board(root: Path = Path("/")) -> str:
    """Return the fingerprint of this Raspberry Pi; empty on a machine that names no serial number."""
    try:
        serial = (root / SERIAL_FILE).read_text(encoding="ascii").strip("\0 \n")
    except (OSError, ValueError):
        return ""
    return tokens.fingerprint(serial) if serial.strip("0") else ""
