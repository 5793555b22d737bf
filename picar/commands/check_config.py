"""`picar check-config`."""

from __future__ import annotations

import argparse
import sys

from picar import configfile
from picar.commands.common import print_warnings
from picar.config import Config
from picar.raspberrypi import CHANNELS
from picar.wires import wires_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="the file to check; default as for serve")
    parser.add_argument(
        "--needs", action="store_true", help="print only what a systemd unit must allow for it"
    )


def run(options: argparse.Namespace) -> int:
    """Check the configuration, and print all options with their values."""
    from picar.access.locations import resting
    from picar.calibration.store import Overlay
    from picar.calibration.values import places_of

    path = configfile.find_file(options.file)
    settings = configfile.load(path)
    if options.needs:
        print("".join(f"{line}\n" for line in needs(settings)), end="")
        return 0
    overlay = Overlay.configured(resting(), settings)
    calibrated = overlay.read()
    print(f"# {settings.source}: good. All options, defaults included:\n")
    remarks = {}
    if calibrated:
        settings = calibrated.applied_to(settings)
        remarks = dict.fromkeys(places_of(settings).values(), f"calibrated on the page: {overlay.path}")
    print(configfile.as_toml(settings, remarks), end="")
    print_warnings(settings)
    if warning := overlay.of_another_car():
        print(f"picar: warning: {warning}", file=sys.stderr)
    return 0


def needs(settings: Config) -> list[str]:
    """Return the lines of a systemd unit that allow the devices, groups and paths of the configured board and battery meter."""
    wires, lines = wires_of(settings), []
    if wires.chip or settings.battery.source != "none":
        lines = ["SupplementaryGroups=i2c", "DeviceAllow=char-i2c rw"]
    if any(terminal.pin not in CHANNELS for terminal in wires.pulses):  # the kernel's PWM
        lines.append("ReadWritePaths=-/sys/class/pwm -/sys/devices/platform")
    return lines
