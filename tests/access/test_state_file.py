"""The file of the state directory: for its owner's eyes, and when it is damaged or out of reach."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from picar import commands as cli
from picar.access import store as stores
from picar.access.content import VERSION
from picar.access.store import FILE, AccessStore
from tests.support.household import Household, run
from tests.support.powerless import PICAR, PREFIX, needs_permissions

WIDE_OPEN = ("-c", "import os, sys; os.umask(0); from picar.__main__ import main; sys.exit(main())")
MIA = {"id": "1" * 16, "name": "Mia", "kind": "phone"}
GOOD: dict[str, Any] = {
    "car": "0a1b2c3d",
    "secret": "5" * 64,
    "pin": "123456",
    "speed_cap": 1.0,
    "paired": [MIA],
}
DAMAGED = {
    "nothing": "",
    "blanks": " \n",
    "zeros": "\0" * 500,
    "half": json.dumps(GOOD)[:-20],
    "junk": "\x00\xff\x00",
    "a list": "[]",
    "null": "null",
    "nesting": "[" * 100_000,
    "no members": "{}",
    **{f"no {name}": json.dumps({k: v for k, v in GOOD.items() if k != name}) for name in ("car", "secret", "pin", "paired")},
    **{
        f"{name} {value!r}": json.dumps(GOOD | {name: value})
        for name, value in [
            ("pin", 123456),
            ("pin", ""),
            ("pin", "abc"),
            ("pin", "12345"),
            ("pin", "1234567"),
            ("pin", "\ud800"),
            ("secret", None),
            ("secret", ""),
            ("secret", "s"),
            ("secret", "5" * 31),
            ("secret", "\ud800"),
            ("car", 5),
            ("car", "a;b"),
            ("speed_cap", 0),
            ("speed_cap", 1.5),
            ("speed_cap", "1"),
            ("speed_cap", float("nan")),
            ("paired", None),
            ("paired", "x"),
            ("version", "2"),
        ]
    },
}  # fmt: skip
STRANGE = [
    1,
    None,
    {},
    {"id": "1", "name": "x"},
    {"id": 1, "name": "x", "kind": "phone"},
    {"id": "1", "name": 2, "kind": "phone"},
    {"id": "1", "name": "x", "kind": None},
    {"id": "1", "name": "x", "kind": "viewer", "of": {"the": ["future"]}},
    {"id": "1", "name": "\x1b[31m", "kind": "phone"},
]


def test_the_good_one_is_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        json.dumps(GOOD), encoding="utf-8-sig"
    )  # an editor's byte order mark does no harm
    store = AccessStore(tmp_path)
    assert ([one.name for one in store.paired], store.pin, store.speed_cap) == (["Mia"], "123456", 1.0)


def test_keys_and_entries_of_another_version_are_kept_and_let_nobody_in(tmp_path: Path) -> None:
    newer = {**GOOD, "version": 7, "lesson": {"mode": "\ud800", "cap": [1.0]}}
    newer["paired"] = [{**MIA, "view": None}, *STRANGE]
    (tmp_path / FILE).write_text(json.dumps(newer), encoding="utf-8")
    store = AccessStore(tmp_path)
    assert [one.name for one in store.paired] == ["Mia"]
    ben = store.pair("Ben")
    store.set_speed_cap(0.5)
    kept = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    assert kept["paired"].pop(1)["id"] == ben.id
    assert kept == {**newer, "speed_cap": 0.5, **{name: kept[name] for name in kept.keys() - newer.keys()}}
    assert [store.who(store.credential(one)) for one in store.paired] == list(store.paired)
    assert store.who(store.credential(dataclasses.replace(ben, id="1"))) is None


def test_the_list_names_entries_of_another_version_and_writes_over_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FILE).write_text(json.dumps(GOOD | {"paired": [MIA, *STRANGE]}), encoding="utf-8")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for command in (["--list"], ["--revoke", "all"]):
        assert cli.run(["pair", *command]) == 0
        said = capsys.readouterr().out
        assert "Mia" in said
        assert "'\\x1b[31m'" in said
        assert "\x1b" not in said
    assert store_of(tmp_path) == []


def store_of(folder: Path) -> list[object]:
    """Return the entries of the list."""
    entries: list[object] = json.loads((folder / FILE).read_text(encoding="utf-8"))["paired"]
    return entries


def test_an_older_file_gets_a_version_when_it_is_written(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps(GOOD), encoding="utf-8")
    AccessStore(tmp_path).set_speed_cap(0.5)
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8"))["version"] == VERSION


def test_removing_all_removes_those_of_another_version_too(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps(GOOD | {"paired": [MIA, *STRANGE]}), encoding="utf-8")
    store = AccessStore(tmp_path)
    assert store.strange == ["x", "x", "x", "x", "\x1b[31m"]
    assert store.revoke("x") == (["x"] * 4, [])
    kept = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))["paired"]
    assert [one.get("name") for one in kept if isinstance(one, dict)] == ["Mia", None, 2, "\x1b[31m"]
    assert store.revoke(None) == (["Mia", "\x1b[31m"], [])
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8"))["paired"] == []


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_one_sentence_until_a_server_starts_and_is_never_lost(
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / FILE
    file.write_bytes(text.encode("latin-1") if text.isprintable() else text.encode(errors="surrogateescape"))
    before = file.read_bytes()
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert cli.run(["pair", "--list"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"picar: {file} cannot be read as the list of paired phones: it")
    assert said.err.endswith(" When picar starts, it renames this file and begins a new list.\n")
    assert file.read_bytes() == before

    store = AccessStore(tmp_path, serving=True)
    assert (tmp_path / f"{FILE}.unreadable-1").read_bytes() == before
    (record,) = caplog.records
    assert record.message.startswith(f"{file} cannot be read as the list of paired phones: it")
    assert f"Its new name is {FILE}.unreadable-1. The car has a new PIN" in record.message
    assert store.paired == ()
    assert AccessStore(tmp_path).pin == store.pin


def test_the_first_one_replaces_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ext4 needs to write its data out in time; seen on a copy of a mounted image: 0 bytes after 8 s without."""
    replace, replaced = Path.replace, list[tuple[str, int]]()

    def noted(new: Path, old: Path) -> Path:
        replaced.append((old.read_text(encoding="utf-8"), stat.S_IMODE(old.stat().st_mode)))
        return replace(new, old)

    monkeypatch.setattr(Path, "replace", noted)
    AccessStore(tmp_path)
    assert replaced == [("", 0o600)]


