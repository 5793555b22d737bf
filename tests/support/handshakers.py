"""Strangers who shake hands and no more: `python -m tests.support.handshakers PORT COUNT`.

Each has an address of its own. In turn, it does a whole TLS handshake and closes, or sends its ClientHello and then nothing.
It prints a line after each hundred connections, and goes on until it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys

HALF_S = 2.0  # longer than the car waits for the rest


class Count:
    """The connections so far."""

    def __init__(self) -> None:
        self.done = 0

    def up(self) -> None:
        """Count one."""
        self.done += 1
        if self.done % 100 == 0:
            print(self.done, flush=True)


def context() -> ssl.SSLContext:
    """Return a client's context that takes every certificate."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    return trusting


def client_hello() -> bytes:
    """Return the first message of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context().wrap_bio(incoming, outgoing, server_hostname="car.local").do_handshake()
    return outgoing.read()


async def whole(address: str, port: int) -> None:
    """Shake hands, and close."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context(), local_addr=(address, 0))
    writer.transport.abort()


async def half(address: str, port: int, again: bool) -> None:
    """Begin a handshake; stay until the car closes the connection, or leave at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(client_hello())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.1 if again else HALF_S):
            while await reader.read(4096):
                pass
    writer.transport.abort()


async def loop(number: int, port: int, count: Count) -> None:
    """Be one stranger."""
    address, turn = f"127.0.1.{number + 1}", number
    while True:
        turn += 1
        with contextlib.suppress(OSError):  # also of TLS: the car closed it
            await (half(address, port, turn % 4 == 1) if turn % 2 else whole(address, port))
        count.up()


async def main(port: int, strangers: int) -> None:
    """Go on for ever."""
    count = Count()
    await asyncio.gather(*(loop(number, port, count) for number in range(strangers)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
