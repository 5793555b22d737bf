"""What the anchors share: pins that write the product's trace format, and starting a Tornado server."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path

import tornado.httpserver
import tornado.netutil
import tornado.web


class Pins:
    """In-memory pins; every write is one flushed line of `--pin-trace`, at the product's own cost."""

    def __init__(self, trace: Path) -> None:
        self.levels: dict[int, float] = {}
        self._trace = trace.open("ab", buffering=0)

    def write(self, pin: int, value: float) -> None:
        self.levels[pin] = value
        line = {"t": time.monotonic(), "pin": pin, "op": "write", "value": value}
        self._trace.write(json.dumps(line).encode() + b"\n")


class Page(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write("<!doctype html><title>car</title>")


async def serve(app: tornado.web.Application) -> None:
    """Serve on a free port of 127.0.0.1 until SIGTERM."""
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    tornado.httpserver.HTTPServer(app).add_sockets(sockets)
    print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/", flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
