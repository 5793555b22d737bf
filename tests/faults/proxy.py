"""A TCP proxy that is a bad radio: it can delay, queue, stall, drop, half-open and replay.

It stands between clients and the car, and treats all connections and both directions alike, except that
only what goes to the car is queued.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from types import TracebackType
from typing import Literal, Self

from tests.support.waiting import until

CHUNK_BYTES = 65536
PACKET_BYTES = 64  # of a slow queue
Tape = list[tuple[StreamWriter, bytes]]  # the bytes of each packet, and its receiver


class Proxy:
    """`async with Proxy(port) as link:` listens on a port of its own, `link.port`.

    Args:
        target: port of the car on this machine.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._mode: Literal["pass", "hold", "drop"] = "pass"
        self._delay_s = 0.0
        self._bytes_per_s = 0.0  # of a slow queue to the car; 0 is none
        self._free_at = 0.0  # when that queue is empty
        self._held: Tape = []
        self._recording: Tape | None = None
        self._clients: list[StreamWriter] = []
        self._servers: list[StreamWriter] = []
        self._links: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._listening.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.close()
        self._abort([*self._clients, *self._servers])
        await asyncio.gather(*self._links)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self.port}"

    def delay(self, seconds: float) -> None:
        """Pass everything on so much later, for good."""
        self._delay_s = seconds

    def queue(self, bytes_per_s: float) -> None:
        """Pass on what goes to the car at this rate at most, for good."""
        self._bytes_per_s = bytes_per_s

    async def drained(self) -> None:
        """Wait until something was queued and all of it has reached the car."""
        await until(
            lambda: 0.0 < self._free_at < asyncio.get_running_loop().time(), "the slow queue is empty", 60.0
        )

    def stall(self) -> None:
        """Hold everything back until `flush`."""
        self._mode = "hold"

    def flush(self, *, ends: bool = True) -> None:
        """Let go of all that was held, in one burst or at the rate of `queue`, and pass things on again.

        Args:
            ends: whether the held ends of connections are delivered too.
        """
        held, self._held, self._mode = self._held, [], "pass"
        for writer, data in held:
            if data or ends:
                self._forward(writer, data)

    def cut(self) -> None:
        """Lose everything from now on, without closing anything: the radio is gone, nobody says goodbye."""
        self._mode = "drop"

    def half_open(self) -> None:
        """Close the clients' ends, and never tell the car."""
        self.cut()
        self.abort_clients()

    def abort_clients(self) -> None:
        """Close the clients' ends; while the link is stalled, the car gets their ends with all else that is held."""
        self._abort(self._clients)

    async def record(self, seconds: float) -> Tape:
        """Remember what clients say in the next seconds, and return it."""
        tape = self._recording = []
        await asyncio.sleep(seconds)
        self._recording = None
        assert tape, "nobody said anything"
        return tape

    def replay(self, tape: Tape) -> None:
        """Say to the car once more what was recorded."""
        for writer, data in tape:
            _deliver(writer, data)

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        self._clients.append(writer)
        try:
            server_reader, server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        self._servers.append(server)
        await asyncio.gather(self._pump(reader, server), self._pump(server_reader, writer))

    async def _pump(self, reader: StreamReader, writer: StreamWriter) -> None:
        data = b"the first"
        while data:
            try:
                data = await reader.read(CHUNK_BYTES)
            except ConnectionError:
                data = b""
            if data and self._recording is not None and writer in self._servers:
                self._recording.append((writer, data))
            self._forward(writer, data)

    def _forward(self, writer: StreamWriter, data: bytes) -> None:
        """Do with a chunk, or with an end (no bytes), what the radio does just now."""
        if self._mode == "hold":
            self._held.append((writer, data))
        elif self._mode == "pass" and self._bytes_per_s and writer in self._servers:
            self._queue(writer, data)
        elif self._mode == "pass" and self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, _deliver, writer, data)
        elif self._mode == "pass":
            _deliver(writer, data)

    def _queue(self, writer: StreamWriter, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        for start in range(0, len(data) or 1, PACKET_BYTES):  # an end has no bytes, and waits its turn too
            packet = data[start : start + PACKET_BYTES]
            self._free_at = max(self._free_at, loop.time()) + len(packet) / self._bytes_per_s
            loop.call_at(self._free_at, _deliver, writer, packet)

    def _abort(self, writers: list[StreamWriter]) -> None:
        for writer in writers:
            writer.transport.abort()


def _deliver(writer: StreamWriter, data: bytes) -> None:
    if writer.is_closing():
        return
    if data:
        writer.write(data)
    else:
        writer.close()
