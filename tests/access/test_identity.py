"""The car among others: id, colour and number, and cards that were moved to another Pi or copied."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path

import pytest

from picar.access.content import Content
from picar.access.identity import COLOURS, MOST_NUMBER, SERIAL_FILE, Identity, board
from picar.access.store import FILE, AccessStore
from picar.access.tokens import fingerprint
from picar.config import FleetConfig
from tests.access.colours import APART, distance

FIRST, SECOND, THIRD = fingerprint("10000000aaaaaaaa"), fingerprint("10000000bbbbbbbb"), fingerprint("x")


def started(folder: Path, pi: str) -> AccessStore:
    """Return the list as a server has it that starts in this Pi."""
    return AccessStore(folder, serving=True, board=pi)


@pytest.fixture
def home(tmp_path: Path) -> AccessStore:
    """A car that was first used in the first Pi, with a phone, a script and a garage."""
    store = started(tmp_path, FIRST)
    for kind in ("phone", "script", "garage"):
        store.pair(kind.title(), kind)
    return store


def admitted(store: AccessStore, credentials: dict[str, str]) -> set[str]:
    """Return the kinds whose credentials this car accepts."""
    return {kind for kind, credential in credentials.items() if store.who(credential)}


@pytest.fixture
def credentials(home: AccessStore) -> dict[str, str]:
    return {one.kind: home.credential(one) for one in home.paired}


def test_the_id_is_the_name_in_the_file_and_has_8_letters_and_digits(home: AccessStore) -> None:
    content = json.loads(home.path.read_text(encoding="utf-8"))
    assert home.id == home.car == content["car"]
    assert len(home.id) == 8
    assert home.id == home.id.lower()
    assert content["board"] == FIRST


def test_a_card_that_is_moved_keeps_its_pairings_and_has_another_id(
    home: AccessStore, credentials: dict[str, str]
) -> None:
    moved = started(home.path.parent, SECOND)
    assert moved.is_moved
    assert moved.id != home.id
    assert len(moved.id) == 8
    assert (moved.pin, moved.paired, moved.car) == (home.pin, home.paired, home.car)
    assert admitted(moved, credentials) == {
        "phone",
        "script",
    }  # a garage adopts the car anew, under its new id
    again = moved.credential(next(one for one in moved.paired if one.kind == "garage"))
    assert moved.who(again)
    assert home.who(again) is None


def test_a_card_that_is_moved_back_is_the_old_car(home: AccessStore, credentials: dict[str, str]) -> None:
    text = home.path.read_text(encoding="utf-8")
    there = started(home.path.parent, SECOND).id
    back = started(home.path.parent, FIRST)
    assert (back.id, back.is_moved) == (home.id, False)
    assert admitted(back, credentials) == set(credentials)
    assert started(home.path.parent, SECOND).id == there
    assert home.path.read_text(encoding="utf-8") == text


def test_copies_of_a_card_have_different_ids_and_the_same_pairings(home: AccessStore, tmp_path: Path) -> None:
    cars = [home]
    for number, pi in enumerate((SECOND, THIRD)):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(home.path, folder / FILE)
        cars.append(started(folder, pi))
    assert len({car.id for car in cars}) == 3
    assert [car.is_moved for car in cars] == [False, True, True]
    assert {car.paired for car in cars} == {home.paired}


def test_a_new_identity_makes_all_new_and_ends_the_warning(
    home: AccessStore, credentials: dict[str, str]
) -> None:
    home.set_speed_cap(0.4)
    moved = AccessStore(home.path.parent, board=SECOND)  # the command's
    before = (home.pin, home.car, moved.id)
    pin = moved.new_identity()
    after = started(home.path.parent, SECOND)
    assert not {after.pin, after.car, after.id} & set(before)
    assert (after.pin, after.is_moved, after.paired, after.speed_cap) == (pin, False, (), 0.4)
    assert admitted(after, credentials) == set()
    assert started(home.path.parent, FIRST).is_moved


@pytest.mark.parametrize("pi", ["", FIRST])
def test_a_file_of_an_older_version_is_at_home_where_it_starts(tmp_path: Path, pi: str) -> None:
    old = AccessStore(tmp_path, serving=True)  # as on a machine without a serial number
    assert "board" not in json.loads(old.path.read_text(encoding="utf-8"))
    mia = old.pair("Mia")
    for _ in range(2):
        store = started(tmp_path, pi)
        assert (store.id, store.is_moved, store.paired) == (old.id, False, (mia,))
    assert json.loads(old.path.read_text(encoding="utf-8")).get("board", "") == pi


def test_a_machine_without_a_serial_number_is_no_other_pi(
    home: AccessStore, credentials: dict[str, str]
) -> None:
    store = started(home.path.parent, "")
    assert (store.id, store.is_moved) == (home.id, False)
    assert admitted(store, credentials) == set(credentials)
    assert json.loads(home.path.read_text(encoding="utf-8"))["board"] == FIRST


def test_a_command_beside_the_car_does_not_make_a_pi_the_first(tmp_path: Path) -> None:
    AccessStore(tmp_path, board=FIRST).pair("Mia")
    assert "board" not in json.loads((tmp_path / FILE).read_text(encoding="utf-8"))


def test_a_car_whose_disk_is_full_starts_and_keeps_its_pi_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    AccessStore(tmp_path).pair("Mia")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("picar.access.store.replace", full)
        store = started(tmp_path, FIRST)
        assert [one.name for one in store.paired] == ["Mia"]
    started(tmp_path, FIRST)
    assert started(tmp_path, SECOND).is_moved


@pytest.mark.parametrize("member", [7, None, "", "a b", ["x"], {}])
def test_a_fingerprint_that_cannot_be_right_loses_no_pairing(home: AccessStore, member: object) -> None:
    before = home.paired, False, home.id
    content = json.loads(home.path.read_text(encoding="utf-8"))
    home.path.write_text(json.dumps(content | {"board": member}), encoding="utf-8")
    store = started(home.path.parent, SECOND)
    assert (store.paired, store.is_moved, store.id) == before


@pytest.mark.parametrize("car", ["all", "garage", "ABCDEFGH", "x", "abcdefghi"])
def test_a_name_of_another_form_is_no_id(car: str) -> None:
    content = Content(car=car, secret="s" * 32, pin="123456")
    assert content.id_in("") not in ("all", "garage", car)
    assert len(content.id_in("")) == 8
    assert content.id_in("") == content.id_in(FIRST)


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        (b"10000000aaaaaaaa\0", FIRST),
        (b"10000000aaaaaaaa", FIRST),
        (b"0000000000000000\0", ""),
        (b"\0", ""),
        (b"", ""),
        (b"\xff\xfe", ""),
    ],
)
def test_the_serial_number_of_a_pi_is_read_if_it_is_one(tmp_path: Path, text: bytes, same_as: str) -> None:
    file = tmp_path / SERIAL_FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(text)
    assert board(tmp_path) == same_as


def test_a_serial_number_that_is_missing_or_unreadable_is_none(tmp_path: Path) -> None:
    assert board(tmp_path) == ""
    (tmp_path / SERIAL_FILE).mkdir(parents=True)
    assert board(tmp_path) == ""


def test_colour_and_number_follow_from_the_id_or_the_configuration(home: AccessStore) -> None:
    ours = Identity.of(home, FleetConfig())
    assert ours == Identity.of(home, FleetConfig())
    assert (ours.id, ours.moved) == (home.id, False)
    given = Identity.of(home, FleetConfig("0b1c2d", 7))
    assert (given.colour, given.number) == ("0b1c2d", 7)


def test_each_colour_and_each_number_is_given(tmp_path: Path) -> None:
    store = AccessStore(tmp_path)
    found = []
    for n in range(4000):
        store._content = Content(car=f"{n:08d}", secret="s" * 32, pin="123456")
        found.append(Identity.of(store, FleetConfig()))
    assert {one.colour for one in found} == set(COLOURS)
    assert {one.number for one in found} == set(range(1, MOST_NUMBER + 1))


def test_colour_blind_eyes_tell_all_colours_apart() -> None:
    assert len(set(COLOURS)) == 12
    pairs = {frozenset(pair): distance(*pair) for pair in itertools.combinations(COLOURS, 2)}
    assert min(pairs.values()) >= APART
    assert all(math.isfinite(far) for far in pairs.values())
