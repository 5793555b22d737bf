"""The task scripts and the wheel on a stranger's machine: they work from anywhere, or say what to do."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.bench.page import crawl

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPTS = ["run", "test", "check", "bench", "pictures", "venv"]
SHIPPED = ["picar", "static", "templates", "scripts", "pyproject.toml", "README.md", "LICENSE"]
PATIENCE_S = 60.0
PACKAGES = {"PIL": "pillow", "videodev2": "videodev2"}
NO_NETWORK = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}


def environment(**more: str) -> dict[str, str]:
    """A user's environment, without what the developer's shell or the test run adds."""
    mine = ("PICAR_", "PIP_", "PYTHONPATH", "VIRTUAL_ENV", "COV", "CI")
    return {k: v for k, v in os.environ.items() if not k.startswith(mine)} | more


@dataclass(frozen=True)
class Serving:
    process: subprocess.Popen[bytes]
    url: str


@contextlib.contextmanager
def serving(command: list[str], cwd: Path, env: dict[str, str]) -> Iterator[Serving]:
    """Start a server and wait until it has printed its URL."""
    log = cwd / "output"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (url := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield Serving(process, url[0] + "/")
    finally:
        process.kill()
        process.wait()


def run(command: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command, *arguments],
        cwd="/",
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the repository without its environment, in a folder with a space."""
    copy = tmp_path / "my car"
    copy.mkdir()
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    return copy


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_executable_and_plain_sh(name: str) -> None:
    script = ROOT / "scripts" / name
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0


@pytest.mark.parametrize("name", ["venv", "check"])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_a_script_that_is_asked_for_help_says_what_it_does_and_does_nothing(name: str, option: str) -> None:
    done = run(ROOT / "scripts" / name, option, PATH="/usr/bin:/bin")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: scripts/{name}" in done.stdout
    assert done.stdout.count("\n") == 1


def test_run_works_through_a_symlink_from_another_folder_and_passes_signals_on(tmp_path: Path) -> None:
    link = tmp_path / "drive my car"
    link.symlink_to(ROOT / "scripts" / "run")
    command = [str(link), "--port", "0", "--pins", "mock", "--host", "127.0.0.1"]
    with serving(command, tmp_path, environment(HOME="")) as car:
        with urllib.request.urlopen(car.url, timeout=PATIENCE_S) as page:  # noqa: S310
            assert page.status == 200
        os.kill(car.process.pid, signal.SIGTERM)
        assert car.process.wait(PATIENCE_S) == 0


def test_the_second_time_needs_no_network_and_says_nothing() -> None:
    first = run(ROOT / "scripts" / "venv", "test")
    assert first.returncode == 0, first.stderr
    second = run(ROOT / "scripts" / "venv", "run", HOME="", **NO_NETWORK)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_without_a_network_the_first_time_is_one_sentence_and_a_broken_venv_is_made_anew(
    checkout: Path,
) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/nonexistent/python3")
    done = run(checkout / "scripts" / "run", PICAR_PYTHON=sys.executable, **NO_NETWORK)
    assert done.returncode == 1
    start, sentence = done.stderr.splitlines()
    assert start.startswith("picar: first start, making .venv")
    assert sentence.startswith("picar: no network: connect once, then run this again.")
    assert subprocess.run([python, "-c", ""], check=False).returncode == 0


