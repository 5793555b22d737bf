"""nginx and Caddy in front of a car, with the lines of docs/access.md."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.raw import ask
from tests.support.waiting import DEADLINE_S

ACCESS = Path(__file__).parents[2] / "docs" / "access.md"
_NGINX = """daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
{lines}
}}
"""


def lines_for(proxy: str) -> str:
    """Return the lines that the documentation gives for nginx or caddyfile."""
    found = re.findall(rf"```{proxy}\n(.*?)```", ACCESS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) == 1, proxy
    return str(found[0])


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def nginx(car_port: int, lines: str) -> AsyncIterator[int]:
    """Run nginx in front of a car, and give its port; skip where it is not installed."""
    port = free_port()
    lines = lines.replace("listen 80;", f"listen 127.0.0.1:{port};").replace(":8000", f":{car_port}")
    with tempfile.TemporaryDirectory(prefix="picar-test-") as folder:
        config = _written(folder, _NGINX.format(folder=folder, lines=lines))
        async with _running(port, "nginx", "-p", folder, "-e", f"{folder}/log", "-c", config):
            yield port


@contextlib.asynccontextmanager
async def caddy(car_port: int, lines: str) -> AsyncIterator[int]:
    """Run Caddy in front of a car, and give its port; skip where it is not installed."""
    port = free_port()
    lines = lines.replace("http://car.example", f"http://car.example:{port}").replace(":8000", f":{car_port}")
    with tempfile.TemporaryDirectory(prefix="picar-test-") as folder:
        config = _written(folder, f"{{\n    admin off\n    storage file_system {folder}\n}}\n{lines}")
        async with _running(port, "caddy", "run", "--config", config, "--adapter", "caddyfile"):
            yield port


def _written(folder: str, text: str) -> str:
    file = Path(folder, "config")
    file.write_text(text, encoding="utf-8")
    return str(file)


@contextlib.asynccontextmanager
async def _running(port: int, *command: str) -> AsyncIterator[None]:
    program = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin")
    if program is None:
        pytest.skip(f"no {command[0]} here: apt-get install {command[0]}")
    process = await asyncio.create_subprocess_exec(
        program, *command[1:], stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                assert process.returncode is None, f"{command[0]} ended"
                with contextlib.suppress(OSError):
                    await ask(("127.0.0.1", port), "GET", "/", {"Host": "nobody.example"})
                    break
                await asyncio.sleep(0.05)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
