"""`GET /api/v1/calibration`: the calibration in force, its origin, and the lines for picar.toml."""

from __future__ import annotations

from picar.calibration.store import Tuning
from picar.web.handler import Handler, Route


class CalibrationHandler(Handler):
    """`GET /api/v1/calibration`."""

    def initialize(self, tuning: Tuning) -> None:
        """Take the calibration to tell of."""
        self._tuning = tuning

    def get(self) -> None:
        """Answer."""
        self.write(self._tuning.snapshot())

    head = get


def routes(tuning: Tuning) -> list[Route]:
    """Return the address of the calibration."""
    return [(r"/api/v1/calibration", CalibrationHandler, {"tuning": tuning})]
