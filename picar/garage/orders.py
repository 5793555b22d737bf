"""The orders of the command line: the wait for the cars, and a STOP ALL that a running garage carries out for `picar garage stop`.

A garage that serves its page listens on a socket in its folder, which only its owner can use. A connection is the order: it stops all
cars at once, and gets one line of JSON with the answer. So `picar garage stop` reaches the cars also if garage.json cannot be read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from picar.garage.garage import Garage

log = logging.getLogger(__name__)

ANSWER_S = 2.0  # for the cars
BROKER_S = 1.0  # for the cars of a broker to be known
ASK_S = 5.0  # for a running garage, which waits for the cars
_SOCKET = "stop.socket"


class Stopped(NamedTuple):
    """The result of a STOP ALL: the number of cars, the names of those without an answer, and the time of the newest answer."""

    of: int
    late: list[str]
    after_s: float


async def until(garage: Garage, is_done: Callable[[], bool], most_s: float = ANSWER_S) -> None:
    """Wait until it is done, at most `most_s`; the cars of a broker need a moment to be known."""
    now = time.monotonic()
    least, most = now + (BROKER_S if garage.broker else 0.0), now + most_s
    while time.monotonic() < least or (not is_done() and time.monotonic() < most):  # noqa: ASYNC110 - for 2 s
        await asyncio.sleep(0.02)


def names(garage: Garage, cars: Iterable[str]) -> list[str]:
    """Return the names of cars for a person."""
    cards = (garage.cards.card(car) for car in cars)
    return [str(card.fields["name"] or card.fields["id"]) for card in cards if card]


async def stop(garage: Garage) -> Stopped:
    """Stop and hold all cars, and wait for their answers."""
    order = garage.stop_all(garage.settings.garage.name)
    await until(garage, lambda: order.ended and not garage.untaught())
    late = dict.fromkeys((*order.missing, *garage.untaught()))
    return Stopped(order.of, names(garage, late), order.answer(time.monotonic())["after_s"])


@contextlib.asynccontextmanager
async def listening(garage: Garage) -> AsyncIterator[None]:
    """Listen for orders beside garage.json, if that is possible. The socket of an earlier garage is replaced."""

    async def obey(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            writer.write(json.dumps(await stop(garage)).encode() + b"\n")
            await writer.drain()

    path = garage.store.path.with_name(_SOCKET)
    try:
        server = await asyncio.start_unix_server(obey, path)
        path.chmod(0o600)
    except OSError as error:
        log.warning("picar garage stop needs a readable garage.json: %s cannot be used (%s)", path, error)
        yield
        return
    try:
        yield
    finally:
        server.close()


async def ask(folder: Path) -> Stopped | None:
    """Let the garage of this folder stop all cars, if it runs and answers."""
    with contextlib.suppress(OSError, ValueError, TypeError):  # also of the time
        async with asyncio.timeout(ASK_S):
            reader, writer = await asyncio.open_unix_connection(folder / _SOCKET)
            with contextlib.closing(writer):
                return Stopped(*json.loads(await reader.readline()))
    return None
