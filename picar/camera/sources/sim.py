"""The camera of the simulated car: it draws the view of a lens on the car's nose into `camera.world`.

Pillow only. Every flat thing (the floor, a panel of the fence, a side of an obstacle) is a picture of `camera.scenery`. One
homography for each puts it into perspective, the farthest first.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from picar.camera import scenery, world
from picar.camera.scenery import DENSITY, VERGE_M
from picar.camera.sources import Camera, Drawn, Order

UP_M, AHEAD_M = 0.13, 0.09  # the lens, from the floor and from the middle of the car
DOWN, WIDE = math.radians(9), math.radians(66)
NEAR_M = 0.02  # nothing nearer than this is drawn
BORDER = 8  # pixels around a picture that continue its edge, so that the edge blends with no black
OVERLAP_M = 0.004  # of two pictures side by side, so that nothing shines through between them
STRIPS_M = (0.13, 0.35, 0.75, 1.5, 9.0)  # the floor is drawn in strips that end at these distances
HAZE_M = 14.0  # distance at which 63 % is haze
M_TRIM_THRESHOLD = -1  # of malloc.h
SMOOTH = 3  # an outline is drawn this many times larger, then reduced

Vector = tuple[float, float, float]
Pixel = tuple[float, float]
Area = tuple[int, int, int, int]  # left, upper, right, lower
Plane = list[Vector]  # of a pixel (x, y, 1) it makes (u, v, 1) / depth
EAST: Vector = (1.0, 0.0, 0.0)
SOUTH: Vector = (0.0, -1.0, 0.0)
FLOOR: Vector = (0.0, 0.0, -1.0)


class View:
    """The perspective of one pose in a picture of one size."""

    def __init__(self, size: tuple[int, int], pose: Vector) -> None:
        self.width, self.height = size
        self._focus = self.width / 2 / math.tan(WIDE / 2)
        x, y, heading = pose
        self._cos, self._sin = math.cos(heading), math.sin(heading)
        self.lens = (x + AHEAD_M * self._cos, y + AHEAD_M * self._sin, UP_M)

    def see(self, way: Vector) -> Vector:
        """Return a direction as (depth times pixel x, depth times pixel y, depth)."""
        x, y, z = way
        ahead, right = x * self._cos + y * self._sin, x * self._sin - y * self._cos
        depth = ahead * math.cos(DOWN) - z * math.sin(DOWN)
        below = -ahead * math.sin(DOWN) - z * math.cos(DOWN)
        across = self._focus * right + self.width / 2 * depth
        return across, self._focus * below + self.height / 2 * depth, depth

    def place(self, place: Vector) -> Vector:
        """Return a place, like `see`."""
        return self.see(_step(place, self.lens, -1))

    def row(self, distance: float) -> int:
        """Return the row of the picture in which the floor is this far away."""
        _, y, depth = self.see((self._cos * distance, self._sin * distance, -UP_M))
        return min(self.height, round(y / depth))

    def outline(self, corners: Sequence[Vector]) -> list[Pixel]:
        """Return the pixels of a polygon's corners; the part nearer than NEAR_M is cut off."""
        seen = [self.place(corner) for corner in corners]
        pixels = []
        for here, there in itertools.pairwise([*seen, seen[0]]):
            if here[2] >= NEAR_M:
                pixels.append((here[0] / here[2], here[1] / here[2]))
            if (here[2] >= NEAR_M) != (there[2] >= NEAR_M):
                x, y, _ = _step(here, _step(there, here, -1), (NEAR_M - here[2]) / (there[2] - here[2]))
                pixels.append((x / NEAR_M, y / NEAR_M))
        return pixels

    def plane(self, origin: Vector, right: Vector, down: Vector) -> Plane:
        """Return the plane with u along `right` and v along `down`; it is empty when seen from behind."""
        a, b, c = self.see(right), self.see(down), self.place(origin)
        rows = _cross(b, c), _cross(c, a), _cross(a, b)
        volume = sum(p * q for p, q in zip(a, rows[0], strict=True))
        return [_step((0, 0, 0), row, 1 / volume) for row in rows] if volume > 1e-6 else []


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _step(start: Vector, way: Vector, length: float) -> Vector:
    return start[0] + way[0] * length, start[1] + way[1] * length, start[2] + way[2] * length


