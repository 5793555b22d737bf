"""The simulated world as data: what stands where, its height and its colours. It draws nothing.

`motor.simcar.WALLS` is the truth for places and collisions, for the map as for the camera. This module dresses each of those
walls: the first four are the fence around the room, and each later wall is an obstacle. Nothing else stands on the floor: the
tracks are paint. So the car bumps into everything that the camera shows, and into nothing else.

Lengths in m; x to the right, y up as on the map.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from picar.motor.simcar import WALLS

Box = tuple[float, float, float, float]  # left, bottom, right, top
Point = tuple[float, float]
Line = tuple[Point, Point]

ROOM: Box = (WALLS[2][2], WALLS[1][3], WALLS[3][0], WALLS[0][1])  # the floor between the first four walls
FENCE_M = 0.36
PANEL_M = 1.24  # length of a panel of the fence, about


class Paint(NamedTuple):
    """Paint of an upright side: a text, or a shape again and again after a step, or a chequer."""

    paper: str
    ink: str
    text: str = ""
    shape: tuple[Point, ...] = ()  # two points are opposite corners of a rectangle
    step: Point = (0.2, 0.0)


class Obstacle(NamedTuple):
    """A wall that stands in the room."""

    box: Box
    height: float
    paint: Paint


CHEVRON = ((0.045, 0.05), (0.095, 0.05), (0.155, 0.12), (0.095, 0.19), (0.045, 0.19), (0.105, 0.12))
SLANT = ((0.0, 0.0), (0.1, 0.0), (0.24, 0.34), (0.14, 0.34))
OBSTACLES = (
    Obstacle(WALLS[4], 0.24, Paint("#e6332a", "#ffffff", shape=CHEVRON)),
    Obstacle(WALLS[5], 0.62, Paint("#ffbe0b", "#22262e", shape=((0.0, 0.0), (1.0, 0.12)), step=(0.0, 0.24))),
    Obstacle(WALLS[6], 0.34, Paint("#1f7ae0", "#ffffff", shape=SLANT)),
    Obstacle(
        WALLS[7], 0.11, Paint("#9b51e0", "#7b35bd", shape=((0.07, 0.0), (0.08, 0.11)), step=(0.15, 0.0))
    ),
)
CHEQUER = Paint("#f6f4ee", "#1d2733")
POSTERS = (  # from left to right along the fence, again and again
    Paint("#e6332a", "#ffffff", "PICAR"), CHEQUER,
    Paint("#ffd23f", "#1d2733", "L298N"), Paint("#1565c0", "#ffffff", "GO! GO!"), CHEQUER,
    Paint("#00a27a", "#ffffff", "3.3 VOLT"), Paint("#22262e", "#ffd23f", "WATCHDOG"), CHEQUER,
    Paint("#f2711c", "#ffffff", "GPIO CUP"),
)  # fmt: skip

TRACK_M = 0.4  # between the outsides of the white edges
FINISH_M = 0.42  # x of the start line's middle, ahead of the car's first place
STRAIGHT: tuple[Point, ...] = ((-0.5, -0.03), (0.0, 0.0), (0.7, 0.0), (1.25, 0.0))
TRACKS: tuple[tuple[Point, ...], ...] = (  # closed: round the whole room to the left, round the blue wall to the right
    (*STRAIGHT, (1.9, 0.12), (2.45, 0.5), (2.6, 1.2), (2.15, 1.75), (1.3, 1.7), (0.5, 1.45), (-0.4, 1.65), (-1.4, 1.8),
     (-2.2, 1.8), (-2.65, 1.3), (-2.5, 0.5), (-2.45, -0.4), (-2.6, -1.3), (-2.2, -1.95), (-1.4, -2.0), (-0.8, -1.75),
     (-0.72, -1.2), (-1.0, -0.75), (-0.9, -0.25)),
    (*STRAIGHT, (1.68, -0.2), (1.85, -0.7), (1.8, -1.4), (1.45, -1.95), (0.85, -1.98), (0.42, -1.55), (0.3, -0.95),
     (-0.1, -0.72), (-0.55, -0.72), (-0.83, -0.4)),
)  # fmt: skip


def spline(way: tuple[Point, ...]) -> list[complex]:
    """Return a closed Catmull-Rom spline through `way`, as points x + yj about 4 cm from each other."""
    points: list[complex] = []
    for n in range(len(way)):
        a, b, c, d = (complex(*way[(n + k) % len(way)]) for k in (-1, 0, 1, 2))
        bend, twist = 2 * a - 5 * b + 4 * c - d, 3 * (b - c) + d - a
        count = round(abs(c - b) / 0.04)
        steps = (k / count for k in range(count))
        points += [b + t / 2 * (c - a + t * (bend + t * twist)) for t in steps]
    return points


def sides(box: Box) -> list[Line]:
    """Return the four sides of a box, each from left to right as seen from outside."""
    left, bottom, right, top = box
    corners = ((left, bottom), (right, bottom), (right, top), (left, top), (left, bottom))
    return list(itertools.pairwise(corners))


def fence() -> Iterator[tuple[Line, float, Paint]]:
    """Yield place, height and paint of each panel of the fence, from left to right as seen from inside."""
    posters = itertools.cycle(POSTERS)
    for (to_x, to_y), (x, y) in reversed(sides(ROOM)):
        count = round(math.dist((x, y), (to_x, to_y)) / PANEL_M)
        posts = [(x + (to_x - x) * n / count, y + (to_y - y) * n / count) for n in range(count + 1)]
        for panel in itertools.pairwise(posts):
            yield panel, FENCE_M, next(posters)
