"""The calibration in force, where it came from, and the file that keeps it; and `GET /api/v1/calibration`."""

from __future__ import annotations

import dataclasses
import logging

from picar.calibration import Calibration
from picar.errors import FileError
from picar.overlay import Overlay
from picar.web.base import Base

log = logging.getLogger(__name__)


class Tuning:
    """What the motors are told.

    Args:
        configured: what the configuration says.
        overlay: the file for what the page says.
        calibrated: what that file said at the start, None for nothing.
    """

    def __init__(self, configured: Calibration, overlay: Overlay, calibrated: Calibration | None) -> None:
        self._configured, self._overlay, self._calibrated = configured, overlay, calibrated
        self._saved = True

    @property
    def configured(self) -> Calibration:
        """What the configuration says."""
        return self._configured

    @property
    def current(self) -> Calibration:
        """What counts."""
        return self._calibrated or self._configured

    def change(self, calibration: Calibration | None) -> str | None:
        """Note what the motor process follows from now on; None is the configuration's.

        Returns:
            Why it will be forgotten at the end, None when it is kept.
        """
        if self._saved and calibration == self._calibrated:
            return None  # the page repeats itself until it sees the answer
        self._calibrated = calibration
        log.info("calibration: %s", calibration or "as configured")
        self._saved = False
        try:
            if calibration is None:
                self._overlay.forget()
            else:
                self._overlay.keep(calibration)
        except FileError as error:
            log.warning("%s", error)
            return str(error)
        self._saved = True
        return None

    def snapshot(self) -> dict[str, object]:
        """Return all of it as a JSON object."""
        return {
            "calibration": dataclasses.asdict(self.current),
            "configured": dataclasses.asdict(self._configured),
            "origin": "page" if self._calibrated else "configuration",
            "saved": self._saved,
            "toml": self.current.toml(),
        }


class CalibrationDoor(Base):
    """`GET /api/v1/calibration`."""

    def initialize(self, tuning: Tuning) -> None:
        """Take the calibration to tell of."""
        self._tuning = tuning

    def get(self) -> None:
        """Answer."""
        self.write(self._tuning.snapshot())

    head = get
