"""In the guest, in the phone's network namespace: a browser that pairs, asks, and drives.

Usage: python -m tests.wifi_vm.phone fetch URL [JSON [COOKIE]] | drive URL COOKIE
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import signal
import socket
import struct
import sys
import time
import urllib.error
import urllib.request

from tests.support.client import Client

RADIO = "wlan2"
_SET_FLAGS = 0x8914  # SIOCSIFFLAGS


def fetch(url: str, body: str = "", cookie: str = "") -> None:
    """Print status, cookie and text of an answer as JSON; with a body it is a POST."""
    headers = {"Content-Type": "application/json"} if body else {}
    headers |= {"Cookie": cookie} if cookie else {}
    request = urllib.request.Request(url, body.encode() or None, headers)  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=20)  # noqa: S310
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        given = (answer.headers["Set-Cookie"] or "").partition(";")[0]
        print(json.dumps({"status": answer.status, "cookie": given, "text": answer.read().decode()}))


async def drive(url: str, cookie: str) -> None:
    """Drive at full throttle. SIGUSR1 cuts the radio; then the time of the cut is printed."""
    cut = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, cut.set)
    async with Client(url, headers={"Cookie": cookie}) as phone:
        await phone.take()
        phone.hold(1.0)
        print("drives", flush=True)
        await cut.wait()
        at = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", RADIO.encode(), 0))
        print(json.dumps({"cut": at, "codes": phone.codes}), flush=True)
        await asyncio.sleep(600)


if __name__ == "__main__":
    if sys.argv[1] == "fetch":
        fetch(*sys.argv[2:])
    else:
        asyncio.run(drive(*sys.argv[2:]))
