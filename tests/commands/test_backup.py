"""`picar backup` and `picar restore`: what is saved comes back, and nothing else is written."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from picar.access.store import AccessStore

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
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
    (folder / "state" / "tls" / "ca.pem").write_text("a key")
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


def test_a_list_that_comes_back_in_another_pi_has_its_pairings_and_another_id(
    car: Path, tmp_path: Path
) -> None:
    first = AccessStore(car / "state", serving=True, board="first")
    saved = tmp_path / "car.tar.gz"
    assert picar(car, "backup", str(saved)).returncode == 0
    assert picar(tmp_path / "new", "restore", str(saved)).returncode == 0
    restored = tmp_path / "new" / "state"
    for pi, is_moved in (("second", True), ("first", False)):
        store = AccessStore(restored, serving=True, board=pi)
        assert (store.paired, store.pin, store.is_moved) == (first.paired, first.pin, is_moved)
        assert (store.id == first.id) is not is_moved


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
    assert {"picar.toml", "state/access.json", "state/calibration.toml", "state/tls/ca.pem"} <= ours.keys()
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
        ("state/tls/a", tarfile.REGTYPE),
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
    for data in (b"[server]\nport = 99999999\n", b"[server\n", b"a = " + b"[" * 5000):
        done = picar(car, "restore", str(archive(tmp_path / "bad.tar.gz", "picar.toml", data)))
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
    assert files(car) == before


def test_there_may_be_nothing_to_save(tmp_path: Path) -> None:
    done = picar(tmp_path, "backup", str(tmp_path / "car.tar.gz"), "--config", str(tmp_path / "none.toml"))
    assert done.returncode == 1
    assert "nothing to save" in done.stderr


@pytest.fixture
def others() -> Iterator[Path]:
    """A state directory of another user, at a place that this user can reach."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "state").mkdir()
        os.chown(folder / "state", 1234, 1234)
        yield folder


@needs_root
def test_what_root_restores_belongs_to_the_service(car: Path, tmp_path: Path, others: Path) -> None:
    saved = tmp_path / "car.tar.gz"
    assert picar(car, "backup", str(saved)).returncode == 0
    done = picar(others, "restore", str(saved))
    assert done.returncode == 0, done.stderr
    found = [others / "state" / name for name in ("tls", "tls/ca.pem", "access.json", "calibration.toml")]
    assert {path.stat().st_uid for path in found} == {1234}
    assert (others / "picar.toml").stat().st_uid == 0


@needs_root
@pytest.mark.parametrize("link", ["access.json", "tls"])
def test_a_link_in_the_state_directory_leads_root_nowhere(
    car: Path, tmp_path: Path, others: Path, link: str
) -> None:
    saved, secret = tmp_path / "car.tar.gz", others / "secret"
    assert picar(car, "backup", str(saved)).returncode == 0
    secret.mkdir(mode=0o700)
    (secret / "ca.pem").write_text("of root alone")
    (others / "state" / link).symlink_to(secret / "ca.pem" if link == "access.json" else secret)
    done = picar(others, "restore", str(saved))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert files(secret) == {"ca.pem": "of root alone"}
    assert not list((others / "state").glob("*.old-*"))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_small_archive_of_endless_content_is_refused_in_little_memory(
    car: Path, tmp_path: Path, kind: bytes
) -> None:
    bad, size = tmp_path / "bad.tar.gz", 400 << 20
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = kind, size
    with gzip.open(bad, "wb", compresslevel=1) as packed:
        packed.write(entry.tobuf())
        for _ in range(size >> 20):
            packed.write(bytes(1 << 20))
    least = "import resource; resource.setrlimit(resource.RLIMIT_AS, (300 << 20,) * 2); import picar.__main__ as m"
    done = subprocess.run(
        [sys.executable, "-c", f"{least}; raise SystemExit(m.main())", "restore", str(bad)],
        env=os.environ | {"STATE_DIRECTORY": str(car / "state")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, "is not a backup of picar" in done.stderr) == (1, True), done.stderr


def test_an_archive_that_was_cut_off_or_changed_is_refused(car: Path, tmp_path: Path) -> None:
    saved, bad = tmp_path / "car.tar.gz", tmp_path / "bad.tar.gz"
    (car / "state" / "calibration.toml").write_text("".join(f"# {n * n}\n" for n in range(20_000)))
    assert picar(car, "backup", str(saved)).returncode == 0
    before, data = files(car), saved.read_bytes()
    middle = len(data) // 2
    for changed in (data[:-1], data[:middle], data[:middle] + bytes(100) + data[middle + 100 :]):
        bad.write_bytes(changed)
        done = picar(car, "restore", str(bad))
        assert (done.returncode, "is not a backup of picar" in done.stderr) == (1, True), done.stderr
    assert files(car) == before
