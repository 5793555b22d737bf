"""Exports: a tub, a table, the pictures and a film, read back here by hand; tests/peers has donkeycar's own classes."""

from __future__ import annotations

import csv
import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from picar.core.shaping import Jog
from picar.errors import RecordingError
from picar.recording import messages
from picar.recording.avi import FPS, write_avi
from picar.recording.exports import write_frames, write_table, write_tub
from picar.recording.reader import opened
from tests.recording import files

SPEEDS = ("left", "right")


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    return files.write(tmp_path / "drive.mcap")


def tub_of(path: Path, size: tuple[int, int] | None = None) -> tuple[Path, int]:
    folder = path.with_name("tub")
    with opened(path) as recording:
        return folder, write_tub(recording, folder, size)


def records_of(folder: Path) -> list[dict[str, Any]]:
    """Read a tub as donkeycar's `Seekable` does: by the lengths of the lines."""
    *_, catalog = (json.loads(line) for line in (folder / "manifest.json").read_text().splitlines())
    found = []
    for number, name in enumerate(catalog["paths"]):
        text = (folder / name).read_bytes()
        manifest = json.loads((folder / f"{name}_manifest").read_text())
        assert manifest["path"] == f"{name}_manifest"
        assert manifest["start_index"] == 1000 * number
        assert sum(manifest["line_lengths"]) == len(text)
        for length in manifest["line_lengths"]:
            line, text = text[:length], text[length:]
            assert line.endswith(b"}\n")
            found.append(json.loads(line))
    assert [one["_index"] for one in found] == [*range(catalog["current_index"])]
    return found


def test_a_tub_has_a_record_for_each_picture_with_the_newest_command_before_it(drive: Path) -> None:
    folder, count = tub_of(drive)
    records = records_of(folder)
    assert count == len(records) == 20
    for number, record in enumerate(records):
        share = number * 100 / 2000
        assert record == {
            "_index": number,
            "_session_id": "26-11-27_0",
            "_timestamp_ms": files.START_NS // 10**6 + 100 * number,
            "cam/image_array": f"{number}_cam_image_array_.jpg",
            "user/angle": -share / 2,
            "user/mode": "user",
            "user/throttle": share,
        }
        assert (folder / "images" / record["cam/image_array"]).read_bytes() == files.jpeg(number)


def test_the_files_of_a_tub_are_to_the_letter(drive: Path) -> None:
    folder, _ = tub_of(drive)
    start = files.START_NS / 1e9
    assert (folder / "manifest.json").read_text() == (
        '["cam/image_array", "user/angle", "user/throttle", "user/mode"]\n'
        '["image_array", "float", "float", "str"]\n'
        "{}\n"
        f'{{"created_at": {start}, "sessions": {{"all_full_ids": ["26-11-27_0"], "last_id": 0, "last_full_id": "26-11-27_0"}}}}\n'
        '{"paths": ["catalog_0.catalog"], "current_index": 20, "max_len": 1000, "deleted_indexes": []}\n'
    )
    first, *_ = (folder / "catalog_0.catalog").read_text().splitlines()
    assert first == (
        '{"_index": 0, "_session_id": "26-11-27_0", "_timestamp_ms": 1795757852000, "cam/image_array": '
        '"0_cam_image_array_.jpg", "user/angle": -0.0, "user/mode": "user", "user/throttle": 0.0}'
    )
    assert sorted(one.name for one in folder.iterdir()) == [
        "catalog_0.catalog",
        "catalog_0.catalog_manifest",
        "images",
        "manifest.json",
    ]


def test_a_catalog_has_a_thousand_lines(tmp_path: Path) -> None:
    folder, count = tub_of(files.write(tmp_path / "a.mcap", files.drive(42_000, 20)))
    assert count == len(records_of(folder)) == 2100
    manifest = (folder / "manifest.json").read_text().splitlines()[-1]
    assert json.loads(manifest)["paths"] == [f"catalog_{number}.catalog" for number in range(3)]


def test_a_picture_that_nobody_drove_by_is_left_out(tmp_path: Path) -> None:
    def picture(ms: int) -> files.Made:
        return messages.CAMERA, ms, messages.picture(0, files.jpeg(1))

    def state(ms: int, name: str) -> files.Made:
        return messages.WHEELS, ms, messages.wheels(1, name, True, SPEEDS, (0.0, 0.0), (0.0, 0.0))

    def command(ms: int, throttle: float) -> files.Made:
        return messages.COMMAND, ms, messages.encode({"throttle": throttle, "steering": 0.0})

    jog = messages.COMMAND, 950, messages.command("c1", 1, Jog("left", 0.2), 1.0)
    made = [picture(0), state(10, "armed"), picture(20), command(100, 0.5), picture(200), picture(201)]
    made += [command(300, 0.6), state(310, "failsafe"), picture(320), state(900, "armed"), jog, picture(960)]
    made += [command(1000, 0.7), command(1050, 0.8), picture(1040)]  # taken earlier than it arrived
    folder, count = tub_of(files.write(tmp_path / "a.mcap", made))
    assert [one["user/throttle"] for one in records_of(folder)] == [0.5, 0.7]
    assert count == 2


