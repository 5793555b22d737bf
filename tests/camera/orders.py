"""Orders for the tests of the camera."""

from __future__ import annotations

from typing import Any, cast

from picar.camera.handle import order_of
from picar.camera.sources import Order
from picar.config import CameraConfig, SourceName


def order(source: SourceName, **change: Any) -> Order:
    """Return the first order for a source with the default configuration, but for these keys."""
    first = order_of(CameraConfig(source=source), "lgpio", "aarch64")
    assert first
    return cast("Order", {**first, **change})
