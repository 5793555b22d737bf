"""What can be wrong before the emulated Pi runs, in one sentence each; and when its image is made anew. No QEMU is needed here."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.emulator import __main__, image, needs, recipe
from tests.emulator.machine import Machine, Settings
from tests.emulator.monitor import Monitor
from tests.emulator.needs import Lacking
from tests.emulator.test_readings import ANSWER

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def pretend_that_it_is_built() -> Path:
    made = image.folder()
    made.mkdir(parents=True)
    (made / "card.img").touch()
    return made


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run what scripts/emulate-pi runs."""
    return subprocess.run(
        [sys.executable, "-m", "tests.emulator", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_image_is_kept_in_the_cache_folder_and_named_after_its_recipe(tmp_path: Path) -> None:
    assert image.folder() == tmp_path / "picar" / "pi-emulator" / f"image-{recipe.fingerprint()}"


@pytest.mark.parametrize("changed", ["recipe.py", "image.py"])
def test_another_recipe_is_another_image(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = recipe.fingerprint()
    for name in ("recipe.py", "image.py"):
        shutil.copy(Path(recipe.__file__).with_name(name), tmp_path)
    monkeypatch.setattr(recipe, "__file__", str(tmp_path / "recipe.py"))
    assert recipe.fingerprint() == before
    with (tmp_path / changed).open("a") as file:
        file.write("# another\n")
    assert recipe.fingerprint() != before


def test_an_image_that_is_there_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = pretend_that_it_is_built()
    monkeypatch.setenv("PATH", "")
    assert image.build() == made


def test_an_older_image_is_thrown_away_unless_a_card_lies_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("image-old", "image-in-use"):
        (image.cache() / name).mkdir(parents=True)
    (image.cache() / "run").mkdir()
    (image.cache() / "run" / "image").write_text(str(image.cache() / "image-in-use"))
    for check in ("check_tools", "check_arm64", "check_room"):
        monkeypatch.setattr(needs, check, lambda *_: None)
    monkeypatch.setattr(image, "_make", lambda where: (where / "card.img").touch())
    made = image.build()
    assert image.is_built()
    assert {path.name for path in image.cache().iterdir()} == {made.name, "image-in-use", "run"}


def test_an_image_that_could_not_be_made_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(where: Path) -> None:
        raise Lacking("the image has no kernel")

    for check in ("check_tools", "check_arm64", "check_room"):
        monkeypatch.setattr(needs, check, lambda *_: None)
    monkeypatch.setattr(image, "_make", fail)
    with pytest.raises(Lacking, match="no kernel"):
        image.build()
    assert not list(image.cache().iterdir())


def test_missing_packages_are_named_with_the_command_that_gets_them() -> None:
    tools = {"no-such-program": "its-package", "sh": "dash", "nor-that": "another"}
    with pytest.raises(
        Lacking, match=r"lacks another, its-package; .*: sudo apt install another its-package$"
    ):
        needs.check_tools(tools)


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        Lacking,
        match=r"GB free, and 1000000.0 GB are needed; free some, or name another disk with XDG_CACHE_HOME",
    ):
        needs.check_room(tmp_path, 10**15)
    needs.check_room(tmp_path, 1)


def test_a_busy_port_is_said_with_the_option_that_names_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Lacking, match=f"port {port} of this machine is in use; --web-port names another"):
            needs.check_port(port, "--web-port")
    needs.check_port(port, "--web-port")


def test_without_an_image_the_way_to_one_is_said() -> None:
    with pytest.raises(Lacking, match="scripts/emulate-pi build"):
        Machine().start(Settings(1, 2))


@pytest.mark.parametrize("arguments", [("run", "true"), ("pins",), ("pins", "--watch"), ("install",)])
def test_a_pi_that_does_not_run_is_one_sentence(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "picar: the emulated Pi is not running: scripts/emulate-pi boot\n"


def test_one_that_is_off_need_not_be_stopped() -> None:
    done = command("stop")
    assert (done.returncode, done.stdout) == (0, "It is off already.\n")


@pytest.mark.parametrize("name", ["build", "boot", "install", "run", "pins", "stop"])
def test_each_command_explains_itself(name: str) -> None:
    done = command(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: scripts/emulate-pi {name} ")


def test_the_pid_of_another_program_is_not_taken_for_qemus(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.pid() == 0
    (tmp_path / "qemu.pid").write_text(f"{os.getpid()}\n")
    assert machine.pid() == 0


class Qemu:
    """Answers like QEMU's monitor, with an event in between."""

    def __init__(self, path: Path) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        here = Path.cwd()
        os.chdir(path.parent)  # the whole path may be too long
        try:
            self._listening.bind(path.name)
        finally:
            os.chdir(here)
        self._listening.listen()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        self._listening.close()
        with connection, connection.makefile("rw") as file:

            def say(message: object) -> None:
                file.write(json.dumps(message) + "\r\n")
                file.flush()

            say({"QMP": {}})
            for line in file:
                asked = json.loads(line)
                if asked["execute"] == "human-monitor-command":
                    say({"event": "RESET", "data": {}})
                    say(
                        {
                            "return": ANSWER
                            if asked["arguments"]["command-line"] == "xp /14wx 0x3f200000"
                            else "?"
                        }
                    )
                elif asked["execute"] == "qmp_capabilities":
                    say({"return": {}})
                else:
                    say({"error": {"desc": "not now"}})


def test_the_pins_are_asked_of_qemus_monitor_however_long_its_path_is(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30) / "monitor"
    path.parent.mkdir()
    qemu = Qemu(path)
    with Monitor(path) as monitor:
        assert monitor.pins().drives(12)
        assert monitor.pins().drives(13)
        with pytest.raises(RuntimeError, match="QEMU refuses system_reset: not now"):
            monitor.reset()
    qemu.thread.join()


def test_a_monitor_that_nobody_serves_is_a_pi_that_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(Lacking, match="is not running"):
        Monitor(tmp_path / "monitor")


@pytest.mark.parametrize("port", ["0", "70000", "eighty"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    done = command("boot", "--web-port", port)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        f"scripts/emulate-pi boot: error: argument --web-port: invalid port value: '{port}'",
    )


@pytest.mark.parametrize(
    "failure",
    [
        AssertionError("('scripts/install',): exit code 1"),
        subprocess.TimeoutExpired("ssh", 60),
        OSError("full"),
    ],
    ids=["refused in there", "no answer", "disk"],
)
def test_what_fails_on_the_way_is_one_line(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise failure

    monkeypatch.setattr(__main__, "_install", fail)
    monkeypatch.setattr(sys, "argv", ["emulate-pi", "install"])
    assert __main__.main() == 1
    assert capsys.readouterr().err == f"picar: {failure}\n"


def test_a_monitor_that_goes_silent_or_away_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "monitor"))
        listener.listen()

        def serve() -> None:
            qemu, _ = listener.accept()
            with qemu:
                qemu.sendall(b'{"QMP": {}}\n')
                qemu.recv(1000)
                qemu.sendall(b'{"return": {}}\n')
                qemu.recv(1000)
                qemu.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

        thread = threading.Thread(target=serve)
        thread.start()
        with Monitor(tmp_path / "monitor") as monitor, pytest.raises(Lacking, match="was switched off"):
            monitor.pins()
        thread.join()


def test_the_tools_are_found_where_an_ordinary_user_has_no_path_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert needs.surroundings()["PATH"].split(":") == ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
