"""The camera process itself: modest, quiet, never alone, and never behind."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from picar.camera.frames import NOTICE, PICTURE, BadStream, Frame
from picar.camera.process import CameraProcess, frames
from picar.program import python
from tests.camera.orders import order
from tests.support.waiting import DEADLINE_S

ORDER = order("test")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


@pytest.fixture
def camera() -> Iterator[CameraProcess]:
    """A started camera process with the test card."""
    camera = CameraProcess(ORDER, python("picar.camera"))
    yield camera
    end(camera)


def end(camera: CameraProcess) -> None:
    camera.close()
    camera.popen.kill()
    camera.popen.wait()


def until(camera: CameraProcess, wanted: Callable[[Frame], bool]) -> Frame:
    """Read until a frame is as wanted."""
    give_up_at = time.monotonic() + DEADLINE_S
    while time.monotonic() < give_up_at:
        select.select([camera], [], [], 0.1)
        got = camera.read()
        assert got is not None, "it has ended"
        if found := [frame for frame in got if wanted(frame)]:
            return found[0]
    raise AssertionError("no such frame came")


def a_picture(frame: Frame) -> bool:
    return frame.kind == PICTURE


def test_first_comes_a_notice_then_pictures_whose_numbers_rise(camera: CameraProcess) -> None:
    notice = until(camera, lambda frame: frame.kind == NOTICE)
    assert notice.seq == 1
    assert notice.notice() == {
        "code": None,
        "message": None,
        "card": "test card",
        "upright": False,
    }
    first = until(camera, a_picture)
    assert (first.level, first.width, first.height) == (0, 640, 480)
    assert 0 <= time.monotonic_ns() - first.captured_ns < 10**9
    assert until(camera, a_picture).seq > first.seq


def test_end_of_file_ends_it(camera: CameraProcess) -> None:
    until(camera, a_picture)
    camera._orders.close()
    give_up_at = time.monotonic() + DEADLINE_S
    while camera.read() is not None:
        assert time.monotonic() < give_up_at
        select.select([camera], [], [], 0.1)
    assert camera.popen.wait(DEADLINE_S) == 0


def test_end_of_file_before_the_order_ends_it() -> None:
    done = subprocess.run(
        python("picar.camera"), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_reader_that_is_gone_ends_it_without_a_word(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as err:
        process = subprocess.Popen(
            python("picar.camera"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err
        )
    assert process.stdin
    assert process.stdout
    with process, contextlib.closing(process.stdin):
        process.stdin.write(json.dumps(ORDER).encode() + b"\n")
        process.stdin.flush()
        process.stdout.read(1000)
        process.stdout.close()
        assert process.wait(DEADLINE_S) == 0
    assert log.read_bytes() == b""


@LINUX
@pytest.mark.parametrize("stopped", [False, True])
def test_it_does_not_outlive_a_server_that_was_killed(stopped: bool) -> None:
    """SIGSTOP is the worst case: a stopped process does not read the end of file."""
    code = (
        "import time; from picar.camera.process import CameraProcess; from picar.program import python\n"
        f"c = CameraProcess({ORDER!r}, python('picar.camera'))\n"
        "while not any(f.kind == 0 for f in c.read() or ()): time.sleep(0.01)\n"
        "print(c.popen.pid, flush=True); time.sleep(3600)"
    )
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    with server:
        pid = int(server.stdout.readline())
        if stopped:
            os.kill(pid, signal.SIGSTOP)
        server.kill()
    give_up_at = time.monotonic() + DEADLINE_S
    while Path(f"/proc/{pid}").exists() and _state(pid) != "Z":
        assert time.monotonic() < give_up_at, "the camera process is left"
        time.sleep(0.01)


def _state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0]
    return "Z"


@LINUX
def test_it_steps_back_behind_everything_else(camera: CameraProcess) -> None:
    until(camera, a_picture)
    pid = camera.popen.pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
    assert Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="utf-8") == "800\n"
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
    assert f"Max data size             {400 << 20}" in limits
    assert os.getsid(pid) == pid  # a Ctrl-C is not for it


def test_it_ends_by_end_of_file_and_not_by_the_signals_that_end_a_server(camera: CameraProcess) -> None:
    until(camera, a_picture)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        camera.popen.send_signal(number)
        seen = until(camera, a_picture).seq
        until(camera, lambda frame, seen=seen: frame.seq > seen + 3)  # type: ignore[misc]


def test_while_nobody_reads_it_makes_no_pictures(camera: CameraProcess) -> None:
    until(camera, a_picture)
    time.sleep(1.5)
    kept, newest = 0, None
    while got := camera.read():
        kept += sum(len(frame.body) for frame in got)
        newest = got[-1]
    assert newest
    assert kept < 400_000  # a pipe full, and the one picture that waited; not 45 pictures
    fresh = until(camera, lambda frame: frame.captured_ns > time.monotonic_ns() - 1_000_000_000)
    assert fresh.seq <= newest.seq + 5


def test_a_later_order_has_the_keys_that_change(camera: CameraProcess) -> None:
    until(camera, a_picture)
    camera.order({"level": 4})
    small = until(camera, lambda frame: frame.level == 4)
    assert (small.width, small.height) == (320, 240)
    camera.order({"fps": 60, "quality": 90})
    seen = until(camera, a_picture).seq
    still = until(camera, lambda frame: frame.seq > seen + 3)
    assert (still.width, still.level) == (320, 4)  # the configured quality is not the level's
    camera.order({"level": 1})
    big = until(camera, lambda frame: frame.level == 1)
    assert (big.width, big.height) == (640, 480)


def run_with(code: str, order: object = None) -> list[Frame]:
    """Return the frames of a camera process in which this code ran first."""
    head = f"import sys, picar.camera.__main__ as it, picar.camera.sources.test as test\n{code}\nsys.exit(it.main())"
    camera = CameraProcess(order or ORDER, [sys.executable, "-c", head])  # type: ignore[arg-type]
    got: list[Frame] = []
    try:
        while (new := camera.read()) is not None and len(got) < 10:
            select.select([camera], [], [], 0.1)
            got += new
    finally:
        end(camera)
    return got


def test_the_prints_of_a_library_are_no_frames(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import os\ndef noise(m):\n print('a library says hello', flush=True); os.write(1, b'and again'); return [True] * 32\ntest.clock_bits = noise"
    assert len(run_with(code)) >= 10
    assert "a library says hello" in capfd.readouterr().err


def test_a_picture_s_time_is_neither_in_the_future_nor_older_than_two_seconds() -> None:
    for wrong in ("10**19 // 2", "0"):
        got = run_with(
            "import types; import picar.camera.sources as it_draws; it_draws.time = types.SimpleNamespace(**vars(test.time))\n"
            f"it_draws.time.monotonic_ns = lambda: {wrong}"
        )
        now = time.monotonic_ns()
        assert all(now - 30 * 10**9 < frame.captured_ns <= now for frame in got)


def test_a_source_that_runs_out_of_memory_says_so() -> None:
    (notice,) = run_with("def eat(*_): raise MemoryError\ntest.TestCard.next = eat")[1:]
    assert notice.notice()["code"] == "out_of_memory"


@LINUX
def test_the_limit_of_its_memory_is_felt_by_a_leak() -> None:
    (notice,) = run_with(
        "kept = []\ndef leak(*_): kept.append(bytearray(1 << 27))\ntest.TestCard.next = leak"
    )[1:]
    assert notice.notice()["code"] == "out_of_memory"


def test_a_missing_library_is_a_fault_with_its_fix() -> None:
    code = "import importlib.abc\nclass No(importlib.abc.MetaPathFinder):\n def find_spec(self, name, *_):\n  if name == 'PIL': raise ModuleNotFoundError(name='PIL')\nsys.meta_path.insert(0, No()); del sys.modules['picar.camera.sources.test']\nfor name in [n for n in sys.modules if n.startswith('PIL')]: del sys.modules[name]"
    (notice,) = run_with(code)
    told = notice.notice()
    assert told["code"] == "no_pillow"
    assert told["message"] == f"The picture needs Pillow. Run: {sys.prefix}/bin/pip install pillow videodev2"


def test_a_source_without_pictures_still_ends_at_end_of_file(tmp_path: Path) -> None:
    code = "import time\ndef none(*_): time.sleep(0.1)\ntest.TestCard.next = none"
    head = f"import sys, picar.camera.__main__ as it, picar.camera.sources.test as test\n{code}\nsys.exit(it.main())"
    camera = CameraProcess(ORDER, [sys.executable, "-c", head])
    until(camera, lambda frame: frame.kind == NOTICE)
    camera.close()
    assert camera.popen.wait(DEADLINE_S) == 0


def test_a_command_reads_the_frames_and_ends_the_process() -> None:
    got = []
    for frame in frames(ORDER, DEADLINE_S):
        got.append(frame.kind)
        if len(got) == 3:
            break
    assert got == [NOTICE, PICTURE, PICTURE]


def test_bytes_that_are_no_frame_are_refused(tmp_path: Path) -> None:
    camera = CameraProcess(ORDER, [sys.executable, "-c", "print('x' * 100)"])
    try:
        with pytest.raises(BadStream):
            until(camera, a_picture)
    finally:
        end(camera)
