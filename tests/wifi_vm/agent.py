"""In the guest, as root: carries out what a test on the host asks for. One JSON line each way, on a serial port.

Asked are `{"sh": TEXT, "timeout_s": N}`, a script for the shell, or `{"status": true}`, the watcher's facts. An answer has
`began` and `ended`, the guest's monotonic time.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import tty
from typing import Any

from picar.network import wifi


def shell(script: str, timeout_s: float) -> dict[str, Any]:
    """Run a script; what it leaves in the background needs a standard output of its own."""
    try:
        done = subprocess.run(
            ["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return {
            "code": -1,
            "out": f"{(error.stdout or b'').decode(errors='replace')}\nno end in {timeout_s} s",
        }
    return {"code": done.returncode, "out": done.stdout.decode(errors="replace")}


def status() -> dict[str, Any]:
    """Return the watcher's facts, empty without a watcher."""
    try:
        return {"status": asyncio.run(wifi.ask("status"))}
    except (OSError, ValueError):
        return {"status": {}}


def main(port: str) -> None:
    """Answer without end."""
    with open(port, "r+b", buffering=0) as line:  # noqa: PTH123
        tty.setraw(line.fileno())
        line.write(b'{"ready": true}\n')
        received = b""
        while part := line.read(4096):
            received += part
            if not received.endswith(b"\n"):
                continue
            asked, received = json.loads(received), b""
            began = time.monotonic()
            answer = shell(asked["sh"], asked["timeout_s"]) if "sh" in asked else status()
            whole = json.dumps(answer | {"began": began, "ended": time.monotonic()}).encode() + b"\n"
            while whole:
                whole = whole[line.write(whole) :]


if __name__ == "__main__":
    main(sys.argv[1])
