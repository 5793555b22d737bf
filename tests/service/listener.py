"""What systemd would hear: a real datagram socket."""

from __future__ import annotations

import contextlib
import socket
from types import TracebackType
from typing import Self


class Listener:
    """Listens at `address`, a path or "@name" in the abstract namespace."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def heard(self) -> list[str]:
        """Return every datagram so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._heard.append(self._socket.recv(4096).decode())
        return self._heard

    def feeds(self) -> int:
        """Return how often the watchdog was fed."""
        return self.heard().count("WATCHDOG=1")
