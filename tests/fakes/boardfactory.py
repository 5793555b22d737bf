"""gpiozero's own MockFactory, its pins on a board in a folder; GPIOZERO_PIN_FACTORY=board takes it."""

from __future__ import annotations

from typing import Any

from gpiozero.pins.mock import MockFactory, MockPWMPin

from tests.fakes.board import Board


class BoardPin(MockPWMPin):  # type: ignore[misc]
    """A pin as on lgpio: claimed exclusively, a wave ends at the level it had, closing lets it float."""

    def __init__(self, factory: Any, info: Any) -> None:
        self._bcm = int(info.name.removeprefix("GPIO"))
        try:
            self._held = Board.here().hold(self._bcm)
        except BlockingIOError:
            raise RuntimeError("'GPIO busy'") from None
        super().__init__(factory, info)

    def _set_function(self, value: str) -> None:
        super()._set_function(value)
        if value == "input":
            Board.here().float_(self._bcm)
        else:
            Board.here().drive(self._bcm, 0)

    def _set_state(self, value: float) -> None:
        super()._set_state(value)
        wave = self.frequency is not None
        Board.here().note(*(["pwm", self._bcm, float(self.frequency), value * 100.0] if wave else ["write", self._bcm, int(value)]))  # fmt: skip
        Board.here().drive(self._bcm, value)

    def _set_frequency(self, value: float | None) -> None:
        state: bool = self._state  # type: ignore[has-type]
        super()._set_frequency(value)
        self._state = state
        if value is not None:
            Board.here().note("frequency", self._bcm, float(value))


class BoardFactory(MockFactory):  # type: ignore[misc]
    """The factory."""

    def __init__(self) -> None:
        if Board.here().says("lgpio", "no-access"):
            import lgpio

            lgpio.gpiochip_open(0)
        super().__init__(pin_class=BoardPin)
