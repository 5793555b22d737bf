"""A car in one Tornado process that sends its state to each client, 20 times a second, as a loop over `write_message`.

The state's text is made once for all; commands get no answer of their own, as the state names the newest. A tick that
is late is followed by the next at once: the server holds 20 Hz as far as it can, and skips none.
"""

import argparse
import asyncio
import contextlib
import json
import resource
from pathlib import Path

import tornado.web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from tests.bench.anchors.one_process import Car
from tests.bench.anchors.plain import Page, Pins, serve

STATE = '{"type":"state","tick":%d,"seq":%d,"state":"armed","applied":{"left":0.41,"right":0.55},"link":{"age_s":0.021}}'
PERIOD_S = 0.05


class Audience:
    def __init__(self) -> None:
        self.clients: set[Socket] = set()
        self.tick = 0
        self.seq = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.tell()
            due = max(due + PERIOD_S, loop.time())
            await asyncio.sleep(due - loop.time())

    def tell(self) -> None:
        self.tick += 1
        text = STATE % (self.tick, self.seq)
        with contextlib.suppress(WebSocketClosedError):  # one is leaving; its on_close comes next
            for client in self.clients:
                client.write_message(text)


class Socket(WebSocketHandler):
    def initialize(self, car: Car, audience: Audience) -> None:
        self.car = car
        self.audience = audience

    def open(self) -> None:
        self.set_nodelay(True)
        self.audience.clients.add(self)

    def on_message(self, text: str | bytes) -> None:
        message = json.loads(text)
        self.car.apply(float(message["throttle"]), float(message["steering"]))
        self.audience.seq = message["seq"]

    def on_close(self) -> None:
        self.audience.clients.discard(self)


async def main(trace: Path) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    audience = Audience()
    telling = asyncio.create_task(audience.run())
    handler = {"car": Car(Pins(trace)), "audience": audience}
    await serve(tornado.web.Application([("/", Page), ("/ws", Socket, handler)]))
    telling.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pin-trace", type=Path, required=True)
    asyncio.run(main(parser.parse_args().pin_trace))
