"""The cameras: `picar camera --list` looks for them in a process of its own. A fault of a camera is a warning: the car drives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from picar.config import Config
from picar.doctor.machine import Finding, Machine
from picar.program import command

_REAL = ("usb", "picamera2")
_LIBRARY = {"no_library", "hidden_library"}


def cameras(
    machine: Machine, model: str | None, settings: Config, config_flag: str | None
) -> Iterator[Finding]:
    """Examine the cameras; `model` is that of the Raspberry Pi, None elsewhere."""
    source, backend = settings.camera.source, settings.motors.backend
    if source == "auto" and (backend in ("sim", "mock") or (backend == "auto" and not model)):
        source = "sim"
    if source == "off":
        yield Finding("camera", "ok", "switched off under [camera]")
        return
    file = ("--config", config_flag) if config_flag else ()
    answer = machine.ask(machine.interpreter, "-m", "picar", "camera", "--list", "--json", *file)
    if answer is None or answer.code != 0:
        fix = f"read why: {command('camera --list')}"
        yield Finding("camera", "warning", "the cameras cannot be listed", fix)
        return
    is_wanted = source != "auto"
    wanted = (source,) if is_wanted else _REAL
    listed = [camera for camera in json.loads(answer.out) if camera["source"] in wanted]
    absent = {"missing"} if is_wanted else {"missing", *_LIBRARY}
    found = [camera for camera in listed if camera["code"] not in absent]
    yield from map(_finding, found)
    if found:
        return
    if is_wanted:
        what = f"[camera] wants a {source} camera, and none was found"
        yield Finding("camera", "warning", what, 'plug it in, or write source = "auto" under [camera]')
    else:
        missing = [
            camera["message"].rpartition("Run: ")[2] for camera in listed if camera["code"] in _LIBRARY
        ]
        fix = f"for a camera at the Pi's connector: {missing[0]}" if missing and model else ""
        yield Finding("camera", "ok", "none found; the car drives without one", fix)


def _finding(camera: dict[str, Any]) -> Finding:
    device = camera["device"] and f"({camera['source']}, {camera['device']})"
    name = " ".join(filter(None, (camera["card"], device)))
    if camera["code"] is None:
        return Finding("camera", "ok", name)
    message, _, fix = camera["message"].partition(". ")
    return Finding("camera", "warning", f"{name}: {message}" if name else message, fix)
