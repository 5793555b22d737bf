"""`picar`, and `python -m picar`."""

import os
import sys


def main() -> int:
    """Run the command line. Returns the exit code."""
    if sys.platform == "win32":
        print(
            "picar needs Linux or macOS. On Windows, install WSL (wsl --install) and run it there.",
            file=sys.stderr,
        )
        return 1
    _mend_streams()
    from picar.system.systemd import catch_signals, ignore_signals

    command = sys.argv[1:2]
    if command == ["pins-low"]:
        ignore_signals()  # from the first line: systemd sends SIGTERM to a process that starts slowly
    else:
        catch_signals(lambda: os._exit(0 if command == ["serve"] else 130))  # nothing has started yet
    from picar.commands import run

    return run()


def _mend_streams() -> None:
    """Make the three streams usable: open closed ones to nowhere, and escape characters that cannot be printed."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number: this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


if __name__ == "__main__":
    sys.exit(main())
