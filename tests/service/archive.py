"""What Raspberry Pi OS has in apt and Debian has not: a stand-in for its archive, with a python3-lgpio that does nothing."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from tests.service.machine import Machine

FOLDER = "/srv/archive"  # apt reads it without being root
_CONTROL = """Package: python3-lgpio
Version: 0.2.2-1~rpt1
Architecture: all
Maintainer: nobody <nobody@localhost>
Depends: python3
Description: a stand-in
"""
_MODULE = "def gpiochip_open(chip): raise OSError('a stand-in')\n"


def add_archive(machine: Machine) -> None:
    """Have apt in there know the archive."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        for path, text in (
            ("DEBIAN/control", _CONTROL),
            ("usr/lib/python3/dist-packages/lgpio.py", _MODULE),
        ):
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        package = Path(folder, "python3-lgpio.deb")
        subprocess.run(
            ["dpkg-deb", "--build", "--root-owner-group", tree, package], check=True, capture_output=True
        )
        content = package.read_bytes()
    machine.write(
        f"{FOLDER}/Packages",
        f"{_CONTROL}Filename: ./{package.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n",
    )
    machine.path(f"{FOLDER}/{package.name}").write_bytes(content)
    machine.write("/etc/apt/sources.list.d/raspi.list", f"deb [trusted=yes] file:{FOLDER} ./\n")
