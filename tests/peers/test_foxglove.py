"""Foxglove WebSocket with Foxglove's own client, npm @foxglove/ws-protocol. Skipped where it is not installed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from picar.access.store import AccessStore
from tests.peers.test_rosbridge import output_of
from tests.peers.tools import HERE, node, npm
from tests.support.household import Household

pytestmark = pytest.mark.peers


async def test_foxgloves_own_client_receives_every_channel() -> None:
    npm("@foxglove/ws-protocol", "ws")
    config = '[foxglove]\nenabled = true\n[camera]\nsource = "test"\n'
    async with Household("on", config) as car:
        store = AccessStore(car.state)
        token = store.credential(store.pair("screen", "view"))
        url = f"ws://127.0.0.1:{car.port}/foxglove?token={token}"
        lines = await output_of(node(), str(HERE / "foxglove.mjs"), url)
        steps: dict[str, Any] = {one["step"]: one["value"] for one in map(json.loads, lines.splitlines())}
        assert not {"error", "status"} & set(steps)
        assert steps["info"]["capabilities"] == []
        topics = {channel["topic"] for channel in steps["channels"]}
        assert topics >= {"/picar/state", "/picar/cmd", "/picar/wheels", "/camera", "/log"}
        assert topics <= set(steps)
        assert steps["/picar/state"]["message"]["state"] == "disarmed"
