"""The common part of the GPIO libraries: an import anywhere, the lock, and the chip of the header."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from picar.errors import BackendError
from picar.motor.pins import library
from picar.motor.pins.library import PinsLock
from tests.support.descriptors import open_descriptors


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


PI_5 = {0: "pinctrl-rp1", 10: "gpio-brcmstb@107d508500"}
PI_5_BEFORE_2024 = {0: "gpio-brcmstb@107d508500", 4: "pinctrl-rp1"}


def told(monkeypatch: pytest.MonkeyPatch, labels: dict[int, str | None]) -> None:
    """Let there be these chips; None is one that may not be used."""

    def label(device: str) -> str:
        number = int(device.removeprefix("/dev/gpiochip"))
        if number not in labels:
            raise FileNotFoundError(device)
        found = labels[number]
        if found is None:
            raise PermissionError(device)
        return found

    monkeypatch.setattr(library, "label", label)


@pytest.mark.parametrize(
    ("labels", "number"), [(PI_5, 0), (PI_5_BEFORE_2024, 4), ({0: None, 2: "pinctrl-bcm2711"}, 2)]
)
def test_the_header_s_chip_is_found_by_its_label(
    monkeypatch: pytest.MonkeyPatch, labels: dict[int, str | None], number: int
) -> None:
    told(monkeypatch, labels)
    assert library.header_chip() == number


def test_the_first_chip_that_may_not_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, {0: "gpio-brcmstb", 1: None, 2: None})
    with pytest.raises(
        BackendError, match=r"no permission for /dev/gpiochip1\. (Join the group|Root may not)"
    ):
        library.header_chip()


def test_a_machine_without_the_header_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, {0: "gpio-mockup-A"})
    with pytest.raises(BackendError, match="no GPIO chip of a Raspberry Pi is here"):
        library.header_chip()


def test_a_label_is_read_from_the_kernel_s_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ioctl(fd: int, request: int, argument: bytes) -> bytes:
        asked.append((request, len(argument)))
        return struct.pack("32s32sI", b"gpiochip0", b"pinctrl-bcm2835", 54)

    monkeypatch.setattr("fcntl.ioctl", ioctl)
    before = open_descriptors()
    assert library.label(os.devnull) == "pinctrl-bcm2835"
    assert asked == [(2 << 30 | 68 << 16 | 0xB4 << 8 | 0x01, 68)], "_IOR(0xB4, 0x01, struct gpiochip_info)"
    assert open_descriptors() == before


def test_what_is_no_chip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "gpiochip0").touch()
    with pytest.raises(OSError, match="ioctl"):
        library.label(str(tmp_path / "gpiochip0"))
