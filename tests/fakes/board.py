"""A header in a folder: lines that any number of processes drive, and that outlive them.

As on Raspberry Pi OS a line keeps its level when its process dies. A wave is a line that is high: that
is how a killed one may freeze.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

VARIABLE = "PICAR_FAKE_BOARD"
NOWHERE = "nowhere"  # lines without a board, for measuring the cost of a backend itself
_held: set[int] = set()


class Board:
    """The lines in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def here(cls) -> Board:
        """Return the one of this process."""
        folder = os.environ[VARIABLE]
        return _NO_BOARD if folder == NOWHERE else cls(Path(folder))

    def drive(self, bcm: int, level: float) -> None:
        """Make the line an output of this level, once whoever told `gate` has opened that FIFO."""
        gate = self.folder / "gate"
        if gate.exists():
            gate.read_bytes()
        if self.says("broken", str(bcm)):
            raise OSError(5, f"GPIO {bcm} does not answer")
        self._put(bcm, f"out {1 if level else 0}")

    def float_(self, bcm: int) -> None:
        """Make the line an input without a pull."""
        self._put(bcm, "in  0")

    def line(self, bcm: int) -> str:
        """Return `out 0`, `out 1` or `in  0`."""
        file = self.folder / f"line{bcm}"
        return file.read_text() if file.exists() else "in  0"

    def hold(self, bcm: int) -> int:
        """Take the line for this process, until `release`; BlockingIOError when another has it."""
        fd = os.open(self.folder / f"line{bcm}.owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise
        _held.add(fd)
        return fd

    @staticmethod
    def release(fd: int) -> None:
        """Release a line."""
        _held.remove(fd)
        os.close(fd)

    @classmethod
    def release_all(cls) -> None:
        """Release the lines of this process, as its end does: picar's backends keep them until then."""
        for fd in tuple(_held):
            cls.release(fd)

    def note(self, *call: object) -> None:
        """Write down a call of the library."""
        with (self.folder / "calls").open("a") as file:
            file.write(
                " ".join(f"{word:g}" if isinstance(word, float) else str(word) for word in call) + "\n"
            )

    def calls(self) -> list[str]:
        """Return the calls so far."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def tell(self, what: str, *words: str) -> None:
        """Make something so: `broken 12`, `chips 4:pinctrl-rp1`."""
        (self.folder / what).write_text(" ".join(words))

    def words(self, what: str) -> list[str] | None:
        """Return the words of that file, or None without one."""
        file = self.folder / what
        return file.read_text().split() if file.exists() else None

    def says(self, what: str, word: str) -> bool:
        """Tell whether this was told."""
        return word in (self.words(what) or [])

    def _put(self, bcm: int, text: str) -> None:
        fd = os.open(self.folder / f"line{bcm}", os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(fd, text.encode(), 0)  # always five bytes: a reader never sees half of it
        os.close(fd)


class _NoBoard(Board):
    def drive(self, bcm: int, level: float) -> None:
        pass

    def note(self, *call: object) -> None:
        pass

    def hold(self, bcm: int) -> int:
        fd = os.open(os.devnull, os.O_RDONLY)
        _held.add(fd)
        return fd

    def words(self, what: str) -> list[str] | None:
        return None


_NO_BOARD = _NoBoard(Path(NOWHERE))
