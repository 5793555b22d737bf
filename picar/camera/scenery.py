"""The pictures of the simulated world: floor, fence, obstacles, sky and the car's nose, each drawn once with Pillow.

Each picture is flat; `sources.sim` puts it into perspective.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from picar.camera import world
from picar.camera.world import Point

DENSITY = 240  # pixels for each metre
SMOOTH = 2  # everything is drawn this many times larger, then reduced
SHADOW = (0.45, 0.8)  # of a thing 1 m high, in m
VERGE_M, KERB_M = 0.1, 0.045  # floor under the fence; kerbs beside the track
HAZE = "#cde4f5"
SKY = (30, 118, 214, 120, 192, 246, 205, 228, 245)  # three colours from top to horizon
RED, WHITE, BLACK, NIGHT = "#e6332a", "#f8f8f5", "#14171c", "#0b1a38"
ARROW = (  # (ahead, to the left) of its middle
    (-0.13, 0.018), (0.02, 0.018), (0.02, 0.055), (0.13, 0), (0.02, -0.055), (0.02, -0.018), (-0.13, -0.018),
)  # fmt: skip
HILLS = (  # height and waves in degrees, the farthest first
    (7.2, 2.1, "#93b8de"), (5.4, 1.4, "#79a9c4"), (4.2, 0.9, "#5c9f6c"), (3.4, 0.6, "#4c9440"),
)  # fmt: skip
LEAVES = (("#2f7a34", "#3f9141"), ("#1f6139", "#2c7546"), ("#3f8a2e", "#57a53c"))  # dark, light
BALLOONS = (  # in degrees from the start's direction and from the horizon
    (16, 9.2, RED), (78, 10.5, "#ffbe0b"), (141, 8.7, "#9b51e0"), (216, 9.6, RED), (298, 10.0, "#ffbe0b"),
)  # fmt: skip


class Sheet:
    """Paper of a colour, or transparent. Places are in units of any length, y up, with `at` in the lower left corner."""

    def __init__(
        self, size: Point, colour: str | None, at: Point = (0.0, 0.0), unit: float = DENSITY
    ) -> None:
        self._unit, self._at = unit * SMOOTH, at
        pixels = round(size[0] * self._unit), round(size[1] * self._unit)
        self.image = Image.new("RGB", pixels, colour) if colour else Image.new("RGBA", pixels)
        self.paint = ImageDraw.Draw(self.image)

    def px(self, *points: Point) -> list[Point]:
        """Return places as pixels."""
        left, bottom = self._at
        return [((x - left) * self._unit, self.image.height - (y - bottom) * self._unit) for x, y in points]

    def area(self, colour: str, *points: Point) -> None:
        """Fill a polygon; two points are opposite corners of a rectangle."""
        if len(points) == 2:
            (left, bottom), (right, top) = points
            points = (left, bottom), (right, bottom), (right, top), (left, top)
        self.paint.polygon(self.px(*points), colour)

    def chequer(self, colour: str, at: Point, square: float, columns: int, rows: int) -> None:
        """Fill every second square of a chequer, not the one at its lower left corner."""
        for n in range(columns * rows):
            x, y = at[0] + n % columns * square, at[1] + n // columns * square
            if (n % columns + n // columns) % 2:
                self.area(colour, (x, y), (x + square, y + square))

    def disc(self, colour: str, x: float, y: float, wide: float, tall: float) -> None:
        """Fill an ellipse; `wide` and `tall` are half of its axes."""
        self.paint.ellipse(self.px((x - wide, y + tall), (x + wide, y - tall)), colour)

    def road(self, colour: str, width: float, way: Sequence[Point]) -> None:
        """Draw a line with round joints."""
        self.paint.line(self.px(*way), colour, round(width * self._unit))
        for x, y in way:
            self.disc(colour, x, y, width / 2, width / 2)

    def shade(self, colour: str, *strength: int) -> None:
        """Lay a colour over the picture, with these strengths (0 to 255) from top to bottom."""
        ramp = Image.frombytes("L", (1, len(strength)), bytes(strength))
        mask = ramp.resize(self.image.size, Image.Resampling.BICUBIC)
        if self.image.mode == "RGBA":
            mask = ImageChops.multiply(mask, self.image.getchannel("A"))
        self.image.paste(colour, (0, 0), mask)

    def done(self) -> Image.Image:
        """Return the picture."""
        return self.image.reduce(SMOOTH)


def floor() -> Image.Image:
    """Return grass, tracks, start line and the shadows of what stands there; VERGE_M larger than the room."""
    left, bottom, right, top = (side + math.copysign(VERGE_M, side) for side in world.ROOM)
    sheet = Sheet((right - left, top - bottom), "#72b943", (left, bottom))
    for n in range(-12, 12):  # mown
        x = n * 0.62
        sheet.area("#63aa3a", (x, bottom), (x + 0.31, bottom), (x + 2.8, top), (x + 2.49, top))
    ways = [world.spline(way) for way in world.TRACKS]
    edge = world.TRACK_M / 2 + KERB_M
    for way in ways:
        for n in range(len(way)):
            kerb = ((0, edge), (1, edge), (1, -edge), (0, -edge))
            sheet.area(RED if n // 2 % 2 else WHITE, *(_beside(way, n + k, shift * 1j) for k, shift in kerb))
    for colour, width in ((WHITE, world.TRACK_M), ("#50555e", world.TRACK_M - 0.04)):
        for way in ways:
            sheet.road(colour, width, [_beside(way, n) for n in range(len(way) + 1)])
    for way, first in zip(ways, (4, 52), strict=True):  # the first 50 points are the straight of both tracks
        for shift in (-0.07, 0.06):
            tyre = [_beside(way, n, 1j * (shift + 0.02 * math.sin(n / 9))) for n in range(len(way) + 1)]
            sheet.road("#474c54", 0.034, tyre)
        for n in range(first, len(way) - 4, 6):
            sheet.road("#ffd84d", 0.016, [_beside(way, k) for k in range(n, n + 4)])
        for n in range(64, len(way) - 20, 60):
            sheet.area(WHITE, *(_beside(way, n, complex(*corner)) for corner in ARROW))
    square = (world.TRACK_M - 0.04) / 8
    start = world.FINISH_M - 1.5 * square, -4 * square
    sheet.area(BLACK, start, (start[0] + 3 * square, -start[1]))
    sheet.chequer(WHITE, start, square, 3, 8)
    image = sheet.done()
    grain = Image.effect_noise(image.size, 10).point([min(255, value + 122) for value in range(256)])
    image = ImageChops.multiply(image, Image.merge("RGB", [grain] * 3))
    image.paste(NIGHT, (0, 0), _shadows((left, bottom), image.size))
    return image


def _beside(way: Sequence[complex], n: int, offset: complex = 0) -> Point:
    """Return the place beside point `n` of a closed way: the real part of `offset` ahead, the imaginary part to the left."""
    before, here, after = (way[k % len(way)] for k in (n - 1, n, n + 1))
    place = here + offset * (after - before) / abs(after - before)
    return place.real, place.imag


def _shadows(at: Point, size: tuple[int, int]) -> Image.Image:
    sheet = Sheet((size[0] / DENSITY, size[1] / DENSITY), "#000000", at, DENSITY / 8)
    left, bottom, right, top = world.ROOM
    west, south = (left - 1, bottom - 1, left, top + 1), (left - 1, bottom - 1, right + 1, bottom)
    things = [(west, world.FENCE_M), (south, world.FENCE_M), *((it.box, it.height) for it in world.OBSTACLES)]
    for (x0, y0, x1, y1), height in things:
        dx, dy = SHADOW[0] * height, SHADOW[1] * height
        far = (x1 + dx, y0 + dy), (x1 + dx, y1 + dy), (x0 + dx, y1 + dy)
        sheet.area("#777777", (x0, y0), (x1, y0), *far, (x0, y1))
        sheet.area("#bbbbbb", (x0 - 0.02, y0 - 0.02), (x1 + 0.02, y1 + 0.02))  # contact shadow
    return sheet.image.convert("L").filter(ImageFilter.GaussianBlur(1.2)).resize(size)


def side(paint: world.Paint, length: float, height: float, *, is_fence: bool) -> Image.Image:
    """Return an upright side: of an obstacle, or a panel of the fence with skirting and posts."""
    sheet = Sheet((length, height), paint.paper)
    bottom, top = (0.035, height - 0.03) if is_fence else (0.0, height - 0.014)
    if paint.text:
        for y in (bottom + 0.025, top - 0.031):
            sheet.area(paint.ink, (0.05, y), (length - 0.05, y + 0.006))
        try:
            font = ImageFont.load_default(96)
        except TypeError:  # Pillow before 10.1, as in Debian Bookworm: small letters of pixels
            font = ImageFont.load_default()
        text = Image.new("L", (1000, 200))
        ImageDraw.Draw(text).text((20, 20), paint.text, 255, font, stroke_width=4)
        text = text.crop(text.getbbox())
        high = round(min(sheet.image.height * 0.47, 0.78 * sheet.image.width / text.width * text.height))
        text = text.resize((text.width * high // text.height, high), Image.Resampling.BICUBIC)
        ((x, y),) = sheet.px((length / 2, (top + bottom) / 2))
        sheet.image.paste(paint.ink, (round(x - text.width / 2), round(y - high / 2)), text)
    elif paint.shape:
        for n in range(-3, 12):
            sheet.area(paint.ink, *((x + n * paint.step[0], y + n * paint.step[1]) for x, y in paint.shape))
    else:
        square = (top - bottom) / 4
        sheet.chequer(paint.ink, (0.0, bottom), square, math.ceil(length / square), 4)
    sheet.area("#ffffff", (0, top), (length, height))
    if is_fence:
        sheet.area("#2b3038", (0, 0), (length, bottom))
        for x in (0, length - 0.02):
            sheet.area("#d3d8df", (x, 0), (x + 0.02, height))
    sheet.shade(NIGHT, 0, 0, 20, 110)
    return sheet.done()


@functools.cache
def sky(degree: float, tall: int) -> Image.Image:
    """Return everything far away, all around: `tall` rows above the horizon, `degree` pixels for each degree."""
    sheet = Sheet((360, tall / degree), HAZE, unit=degree)
    ramp = Image.frombytes("RGB", (1, 3), bytes(SKY))
    sheet.image.paste(ramp.resize(sheet.image.size, Image.Resampling.BILINEAR, (0, 0.5, 1, 2.5)), (0, 0))
    rng = random.Random(4)  # noqa: S311 - the same clouds every time
    for _ in range(15):
        x, y, large = rng.uniform(12, 348), rng.uniform(9, 18), rng.uniform(0.5, 1.1)
        puffs = [(rng.gauss(0, 3.4), rng.uniform(0, 1.3), rng.uniform(0.9, 1.7) * large) for _ in range(10)]
        for colour, drop in (("#d3e4f3", 0.35), ("#ffffff", 0.0)):
            for dx, dy, r in puffs:
                sheet.disc(colour, x + dx * large, y + dy * large - drop, 1.5 * r, 0.8 * r)
    sheet.image.paste(sheet.image.filter(ImageFilter.GaussianBlur(degree / 5)), (0, 0))
    for high, rough, colour in HILLS:
        waves = [(k, rng.uniform(0, math.tau)) for k in (5, 12, 29)]
        heights = [sum(math.sin(math.radians(x / 2) * k + at) * 4 / k for k, at in waves) for x in range(721)]
        sheet.area(
            colour, (0, 0), *((x / 2, high + rough * height) for x, height in enumerate(heights)), (360, 0)
        )
    for n in range(150):
        _tree(sheet, rng.uniform(1, 359), rng.uniform(2.8, 4.2), rng.uniform(0.5, 1.15), n % 3)
    for x, y, colour in BALLOONS:
        sheet.area(colour, (x - 1.1, y - 0.8), (x + 1.1, y - 0.8), (x + 0.3, y - 2), (x - 0.3, y - 2))
        for part, ink in ((1.4, colour), (0.95, WHITE), (0.47, colour)):
            sheet.disc(ink, x, y, part, 1.4)
        sheet.area("#7a4a21", (x - 0.25, y - 2.65), (x + 0.25, y - 2.2))
    return sheet.done()


def _tree(sheet: Sheet, x: float, y: float, r: float, kind: int) -> None:
    dark, light = LEAVES[kind]
    if kind == 1:  # a fir
        for top, wide in ((2.6, 0.5), (1.9, 0.75), (1.2, 1.0)):
            low = y + (top - 1.3) * r
            sheet.area(light, (x - wide * r, low), (x, y + top * r), (x, low))
            sheet.area(dark, (x, low), (x, y + top * r), (x + wide * r, low))
    else:
        sheet.disc(dark, x, y + 0.6 * r, r, 1.1 * r)
        sheet.disc(light, x - 0.2 * r, y + r, 0.55 * r, 0.6 * r)


@functools.cache
def nose(width: int) -> Image.Image:
    """Return the car's bonnet and front tyres, as wide as the view, with transparency; places in parts of its width."""
    sheet = Sheet((1, 0.125), None, unit=width)
    for x in (0.1, 0.79):
        for colour, inset in (("#0d0f12", 0.0), ("#2a2e35", 0.006)):
            corners = sheet.px((x + inset, 0.08 - inset), (x + 0.11 - inset, -0.1))
            sheet.paint.rounded_rectangle(corners, 0.045 * width, colour)
        for y in (0.056, 0.037, 0.018):
            sheet.area("#14171b", (x + 0.013, y), (x + 0.097, y + 0.006))
    for colour, inset in (("#4d0b0c", 0.0), ("#e0281f", 0.004)):
        outline = []
        for x in (n / 50 for n in range(-50, 51)):
            lift = (1 - abs(x) ** 5) ** 0.42
            y = lift * (0.119 - inset - 0.037 * x**2) - 0.006
            outline.append((0.5 + x * (0.3 - 0.065 * lift - inset), y))
        sheet.area(colour, *outline)
    for way in (-1, 1):
        stripe = ((0.012, 0.106), (0.04, 0.106), (0.058, 0), (0.018, 0))
        sheet.area(WHITE, *((0.5 + way * x, y) for x, y in stripe))
    sheet.shade("#2a0306", 0, 0, 40, 150)
    sheet.shade("#ffffff", 130, 30, 0, 0)
    for x in (0.335, 0.665):
        for colour, size in (("#7d1210", 0.032), ("#ffe9a8", 0.027), ("#fffdf2", 0.014)):
            sheet.disc(colour, x, 0.075 + 0.1 * (0.032 - size), size, size * 0.45)
    return sheet.done()
