"""The wiring in a terminal: the header as it lies on the table, and what goes where."""

from __future__ import annotations

from picar.raspberrypi import PINS, HeaderPin
from picar.wiring.notes import notes
from picar.wiring.plan import Plan
from picar.wiring.words import WORDS

_ANSI = {
    "orange": 208,
    "yellow": 226,
    "green": 34,
    "blue": 33,
    "purple": 135,
    "brown": 130,
    "black": 244,
}  # of 256
_PLAIN = str.maketrans(
    dict(zip("┌┐└┘─│●·◀▶", "++++-|O.<>", strict=True)) | {"Ω": "Ohm", "\u2212": "-", "\u2013": "-"}
)
_SIDE = 26  # columns left of the header


def drawing(plan: Plan, colour: bool = False) -> str:
    """Return the header and the table as lines of text.

    Args:
        plan: what to draw.
        colour: whether the terminal shows colours.
    """
    return "\n".join([*_header(plan, colour), "", *_table(plan, colour), "", *_notes(plan)]) + "\n"


def plain(drawn: str) -> str:
    """Return a drawing in ASCII, for a terminal that knows no more."""
    return drawn.translate(_PLAIN)


def _header(plan: Plan, colour: bool) -> list[str]:
    ends = {plan.ground.number: ("GND", "black")}
    for wire in plan.wires:
        terminal, colour_ = ends.get(wire.pin.number, ("", wire.colour))
        ends[wire.pin.number] = (f"{terminal} + {wire.terminal}" if terminal else wire.terminal, colour_)
    lines = [f"{'':{_SIDE}}      SD card", f"{'':{_SIDE}}    ┌─────────┐"]
    for left, right in zip(PINS[::2], PINS[1::2], strict=True):
        middle = f"{left.number:>3} │ {_dot(left, ends, colour)}     {_dot(right, ends, colour)} │ {right.number:<3}"
        lines.append(f"{_label(left, ends):>{_SIDE}}{middle}{_label(right, ends)}".rstrip())
    return [*lines, f"{'':{_SIDE}}    └─────────┘", f"{'':{_SIDE}}        USB"]


def _label(pin: HeaderPin, ends: dict[int, tuple[str, str]]) -> str:
    if pin.number not in ends:
        return pin.name
    terminal = ends[pin.number][0]
    return f"{terminal} ◀── {pin.name}" if pin.is_left else f"{pin.name} ──▶ {terminal}"


def _dot(pin: HeaderPin, ends: dict[int, tuple[str, str]], colour: bool) -> str:
    return _paint("●", ends[pin.number][1], colour) if pin.number in ends else "·"


def _table(plan: Plan, colour: bool) -> list[str]:
    words = WORDS["en"]
    rows = [
        (str(w.pin.number), w.pin.name, w.terminal, w.colour, words[w.role].format(motor=words[w.side]))
        for w in plan.wires
    ]
    rows.append((str(plan.ground.number), "GND", "GND", "black", words["common"]))
    lines = [f"  {'pin':<5}{'GPIO (BCM)':<13}{'board':<8}{'wire':<11}purpose"]
    for pin, name, terminal, wire, does in rows:
        lines.append(f"  {pin:<5}{name:<13}{terminal:<8}{_paint('●', wire, colour)} {wire:<9}{does}")
    return lines


def _notes(plan: Plan) -> list[str]:
    return [f"  - {sentence}" for sentence in notes(plan, WORDS["en"])]


def _paint(mark: str, name: str, colour: bool) -> str:
    return f"\x1b[38;5;{_ANSI[name]}m{mark}\x1b[0m" if colour else mark
