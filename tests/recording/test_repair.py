"""Repair: a recording that was cut at any byte becomes whole, and loses at most the chunk that was cut."""

from __future__ import annotations

import errno
import fcntl
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picar.errors import RecordingError
from picar.recording.reader import opened
from picar.recording.repair import repair, repair_all
from tests.recording import files

DATA, PLACES, END = files.encoded()
SIZE = len(DATA)


def messages_of(path: Path) -> list[bytes]:
    with opened(path) as recording:
        assert recording.is_finished
        found = [one.data for one in recording.messages()]
        assert len(found) == sum(recording.totals().counts.values())
        return found


def made_before(ms: int) -> list[bytes]:
    return [content for _, at, content in files.drive() if at < ms]


def cut(folder: Path, at: int, tail: bytes = b"") -> Path:
    path = folder / "drive.mcap.part"
    path.write_bytes((DATA + END)[:at] + tail)
    return path


@given(st.integers(PLACES[0], SIZE + len(END)), st.sampled_from([b"", bytes(5000)]))
@settings(deadline=None, max_examples=150)
def test_cut_at_any_byte_a_recording_loses_the_cut_chunk_alone(at: int, tail: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = repair(cut(Path(folder), at, tail if at <= SIZE else b""))
        assert done == Path(folder, "drive.mcap")
        assert [*Path(folder).iterdir()] == [done]
        whole = sum(place <= at for place in PLACES) - 1
        found = messages_of(done)  # the zeros may be the missing end of a chunk
        assert found == made_before(500 * whole) or (tail and found == made_before(500 * whole + 500))
        assert done.read_bytes()[: PLACES[whole]] == DATA[: PLACES[whole]]


@given(st.integers(0, PLACES[0] - 1))
@settings(deadline=None)
def test_a_recording_that_was_cut_in_its_beginning_has_no_message_or_stays_as_it_is(at: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = cut(Path(folder), at)
        try:
            assert not messages_of(repair(path))
        except OSError:
            assert [*Path(folder).iterdir()] == [path]
            assert path.stat().st_size == at


def test_a_whole_recording_of_which_only_the_name_was_missing_is_the_same_as_before(tmp_path: Path) -> None:
    done = repair(cut(tmp_path, SIZE + len(END)))
    assert done.read_bytes() == DATA + END
    assert repair(done) == done
    assert done.read_bytes() == DATA + END


def test_an_end_that_is_damaged_is_written_again(tmp_path: Path) -> None:
    for at in (SIZE + 20, SIZE + 300, SIZE + len(END) - 20):
        path = cut(tmp_path, SIZE + len(END)).rename(tmp_path / "drive.mcap")
        data = bytearray(DATA + END)
        data[at] ^= 0x55
        path.write_bytes(data)
        assert repair(path).read_bytes() == DATA + END


def test_what_follows_a_damaged_chunk_is_kept_beside_the_repaired_file(tmp_path: Path) -> None:
    path = cut(tmp_path, SIZE)
    broken = bytearray(DATA)
    broken[PLACES[1] + 500] ^= 1
    path.write_bytes(broken)
    assert messages_of(repair(path)) == made_before(500)
    assert (tmp_path / "drive.mcap.damaged").read_bytes() == broken


def test_a_recording_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    path = cut(tmp_path, PLACES[2] + 9)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RecordingError, match="is being written"):
            repair(path)
        repair_all(tmp_path)
        assert [*tmp_path.iterdir()] == [path]
    assert messages_of(repair(path)) == made_before(1000)


def test_no_other_recording_is_replaced(tmp_path: Path) -> None:
    other = files.write(tmp_path / "drive.mcap", [])
    with pytest.raises(RecordingError, match=r"exists\. Move it elsewhere"):
        repair(cut(tmp_path, SIZE))
    assert not messages_of(other)


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = cut(tmp_path, SIZE)
    path.write_bytes(DATA.replace(b"\x05\0\0\0picar", b"\x05\0\0\0other"))
    with pytest.raises(RecordingError, match="no whole beginning of a recording of picar"):
        repair(path)
    assert [*tmp_path.iterdir()] == [path]


def test_all_unfinished_recordings_are_repaired_and_those_without_a_message_deleted(tmp_path: Path) -> None:
    whole = files.write(tmp_path / "whole.mcap")
    for name, at in (("a", PLACES[1]), ("b", PLACES[0]), ("c", PLACES[0] + 40), ("d", 30)):
        cut(tmp_path, at).rename(tmp_path / f"{name}.mcap.part")
    repair_all(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.mcap", "d.mcap.part", "whole.mcap"]
    assert messages_of(whole) == made_before(2000)
    repair_all(tmp_path / "nothing")


def test_a_repair_for_whose_copy_there_is_no_room_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mcap"
    files.write(path, files.drive(60_000, 50))
    data = bytearray(path.read_bytes())
    data[PLACES[0] + 100] ^= 1
    path.write_bytes(data)

    def full(_source: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", full)
        with pytest.raises(OSError, match="No space"):
            repair(path)
    assert path.read_bytes() == data
    assert repair(path) == path
    assert path.with_suffix(".damaged").read_bytes() == data
