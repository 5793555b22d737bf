"""One WebSocket as the rest of the server sees it, and the frame that many of them can share."""

from __future__ import annotations

import struct
from typing import Protocol


class Wire(Protocol):
    """One connection. Nothing here waits for it."""

    def send(self, text: str) -> bool:
        """Send, unless what was sent before is still on its way. Returns whether it was sent."""
        ...

    def pass_on(self, frame: bytes) -> bool:
        """Send a frame of `text_frame`, on the same terms."""
        ...

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection."""
        ...

    def drop(self) -> None:
        """Hang up without a word, on one that does not listen."""
        ...


def text_frame(text: str) -> bytes:
    """Return a server's whole text frame (RFC 6455 §5.2), made once for all who get it."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload
