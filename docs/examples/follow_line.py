"""Drive along the yellow line that the camera shows: an example of a program that drives the car.

    .venv/bin/python docs/examples/follow_line.py CAR:8000 [TOKEN]

A car that pairs its phones, as one on a Pi does, wants the token of `picar pair --token NAME`. Ctrl-C ends the program.
It needs Tornado, which comes with picar, and Pillow (the extra `camera`); docs/protocol.md has the messages.
The car stops when
- no picture has come for OLD_S, or none has shown the line for LOST_S: this program sends zero;
- this program ends or hangs, or the WiFi is lost: the car follows no command for longer than 0.5 s.
"""

import argparse
import asyncio
import io
import json
import math
import signal
import sys
import time

from PIL import Image, ImageChops
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.websocket import websocket_connect

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

    def __init__(self, car: str, token: str = "") -> None:
        self._car, self._headers = car, {"Authorization": f"Bearer {token}"} if token else {}
        self._received, self._bend, self._told = b"", 0.0, ""
        self._picture_at = self._line_at = float("-inf")

    async def watch(self) -> None:
        """Look at pictures until the stream ends."""
        stream = HTTPRequest(f"http://{self._car}/stream.mjpg", headers=self._headers, request_timeout=0)
        stream.streaming_callback = self._take
        await SimpleAsyncHTTPClient(force_instance=True, max_body_size=2**60).fetch(stream)
        sys.exit("The car has ended the stream of pictures.")

    def _take(self, received: bytes) -> None:
        *parts, self._received = (self._received + received).split(b"--picar\r\n")
        if jpeg := parts[-1].partition(b"\r\n\r\n")[2] if parts else b"":
            self._picture_at = time.monotonic()
            if (bend := find_line(jpeg, self._bend)) is not None:
                self._line_at, self._bend = self._picture_at, bend

    def _wheels(self, state: dict) -> dict[str, float]:
        now = time.monotonic()
        old, lost = now - self._picture_at > OLD_S, now - self._line_at > LOST_S
        what = "no picture comes" if old else "the picture shows no line" if lost else "on the line"
        if what != self._told:
            print(what, flush=True)  # noqa: T201
            self._told = what
        speed = 0.0 if old or lost or state["state"] != "armed" else SPEED  # zero first
        turn = max(-1.0, min(1.0, HALF_TRACK_M * self._bend))
        return {"left": speed * (1 + turn), "right": speed * (1 - turn)}

    async def drive(self) -> None:
        """Take the wheel, and answer each state, about 20 a second, with a command that carries its tick."""
        address, seq = HTTPRequest(f"ws://{self._car}/ws", headers=self._headers), 0
        socket = await websocket_connect(address, subprotocols=["picar.v1"])
        while message := await socket.read_message():
            state = json.loads(message)
            if state["type"] != "state":
                continue  # hello, or the reason why the car refuses a command
            if state["state"] == "stopped":
                sys.exit("The car is stopped. Reset it on the page, then start this program again.")
            order = {"type": "take", "tick": state["tick"]}
            if state["you"] == "driver":
                order |= {"type": "tank", "seq": (seq := seq + 1), **self._wheels(state)}
            await socket.write_message(json.dumps(order))
        sys.exit("The car has closed the connection.")

    async def run(self) -> None:
        """Watch and drive; the first error ends both."""
        await asyncio.gather(self.watch(), self.drive())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the program at once
    parser = argparse.ArgumentParser()
    parser.add_argument("car", help="the address of its page, like localhost:8000")
    parser.add_argument("token", nargs="?", default="", help="from: picar pair --token NAME")
    try:
        asyncio.run(LineFollower(**vars(parser.parse_args())).run())
    except HTTPClientError as error:
        sys.exit(f"The car refuses: {error}. It may need a token that drives: picar pair --token NAME")
    except (OSError, ValueError) as error:
        sys.exit(f"No car answers: {error}. Give the address of its page, like localhost:8000")
