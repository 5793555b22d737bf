"""How picar is called: a command in a message works as it is printed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """#!{python}
import sys
from picar.program import command
print(command(sys.argv[1]) if len(sys.argv) == 2 else sys.argv[1:])
"""
ASKING = "from picar.program import command; print(command('pair'))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a program `.venv/bin/picar`, which prints the command line for its argument."""
    program = tmp_path / ".venv" / "bin" / "picar"
    program.parent.mkdir(parents=True)
    program.write_text(SCRIPT.format(python=sys.executable))
    program.chmod(0o755)
    return tmp_path


def called(
    program: str, arguments: str, cwd: Path, home: str = "/nowhere", path: str = "", **env: str
) -> str:
    """Return what the program prints when it is started by this name."""
    done = subprocess.run(
        [program, arguments],
        cwd=cwd,
        env={
            "HOME": home,
            "PATH": f"{path or '/bin'}:/usr/bin:/bin",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **env,
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_a_program_below_the_current_folder_is_called_from_there(folder: Path) -> None:
    for name in (".venv/bin/picar", str(folder / ".venv/bin/picar")):
        assert called(name, "pair --list", folder) == ".venv/bin/picar pair --list"
    assert called("./picar", "pair", folder / ".venv/bin") == "./picar pair"


def test_elsewhere_its_path_is_given_and_home_is_a_tilde(folder: Path) -> None:
    program = str(folder / ".venv/bin/picar")
    assert called(program, "doctor", Path("/usr")) == f"{program} doctor"
    assert called(program, "doctor", Path("/")) == f"{program} doctor"
    assert called(program, "doctor", Path("/usr"), home=str(folder)) == "~/.venv/bin/picar doctor"


def test_where_the_path_leads_to_this_very_program_its_name_is_enough(folder: Path) -> None:
    program = folder / ".venv/bin/picar"
    links = folder / "links"
    links.mkdir()
    (links / "picar").symlink_to(program)
    assert called(str(program), "pair", folder, path=str(links)) == "picar pair"
    assert called(str(links / "picar"), "pair", folder, path=str(links)) == "picar pair"
    (folder / "picar").mkdir()  # no program: a shell passes it over
    assert called(str(program), "pair", folder, path=f"{folder}:{links}") == "picar pair"
    others = folder / "others"
    others.mkdir()
    shutil.copy(program, others / "picar")  # another program of that name
    assert called(str(program), "pair", folder, path=f"{others}:{links}") == ".venv/bin/picar pair"


@pytest.mark.parametrize("name", ["my car", "it's", "$HOME", "büro"])
def test_what_is_printed_works_in_a_shell(name: str, folder: Path) -> None:
    inside = folder / name
    inside.mkdir()
    (folder / ".venv").rename(inside / ".venv")
    for cwd, home in ((folder, "/nowhere"), (Path("/usr"), str(folder)), (Path("/usr"), "/nowhere")):
        printed = called(str(inside / ".venv/bin/picar"), "pair --list", cwd, home)
        env = os.environ | {"HOME": home, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            ["/bin/sh", "-c", f"{printed} again"],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == "['pair', '--list', 'again']"


def test_pairing_the_service_s_car_takes_sudo_and_nothing_else_does(folder: Path) -> None:
    for env in ({"SUDO_UID": "1000"}, {"RUNTIME_DIRECTORY": "/run/picar"}):
        assert called(".venv/bin/picar", "pair", folder, **env) == "sudo .venv/bin/picar pair"
        assert called(".venv/bin/picar", "check-config", folder, **env) == ".venv/bin/picar check-config"
    assert called(".venv/bin/picar", "pair", folder, RUNTIME_DIRECTORY="/run/other") == ".venv/bin/picar pair"


def test_started_by_python_the_program_beside_it_is_meant_else_python_itself(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    env = {"PATH": "/usr/bin", "HOME": "/nowhere", "PYTHONPATH": str(Path(__file__).parents[2])}

    def ask() -> str:
        command = [str(python), "-c", ASKING]
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        ).stdout

    assert ask() == "bin/python3 -m picar pair\n"
    (tmp_path / "bin" / "picar").touch(0o755)
    assert ask() == "bin/picar pair\n"


def test_in_a_folder_that_is_gone_the_path_is_left_as_it_is(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os; os.rmdir(os.getcwd()); {ASKING}"
    done = subprocess.run([sys.executable, "-c", code], cwd=gone, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("picar pair\n")
