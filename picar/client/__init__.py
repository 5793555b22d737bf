"""Programs that drive a car as a client of picar.v1: `Car`, `AsyncCar`, `find`. docs/python.md is the tutorial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from picar.client.aio import AsyncCar
    from picar.client.discovery import find
    from picar.client.session import CarError
    from picar.client.sync import Car

__all__ = ["AsyncCar", "Car", "CarError", "find"]
_HOMES = {"AsyncCar": "aio", "Car": "sync", "CarError": "session", "find": "discovery"}


def __getattr__(name: str) -> Any:
    """Load a name when it is first used: `session` alone needs no Tornado."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