@pytest.fixture
def older(checkout: Path) -> Path:
    """The checkout with the environment of a picar that had no camera: Tornado, segno and pip, fresh."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    seen = checkout / ".venv" / "seen"
    seen.mkdir()
    for name in ("tornado", "segno", "pip"):
        for path in Path(sysconfig.get_path("purelib")).glob(f"{name}*"):
            (seen / path.name).symlink_to(path)
    (purelib,) = (checkout / ".venv").glob("lib/python*/site-packages")
    (purelib / "seen.pth").write_text(f"{seen}\n{checkout}\n")
    executable(checkout / ".venv/bin/picar", f'#!/bin/sh\nexec "{checkout}/.venv/bin/python" -m picar "$@"\n')
    version = "{}.{}".format(*sys.version_info)
    hashed = f"{checkout}\n{version}\n".encode() + (checkout / "pyproject.toml").read_bytes()
    stamp = subprocess.run(["cksum"], input=hashed, capture_output=True, check=True).stdout
    (checkout / ".venv/for-run").write_bytes(stamp)
    return checkout


def wheels(folder: Path, *names: str) -> dict[str, str]:
    """Return what makes pip take its packages from a folder, with a wheel of each of these modules."""
    folder.mkdir()
    for name in names:
        with zipfile.ZipFile(folder / f"{PACKAGES[name]}-11.0-py3-none-any.whl", "w") as wheel:
            for path, text in contents(name).items():
                wheel.writestr(path, text)
    return {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": folder.as_uri()}


def contents(module: str) -> dict[str, str]:
    """Return the files of a package that has nothing in it."""
    about = f"{PACKAGES[module]}-11.0.dist-info"
    return {
        f"{module}/__init__.py": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGES[module]}\nVersion: 11.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }


def installed(checkout: Path) -> set[str]:
    """Return the modules that pip has put into an environment."""
    return {
        path.name for path in checkout.glob(".venv/lib/*/site-packages/*") if (path / "__init__.py").exists()
    }


@pytest.mark.parametrize("seen", [False, True])
def test_an_older_environment_gets_the_libraries_of_the_camera_that_it_does_not_see(
    older: Path, seen: bool
) -> None:
    wanted = ["videodev2"] if seen else ["PIL", "videodev2"]
    if seen:  # as a Pi sees apt's python3-pil
        for path, text in contents("PIL").items():
            file = older / ".venv/seen" / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
    links = wheels(older / "links", *wanted)
    done = run(older / "scripts" / "venv", **links)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert installed(older) == set(wanted)
    again = run(older / "scripts" / "venv", PATH="/usr/bin:/bin", HOME="", **NO_NETWORK)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_without_the_libraries_of_the_camera_the_page_opens_and_one_sentence_names_them(older: Path) -> None:
    command = [str(older / "scripts" / "run"), "--port", "0", "--pins", "mock", "--host", "127.0.0.1"]
    with (
        serving(command, older, environment(HOME="", **NO_NETWORK)) as car,
        urllib.request.urlopen(car.url, timeout=PATIENCE_S) as page,  # noqa: S310
    ):
        assert page.status == 200
    lines = [line for line in (older / "output").read_text().splitlines() if "lacks" in line]
    assert [line.partition(": connect once")[0] for line in lines] == [
        "picar: the car drives, but its camera lacks Pillow or videodev2; no network"
    ]


def test_a_change_of_the_project_needs_no_network_while_the_environment_has_what_it_needs(
    older: Path,
) -> None:
    executable(older / ".venv/bin/pip", f"#!{older}/.venv/bin/python\n")  # so it was made here
    project = older / "pyproject.toml"
    project.write_text(project.read_text() + "\n[tool.somebody]\n")
    done = run(older / "scripts" / "venv", PICAR_PYTHON=sys.executable, **NO_NETWORK)
    assert (done.returncode, done.stdout) == (0, "")
    update, old, camera = done.stderr.splitlines()
    assert update == "picar: updating .venv…"
    assert old.startswith("picar: .venv stays as it is; no network: connect once, then run this again.")
    assert camera.startswith("picar: the car drives, but its camera lacks")
    project.write_text(project.read_text().replace("tornado>=6", "tornado>=66").replace(",<7", ""))
    done = run(older / "scripts" / "venv", PICAR_PYTHON=sys.executable, **NO_NETWORK)
    assert done.returncode == 1
    assert "stays as it is" not in done.stderr


def test_a_machine_without_a_wheel_of_pillow_is_told_so(older: Path) -> None:
    done = run(older / "scripts" / "venv", **wheels(older / "links", "videodev2"))
    assert (done.returncode, done.stdout) == (0, "")
    (line,) = done.stderr.splitlines()
    assert (
        line
        == "picar: the car drives, but its camera lacks Pillow or videodev2; PyPI has no wheel for this machine"
    )


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("case $* in *sys.exit*) exit 1 ;; esac; echo 3.9", "needs Python 3.11 or newer; '{}' is 3.9."),
        ("exit 127", "needs Python 3.11 or newer, and '{}' does not start. On Debian"),
        (
            f'case $* in *ensurepip*) exit 1 ;; esac; exec "{sys.executable}" "$@"',
            "Python's venv module is missing. On Debian or Raspberry Pi OS: sudo apt install python3 python3-venv",
        ),
    ],
)
def test_a_python_that_will_not_do_is_one_sentence(checkout: Path, python: str, sentence: str) -> None:
    shim = executable(checkout / "python3", f"#!/bin/sh\n{python}\n")
    by_name = run(checkout / "scripts" / "run", PICAR_PYTHON=str(shim))
    by_path = run(checkout / "scripts" / "run", PATH=f"{checkout}:{os.environ['PATH']}")
    for done, name in ((by_name, str(shim)), (by_path, "python3")):
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("picar: " + sentence.format(name))
        assert len(done.stderr.splitlines()) == 1


def test_windows_is_sent_to_wsl(checkout: Path) -> None:
    executable(checkout / "uname", "#!/bin/sh\necho MINGW64_NT-10.0\n")
    done = run(checkout / "scripts" / "run", PATH=f"{checkout}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "WSL" in done.stderr


def test_the_wheel_serves_the_page_from_an_empty_venv_elsewhere(tmp_path: Path) -> None:
    quiet = ["-q", "--disable-pip-version-check", "--no-index", "--no-deps"]
    pip = [sys.executable, "-m", "pip"]
    subprocess.run(
        [*pip, "wheel", *quiet, "--no-build-isolation", "-w", str(tmp_path), str(ROOT)], check=True
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    there = tmp_path / "venv" / "bin" / "python"
    (wheel,) = tmp_path.glob("picar_server-*.whl")
    subprocess.run([*pip, "--python", str(there), "install", *quiet, str(wheel)], check=True)
    # Tornado and segno come from here; PYTHONPATH follows no .pth file, so this checkout's picar does not.
    env = environment(PYTHONPATH=sysconfig.get_path("purelib"))
    where = [str(there), "-c", "import picar; print(picar.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [str(there.with_name("picar")), "serve", "--pins", "mock", "--port", "0", "--host", "127.0.0.1"]
    with serving(command, elsewhere, env) as car:
        files = crawl(car.url)
        assert any(link.startswith(urljoin(car.url, "static/")) for link in files)
        assert all(files.values())
