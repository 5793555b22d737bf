"""Signals from the system, and notifications to systemd: sd_notify(3), sd_watchdog_enabled(3). Without systemd, none is sent."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_OOM_SCORE = "/proc/self/oom_score_adj"
_OOM_SCORE_ADJ = 500  # of 1000: higher than the motor process and the machine's other programs
_FEEDS = 3  # in each interval of the watchdog


def catch_signals(on_signal: Callable[[], None]) -> None:
    """Call `on_signal` for every signal that ends a process; a hang-up that nohup ignores stays ignored."""
    for number in _ENDING:
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        signal.signal(number, lambda _number, _frame: on_signal())


def ignore_signals() -> None:
    """Ignore all signals from now on: the process is ending."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def notify(text: str) -> None:
    """Send `text` to systemd, one assignment a line. Neither raises nor waits: the car drives without it."""
    import socket  # here, because the motor process does not need it

    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        s.sendto(text.encode(), address)


def writes_to_journal(fd: int, env: Mapping[str, str] = os.environ) -> bool:
    """Return whether this descriptor is systemd's journal (JOURNAL_STREAM in systemd.exec(5))."""
    with contextlib.suppress(OSError):
        found = os.fstat(fd)
        return env.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
    return False


def be_killed_first() -> None:
    """Make the kernel end this process before the motor process when memory runs out, so that the pins go low.

    Call this after the start of the motor process, which keeps the inherited value. Raising the value needs no right;
    without such a file, nothing changes (proc_pid_oom_score_adj(5)).
    """
    with contextlib.suppress(OSError), open(_OOM_SCORE, "r+") as file:  # noqa: PTH123
        own = int(file.read())
        file.write(str(min(max(_OOM_SCORE_ADJ, own + 1), 1000)))


class Watchdog:
    """Systemd's watchdog over this process; does nothing if systemd watches no process or another one.

    Args:
        env: holds the interval (WATCHDOG_USEC) and the watched process (WATCHDOG_PID).
    """

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        wait_us, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
        ours = wait_us.isdecimal() and pid in ("", str(os.getpid()))  # a child inherits both
        self._pause_s = int(wait_us) / 1e6 / _FEEDS if ours else float("inf")
        self._due_at = 0.0 if ours else float("inf")

    def feed(self, now: float) -> None:
        """Notify systemd when it is due. Call this at least twice in each interval; `now` is monotonic."""
        if now >= self._due_at:
            self._due_at = now + self._pause_s
            notify("WATCHDOG=1")
