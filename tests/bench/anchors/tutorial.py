"""The car of a hundred tutorials: one page with buttons, one HTTP POST per press, GPIO in the handler.

The GPIO library is `fake-rpigpio`; its `output` is wrapped so that each write gets its time.
"""

import argparse
import asyncio
from pathlib import Path
from typing import Any

import fake_rpigpio.utils
import tornado.web

from tests.bench.anchors.plain import Page, Pins, serve

LEVELS = {"forward": (1, 0, 1, 0), "reverse": (0, 1, 0, 1), "left": (0, 1, 1, 0), "stop": (0, 0, 0, 0)}
MOTOR_PINS = (23, 24, 27, 22)


class Press(tornado.web.RequestHandler):
    def initialize(self, gpio: Any, pins: Pins) -> None:
        self.gpio = gpio
        self.pins = pins

    def post(self) -> None:
        for pin, level in zip(MOTOR_PINS, LEVELS[self.get_body_argument("press")], strict=True):
            self.gpio.output(pin, level)
            self.pins.write(pin, level)
        self.write("ok")


async def main(trace: Path) -> None:
    fake_rpigpio.utils.install()
    from RPi import GPIO  # after install(), as its README says

    for pin in MOTOR_PINS:
        GPIO.setup(pin, GPIO.OUT)
    handler = {"gpio": GPIO, "pins": Pins(trace)}
    await serve(tornado.web.Application([("/", Page), ("/press", Press, handler)]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pin-trace", type=Path, required=True)
    asyncio.run(main(parser.parse_args().pin_trace))
