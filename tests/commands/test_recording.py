"""`picar recording`: each action, its exit codes, and sentences instead of tracebacks."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from picar.commands.recording import _length, _list
from picar.recording import messages
from tests.commands.test_cli import picar
from tests.faults.disk import Disk, NoDisk
from tests.recording import files

NAME = "2026-11-26_18-15-00"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "state" / "recordings"
    found.mkdir(parents=True)
    files.write(found / f"{NAME}.mcap")
    return found


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = picar("recording", *arguments, env={"STATE_DIRECTORY": str(folder.parent)})
    assert "Traceback" not in done.stderr
    return done


def said(folder: Path, *arguments: str) -> str:
    done = run(folder, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(folder: Path, *arguments: str, code: int = 1) -> str:
    done = run(folder, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    return done.stderr.strip()


def cut(folder: Path, name: str = "cut") -> Path:
    data, places, _ = files.encoded()
    path = folder / f"{name}.mcap.part"
    path.write_bytes(data[: places[2] + 30])
    return path


def test_the_list_names_each_recording_with_its_length(folder: Path) -> None:
    cut(folder, "2026-11-27_18-15-00")
    first, second = said(folder, "list").splitlines()
    assert first.split() == ["2026-11-27_18-15-00", "0.0", "MB", "needs", "repair"]
    assert second.split() == [NAME, "0.1", "MB", "0:02.0,", "20", "pictures"]
    listed = json.loads(said(folder, "list", "--json"))
    assert [one["name"] for one in listed] == ["2026-11-27_18-15-00", NAME]
    assert listed[1]["pictures"] == 20


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.0"), (59.94, "0:59.9"), (59.96, "1:00.0"), (599.98, "10:00.0"), (3600, "60:00.0")],
)
def test_a_length_has_minutes_and_tenths_of_seconds(seconds: float, text: str) -> None:
    assert _length(seconds) == text


def test_a_car_without_recordings_says_where_they_would_be(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    assert said(folder, "list") == f"There are no recordings in {folder}.\n"
    assert json.loads(said(folder, "list", "--json")) == []


def test_the_list_follows_the_configuration(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "picar.toml"
    config.write_text(f'[recording]\nfolder = "{tmp_path}/other"\n')
    assert "/other." in said(folder, "list", "--config", str(config))


def test_info_describes_a_recording_by_its_name_or_its_file(folder: Path) -> None:
    text = said(folder, "info", NAME)
    assert text == said(folder, "info", str(folder / f"{NAME}.mcap"))
    assert "  start            2026-11-27 05:37:32 UTC\n  length           0:02.0\n" in text
    assert "  /camera          20 messages\n" in text
    assert "It has no end yet" not in text
    facts = json.loads(said(folder, "info", NAME, "--json"))
    assert facts["messages"]["/picar/cmd"] == 40
    assert facts["metadata"]["name"] == "blitz"
    assert "It has no end yet: picar recording repair completes it." in said(folder, "info", str(cut(folder)))


@pytest.mark.parametrize("by_name", [True, False])
def test_a_cut_recording_is_repaired(folder: Path, by_name: bool) -> None:
    path = cut(folder)
    text = said(folder, "repair", "cut" if by_name else str(path))
    assert text.splitlines()[:2] == ["Whole now:", f"  file             {folder}/cut.mcap"]
    assert not path.exists()
    assert json.loads(said(folder, "info", "cut", "--json"))["finished"]


@pytest.mark.parametrize(
    ("kind", "count", "made"),
    [
        ("--csv", "140 rows", ""),
        ("--frames", "20 pictures", "000020-0001900ms.jpg"),
        ("--avi", "20 pictures", ""),
        ("--tub", "20 pictures", "manifest.json"),
    ],
)
def test_each_export_writes_something_new_and_only_that(
    folder: Path, tmp_path: Path, kind: str, count: str, made: str
) -> None:
    new = tmp_path / "new"
    assert said(folder, "export", NAME, kind, str(new), "--size", "32x24") == f"{new}: {count}.\n"
    assert (new / made).is_file()
    assert refused(folder, "export", NAME, kind, str(new)) == f"picar: {new} exists. Name another one."


def test_a_failed_export_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / f"{NAME}.mcap").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "broken.mcap").write_bytes(data)
    for kind in ("--csv", "--frames", "--avi", "--tub"):
        new = tmp_path / "new"
        assert "is damaged at byte" in refused(folder, "export", "broken", kind, str(new))
        assert not new.exists()
    nowhere = tmp_path / "nowhere" / "a.csv"
    assert (
        refused(folder, "export", NAME, "--csv", str(nowhere))
        == f"picar: {nowhere}: No such file or directory."
    )


def test_a_deleted_recording_is_gone_and_nothing_else_is_deleted(folder: Path, tmp_path: Path) -> None:
    assert said(folder, "delete", NAME) == f"Deleted: {folder}/{NAME}.mcap\n"
    assert not [*folder.iterdir()]
    assert (
        refused(folder, "delete", NAME)
        == f"picar: There is no recording {NAME}. `picar recording list` shows the names."
    )
    other = tmp_path / "precious.txt"
    other.write_text("x")
    assert "is not named like a recording" in refused(folder, "delete", str(other))
    assert other.exists()
    with cut(folder).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for action in ("delete", "repair"):
            for named in (file.name, "cut"):
                assert "is being written. Stop this recording first." in refused(folder, action, named)
        assert said(folder, "info", "cut").startswith("This recording is being written.\n")
        assert "is written now" in said(folder, "list")


def test_a_wrong_use_has_exit_code_2(folder: Path) -> None:
    for arguments in ((), ("export", NAME), ("export", NAME, "--csv", "a", "--avi", "b"), ("info",)):
        assert "usage: picar recording" in refused(folder, *arguments, code=2)
    for size in ("160", "0x120", "160x", "99999x1", "-1x5"):
        assert "write width and height like 160x120" in refused(
            folder, "export", NAME, "--tub", "a", f"--size={size}", code=2
        )


@pytest.mark.parametrize("kind", ["csv", "tub"])
@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'{"throttle":1}', b"[" * 3000])
def test_messages_of_another_program_are_refused_in_one_sentence(
    folder: Path, tmp_path: Path, kind: str, data: bytes
) -> None:
    picture = messages.picture(5, files.jpeg(1))
    armed, command = b'{"state":"armed"}', messages.COMMAND
    made = [(messages.STATE, 0, armed), (command, 0, data), (messages.CAMERA, 9, picture)]
    if (kind, data) == ("csv", b'{"throttle":1}'):
        made = [(messages.POSE, 0, data)]
    if (kind, data) == ("tub", b"[]"):
        made[1] = (messages.WHEELS, 0, data)
    files.write(folder / "foreign.mcap", made)
    said = refused(folder, "export", "foreign", f"--{kind}", str(tmp_path / "out"))
    assert said.endswith("has messages of another program. Try --frames.")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_named_by_the_file_that_did_not_fit(folder: Path) -> None:
    try:
        with Disk() as disk:
            files.write(folder / "long.mcap", files.drive(200_000))
            with contextlib.suppress(OSError), (disk.folder / "filler").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 16))
            target = disk.folder / "out.avi"
            said = refused(folder, "export", "long", "--avi", str(target))
            assert said.startswith(f"picar: {target}: No space")
    except NoDisk as why:
        pytest.skip(str(why))


def test_an_export_that_is_interrupted_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    files.write(folder / "long.mcap", files.drive(300_000, 20))
    target = tmp_path / "frames"
    command = [sys.executable, "-m", "picar", "recording", "export", "long", "--frames", str(target)]
    env = os.environ | {"STATE_DIRECTORY": str(folder.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as export:
        give_up_at = time.monotonic() + 30.0
        while not (target.exists() and len(list(target.iterdir())) > 5):
            assert time.monotonic() < give_up_at
            time.sleep(0.002)
        export.send_signal(signal.SIGINT)
        assert export.communicate() == (b"", b"")
    assert export.returncode == 130
    assert not target.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_without_room_is_not_a_fault_of_the_recording(folder: Path) -> None:
    command = [sys.executable, "-m", "picar", "recording", "info", NAME]
    env = os.environ | {"STATE_DIRECTORY": str(folder.parent)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=env, text=True, check=False)
    assert (done.returncode, done.stderr.startswith("picar: there is no room for the output")) == (1, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_a_folder_that_this_user_may_not_read_is_not_an_empty_one() -> None:
    with tempfile.TemporaryDirectory() as state:
        Path(state).chmod(0o755)
        folder = Path(state, "recordings")
        folder.mkdir(mode=0o700)
        list(_list(folder, argparse.Namespace(json=False)))  # imports all before the user changes
        if child := os.fork():
            assert os.waitpid(child, 0)[1] == 0
            return
        code = 1
        try:
            os.setuid(65534)
            list(_list(folder, argparse.Namespace(json=False)))
        except PermissionError:
            code = 0
        finally:
            os._exit(code)
