"""Packages that Raspberry Pi OS has in apt and Debian has not: a stand-in for its archive, with modules that do nothing."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from tests.service.machine import Machine

FOLDER = "/srv/archive"  # apt reads it without being root
_CONTROL = """Package: {}
Version: 0.2.2-1~rpt1
Architecture: all
Maintainer: nobody <nobody@localhost>
Depends: python3
Description: a stand-in
"""
_PACKAGES = {
    "python3-lgpio": ("lgpio.py", "def gpiochip_open(chip): raise OSError('a stand-in')\n"),
    "python3-picamera2": ("picamera2/__init__.py", "raise ImportError('a stand-in')\n"),
}


def add_archive(machine: Machine) -> None:
    """Write the archive into the machine, and name it to apt."""
    index = ""
    with tempfile.TemporaryDirectory() as folder:
        for name, (module, text) in _PACKAGES.items():
            control, package = _CONTROL.format(name), Path(folder, f"{name}.deb")
            tree = Path(folder, name)
            for path, content in (
                ("DEBIAN/control", control),
                (f"usr/lib/python3/dist-packages/{module}", text),
            ):
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_text(content)
            subprocess.run(
                ["dpkg-deb", "--build", "--root-owner-group", tree, package], check=True, capture_output=True
            )
            data = package.read_bytes()
            index += f"{control}Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n\n"
            machine.write(f"{FOLDER}/{package.name}", "")
            machine.path(f"{FOLDER}/{package.name}").write_bytes(data)
    machine.write(f"{FOLDER}/Packages", index)
    machine.write("/etc/apt/sources.list.d/raspi.list", f"deb [trusted=yes] file:{FOLDER} ./\n")
