"""A car in one Tornado process: JSON, mix and six pin writes in the message handler, and an answer to each.

With `--loop-hz 20` the handler only keeps the newest command and a loop writes the pins, as many robot cars do.
"""

import argparse
import asyncio
import json
from pathlib import Path

import tornado.ioloop
import tornado.web
import tornado.websocket

from tests.bench.anchors.plain import Page, Pins, serve

LEFT, RIGHT = (12, 23, 24), (13, 27, 22)  # enable, forward, reverse


class Car:
    def __init__(self, pins: Pins) -> None:
        self.pins = pins
        self.newest: tuple[float, float] | None = None

    def apply(self, throttle: float, steering: float) -> None:
        for (enable, forward, reverse), speed in ((LEFT, throttle + steering), (RIGHT, throttle - steering)):
            self.pins.write(forward, speed > 0)
            self.pins.write(reverse, speed < 0)
            self.pins.write(enable, min(1.0, abs(speed)))

    def step(self) -> None:
        if self.newest is not None:
            self.apply(*self.newest)
            self.newest = None


class Socket(tornado.websocket.WebSocketHandler):
    def initialize(self, car: Car, loop: bool) -> None:
        self.car = car
        self.loop = loop

    def open(self) -> None:
        self.set_nodelay(True)

    def on_message(self, text: str | bytes) -> None:
        message = json.loads(text)
        sticks = float(message["throttle"]), float(message["steering"])
        if self.loop:
            self.car.newest = sticks
        else:
            self.car.apply(*sticks)
        self.write_message(json.dumps({"type": "done", "seq": message["seq"]}))


async def main(trace: Path, loop_hz: float) -> None:
    car = Car(Pins(trace))
    if loop_hz:
        tornado.ioloop.PeriodicCallback(car.step, 1000 / loop_hz).start()
    await serve(tornado.web.Application([("/", Page), ("/ws", Socket, {"car": car, "loop": loop_hz > 0})]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pin-trace", type=Path, required=True)
    parser.add_argument("--loop-hz", type=float, default=0)
    args = parser.parse_args()
    asyncio.run(main(args.pin_trace, args.loop_hz))
