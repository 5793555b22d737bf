"""Turn one motor for a second, or the steering servo, without a server: their first test, by `picar setup`.

Laws:
- Each turn has a motor process of its own, which has ended with low pins before `turn` returns.
- A command is good for `LIFE_S`: if this process is stopped, the motor stops by its deadline. If this process dies, the motor
  process reads end-of-file. If the motor process dies or hangs, `Channel` drives the pins low.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator

from picar.config import Config
from picar.core.drive import State
from picar.core.shaping import JOG_DUTY, NEUTRAL, Jog, Sticks, Wanted
from picar.errors import ChannelError
from picar.journal.flight import FlightRecorder
from picar.motor.channel import Channel
from picar.motor.pipe import Order

TURN_S, REST_S = 1.0, 0.3
RENEW_S, LIFE_S = 0.1, 0.3
_ARM_S = 5.0  # an ESC takes two of them
_PLACES = (-1.0, 0.0, 1.0)  # of the servo, each for `TURN_S`


def turn(config: Config, backend: str, pins_low: Callable[[], None], motor: str, *, strong: bool) -> None:
    """Turn a motor alone for `TURN_S` while its duty cycle rises from `min_duty` to `JOG_DUTY`.

    Args:
        config: of the car; it is in force as it is, without a calibration of the page.
        backend: its name, not auto.
        pins_low: drives the pins low from this process; for the emergency.
        motor: a name of the car's layout; `servo`, which turns left, to the middle, right, and back; empty for neutral alone.
        strong: use `JOG_DUTY` all the time.

    Raises:
        BackendError: the pins cannot be used.
        ChannelError: the motor process ended, or did not turn the motor.
    """
    turned, rise = list[bool](), 0.0 if strong else max(0.0, JOG_DUTY - config.motors.min_duty)
    flight = FlightRecorder("server")
    flight.goodbye()  # a test leaves no record
    channel = Channel(Order.of(config, backend, flight=flight.fd), pins_low)
    channel.attach(lambda _before, status: turned.append(any(status.applied)), _fail)
    channel.start()
    try:
        for _ in _while(_ARM_S):
            if channel.status.state == State.ARMED:
                break
            _send(channel, NEUTRAL)
        for place in _PLACES if motor == "servo" else (0.0,) * bool(motor):
            for passed_s in _while(TURN_S):
                duty = JOG_DUTY - rise * (1 - passed_s / TURN_S)
                _send(channel, Sticks(0.0, place) if motor == "servo" else Jog(motor, duty))
        for _ in _while(REST_S):
            _send(channel, NEUTRAL)
    finally:
        channel.close()
        os.close(flight.fd)
    if motor and not any(turned):
        _fail("the commands came too late")


def _fail(why: str) -> None:
    raise ChannelError(f"The motor was not turned as asked: {why}. Start picar setup again.")


def _while(duration_s: float) -> Iterator[float]:
    """Yield the time that has passed, until the duration is over."""
    start = time.monotonic()
    while (passed_s := time.monotonic() - start) < duration_s:
        yield passed_s


def _send(channel: Channel, wanted: Wanted) -> None:
    """Send a command, then follow the motor process until the next command is due."""
    channel.drive(wanted, time.monotonic() + LIFE_S, lambda _refusal: None)
    for passed_s in _while(RENEW_S):
        if select.select([channel], [], [], min(RENEW_S - passed_s, channel.patience_s))[0]:
            channel.read()
        channel.check()