def _at(plane: Plane, x: float, y: float) -> Vector:
    """Return u, v and depth of a pixel."""
    u, v, w = (a * x + b * y + c for a, b, c in plane)
    w = w if abs(w) > 1e-9 else 1e-9
    return u / w, v / w, 1 / w


class Art:
    """A flat picture in the world: the place of its upper left corner, and unit vectors along its sides."""

    def __init__(self, image: Image.Image, origin: Vector, right: Vector, down: Vector) -> None:
        left, wide, high = -OVERLAP_M, image.width / DENSITY + OVERLAP_M, image.height / DENSITY
        corners = ((left, 0), (wide, 0), (wide, high), (left, high))
        self._corners = [_step(_step(origin, right, u), down, v) for u, v in corners]
        edge = -BORDER / DENSITY
        self._place = _step(_step(origin, right, edge), down, edge), right, down
        framed = image.resize((image.width + 2 * BORDER, image.height + 2 * BORDER))
        framed.paste(image, (BORDER, BORDER))
        self._levels = [framed.reduce(2**n) for n in range(4)]

    def draw(self, view: View, frame: Image.Image, area: Area | None = None) -> None:
        """Draw it into `frame`: inside its outline, or all over `area`."""
        plane = view.plane(*self._place)
        outline = view.outline(self._corners) if plane else []
        if not outline:
            return
        (left, upper, right, lower), mask = area or _around(outline, frame), None
        if left >= right or upper >= lower:
            return
        if not area:
            mask = Image.new("L", ((right - left) * SMOOTH, (lower - upper) * SMOOTH))
            pixels = [((x - left) * SMOOTH, (y - upper) * SMOOTH) for x, y in outline]
            ImageDraw.Draw(mask).polygon(pixels, 255)
            mask = mask.reduce(SMOOTH)
        patch = self._sample(plane, (left, upper, right, lower))
        depths = [_at(plane, x, y)[2] for y in (upper, lower) for x in (left, right)]
        haze = [255 - 255 * math.exp(-min(abs(depth) / HAZE_M, 1)) for depth in depths]
        ramp = Image.frombytes("L", (2, 2), bytes(map(round, haze)))  # of the corners, linear between them
        ramp = ramp.resize(patch.size, Image.Resampling.BILINEAR, (0.5, 0.5, 1.5, 1.5))
        patch.paste(scenery.HAZE, (0, 0), ramp)
        frame.paste(patch, (left, upper), mask)

    def _sample(self, plane: Plane, area: Area) -> Image.Image:
        """Return the pixels of an area, from the resolution that fits, with fewer or more samples than pixels."""
        left, upper, width, height = area[0], area[1], area[2] - area[0], area[3] - area[1]
        x, y = left + width / 2, upper + height / 2
        here, *near = (_at(plane, *pixel)[:2] for pixel in ((x, y), (x + 1, y), (x, y + 1)))
        texels = [max(1e-6, math.dist(here, there) * DENSITY) for there in near]  # across and along
        level = round(math.log2(max(min(texels), max(texels) / 4)))
        level = min(max(0, level), len(self._levels) - 1)
        size = _samples(width, texels[0] / 2**level), _samples(height, texels[1] / 2**level)
        u, v, w = ((a * width / size[0], b * height / size[1], a * left + b * upper + c) for a, b, c in plane)
        unit = w[2] if abs(w[2]) > 1e-9 else 1e-9
        data = [value * DENSITY / 2**level / unit for value in (*u, *v)] + [value / unit for value in w[:2]]
        how = Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR
        return self._levels[level].transform(size, *how).resize((width, height), Image.Resampling.BILINEAR)


