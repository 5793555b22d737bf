"""`picar pair`, beside a car that runs and where none does."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from picar import commands as cli
from picar.access import locations
from picar.access.store import AccessStore
from picar.network import addresses
from tests.support.household import Household, run
from tests.support.raw import ask

pytestmark = pytest.mark.slow

NOT_RUNNING = "No running picar was found, so its address is not known."


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_new_identity_needs_a_car_that_stands_still_and_ends_every_pairing() -> None:
    async with Household() as house:
        mia, pin, car = await house.phone("Mia"), house.pin, house.content()["car"]
        refused = await house.cli("pair", "--new-identity")
        assert (refused.code, refused.out) == (1, "")
        assert "Stop picar first" in refused.err
        assert (house.pin, house.names()) == (pin, ["Mia"])
        await house.terminate()
        done = await house.cli("pair", "--new-identity")
        assert (done.code, done.err) == (0, "")
        assert house.pin in done.out
        assert house.content()["car"] in done.out
        assert "all must pair again" in done.out
        assert (house.names(), pin != house.pin, car != house.content()["car"]) == ([], True, True)
        await house.start()
        assert (await house.ask("GET", "/api/v1/state", headers=mia)).status == 401


async def test_beside_a_running_car_its_word_counts_at_once(tmp_path: Path) -> None:
    async with Household() as house:
        # Whoever asks has an environment of their own: what the running car says of itself counts.
        elsewhere = {"STATE_DIRECTORY": "", "XDG_STATE_HOME": str(tmp_path)}
        shown = await house.cli("pair", **elsewhere)
        assert (shown.code, shown.err) == (0, "")
        assert house.pin in shown.out
        assert NOT_RUNNING not in shown.out

        made = await house.cli("pair", "--token", "robot", **elsewhere)
        token = made.out.strip()
        assert re.fullmatch(r"[\w.-]+", token)
        assert (await house.ask("GET", "/api/v1/state", headers=bearer(token))).status == 200
        assert (await house.ask("GET", "/api/v1/session", headers=bearer(token))).json["name"] == "robot"
        async with house.client(bearer(token)) as robot:
            await robot.take()

        again = await house.cli("pair", "--token", "robot", **elsewhere)
        assert (again.code, again.out, again.err.count("\n")) == (1, "", 1)
        assert "--revoke" in again.err

        await house.phone("Mia")
        listed = await house.cli("pair", "--list", **elsewhere)
        assert [line.split() for line in listed.out.splitlines()] == [
            ["script", "robot", "(from", "this", "machine's", "terminal)"],
            ["phone", "Mia", "(with", "the", "PIN)"],
        ]

        nobody = await house.cli("pair", "--revoke", "Ben", **elsewhere)
        assert (nobody.code, nobody.out, nobody.err.count("\n")) == (1, "", 1)
        assert "--list" in nobody.err

        old = house.pin
        renewed = await house.cli("pair", "--new-pin", **elsewhere)
        assert house.pin in renewed.out
        assert (await house.pair(pin=old)).code == ("wrong_pin" if house.pin != old else "")
        assert (await house.pair(pin=house.pin)).status == 200

        await house.cli("pair", "--revoke", "robot", **elsewhere)
        assert (await house.ask("GET", "/api/v1/state", headers=bearer(token))).status == 401


async def test_where_no_car_runs_it_counts_from_the_next_start() -> None:
    async with Household() as house:
        mia = await house.phone("Mia")
        await house.terminate()
        shown = await house.cli("pair")
        assert shown.code == 0
        assert house.pin in shown.out
        assert NOT_RUNNING in shown.out
        assert ("http" in shown.out, "█" in shown.out) == (False, False)
        named = await house.cli("pair", "--port", "8765")
        assert (NOT_RUNNING in named.out, ":8765\n" in named.out) == (False, True)
        token = (await house.cli("pair", "--token", "robot")).out.strip()
        assert (await house.cli("pair", "--revoke", "Mia")).code == 0
        assert (await house.cli("pair", "--list")).out.split()[:2] == ["script", "robot"]
        old = house.pin
        assert (await house.cli("pair", "--new-pin")).code == 0
        await house.start()
        assert (await house.ask("GET", "/api/v1/state", headers=bearer(token))).status == 200
        assert (await house.ask("GET", "/api/v1/state", headers=mia)).status == 401
        assert (await house.pair(pin=old)).status == (403 if house.pin != old else 200)

        house.signal(signal.SIGKILL)  # leaves its word behind, which nobody believes
        await house.ended()
        await house.until_low()
        assert NOT_RUNNING in (await house.cli("pair")).out


async def test_a_first_pair_makes_the_pin_that_the_car_then_has() -> None:
    house = Household()
    shown = await house.cli("pair")
    assert (shown.code, shown.err) == (0, "")
    pin = house.pin
    assert re.fullmatch(r"\d{6}", pin)
    assert pin in shown.out
    async with house:
        assert house.pin == pin
        assert (await house.pair(pin=pin)).status == 200


async def test_a_list_that_is_removed_while_the_car_runs_is_not_replaced_by_a_command(tmp_path: Path) -> None:
    async with Household() as house:
        mia = await house.phone("Mia")
        assert (await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.1}, mia)).status == 200
        before = house.content()
        house.file.unlink()
        for command in ([], ["--list"], ["--revoke", "all"], ["--new-pin"], ["--token", "robot"]):
            done = await house.cli("pair", *command)
            assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
            assert f"There is no list of paired phones: {house.file} does not exist." in done.err
        assert not house.file.exists()
        house.file.write_bytes(AccessStore(tmp_path).path.read_bytes())
        async with house.client(mia) as phone:
            await phone.hears(30)  # the server looks at the file every second
            assert phone.state["speed_cap"] == 0.1
        assert (await house.pair(pin=str(before["pin"]), name="Ben")).status == 200
        assert house.names() == ["Mia", "Ben"]
        assert (house.content()["car"], house.content()["speed_cap"]) == (before["car"], 0.1)


@pytest.mark.parametrize("command", [["--list"], ["--revoke", "all"]], ids="".join)
def test_commands_that_only_read_create_nothing(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert cli.run(["pair", *command]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "There is no list of paired phones" in said.err
    assert list(tmp_path.iterdir()) == []


async def test_commands_that_it_prints_work_as_they_are_printed() -> None:
    async with Household() as house:
        program = str(Path(sys.executable).with_name("picar"))
        env = {"STATE_DIRECTORY": str(house.state), "XDG_RUNTIME_DIR": str(house.folder)}
        nobody = await run([program, "pair", "--revoke", "Ben"], env)
        command = nobody.err.strip().rpartition("See: ")[2]
        assert command.startswith((".venv/bin/", "picar ", "/", "~/"))
        done = await run(["/bin/sh", "-c", command], env)
        assert (done.code, done.out) == (0, "No phone or script is paired.\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin1", "cp437", "utf-8"])
async def test_a_terminal_without_half_blocks_gets_no_drawing_of_them(encoding: str, tmp_path: Path) -> None:
    store = AccessStore(tmp_path)
    store.pair("小车")
    picar = [sys.executable, "-m", "picar", "pair"]
    env = {"STATE_DIRECTORY": str(tmp_path), "PYTHONIOENCODING": encoding, "PICAR_ACCESS__PAIRING": "on"}
    in_utf8 = ["/bin/sh", "-c", '"$@" | iconv -f "$PYTHONIOENCODING" -t utf-8', ""]
    shown = await run([*in_utf8, *picar, "--port", "8765"], env)
    can_draw = (
        encoding in ("cp437", "utf-8") and addresses.for_a_phone("all", addresses.interfaces()) is not None
    )
    assert ("█" in shown.out, "scan this" in shown.out) == (can_draw, can_draw)
    assert ("\\u25" in shown.out, store.pin in shown.out) == (False, True)
    listed = await run([*picar, "--list"], env | {"PYTHONIOENCODING": "ascii"})
    assert listed.out.startswith("  phone   \\u5c0f\\u8f66  (")


def test_a_terminal_without_half_blocks_gets_colours(tmp_path: Path) -> None:
    def shown(**more: str) -> str:
        env = {
            "STATE_DIRECTORY": str(tmp_path),
            "PYTHONIOENCODING": "ascii",
            "TERM": "vt220",
            "COLUMNS": "80",
        }
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "picar", "pair", "--port", "8765"]
        done = subprocess.run(command, env=os.environ | env | more, stdout=slave, timeout=60, check=True)
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):  # EIO is the end
            while part := os.read(master, 1 << 16):
                text += part
        os.close(master)
        assert done.returncode == 0
        return text.decode("ascii")

    has_phone = addresses.for_a_phone("all", addresses.interfaces()) is not None
    assert ("\x1b[47m" in shown()) == has_phone
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"COLUMNS": "60"}):
        assert "\x1b" not in shown(**env)


def test_a_journal_gets_neither_pin_nor_qr_code_nor_a_word_of_ctrl_c(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    stream = os.fstat(writing)
    env = os.environ | {
        "STATE_DIRECTORY": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino}",
        "PICAR_ACCESS__PAIRING": "on",
    }
    command = [sys.executable, "-m", "picar", "serve", "--pins", "mock", "--port", "0"]
    with subprocess.Popen(command, stdout=writing, env=env) as car:
        os.close(writing)
        said = os.read(reading, 1 << 16).decode()
        car.terminate()
        while more := os.read(reading, 1 << 16).decode():
            said += more
    os.close(reading)
    assert car.returncode == 0
    assert re.search(r"^  PIN    \S*picar pair ", said, re.MULTILINE)
    assert "  open   http://" in said
    assert AccessStore(tmp_path).pin not in said
    assert ("█" in said, "Ctrl-C" in said, "pair=" in said) == (False, False, False)


@pytest.mark.parametrize("port", ["99999", "0", "-1"])
async def test_a_port_that_there_is_not_is_one_sentence(port: str) -> None:
    done = await run([sys.executable, "-m", "picar", "pair", "--port", port], {})
    assert (done.code, done.out) == (2, "")
    assert done.err == f"picar: --port {port}: a port is a number from 1 to 65535.\n"


async def test_one_thing_at_a_time(tmp_path: Path) -> None:
    env = {"STATE_DIRECTORY": str(tmp_path / "state"), "XDG_RUNTIME_DIR": str(tmp_path)}
    both = await run([sys.executable, "-m", "picar", "pair", "--list", "--new-pin"], env)
    assert (both.code, both.out) == (2, "")


@pytest.mark.parametrize("name", ["", " ", " robot", "a\nb", "\x1b[31m", "x" * 33, "车" * 22, "\udcff"])
def test_a_script_has_a_name_that_can_be_printed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert cli.run(["pair", "--token", name]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.endswith("A name has 1 to 32 printable characters, and at most 64 bytes.\n")
    assert cli.run(["pair", "--revoke", name]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("member", [
    {"pid": "1"}, {"pid": 0}, {"pid": -1}, {"pid": 10**30}, {"port": None}, {"port": 70000}, {"host": 5}, {"host": "\x1b[31m"},
    {"state": 5}, {"state": "x"}, {"state": "/a\nb"}, {"pairing": "x"}, {"pairing": []}, {"more": 1},
], ids=str)  # fmt: skip
def test_what_is_no_car_s_word_is_not_taken_for_one(member: dict[str, object], tmp_path: Path) -> None:
    good = {"pid": os.getpid(), "host": "0.0.0.0", "port": 8000, "state": "/var/lib/picar", "pairing": "on"}
    word = tmp_path / "serving.json"
    with word.open("w", encoding="utf-8") as file:
        json.dump(good, file)
        file.flush()
        assert locations.running(tmp_path) is None  # whoever wrote it runs no more
        fcntl.flock(file, fcntl.LOCK_EX)
        assert locations.running(tmp_path) is not None
        word.write_text(json.dumps(good | member), encoding="utf-8")
        assert locations.running(tmp_path) is None


def test_where_the_service_rests_its_list_is_meant_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "own"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(locations, "SERVICE_STATE", tmp_path / "service")
    service = AccessStore(tmp_path / "service")
    service.pair("Mia")
    assert cli.run(["pair", "--revoke", "Mia"]) == 0
    assert service.paired == ()
    AccessStore(tmp_path / "own" / "picar").pair("Ben")
    monkeypatch.setattr("os.geteuid", lambda: 1000)  # whoever has a car of their own means that one
    assert cli.run(["pair", "--list"]) == 0
    assert "Ben" in capsys.readouterr().out
    monkeypatch.setattr("os.geteuid", lambda: 0)  # sudo is for the service
    assert cli.run(["pair", "--list"]) == 0
    assert "No phone or script is paired." in capsys.readouterr().out


def test_nobody_is_named_as_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    store = AccessStore(tmp_path)
    assert [store.pair("all").name, store.pair("Mia").name] == ["all 2", "Mia"]
    assert cli.run(["pair", "--revoke", "all 2"]) == 0
    assert [one.name for one in store.paired] == ["Mia"]


async def test_many_at_once_lose_nobody() -> None:
    async with Household() as house:
        names = [f"script {n}" for n in range(4)]
        made = asyncio.gather(*(house.cli("pair", "--token", name) for name in names))
        pin = house.pin
        phones = asyncio.gather(*(house.pair(pin=pin, name=f"phone {n}") for n in range(10)))
        assert {ended.code for ended in await made} == {0}
        assert {answer.status for answer in await phones} == {200}
        assert sorted(house.names()) == sorted(names + [f"phone {n}" for n in range(10)])
        assert (await ask(house.address, "GET", "/healthz")).status == 200


async def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    code = "import os, sys; os.chdir(sys.argv.pop()); os.rmdir(os.getcwd()); from picar.__main__ import main; sys.exit(main())"
    env = {"STATE_DIRECTORY": "state", "XDG_RUNTIME_DIR": str(tmp_path)}
    ended = await run([sys.executable, "-c", code, "pair", "--list", str(tmp_path / "gone")], env)
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert ended.err.startswith("picar: The current folder is gone.")
