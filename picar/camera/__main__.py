"""The camera process: `python -P -m picar.camera`. Orders come in on standard input, one JSON object a line; frames go out.

The first order chooses the source; see `sources.Order`. The process ends at end-of-file, and with its parent: it must not
outlive a server that was killed. While the server does not read, it blocks in a write, and its source drops pictures.

Laws:
- It takes memory and processor time last, and is killed first when memory runs out: driving goes on.
- It holds one picture. It touches no pin and knows no other part of picar.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any

from picar.camera.frames import MAX_BYTES, NOTICE, PICTURE, Frame, at_level
from picar.camera.sources import NS, OUT_OF_MEMORY, Camera, Order, Trouble, load

MEMORY_BYTES = 400 << 20
_OLDEST_NS = 2 * NS
_LISTED = ("usb", "sim", "test", "picamera2")  # libcamera last: it may crash
_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> int:
    """Serve one order. Returns the exit code."""
    sender = Sender(os.dup(sys.stdout.fileno()))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # no print of a library gets among the frames
    orders = Orders(sys.stdin.fileno())
    if not _step_back() or (first := orders.read(wait=True)) is None:
        return 0
    try:
        if first.get("cameras"):
            _list(sender)
        else:
            _stream(first, orders, sender)
    except Trouble as trouble:
        sender.notice(trouble)
    except MemoryError:
        sender.notice(Trouble("out_of_memory", OUT_OF_MEMORY))
    except BrokenPipeError:  # the server wants no more
        pass
    return 0


def _step_back() -> bool:
    """Let everything else go before this process. Returns False if the parent is gone already."""
    parent = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the end of the server ends this process
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):  # Linux only
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.nice(10)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("800")
    return os.getppid() == parent


class Orders:
    """The orders on a descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd, self._unread = fd, b""

    def read(self, *, wait: bool = False) -> Order | None:
        """Return the orders that have come, as one; None at end-of-file."""
        order = Order()
        while (wait and not order) or select.select([self._fd], [], [], 0)[0]:
            data = os.read(self._fd, 4096)
            if not data:
                return None
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                order |= json.loads(line)
        return order


class Sender:
    """Writes frames to the pipe."""

    def __init__(self, fd: int) -> None:
        self._fd, self._seq = fd, 0

    def picture(self, jpeg: bytes, captured_ns: int, width: int, height: int, level: int) -> None:
        """Send a picture."""
        now = time.monotonic_ns()
        if len(jpeg) <= MAX_BYTES:  # the server would take it for garbage
            self._send(PICTURE, level, width, height, min(max(captured_ns, now - _OLDEST_NS), now), jpeg)

    def notice(self, trouble: Trouble | None, **content: Any) -> None:
        """Send a notice."""
        code, message = (trouble.code, str(trouble)) if trouble else (None, None)
        body = json.dumps({"code": code, "message": message, **content}).encode()
        self._send(NOTICE, 0, 0, 0, time.monotonic_ns(), body)

    def _send(self, kind: int, level: int, width: int, height: int, captured_ns: int, body: bytes) -> None:
        self._seq += 1
        rest = memoryview(Frame(kind, level, width, height, self._seq, captured_ns, body).pack())
        while rest:
            rest = rest[os.write(self._fd, rest) :]


def _stream(order: Order, orders: Orders, sender: Sender) -> None:
    """Send pictures until end-of-file."""
    source = load(order["source"]).open(_at_level(order))
    try:
        sender.notice(None, card=source.card, upright=source.upright)
        while (change := orders.read()) is not None:
            if change:
                order |= change
                source.set(_at_level(order))
            if picture := source.next():
                sender.picture(*picture, order["level"])
    finally:
        source.close()


def _at_level(order: Order) -> Order:
    """Return an order with the size and quality of its level."""
    size, quality = at_level(order["level"], order["size"], order["quality"])
    return order | {"size": size, "quality": quality}


def _list(sender: Sender) -> None:
    """Send a notice for each camera, and for each source that cannot look for any."""
    for name in _LISTED:
        try:
            found = load(name).cameras()
        except Trouble as trouble:
            found = [Camera(name, "", "", trouble)]
        for camera in found:
            sender.notice(camera.trouble, card=camera.card, source=name, device=camera.device)


if __name__ == "__main__":
    sys.exit(main())
