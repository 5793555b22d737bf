"""QEMU's monitor: asked from outside the guest, it answers whatever goes on inside."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.emulator.needs import Lacking
from tests.emulator.registers import BASE, WORDS, Pins, parse

_ANSWER_S = 30.0  # a host with other things to do
_READ_PINS = f"xp /{WORDS}wx {BASE:#x}"


class Monitor:
    """`with Monitor(socket_file) as monitor:`; one at a time, others wait for their turn.

    Args:
        path: where QEMU listens.

    Raises:
        Lacking: nobody listens, or somebody else is being served.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_ANSWER_S)
        folder = os.open(path.parent, os.O_PATH)
        try:  # a path of its own may be too long for a socket
            self._socket.connect(f"/proc/self/fd/{folder}/{path.name}")
        except OSError:
            self._socket.close()
            raise Lacking("the emulated Pi is not running: scripts/emulate-pi boot") from None
        finally:
            os.close(folder)
        self._unread = b""
        try:
            self._line()  # its greeting
        except Lacking:
            self.close()
            raise
        self._ask("qmp_capabilities")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave it to the next one."""
        self._socket.close()

    def pins(self) -> Pins:
        """Return functions and levels of all pins now."""
        return parse(self._ask("human-monitor-command", **{"command-line": _READ_PINS}))

    def quit(self) -> None:
        """End QEMU, like pulling the plug."""
        self._send("quit")

    def reset(self) -> None:
        """Restart the machine, like its reset button."""
        self._ask("system_reset")

    def _ask(self, command: str, **arguments: str) -> Any:
        self._send(command, **arguments)
        while True:  # events come in between
            answer = json.loads(self._line())
            if "error" in answer:
                raise RuntimeError(f"QEMU refuses {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def _send(self, command: str, **arguments: str) -> None:
        line = json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"
        with _answering():
            self._socket.sendall(line)

    def _line(self) -> bytes:
        while b"\n" not in self._unread:
            with _answering():
                data = self._socket.recv(65536)
            if not data:
                raise Lacking("the emulated Pi was switched off.")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise Lacking(
            "QEMU does not answer: somebody else reads the pins of the emulated Pi; end that `pins --watch` first."
        ) from None
    except OSError:
        raise Lacking("the emulated Pi was switched off.") from None
