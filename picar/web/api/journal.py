"""`GET /api/v1/flight`: the flight recorder over HTTP."""

from __future__ import annotations

import itertools

from tornado.iostream import StreamClosedError

from picar.journal.flight import FlightRecorder
from picar.web.handler import Handler, Route

_SLICE = 200  # lines; a slice takes a millisecond on a laptop


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


def routes(flight: FlightRecorder) -> list[Route]:
    """Return the route of the flight recorder."""
    return [(r"/api/v1/flight", Flight, {"flight": flight})]
