"""Reading recordings, whole, unfinished and broken, without other people's writers; tests/peers has those."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from picar.errors import RecordingError
from picar.recording import mcap, messages
from picar.recording.reader import MOST_BYTES, opened
from picar.recording.repair import repair
from tests.recording import files


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return files.write(tmp_path / "drive.mcap")


def test_every_message_is_read_in_order_with_its_times_and_its_place(whole: Path) -> None:
    made, data = [*files.drive()], whole.read_bytes()
    with opened(whole) as recording:
        read = [*recording.messages()]
    assert [one.data for one in read] == [content for _, _, content in made]
    assert [one.log_ns for one in read] == [files.START_NS + ms * files.MS for _, ms, _ in made]
    assert [one.publish_ns for one in read] == [ms * files.MS for _, ms, _ in made]
    assert all(data[one.at :].startswith(one.data) for one in read)


def test_only_the_messages_of_the_named_topics_are_read(whole: Path) -> None:
    with opened(whole) as recording:
        assert {one.topic for one in recording.messages({"/picar/cmd", "/pose"})} == {"/picar/cmd", "/pose"}


def test_reading_may_go_on_where_a_part_ended(whole: Path) -> None:
    with opened(whole) as recording:
        parts = [*recording.parts()]
        assert len(parts) == 4
        assert [*recording.parts(parts[1].end)] == parts[2:]
        assert parts[0].at == recording.data_at


def test_the_totals_of_a_file_come_from_its_summary_or_else_from_its_data(whole: Path) -> None:
    data, _, _ = files.encoded()
    part = whole.with_name("part.mcap.part")
    part.write_bytes(data)
    with opened(whole) as finished, opened(part) as unfinished:
        assert (finished.is_finished, unfinished.is_finished) == (True, False)
        counts = {topic: count for topic, count in finished.totals().counts.items() if count}
        assert counts == unfinished.totals().counts == {"/picar/state": 1, "/picar/cmd": 40, "/picar/wheels": 40, "/pose": 40, "/camera": 20}  # fmt: skip
        assert finished.totals().length_s == unfinished.totals().length_s == 1.95
        assert finished.totals().first_ns == files.START_NS
        assert finished.metadata == {"version": "1.0", "name": "blitz"}


def test_a_recording_without_a_message_is_read_too(tmp_path: Path) -> None:
    with opened(files.write(tmp_path / "a.mcap", [])) as recording:
        assert not [*recording.messages()]
        assert (recording.totals().length_s, sum(recording.totals().counts.values())) == (0.0, 0)


def test_an_unfinished_file_has_its_whole_chunks(tmp_path: Path) -> None:
    data, places, _ = files.encoded()
    path = tmp_path / "a.mcap.part"
    path.write_bytes(data[: places[3] + 30])
    with opened(path) as recording:
        assert [one.data for one in recording.messages()] == [
            content for _, ms, content in files.drive() if ms < 1500
        ]


def test_memory_is_bounded_by_a_chunk(tmp_path: Path) -> None:
    picture = messages.picture(0, bytes(100_000))
    path = files.write(tmp_path / "a.mcap", [(messages.CAMERA, ms, picture) for ms in range(0, 20_000, 100)])
    assert path.stat().st_size > 20_000_000
    tracemalloc.start()
    try:
        with opened(path) as recording:
            assert sum(1 for _ in recording.messages()) == 200
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def read_all(path: Path) -> int:
    with opened(path) as recording:
        return sum(1 for _ in recording.messages())


def test_a_byte_that_changed_is_one_sentence_with_its_place(whole: Path) -> None:
    data, places, end = files.encoded()
    for at in (places[1] + 100, places[2] + 2000):
        broken = bytearray(data + end)
        broken[at] ^= 0x10
        whole.write_bytes(broken)
        with pytest.raises(RecordingError, match=r"is damaged at byte \d+, .* picar recording repair"):
            read_all(whole)


def test_any_changed_byte_gives_messages_or_one_sentence(tmp_path: Path) -> None:
    data, _, end = files.encoded([*files.drive(100, 50)])
    path = tmp_path / "a.mcap"
    sentences = []
    for at in range(0, len(data + end), 97):
        broken = bytearray(data + end)
        broken[at] ^= 0xFF
        path.write_bytes(broken)
        try:
            read_all(path)
        except RecordingError as error:
            sentences.append(str(error))
    assert sentences
    assert not [one for one in sentences if "\n" in one]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not a recording"),
        (b"RIFF....AVI ", "is not a recording"),
        (mcap.MAGIC + mcap.RECORD.pack(mcap.CHUNK, MOST_BYTES + 1), "is damaged at byte 8"),
    ],
)
def test_another_file_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=sentence):
        read_all(path)


def test_a_summary_behind_the_end_of_the_file_is_damage_and_repaired(tmp_path: Path) -> None:
    path = files.write(tmp_path / "a.mcap")
    data = bytearray(path.read_bytes())
    data[-37 + 16] ^= 0x80  # the highest bit of the place of the summary
    path.write_bytes(data)
    with pytest.raises(RecordingError, match="is damaged at byte"), opened(path):
        pass
    with opened(repair(path)) as recording:
        assert recording.totals().counts["/picar/cmd"] == 40
