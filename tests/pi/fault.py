"""Runs in the emulated Pi, as root: when it is told to, raises a spare pin, and at once breaks something.

So the time from the one to the other is in the registers, and neither an ssh connection's nor that of a Python that starts.
It says when it is ready, and acts at the next line of its input.

    fault.py SIGNAL PID...      sends a signal
    fault.py run COMMAND...     becomes a command
"""

import mmap
import os
import signal
import sys

MARK = 26  # BCM; no wire of the car
BASE = 0x3F200000
GPFSEL, GPSET, GPCLR = 0x00, 0x1C, 0x28


def main() -> None:
    memory = os.open("/dev/mem", os.O_RDWR | os.O_SYNC)
    words = memoryview(mmap.mmap(memory, 4096, offset=BASE)).cast("I")
    select, shift = GPFSEL // 4 + MARK // 10, MARK % 10 * 3
    words[GPCLR // 4] = 1 << MARK
    words[select] = words[select] & ~(0b111 << shift) | 0b001 << shift
    what, *rest = sys.argv[1:]
    pids = [int(pid) for pid in rest] if what != "run" else []
    print("ready", flush=True)
    if not sys.stdin.readline():
        return  # the test has given up
    words[GPSET // 4] = 1 << MARK
    for pid in pids:
        os.kill(pid, signal.Signals[f"SIG{what}"])
    if what == "run":
        os.execvp(rest[0], rest)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
