"""`picar check-config`."""

from __future__ import annotations

import argparse
import sys

from picar import configfile
from picar.commands.common import print_warnings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="the file to check; default as for serve")


def run(options: argparse.Namespace) -> int:
    """Check the configuration, and print all options with their values."""
    from picar.access.locations import resting
    from picar.calibration.store import Overlay
    from picar.calibration.values import places_of

    path = configfile.find_file(options.file)
    settings = configfile.load(path)
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
