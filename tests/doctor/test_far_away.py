"""The doctor warns of a car that Tailscale opens to the internet; a fake `tailscale` answers as the real one does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from picar.config import ServerConfig
from picar.doctor import network
from picar.doctor.machine import Finding, Machine, run
from tests.doctor.trees import listen_nowhere

ON = {"AllowFunnel": {"car.tail1234.ts.net:443": True}}
SERVED = {"TCP": {"443": {"HTTPS": True}}, "Web": {"car.tail1234.ts.net:443": {"Handlers": {"/": {"Proxy": "http://127.0.0.1:80"}}}}}  # fmt: skip


def examined(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> list[Finding]:
    """Return the findings with this program `tailscale`."""
    program = folder / "tailscale"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return list(network.funnel(Machine(folder, run, listen_nowhere), ServerConfig(port=80)))


@pytest.mark.parametrize(
    ("config", "status"),
    [
        (SERVED | ON, "warning"),
        (SERVED | {"Foreground": {"6f1a": SERVED | ON}}, "warning"),  # a funnel without --bg
        (SERVED | {"AllowFunnel": {"car.tail1234.ts.net:443": False}}, "ok"),
        (SERVED, "ok"),
        ({}, "ok"),
        (None, "ok"),
    ],
)
def test_a_funnel_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: object, status: str
) -> None:
    told = json.dumps(config, indent=2)
    script = f'[ "$*" = "funnel status --json" ] || exit 2\ncat <<E\n{told}\nE'
    (finding,) = examined(tmp_path, monkeypatch, script)
    assert (finding.check, finding.status) == ("tailscale", status)
    assert ("tailscale serve --bg --https=443 http://127.0.0.1:80" in finding.fix) == (status == "warning")


def test_a_tailscale_that_does_not_run_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert examined(tmp_path, monkeypatch, "echo is Tailscale running? >&2; exit 1") == []


def test_without_tailscale_there_is_no_finding(tmp_path: Path) -> None:
    machine = Machine(tmp_path, lambda *_: None, listen_nowhere)
    assert list(network.funnel(machine, ServerConfig())) == []
