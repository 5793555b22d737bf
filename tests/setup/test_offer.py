"""`scripts/install` offers `picar setup` once, on a terminal, for a new car."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION = re.compile(r"^offer_setup\(\) \{.*?^\}$", re.DOTALL | re.MULTILINE)


def offered(
    tmp_path: Path, answer: str, settings: str = "unset=yes dry='' yes=''", terminal: bool = True
) -> str:
    """Run the function of the script with a picar that prints its arguments and fails. Returns the output."""
    picar = tmp_path / "bin" / "picar"
    picar.parent.mkdir()
    picar.write_text("#!/bin/sh\necho ran: $*\nexit 130\n")
    picar.chmod(0o755)
    function = FUNCTION.search((ROOT / "scripts" / "install").read_text(encoding="utf-8"))
    assert function
    script = f"set -eu\nvenv={tmp_path} config=/etc/picar/picar.toml {settings}\n{function[0]}\noffer_setup\necho went on"
    if not terminal:
        done = subprocess.run(
            ["sh", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        return done.stdout + done.stderr
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    process = subprocess.Popen(["sh", "-c", script], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert process.wait(20) == 0
    text = b""
    with contextlib.suppress(OSError):  # at the end
        while data := os.read(ours, 65536):
            text += data
    os.close(ours)
    return text.decode()


@pytest.mark.parametrize(("answer", "runs"), [("\n", True), ("y\n", True), ("n\n", False), ("\x04", False)])
def test_a_terminal_is_asked_and_the_installation_goes_on(answer: str, runs: bool, tmp_path: Path) -> None:
    text = offered(tmp_path, answer)
    assert text.count("[Y/n]") == 1
    assert ("ran: setup --config /etc/picar/picar.toml" in text) == runs
    assert text.endswith("went on\r\n")


@pytest.mark.parametrize(
    ("settings", "terminal"),
    [
        ("unset='' dry='' yes=''", True),
        ("unset=yes dry=yes yes=''", True),
        ("unset=yes dry='' yes=yes", True),
        ("unset=yes dry='' yes=''", False),
    ],
    ids=["an upgrade", "a dry run", "--yes", "no terminal"],
)
def test_nobody_else_is_asked(settings: str, terminal: bool, tmp_path: Path) -> None:
    assert offered(tmp_path, "", settings, terminal).strip() == "went on"
