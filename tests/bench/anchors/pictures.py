"""The barest Tornado socket for pictures: it sends each client the same bytes, 30 times a second, and parses the answers."""

import asyncio
import contextlib
import json

import tornado.web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from tests.bench.anchors.plain import Page, serve
from tests.bench.video.camera import BYTES, FPS

HEAD_BYTES = 20  # of picar-video.v1
PICTURE = b"\xff\xd8".rjust(HEAD_BYTES + 2, b"\0").ljust(HEAD_BYTES + BYTES[0], b"\0")
clients: set[WebSocketHandler] = set()


class Socket(WebSocketHandler):
    def open(self) -> None:
        self.set_nodelay(True)
        clients.add(self)

    def on_message(self, message: str | bytes) -> None:
        json.loads(message)

    def on_close(self) -> None:
        clients.discard(self)


async def show() -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        with contextlib.suppress(WebSocketClosedError):  # one is leaving; its on_close comes next
            for client in clients:
                client.write_message(PICTURE, binary=True)
        due = max(due + 1 / FPS, loop.time())
        await asyncio.sleep(due - loop.time())


async def main() -> None:
    showing = asyncio.create_task(show())
    await serve(tornado.web.Application([("/", Page), ("/ws/video", Socket)]))
    showing.cancel()


if __name__ == "__main__":
    asyncio.run(main())