async def test_only_its_owner_reads_it_whatever_the_umask_is() -> None:
    async with Household(program=WIDE_OPEN) as house:
        await house.phone("Mia")
        assert stat.S_IMODE(house.state.stat().st_mode) == 0o700
        assert stat.S_IMODE(house.file.stat().st_mode) == 0o600
        assert [file.name for file in house.state.iterdir()] == [FILE]
        word = house.folder / "picar" / "serving.json"  # where the car runs is no secret, and holds none
        assert stat.S_IMODE(word.stat().st_mode) == 0o644
        content = house.content()
        for secret in (content["pin"], content["secret"], content["paired"][0]["id"]):
            assert secret not in word.read_text(encoding="utf-8")
        assert content["secret"] not in house.log()


def _as_a_file_where_the_folder_should_be(state: Path) -> None:
    state.write_text("", encoding="utf-8")


def _unreadable(state: Path) -> None:
    AccessStore(state)
    (state / FILE).chmod(0)


def _in_a_closed_folder(state: Path) -> None:
    AccessStore(state)
    state.chmod(0)


def _not_there_and_read_only(state: Path) -> None:
    state.mkdir()
    state.chmod(0o500)


def _damaged_and_read_only(state: Path) -> None:
    state.mkdir()
    (state / FILE).write_text("{", encoding="utf-8")
    state.chmod(0o500)


SPOILERS = [
    _as_a_file_where_the_folder_should_be,
    _unreadable,
    _in_a_closed_folder,
    _not_there_and_read_only,
    _damaged_and_read_only,
]


