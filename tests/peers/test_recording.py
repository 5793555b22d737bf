"""Recordings with other people's readers and writers: PyPI mcap, npm @mcap/core, donkeycar. Skipped where they are missing."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from picar.errors import RecordingError
from picar.recording.exports import write_tub
from picar.recording.reader import opened
from picar.recording.repair import repair
from tests.recording import files

HERE = Path(__file__).parent
DONKEYCAR = os.environ.get("PICAR_DONKEYCAR", sys.executable)  # a Python that has it
pytestmark = pytest.mark.peers
needs_mcap = pytest.mark.skipif(
    importlib.util.find_spec("mcap") is None, reason="needs pip install -e .[peers]"
)


def repaired(folder: Path, cut_bytes: int) -> Path:
    """Return a recording that was cut and repaired."""
    data, _, end = files.encoded()
    path = folder / f"cut{cut_bytes}.mcap.part"
    path.write_bytes((data + end)[: len(data) - cut_bytes])
    return repair(path)


def own(path: Path) -> list[tuple[str, int, int, bytes]]:
    with opened(path) as recording:
        return [(one.topic, one.log_ns, one.publish_ns, one.data) for one in recording.messages()]


@needs_mcap
@pytest.mark.parametrize("cut_bytes", [-1, 0, 1, 5000])
def test_pypi_mcap_reads_every_message_of_a_recording_and_of_a_repaired_one(
    tmp_path: Path, cut_bytes: int
) -> None:
    from mcap.reader import NonSeekingReader, make_reader

    path = repaired(tmp_path, cut_bytes) if cut_bytes >= 0 else files.write(tmp_path / "a.mcap")
    for kind in (lambda file: make_reader(file, validate_crcs=True), NonSeekingReader):
        with path.open("rb") as file:
            reader = kind(file)
            found = [
                (channel.topic, message.log_time, message.publish_time, message.data)
                for _, channel, message in reader.iter_messages(log_time_order=False)
            ]
            assert found == own(path)
    with path.open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        assert summary.statistics.message_count == len(own(path))
        assert [one.metadata["name"] for one in reader.iter_metadata()] == ["blitz"]


@needs_mcap
@pytest.mark.parametrize("is_chunked", [True, False])
@pytest.mark.parametrize("has_summary", [True, False])
def test_files_of_pypi_mcap_are_read(tmp_path: Path, is_chunked: bool, has_summary: bool) -> None:
    from mcap.writer import CompressionType, IndexType, Writer

    path = tmp_path / "theirs.mcap"
    more = (
        {}
        if has_summary
        else {
            "use_statistics": False,
            "use_summary_offsets": False,
            "index_types": IndexType.NONE,
            "repeat_channels": False,
            "repeat_schemas": False,
        }
    )
    with path.open("wb") as file:
        writer = Writer(
            file, chunk_size=2000, compression=CompressionType.NONE, use_chunking=is_chunked, **more
        )
        writer.start()
        schema = writer.register_schema("s", "jsonschema", b"{}")
        channel = writer.register_channel("/theirs", "json", schema)
        for number in range(100):
            writer.add_message(channel, 10**9 + number, b'{"number":%d}' % number, number)
        writer.add_metadata("other", {"a": "b"})
        writer.finish()
    assert own(path) == [
        ("/theirs", 10**9 + number, number, b'{"number":%d}' % number) for number in range(100)
    ]
    with opened(path) as recording:
        assert recording.is_finished
        assert recording.totals() == ({"/theirs": 100}, 10**9, 10**9 + 99)
    with pytest.raises(RecordingError, match="no whole beginning of a recording of picar"):
        repair(path)


@needs_mcap
def test_a_compressed_file_of_pypi_mcap_is_refused_in_one_sentence(tmp_path: Path) -> None:
    from mcap.writer import Writer

    buffer = io.BytesIO()
    writer = Writer(buffer)
    writer.start()
    writer.add_message(writer.register_channel("/theirs", "json", 0), 1, b"{}", 1)
    writer.finish()
    path = tmp_path / "theirs.mcap"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(RecordingError, match=r"damaged at byte \d+, or compressed"):
        own(path)


def test_mcap_core_reads_every_message_of_a_recording_and_of_a_repaired_one(tmp_path: Path) -> None:
    if not shutil.which("node") or not (HERE / "node_modules" / "@mcap").exists():
        pytest.skip("needs node, and: npm install --prefix tests/peers")
    for path in (files.write(tmp_path / "whole.mcap"), repaired(tmp_path, 0), repaired(tmp_path, 5000)):
        command = ["node", str(HERE / "mcap.mjs"), str(path)]
        read = json.loads(
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        )
        with opened(path) as recording:
            assert read["counts"] == recording.totals().counts
            assert read["chunks"] == len([*recording.parts()])
        assert read["stated"] == len(own(path))
        assert read["bytes"] == sum(len(data) for topic, *_, data in own(path) if topic == "/camera")


def test_donkeycar_opens_a_tub_reads_its_pictures_and_appends_to_it(tmp_path: Path) -> None:
    has_it = subprocess.run(
        [DONKEYCAR, "-c", "import donkeycar.parts.tub_v2"], check=False, capture_output=True
    )
    if has_it.returncode:
        pytest.skip("needs donkeycar 5.3: PICAR_DONKEYCAR is a Python that has it (CONTRIBUTING.md)")
    tub = tmp_path / "tub"
    with opened(files.write(tmp_path / "a.mcap", files.drive(25_000, 20))) as recording:
        assert write_tub(recording, tub, (160, 120)) == 1250
    command = [DONKEYCAR, str(HERE / "donkeycar_tub.py"), str(tub)]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    read: dict[str, Any] = json.loads(out.partition("READ ")[2])
    assert read["length"] == read["dataset"] == 1250
    assert read["indexes"] == [*range(1250)]
    assert read["shapes"] == [[120, 160, 3]]
    assert read["throttles"] == [(number * 20 // 50) * 50 / 25_000 for number in range(1250)]
    assert read["angles"] == [-throttle / 2 for throttle in read["throttles"]]
    assert (read["appended"], read["appended length"]) == ("26-11-27_1", 1251)
