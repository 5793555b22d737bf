"""`picar camera`: it starts the same process as the server does, and works beside a running server with another camera."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from picar import configfile
from picar.camera.frames import NOTICE, oriented
from picar.camera.handle import order_of
from picar.camera.process import frames
from picar.camera.sources import Order, Trouble, missing, not_installed
from picar.config import Config
from picar.errors import FileError, UsageError
from picar.program import command
from picar.raspberrypi import raspberry_pi_model

LIST_S, SNAPSHOT_S = 30.0, 15.0
_SETTLE_S = 1.0  # for the exposure
_ENDINGS = (".jpg", ".jpeg")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="name the cameras, and why one cannot be used")
    what.add_argument("--snapshot", metavar="FILE", help="write one picture into this file, *.jpg")
    parser.add_argument(
        "--json", action="store_true", help="with --list: source, device, card, code, message"
    )
    parser.add_argument("--config", metavar="FILE", help="the configuration; default as for serve")


def run(options: argparse.Namespace) -> int:
    """List the cameras of this machine, or take one picture."""
    settings = configfile.load(configfile.find_file(options.config))
    if options.snapshot is not None:
        _snapshot(Path(options.snapshot), settings)
        return 0
    source = settings.camera.source
    found = [camera for camera in cameras() if source in ("auto", "off", camera["source"])]
    print(json.dumps(found, ensure_ascii=False, indent=2) if options.json else "\n".join(map(_line, found)))
    return 0


def cameras() -> list[dict[str, Any]]:
    """Return the notice of each camera, and of each source without one."""
    found: list[dict[str, Any]] = []
    try:
        found.extend(frame.notice() for frame in frames(Order(cameras=True), LIST_S))
    except Trouble as trouble:  # of libcamera, the last source in the list
        found.append(_without("picamera2", trouble))
    sources = {camera["source"] for camera in found}
    return found + [_without(source, missing()) for source in ("usb", "picamera2") if source not in sources]


def _without(source: str, trouble: Trouble) -> dict[str, Any]:
    return {"source": source, "device": "", "card": "", "code": trouble.code, "message": str(trouble)}


def _line(camera: dict[str, Any]) -> str:
    name = " ".join(filter(None, (camera["device"], camera["card"])))
    return f"  {camera['source']:<10} " + ": ".join(filter(None, (name, camera["message"])))


def _snapshot(file: Path, settings: Config) -> None:
    """Write the newest picture of the first second.

    Raises:
        Trouble: the camera gives no picture.
    """
    if file.suffix.lower() not in _ENDINGS:
        raise UsageError(f"The picture is a JPEG: name a file that ends in {' or '.join(_ENDINGS)}.")
    order = _order(settings)
    jpeg, settled_at = b"", float("inf")
    for frame in frames(order, SNAPSHOT_S):
        if frame.kind == NOTICE:
            notice = frame.notice()
            if notice["code"]:
                raise Trouble(notice["code"], notice["message"])
            continue
        jpeg, settled_at = frame.body, min(settled_at, time.monotonic() + _SETTLE_S)
        if time.monotonic() >= settled_at:
            break
    if not jpeg:
        why = f"The lines above may say why; {command('camera --list')} names the cameras."
        raise Trouble("frozen", f"The camera sent no picture. {why}")
    if not notice["upright"]:
        jpeg = oriented(jpeg, rotation=order["rotation"], mirror=order["mirror"])
    try:
        file.write_bytes(jpeg)
    except OSError as error:
        raise FileError(f"{file} cannot be written ({error.strerror}). Name another file.") from None
    print(f"{notice['card']}: the picture is in {file}.")


def _order(settings: Config) -> Order:
    backend = settings.motors.backend
    order = order_of(settings.camera, "sim" if backend == "auto" and not raspberry_pi_model() else backend)
    if order is None and settings.camera.source == "auto":
        raise not_installed("PIL")  # for the simulated camera
    if order is None:
        raise UsageError("The camera is switched off: source under [camera].")
    return order
