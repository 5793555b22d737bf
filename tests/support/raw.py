"""HTTP on a bare socket: whatever headers a test wants, as they are, and the answer."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.waiting import DEADLINE_S

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; the names of its headers are in lower case. A line break in a value separates two headers of a name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error, empty where it is none."""
        if self.status < 400 or not self.body:
            return ""
        error = self.json["error"]
        assert error.keys() == {"code", "message"}
        assert error["message"].endswith((".", "pair")), error  # a sentence, or one that ends with a command
        return str(error["code"])


async def ask(
    address: tuple[str, int],
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    secure: ssl.SSLContext | None = None,
) -> Answer:
    """Send one request on a connection of its own, and return the answer.

    Args:
        address: where the car listens.
        method: of the request.
        path: of the request.
        headers: sent as they are; `Host` is the address unless it is among them, and left out where it is empty.
            A line break in a value makes two headers of a name.
        body: sent with its length.
        secure: the client's context of TLS; None for plain http.
    """
    host, port = address
    given = {"Host": f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "Connection": "close"}
    given |= headers or {}
    if body is not None:
        given.setdefault("Content-Length", str(len(body)))
    lines = [
        f"{name}: {one}"
        for name, value in given.items()
        for one in value.split("\n")
        if name != "Host" or one
    ]
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
    reader, writer = await asyncio.open_connection(host, port, ssl=secure)
    try:
        async with asyncio.timeout(DEADLINE_S):
            writer.write(head.encode("utf-8") + (body or b""))
            return await read_answer(reader, method)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader, method: str = "GET") -> Answer:
    """Read one answer; after a 101 what follows stays unread."""
    status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    status = int(status_line.split(" ")[1])
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        before = headers.get(name.lower())
        headers[name.lower()] = value.strip() if before is None else f"{before}\n{value.strip()}"
    if status in (101, 204, 304) or method == "HEAD":
        return Answer(status, headers, b"")
    if "content-length" in headers:
        return Answer(status, headers, await reader.readexactly(int(headers["content-length"])))
    if headers.get("transfer-encoding") == "chunked":
        return Answer(status, headers, await _read_chunks(reader))
    return Answer(status, headers, await reader.read())


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    return body
