"""Listening: on both IP versions unless told otherwise, and what is printed answers."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from picar.config import ServerConfig
from picar.errors import ServeError
from picar.web.server import listen


@contextlib.contextmanager
def listening(host: str, port: int = 0) -> Iterator[list[tuple[socket.AddressFamily, int]]]:
    """Listen, and yield the IP version and port of each socket."""
    sockets = listen(ServerConfig(host=host, port=port))
    try:
        yield [(one.family, one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def test_all_is_both_ip_versions_on_one_port() -> None:
    with listening("all") as found:
        assert [family for family, _ in found] == [socket.AF_INET, socket.AF_INET6]
        assert len({port for _, port in found}) == 1
        port = found[0][1]
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("::1", port)):
            pass
    assert ServerConfig().host == "all"


def test_an_unspecified_address_is_its_own_ip_version_alone() -> None:
    with listening("0.0.0.0") as four, listening("::", port=four[0][1]) as six:
        assert four == [(socket.AF_INET, four[0][1])]
        assert six == [(socket.AF_INET6, four[0][1])]


def test_a_port_that_is_busy_for_ipv6_alone_is_busy() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServeError, match=f"Port {port} is in use"):
            listen(ServerConfig(port=port))
        with listening("0.0.0.0", port) as found:  # and IPv4's socket was given back
            assert found == [(socket.AF_INET, port)]


def test_any_free_port_is_free_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first port that IPv4 gets is busy for IPv6."""
    others: list[socket.socket] = []

    class Disturbed(socket.socket):
        def bind(self, address: Any) -> None:
            super().bind(address)
            if self.family == socket.AF_INET and not others:
                others.append(socket.create_server(("::", self.getsockname()[1]), family=socket.AF_INET6))

    monkeypatch.setattr(socket, "socket", Disturbed)
    with listening("all") as found:
        assert [family for family, _ in found] == [socket.AF_INET, socket.AF_INET6]
        assert len({port for _, port in found}) == 1
        assert found[0][1] != others[0].getsockname()[1]
    others[0].close()


def test_a_machine_without_ipv6_serves_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    class Only4(socket.socket):
        def __init__(self, family: int = -1, *rest: Any, **more: Any) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, *rest, **more)

    monkeypatch.setattr(socket, "socket", Only4)
    with listening("all") as found:
        assert [family for family, _ in found] == [socket.AF_INET]


IN_A_NETWORK_OF_ITS_OWN = r"""
import json, re, subprocess, sys, urllib.request
wanted, host = sys.argv[1].split(), sys.argv[2]
def ip(*words):
    subprocess.run(["ip", *words], check=True)
ip("link", "set", "lo", "up")
ip("link", "add", "wlan0", "type", "veth", "peer", "name", "router")
for name in ("wlan0", "router"):
    ip("link", "set", name, "up")
for address in wanted:
    ip("address", "add", address, "dev", "wlan0", *["nodad"] * (":" in address))
command = [sys.executable, "-m", "picar", "serve", "--pins", "mock", "--port", "0", "--host", host]
with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as car:
    lines = []
    for line in car.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    opened = [line.split()[1] for line in lines if line.startswith("  open")]
    typed = re.findall(r"or type (\S+) and then", "".join(lines))
    answers = [urllib.request.urlopen(url + "/healthz", timeout=10).status for url in opened]
    car.terminate()
print(json.dumps([opened, typed, answers]))
"""


@pytest.mark.parametrize(
    ("network", "host", "shown"),
    [
        ("2001:db8::7/64 fd00:1234::7/64", "all", ["[2001:db8::7]", "[fd00:1234::7]", "127.0.0.1"]),
        ("192.168.7.7/24 fd00:1234::7/64", "all", ["192.168.7.7", "[fd00:1234::7]", "127.0.0.1"]),
        ("192.168.7.7/24 fd00:1234::7/64", "::", ["[fd00:1234::7]", "[::1]"]),
    ],
    ids=["IPv6 only", "both", "told to be IPv6 only"],
)
def test_what_is_printed_answers_and_the_first_is_for_the_phone(
    network: str, host: str, shown: list[str], tmp_path: Any
) -> None:
    """In a network namespace with a WiFi of these addresses."""
    if subprocess.run(["unshare", "--net", "ip", "link"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace may be made here; it takes root, unshare and ip")
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", IN_A_NETWORK_OF_ITS_OWN, network, host],
        env={
            "STATE_DIRECTORY": str(tmp_path),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PICAR_ACCESS__PAIRING": "on",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    opened, typed, answers = json.loads(done.stdout.splitlines()[-1])
    assert [url.removeprefix("http://").rpartition(":")[0] for url in opened] == shown
    assert typed == opened[:1]
    assert answers == [200] * len(opened)
