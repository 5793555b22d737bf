"""Drive along the yellow line that the camera shows: an example of a program that drives the car.

    .venv/bin/python docs/examples/follow_line.py CAR:8000 [TOKEN]

A car that pairs its phones, as one on a Pi does, wants the token of `picar pair --token NAME`. Ctrl-C ends the program.
It needs Pillow (the extra `camera`); docs/python.md explains how a program drives.
The car stops when
- no picture has come for OLD_S, or none has shown the line for LOST_S: this program sends zero;
- this program ends or hangs, or the WiFi is lost: the car follows no command for longer than 0.5 s.
"""

import argparse
import asyncio
import contextlib
import io
import math
import sys
import time

from picar.client import AsyncCar, CarError

try:
    from PIL import Image, ImageChops
except ImportError as missing:
    sys.exit(f"{missing}. Install it: .venv/bin/python -m pip install pillow")

OLD_S, LOST_S = 0.4, 0.8
SPEED = 0.5  # share of full speed; above 0.5 a wheel could not turn faster in a bend
HALF_TRACK_M = 0.065  # half the distance between the left and the right wheels; measure your car and its lens
LENS_UP_M, LENS_AHEAD_M = 0.13, 0.09  # above the floor; ahead of the middle of the car
LENS_DOWN, LENS_WIDE = math.radians(9), math.radians(66)  # tilt; angle between left and right edge
NEAR, FAR, ROWS = (
    0.87,
    0.57,
    10,
)  # searched part of the height; so many of the nearest rows with the line count
YELLOW = 35  # of 255; low, because the line also lies in shadows
ASIDE_M = 0.12  # yellow farther from the expected way than this belongs to another line


def find_line(jpeg: bytes, bend: float) -> float | None:
    """Return the curvature of the way to the line, + is right, in 1/m, or None; `bend` is that of the picture before."""
    image = Image.open(io.BytesIO(jpeg))
    image.draft("RGB", (160, 120))  # a smaller picture is decoded faster
    red, green, blue = image.convert("RGB").split()
    yellow = ImageChops.subtract(ImageChops.darker(red, green), blue)
    yellow = ImageChops.subtract(yellow, ImageChops.subtract(green, red))  # and not green
    pixels = yellow.point(lambda value: value > YELLOW).tobytes()
    width, height = image.size
    focus = width / 2 / math.tan(LENS_WIDE / 2)
    bends: list[float] = []
    for y in range(round(NEAR * height), round(FAR * height), -1):
        distance = LENS_UP_M / math.tan(LENS_DOWN + math.atan((y - height / 2) / focus))
        ahead, pixel_m = distance + LENS_AHEAD_M, distance / focus
        expected, aside = width / 2 + bend * ahead**2 / 2 / pixel_m, ASIDE_M / pixel_m
        start, end = max(0, round(expected - aside)), min(width, round(expected + aside))
        x = pixels.find(1, y * width + start, y * width + end) - y * width
        if x >= 0 and len(bends) < ROWS:
            right = (x - width / 2) * pixel_m
            bends.append(2 * right / (ahead**2 + right**2))  # the circle through the car and this point
    return sum(bends) / len(bends) if bends else None


class LineFollower:
    """Looks at each picture, and answers each state of the car with a command."""

    def __init__(self) -> None:
        self._bend, self._told = 0.0, ""
        self._picture_at = self._line_at = float("-inf")

    async def run(self, car: AsyncCar) -> None:
        """Look and drive; the first error ends both."""
        await asyncio.gather(self._look(car), self._drive(car))

    async def _look(self, car: AsyncCar) -> None:
        async for jpeg in car.frames():
            self._picture_at = time.monotonic()
            if (bend := find_line(jpeg, self._bend)) is not None:
                self._line_at, self._bend = self._picture_at, bend

    async def _drive(self, car: AsyncCar) -> None:
        while True:
            try:
                async for state in car:
                    await car.tank(*self._wheels(state))
            except CarError as error:
                if error.code not in ("stale", "not_neutral"):  # after a pause of this machine: zero first
                    raise

    def _wheels(self, state: dict) -> tuple[float, float]:
        now = time.monotonic()
        old, lost = now - self._picture_at > OLD_S, now - self._line_at > LOST_S
        what = "no picture comes" if old else "the picture shows no line" if lost else "on the line"
        if what != self._told:
            print(what, flush=True)  # noqa: T201
            self._told = what
        waits = state["state"] in ("disarmed", "failsafe")  # for zero
        speed = 0.0 if old or lost or waits else SPEED
        turn = max(-1.0, min(1.0, HALF_TRACK_M * self._bend))
        return speed * (1 + turn), speed * (1 - turn)


async def main(address: str, token: str | None) -> None:
    """Follow the line until an error ends the program."""
    async with AsyncCar(address, token) as car:
        await LineFollower().run(car)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address", metavar="car", help="the address of its page, like localhost:8000")
    parser.add_argument("token", nargs="?", help="from: picar pair --token NAME")
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(main(**vars(parser.parse_args())))
    except CarError as error:
        sys.exit(f"{error.code}: {error}")
