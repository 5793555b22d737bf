"""`picar doctor`."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", metavar="FILE", help="the file to check; default as for serve")
    parser.add_argument("--json", action="store_true", help="a list of check, status, message and fix")


def run(options: argparse.Namespace) -> int:
    """Examine this machine, and print the exact fix for each fault."""
    from picar.doctor import examine
    from picar.doctor.machine import as_json, is_well, report, this_machine

    findings = list(examine(this_machine(), options.config))
    print(as_json(findings) if options.json else "\n".join(report(findings)))
    return 0 if is_well(findings) else 1
