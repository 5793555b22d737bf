"""rosbridge with the programs of ROS users: npm roslib, PyPI roslibpy. Skipped where they are not installed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import sys
from typing import Any

import pytest

from tests.peers.tools import HERE, node, npm
from tests.support.household import Household
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.peers


def own_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


async def output_of(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=HERE.parents[1], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(2 * DEADLINE_S):
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


@pytest.mark.parametrize("kind", ["geometry_msgs/Twist", "geometry_msgs/msg/TwistStamped"])
@pytest.mark.parametrize("path", ["port", "/rosbridge"])
@pytest.mark.parametrize("package", ["roslib1", "roslib2"])
async def test_roslib_drives_and_stops(package: str, path: str, kind: str) -> None:
    npm(package)
    port = own_port()
    async with Household("on", f"[rosbridge]\nenabled = true\nport = {port}\n") as car:
        address = f"127.0.0.1:{port}/" if path == "port" else f"127.0.0.1:{car.port}{path}"
        url = f"ws://{address}?token={car.token('page')}"
        lines = await output_of(node(), str(HERE / "roslib.mjs"), package, url, kind)
        texts = [line for line in lines.splitlines() if line.startswith("{")]
        steps: dict[str, Any] = {one["step"]: one["value"] for one in map(json.loads, texts)}
        assert "error" not in steps
        assert "/cmd_vel" in steps["topics"]["topics"]
        assert len(steps["raw types"]["typedefs_full_text"]) == len(steps["raw types"]["topics"])
        assert steps["state"] == "armed"
        assert any(write["value"] for write in car.trace() if write["pin"] == 12)
        assert steps["stop"]["success"] is True
        assert "no such service: /reboot" in steps["unknown"]
        await car.until_low()


@pytest.mark.parametrize("transport", ["twisted", "asyncio"])
async def test_roslibpy_drives_and_stops(transport: str) -> None:
    if importlib.util.find_spec("roslibpy") is None:
        pytest.skip("needs roslibpy: pip install -e '.[peers]'")
    async with Household("on", "[rosbridge]\nenabled = true\nport = 0\n") as car:
        url = f"ws://127.0.0.1:{car.port}/rosbridge"
        lines = await output_of(
            sys.executable, "-m", "tests.peers.roslibpy_drive", url, car.token("script"), transport
        )
        result = json.loads(lines.splitlines()[-1])
        assert "armed" in result["states"]
        assert any(write["value"] for write in car.trace() if write["pin"] == 12)
        assert result["stop"]["success"] is True
        assert "no such service: /reboot" in result["unknown"]
        await car.until_low()
