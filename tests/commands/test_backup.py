"""`picar backup` and `picar restore`: what is saved comes back, and nothing else is written."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

CONFIG = '[server]\nname = "Nelly"\n'


def picar(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"STATE_DIRECTORY": str(folder / "state"), "PICAR_CONFIG": str(folder / "picar.toml")}
    env.pop("RUNTIME_DIRECTORY", None)
    return subprocess.run(
        [sys.executable, "-m", "picar", *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def car(tmp_path: Path) -> Path:
    folder = tmp_path / "car"
    (folder / "state" / "tls").mkdir(parents=True)
    (folder / "picar.toml").write_text(CONFIG)
    (folder / "state" / "calibration.toml").write_text("[motors]\nmin_duty = 0.3\n")
    (folder / "state" / "tls" / "ca.key").write_text("a key")
    assert picar(folder, "pair", "--token", "robot").returncode == 0
    return folder


def archive(path: Path, name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.type, entry.linkname = len(data), kind, "/etc/passwd"
        tar.addfile(entry, io.BytesIO(data))
    return path


def files(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_what_is_saved_comes_back_on_another_machine(car: Path, tmp_path: Path) -> None:
    saved = tmp_path / "car.tar.gz"
    done = picar(car, "backup", str(saved))
    assert done.returncode == 0, done.stderr
    assert saved.stat().st_mode & 0o777 == 0o600
    other = tmp_path / "other"
    other.mkdir()
    done = picar(other, "restore", str(saved), "--config", str(other / "picar.toml"))
    assert done.returncode == 0, done.stderr
    ours = {name: text for name, text in files(car).items() if not name.endswith(".lock")}
    assert files(other) == ours
    assert {"picar.toml", "state/access.json", "state/calibration.toml", "state/tls/ca.key"} <= ours.keys()
    assert (other / "state" / "access.json").stat().st_mode & 0o777 == 0o600
    assert "robot" in picar(other, "pair", "--list").stdout


def test_a_file_that_is_replaced_is_kept(car: Path, tmp_path: Path) -> None:
    saved = tmp_path / "car.tar.gz"
    assert picar(car, "backup", str(saved)).returncode == 0
    (car / "picar.toml").write_text('[server]\nname = "Fanny"\n')
    done = picar(car, "restore", str(saved))
    assert done.returncode == 0, done.stderr
    assert (car / "picar.toml").read_text() == CONFIG
    assert 'name = "Fanny"' in (car / "picar.toml.old-1").read_text()
    assert "picar.toml.old-1" in done.stdout


def test_a_file_in_the_way_is_not_overwritten(car: Path, tmp_path: Path) -> None:
    saved = tmp_path / "car.tar.gz"
    saved.write_text("mine")
    done = picar(car, "backup", str(saved))
    assert (done.returncode, saved.read_text()) == (1, "mine")
    assert "exists. Name another file." in done.stderr


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../evil", tarfile.REGTYPE),
        ("/etc/passwd", tarfile.REGTYPE),
        ("state/../picar.toml", tarfile.REGTYPE),
        ("state/tls/..", tarfile.REGTYPE),
        ("state/tls/a/b", tarfile.REGTYPE),
        ("state/other", tarfile.REGTYPE),
        ("picar.toml", tarfile.SYMTYPE),
        ("state/access.json", tarfile.LNKTYPE),
    ],
)
def test_an_archive_with_another_part_changes_nothing(
    car: Path, tmp_path: Path, name: str, kind: bytes
) -> None:
    before = files(car)
    done = picar(car, "restore", str(archive(tmp_path / "bad.tar.gz", name, b"x", kind)))
    assert done.returncode == 1
    assert "is not a backup of picar" in done.stderr
    assert "Traceback" not in done.stderr
    assert files(car) == before


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b broken"])
def test_what_is_no_archive_is_refused(car: Path, tmp_path: Path, data: bytes) -> None:
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(data)
    done = picar(car, "restore", str(bad))
    assert (done.returncode, "is not a backup of picar" in done.stderr) == (1, True), done.stderr
    assert picar(car, "restore", str(tmp_path / "none")).returncode == 1


def test_a_configuration_with_a_problem_is_not_restored(car: Path, tmp_path: Path) -> None:
    before = files(car)
    for data in (b"[server]\nport = 99999999\n", b"[server\n"):
        done = picar(car, "restore", str(archive(tmp_path / "bad.tar.gz", "picar.toml", data)))
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
    assert files(car) == before


def test_there_may_be_nothing_to_save(tmp_path: Path) -> None:
    done = picar(tmp_path, "backup", str(tmp_path / "car.tar.gz"), "--config", str(tmp_path / "none.toml"))
    assert done.returncode == 1
    assert "nothing to save" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_what_root_restores_belongs_to_the_service(car: Path, tmp_path: Path) -> None:
    saved = tmp_path / "car.tar.gz"
    assert picar(car, "backup", str(saved)).returncode == 0
    other = tmp_path / "other"
    (other / "state").mkdir(parents=True)
    os.chown(other / "state", 1234, 1234)
    assert picar(other, "restore", str(saved)).returncode == 0
    found = [other / "state" / name for name in ("tls", "tls/ca.key", "access.json", "calibration.toml")]
    assert {path.stat().st_uid for path in found} == {1234}
