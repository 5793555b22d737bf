"""The paths of the wires from the board down to the header, with the fewest crossings.

Each wire leaves its terminal downwards to its own horizontal track, follows the track to its own vertical
lane, goes down the lane to the row of its pin, and enters the pin from outside. On each side the lowest pin
has the outermost lane, so that lanes and rows never cross. The tracks are in the order with the fewest
crossings.
"""

from __future__ import annotations

import functools
from dataclasses import replace

from picar.raspberrypi import HeaderPin
from picar.values import Value
from picar.wiring.plan import KINDS, Board

POWER_X = (126, 156, 186)  # the battery's +, ground, and 5V or the logic supply
BOARD_BOTTOM = 204
RAIL_Y = 312
TRACK_Y, TRACK_STEP, TRACKS = 330, 12, 84  # first, between two, and the height of all
LEFT_LANES = range(122, 40, -12)  # innermost first; below the ground rail this side is free
NARROW_LANES = range(122, 40, -9)  # for more than seven wires
RIGHT_LANES = (353, 384, 397, 410, 423, 436, 449)  # between IN4 and ENB, then past ENB
ROW_Y, ROW_STEP = 452, 21
PIN_X = (229, 251)


class Route(Value):
    """The path of a wire: from its terminal at `x` down to `track`, over to `lane`, down to `row`, in to `end`."""

    name: str
    x: int
    track: int
    lane: int
    row: int
    end: int

    @property
    def points(self) -> list[tuple[int, int]]:
        """The corners of the path, both ends included."""
        return [
            (self.x, BOARD_BOTTOM), (self.x, self.track), (self.lane, self.track), (self.lane, self.row), (self.end, self.row),
        ]  # fmt: skip


def terminals_x(board: Board) -> dict[str, int]:
    """Return the horizontal position of each terminal at the lower edge of a board."""
    signals = [name for name in board.kind.terminals if name != "VCC"]
    step = 30 if len(signals) <= len(KINDS["l298n"].terminals) else 25
    third = {"L298N": ("5V",), "TB6612FNG": ("VCC",)}.get(board.kind.name, ())
    power = dict(zip((board.kind.supply[0], "GND", *third), POWER_X, strict=False))
    return power | {name: 218 + step * place for place, name in enumerate(signals)}


def routes(board: Board, ground: HeaderPin) -> list[Route]:
    """Return the path of each wire; the path of the ground wire (from the rail) is the last."""
    lanes, x = _lanes([*(wire.pin for wire in board.wires), ground]), terminals_x(board)

    def way(name: str, track: int, pin: HeaderPin) -> Route:
        return Route(name, x[name], track, lanes[pin.number], row_y(pin), pin_x(pin))

    _, order = _fewest(frozenset(way(wire.terminal, TRACK_Y, wire.pin) for wire in board.wires))
    step = min(TRACK_STEP, TRACKS // max(len(order), 1))
    signals = [replace(route, track=TRACK_Y + step * place) for place, route in enumerate(order)]
    return [*sorted(signals, key=lambda route: route.x), way("GND", RAIL_Y, ground)]


def row_y(pin: HeaderPin) -> int:
    """Return the vertical position of a pin."""
    return ROW_Y + ROW_STEP * pin.row


def pin_x(pin: HeaderPin) -> int:
    """Return the horizontal position of a pin."""
    return PIN_X[0 if pin.is_left else 1]


def _lanes(pins: list[HeaderPin]) -> dict[int, int]:
    """Return the lane of each pin by its number: the lower the pin, the further out."""
    found: dict[int, int] = {}
    for left in (True, False):
        side = sorted((pin for pin in pins if pin.is_left == left), key=lambda pin: pin.row)
        lanes = RIGHT_LANES if not left else LEFT_LANES if len(side) <= len(LEFT_LANES) else NARROW_LANES
        found |= {pin.number: lane for pin, lane in zip(side, lanes, strict=False)}
    return found


@functools.lru_cache(maxsize=1024)
def _fewest(ways: frozenset[Route]) -> tuple[int, tuple[Route, ...]]:
    """Return the fewest crossings and the order of tracks, top first (tries all subsets: 256 for 8 wires)."""
    if not ways:
        return 0, ()
    found = []
    for last in sorted(ways, key=lambda way: way.x):
        before, order = _fewest(ways - {last})
        crossed = sum(_spans(way, last.x) + _spans(last, way.lane) for way in order)
        found.append((before + crossed, (*order, last)))
    return min(found, key=lambda pair: pair[0])


def _spans(way: Route, x: int) -> bool:
    """Return whether the track of a wire crosses this vertical line."""
    left, right = sorted((way.x, way.lane))
    return left < x < right
