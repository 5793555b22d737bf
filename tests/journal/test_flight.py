"""The flight recorder: the last minute of two processes, in memory that outlives either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picar.files import folder_in_memory
from picar.journal import flight
from picar.journal.flight import FlightRecorder


@pytest.fixture(autouse=True)
def _memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the memory of each recorder at the end."""
    opened, open_one = list[int](), flight._shared_memory

    def noted() -> int:
        opened.append(open_one())
        return opened[-1]

    monkeypatch.setattr(flight, "_shared_memory", noted)
    yield
    for fd in opened:
        os.close(fd)


def lines(recorder: FlightRecorder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in recorder.recent()]


def test_both_processes_notes_come_in_the_order_of_time() -> None:
    server = FlightRecorder("server")
    motor = FlightRecorder("motor", server.fd)
    server.note('"n":1')
    motor.pin(12, "pwm", 0.5)
    server.note('"n":2')
    for recorder in (server, motor):
        notes = lines(recorder)
        assert [note.get("n", note.get("pin")) for note in notes] == [1, 12, 2]
        assert [note["by"] for note in notes] == ["server", "motor", "server"]
        assert sorted(note["t"] for note in notes) == [note["t"] for note in notes]
    assert lines(server)[1].items() >= {"pin": 12, "op": "pwm", "value": 0.5}.items()


@pytest.mark.parametrize("by", ["server", "motor"])
@pytest.mark.parametrize("size", [1, 50])
def test_the_oldest_are_overwritten(by: flight.Process, size: int) -> None:
    start, stop = flight._RINGS[by]
    recorder, last = FlightRecorder(by), 3 * (stop - start) // (size + 20)
    for n in range(last + 1):
        recorder.note(f'"n":{n},"x":"{"x" * (n % size)}"')
    notes = lines(recorder)
    written = sum(len(line) - len('{"by":"x}') - len(by) for line in recorder.recent())
    assert [note["n"] for note in notes] == list(range(notes[0]["n"], last + 1))
    assert written > (stop - start) * 0.9


def test_a_minute_of_a_moving_stick_at_30_commands_a_second_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1e8  # three years after the boot: the longest time
    monkeypatch.setattr("time.monotonic", lambda: now)
    server = FlightRecorder("server")
    motor = FlightRecorder("motor", server.fd)
    motor.note('"state":"disarmed","reason":"commands_stale"')  # the longest note
    sticks = '{"type":"drive","seq":1000000,"tick":4294967295,"throttle":-0.1234,"steering":-0.1234}'
    for n in range(100000, 100000 + 60 * 30):
        now += 1 / 30
        server.note(f'"client":"c1000","got":{sticks},"n":{n}')
        motor.note(f'"n":{n},"did":"drive"')
        for pin in (12, 13, 12, 13):  # the command and a step of the ramp
            motor.pin(pin, "pwm", 0.00012345)
        if n % 3 == 0:
            server.note(f'"client":"c2000","got":"{"x" * 148}","refused":"not_driver"')
    notes = [*server.recent()]
    assert b'"state":"disarmed"' in notes[0]
    assert len(notes) == 1 + 60 * (30 + 10 + 30 * 5)
    assert not any(b"too_long" in note for note in notes)


def test_what_is_older_than_a_minute_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = FlightRecorder("server")
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for at in (1000.0, 1030.0, 1061.0):
        now = at
        recorder.note(f'"at":{at}')
    assert [note["at"] for note in lines(recorder)] == [1030.0, 1061.0]


def test_a_note_that_does_not_fit_says_so_and_spoils_no_other() -> None:
    recorder = FlightRecorder("motor")
    recorder.note('"n":1')
    recorder.note(f'"long":"{"é" * 500}"')
    recorder.note('"n":2')
    first, second, third = lines(recorder)
    assert (first["n"], third["n"]) == (1, 2)
    assert second["too_long"] > 1000


