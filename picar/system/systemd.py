"""What the system and this process say to each other: signals from it, sd_notify to it.

See sd_notify(3) and sd_watchdog_enabled(3). Without systemd nothing is said.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_OOM_SCORE = Path("/proc/self/oom_score_adj")
_OOM_SCORE_ADJ = 500  # of 1000: before the motor process and the machine's other programs
_FEEDS = 3  # in each interval of the watchdog: asked every 0.5 s, it is then fed every second of two


def catch_signals(on_signal: Callable[[], None]) -> None:
    """Call `on_signal` for every signal that asks to end; a hang-up that nohup ignores stays ignored."""
    for number in _ENDING:
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        signal.signal(number, lambda _number, _frame: on_signal())


def ignore_signals() -> None:
    """The end is near: a second signal changes nothing any more."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def notify(text: str) -> None:
    """Tell systemd `text`, one assignment a line. Neither raises nor waits: the car goes on without it."""
    import socket  # here, because the motor process needs the signals and not this

    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        s.sendto(text.encode(), address)


def writes_to_journal(fd: int, env: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this descriptor is systemd's journal (JOURNAL_STREAM in systemd.exec(5))."""
    with contextlib.suppress(OSError):
        found = os.fstat(fd)
        return env.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
    return False


def be_killed_first() -> None:
    """Make the kernel end this process before the motor process when memory runs out: that one then makes the pins low.

    To be called when the motor process has started: it keeps what both inherited, for example from a unit. Raising the
    value needs no right; where there is no such file, nothing changes (proc_pid_oom_score_adj(5)).
    """
    with contextlib.suppress(OSError):
        own = int(_OOM_SCORE.read_text())
        _OOM_SCORE.write_text(str(min(max(_OOM_SCORE_ADJ, own + 1), 1000)))


class Watchdog:
    """Systemd's watchdog over this process; nothing where it watches none, or another.

    Args:
        env: where systemd says how long it waits (WATCHDOG_USEC), and whom it watches (WATCHDOG_PID).
    """

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        wait_us, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
        ours = wait_us.isdecimal() and pid in ("", str(os.getpid()))  # a child inherits both
        self._pause_s = int(wait_us) / 1e6 / _FEEDS if ours else float("inf")
        self._due_at = 0.0 if ours else float("inf")

    def feed(self, now: float) -> None:
        """Say that all is well, when it is time to. Call it at least twice an interval, `now` monotonic."""
        if now >= self._due_at:
            self._due_at = now + self._pause_s
            notify("WATCHDOG=1")