@needs_permissions
@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__.strip("_"))
async def test_serve_says_in_one_sentence_what_is_wrong_with_it(spoil, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    state = tmp_path / "state"
    spoil(state)
    env = {"STATE_DIRECTORY": str(state), "XDG_RUNTIME_DIR": str(tmp_path)}
    serve = ["serve", "--pins", "mock", "--host", "127.0.0.1", "--port", "0"]
    ended = await run([*PREFIX, sys.executable, "-m", "picar", *serve], env)
    (tmp_path / "state").chmod(0o700)
    assert (ended.code, ended.out) == (1, "")
    (sentence,) = ended.err.splitlines()
    assert sentence.startswith(f"picar: {state / FILE} ")
    assert "emove" not in sentence


@pytest.mark.parametrize("spoil", [Path.mkdir, os.mkfifo, Path.touch], ids=["folder", "fifo", "empty"])
async def test_a_car_starts_anew_beside_what_is_no_list_and_says_what_was_lost(
    spoil: Callable[[Path], object],
) -> None:
    house = Household()
    for name in (FILE, "calibration-mock.toml"):
        house.state.mkdir(exist_ok=True)
        spoil(house.state / name)
    async with house:
        lost = [line for line in house.log().splitlines() if FILE in line]
        assert len(lost) == 1
        assert "all phones and scripts must be paired again" in lost[0]
        assert (house.state / f"{FILE}.unreadable-1").exists()
        await house.phone("Mia")
        await house.terminate()
        await house.start()
        assert house.log().count(f"{FILE}.unreadable") == 1
        assert house.names() == ["Mia"]


@needs_permissions
async def test_a_state_that_is_not_yours_needs_sudo(tmp_path: Path) -> None:
    state = tmp_path / "state"
    _in_a_closed_folder(state)
    env = {"STATE_DIRECTORY": str(state), "XDG_RUNTIME_DIR": str(tmp_path)}
    for what in ([], ["--list"], ["--new-pin"], ["--token", "robot"]):
        ended = await run([*PREFIX, sys.executable, "-m", "picar", "pair", *what], env)
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
        assert re.search(r"Use sudo: sudo \S*picar pair$", ended.err.strip())
    state.chmod(0o700)


@needs_permissions
async def test_a_car_whose_state_cannot_be_written_any_more_drives_on() -> None:
    async with Household(program=PICAR) as house:
        mia = await house.phone("Mia")
        house.state.chmod(0o500)
        try:
            answer = await house.pair(pin=house.pin, name="Ben")
            assert (answer.status, answer.code) == (503, "not_saved")
            assert str(house.file) in answer.json["error"]["message"]
            answer = await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.5}, mia)
            assert (answer.status, answer.code) == (503, "not_saved")
            async with house.client(mia) as phone:
                assert phone.state["speed_cap"] == 0.5  # lowered all the same, until the next start
                await phone.take()
            answer = await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.6}, mia)
            assert (answer.status, answer.code) == (403, "pin_needed")  # saved or not
        finally:
            house.state.chmod(0o700)
        assert house.names() == ["Mia"]
        assert (await house.pair(pin=house.pin, name="Ben")).status == 200
        await house.terminate()
        assert "Traceback" not in house.log()


def test_what_could_not_be_read_for_a_moment_is_read_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_descriptors(path: Path) -> str:
        raise OSError(errno.EMFILE, str(path))

    here, elsewhere = AccessStore(tmp_path), AccessStore(tmp_path)
    pin = elsewhere.new_pin()
    with monkeypatch.context() as patch:
        patch.setattr(stores, "read_small", out_of_descriptors)
        here.refresh()
    assert here.pin == pin


def test_a_cap_that_is_kept_already_wears_out_no_card(tmp_path: Path) -> None:
    store = AccessStore(tmp_path)
    store.set_speed_cap(0.5)
    before = store.path.stat()
    store.set_speed_cap(0.5)
    assert store.path.stat() == before


@needs_permissions
async def test_a_car_whose_file_is_spoilt_knows_what_it_knew() -> None:
    async with Household(program=PICAR) as house:
        mia = await house.phone("Mia")
        good = house.file.read_bytes()
        for spoilt in (b"", b"{", b"\xff" * 100):
            house.file.write_bytes(spoilt)
            assert (await house.ask("GET", "/api/v1/state", headers=mia)).status == 200
        house.file.unlink()
        assert (await house.ask("GET", "/api/v1/state", headers=mia)).status == 200
        house.file.write_bytes(good)
        house.file.chmod(0)
        os.utime(house.file)
        assert (await house.ask("GET", "/api/v1/state", headers=mia)).status == 200
        house.file.chmod(0o600)
        assert (await house.pair(pin=json.loads(good)["pin"], name="Ben")).status == 200
        assert house.names() == ["Mia", "Ben"]
        await house.terminate()
        assert "Traceback" not in house.log()