def test_a_table_has_a_row_for_each_message_and_the_names_of_the_columns_have_units(drive: Path) -> None:
    file = drive.with_suffix(".csv")
    with opened(drive) as recording:
        count = write_table(recording, file)
    with file.open(newline="") as text:
        rows = [*csv.DictReader(text)]
    assert count == len(rows) == 40 * 3 + 20
    by_topic = {
        topic: [row for row in rows if row["topic"] == topic] for topic in {row["topic"] for row in rows}
    }
    last = by_topic["/picar/cmd"][-1]
    assert (last["t_s"], last["unix_s"]) == ("1.950000", "1795757853.950000")
    assert (last["throttle"], last["steering"], last["speed_limit"], last["client"]) == ("0.975", "-0.4875", "0.6", "c1")  # fmt: skip
    assert last["applied_left"] == last["picture"] == ""
    assert by_topic["/picar/wheels"][-1]["applied_left"] == "0.975"
    assert by_topic["/picar/wheels"][-1]["state"] == "armed"
    assert by_topic["/pose"][-1]["x_m"] == "0.975"
    assert [row["picture"] for row in by_topic["/camera"]] == [str(number) for number in range(1, 21)]


def test_frames_are_named_by_number_and_milliseconds_and_may_be_scaled(drive: Path) -> None:
    folder = drive.with_name("frames")
    with opened(drive) as recording:
        assert write_frames(recording, folder, (32, 24)) == 20
    names = sorted(one.name for one in folder.iterdir())
    assert names[:2] == ["000001-0000000ms.jpg", "000002-0000100ms.jpg"]
    with Image.open(folder / names[7]) as image:
        assert image.size == (32, 24)


def test_a_size_without_pillow_names_pillow(drive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(RecordingError, match="needs Pillow"):
        tub_of(drive, (160, 120))


def avi_of(path: Path, ms: list[int]) -> Path:
    """Return a film of pictures that were taken at these milliseconds."""
    made = [(messages.CAMERA, at, messages.picture(0, files.jpeg(number))) for number, at in enumerate(ms, 1)]
    film = path / "film.avi"
    with opened(files.write(path / "a.mcap", made)) as recording:
        assert write_avi(recording, film, None) == len(ms)
    return film


def chunks(data: bytes, at: int, end: int) -> dict[str, Any]:
    """Return the chunks of a RIFF file: lists by their form, of the frames a list of their content."""
    found: dict[str, Any] = {"frames": []}
    while at < end:
        kind, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        if kind in (b"RIFF", b"LIST"):
            found[body[:4].decode()] = chunks(data, at + 12, at + 8 + size)
        elif kind == b"00dc":
            found["frames"].append(body)
        else:
            found[kind.decode()] = body
        at += 8 + size + size % 2
    assert at == end
    return found


def test_a_film_shows_each_picture_at_the_frame_nearest_to_its_time(tmp_path: Path) -> None:
    times = [100, 133, 167, 300, 1000, 1001]
    data = avi_of(tmp_path, times).read_bytes()
    film = chunks(data, 0, len(data))["AVI "]
    frames = film["movi"]["frames"]
    shown = {number: frame for number, frame in enumerate(frames) if frame}
    assert [*shown.values()] == [files.jpeg(number) for number in range(1, 7)]
    assert [*shown] == [0, 2, 4, 12, 54, 55]  # of 60 a second, from the first picture on
    index = [*struct.iter_unpack("<4sIII", film["idx1"])]
    assert len(index) == len(frames) == 56
    movie_at = data.index(b"movi")
    for (kind, flags, at, size), frame in zip(index, frames, strict=True):
        assert (kind, bool(flags), size) == (b"00dc", bool(frame), len(frame))
        assert data[movie_at + at + 8 :][:size] == frame
    total, width, height = struct.unpack_from("<16xI12xII", film["hdrl"]["avih"])
    assert (total, width, height) == (56, 64, 48)
    rate, length = struct.unpack_from("<20xI4xI", film["hdrl"]["strl"]["strh"], 4)
    assert (rate, length) == (FPS, 56)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffmpeg")
def test_ffmpeg_plays_a_film_at_its_true_length(tmp_path: Path) -> None:
    film = avi_of(tmp_path, [*range(0, 3000, 67), 5000])
    entries = "stream=codec_name,width,height,duration,nb_read_frames"
    probe = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", entries, "-of", "json", str(film)]
    (stream,) = json.loads(subprocess.run(probe, check=True, capture_output=True).stdout)["streams"]
    assert abs(float(stream.pop("duration")) - 5.0) < 0.02
    assert stream == {"codec_name": "mjpeg", "width": 64, "height": 48, "nb_read_frames": "46"}
    play = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(film), "-f", "null", "-"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert play.stderr == ""


def test_a_film_without_pictures_and_pictures_of_another_kind_are_one_sentence(tmp_path: Path) -> None:
    with (
        opened(files.write(tmp_path / "none.mcap", [])) as recording,
        pytest.raises(RecordingError, match="has no picture"),
    ):
        write_avi(recording, tmp_path / "none.avi", None)
    for content, sentence in (
        (b"no protobuf", "was not recorded by picar"),
        (messages.picture(0, b"PNG"), "is no JPEG"),
    ):
        path = files.write(tmp_path / f"{len(content)}.mcap", [(messages.CAMERA, 0, content)])
        with opened(path) as recording, pytest.raises(RecordingError, match=sentence):
            write_avi(recording, path.with_suffix(".avi"), None)
