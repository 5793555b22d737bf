"""A neighbour who opens idle connections, and slow phones that want the page: `unshare -rn python -m tests.faults.neighbour`.

Runs the real car in a network of its own (user and network namespaces, or root). In each try the neighbour opens a
connection every 2 ms, and a phone of the same network connects and sends its request later. It prints how many phones
got the page.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NETWORKS = {"ipv6": "fd00:16::/64", "ipv4": "10.16.0.0/16"}
CAR = {"ipv6": "fd00:16::1", "ipv4": "10.16.0.1"}
PHONE = {"ipv6": "fd00:16::2", "ipv4": "10.16.0.2"}
PORT = 8016
EVERY_S = 0.002
HEADSTART_S = 1.5  # of the neighbour, to fill what can be filled
SLOW_S = (0.3, 0.8)  # from a phone's connection to its request
PATIENCE_S = 10.0
IPV6_FREEBIND = 78  # linux/in6.h


def one_address(family: str) -> str:
    """Return the address of a neighbour who has one."""
    return "fd00:16::bad" if family == "ipv6" else "10.16.0.66"


def any_address(family: str) -> str:
    """Return another address of a neighbour who rotates."""
    if family == "ipv6":
        return f"fd00:16::{random.randrange(1 << 16):x}:{random.randrange(1 << 16):x}:{random.randrange(1, 1 << 16):x}"
    return f"10.16.{random.randrange(1, 255)}.{random.randrange(1, 255)}"


def connected_from(family: str, ip: str) -> socket.socket:
    """Begin a connection from this address to the car."""
    one = socket.socket(socket.AF_INET6 if family == "ipv6" else socket.AF_INET)
    one.setblocking(False)
    level, option = (
        (socket.IPPROTO_IPV6, IPV6_FREEBIND)
        if family == "ipv6"
        else (socket.IPPROTO_IP, socket.IP_TRANSPARENT)
    )
    with contextlib.suppress(PermissionError):
        one.setsockopt(level, option, 1)
    one.bind((ip, 0))
    with contextlib.suppress(BlockingIOError):
        one.connect((CAR[family], PORT))
    return one


async def crowd_out(family: str, rotates: bool, says: bytes) -> None:
    """Open a connection every 2 ms until cancelled; the oldest are let go when there are thousands."""
    mine: list[socket.socket] = []
    began = time.monotonic()
    try:
        for n in itertools.count(1):
            mine.append(connected_from(family, any_address(family) if rotates else one_address(family)))
            if says and len(mine) > 5:
                with contextlib.suppress(OSError):
                    mine[-5].send(says)
            if len(mine) > 3000:
                mine.pop(0).close()
            await asyncio.sleep(max(0.0, began + n * EVERY_S - time.monotonic()))
    finally:
        print(f"  {len(mine)} connections, one every {(time.monotonic() - began) / n * 1e3:.1f} ms")
        for one in mine:
            one.close()


async def gets_in(family: str, slow_s: float) -> bool:
    """Connect as a phone, ask later, and return whether the page came."""
    loop = asyncio.get_running_loop()
    with connected_from(family, PHONE[family]) as phone:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.sleep(slow_s)
                host = f"[{CAR[family]}]" if family == "ipv6" else CAR[family]
                await loop.sock_sendall(phone, f"GET / HTTP/1.1\r\nHost: {host}:{PORT}\r\n\r\n".encode())
                return (await loop.sock_recv(phone, 4096)).startswith(b"HTTP/1.1 200 ")
        except (OSError, TimeoutError):
            return False


async def tries(family: str, rotates: bool, says: bytes, count: int) -> int:
    """Return how many of so many phones got the page, one after the other."""
    neighbour = asyncio.create_task(crowd_out(family, rotates, says))
    await asyncio.sleep(HEADSTART_S)
    slow = [SLOW_S[0] + (SLOW_S[1] - SLOW_S[0]) * n / max(1, count - 1) for n in range(count)]
    got = [await gets_in(family, slow_s) for slow_s in slow]
    neighbour.cancel()
    await asyncio.gather(neighbour, return_exceptions=True)
    return sum(got)


def set_up() -> None:
    """Make both networks local to this machine's loopback."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for network in NETWORKS.values():
        subprocess.run(["ip", "route", "add", "local", network, "dev", "lo"], check=True)


async def main() -> None:
    """Run all kinds of neighbour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=20)
    count = parser.parse_args().tries
    set_up()
    for family in NETWORKS:
        with tempfile.TemporaryDirectory() as tmp:
            config = Path(tmp) / "picar.toml"
            config.write_text('[access]\npairing = "on"\n')
            env = os.environ | {"STATE_DIRECTORY": tmp, "XDG_RUNTIME_DIR": tmp}
            host = ["--host", "::" if family == "ipv6" else "0.0.0.0", "--port", str(PORT)]
            car = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "picar", "serve", "--pins", "mock", *host, "--config", str(config), env=env,
                stdout=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            try:
                give_up_at = time.monotonic() + PATIENCE_S
                while not await gets_in(family, 0.0):
                    assert time.monotonic() < give_up_at, "the car does not serve"
                    await asyncio.sleep(0.1)
                for says in (b"", b"G"):
                    for rotates in (False, True):
                        got = await tries(family, rotates, says, count)
                        kind = "rotates its address" if rotates else "has one address"
                        print(f"{family}: a neighbour {kind}, sends {says!r}: {got} of {count}", flush=True)
            finally:
                car.terminate()
                await car.wait()


if __name__ == "__main__":
    asyncio.run(main())
