"""The cameras: `picar camera --list` looks for them in a process of its own. A fault of a camera is a warning: the car drives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from picar.config import CameraConfig
from picar.doctor.machine import Finding, Machine
from picar.program import command

_REAL = ("usb", "picamera2")
_LIBRARY = ("no_library", "hidden_library")


def cameras(machine: Machine, model: str | None, settings: CameraConfig) -> Iterator[Finding]:
    """Examine the cameras.

    Args:
        machine: the machine.
        model: of the Raspberry Pi, None elsewhere.
        settings: the section.
    """
    if settings.source == "off":
        yield Finding("camera", "ok", "switched off under [camera]")
        return
    found = _listed(machine, (settings.source,) if settings.source in _REAL else _REAL)
    if found is None:
        yield Finding(
            "camera", "warning", "the cameras cannot be listed", f"read why: {command('camera --list')}"
        )
        return
    lacking = [camera for camera in found if camera["code"] in _LIBRARY and settings.source not in _REAL]
    for camera in found:
        if camera not in lacking:
            yield _finding(camera)
    if not found and settings.source in _REAL:
        fix = 'plug it in, or write source = "auto" under [camera]'
        yield Finding(
            "camera", "warning", f"[camera] wants a {settings.source} camera, and none was found", fix
        )
    elif found == lacking:
        fix = lacking[0]["message"].rpartition("Run: ")[2] if model and lacking else ""
        yield Finding(
            "camera",
            "ok",
            "none found; the car drives without one",
            fix and f"for a camera at the Pi's connector: {fix}",
        )


def _finding(camera: dict[str, Any]) -> Finding:
    name = " ".join(
        filter(None, (camera["card"], camera["device"] and f"({camera['source']}, {camera['device']})"))
    )
    if camera["code"] is None:
        return Finding("camera", "ok", name)
    message, _, fix = camera["message"].partition(". ")
    return Finding("camera", "warning", f"{name}: {message}" if name else message, fix)


def _listed(machine: Machine, sources: Sequence[str]) -> list[dict[str, Any]] | None:
    """Return the cameras of these sources, and a source that cannot look for any; None if they cannot be listed."""
    answer = machine.ask(machine.interpreter, "-m", "picar", "camera", "--list", "--json")
    if answer is None or answer.code != 0:
        return None
    return [camera for camera in json.loads(answer.out) if camera["source"] in sources]
