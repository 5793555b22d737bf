"""`picar config-reference`."""

from __future__ import annotations

import argparse

from picar import configfile


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare the options: this command has none."""


def run(_options: argparse.Namespace) -> int:
    """Print the table of all options."""
    print(configfile.reference(), end="")
    return 0
