"""The spectators: one process with many WebSocket clients that count states and read nothing else of them.

Usage: python -m tests.bench.spectators.load PORT COUNT. It says `ready` when all have joined, answers each line of
its standard input with the processor time it took so far and how many states each spectator has had, and ends with its
standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time

AT_ONCE = 50  # handshakes under way; fewer than a listening socket keeps waiting (128 in Tornado)
SPARE_FILES = 100
BUFFER = bytearray(64 * 1024)  # one for all: what it holds is counted before anybody reads again
STATE = b'{"type":"state"'
TEXT, PING = 1, 9  # RFC 6455 §5.2
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c3BlY3RhdG9yc3BlY3RhdA==\r\n"
    b"Sec-WebSocket-Protocol: picar.v1\r\n\r\n"
)


def allow_files(count: int) -> None:
    """Let this process have so many files open.

    Raises:
        RuntimeError: that is more than this user may have.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and count > hard:
        raise RuntimeError(
            f"{count} open files are needed and {hard} are allowed; raise that: ulimit -Hn {count}"
        )
    if soft != resource.RLIM_INFINITY and count > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Counter:
    """Counts the states in one server's bytes, however they are cut. `pings` are what must be answered."""

    def __init__(self) -> None:
        self.states = 0
        self.pings: list[bytes] = []
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        data = self._rest + data
        at = 0
        while (end := self._frame(data, at)) is not None:
            at = end
        self._rest = data[at:]

    def _frame(self, data: bytes, at: int) -> int | None:
        """Take the frame at `at`, unmasked as all of a server's are. Returns its end, or None when it is cut."""
        if len(data) < at + 2:
            return None
        size, start = data[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(data[at + 2 : at + 4]), at + 4
        elif size == 127:
            raise ValueError("a frame of more than 64 KiB")
        if len(data) < start + size:
            return None
        kind = data[at] & 0x0F
        if kind == TEXT:
            self.states += data.startswith(STATE, start)
        elif kind == PING:
            self.pings.append(data[start : start + size])
        return start + size


class Spectator(asyncio.BufferedProtocol):
    """One client. `joined` is done when its handshake is."""

    def __init__(self, handshake: bytes) -> None:
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.counter = Counter()
        self._handshake = handshake
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._handshake)

    def get_buffer(self, sizehint: int) -> bytearray:
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(memoryview(BUFFER)[:nbytes])
        self.counter.feed(data if self.joined.done() else self._shake_hands(data))
        while self.counter.pings:
            payload = self.counter.pings.pop()
            self._transport.write(bytes([0x8A, 0x80 | len(payload)]) + bytes(4) + payload)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the connection was closed")

    def _shake_hands(self, data: bytes) -> bytes:
        """Take bytes of the server's answer. Returns what came after it."""
        self._head += data
        head, ended, rest = self._head.partition(b"\r\n\r\n")
        if not ended:
            return b""
        if not head.startswith(b"HTTP/1.1 101 "):
            self._fail(head.partition(b"\r\n")[0].decode("latin-1"))
            self._transport.abort()
            return b""
        self.joined.set_result(None)
        return rest

    def _fail(self, why: str) -> None:
        if not self.joined.done():
            self.joined.set_exception(ConnectionError(f"a spectator could not join: {why}"))


async def join_all(port: int, count: int) -> list[Spectator]:
    """Connect all, some at a time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def join() -> Spectator:
        async with turns:
            _, spectator = await asyncio.get_running_loop().create_connection(
                lambda: Spectator(HANDSHAKE % port), "127.0.0.1", port
            )
            await spectator.joined
            return spectator

    return await asyncio.gather(*(join() for _ in range(count)))


async def main(port: int, count: int) -> None:
    """Watch until standard input ends."""
    spectators = await join_all(port, count)
    print("ready", flush=True)
    asked = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    while await asked.readline():
        states = [spectator.counter.states for spectator in spectators]
        print(json.dumps({"cpu_s": time.process_time(), "states": states}), flush=True)


if __name__ == "__main__":
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # behind the driver and the server, always
    try:
        allow_files(int(sys.argv[2]) + SPARE_FILES)
        asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
    except (OSError, RuntimeError) as error:
        print(error, flush=True)
        sys.exit(1)
