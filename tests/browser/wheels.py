"""What the motor pins do, read from the product's pin trace. Default pins of the L298N board."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.product import Product
from tests.support.waiting import until

LEFT = {"enable": 12, "forward": 23, "backward": 24}
RIGHT = {"enable": 13, "forward": 27, "backward": 22}
_ENABLES = (LEFT["enable"], RIGHT["enable"])


class Wheels:
    """The two bridges of one car."""

    def __init__(self, car: Product) -> None:
        self._car = car

    def mark(self) -> int:
        """Return a place in the trace to look back to."""
        return len(self._car.trace())

    def speeds(self) -> tuple[float, float]:
        """Return the signed duty of the left and right side, as it is now."""
        level = {line["pin"]: float(line["value"]) for line in self._car.trace()}
        return _speed(level, LEFT), _speed(level, RIGHT)

    def since(self, mark: int) -> list[dict[str, Any]]:
        """Return the pin writes after the mark."""
        return self._car.trace()[mark:]

    def rested_at(self) -> float:
        """Return when an enable pin was last written, s, monotonic."""
        return max(float(line["t"]) for line in self._car.trace() if line["pin"] in _ENABLES)

    def turned_since(self, mark: int) -> bool:
        """Tell whether any enable pin was anything but low after the mark."""
        return any(line["pin"] in _ENABLES and line["value"] > 0 for line in self._car.trace()[mark:])

    def ways(self) -> tuple[int, int]:
        """Return how the left and right side turn: 1 forward, 0 not at all, -1 backward."""
        left, right = self.speeds()
        return (left > 0) - (left < 0), (right > 0) - (right < 0)

    def turning(self, left: int, right: int) -> Callable[[], bool]:
        """Return a condition: the sides turn this way."""
        return lambda: self.ways() == (left, right)

    async def turn(self, left: int, right: int) -> None:
        """Wait until the sides turn this way: 1 forward, 0 not at all, -1 backward."""
        await until(self.turning(left, right), f"the wheels turn {left:+d} {right:+d}")

    async def rest(self) -> None:
        """Wait until both enable pins are low."""
        await until(lambda: not self._enabled(), "both enable pins are low")

    def _enabled(self) -> bool:
        level = {line["pin"]: line["value"] for line in self._car.trace()}
        return bool(level[LEFT["enable"]] or level[RIGHT["enable"]])


def _speed(level: dict[int, float], side: dict[str, int]) -> float:
    duty = level.get(side["enable"], 0.0)
    forward, backward = level.get(side["forward"], 0.0), level.get(side["backward"], 0.0)
    return duty * (forward - backward)
