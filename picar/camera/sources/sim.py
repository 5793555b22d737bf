"""The camera of the simulated car: it draws the view of a lens on the car's nose into `camera.world`.

Pillow only. Every flat thing (the floor, a panel of the fence, a side of an obstacle) is a picture of `camera.scenery`. One
homography for each puts it into perspective, the farthest first.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import itertools
import math
import time
from collections.abc import Sequence

from PIL import Image, ImageDraw

from picar.camera import scenery, world
from picar.camera.scenery import DENSITY, VERGE_M
from picar.camera.sources import Camera, Order, Pace, Picture

FPS = 20  # at most
UP_M, AHEAD_M = 0.13, 0.09  # the lens, from the floor and from the middle of the car
DOWN, WIDE = math.radians(9), math.radians(66)
NEAR_M = 0.02  # nothing nearer than this is drawn
BORDER = 8  # pixels around a picture that repeat its edge, so that the edge blends with no black
OVERLAP_M = 0.004  # of two pictures side by side, so that nothing shines through between them
STRIPS_M = (0.13, 0.35, 0.75, 1.5, 9.0)  # the floor is drawn in strips that end at these distances
HAZE_M = 14.0  # distance at which 63 % is haze
M_TRIM_THRESHOLD = -1  # of malloc.h
SMOOTH = 3  # an outline is drawn this many times larger, then reduced

Vector = tuple[float, float, float]
Pixel = tuple[float, float]
Area = tuple[int, int, int, int]  # left, upper, right, lower
Plane = tuple[Vector, Vector, Vector]  # of a pixel (x, y, 1) it makes (u, v, 1) / depth
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
        self._lens = (x + AHEAD_M * self._cos, y + AHEAD_M * self._sin, UP_M)

    def row(self, distance: float) -> int:
        """Return the row of the picture in which the floor is this far away."""
        return min(
            self.height, round(self.height / 2 + self._focus * math.tan(math.atan(UP_M / distance) - DOWN))
        )

    def gap(self, box: world.Box) -> float:
        """Return the distance from the lens to a box, along the floor."""
        (left, bottom, right, top), (x, y, _) = box, self._lens
        return math.hypot(max(left - x, 0, x - right), max(bottom - y, 0, y - top))

    def see(self, x: float, y: float, z: float) -> Vector:
        """Return a direction as (depth times pixel x, depth times pixel y, depth)."""
        ahead, right = x * self._cos + y * self._sin, x * self._sin - y * self._cos
        depth = ahead * math.cos(DOWN) - z * math.sin(DOWN)
        down = -ahead * math.sin(DOWN) - z * math.cos(DOWN)
        return (
            self._focus * right + self.width / 2 * depth,
            self._focus * down + self.height / 2 * depth,
            depth,
        )

    def place(self, x: float, y: float, z: float) -> Vector:
        """Return a place, like `see`."""
        return self.see(x - self._lens[0], y - self._lens[1], z - self._lens[2])

    def outline(self, corners: Sequence[Vector]) -> list[Pixel]:
        """Return the pixels of a polygon's corners; the part nearer than NEAR_M is cut off."""
        seen = [self.place(*corner) for corner in corners]
        pixels = []
        for (x, y, depth), (to_x, to_y, to_depth) in itertools.pairwise([*seen, seen[0]]):
            if depth >= NEAR_M:
                pixels.append((x / depth, y / depth))
            if (depth >= NEAR_M) != (to_depth >= NEAR_M):
                part = (NEAR_M - depth) / (to_depth - depth)
                pixels.append(((x + (to_x - x) * part) / NEAR_M, (y + (to_y - y) * part) / NEAR_M))
        return pixels

    def plane(self, origin: Vector, right: Vector, down: Vector) -> Plane | None:
        """Return the plane of a picture, with u along `right` and v along `down`; None when seen from behind."""
        a, b, c = self.see(*right), self.see(*down), self.place(*origin)
        rows = _cross(b, c), _cross(c, a), _cross(a, b)
        volume = sum(p * q for p, q in zip(a, rows[0], strict=True))
        if volume < 1e-9:
            return None
        first, second, third = ((p / volume, q / volume, r / volume) for p, q, r in rows)
        return first, second, third


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _step(start: Vector, way: Vector, length: float) -> Vector:
    return start[0] + way[0] * length, start[1] + way[1] * length, start[2] + way[2] * length


