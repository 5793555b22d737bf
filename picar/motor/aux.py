"""The outputs of `[aux.*]` and the lamp of the car's state: lights, horns and servos.

Laws:
- A momentary output is on only before the deadline of its newest command, and for at most `max_on_s`. A STOP ends it too, and
  leaves lights as they are. After each such end it needs a release, as the wheels need a neutral command.
- A pulse of a servo is between the pulses of its two ends, and no servo moves faster than 180° a second.
- An output that fails is marked broken, with one line in the log, and ends nothing. The exception is a channel of a PCA9685: if
  the chip fails, the motor process ends, as it does for motors and for a steering servo at that chip.
- The motors come first: these outputs are claimed, written and brought to rest after them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from picar.core.drive import Refusal, State
from picar.linewriter import say
from picar.motor.boards.lines import Line
from picar.raspberrypi import CHANNELS
from picar.tuples import TYPE_CHECKING
from picar.wires import aux_of

if TYPE_CHECKING:
    from picar.config import AuxConfig
    from picar.core.drive import Output
    from picar.motor.boards import Board
    from picar.motor.pins import Pin, Pins

DIMMER_HZ = 200
STEP_S = 0.02  # of a servo that moves
US_PER_S = 2000.0  # 180° a second: the pulse of a servo changes by 1000 µs for 90°
RELAX_S = 1.0
BRAKE_LIGHT_S = 0.3  # after the car has become slower
BLINK_HZ = {State.DISARMED: 1, State.FAILSAFE: 4, State.STOPPED: 4}


class _Level:
    """A toggle or a dimmer. The base of the others.

    Args:
        name: for the log.
        claim: claims the pin.
        high: the value of the pin that means on.
        holds: whether it keeps its value when its driver is gone.
    """

    rest: float | None = 0.0  # the value of the pin after the claim

    def __init__(self, name: str, claim: Callable[[], Pin], high: float = 1.0, *, holds: bool = True) -> None:
        self.value, self.broken = 0.0, False
        self._name, self._high, self._holds = name, high, holds
        self._line: Line | None = None
        try:
            self._line = Line(claim(), value=self.rest)
        except Exception as error:  # of any library
            self._fail(error)

    def set(self, value: float, deadline: float, now: float) -> None:  # noqa: ARG002 - it has no deadline
        """Follow a command."""
        self.value = value

    def stop(self) -> None:
        """Keep the value."""

    def release(self) -> None:
        """Act on the loss of the driver or of the link."""
        if not self._holds:
            self.value = 0.0

    lose = release

    def act(self, now: float) -> bool:  # noqa: ARG002 - it has no deadline
        """Let time pass. Returns whether the pin was written."""
        return self.write(self.value * self._high)

    def next_event(self, now: float) -> float:  # noqa: ARG002
        """Return when `act` must be called next, at the latest."""
        return math.inf

    def write(self, value: float) -> bool:
        """Set the pin, unless it has this value. A broken output is only switched off, again and again if that fails."""
        line = self._line
        if line is None or value == line.value or (self.broken and value):
            return False
        try:
            line.write(value)
        except Exception as error:  # of any library
            self._fail(error)
            return False
        return True

    def low(self) -> None:
        """Switch off, and trust no remembered value."""
        self.value = 0.0
        if self._line:
            self._line.value = None
            self.write(0)

    def _fail(self, error: Exception) -> None:
        if not self.broken:
            say(f"picar motor: [{self._name}] is out of order: {error}")
        self.broken = True


class _Momentary(_Level):
    """A horn."""

    def __init__(self, name: str, claim: Callable[[], Pin], high: float, max_on_s: float) -> None:
        super().__init__(name, claim, high)
        self._max_on_s = max_on_s
        self._until = -math.inf  # the deadline of the newest command
        self._ends_at: float | None = None  # the end of this press, None after a release

    def set(self, value: float, deadline: float, now: float) -> None:
        if not value:
            self.release()
            return
        if self._ends_at is None:
            self._ends_at = now + self._max_on_s
        elif now >= self._until:
            return  # it has ended, and needs a release
        self._until = min(deadline, self._ends_at)
        self.value = float(now < self._until)

    def stop(self) -> None:
        self.value, self._until, self._ends_at = 0.0, -math.inf, -math.inf

    def release(self) -> None:
        self.value, self._until, self._ends_at = 0.0, -math.inf, None

    def lose(self) -> None:
        """Do nothing: the deadline of the command ends the sound."""

    def act(self, now: float) -> bool:
        self.value = float(now < self._until)
        return super().act(now)

    def next_event(self, now: float) -> float:  # noqa: ARG002
        return self._until if self.value else math.inf


class _Servo(_Level):
    """A servo. It gets no pulse before the first command; that one moves it from an unknown place."""

    rest = None

    def __init__(
        self, name: str, claim: Callable[[], Pin], ends_us: tuple[int, int], *, relaxes: bool
    ) -> None:
        super().__init__(name, claim)
        self._middle_us, self._way_us = (ends_us[0] + ends_us[1]) / 2, (ends_us[1] - ends_us[0]) / 2
        self._rate = US_PER_S / max(1.0, abs(self._way_us))  # places in [-1, 1] a second
        self._place, self._acted_at = 0.0, -math.inf
        self._relaxes, self._rests_at = relaxes, math.inf  # when the pulses end
        self._wanted = False  # whether a command has come

    def set(self, value: float, deadline: float, now: float) -> None:  # noqa: ARG002
        self.value, self._wanted = max(-1.0, min(1.0, value)), True
        self._rests_at = now + RELAX_S if self._relaxes else math.inf

    def stop(self) -> None:
        """Hold the place."""
        self.value = self._place

    release = lose = stop

    def act(self, now: float) -> bool:
        if not self._wanted:
            return False
        step = self._rate * min(STEP_S, now - self._acted_at)
        self._acted_at = now
        if self._place != self.value:
            self._place += max(-step, min(step, self.value - self._place))
            if self._relaxes:
                self._rests_at = now + RELAX_S
        rests = now >= self._rests_at
        return self.write(0 if rests else round(self._middle_us + self._place * self._way_us))

    def next_event(self, now: float) -> float:
        if self.broken or not self._wanted or self._line is None:
            return math.inf
        if self._place != self.value:
            return now + STEP_S
        return self._rests_at if self._line.value else math.inf

    def low(self) -> None:
        """Hold the place: pulses end by `Board.end_pulses`."""


class Outputs:
    """The `Extras` of a car.

    Args:
        board: the board, whose motors have claimed their pins.
        pins: the backend.
    """

    def __init__(self, board: Board, pins: Pins) -> None:
        config, self._pins, self._steers = board.config, pins, board.layout.steers
        self._chip_hz = board.wires.chip.hz if board.wires.chip else 0
        found = [(name, one) for name, one in aux_of(config).items() if isinstance(one.pin, int)]
        self._named = {name: self._made(name, one) for name, one in found}
        self._followers = [(self._named[name], one.follow) for name, one in found if one.follow]
        lamp = config.lamp.pin
        self._lamp = _Level("lamp", functools.partial(pins.output, lamp)) if isinstance(lamp, int) else None
        self._all = [*self._named.values(), *([self._lamp] if self._lamp else [])]
        on_chip = [self._named[name] for name, one in found if one.pin in CHANNELS]
        self._on_chip = [*on_chip, *([self._lamp] if self._lamp and lamp in CHANNELS else [])]
        self._state, self._speed, self._brakes_until, self._blinks_at = (
            State.DISARMED,
            0.0,
            -math.inf,
            math.inf,
        )

    @property
    def values(self) -> dict[str, float | None]:
        """The value of each output by name, None for a broken one."""
        return {name: None if one.broken else round(one.value, 3) for name, one in self._named.items()}

    def set(self, name: str, value: float, deadline: float, now: float) -> Refusal | None:
        """Set an output. A momentary one ends at the deadline; a broken one does nothing."""
        if now >= deadline:
            return Refusal.STALE
        self._named[name].set(value, deadline, now)
        return None

    def stop(self) -> None:
        """Silence the momentary outputs; servos hold."""
        for one in self._all:
            one.stop()

    def release(self) -> None:
        """Do what the outputs do when their driver is gone."""
        for one in self._all:
            one.release()

    def act(self, state: State, output: Output, now: float) -> None:
        """Let time pass: follow the car and its state, end momentary outputs, move servos."""
        if state is State.FAILSAFE and self._state is not State.FAILSAFE:
            for one in self._all:
                one.lose()
        self._state = state
        if self._followers:
            self._follow(output, now)
        if self._lamp:
            self._blink(self._lamp, now)
        written = [one for one in self._all if one.act(now)]
        if any(one in self._on_chip for one in written):
            self._pins.commit()  # the motors have sent theirs

    def next_event(self, now: float) -> float:
        """Return when `act` must be called next, at the latest."""
        due = min((one.next_event(now) for one in self._all), default=math.inf)
        brakes_until = self._brakes_until if self._followers and now < self._brakes_until else math.inf
        return min(due, brakes_until, self._blinks_at)

    def low(self) -> None:
        """Switch every output off; servos hold their places."""
        for one in self._all:
            one.low()
        if self._on_chip:
            self._pins.commit()

    def _follow(self, output: Output, now: float) -> None:
        """Set the lights for reverse and brake."""
        speed = output.left if self._steers else output.left + output.right
        if output.brake or abs(speed) < abs(self._speed):
            self._brakes_until = now + BRAKE_LIGHT_S
        self._speed = speed
        for one, follow in self._followers:
            one.value = float(speed < 0.0 if follow == "reverse" else now < self._brakes_until)

    def _blink(self, lamp: _Level, now: float) -> None:
        halves = 2 * BLINK_HZ.get(self._state, 0)  # in a second
        half = math.floor(now * halves)
        lamp.value = float(half % 2 == 0)
        self._blinks_at = (half + 1) / halves if halves else math.inf

    def _made(self, name: str, one: AuxConfig) -> _Level:
        """Claim the pin of an output."""
        pin, pins, place = one.pin, self._pins, f"aux.{name}"
        assert isinstance(pin, int)
        if one.kind == "servo":
            ends_us = one.left_us, one.right_us
            return _Servo(place, functools.partial(pins.pulse, pin), ends_us, relaxes=one.relax)
        high, claim = 1.0, functools.partial(pins.output, pin)
        if one.tone_hz and one.kind != "dimmer":
            high, claim = 0.5, functools.partial(pins.pwm, pin, one.tone_hz)
        elif one.kind == "dimmer":
            claim = functools.partial(pins.pwm, pin, self._chip_hz if pin in CHANNELS else DIMMER_HZ)
        if one.kind == "momentary" and not one.follow:
            return _Momentary(place, claim, high, one.max_on_s)
        return _Level(place, claim, high, holds=one.safe == "hold" or bool(one.follow))
