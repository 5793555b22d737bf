"""Programs and files of the real machine: slow, missing or odd ones do no harm."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from picar.doctor.machine import Answer, Finding, Machine, report, run
from tests.doctor.trees import listen_nowhere


def machine(root: Path) -> Machine:
    return Machine(root, run, listen_nowhere)


def test_a_program_is_asked_in_plain_english_and_answers() -> None:
    assert run("sh", "-c", "echo $LC_ALL; echo why >&2; exit 3") == Answer(3, "C.UTF-8", "why")


def test_a_missing_program_is_no_answer() -> None:
    assert run("no-such-program-anywhere") is None


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    begun = time.monotonic()
    answer = run("sh", "-c", f"sleep 600 & echo $! >{tmp_path}/pid; wait", patience_s=0.5)
    assert answer == Answer(None)
    assert time.monotonic() - begun < 30
    pid = (tmp_path / "pid").read_text().strip()
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{pid}") and "Z" not in Path(f"/proc/{pid}/stat").read_text().split():  # noqa: PTH110
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_program_that_asks_for_a_password_gets_none() -> None:
    assert run(sys.executable, "-c", "input()") is not None


def test_files_that_are_not_there_or_make_one_wait_are_no_text(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "second").write_text("here\0\n")
    assert machine(tmp_path).text("fifo") == ""
    assert machine(tmp_path).text("gone", "folder", "second") == "here"
    assert machine(tmp_path).text("gone") is None
    assert machine(tmp_path).text() is None


def test_a_report_counts_what_is_wrong() -> None:
    ok, warning = Finding("a", "ok", "fine\nmore"), Finding("b", "warning", "hm", "do this")
    assert report([ok])[-1] == "All is well."
    assert report([ok, warning])[-1] == "1 warning. The car can drive."
    assert report([warning, warning, Finding("c", "problem", "no")])[-1] == "1 problem and 2 warnings."
    assert report([ok])[:2] == ["  ok       a              fine", " " * 26 + "more"]
    assert " " * 26 + "fix: do this" in report([warning])
