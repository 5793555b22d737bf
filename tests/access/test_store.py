"""Who is in the list, who let them in, and who goes when somebody is revoked."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from picar.access.content import BY_PIN, BY_TERMINAL, WAIT_S
from picar.access.store import INVITED_BY_ONE, MOST_PAIRED, AccessStore
from picar.errors import AccessError, TooManyPaired
from picar.files import SMALL_BYTES, check_writable


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> AccessStore:
    return AccessStore(tmp_path, clock=clock)


def invite(store: AccessStore, by: str, name: str) -> str:
    """Let somebody in for good by an invitation of a phone, and return their id."""
    found = store.invited(store.invitation(100.0, by), 100.0)
    assert found is not None
    one = store.let_in(name, found.by, found.tag)
    store.keep(one.id)
    return one.id


def names(store: AccessStore) -> list[str]:
    return [one.name for one in store.paired]


@pytest.fixture
def family(store: AccessStore) -> AccessStore:
    """Mia came by the PIN and invited Ben, Ben invited Cem, Cem invited Dora; Eve came by the PIN."""
    mia = store.let_in("Mia", BY_PIN)
    store.keep(mia.id)
    invite(store, invite(store, invite(store, mia.id, "Ben"), "Cem"), "Dora")
    store.keep(store.let_in("Eve", BY_PIN).id)
    return store


def test_whoever_was_invited_is_named_and_goes_too_when_asked_for(family: AccessStore) -> None:
    removed, left = family.revoke("Ben")
    assert (removed, left) == (["Ben"], ["Cem", "Dora"])
    assert names(family) == ["Mia", "Cem", "Dora", "Eve"]
    removed, left = family.revoke("Mia", with_invited=True)  # through Ben, who is gone
    assert (removed, left) == (["Mia", "Cem", "Dora"], [])
    assert names(family) == ["Eve"]


def test_whom_a_phone_invited_that_came_by_the_pin_did_not_come_by_the_pin(family: AccessStore) -> None:
    mia = family.paired[0].id
    family.revoke("Mia")
    assert family.paired[0].by == mia
    family.revoke("Eve", with_invited=True)
    assert names(family) == ["Ben", "Cem", "Dora"]


def test_a_list_that_invited_itself_in_a_circle_is_removed_all_the_same(family: AccessStore) -> None:
    ben, cem = (one.id for one in family.paired[1:3])
    text = family.path.read_text(encoding="utf-8").replace(f'"by": "{family.paired[0].id}"', f'"by": "{cem}"')
    family.path.write_text(text, encoding="utf-8")
    assert family.paired[1].by == cem
    assert family.paired[2].by == ben
    family.revoke("Ben")
    family.revoke("Cem", with_invited=True)
    assert names(family) == ["Mia", "Eve"]


def test_somebody_is_named_as_written_or_as_it_looks(store: AccessStore) -> None:
    for name in ("Dad", "Mum", "Al\u200dl"):
        store.pair(name)
    assert names(store) == ["Dad", "Mum", "Al\u200dl 2"]
    assert store.revoke("nobody") == ([], [])
    assert store.revoke("dad")[0] == ["Dad"]
    assert store.revoke("all 2")[0] == ["Al\u200dl 2"]
    assert names(store) == ["Mum"]


def test_revoking_any_name_ends_all_invitations_and_newcomers(store: AccessStore) -> None:
    store.pair("Mia")
    ends = (
        lambda: store.revoke("Mia"),
        lambda: store.revoke(None),
        lambda: store.revoke("nobody"),
        store.new_pin,
    )
    for end in ends:
        text = store.invitation(100.0)
        assert store.invited(text, 100.0)
        waits = store.let_in("Ben", BY_TERMINAL)
        assert store.who(store.credential(waits)) == waits
        end()
        assert store.invited(text, 100.0) is None
        assert store.who(store.credential(waits)) is None
        store.keep(waits.id)
        assert names(store) == ["Mia"] * ("Mia" in names(store))


def test_somebody_who_was_revoked_while_they_came_back_is_not_kept(
    store: AccessStore, tmp_path: Path
) -> None:
    waits = store.let_in("Ben", BY_TERMINAL)
    AccessStore(tmp_path).revoke(None)  # another process, which this one has not looked at yet
    store.keep(waits.id)
    assert names(store) == []
    assert store.who(store.credential(waits)) is None


def test_one_invitation_pairs_ten_phones_also_over_a_restart(store: AccessStore, tmp_path: Path) -> None:
    text = store.invitation(100.0)
    other = store.invitation(101.0)
    for number in range(INVITED_BY_ONE):
        found = store.invited(text, 100.0)
        assert found
        one = store.let_in(f"phone {number}", found.by, found.tag)
        if number < INVITED_BY_ONE - 1:
            store.keep(one.id)
    assert store.invited(text, 100.0) is None  # one of them is expected back
    store.keep(one.id)
    assert store.invited(text, 100.0) is None
    assert AccessStore(tmp_path).invited(text, 100.0) is None
    assert store.invited(other, 100.0)


def test_who_does_not_come_back_leaves_nothing(store: AccessStore, clock: Clock) -> None:
    before = store.path.stat()
    first = store.let_in("phone", BY_PIN)
    for _ in range(MOST_PAIRED):
        last = store.let_in("phone", BY_PIN)
    assert store.who(store.credential(first)) is None  # it made room
    assert store.path.stat() == before
    assert store.who(store.credential(last)) == last
    clock.now += WAIT_S
    assert store.who(store.credential(last)) is None
    store.keep(last.id)
    assert store.path.stat() == before
    assert store.let_in("phone", BY_PIN).name == "phone"


def test_who_comes_back_is_written_down_once(store: AccessStore, tmp_path: Path) -> None:
    one = store.let_in("phone", BY_PIN)
    store.keep(one.id)
    assert AccessStore(tmp_path).paired == (one,)
    before = store.path.stat()
    store.keep(one.id)
    assert store.path.stat() == before


def test_a_name_that_was_taken_meanwhile_gets_a_number(store: AccessStore, tmp_path: Path) -> None:
    one = store.let_in("Mia", BY_PIN)
    AccessStore(tmp_path).pair("mia", "script")
    store.keep(one.id)
    assert names(store) == ["mia", "Mia 2"]


def test_a_full_list_is_full_at_once(store: AccessStore, tmp_path: Path) -> None:
    other = AccessStore(tmp_path)
    for number in range(MOST_PAIRED - 1):
        other.pair(f"phone {number}")
    last = store.let_in("last", BY_PIN)
    later = store.let_in("later", BY_PIN)  # the one before is not back yet
    assert store.who(store.credential(last)) is None
    other.pair("full")
    with pytest.raises(TooManyPaired):
        store.keep(later.id)
    with pytest.raises(TooManyPaired):
        other.let_in("one more", BY_PIN)


def test_a_folder_that_cannot_be_written_is_said_before_a_phone_counts_on_it(
    store: AccessStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path)
    found = os.statvfs(tmp_path)

    class Full:
        f_flag, f_blocks, f_bavail, f_bfree = found.f_flag, found.f_blocks, 0, 0

    monkeypatch.setattr(os, "statvfs", lambda _path: Full)
    with pytest.raises(AccessError, match=r"cannot be written \(No space left on device\)\. Free some room"):
        store.let_in("Mia", BY_PIN)
    Full.f_flag |= os.ST_RDONLY
    with pytest.raises(AccessError, match="Read-only file system"):
        store.let_in("Mia", BY_PIN)
    shutil.rmtree(tmp_path)
    monkeypatch.undo()
    with pytest.raises(AccessError, match="cannot be written"):
        store.let_in("Mia", BY_PIN)


def test_a_list_that_is_spoilt_while_picar_runs_is_written_anew_from_memory(
    store: AccessStore, caplog: pytest.LogCaptureFixture
) -> None:
    mia, pin = store.pair("Mia"), store.pin
    store.path.write_text("{", encoding="utf-8")
    ben = store.let_in("Ben", BY_PIN)
    store.keep(ben.id)
    assert AccessStore(store.path.parent).paired == (mia, ben)
    assert store.pin == pin
    assert store.path.with_name("access.json.unreadable-1").read_text(encoding="utf-8") == "{"
    assert "All that picar knew is in a new file." in caplog.text


@pytest.mark.parametrize("changed", ["car", "secret"])
def test_the_list_of_another_car_is_set_aside_while_picar_runs(
    changed: str, store: AccessStore, caplog: pytest.LogCaptureFixture
) -> None:
    mia = store.pair("Mia")
    store.set_speed_cap(0.1)
    kept = json.loads(store.path.read_text(encoding="utf-8"))
    other = json.dumps(kept | {changed: "6" * 64, "speed_cap": 1.0, "paired": [], "pin": "000000"})
    store.path.unlink()
    store.path.write_text(other, encoding="utf-8")
    assert (store.speed_cap, store.pin, store.paired) == (0.1, kept["pin"], (mia,))
    assert store.who(store.credential(mia)) == mia
    store.set_speed_cap(0.2)
    assert json.loads(store.path.read_text(encoding="utf-8")) == {**kept, "speed_cap": 0.2}
    assert store.path.with_name("access.json.unreadable-1").read_text(encoding="utf-8") == other
    assert "it is the list of another car. Its new name is access.json.unreadable-1." in caplog.text


def test_a_store_that_creates_nothing_needs_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with pytest.raises(
        AccessError, match=r"There is no list of paired phones: .*access\.json does not exist"
    ):
        AccessStore(folder, create=False)
    assert not folder.exists()
    made = AccessStore(folder)
    assert AccessStore(folder, create=False).pin == made.pin


def with_unknown(store: AccessStore, value: str) -> str:
    """Write an unknown key with a value of JSON into the file, and return the text of the file."""
    content = json.dumps(json.loads(store.path.read_text(encoding="utf-8")))
    text = f'{content[:-1]}, "future": {value}}}'
    store.path.write_text(text, encoding="utf-8")
    return text


def nested(levels: int, inside: str = "0") -> str:
    """Return a list in a list and so on, as JSON."""
    return "[" * levels + inside + "]" * levels


TOO_MUCH = {
    **{f"{levels} levels": nested(levels) for levels in (20, 600, 980)},
    "characters that are longer in JSON": f'"{"é" * 100_000}"',
}


@pytest.mark.parametrize("value", TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_could_not_be_read_again_is_not_read(value: str, store: AccessStore) -> None:
    mia = store.pair("Mia")
    text = with_unknown(store, value)
    again = AccessStore(store.path.parent, serving=True)
    assert store.path.with_name("access.json.unreadable-1").read_text(encoding="utf-8") == text
    assert (again.paired, store.paired) == ((), (mia,))


def test_large_unknown_values_are_kept_without_indentation(store: AccessStore) -> None:
    value = nested(18, "[0" + ",0" * 60_000 + "]")
    with_unknown(store, value)
    mia = store.pair("Mia")
    assert store.path.stat().st_size <= SMALL_BYTES
    assert json.loads(store.path.read_text(encoding="utf-8"))["future"] == json.loads(value)
    assert AccessStore(store.path.parent).paired == (mia,)


def test_a_list_that_would_grow_too_large_is_not_written(store: AccessStore) -> None:
    text = with_unknown(store, json.dumps("x" * (SMALL_BYTES - 250)))
    with pytest.raises(
        AccessError, match=r"cannot be written: it would be larger than 256 kB when it is written\. Remove"
    ):
        store.pair("Mia" * 10)
    assert store.path.read_text(encoding="utf-8") == text
    assert store.paired == ()


def test_a_folder_in_the_place_of_the_new_file_is_named(store: AccessStore) -> None:
    (store.path.parent / "access.new").mkdir()
    with pytest.raises(AccessError, match=r"access\.new is a folder, .*\. Rename the folder\.$"):
        store.pair("Mia")