class Art:
    """A flat picture in the world, at several resolutions.

    Args:
        image: DENSITY pixels for each metre.
        origin: the place of its upper left corner.
        right, down: unit vectors.
    """

    def __init__(self, image: Image.Image, origin: Vector, right: Vector, down: Vector) -> None:
        start, end = _step(origin, right, -OVERLAP_M), _step(origin, right, image.width / DENSITY + OVERLAP_M)
        side = image.height / DENSITY
        self._corners = (start, end, _step(end, down, side), _step(start, down, side))
        edge = BORDER / DENSITY
        self._origin = _step(_step(origin, right, -edge), down, -edge)
        self._right, self._down = _step((0, 0, 0), right, 1 / DENSITY), _step((0, 0, 0), down, 1 / DENSITY)
        framed = _bordered(_bordered(image))
        self._levels = [framed, *(framed.reduce(2**n) for n in (1, 2, 3))]

    def draw(self, view: View, frame: Image.Image, area: Area | None = None) -> None:
        """Draw it into `frame`: inside its outline, or all over `area`."""
        plane = view.plane(self._origin, self._right, self._down)
        outline = [] if area or not plane else view.outline(self._corners)
        area = area or _around(outline, frame)
        if not plane or area[0] >= area[2] or area[1] >= area[3]:
            return
        patch = self._sample(plane, area)
        patch.paste(scenery.HAZE, (0, 0), _haze(plane, area))
        frame.paste(patch, area, _mask(outline, area) if outline else None)

    def _sample(self, plane: Plane, area: Area) -> Image.Image:
        """Return the pixels of an area, from the resolution that fits, with fewer or more samples than pixels."""
        left, upper, width, height = area[0], area[1], area[2] - area[0], area[3] - area[1]
        x, y = left + width / 2, upper + height / 2
        here = _on(plane, x, y)
        across = math.dist(here, _on(plane, x + 1, y)) + 1e-6
        along = math.dist(here, _on(plane, x, y + 1)) + 1e-6
        level = round(math.log2(max(min(across, along), max(across, along) / 4)))
        level = min(max(0, level), len(self._levels) - 1)
        size = _samples(width, across / 2**level), _samples(height, along / 2**level)
        u, v, w = ((a * width / size[0], b * height / size[1], a * left + b * upper + c) for a, b, c in plane)
        unit = w[2] if abs(w[2]) > 1e-9 else 1e-9
        data = [value / unit / 2**level for value in (*u, *v)] + [value / unit for value in w[:2]]
        source = self._levels[level]
        patch = source.transform(size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR)
        return patch.resize((width, height), Image.Resampling.BILINEAR)


def _bordered(image: Image.Image) -> Image.Image:
    """Return the image with its first and last row repeated BORDER times, and its axes exchanged."""
    width, height = image.size
    larger = Image.new("RGB", (width, height + 2 * BORDER))
    larger.paste(image, (0, BORDER))
    for row, to in ((0, 0), (height - 1, height + BORDER)):
        larger.paste(image.crop((0, row, width, row + 1)).resize((width, BORDER)), (0, to))
    return larger.transpose(Image.Transpose.TRANSPOSE)


def _samples(pixels: int, texels: float) -> int:
    """Return the number of samples in one direction for so many pixels, each `texels` of the picture wide."""
    share = 0.25 if texels < 0.15 else 0.5 if texels < 0.4 else min(4, max(1, round(texels)))
    return max(1, round(pixels * share))


def _on(plane: Plane, x: float, y: float) -> Pixel:
    """Return the place on a plane that is seen in a pixel."""
    u, v, w = (a * x + b * y + c for a, b, c in plane)
    w = w if abs(w) > 1e-9 else 1e-9
    return u / w, v / w


def _around(outline: Sequence[Pixel], frame: Image.Image) -> Area:
    """Return the part of the frame around an outline; it may be empty."""
    if not outline:
        return 0, 0, 0, 0
    xs, ys = zip(*outline, strict=True)
    left, upper = max(0, math.floor(min(xs))), max(0, math.floor(min(ys)))
    return left, upper, min(frame.width, math.ceil(max(xs))), min(frame.height, math.ceil(max(ys)))


def _mask(outline: Sequence[Pixel], area: Area) -> Image.Image:
    left, upper, right, lower = area
    mask = Image.new("L", ((right - left) * SMOOTH, (lower - upper) * SMOOTH))
    ImageDraw.Draw(mask).polygon([((x - left) * SMOOTH, (y - upper) * SMOOTH) for x, y in outline], 255)
    return mask.reduce(SMOOTH)


