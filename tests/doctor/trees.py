"""Machines made of files and canned answers, for the doctor to look at."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from picar.config import ServerConfig
from picar.doctor import examine
from picar.doctor.machine import Answer, Finding, Machine
from picar.errors import ServeError

PI_5 = "Raspberry Pi 5 Model B Rev 1.0"
WELL_CONFIG = "camera_auto_detect=1\ndtoverlay=vc4-kms-v3d\n[cm5]\ndtoverlay=dwc2,dr_mode=host\n[all]\ndtparam=strict_gpiod\n"
SERVICE_UP = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nNRestarts=0\nResult=success"
FILES = {
    "proc/device-tree/model": PI_5 + "\0",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n',
    "boot/firmware/config.txt": WELL_CONFIG,
    "boot/firmware/cmdline.txt": "console=tty1 root=PARTUUID=1 rootwait",
    "sys/module/pinctrl_rp1/parameters/persist_gpio_outputs": "N\n",
    "sys/class/net/wlan0/phy80211/index": "0",
    "sys/class/net/eth0/address": "",
    "sys/class/rfkill/rfkill0/type": "wlan\n",
    "sys/class/rfkill/rfkill0/soft": "0\n",
    "dev/watchdog0": "",
    "etc/hostname": "car\n",
    "run/systemd/system/placeholder": "",
}
NOT_INSTALLED = "its library is not installed. Install it: sudo apt install {}"
PI_CAMERA = {"source": "picamera2", "device": "0", "card": "imx708", "code": None, "message": None}
TEST_CARD = {"source": "test", "device": "", "card": "test card", "code": None, "message": None}
ANSWERS = {
    "PYTHON -m picar.doctor.probe lgpio": Answer(0),
    "PYTHON -m picar.doctor.probe rpigpio": Answer(1, err=NOT_INSTALLED.format("python3-rpi-lgpio")),
    "PYTHON -m picar.doctor.probe gpiozero": Answer(0),
    "PYTHON -m picar pins-low": Answer(0, "Every motor pin is low."),
    "PYTHON -m picar camera --list --json": Answer(0, json.dumps([PI_CAMERA, TEST_CARD])),
    "systemctl show picar": Answer(0, SERVICE_UP),
    "systemctl show --property=RuntimeWatchdogUSec": Answer(0, "10s"),
    "systemctl is-active avahi-daemon": Answer(0, "active"),
    "vcgencmd get_throttled": Answer(0, "throttled=0x0"),
    "iw dev wlan0 get power_save": Answer(0, "Power save: off"),
    "iw dev wlan0 link": Answer(
        0, "Connected to 02:00:00:00:00:00 (on wlan0)\n\tsignal: -52 dBm\n\ttx bitrate: 65.0 MBit/s"
    ),
    "nmcli -g GENERAL.CONNECTION": Answer(0, "Tom's home"),
    "timedatectl show": Answer(0, "yes"),
}


def listen_nowhere(_server: ServerConfig) -> list[socket.socket]:
    """A port that is free."""
    return []


def refuse(error: OSError) -> object:
    """Return a `listen` that is refused by this error, as the server's is."""

    def listen(_server: ServerConfig) -> list[socket.socket]:
        try:
            raise error
        except OSError:
            raise ServeError("Port 80 cannot be had.") from None

    return listen


@dataclass
class Case:
    """A healthy Pi 5, and what is different on this one.

    Args:
        files: text by path; None takes a file away.
        answers: by the beginning of the command; None for a program that is missing.
        config: picar.toml.
        is_root: whether root asks.
    """

    files: Mapping[str, str | None] = field(default_factory=dict)
    answers: Mapping[str, Answer | None] = field(default_factory=dict)
    config: str = ""
    is_root: bool = False
    asked: list[str] = field(default_factory=list)

    def build(self, tree: Path, listen: object = listen_nowhere) -> Machine:
        """Write the files."""
        for path, text in (FILES | dict(self.files)).items():
            if text is not None:
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_text(text)
        (tree / "picar.toml").write_text(self.config)
        return Machine(tree, self._ask, listen, "3.13.5", "PYTHON", self.is_root)  # type: ignore[arg-type]

    def examine(self, tree: Path, listen: object = listen_nowhere) -> list[Finding]:
        """Return what the doctor finds."""
        return list(examine(self.build(tree, listen), str(tree / "picar.toml"), env={}))

    def _ask(self, *command: str) -> Answer | None:
        line = " ".join(command)
        self.asked.append(line)
        for start, answer in {**ANSWERS, **self.answers}.items():
            if line.startswith(start):
                return answer
        return None


def laptop() -> Case:
    """A machine that is no Pi and has no radio."""
    gone = (
        "proc/device-tree/model",
        "boot/firmware/config.txt",
        "boot/firmware/cmdline.txt",
        "dev/watchdog0",
    )
    net = ("sys/class/net/wlan0/phy80211/index", "sys/class/rfkill/rfkill0/type")
    return Case(files=dict.fromkeys((*gone, *net)))