def _samples(pixels: int, texels: float) -> int:
    """Return the number of samples in one direction for so many pixels, each `texels` wide."""
    share = 0.25 if texels < 0.15 else 0.5 if texels < 0.4 else min(4, max(1, round(texels)))
    return max(1, round(pixels * share))


def _around(outline: Sequence[Pixel], frame: Image.Image) -> Area:
    """Return the part of the frame around an outline; it may be empty."""
    xs, ys = zip(*outline, strict=True)
    left, upper = max(0, math.floor(min(xs))), max(0, math.floor(min(ys)))
    return left, upper, min(frame.width, math.ceil(max(xs))), min(frame.height, math.ceil(max(ys)))


def _upright(line: world.Line, height: float, paint: world.Paint, *, is_fence: bool = False) -> Art:
    """Return the picture of an upright side, as bright as the sun makes it."""
    (x, y), (to_x, to_y) = line
    length = math.dist(*line)
    along: Vector = ((to_x - x) / length, (to_y - y) / length, 0.0)
    sun = (along[0] * scenery.SHADOW[1] - along[1] * scenery.SHADOW[0]) / math.hypot(*scenery.SHADOW)
    lit = [min(255, round(value * (0.84 + 0.18 * sun))) for value in range(256)] * 3
    image = scenery.side(paint, length, height, is_fence=is_fence).point(lit)
    return Art(image, (x, y, height), along, FLOOR)


def _block(thing: world.Obstacle) -> list[Art]:
    left, bottom, right, top = thing.box
    lid = scenery.Sheet((right - left, top - bottom), thing.paint.paper).done()
    sides = [_upright(line, thing.height, thing.paint) for line in world.sides(thing.box)]
    return [*sides, Art(lid, (left, top, thing.height), EAST, SOUTH)]


class Sim(Drawn):
    """The open camera of the simulated car."""

    card = "the simulated car's camera"
    upright = True  # a simulated camera is never mounted upside down
    changes = False
    fps = 20

    def __init__(self, order: Order) -> None:
        super().__init__(Order(pose=(0.0, 0.0, 0.0)) | order)
        with contextlib.suppress(OSError, AttributeError):  # Linux: give freed memory back, but for 4 MiB
            ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, 4 << 20)
        corner = world.ROOM[0] - VERGE_M, world.ROOM[3] + VERGE_M, 0.0
        self._floor = Art(scenery.floor(), corner, EAST, SOUTH)
        self._fence = [_upright(*panel, is_fence=True) for panel in world.fence()]
        self._blocks = [(thing.box, _block(thing)) for thing in world.OBSTACLES]

    def draw(self) -> Image.Image:
        """Return the view of the lens."""
        size, pose = self.order["size"], self.order["pose"]
        view, frame = View(size, pose), Image.new("RGB", size, scenery.HAZE)
        sky, nose = scenery.sky(view.width / math.degrees(WIDE), view.row(1000.0)), scenery.nose(view.width)
        left = round(view.width / 2 + pose[2] / math.tau * sky.width) % sky.width
        for at in (left - sky.width, left):
            frame.paste(sky, (at, 0))
        for lower, upper in itertools.pairwise([view.height, *map(view.row, STRIPS_M)]):
            self._floor.draw(view, frame, (0, upper, view.width, lower))
        blocks = sorted(self._blocks, key=lambda block: -_gap(block[0], *view.lens))
        for art in itertools.chain(self._fence, *(arts for _, arts in blocks)):
            art.draw(view, frame)
        frame.paste(nose, (0, view.height - nose.height), nose)
        return frame


def _gap(box: world.Box, x: float, y: float, _z: float) -> float:
    """Return the distance from a place to a box, along the floor."""
    return math.hypot(max(box[0] - x, 0, x - box[2]), max(box[1] - y, 0, y - box[3]))


open = Sim


def cameras() -> list[Camera]:
    """Return the simulated car's camera."""
    return [Camera("sim", "", Sim.card)]
