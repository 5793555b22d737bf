"""`GET /api/v1/calibration`: the calibration in force, its origin, and the lines for picar.toml."""

from __future__ import annotations

from picar.calibration.store import CurrentCalibration
from picar.web.handler import Handler, Route


class CalibrationHandler(Handler):
    """`GET /api/v1/calibration`."""

    current: CurrentCalibration

    def get(self) -> None:
        """Answer."""
        self.write(self.current.snapshot())

    head = get


def routes(current: CurrentCalibration) -> list[Route]:
    """Return the address of the calibration."""
    return [(r"/api/v1/calibration", CalibrationHandler, {"current": current})]
