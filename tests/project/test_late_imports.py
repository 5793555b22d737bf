"""A running server imports nothing: an import holds the event loop, for 0.2 s on a small Pi, and delays the driver's commands.

Every route and every message is used once; then the lines of `-X importtime` since the start are compared.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import picar.web
from tests.support.calibrations import NAMES
from tests.support.client import Client
from tests.support.household import Household
from tests.support.waiting import until

# At standstill only, with a write to the disk, which takes longer.
AT_A_CALIBRATION = {"tomllib", "tomllib._parser", "tomllib._re", "tomllib._types"}
# The output counts as the journal, as with the service: on a terminal, a start draws a QR code.
AS_A_SERVICE = """
import os, runpy, sys
found = os.fstat(1)
os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
runpy.run_module("picar", run_name="__main__", alter_sys=True)
"""
BODIES: dict[str, Any] = {
    "/": None,  # the tutorials' POST, which is off
    "/api/v1/invite": {},
    "/api/v1/recordings": {},
    "/api/v1/pair": {"pin": "000000"},
    "/api/v1/speed-cap": {"speed": 1.0},
    "/api/v1/stop": {},
    "/api/v1/lesson": {"scope": "all", "mode": "drive", "seq": 1, "text": "Go"},
    "/api/v1/fleet-cap": {"speed": 1.0},
    "/api/v1/power": {"action": "off"},
    "/api/v1/wifi": {"ssid": "Home", "pin": "000000"},
}
FOR_A_GARAGE = ("/api/v1/lesson", "/api/v1/fleet-cap")
ENDLESS = {"/stream.mjpg": "head"}  # the answer to GET has no end
CALIBRATION = {"swap": True, "left_trim": 0.9, "right_trim": 1.0, "min_duty": 0.0}


def routes() -> dict[str, Any]:
    """Return the paths of the OpenAPI description."""
    document = Path(picar.web.__file__).with_name("api") / "openapi.json"
    paths: dict[str, Any] = json.loads(document.read_text(encoding="utf-8"))["paths"]
    return paths


def imported(log: str) -> set[str]:
    """Return the modules in the lines of `-X importtime`."""
    lines = [line for line in log.splitlines() if line.startswith("import time:")]
    return {re.split(r"[| ]+", line.rstrip())[-1] for line in lines}


def holds(car: Household, words: str) -> bool:
    """Return whether the log holds these words."""
    return words in car.log()


async def test_a_server_that_runs_imports_nothing_whatever_is_asked_of_it() -> None:
    async with Household("local", host="all", program=("-X", "importtime", "-c", AS_A_SERVICE)) as car:
        await car.ask("GET", "/healthz")
        started = len(car.log())
        assert "tornado.websocket" in imported(car.log())
        garage = {"Authorization": f"Bearer {car.token('Room 3', 'garage')}"}
        for path, methods in routes().items():
            for described in methods:
                method = ENDLESS.get(path, described)
                body = BODIES[path] if method in ("post", "put") else None
                headers = garage if path in FOR_A_GARAGE else {}
                answer = await car.ask(method.upper(), path, body, headers | {"Accept-Encoding": "gzip"})
                assert answer.status < 500 or path in ("/api/v1/power", "/api/v1/wifi"), path
        async with Client(car.url) as phone:
            await phone.ask("take")
            await phone.until(lambda s: s["you"] == "driver")
            await phone.ask("reset")
            await phone.until(lambda s: s["state"] == "disarmed")
            await phone.ask("limit", speed=0.5)
            await phone.ask("record", on=True)
            await phone.until(lambda s: s["recording"] and s["recording"].get("s", 0) > 1)
            await phone.ask("record", on=False)
            await phone.until(lambda s: not s["recording"])
            for inverted in (True, False):
                values = {"left_invert": inverted, "right_invert": inverted, **CALIBRATION}
                assert values.keys() == set(NAMES)
                await phone.ask("calibrate", **values)
                words = f"left_invert={inverted}"
                await until(functools.partial(holds, car, words), "the calibration")
            await phone.ask("uncalibrate")
            await phone.jog("left", 0.0)
            await phone.until(lambda s: s["state"] == "armed")
            assert phone.codes == []
        assert imported(car.log()[started:]) <= AT_A_CALIBRATION
