"""`GET /api/v1/flight`: the flight recorder over HTTP."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from tornado.iostream import StreamClosedError

from picar.errors import RecordingError
from picar.journal.flight import FlightRecorder
from picar.web.handler import Handler, Route

if TYPE_CHECKING:
    from picar.car.recording import Recordings

_SLICE = 200  # lines; a slice takes a millisecond on a laptop
_POLL_S = 0.05
_WHY = {"full": "There is too little space on the disk; delete recordings first."}


class Flight(Handler):
    """`GET /api/v1/flight`: the last minute of both processes, as JSON lines."""

    flight: FlightRecorder

    async def get(self) -> None:
        """Send the lines in slices; between two slices, other requests and messages have their turn."""
        self.set_header("Content-Type", "application/jsonl; charset=utf-8")
        lines = self.flight.recent()
        while part := b"".join(itertools.islice(lines, _SLICE)):
            self.write(part)
            try:
                await self.flush()
            except StreamClosedError:
                return
            await self.wait_for_turn()

    head = get


async def save_flight(recordings: Recordings, flight: FlightRecorder) -> str:
    """Save the last minute as a recording, in a process of its own; return the name of the file.

    Raises:
        RecordingError: it cannot be saved.
    """
    try:
        tape = recordings.save(flight.fd)
    except RecordingError:
        raise
    except OSError as error:
        raise RecordingError(f"The recorder cannot be started: {error.strerror}.") from None
    end = None
    try:
        while end is None:
            await asyncio.sleep(_POLL_S)
            end = tape.check()
    finally:
        recordings.leave(tape)
    if end["name"] is None:
        raise RecordingError(_WHY.get(end["ended"], f"The last minute cannot be saved: {end['why']}."))
    return str(end["name"])


def routes(flight: FlightRecorder) -> list[Route]:
    """Return the route of the flight recorder."""
    return [(r"/api/v1/flight", Flight, {"flight": flight})]