def test_a_half_written_note_is_left_out() -> None:
    recorder = FlightRecorder("motor")
    recorder.note('"n":1')
    recorder._memory[recorder._at : recorder._at + 5] = b"\n12.3"
    assert [note["n"] for note in lines(recorder)] == [1]


def test_an_oldest_note_that_is_overwritten_while_it_is_read_is_left_out() -> None:
    recorder = FlightRecorder("motor")
    for n in range(20000):
        recorder.note(f'"n":{n}')
    oldest = lines(recorder)[0]["n"]
    at = recorder._at + flight._SPARE_BYTES
    recorder._memory[at : at + 40] = b"\n1x,\n12.34\n12.34,12 pwm\n,,,,,,,,,,,,,,,,,,"[:40]
    assert lines(recorder)[0]["n"] in range(oldest, oldest + 4)


def test_the_survivor_reads_what_a_killed_process_wrote() -> None:
    server = FlightRecorder("server")
    code = (
        "import os, sys; from picar.journal.flight import FlightRecorder\n"
        "FlightRecorder('motor', int(sys.argv[1])).note('\"last\":\"words\"'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(server.fd)], pass_fds=(server.fd,), check=False, timeout=60
    )
    assert done.returncode == -9
    assert lines(server)[0]["last"] == "words"


def test_a_goodbye_is_seen_by_the_other() -> None:
    server = FlightRecorder("server")
    motor = FlightRecorder("motor", server.fd)
    assert not motor.said_goodbye
    server.goodbye()
    assert motor.said_goodbye


def test_the_newest_five_files_are_kept(tmp_path: Path) -> None:
    recorder = FlightRecorder("server")
    recorder.note('"n":1')
    for n in range(7):
        (tmp_path / f"flight-2026010{n}T000000Z-1.jsonl").touch()
    (tmp_path / "other").touch()
    path = recorder.save("a test", tmp_path)
    assert path is not None
    head, note = (json.loads(line) for line in path.read_text().splitlines())
    assert (head["why"], head["by"], note["n"]) == ("a test", "server", 1)
    kept = sorted(file.name for file in tmp_path.glob("flight-*"))
    assert len(kept) == flight.KEEP_FILES
    assert path.name == kept[-1]
    assert (tmp_path / "other").exists()


def test_the_flight_just_saved_is_kept_whatever_the_clock_says(tmp_path: Path) -> None:
    for n in range(7):
        (tmp_path / f"flight-2999010{n}T000000Z-1.jsonl").touch()  # saved before the clock was set back
    path = FlightRecorder("server").save("a test", tmp_path)
    assert path is not None
    assert path.exists()
    assert len(list(tmp_path.glob("flight-*"))) == flight.KEEP_FILES


def test_a_flight_is_for_its_owner_only_and_follows_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.strftime", lambda *_: "20260101T000000Z")
    recorder, folder, victim = FlightRecorder("server"), tmp_path / "picar", tmp_path / "victim"
    path = recorder.save("a test", folder)
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    path.symlink_to(victim)
    assert recorder.save("a test", folder) == path
    assert not path.is_symlink()
    path.with_suffix(".part").symlink_to(victim)
    assert recorder.save("a test", folder) is None
    assert not victim.exists()


def test_nowhere_to_save_is_no_error(tmp_path: Path) -> None:
    recorder = FlightRecorder("server")
    assert recorder.save("a test", None) is None
    assert recorder.save("a test", tmp_path / "not" / "there") is None


def test_it_is_saved_in_memory_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert folder_in_memory() is None
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert folder_in_memory() == Path("/run/user/1000/picar")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/picar:/run/other")
    assert folder_in_memory() == Path("/run/picar")


def test_where_there_is_no_memfd_a_file_without_a_name_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    recorder = FlightRecorder("server")
    recorder.note('"n":1')
    assert lines(FlightRecorder("motor", recorder.fd))[0]["n"] == 1
