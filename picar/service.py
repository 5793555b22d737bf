"""What the system says to a process: signals."""

from __future__ import annotations

import signal
from collections.abc import Callable

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def catch_signals(on_signal: Callable[[], None]) -> None:
    """Call `on_signal` for SIGTERM, SIGINT and SIGHUP; a hang-up that nohup ignores stays ignored."""
    for number in _ENDING:
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        signal.signal(number, lambda _number, _frame: on_signal())
