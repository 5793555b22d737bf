"""L298N boards on remembered pins: wirings, and pins that watch themselves or break."""

from __future__ import annotations

from picar.config import Config, L298NConfig, MotorsConfig, SideConfig
from picar.core.drive import BRAKE, COAST, Output
from picar.motor.boards import Board
from picar.motor.boards.bridge import Motors
from picar.motor.pins.mock import MockPins

ENABLED = L298NConfig()
JUMPERED = L298NConfig(ena="jumper", enb="jumper")
LEFT_JUMPER = L298NConfig(ena="jumper")
RIGHT_JUMPER = L298NConfig(enb="jumper")
SHARED = L298NConfig(ena=12, enb=12)
WIRINGS = {
    "EN-PWM": ENABLED,
    "jumpers": JUMPERED,
    "left jumper": LEFT_JUMPER,
    "right jumper": RIGHT_JUMPER,
    "one EN pin": SHARED,
}
# Both wheels at half speed; with the minimum duty of 0.25 that is 0.625.
OUTPUTS = {"coast": COAST, "forward": Output(0.5, 0.5), "reverse": Output(-0.5, -0.5), "brake": BRAKE}


def shares_enable(wiring: L298NConfig) -> bool:
    """Tell whether one pin goes to both ENA and ENB."""
    return wiring.ena == wiring.enb != "jumper"


class WatchedPins(MockPins):
    """Pins that fail the test when both INs of a bridge are high, or one changes while its EN is."""

    def __init__(self, wiring: L298NConfig) -> None:
        super().__init__(clock=lambda: 0.0)
        ena, enb = ("shared", "shared") if shares_enable(wiring) else (wiring.ena, wiring.enb)
        self.bridges = [(ena, wiring.in1, wiring.in2), (enb, wiring.in3, wiring.in4)]

    def record(self, bcm: int, op: str, value: float) -> None:
        before = self.levels.get(bcm, 0.0)
        super().record(bcm, op, value)
        for enable, forward, reverse in self.bridges:
            assert not (self.levels.get(forward, 0.0) and self.levels.get(reverse, 0.0)), "both INs high"
            if bcm in (forward, reverse) and value != before and isinstance(enable, int):
                assert not self.levels.get(enable, 0.0) or op == "close", "an IN changed under power"


class BreakingPins(MockPins):
    """Pins of which some raise when written, each as often as is said."""

    def __init__(self, broken: dict[int, int] | None = None) -> None:
        super().__init__(clock=lambda: 0.0)
        self.broken = dict(broken or {})

    def record(self, bcm: int, op: str, value: float) -> None:
        if op in ("write", "pwm") and self.broken.get(bcm, 0) > 0:
            self.broken[bcm] -= 1
            raise OSError(5, f"GPIO {bcm} does not answer")
        super().record(bcm, op, value)


def board(
    pins: MockPins,
    wiring: L298NConfig = ENABLED,
    min_duty: float = 0.25,
    left: SideConfig | None = None,
    right: SideConfig | None = None,
) -> Motors:
    """Claim the pins of a board, and forget that they were claimed."""
    motors = MotorsConfig(min_duty=min_duty)
    config = Config(l298n=wiring, motors=motors, left=left or SideConfig(), right=right or SideConfig())
    made = Board(config).claim(pins)
    pins.writes.clear()
    return made


def wired(wiring: L298NConfig = ENABLED) -> Board:
    """Return the board of a wiring, with no pin claimed."""
    return Board(Config(l298n=wiring))


def names(wiring: L298NConfig) -> dict[int, str]:
    """Return the terminal of each pin, the first where it has two."""
    return {bcm: terminal for terminal, bcm in reversed(wiring.wired().items())}


def written(pins: MockPins, wiring: L298NConfig = ENABLED) -> list[str]:
    """Return the writes so far as `terminal=value`, and forget them."""
    terminals = names(wiring)
    lines = [f"{terminals[write.pin]}={write.value:g}" for write in pins.writes]
    pins.writes.clear()
    return lines
