"""Schemathesis asks the running car what its description promises, and what it forbids."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import picar.web
from tests.support.household import Household

CONFIG = Path(__file__).with_name("schemathesis.toml")
DESCRIPTION = Path(picar.web.__file__).with_name("api") / "openapi.json"
LONG = os.environ.get("PICAR_FUZZ") == "long"
EXAMPLES = 5000 if LONG else 15  # per operation, beside those that cover each parameter's limits
CLASSIC = "[classic]\nenabled = true\n" if importlib.util.find_spec("picar.web.bridges") else ""
DEADLINE_S = 24 * 3600 if LONG else 60

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("schemathesis") is None, reason="schemathesis has no wheel for this machine"
    ),
]


@pytest.fixture
async def house() -> AsyncIterator[Household]:
    async with Household(config=CLASSIC) as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


def described() -> dict[str, Any]:
    """Return the description, without the tutorials' POST if its folder was deleted."""
    found: dict[str, Any] = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    if not CLASSIC:
        del found["paths"]["/"]["post"]
    return found


async def schemathesis(house: Household, token: str, *options: str) -> str:
    """Run schemathesis against the car, and return what it printed once it found nothing wrong."""
    chosen = ("--seed", "random") if LONG else ("--generation-deterministic",)
    description = house.folder / "openapi.json"
    description.write_text(json.dumps(described()), encoding="utf-8")
    command = ["--config-file", str(CONFIG), "run", str(description), "--url", house.url]
    command += ["--continue-on-failure", f"--max-examples={EXAMPLES}", *chosen, *options]
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        *command,
        cwd=house.folder,
        env=os.environ | {"PICAR_AUTHORIZATION": f"Bearer {token}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_a_paired_script_finds_every_answer_as_described(house: Household) -> None:
    said = await schemathesis(house, house.token("schemathesis"))
    assert "No issues found" in said
    but_the_stream = sum(len(methods) for methods in described()["paths"].values()) - 1
    assert f"Tested: {but_the_stream}" in said


async def test_a_stranger_who_guesses_pins_finds_every_answer_as_described(house: Household) -> None:
    said = await schemathesis(house, "none", "--include-path=/api/v1/pair")
    assert "No issues found" in said
    assert house.names() == []
    assert "a wrong PIN from" in house.log()
