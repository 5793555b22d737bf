"""The seam between a motor board and a GPIO library: the duties of a backend, and the choice of one.

Each library has one module, named like the backend, with `open_pins(circuit)`. Only that module imports the
library, and only when it is needed. The circuit is the motor board behind the pins, for the simulator.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType

from picar.errors import BackendError
from picar.layouts import Layout
from picar.tuples import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from picar.wires import Wires


class Pin(Protocol):
    """One claimed output."""

    def set(self, value: float) -> None:
        """Set a level (0 or 1) of an output, a duty cycle in [0, 1] of a PWM pin, or the length of servo pulses in µs."""


class Pins(Protocol):
    """A backend: claims pins, which are BCM numbers of the header or channels of a chip (`picar.raspberrypi.CHANNELS`).

    A claim makes the pin an output at its level of rest. Every call raises `PinError` when misused, `PinsBusy`
    when another process has the pin.
    """

    def output(self, pin: int, rest: int = 0) -> Pin:
        """Claim a pin for levels; `rest` is its level now and after `close`."""

    def pwm(self, pin: int, hz: int) -> Pin:
        """Claim a pin for a duty cycle at `hz`, low."""

    def pulse(self, pin: int) -> Pin:
        """Claim a pin for servo pulses: 0 (none) or 500 to 2500 µs. The claim and `close` leave the pulses as they are."""

    def prepare(self) -> None:
        """Bring the chip to a known state, all channels off; after the claims, which bring the header to rest."""

    def commit(self, *, afresh: bool = False) -> None:
        """Send the values of channels that were set since the last commit; pins of the header were written at once.

        Args:
            afresh: trust nothing about the chip, not even its mode; for a stop that must not fail.
        """

    def close(self) -> None:
        """Drive every claimed pin to its level of rest, leave it an output: a floating enable may run the motor."""


Supply = tuple[float, float]  # of one motor: power in [-1, 1], and the share of the time that it is braked


class Circuit(Protocol):
    """The motor board behind the pins, and the motors behind the board."""

    @property
    def layout(self) -> Layout:
        """The motors of the car."""

    def supplies(self, levels: Mapping[int, float]) -> tuple[Supply, ...]:
        """Return the supply of each motor of the layout, at these levels by pin."""


Opener = Callable[[Circuit], Pins]

REAL = ("lgpio", "rpigpio", "gpiozero")
AUTO = REAL[:2]  # on a Pi, the first that works


def backend(name: str, wires: Wires | None = None) -> Opener:
    """Import a backend's module, and its library with it, and return the function that opens its pins.

    Args:
        name: of the backend.
        wires: of the car; needed where a chip or a pin of the header sends pulses, or a chip drives motors.

    Raises:
        BackendError: its library is missing or broken; the sentence names the package to install.
    """
    opener: Opener = _module(name).open_pins
    if name not in REAL or wires is None or not (wires.chip or wires.pulses):
        return opener
    routed = _module("routed")  # other cars do not need it
    return lambda circuit: routed.RoutedPins(opener(circuit), wires)


def choose(name: str, model: str | None) -> str:
    """Return the backend to use: `name` itself, or the choice of `auto` on this machine.

    Args:
        name: from the configuration.
        model: of the Raspberry Pi, None elsewhere.

    Raises:
        BackendError: it cannot work here. On a Pi `auto` never falls back to a simulated car.
    """
    if name == "auto":
        return _first_that_works(model) if model else "sim"
    try:
        _check(name)
    except BackendError as error:
        raise BackendError(f"--pins {name}: {error}") from None
    return name


def _first_that_works(model: str) -> str:
    refusals = []
    for name in AUTO:
        try:
            _check(name)
        except BackendError as error:
            refusals.append(f"\n  {name}: {error}")
        else:
            return name
    raise BackendError(
        f"This is a {model}, and no GPIO library can be used:{''.join(refusals)}\n"
        "Mend one of them (the first is the better choice), or drive a simulated car with --pins sim."
    )


def _check(name: str) -> None:
    """Raise `BackendError` if a backend cannot work; claim no pin."""
    module = _module(name)
    if name in REAL:
        module.check()


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"picar.motor.pins.{name}")
