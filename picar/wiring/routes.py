"""The ways of the wires from the board down to the header, with as few crossings as there can be.

Each wire leaves its terminal downwards to a track of its own, follows that sideways to a lane of its own, that
down to its pin's row, and enters the pin from outside. Of the lanes on one side the outermost is that of the
lowest pin, so that lanes and rows never cross; the order of the tracks is the best of all orders.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

from picar.raspberrypi import HeaderPin
from picar.wiring.plan import Plan

TERMINAL_X = {
    "12V": 126,
    "GND": 156,
    "5V": 186,
    "ENA": 218,
    "IN1": 248,
    "IN2": 278,
    "IN3": 308,
    "IN4": 338,
    "ENB": 368,
}
BOARD_BOTTOM = 204
RAIL_Y = 312
TRACK_Y, TRACK_STEP = 330, 12
LEFT_LANES = tuple(
    range(122, 40, -12)
)  # from the innermost; below the ground rail nothing else is on that side
RIGHT_LANES = (353, 384, 397, 410, 423, 436, 449)  # between IN4 and ENB, then past ENB
ROW_Y, ROW_STEP = 452, 21
PIN_X = (229, 251)


@dataclass(frozen=True, slots=True)
class Route:
    """One wire's way: from (`x`, `top`) down to `track`, over to `lane`, down to `row` and in to `end`."""

    name: str
    x: int
    top: int
    track: int
    lane: int
    row: int
    end: int

    @property
    def points(self) -> list[tuple[int, int]]:
        """Its corners, both ends included."""
        return [
            (self.x, self.top), (self.x, self.track), (self.lane, self.track), (self.lane, self.row), (self.end, self.row),
        ]  # fmt: skip


def routes(plan: Plan) -> list[Route]:
    """Return the way of each wire, that of the ground (from the rail) last."""
    lanes = _lanes([*(wire.pin for wire in plan.wires), plan.ground])

    def way(name: str, track: int, pin: HeaderPin) -> Route:
        return Route(name, TERMINAL_X[name], BOARD_BOTTOM, track, lanes[pin.number], row_y(pin), pin_x(pin))

    loose = tuple(way(wire.terminal, TRACK_Y, wire.pin) for wire in plan.wires)
    order = [route.name for route in _fewest(frozenset(loose))[1]]
    tracks = {name: TRACK_Y + TRACK_STEP * place for place, name in enumerate(order)}
    signals = [way(wire.terminal, tracks[wire.terminal], wire.pin) for wire in plan.wires]
    return [*signals, way("GND", RAIL_Y, plan.ground)]


def crossings(ways: list[Route]) -> int:
    """Count where one wire's track crosses another's way down."""
    return sum(_crosses(a, b) for a, b in itertools.permutations(ways, 2))


def row_y(pin: HeaderPin) -> int:
    """Return the height of a pin."""
    return ROW_Y + ROW_STEP * pin.row


def pin_x(pin: HeaderPin) -> int:
    """Return where a pin is sideways."""
    return PIN_X[0 if pin.is_left else 1]


def _lanes(pins: list[HeaderPin]) -> dict[int, int]:
    """Return the lane of each pin by its number: the lower the pin, the further out."""
    found: dict[int, int] = {}
    for left, lanes in ((True, LEFT_LANES), (False, RIGHT_LANES)):
        side = sorted((pin for pin in pins if pin.is_left == left), key=lambda pin: pin.row)
        found |= {pin.number: lane for pin, lane in zip(side, lanes, strict=False)}
    return found


@functools.lru_cache(maxsize=256)
def _fewest(ways: frozenset[Route]) -> tuple[int, tuple[Route, ...]]:
    """Return the order of tracks from above with the fewest crossings, and how many (all subsets, 64 of six wires)."""
    if not ways:
        return 0, ()
    found = []
    for last in sorted(ways, key=lambda way: way.x):
        before, order = _fewest(ways - {last})
        found.append((before + sum(_crossed_below(way, last) for way in order), (*order, last)))
    return min(found, key=lambda pair: pair[0])


def _crossed_below(upper: Route, lower: Route) -> int:
    """Count the crossings of two wires, of which one has a track above the other's."""
    return _spans(upper, lower.x) + _spans(lower, upper.lane)


def _spans(way: Route, x: int) -> bool:
    left, right = sorted((way.x, way.lane))
    return left < x < right


def _crosses(a: Route, b: Route) -> int:
    """Count where the track of `a` crosses a vertical part of `b`."""
    down = ((b.x, b.top, b.track), (b.lane, b.track, b.row))
    return sum(_spans(a, x) and top < a.track < bottom for x, top, bottom in down)
