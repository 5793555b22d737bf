"""Small files: whatever is there in their place, reading ends at once and replacing leaves a whole file."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from picar.files import (
    MOST_LEVELS,
    SERVICE_RUNTIME,
    SERVICE_STATE,
    SMALL_BYTES,
    UNIT,
    UNIT_FILE,
    check_depth,
    read_small,
    replace,
    set_aside,
)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _link(path: Path) -> None:
    (path.parent / "other").write_text("x")
    path.symlink_to("other")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def _large(path: Path) -> None:
    path.touch()
    os.truncate(path, 100_000_000)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "it is a folder"),
    "a FIFO": (os.mkfifo, "it is not a regular file"),
    "a socket": (_socket, "it is not a regular file"),
    "a link": (_link, "it is a link"),
    "a link to itself": (_loop, "it is a link"),
    "100 MB": (_large, "it is larger than 256 kB"),
    "no UTF-8": (lambda path: path.write_bytes(b"\xff\xfe"), "it is not UTF-8 text"),
}


@pytest.mark.parametrize(("make", "sentence"), ODD.values(), ids=ODD)
def test_what_is_no_small_file_is_named_and_renamed_and_never_waited_for(
    make: Callable[[Path], object], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    for number in (1, 2):
        make(path)
        with pytest.raises(ValueError, match=sentence):
            read_small(path)
        kind = path.lstat().st_mode
        aside = set_aside(path)
        assert aside == tmp_path / f"file.unreadable-{number}"
        assert aside.lstat().st_mode == kind
        (tmp_path / "other").unlink(missing_ok=True)
        replace(path, "new", 0o600)
        assert read_small(path) == "new"
        path.unlink()


def test_a_device_is_not_opened() -> None:
    with pytest.raises(ValueError, match="not a regular file"):
        read_small(Path("/dev/tty"))  # opening it fails where there is no terminal


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert read_small(path) == "{}"


def test_the_largest_small_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace(path, "x" * SMALL_BYTES, 0o644)
    assert len(read_small(path)) == SMALL_BYTES
    with pytest.raises(OSError, match="File too large"):
        replace(path, "y" + "é" * (SMALL_BYTES // 2), 0o644)
    assert read_small(path) == "x" * SMALL_BYTES
    path.write_text("x" * (SMALL_BYTES + 1))
    with pytest.raises(ValueError, match="larger"):
        read_small(path)


def test_data_of_a_file_has_at_most_twenty_levels() -> None:
    data: object = {}
    for level in range(MOST_LEVELS):
        check_depth(data)
        data = {"of": data, "beside": []} if level % 2 else [1, data]
    with pytest.raises(ValueError, match="nested more than 20 levels deep"):
        check_depth(data)


def test_a_file_is_its_owner_s_whatever_stood_there_and_whatever_the_umask_is(tmp_path: Path) -> None:
    path, before = tmp_path / "file", os.umask(0)
    try:
        replace(path, "1", 0o600)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o666)
        (tmp_path / "file.new").symlink_to("elsewhere")  # left by somebody else
        replace(path, "2", 0o600)
    finally:
        os.umask(before)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("2", 0o600)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file"]


def test_the_places_of_the_service_are_those_of_its_unit() -> None:
    root = Path(__file__).parents[2]
    lines = (root / "systemd" / UNIT).read_text(encoding="utf-8").splitlines()
    assert f"RuntimeDirectory={SERVICE_RUNTIME.relative_to('/run')}" in lines
    assert f"StateDirectory={SERVICE_STATE.relative_to('/var/lib')}" in lines
    assert f"unit=/{UNIT_FILE} " in (root / "scripts/install").read_text(encoding="utf-8")
