"""Drive a car from a plain program: `with Car("blitz.local") as car`. The names are those of gpiozero's Robot.

The connection has a thread of its own. The thread repeats a speed only while the program calls: after `hold_s` without a call
it sends zero.

Laws:
- A program that hangs, sleeps by `time.sleep` or is stopped holds no speed for longer than `hold_s`, or than the car's
  `command_timeout_s`.
- A refusal is raised by the next call.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from picar.client.aio import PERIOD_S, AsyncCar, Facts, Pair
from picar.client.session import CarError

HOLD_S = 0.5
LONGEST_HOLD_S = 2.0
P = ParamSpec("P")
T = TypeVar("T")


def _command(
    method: Callable[Concatenate[AsyncCar, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Car, P], T]:
    """Return the method of `Car` that carries out a method of `AsyncCar`, with its signature and docstring."""

    @wraps(method)
    def call(car: Car, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return car._call(method(car._car, *args, **kwargs))

    return call


class Car(Facts):
    """A car. Arguments and methods are those of `AsyncCar`, without `await`.

    Args:
        address: as for `AsyncCar`.
        token: as for `AsyncCar`.
        drives: as for `AsyncCar`.
        ca: as for `AsyncCar`.
        hold_s: time after the newest call for which the car keeps its speed, at most 2 s.

    Example:
        with Car("localhost") as car:
            car.forward(0.5)
            car.sleep(2)
    """

    def __init__(
        self,
        address: str = "localhost",
        token: str | None = None,
        *,
        drives: bool = True,
        ca: str | None = None,
        hold_s: float = HOLD_S,
    ) -> None:
        if not 0.0 <= hold_s <= LONGEST_HOLD_S:
            raise CarError("bad_value", f"hold_s must be between 0 and {LONGEST_HOLD_S:.0f} s.")
        self._car = AsyncCar(address, token, drives=drives, ca=ca)
        self._hold_s = hold_s
        self._called_at = 0.0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Connect and take the wheel; see `AsyncCar.open`."""
        self.close()
        started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._live(started)), name="picar", daemon=True
        )
        self._thread.start()
        started.wait()
        try:
            self._call(self._car.open())
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """Send zero, give up the wheel and close the connection."""
        if self._thread:
            try:
                self._call(self._car.close())
            finally:
                self._end()

    take = _command(AsyncCar.take)
    drive = _command(AsyncCar.drive)
    tank = _command(AsyncCar.tank)
    forward = _command(AsyncCar.forward)
    backward = _command(AsyncCar.backward)
    left = _command(AsyncCar.left)
    right = _command(AsyncCar.right)
    reverse = _command(AsyncCar.reverse)
    stop = _command(AsyncCar.stop)
    estop = _command(AsyncCar.estop)
    reset = _command(AsyncCar.reset)
    limit = _command(AsyncCar.limit)
    record = _command(AsyncCar.record)
    sleep = _command(AsyncCar.sleep)
    next_state = _command(AsyncCar.next_state)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each new state, and hold the present speed meanwhile."""
        while True:
            yield self.next_state()

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record while the block runs."""
        self.record()
        try:
            yield
        finally:
            with contextlib.suppress(CarError):  # of a car that has gone, or has another driver
                self.record(False)

    def frames(self) -> Iterator[bytes]:
        """Yield the camera's pictures as JPEG; see `AsyncCar.frames`. Waiting for a picture is no call that holds the speed."""
        frames = self._car.frames()
        try:
            while True:
                yield self._call(_await(anext(frames)), holds=False)
        finally:
            with contextlib.suppress(CarError):  # the car is closed, and with it the pictures
                self._call(_await(frames.aclose()), holds=False)

    @property
    def value(self) -> Pair:
        """The speeds that this program asks for: left and right; `car.value = a, b` is `car.tank(a, b)`."""
        return super().value

    @value.setter
    def value(self, speeds: Pair) -> None:
        self.tank(*speeds)

    def _call(self, work: Coroutine[Any, Any, T], holds: bool = True) -> T:
        """Carry out a call in the thread of the connection; with `holds`, it keeps the speed while it lasts."""
        if self._thread is None:
            work.close()
            raise CarError("closed", "The car is not open. Use `with`, or call open().")
        done = asyncio.run_coroutine_threadsafe(work, self._loop)
        # a queue, because Ctrl-C inside a future's own wait may keep its lock held
        ends: queue.SimpleQueue[object] = queue.SimpleQueue()
        done.add_done_callback(ends.put)
        try:
            while True:
                if holds:
                    self._called_at = time.monotonic()
                with contextlib.suppress(queue.Empty):
                    ends.get(timeout=PERIOD_S)
                    return done.result()
        except CarError as error:
            raise error.with_traceback(None) from None  # that of the thread
        except BaseException:
            done.cancel()
            raise

    async def _live(self, started: threading.Event) -> None:
        """Repeat the held speed while the program calls, then send zero; until `_end`."""
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        started.set()
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), PERIOD_S)
            if self._car.holds:
                is_held = time.monotonic() - self._called_at < self._hold_s
                with contextlib.suppress(CarError):  # the next call raises it
                    await (self._car.repeat() if is_held else self._car.send_zero())

    def _end(self) -> None:
        thread, self._thread = self._thread, None
        if thread:
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join()


async def _await(it: Awaitable[T]) -> T:
    return await it
