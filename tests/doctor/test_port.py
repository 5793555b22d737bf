"""The port: whoever has it is told from a running picar, however odd they are."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from picar.config import ServerConfig
from picar.doctor.machine import Machine, run
from picar.doctor.network import port
from picar.errors import ServeError

SPEAKS = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    try:
        connection.recv(4096)
        for piece in sys.argv[1:]:
            connection.sendall(piece.encode())
        while "drip" in sys.argv:
            connection.sendall(b"x")
            time.sleep(0.05)
    except OSError:
        pass
    connection.close()
"""


def listen(server: ServerConfig) -> list[socket.socket]:
    """Listen as picar does, but leave no socket to the garbage collector as Tornado does when it fails."""
    try:
        return [socket.create_server((server.host, server.port))]
    except OSError as error:
        raise ServeError(f"It cannot listen ({error.strerror}). Mend it.") from None


@pytest.fixture
def stranger(request: pytest.FixtureRequest) -> Iterator[int]:
    """Another program on a port, in a process of its own."""
    command = [sys.executable, "-c", SPEAKS, *request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize(
    "stranger",
    [(), ("nonsense",), ('HTTP/1.0 200 OK\r\n\r\n{"error": "x"}',), ("HTTP/1.0 200 OK\r\n\r\n", "drip")],
    ids=["silent", "nonsense", "json", "for ever"],
    indirect=True,
)
def test_another_program_on_the_port_is_a_problem_and_told_soon(stranger: int) -> None:
    begun = time.monotonic()
    found = port(Machine(Path("/"), run, listen), ServerConfig(host="127.0.0.1", port=stranger))
    assert (found.status, f"sport = :{stranger}" in found.fix) == ("problem", True)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    "stranger", [('HTTP/1.0 503 X\r\n\r\n{"error": {"code": "motor_silent", "message": ""}}',)], indirect=True
)
def test_a_picar_whose_motor_process_is_silent_is_a_picar_all_the_same(stranger: int) -> None:
    found = port(Machine(Path("/"), run, listen), ServerConfig(host="127.0.0.1", port=stranger))
    assert found.status == "ok"


def test_a_free_port_is_free_again_afterwards() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number = probe.getsockname()[1]
    server = ServerConfig(host="127.0.0.1", port=number)
    assert [port(Machine(Path("/"), run, listen), server).status for _ in range(2)] == ["ok", "ok"]


def test_an_address_of_somebody_else_is_a_problem() -> None:
    found = port(Machine(Path("/"), run, listen), ServerConfig(host="203.0.113.9", port=0))
    assert (found.status, "Cannot assign" in found.message) == ("problem", True)
    assert found.fix
