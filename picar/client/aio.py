"""Drive a car from a program that uses asyncio: `async with AsyncCar("blitz.local") as car`.

`sync.py` has the same car for a program without asyncio, `connection.py` the WebSocket, `session.py` the protocol.

Laws:
- A command is sent by the caller's own `await` or `async for`, never by a task in the background. A program that hangs sends
  nothing, and the car stops after its `command_timeout_s`.
- A refusal is raised by the next call, once; then this program holds no speed.
- Waiting for a picture holds no speed.
- The end of the `async with` block sends zero and gives up the wheel, whatever ended it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Self

from picar.client.connection import CLOSED, CONNECT_S, Connection, Place
from picar.client.pictures import pictures
from picar.client.session import CarError, Session
from picar.core.protocol import SUBPROTOCOL, ProtocolError

PERIOD_S = 0.05  # between two commands while a speed is held
LEAST_S = 0.02  # between two commands of a loop without a pause: the car takes 100 messages a second
TAKE_S = 10.0
SILENT_S = 2.0  # a car sends five states a second or more
_SILENT = "The car sends no state: it hangs, or the network is lost."
_TAKEN = "Another client keeps the wheel. End that program, or grant the request on the driver's page."
_NOT_RECORDED = "The car starts or ends no recording; its log has the reason."
Pair = tuple[float, float]
_REST = ("drive", {"throttle": 0.0, "steering": 0.0})


class Facts:
    """The properties of `AsyncCar` and of `Car`."""

    _car: AsyncCar

    @property
    def hello(self) -> dict[str, Any]:
        """The facts about this car and this client; docs/protocol.md."""
        return self._car.known(self._car.session.hello)

    @property
    def state(self) -> dict[str, Any]:
        """The newest state; docs/protocol.md."""
        return self._car.known(self._car.session.state)

    @property
    def value(self) -> Pair:
        """The present speeds that this program asks for: left and right."""
        kind, values = self._car.held
        a, b = values.values()
        return (max(-1.0, min(1.0, a + b)), max(-1.0, min(1.0, a - b))) if kind == "drive" else (a, b)

    @property
    def battery(self) -> float | None:
        """The charge of the battery in percent, None if it is not known."""
        found = self.state["host"].get("battery_percent")
        return None if found is None else float(found)

    @property
    def is_recording(self) -> bool:
        """Whether the car records, for whichever client."""
        return "bytes" in (self.state.get("recording") or {})

    @property
    def pose(self) -> tuple[float, float, float] | None:
        """The place of a simulated car: x and y in m, heading in rad; None for a real one."""
        pose = self.state.get("pose")
        return (pose["x"], pose["y"], pose["heading"]) if pose else None


class AsyncCar(Facts):
    """A car, as the program that drives it sees it. Speeds are shares of full speed in [-1, 1].

    Args:
        address: a host name, `host:port`, or the address of the page; without a port 8000, with https 8443.
        token: from `picar pair --token NAME`; by default $PICAR_TOKEN. A simulated car on this machine needs none.
        drives: whether to take the wheel; otherwise the program only watches.
        ca: for https, the file of the car's CA (docs/python.md).

    Raises:
        CarError: `bad_address`, `bad_token` or `bad_ca`.

    Example:
        async with AsyncCar("localhost") as car:
            await car.forward(0.5)
            await car.sleep(2)
    """

    def __init__(
        self,
        address: str = "localhost",
        token: str | None = None,
        *,
        drives: bool = True,
        ca: str | None = None,
    ) -> None:
        self._car = self
        self._place = Place(address, token, ca)
        self._takes = drives
        self.session = Session()
        self.held = _REST
        self._sent_at = float("-inf")
        self._refusal: CarError | None = None
        self._connection: Connection | None = None
        self._end: CarError | None = CarError("closed", "The car is not open. Use `with`, or call open().")
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and take the wheel if this program drives. A closed car can be opened again.

        Raises:
            CarError: no car answers, it refuses this program, or its wheel does not get free in 10 s.
        """
        await self.close()
        self._news = asyncio.Event()  # anew: an event belongs to one loop
        session = self.session = Session()
        self._end = self._refusal = None
        try:
            self._connection = await self._place.connect(
                "ws", SUBPROTOCOL, lambda message: self._receive(session, message)
            )
            await self._until(lambda: session.ready, CONNECT_S, "no_answer", _SILENT)
            if self._takes:
                await self.take()
        except BaseException:
            await self.close()
            raise

    async def take(self, timeout_s: float = TAKE_S) -> None:
        """Take the wheel, and wait until the car is ready to drive. After a refusal, it makes the car ready again.

        A stopped car stays stopped: look at it, then call `reset`.

        Raises:
            CarError: `not_driver` if another client keeps the wheel.
        """
        self.held, self._refusal = _REST, None
        await self._fresh()
        await self._send("take")
        try:
            await self._until(lambda: self.session.drives, timeout_s, "not_driver", _TAKEN)
        except BaseException:
            with contextlib.suppress(CarError):
                await self._send("release")  # withdraws the request
            raise
        self._takes = True
        if not self._is_stopped():
            await self._arm()

    async def close(self) -> None:
        """Send zero, give up the wheel and close the connection."""
        connection, self.held = self._connection, _REST
        try:
            if connection and self.session.drives:
                with contextlib.suppress(CarError):
                    await self._send_held()
                    await self._send("release")
        finally:
            self._connection, self._end = None, CarError("closed", "The connection to the car is closed.")
            if connection:
                connection.hang_up()

    async def drive(self, throttle: float, steering: float = 0.0) -> None:
        """Drive as with one stick; `steering` is positive to the right. `sleep` and `async for` hold the value.

        Raises:
            CarError: `bad_value` for a speed outside [-1, 1], `not_driver` for a program that only watches, `stopped`
                for a stopped car, and every refusal of a command before.
        """
        await self._hold("drive", throttle=throttle, steering=steering)

    async def tank(self, left: float, right: float) -> None:
        """Drive with a speed for each side."""
        await self._hold("tank", left=left, right=right)

    async def forward(self, speed: float = 1.0, *, curve_left: float = 0.0, curve_right: float = 0.0) -> None:
        """Drive forward; a curve in [0, 1] makes the wheels of that side slower."""
        if not (0.0 <= curve_left <= 1.0 and 0.0 <= curve_right <= 1.0):
            raise CarError("bad_value", "A curve must be between 0 and 1.")
        await self.tank(speed * (1.0 - curve_left), speed * (1.0 - curve_right))

    async def backward(
        self, speed: float = 1.0, *, curve_left: float = 0.0, curve_right: float = 0.0
    ) -> None:
        """Drive backward."""
        await self.forward(-speed, curve_left=curve_left, curve_right=curve_right)

    async def left(self, speed: float = 1.0) -> None:
        """Turn left on the spot; a car that steers only turns its front wheels."""
        await self.tank(-speed, speed)

    async def right(self, speed: float = 1.0) -> None:
        """Turn right on the spot; a car that steers only turns its front wheels."""
        await self.tank(speed, -speed)

    async def reverse(self) -> None:
        """Drive the other way at the same speeds."""
        kind, values = self.held
        await self._hold(kind, **{axis: v if axis == "steering" else -v for axis, v in values.items()})

    async def stop(self) -> None:
        """Bring the car to a standstill; the next command drives on. `estop` is the stop that stays."""
        self._need_wheel()
        await self.send_zero()
        self._raise_refusal()

    async def estop(self) -> None:
        """Stop the car at once, for every driver, until `reset`. A program that only watches may do this too.

        Raises:
            CarError: `no_answer` if the car does not confirm the stop.
        """
        self.held = _REST
        await self._send("stop")
        try:
            await asyncio.wait_for(self._seen(self._is_stopped), SILENT_S)
        except TimeoutError:
            raise CarError("no_answer", "The car does not confirm the stop.") from None
        if not self._is_stopped():
            self._raise_refusal()  # or the end

    async def reset(self) -> None:
        """End the stop, and wait until the car is ready to drive."""
        self._need_wheel()
        self._refusal = None
        if self._is_stopped():
            await self._fresh()
            await self._send("reset")
            await self._until(lambda: not self._is_stopped(), TAKE_S, "stopped", "The car stays stopped.")
        await self._arm()

    async def limit(self, speed: float) -> None:
        """Set the speed limit, a share of the highest speed in [0.05, 1]."""
        self._need_wheel()
        if not 0.05 <= speed <= 1.0:
            raise CarError("bad_value", "The speed limit must be between 0.05 and 1.")
        await self._fresh()
        await self._send("limit", speed=float(speed))

    async def record(self, on: bool = True) -> None:
        """Start a recording on the car, or end it. It goes on after the end of the program; `recording` ends it.

        Raises:
            CarError: `recording_off` or `recording_failed`.
        """
        self._need_wheel()
        await self._fresh()
        await self._send("record", on=on)
        await self._until(lambda: self.is_recording == on, SILENT_S, "recording_failed", _NOT_RECORDED)

    @contextlib.asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Record while the block runs."""
        await self.record()
        try:
            yield
        finally:
            with contextlib.suppress(CarError):  # of a car that has gone, or has another driver
                await self.record(False)

    async def sleep(self, seconds: float) -> None:
        """Hold the present speed for a time."""
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0.0:
            await self._renew()
            await asyncio.sleep(min(PERIOD_S, left_s))
        self._raise_refusal()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Yield each new state, and hold the present speed meanwhile."""
        while True:
            yield await self.next_state()

    async def next_state(self) -> dict[str, Any]:
        """Wait for the next state, and hold the present speed until then."""
        before = self.session.state_at
        await self._renew()
        await self._until(lambda: self.session.state_at != before, SILENT_S, "no_answer", _SILENT)
        return self.state

    def frames(self) -> AsyncGenerator[bytes, None]:
        """Yield the camera's pictures as JPEG, always the newest. The car waits for this loop, and sends no picture before.

        A loop over pictures holds no speed: call `drive` for each. A turn of the loop may take 5 s.

        Raises:
            CarError: `no_camera`, `too_many` viewers, or the code of a fault of the camera (docs/camera.md).
        """
        return pictures(self._place, self.hello["client"])

    @property
    def holds(self) -> bool:
        """Whether the program holds a speed or a steering that is not zero."""
        return any(self.held[1].values())

    async def repeat(self) -> None:
        """Send the present speed once more, unless it was just sent; a refusal stays for the next call."""
        now = time.monotonic()
        if self.session.is_fresh(now) and now - self._sent_at > PERIOD_S / 2:
            await self._send_held()

    async def send_zero(self) -> None:
        """Forget the present speed, and send zero once."""
        self.held = _REST
        if self.session.ready and not self._is_stopped():
            await self._send_held()

    def _is_stopped(self) -> bool:
        return self.session.state.get("state") == "stopped"

    async def _hold(self, kind: str, **values: float) -> None:
        self._need_wheel()
        if not all(-1.0 <= value <= 1.0 for value in values.values()):
            given = " and ".join(f"{axis} {value}" for axis, value in values.items())
            raise CarError("bad_value", f"Speed and steering must be between -1 and 1, not {given}.")
        self._raise_refusal()
        self.held = (kind, {axis: float(value) for axis, value in values.items()})
        await self._renew()

    async def _renew(self) -> None:
        """Send the held value once more, at most every `LEAST_S`; a stopped car gets no command."""
        self._raise_refusal()
        await self._fresh()
        if self._is_stopped() and self.holds:
            self.held = _REST
            raise CarError("stopped", "The car is stopped. Look at it, then call reset().")
        if self._takes and not self._is_stopped():
            await asyncio.sleep(self._sent_at + LEAST_S - time.monotonic())
            await self._send_held()

    async def _fresh(self) -> None:
        """Wait for a state that a command may answer, if there is none."""
        await self._until(lambda: self.session.is_fresh(time.monotonic()), SILENT_S, "no_answer", _SILENT)

    async def _arm(self) -> None:
        """Show the car neutral until it is armed."""
        end = time.monotonic() + TAKE_S
        self.held = _REST
        while self.state["state"] != "armed":
            if not self.session.drives:
                raise CarError("not_driver", "This program has lost the wheel; call take().")
            if time.monotonic() > end or self._is_stopped():
                raise CarError(self.state["reason"] or "disarmed", "The car does not get ready to drive.")
            await self._fresh()
            await self._send_held()
            await asyncio.sleep(PERIOD_S)
            self._refusal = None  # of a neutral that came too early

    async def _send_held(self) -> None:
        kind, values = self.held
        self._sent_at = time.monotonic()
        await self._send(kind, **values)

    async def _send(self, kind: str, **values: float) -> None:
        if self._end or not self._connection:
            raise self._end or CarError("closed", CLOSED)
        await self._connection.send(self.session.message(kind, **values))

    def known(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message of the car; without one, raise the reason."""
        if not message:
            raise self._end or CarError("no_answer", "The car has sent no state yet.")
        return message

    def _need_wheel(self) -> None:
        if self._end:
            raise self._end
        if not self._takes:
            raise CarError("not_driver", "This program only watches; call take() first.")

    def _raise_refusal(self) -> None:
        refusal, self._refusal = self._refusal, None
        if refusal:
            self.held = _REST
            raise refusal
        if self._end:
            raise self._end

    def _receive(self, session: Session, message: str | bytes | None) -> None:
        """Take a message, or None for the end of the connection."""
        if session is not self.session or self._end:
            return  # a connection before this one
        if message is None:
            self._end = self._connection.end if self._connection else CarError("closed", CLOSED)
        else:
            try:
                taken = session.receive(message, time.monotonic())
            except ProtocolError as error:
                taken = CarError(error.code, str(error))
            if isinstance(taken, CarError) and (taken.code != "stopped" or self.holds):
                self._refusal = taken  # but a zero that met a stop is no fault of this program
        self._news.set()

    async def _seen(self, happened: Callable[[], bool]) -> None:
        """Wait for a condition that a message brings."""
        while not happened() and not self._end:
            self._news.clear()
            await self._news.wait()

    async def _until(self, happened: Callable[[], bool], timeout_s: float, code: str, sentence: str) -> None:
        """Wait for a condition that a message brings. After the timeout, raise this code and sentence; a refusal at once."""

        def settled() -> bool:
            if self._refusal and self._refusal.code == code:
                self._refusal = None  # of a command before; the timeout will tell
            return happened() or self._refusal is not None

        try:
            await asyncio.wait_for(self._seen(settled), timeout_s)
        except TimeoutError:
            raise CarError(code, sentence) from None
        if not happened():
            self._raise_refusal()
