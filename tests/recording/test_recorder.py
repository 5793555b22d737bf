"""The recorder as a real process, without a car: `Tape` is its other end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picar.journal.flight import FlightRecorder
from picar.recording import messages, tape
from picar.recording.reader import opened
from picar.recording.tape import Order, Tape

JPEG = b"\xff\xd8" + bytes(20_000)


@pytest.fixture
def tapes() -> Iterator[list[Tape]]:
    """Take all tapes of a test, and end them after it."""
    made: list[Tape] = []
    yield made
    for one in made:
        one.process.send_signal(signal.SIGCONT)
        one.process.kill()
        one.process.wait()
        for pipe in (one.process.stdin, one.process.stdout):
            assert pipe
            pipe.close()


def order(folder: Path, **changes: Any) -> Order:
    whole = Order(
        folder=str(folder),
        suffix="",
        metadata={"version": "1", "name": "picar"},
        max_s=600.0,
        keep_free_mb=0,
        keep_mb=1000,
        flight=None,
        repair=False,
    )
    return whole | changes  # type: ignore[return-value]


def until(look: Any, what: str, deadline_s: float = 20.0) -> Any:
    give_up_at = time.monotonic() + deadline_s
    while not (found := look()):
        assert time.monotonic() < give_up_at, f"waited {deadline_s:g} s in vain: {what}"
        time.sleep(0.005)
    return found


def ending(one: Tape, deadline_s: float = 20.0) -> dict[str, Any]:
    """Wait for the last answer of a recorder."""
    answer: dict[str, Any] = until(one.check, "the end of the recording", deadline_s)
    return answer


def finished(one: Tape) -> dict[str, Any]:
    """End a recording, and return its last answer."""
    pipe = one.process.stdin
    assert pipe
    until(lambda: pipe.closed or one.end() or pipe.closed, "the end of the pipe")
    answer = ending(one)
    until(one.end, "the end of the recorder")
    return answer


def send(one: Tape, count: int = 1) -> None:
    for _ in range(count):
        one.send(messages.EVENT, time.monotonic_ns(), b'{"by":"server","name":"n","value":1}')


def counts(path: Path) -> dict[str, int]:
    with opened(path) as recording:
        assert recording.is_finished
        found: dict[str, int] = {}
        for message in recording.messages():
            found[message.topic] = found.get(message.topic, 0) + 1
        return found


def parts(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.glob("*.part"))


def test_everything_that_fits_the_pipe_is_in_the_file_and_the_end_of_the_pipe_ends_it(
    tmp_path: Path, tapes: list[Tape]
) -> None:
    folder = tmp_path / "deep" / "recordings"
    tapes.append(one := Tape(order(folder)))
    until(lambda: one.check() or parts(folder), "a file")
    for _ in range(100):
        send(one, 3)
        at_ns = time.monotonic_ns()
        one.send(messages.CAMERA, at_ns, messages.picture(one.wall_ns(at_ns), JPEG))
        time.sleep(0.01)
    answer = finished(one)
    assert (answer["ended"], one.dropped, one.process.returncode) == (None, 0, 0)
    path = folder / answer["name"]
    assert counts(path) == {"/picar/event": 300, "/camera": 100}
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not parts(folder)
    assert b"picar " in path.read_bytes()[:40]


def test_a_chunk_is_in_the_file_a_second_after_its_first_message(tmp_path: Path, tapes: list[Tape]) -> None:
    tapes.append(one := Tape(order(tmp_path)))
    until(lambda: one.check() or parts(tmp_path), "a file")
    (part,) = tmp_path.glob("*.part")
    empty = until(lambda: part.stat().st_size, "a beginning")
    sent_at = time.monotonic()
    send(one)
    until(lambda: part.stat().st_size > empty, "a chunk")
    assert time.monotonic() - sent_at >= 0.9
    until(lambda: one.check() or one.bytes == part.stat().st_size, "its size")


def test_the_server_s_death_and_signals_to_all_processes_lose_nothing(
    tmp_path: Path, tapes: list[Tape]
) -> None:
    tapes.append(one := Tape(order(tmp_path)))
    send(one, 10)
    until(lambda: one.check() or parts(tmp_path), "a file")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        one.process.send_signal(number)
    send(one, 10)
    assert counts(tmp_path / finished(one)["name"]) == {"/picar/event": 20}


def test_a_killed_recorder_leaves_a_part_that_another_one_repairs(tmp_path: Path, tapes: list[Tape]) -> None:
    tapes.append(one := Tape(order(tmp_path)))
    until(lambda: one.check() or parts(tmp_path), "a file")
    (part,) = tmp_path.glob("*.part")
    empty: int = until(lambda: part.stat().st_size, "the beginning of the file")

    def has_grown() -> bool:
        send(one, 100)
        return bool(part.stat().st_size > empty + 10_000)

    until(has_grown, "a chunk")
    one.process.kill()
    assert ending(one)["ended"] == "failed"
    tapes.append(other := Tape(order(tmp_path, repair=True)))
    until(lambda: other.process.poll() is not None, "the end of the repairs")
    assert counts(part.with_suffix(""))["/picar/event"] >= 100


def test_a_recorder_that_reads_nothing_costs_pictures_first_and_counts_what_it_costs(
    tmp_path: Path, tapes: list[Tape]
) -> None:
    tapes.append(one := Tape(order(tmp_path)))
    until(lambda: one.check() or parts(tmp_path), "a file")
    one.process.send_signal(signal.SIGSTOP)
    slowest_s, sent, pictures = 0.0, 0, 0
    for _ in range(400):
        before = time.perf_counter()
        at_ns = time.monotonic_ns()
        one.send(messages.CAMERA, at_ns, messages.picture(at_ns, JPEG))
        send(one)
        slowest_s = max(slowest_s, time.perf_counter() - before)
        sent, pictures = sent + 1, pictures + 1
    assert one.dropped >= 380  # some pictures fit the pipe of 256 KiB
    lost = one.dropped
    one.process.send_signal(signal.SIGCONT)
    answer = finished(one)
    found = counts(tmp_path / answer["name"])
    assert found == {"/picar/event": sent, "/camera": pictures - lost}
    assert slowest_s < 0.5  # it never waits: without a bound, this test would hang


def test_messages_are_dropped_too_when_the_memory_for_them_is_full(tmp_path: Path, tapes: list[Tape]) -> None:
    tapes.append(one := Tape(order(tmp_path)))
    until(lambda: one.check() or parts(tmp_path), "a file")
    one.process.send_signal(signal.SIGSTOP)
    count = 0
    while not one.dropped:
        one.send(messages.EVENT, time.monotonic_ns(), bytes(1000))
        count += 1
        assert count < 3000
    assert count * 1000 > tape.WAITING_BYTES
    one.process.send_signal(signal.SIGCONT)
    assert counts(tmp_path / finished(one)["name"]) == {"/picar/event": count - 1}


def test_a_recording_ends_at_its_longest_and_while_there_is_too_little_space(
    tmp_path: Path, tapes: list[Tape]
) -> None:
    tapes.append(one := Tape(order(tmp_path, max_s=0.0)))
    send(one, 5)
    answer = ending(one)
    assert answer["ended"] == "limit"
    assert counts(tmp_path / answer["name"]) == {"/picar/event": 5}
    tapes.append(other := Tape(order(tmp_path, keep_free_mb=10**9)))
    assert ending(other) == {"ended": "full", "why": "", "name": None}
    assert not parts(tmp_path)


def test_the_oldest_recordings_make_room_for_the_newest(tmp_path: Path, tapes: list[Tape]) -> None:
    for number in range(4):
        old = tmp_path / f"2026-11-2{number}_10-00-00.mcap"
        old.write_bytes(bytes(600_000))
        os.utime(old, (1000.0 + number, 1000.0 + number))
    (tmp_path / "mine.txt").write_bytes(bytes(3_000_000))
    (tmp_path / "robot.mcap").write_bytes(bytes(3_000_000))  # of another program
    os.utime(tmp_path / "robot.mcap", (1.0, 1.0))
    tapes.append(one := Tape(order(tmp_path, keep_mb=2)))
    send(one)
    name = finished(one)["name"]
    kept = [f"2026-11-2{number}_10-00-00.mcap" for number in (1, 2, 3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "mine.txt", "robot.mcap", *kept])


def test_a_folder_that_cannot_be_made_is_a_failure_with_its_reason(tmp_path: Path, tapes: list[Tape]) -> None:
    (tmp_path / "file").touch()
    tapes.append(one := Tape(order(tmp_path / "file" / "folder")))
    assert ending(one) == {"ended": "failed", "why": "Not a directory", "name": None}


def test_a_recorder_that_is_silent_for_ten_seconds_is_killed(tmp_path: Path, tapes: list[Tape]) -> None:
    now = [0.0]
    tapes.append(one := Tape(order(tmp_path), clock=lambda: now[0]))
    until(lambda: one.check() or parts(tmp_path), "a file")
    one.process.send_signal(signal.SIGSTOP)
    assert one.check() is None
    now[0] += 10.0
    answer = until(lambda: one.check() or now.__setitem__(0, now[0] + 10.0), "the end")
    assert answer == {"ended": "failed", "why": "the disk hangs", "name": None}
    assert one.process.wait() == -signal.SIGKILL
    assert one.end()


def test_two_recordings_of_the_same_second_have_two_names(tmp_path: Path, tapes: list[Tape]) -> None:
    for _ in range(3):
        tapes.append(one := Tape(order(tmp_path)))
        send(one)
        assert finished(one)["ended"] is None
    assert len(list(tmp_path.glob("*.mcap"))) == 3


def test_the_last_minute_of_the_flight_recorder_becomes_a_recording(
    tmp_path: Path, tapes: list[Tape]
) -> None:
    server = FlightRecorder("server")
    motor = FlightRecorder("motor", os.dup(server.fd))
    for number in range(100):
        server.note(
            f'"client":"c1","got":{{"type":"drive","seq":{number},"tick":5,"throttle":0.5,"steering":0}},"n":{number}'
        )
        motor.pin(12, "pwm", 0.5)
    server.note('"driver":"c1"')
    tapes.append(one := Tape(order(tmp_path, flight=server.fd, suffix="-flight")))
    answer = ending(one)
    assert answer["name"].endswith("-flight.mcap")
    # The oldest 4 kB of a ring are left out.
    found = counts(tmp_path / answer["name"])
    assert 60 < found["/picar/cmd"] <= 100
    assert found["/picar/event"] > 1
    until(one.end, "the end of the recorder")
    for ring in (server, motor):
        os.close(ring.fd)


def test_links_folders_and_lost_files_among_the_recordings_end_no_recording(
    tmp_path: Path, tapes: list[Tape]
) -> None:
    (link := tmp_path / "2026-11-20_10-00-00.mcap").symlink_to(tmp_path / "nowhere")
    (folder := tmp_path / "2026-11-21_10-00-00.mcap").mkdir()
    old = tmp_path / "2026-11-22_10-00-00.mcap"
    old.write_bytes(bytes(20_000_000))
    tapes.append(one := Tape(order(tmp_path, keep_mb=10)))
    send(one)
    assert finished(one)["ended"] is None
    assert not old.exists()
    assert link.is_symlink()
    assert folder.is_dir()


@pytest.mark.parametrize("garbage", [b"hello\n", b"[1]\n", b'{"bytes":null}\n', b'{"bytes":"x"}\n'])
def test_garbage_from_a_recorder_is_the_end_of_the_recording(
    tmp_path: Path, tapes: list[Tape], monkeypatch: pytest.MonkeyPatch, garbage: bytes
) -> None:
    writes = f"import os, time; os.write(1, {garbage!r}); time.sleep(60)"
    monkeypatch.setattr(tape, "COMMAND", [sys.executable, "-c", writes])
    tapes.append(one := Tape(order(tmp_path)))
    assert ending(one)["ended"] == "failed"
    until(one.end, "the end of the recorder")
