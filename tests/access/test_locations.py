"""What `sudo picar pair` reads and writes where a user less trusted than root may have set a trap."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from picar.access.locations import Serving, announce, running, withdraw
from tests.support.household import Ended, run

USER, OTHER = 65534, 65533
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

# `picar` with other places for the service. Once it is another user it may import nothing: Python may be in a closed home.
SUDO = """
import os, sys
from pathlib import Path
from picar.access import locations
locations.SERVICE_RUNTIME, locations.SERVICE_STATE = Path(sys.argv.pop(1)), Path(sys.argv.pop(1))
class Late:
    def find_spec(self, name, *_):
        raise AssertionError(f"{name} is imported late")
def become(user, become=os.setuid):
    become(user)
    sys.meta_path.insert(0, Late())
os.setuid = become
from picar.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True, slots=True)
class Service:
    """Folders of a service whose user is `USER`, below one that is root's."""

    root: Path

    @property
    def run(self) -> Path:
        """Its runtime directory."""
        return self.root / "run"

    @property
    def state(self) -> Path:
        """Its state directory."""
        return self.root / "state"

    @property
    def word(self) -> Path:
        """What it writes for `picar pair`."""
        return self.run / "serving.json"

    def writes(self, **members: object) -> Serving:
        """Write that file as the service's user; a lock on it is for the test to take."""
        serving = Serving(os.getpid(), "all", 8765, str(self.state), "on")
        content = {name: getattr(serving, name) for name in Serving.__dataclass_fields__} | members
        self.word.write_text(json.dumps(content))
        os.chown(self.word, USER, USER)
        return serving

    async def sudo(self, *arguments: str, **env: str) -> Ended:
        """Run `picar` as root."""
        places = (str(self.run), str(self.state))
        quiet = {"XDG_RUNTIME_DIR": "", "XDG_STATE_HOME": "", "HOME": str(self.root), "SUDO_UID": "1000"}
        return await run([sys.executable, "-c", SUDO, *places, *arguments], quiet | env)


@pytest.fixture
def service() -> Iterator[Service]:
    root = Path(tempfile.mkdtemp(prefix="picar-test-"))
    root.chmod(0o755)  # others may go through it, as through /var/lib
    made = Service(root)
    for folder, mode in ((made.run, 0o755), (made.state, 0o700)):
        folder.mkdir(mode=mode)
        os.chown(folder, USER, USER)
    yield made
    shutil.rmtree(root)


@pytest.fixture
def locked() -> Iterator[Callable[[Path], None]]:
    """A process that runs has its file locked: this one."""
    held = []

    def lock(file: Path) -> None:
        held.append(os.open(file, os.O_RDONLY))
        fcntl.flock(held[-1], fcntl.LOCK_EX)

    yield lock
    for fd in held:
        os.close(fd)


def owners(folder: Path) -> dict[str, int]:
    """Return whose everything below a folder is."""
    return {str(path.relative_to(folder)): path.lstat().st_uid for path in folder.rglob("*")}


def another_state(service: Service) -> None:
    service.writes(state=str(service.root / "elsewhere" / "deep"))


def a_fifo(service: Service) -> None:
    os.mkfifo(service.word)
    os.chown(service.word, USER, USER)


def a_link(service: Service) -> None:
    service.writes()
    service.word.rename(service.run / "other.json")
    service.word.symlink_to(service.run / "other.json")


def a_file_of_another_user(service: Service) -> None:
    service.writes()
    os.chown(service.word, OTHER, OTHER)


def a_large_file(service: Service) -> None:
    service.writes()
    os.truncate(service.word, 1 << 40)


def a_linked_folder(service: Service) -> None:
    service.writes()
    service.run.rename(service.root / "other")
    service.run.symlink_to(service.root / "other")


@needs_root
@pytest.mark.parametrize(
    "trap", [another_state, a_fifo, a_link, a_file_of_another_user, a_large_file, a_linked_folder]
)
async def test_root_believes_no_trap_and_waits_for_none(
    trap: Callable[[Service], None], service: Service, locked: Callable[[Path], None]
) -> None:
    trap(service)
    if not stat.S_ISFIFO(service.word.lstat().st_mode):
        locked(service.word)
    shown = await service.sudo("pair")
    assert (shown.code, shown.err) == (0, "")
    assert "No running picar was found" in shown.out
    assert not (service.root / "elsewhere").exists()
    assert owners(service.state) == {"access.json": USER}


