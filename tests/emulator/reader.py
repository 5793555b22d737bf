"""Reads the pins of the emulated Pi as often as QEMU answers, in a thread of its own."""

from __future__ import annotations

import bisect
import threading
import time
from types import TracebackType
from typing import Self

from tests.emulator.machine import Machine
from tests.emulator.readings import Reading

_REST_S = 0.003  # the guest's devices stand still while its pins are read


class Reader:
    """`with Reader(machine) as reader:` reads until the end of the block.

    Args:
        machine: a running one.
    """

    def __init__(self, machine: Machine) -> None:
        self.readings: list[Reading] = []
        self._monitor = machine.monitor()
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="pins")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._monitor.close()
        if self._failure and not error:
            raise self._failure

    def since(self, t: float) -> list[Reading]:
        """Return the readings from this time on."""
        return self.readings[bisect.bisect_left(self.readings, t, key=lambda reading: reading.t) :]

    def drives(self) -> bool:
        """Tell whether an enable pin was high in the newest reading."""
        self._must_read()
        return bool(self.readings) and self.readings[-1].drives

    def rose(self, bcm: int) -> bool:
        """Tell whether a pin that was low in the first reading is driven high in the newest."""
        self._must_read()
        first, newest = self.readings[0].pins, self.readings[-1].pins
        return newest.drives(bcm) > first.drives(bcm)

    def is_low(self, for_s: float = 0.1) -> bool:
        """Tell whether no enable pin was high for so long: longer than the low half of a wave."""
        self._must_read()
        now = time.monotonic()
        newest = self.since(now - for_s)
        begun = bool(self.readings) and self.readings[0].t <= now - for_s
        return begun and len(newest) > 1 and not any(reading.drives for reading in newest)

    def _must_read(self) -> None:
        if self._failure:
            raise self._failure

    def _read(self) -> None:
        try:
            while not self._over.is_set():
                pins = self._monitor.pins()
                self.readings.append(Reading(time.monotonic(), pins))
                time.sleep(_REST_S)
        except BaseException as failure:  # raised where somebody asks, at the latest where the block ends
            self._failure = failure
