"""The file of the state directory: for its owner's eyes, and when it is damaged or out of reach."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from picar import cli
from picar.access.store import FILE, AccessStore
from tests.support.household import Household, run
from tests.support.powerless import PICAR, PREFIX, needs_permissions

WIDE_OPEN = ("-c", "import os, sys; os.umask(0); from picar.__main__ import main; sys.exit(main())")
GOOD = {
    "car": "0a1b2c3d",
    "secret": "5" * 64,
    "pin": "123456",
    "speed_cap": 1.0,
    "paired": [{"id": "1" * 16, "name": "Mia", "kind": "phone"}],
}
DAMAGED = {
    "nothing": "",
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
            ("pin", "\ud800"),
            ("secret", None),
            ("secret", ""),
            ("secret", "\ud800"),
            ("car", 5),
            ("car", "a;b"),
            ("speed_cap", 0),
            ("speed_cap", 1.5),
            ("speed_cap", "1"),
            ("speed_cap", float("nan")),
            ("paired", None),
            ("paired", "x"),
            ("paired", [1]),
            ("paired", [{}]),
            ("paired", [{"id": "1", "name": "x"}]),
            ("paired", [{"id": 1, "name": "x", "kind": "phone"}]),
            ("paired", [{"id": "1", "name": 2, "kind": "phone"}]),
            ("paired", [{"id": "1", "name": "x", "kind": None}]),
            ("paired", [{"id": "1", "name": "\x1b[31m", "kind": "phone"}]),
            ("paired", [{"id": "1", "name": "x", "kind": "phone", "admin": True}]),
            ("more", 1),
        ]
    },
}  # fmt: skip


def test_the_good_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE).write_text(json.dumps(GOOD), encoding="utf-8")
    assert [one.name for one in AccessStore(tmp_path).paired] == ["Mia"]


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_one_sentence_and_stays_as_it_is(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / FILE
    file.write_bytes(text.encode("latin-1") if text.isprintable() else text.encode(errors="surrogateescape"))
    before = file.read_bytes()
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert cli.run(["pair", "--list"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert (
        said.err
        == f"picar: {file} is damaged. Remove it, then start picar and pair the phones again: rm {file}\n"
    )
    assert file.read_bytes() == before


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


def _as_a_folder(state: Path) -> None:
    (state / FILE).mkdir(parents=True)


def _as_a_file_where_the_folder_should_be(state: Path) -> None:
    state.write_text("", encoding="utf-8")


def _damaged(state: Path) -> None:
    state.mkdir()
    (state / FILE).write_text("{", encoding="utf-8")


def _unreadable(state: Path) -> None:
    AccessStore(state)
    (state / FILE).chmod(0)


def _in_a_closed_folder(state: Path) -> None:
    AccessStore(state)
    state.chmod(0)


def _not_there_and_read_only(state: Path) -> None:
    state.mkdir()
    state.chmod(0o500)


SPOILERS = [
    _as_a_folder,
    _as_a_file_where_the_folder_should_be,
    _damaged,
    _unreadable,
    _in_a_closed_folder,
    _not_there_and_read_only,
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


@needs_permissions
async def test_a_state_that_is_not_yours_needs_sudo(tmp_path: Path) -> None:
    state = tmp_path / "state"
    _in_a_closed_folder(state)
    env = {"STATE_DIRECTORY": str(state), "XDG_RUNTIME_DIR": str(tmp_path)}
    for what in ([], ["--list"], ["--new-pin"], ["--token", "robot"]):
        ended = await run([*PREFIX, sys.executable, "-m", "picar", "pair", *what], env)
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
        assert "sudo picar pair" in ended.err
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
            assert (await house.ask("POST", "/api/v1/invite", {}, mia)).json["pin"] is None
        finally:
            house.state.chmod(0o700)
        assert house.names() == ["Mia"]
        assert (await house.pair(pin=house.pin, name="Ben")).status == 200
        await house.terminate()
        assert "Traceback" not in house.log()


def test_what_could_not_be_read_for_a_moment_is_read_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_descriptors(_path: Path, encoding: str) -> str:
        raise OSError(errno.EMFILE, encoding)

    here, elsewhere = AccessStore(tmp_path), AccessStore(tmp_path)
    pin = elsewhere.new_pin()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", out_of_descriptors)
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