@needs_root
async def test_root_finds_the_service_that_runs_and_works_as_its_user(
    service: Service, locked: Callable[[Path], None]
) -> None:
    assert (await service.sudo("pair")).code == 0
    service.writes()
    locked(service.word)
    shown = await service.sudo("pair")
    assert (shown.code, shown.err) == (0, "")
    assert ":8765\n" in shown.out
    commands = (["--list"], ["--token", "robot"], ["--list"], ["--revoke", "robot"], ["--new-pin"])
    for arguments in commands:
        done = await service.sudo("pair", *arguments)
        assert (done.code, done.err) == (0, ""), arguments
    gone = await service.sudo("pair", "--revoke", "robot")
    assert (gone.code, "sudo " in gone.err) == (1, True)
    assert owners(service.state) == {"access.json": USER}
    assert stat.S_IMODE((service.state / "access.json").stat().st_mode) == 0o600


@needs_root
async def test_a_service_that_has_ended_is_not_taken_for_one_that_runs(service: Service) -> None:
    service.writes()
    assert "No running picar was found" in (await service.sudo("pair")).out
    named = await service.sudo("pair", "--port", "8765")
    assert (named.code, named.err, ":8765\n" in named.out) == (0, "", True)


@needs_root
async def test_a_link_in_the_state_directory_leads_root_nowhere(service: Service) -> None:
    secret = service.root / "secret"
    secret.write_text("of root alone")
    secret.chmod(0o600)
    (service.state / "access.new").symlink_to(secret)
    assert (await service.sudo("pair", "--new-pin")).code == 0
    (service.state / "access.json").unlink()
    (service.state / "access.json").symlink_to(secret)
    shown = await service.sudo("pair", "--list")
    assert (shown.code, "of root alone" in shown.out + shown.err) == (1, False)
    assert secret.read_text() == "of root alone"


@needs_root
@pytest.mark.parametrize("linked", [False, True], ids=["a folder", "a link of its owner's"])
async def test_root_with_the_home_of_another_user_makes_nothing_of_its_own_there(
    service: Service, linked: bool
) -> None:
    home = service.root / "home"
    home.mkdir()
    os.chown(home, OTHER, OTHER)
    shutil.rmtree(service.state)
    target = service.root / "roots"
    if linked:
        target.mkdir(mode=0o755)
        (home / ".local").symlink_to(target)
        os.chown(home / ".local", OTHER, OTHER, follow_symlinks=False)
    done = await service.sudo("pair", "--new-pin", HOME=str(home))
    assert (done.code, done.err.count("\n")) == ((1, 1) if linked else (0, 0))
    assert set(owners(home).values()) == {OTHER}
    assert not linked or owners(target) == {}


@needs_root
async def test_root_believes_no_file_in_the_runtime_directory_of_another_user(
    service: Service, locked: Callable[[Path], None]
) -> None:
    users = service.root / "user" / "picar"
    users.mkdir(parents=True)
    service.writes(state=str(service.root / "elsewhere"))
    service.word.rename(users / "serving.json")
    for path in (users, users.parent):
        os.chown(path, USER, USER)
    locked(users / "serving.json")
    shown = await service.sudo("pair", XDG_RUNTIME_DIR=str(users.parent))
    assert "No running picar was found" in shown.out
    assert not (service.root / "elsewhere").exists()
    before = owners(users)
    assert announce(Serving(os.getpid(), "all", 8000, "/state", "on"), users) is None
    assert owners(users) == before


@needs_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="there is no setpriv")
async def test_where_root_may_not_become_the_owner_it_says_whose_it_is(service: Service) -> None:
    drop = "-setuid,-setgid"
    command = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}", sys.executable, "-c", SUDO]
    env = {"XDG_RUNTIME_DIR": "", "XDG_STATE_HOME": "", "HOME": str(service.root)}
    done = await run([*command, str(service.run), str(service.state), "pair", "--list"], env)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert f"Run this as user {USER}." in done.err
    assert owners(service.state) == {}


def test_a_server_is_found_until_it_withdraws_and_by_its_own_user(tmp_path: Path) -> None:
    folder = tmp_path / "picar"
    first, second = (Serving(os.getpid(), "all", port, "/state", "on") for port in (8000, 8001))
    held = announce(first, folder)
    assert held is not None
    assert running(folder) == first
    newer = announce(second, folder)
    withdraw(held, folder)  # the newer one has replaced it
    assert running(folder) == second
    withdraw(newer, folder)
    assert running(folder) is None
    assert list(folder.iterdir()) == []


def test_without_a_folder_nothing_is_announced_and_nothing_found(tmp_path: Path) -> None:
    assert announce(Serving(1, "all", 8000, "/state", "on"), None) is None
    withdraw(None, None)
    assert running(None) is None
    assert running(tmp_path / "nowhere") is None
