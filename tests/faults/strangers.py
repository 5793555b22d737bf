"""Strangers who do their worst with request heads and bodies: `python -m tests.faults.strangers PORT [KIND ...]`.

Each of `COUNT` strangers sends all of a request but its end, and then all ends come in one go: the most work for one turn
of the car's loop. It prints a line after the first round of every kind, and goes on until it is killed.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time

from tests.support.descriptors import readable

COUNT = 32
BYTES = 16_000  # of a head above the limits
LEGAL_BYTES, LEGAL_LINES = 8_000, 97  # of a head just below them
TRICKLE_BYTES, TRICKLE_S = 1_500, 0.5  # in packets of one byte, behind what is there already
ANSWER_S = 1.0


def _head(more: str, line: str = "GET /api/v1/session HTTP/1.1") -> bytes:
    return f"{line}\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n{more}\r\n".encode()


def _cookies(size: int) -> str:
    return "Cookie: " + "; ".join(f"a{n}=b" for n in range(size // 9)) + "\r\n"


def _form(kind: str, body: str) -> bytes:
    about = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return _head(about, "POST /api/v1/pair HTTP/1.1") + body.encode()


KINDS = {
    "cookies": _head(_cookies(BYTES)),
    "short": _head("".join(f"x{n % 1000}:\r\n" for n in range(BYTES // 7))),
    "long": _head(f"X: {'a' * BYTES}\r\n"),
    "trickle": _head(f"X: {'a' * BYTES}\r\n"),
    "legal-cookies": _head(_cookies(LEGAL_BYTES - 200)),
    "legal-lines": _head(
        "".join(f"x-{n:02}-{'abc-' * 5}: {'y' * 50}\r\n" for n in range(LEGAL_LINES))[:LEGAL_BYTES] + "\r\n"
    ),
    "query": _head("", f"GET /?{'a&' * 990} HTTP/1.1"),
    "form": _form("application/x-www-form-urlencoded", "a&" * 990),
    "multipart": _form(
        "multipart/form-data; boundary=a",
        '--a\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 70 + "--a--\r\n",
    ),
}


def attack(port: int, kind: str, strangers: list[socket.socket]) -> None:
    """Do one round."""
    request = KINDS[kind]
    for n, stranger in enumerate(strangers):
        stranger.close()
        strangers[n] = socket.create_connection(("127.0.0.1", port))
        strangers[n].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    rest = TRICKLE_BYTES if kind == "trickle" else 4
    _tell(strangers, request[:-rest])
    give_up_at = time.monotonic() + TRICKLE_S
    while rest > 4 and time.monotonic() < give_up_at:
        _tell(strangers, request[-rest : -rest + 1])
        rest -= 1
    _tell(strangers, request[-rest:])
    give_up_at = time.monotonic() + ANSWER_S
    deaf = set(strangers)
    while deaf and time.monotonic() < give_up_at:
        deaf -= set(readable(deaf, 0.1))


def _tell(strangers: list[socket.socket], data: bytes) -> None:
    for stranger in strangers:
        with contextlib.suppress(OSError):  # the car has hung up
            stranger.sendall(data)


def main(port: str, *kinds: str) -> None:
    """Attack until killed."""
    strangers = [socket.socket() for _ in range(COUNT)]
    rounds = 0
    while True:
        for kind in kinds or KINDS:
            attack(int(port), kind, strangers)
        rounds += 1
        print(f"round {rounds}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