def _haze(plane: Plane, area: Area) -> Image.Image:
    """Return the strength of the haze in each pixel: exact in the corners of the area, linear between them."""
    left, upper, right, lower = area
    a, b, c = plane[2]
    depths = [1 / max(a * x + b * y + c, 0.08) for y in (upper, lower) for x in (left, right)]
    mask = Image.frombytes(
        "L", (2, 2), bytes(round(255 - 255 * math.exp(-depth / HAZE_M)) for depth in depths)
    )
    return mask.resize((right - left, lower - upper), Image.Resampling.BILINEAR, (0.5, 0.5, 1.5, 1.5))


def _upright(line: world.Line, height: float, image: Image.Image) -> Art:
    """Return the picture of an upright side, as bright as the sun makes it."""
    (x, y), (to_x, to_y) = line
    length = math.dist(*line)
    along: Vector = ((to_x - x) / length, (to_y - y) / length, 0.0)
    sun = (along[0] * scenery.SHADOW[1] - along[1] * scenery.SHADOW[0]) / math.hypot(*scenery.SHADOW)
    lit = image.point([min(255, round(value * (0.84 + 0.18 * sun))) for value in range(256)] * 3)
    return Art(lit, (x, y, height), along, FLOOR)


def _block(thing: world.Obstacle) -> list[Art]:
    left, bottom, right, top = thing.box
    sides = [(line, scenery.side(thing, math.dist(*line))) for line in world.sides(thing.box)]
    lid = scenery.Sheet((right - left, top - bottom), thing.colour).done()
    top_art = Art(lid, (left, top, thing.height), EAST, SOUTH)
    return [*(_upright(line, thing.height, image) for line, image in sides), top_art]


class Sim:
    """The open camera of the simulated car."""

    card = "the simulated car's camera"
    upright = True  # a simulated camera is never mounted upside down

    def __init__(self, order: Order) -> None:
        with contextlib.suppress(
            OSError, AttributeError
        ):  # Linux: give freed memory back, 30 MiB instead of 58
            ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, 1 << 17)
        high, (left, _, _, top) = world.FENCE_M, world.ROOM
        self._floor = Art(scenery.floor(), (left - VERGE_M, top + VERGE_M, 0.0), EAST, SOUTH)
        panels = [(line, scenery.panel(words, math.dist(*line), high)) for line, words in world.fence()]
        self._fence = [_upright(line, high, image) for line, image in panels]
        self._obstacles = [(thing.box, _block(thing)) for thing in world.OBSTACLES]
        self._pose: Vector = (0.0, 0.0, 0.0)
        self._size, self._quality = (0, 0), 50
        self._pace = Pace(FPS)
        self._last: Picture | None = None
        self.set({"size": (640, 480), **order})

    def set(self, order: Order) -> None:
        """Take over pose, size, quality and pace."""
        x, y, heading = order.get("pose", self._pose)
        width, height = order.get("size", self._size)
        self._pose = (x, y, heading)
        self._quality = order.get("quality", self._quality)
        self._pace.fps = min(FPS, order.get("fps", self._pace.fps))
        if (width, height) != self._size:
            self._size = (width, height)
            horizon = View(self._size, self._pose).row(1000.0)
            self._sky, self._nose = scenery.sky(width / math.degrees(WIDE), horizon), scenery.nose(width)
        self._last = None

    def next(self) -> Picture:
        """Wait for the next picture; while nothing changes it is the same."""
        self._pace.wait()
        now = time.monotonic_ns()
        if self._last is None:
            jpeg = io.BytesIO()
            self.draw().save(jpeg, "JPEG", quality=self._quality)
            self._last = Picture(jpeg.getvalue(), now, *self._size)
        return self._last._replace(captured_ns=now)

    def draw(self) -> Image.Image:
        """Return the view of the lens."""
        view = View(self._size, self._pose)
        frame = Image.new("RGB", self._size, scenery.HAZE)
        around = self._sky.width
        left = round(view.width / 2 + self._pose[2] / math.tau * around) % around
        for at in (left - around, left):
            frame.paste(self._sky, (at, 0))
        for lower, upper in itertools.pairwise([view.height, *map(view.row, STRIPS_M)]):
            self._floor.draw(view, frame, (0, upper, view.width, lower))
        blocks = sorted(self._obstacles, key=lambda block: view.gap(block[0]), reverse=True)
        for art in itertools.chain(self._fence, *(arts for _, arts in blocks)):
            art.draw(view, frame)
        frame.paste(self._nose, (0, view.height - self._nose.height), self._nose)
        return frame

    def close(self) -> None:
        """Do nothing: there is no device."""


def open(order: Order) -> Sim:
    """Open the camera of the simulated car."""
    return Sim(order)


def cameras() -> list[Camera]:
    """Return the simulated car's camera."""
    return [Camera("sim", "", Sim.card)]
