"""The part of test_vivid.py that runs in the guest, as root: it uses the virtual camera, and writes findings into a folder.

Usage: python -m tests.camera.vivid_guest FOLDER
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fcntl import ioctl
from pathlib import Path
from typing import Any

import videodev2 as v4l2

from picar.camera.sources import Trouble, load
from tests.camera.orders import order

DEVICE = "/dev/video0"
_WITHOUT_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")  # a root that modes bind


def main(folder: Path) -> None:
    """Write `findings.json` and the picture."""
    found: dict[str, Any] = {
        "kernel": os.uname().release,
        "list": listed(),
        "snapshot": picar("camera", "--snapshot", str(folder / "picture.jpg")),
    }
    Path(DEVICE).chmod(0)
    found["forbidden"] = listed(*_WITHOUT_OVERRIDE)
    Path(DEVICE).chmod(0o600)
    source = load("usb").open(order("usb", device=DEVICE))
    picture = source.next()
    assert picture
    found["size"], found["start"] = picture[2:], picture.jpeg[:2].hex()
    found["busy"] = listed()
    found["second"] = picar("camera", "--snapshot", "/tmp/second.jpg")  # noqa: S108
    assert source.next(), "the first one goes on"
    held = os.open(DEVICE, os.O_RDWR)  # vivid connects the device again when its last user closes it
    disconnect()
    try:
        for _ in range(10):  # the pictures that are in the queue
            source.next()
    except Trouble as trouble:
        found["unplugged"] = trouble.code
    found["gone"] = listed()
    source.close()
    os.close(held)
    found["again"] = listed()
    (folder / "findings.json").write_text(json.dumps(found))


def picar(*arguments: str, prefix: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run picar. Returns its exit code and its output."""
    command = [*prefix, sys.executable, "-m", "picar", *arguments]
    env = os.environ | {"PICAR_CAMERA__SOURCE": "usb"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def listed(*prefix: str) -> list[list[Any]]:
    """Return device, name and fault code of each USB camera."""
    _, out = picar("camera", "--list", "--json", prefix=prefix)
    return [[c["device"], c["card"], c["code"]] for c in json.loads(out) if c["source"] == "usb"]


def disconnect() -> None:
    """Press the button "Disconnect" among the controls of vivid: the device goes, as a cable that is pulled."""
    fd, query = os.open(DEVICE, os.O_RDWR), v4l2.v4l2_queryctrl()
    while bytes(query.name).rstrip(b"\0") != b"Disconnect":
        query.id |= v4l2.V4L2_CTRL_FLAG_NEXT_CTRL
        ioctl(fd, v4l2.VIDIOC_QUERYCTRL, query)
    button = v4l2.v4l2_control()
    button.id = query.id
    ioctl(fd, v4l2.VIDIOC_S_CTRL, button)
    os.close(fd)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
