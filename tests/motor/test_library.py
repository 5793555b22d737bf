"""Importing a library, and the lock, wherever picar is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from picar.errors import BackendError
from picar.motor.pins import library
from picar.motor.pins.library import PinsLock


def test_a_library_may_be_imported_in_a_folder_that_this_user_may_not_read(tmp_path: Path) -> None:
    """`sudo -u picar picar pins-low`, in a home of mode 0700."""
    code = (
        "import os, tempfile; from picar.motor.pins.library import private_work_dir\n"
        "os.chmod('.', 0)\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"  # root may read everything
        "with private_work_dir(): os.mkfifo(os.environ['LG_WD'] + '/.lgd-nfy0'); os.chdir(os.environ['LG_WD'])\n"
        "print(os.getcwd())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("/\n", "")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lock where there is no chip."""
    monkeypatch.setattr(library, "_LOCK_DEVICE", tmp_path / "none")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / "picar-pins.lock"


def test_the_lock_of_a_machine_without_pins_follows_no_link(elsewhere: Path, tmp_path: Path) -> None:
    elsewhere.symlink_to(tmp_path / "theirs")
    with pytest.raises(BackendError, match=rf"{elsewhere}: .*\. Remove it: sudo rm -r {elsewhere}$"):
        PinsLock()
    assert not (tmp_path / "theirs").exists()


def test_the_lock_of_a_machine_without_pins_waits_for_no_pipe(elsewhere: Path) -> None:
    os.mkfifo(elsewhere)
    PinsLock().release()
