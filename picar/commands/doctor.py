"""`picar doctor`."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", metavar="FILE", help="the file to check; default as for serve")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="a list of check, status, message and fix")
    output.add_argument("--report", metavar="FILE", help="write all that a helper needs, without secrets")


def run(options: argparse.Namespace) -> int:
    """Examine this machine, and print the exact fix for each fault."""
    from picar.doctor import examine, settings_of
    from picar.doctor.machine import as_json, is_well, report, this_machine
    from picar.doctor.report import full_report

    machine = this_machine()
    findings = list(examine(machine, options.config))
    print(as_json(findings) if options.json else "\n".join(report(findings)))
    if options.report:
        _write_report(options.report, full_report(machine, settings_of(options.config), findings))
    return 0 if is_well(findings) else 1


def _write_report(path: str, text: str) -> None:
    from pathlib import Path

    from picar.errors import FileError

    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise FileError(f"{path} exists. Name another file.") from None
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}.") from None
    print(f"\nThe report is in {path}. Read it before you send it: it names the addresses of this machine.")
