"""`picar wiring`: the drawing in the terminal or in a file, and a configuration for a tutorial's wiring.

It reads the configuration and writes the files; `picar.wiring` does neither.
"""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import sys
from pathlib import Path

from picar import configfile
from picar.access.locations import resting
from picar.calibration.store import Overlay
from picar.errors import FileError, UsageError
from picar.program import command
from picar.wiring import svg, text
from picar.wiring.plan import Plan, plan
from picar.wiring.presets import PRESETS, Preset, as_toml
from picar.wiring.text import WORDS

_OURS = "<svg "  # the first characters of a file that may be overwritten


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", metavar="FILE", help="the configuration to show; default as for serve")
    parser.add_argument("--svg", metavar="FILE", help="draw it into this file")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the output")
    parser.add_argument(
        "--preset", metavar="NAME", help='print a configuration for a tutorial\'s wiring; "list" names them'
    )
    parser.add_argument(
        "--write", metavar="FILE", help="write that configuration into this file, if it is new"
    )


def run(options: argparse.Namespace) -> int:
    """Show which wire goes where in this car, or write a configuration for a tutorial's wiring."""
    print(_output(options), end="")
    return 0


def _output(options: argparse.Namespace) -> str:
    """Carry out the options, and return the text to print."""
    if options.preset == "list":
        return _list()
    preset = _preset(options.preset)
    if options.write and not preset:
        raise UsageError(
            "--write needs --preset NAME: whose wiring shall be written? --preset list names them."
        )
    drawn = plan(preset.config) if preset else _configured(options.config)
    told = ""
    if options.svg:
        told += _draw(drawn, options.lang, Path(options.svg))
    if preset and options.write:
        told += _write(as_toml(preset), Path(options.write))
    elif preset and not options.svg:
        told += as_toml(preset)
    return told or in_the_terminal(drawn, options.lang)


def _list() -> str:
    """Return all presets by the kind of their board."""
    groups = dict.fromkeys(preset.kind for preset in PRESETS.values())
    return "".join(
        f"{kind}\n" + "".join(f"  {p.name:<17}{p.sentence}\n" for p in PRESETS.values() if p.kind == kind)
        for kind in groups
    )


def _preset(name: str | None) -> Preset | None:
    if name is None:
        return None
    if name not in PRESETS:
        raise UsageError(f"--preset {name}: no such wiring. Known: {', '.join(PRESETS)}.")
    return PRESETS[name]


def _configured(flag: str | None) -> Plan:
    settings = configfile.load(configfile.find_file(flag))
    overlay = Overlay.configured(resting(), settings)
    calibrated = overlay.read()
    if warning := overlay.of_another_car():
        print(f"picar: warning: {warning}", file=sys.stderr)
    settings = calibrated.applied_to(settings) if calibrated else settings
    return plan(settings)


def in_the_terminal(drawn: Plan, language: str) -> str:
    """Return the drawing for this terminal: in English and ASCII if it cannot show the characters."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    shown = text.drawing(drawn, WORDS[language], colour)
    try:
        shown.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return text.plain(text.drawing(drawn, WORDS["en"], colour))
    return shown


def _draw(drawn: Plan, language: str, file: Path) -> str:
    """Write the drawing; replace an older drawing, and refuse to replace any other file."""
    if not drawn.has_drawing:
        name = "a PCA9685 or a servo" if drawn.others or drawn.chip else drawn.boards[0].kind.name
        raise UsageError(
            f"There is no drawing of a board with {name}. Without --svg, this command prints the table of its wires."
        )
    drawing = svg.drawing(drawn, WORDS[language], alone=True) + "\n"
    try:
        if _is_not_ours(file):
            raise FileExistsError(errno.EEXIST, "it exists, and is not a drawing")
        file.write_text(drawing, encoding="utf-8")
    except OSError as error:
        raise _cannot_write(file, error) from None
    return f"The wiring is drawn in {file}.\n"


def _is_not_ours(file: Path) -> bool:
    return file.exists() and not file.read_text(encoding="utf-8", errors="replace").startswith(_OURS)


def _write(toml: str, file: Path) -> str:
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(toml)
    except FileExistsError:
        raise FileError(
            f"{file} exists and was left as it is. Name another file, or put the lines there yourself: "
            "the same command without --write prints them."
        ) from None
    except OSError as error:
        raise _cannot_write(file, error) from None
    check = command(f"check-config {shlex.quote(str(file))}")
    return f"Written to {file}. Check it: {check}\n"


def _cannot_write(file: Path, error: OSError) -> FileError:
    return FileError(f"{file} cannot be written ({error.strerror}). Name another file.")
