"""What runs out: descriptors, and a full or missing standard stream. The driver goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from tornado.netutil import bind_sockets

from picar.web.connection_limits import SPARE_DESCRIPTORS
from tests.motor.rig import wait_until
from tests.support.client import Client
from tests.support.product import EN_PINS, Product
from tests.support.waiting import until

FEW_FILES = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); from picar.__main__ import main; sys.exit(main())"


def descriptors(car: Product) -> list[int]:
    return [int(each.name) for each in Path(f"/proc/{car.process.pid}/fd").iterdir()]


async def test_more_connections_than_descriptors_disturb_nobody() -> None:
    async with Product(program=("-c", FEW_FILES)) as car, Client(car.url) as phone:
        await phone.take()
        phone.hold(0.5)
        await phone.until(lambda s: s["applied"]["left"] > 0.2)
        strangers = [await asyncio.open_connection("127.0.0.1", car.port) for _ in range(120)]
        await phone.hears(20)
        assert max(descriptors(car)) < 64 - SPARE_DESCRIPTORS[0], "none left for the pins"
        assert (phone.state["state"], phone.errors) == ("armed", [])
        assert "Traceback" not in car.log()
        assert 0 < car.log().count("too many connections") <= 60
        for _, writer in strangers:
            writer.close()
        await until(lambda: len(descriptors(car)) < 40, "room again")
        async with Client(car.url):
            pass


def free_port() -> int:
    (socket,) = bind_sockets(0, "127.0.0.1")
    with socket:
        return int(socket.getsockname()[1])


@pytest.mark.parametrize("streams", [">/dev/full", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "> >(true)"])
def test_a_missing_or_full_stream_is_no_reason_not_to_serve(streams: str) -> None:
    port = free_port()
    command = f'exec "{sys.executable}" -m picar serve --pins mock --host 127.0.0.1 --port {port} {streams}'
    with subprocess.Popen(["bash", "-c", command], cwd=Path(__file__).parents[2]) as car:

        def healthy() -> bool:
            assert car.poll() is None, car.returncode
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        try:
            wait_until(healthy, "a healthy car")
            car.send_signal(signal.SIGTERM)
            assert car.wait(20) == 0
        finally:
            car.kill()


MUTE = """
import contextlib, os, sys
reading, writing = os.pipe()
os.set_blocking(writing, False)
with contextlib.suppress(BlockingIOError):
    while True: os.write(writing, b"x" * 4096)
os.set_blocking(writing, True)
os.set_inheritable(reading, True)
os.dup2(writing, 2)
os.execv(sys.executable, [sys.executable, "-m", "picar", *sys.argv[1:]])
"""


@pytest.mark.parametrize("victim", ["motor", "server"])
async def test_a_log_that_takes_no_more_delays_no_emergency(victim: str) -> None:
    async with Product(program=("-c", MUTE)) as car, Client(car.url) as phone:
        await phone.take()
        phone.hold(1.0)
        await car.until_driving()
        os.kill(car.motor_pid() if victim == "motor" else car.process.pid, signal.SIGKILL)
        await car.until_low()
        assert await car.ended() == (1 if victim == "motor" else -signal.SIGKILL)


SLOW_LOG = """
import signal, sys, time
from picar import log
from picar.car.hub import Hub
emit = log._Handler.emit
def slow(self, record):
    if record.exc_info: time.sleep(2)  # its disk hangs
    emit(self, record)
def pulse(self): raise RuntimeError("no pulse")
log._Handler.emit = slow
signal.signal(signal.SIGUSR1, lambda *_: setattr(Hub, "pulse", pulse))
from picar.__main__ import main
sys.exit(main())
"""


async def test_a_server_whose_loop_fails_cuts_the_pipe_before_it_logs_why() -> None:
    config = "[session]\ncommand_timeout_s = 1.0\n[drive]\ndecel = 20.0\n"  # else the deadline would stop the car as soon
    async with Product(config=config, program=("-c", SLOW_LOG)) as car, Client(car.url) as phone:
        await phone.take()
        phone.hold(1.0)
        await car.until_driving()
        failed_at = time.monotonic()
        car.signal(signal.SIGUSR1)
        assert await car.ended() == 1
        assert "RuntimeError: no pulse" in car.log()
        lows = [w["t"] for w in car.trace() if w["pin"] in EN_PINS and w["t"] > failed_at and not w["value"]]
        assert lows[0] - failed_at < 0.7


RAISED = """
import os, sys
with open("/proc/self/oom_score_adj", "w") as file: file.write("700")  # as OOMScoreAdjust= of a unit
os.execv(sys.executable, [sys.executable, "-m", "picar", *sys.argv[1:]])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux chooses by this value")
@pytest.mark.parametrize("program", [("-m", "picar"), ("-c", RAISED)], ids=["by hand", "a raised unit"])
async def test_the_kernel_kills_the_server_before_the_motor_process(program: tuple[str, ...]) -> None:
    inherited = 700 if RAISED in program else oom_score_adj(os.getpid())
    async with Product(program=program) as car:
        assert oom_score_adj(car.motor_pid()) == inherited
        await until(
            lambda: oom_score_adj(car.process.pid) >= max(500, inherited + 1), "the server's value raised"
        )


def oom_score_adj(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_starts_ends_it_without_a_word(number: signal.Signals) -> None:
    code = (
        "import os, sys\n"
        "class Impatient:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'picar.commands': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Impatient()); sys.argv[1:] = ['serve', '--pins', 'mock', '--port', '0']\n"
        "from picar.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
