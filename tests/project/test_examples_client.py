"""The examples that use `picar.client`, run as their users run them; OpenCV and ROS 2 are replaced by small modules."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from picar.client import AsyncCar
from tests.support.product import Product
from tests.support.waiting import heed_ctrl_c, until

pytestmark = pytest.mark.slow

PIPE = asyncio.subprocess.PIPE
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
CAMERA = '[camera]\nsource = "sim"\n'
BUTTON, AXIS = 1, 2
CV2 = """
COLOR_BGR2HSV = IMREAD_COLOR = 1
class Picture:
    shape = (240, 320, 3)
def imdecode(data, mode): assert data[:2] == b"\\xff\\xd8"; return Picture()
def cvtColor(picture, mode): return picture
def inRange(picture, low, high): return picture
def moments(mask, binaryImage): return {"m00": 1000.0, "m10": 240000.0}
"""
NUMPY = "uint8 = 1\ndef frombuffer(data, kind): return data\n"
RCLPY = """
import time
from geometry_msgs.msg import Twist
began, takes = time.monotonic(), []
def init(): pass
def ok(): return True
class Node:
    def create_subscription(self, kind, topic, take, depth): takes.append(take)
def create_node(name): return Node()
def spin_once(node, timeout_sec):
    if time.monotonic() - began < 3.0:  # then the publisher is silent, and the node runs on
        takes[0](Twist())
"""
TWIST = """
class Vector:
    x, z = 0.4, -1.0
class Twist:
    linear = angular = Vector()
"""


@asynccontextmanager
async def example(
    name: str, *arguments: str, modules: Path = ROOT
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run an example; `modules` is a folder with replacements of packages."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / name),
        *arguments,
        stderr=PIPE,
        env=os.environ | {"PYTHONPATH": f"{modules}{os.pathsep}{ROOT}"},
        preexec_fn=heed_ctrl_c,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def errors(process: asyncio.subprocess.Process) -> str:
    """Wait for the end of an example, and return its standard error."""
    return (await asyncio.wait_for(process.communicate(), 60))[1].decode()


def fill(folder: Path, **modules: str) -> Path:
    """Write modules into a folder; `a_b` is the module b of the package a."""
    for name, text in modules.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def test_an_example_is_short() -> None:
    for name in ("square", "gamepad", "csv_line", "opencv_loop", "ros2_node"):
        assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 50, name


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        (
            "square.py",
            ["127.0.0.1:1"],
            "no_answer: No car answers at http://127.0.0.1:1: Connection refused.",
        ),
        ("csv_line.py", [], "Usage: csv_line.py CAR:8000 FILE"),
        ("csv_line.py", ["127.0.0.1:1", "/no-such-file"], "'/no-such-file'"),
        ("gamepad.py", ["127.0.0.1:1", "/no-such-gamepad"], "'/no-such-gamepad'"),
        ("opencv_loop.py", [], "-m pip install opencv-python-headless"),
        ("ros2_node.py", [], "the Python of ROS"),
        ("follow_line.py", ["127.0.0.1:1"], "-m pip install pillow"),
        ("serial_board.py", [], "Usage: serial_board.py PORT CAR:8000 [TOKEN]"),
        ("serial_board.py", ["/no-such-port", "127.0.0.1:1"], "/no-such-port is not a serial port"),
    ],
)
async def test_a_wrong_call_or_a_missing_package_is_a_sentence(
    tmp_path: Path, name: str, arguments: list[str], words: str
) -> None:
    for package in ("cv2", "numpy", "PIL", "rclpy"):
        (tmp_path / f"{package}.py").write_text(f"raise ImportError('No module named {package}')")
    async with example(name, *arguments, modules=tmp_path) as process:
        said = await errors(process)
    assert process.returncode == 1
    assert words in said
    assert "Traceback" not in said


async def test_ctrl_c_ends_an_example_without_a_traceback() -> None:
    async with Product() as car, example("square.py", car.url) as square:
        await car.until_driving()
        square.send_signal(signal.SIGINT)
        assert (await errors(square), square.returncode) == ("", 0)
        await car.until_low()


async def test_the_square_ends_about_where_it_began() -> None:
    async with Product(pins="sim") as car, AsyncCar(car.url, drives=False) as watcher:
        farthest = 0.0
        async with example("square.py", f"127.0.0.1:{car.port}") as square:
            while square.returncode is None:
                x, y, _ = (await watcher.next_state(), watcher.pose)[1] or (0.0, 0.0, 0.0)
                farthest = max(farthest, math.hypot(x, y))
            assert await errors(square) == ""
        assert square.returncode == 0
        assert watcher.pose
        assert math.hypot(*watcher.pose[:2]) < farthest
        await car.until_low()


async def test_a_line_of_a_csv_file_is_driven_and_a_wrong_file_moves_nothing(tmp_path: Path) -> None:
    async with Product(pins="sim") as car, AsyncCar(car.url, drives=False) as watcher:
        for rows, said in (
            ("1,0.5,0\n1,fast,0\n", "row 2 is not: seconds, throttle, steering\n"),
            ("1,2,0\n", "row 1: 0 to 60 s, throttle and steering from -1 to 1\n"),
        ):
            wrong = tmp_path / "wrong.csv"
            wrong.write_text(rows, encoding="utf-8")
            async with example("csv_line.py", car.url, str(wrong)) as process:
                assert await errors(process) == said
        assert watcher.pose == (0.0, 0.0, 0.0)
        async with example("csv_line.py", car.url, str(EXAMPLES / "line.csv")) as process:
            assert await errors(process) == ""
        assert watcher.pose
        assert watcher.pose[0] > 0.3
        await car.until_low()


async def test_a_gamepad_drives_stops_resets_and_is_unplugged(tmp_path: Path) -> None:
    pad = tmp_path / "js0"
    os.mkfifo(pad)

    def event(kind: int, number: int, value: int) -> None:
        os.write(stick, struct.pack("IhBB", 0, value, kind, number))

    async with Product() as car, AsyncCar(car.url, drives=False) as watcher:
        stick = os.open(pad, os.O_RDWR)
        try:
            async with example("gamepad.py", car.url, str(pad)) as process:
                await until(lambda: watcher.state["state"] == "armed", "the program has the wheel")
                event(AXIS, 1, -20000)
                await until(lambda: watcher.state["applied"]["left"] > 0.1, "the stick drives forward")
                await car.until_low()  # no event for two seconds
                event(BUTTON, 0, 1)
                await until(lambda: watcher.state["state"] == "stopped", "the first button stops")
                event(BUTTON, 1, 1)
                await until(lambda: watcher.state["state"] == "armed", "the second button resets")
                event(AXIS, 1, -20000)
                await car.until_driving()
                os.close(stick)
                stick = -1
                assert await errors(process) == "The gamepad is unplugged.\n"
                await car.until_low()
        finally:
            if stick >= 0:
                os.close(stick)


async def test_the_loop_of_opencv_steers_to_the_side_that_it_sees(tmp_path: Path) -> None:
    modules = fill(tmp_path, cv2=CV2, numpy=NUMPY)
    async with (
        Product(config=CAMERA) as car,
        AsyncCar(car.url, drives=False) as watcher,
        example("opencv_loop.py", car.url, modules=modules),
    ):
        await until(lambda: watcher.state["wanted"]["steering"] == pytest.approx(0.3), "to the right")
        assert watcher.state["wanted"]["throttle"] == pytest.approx(0.3)


async def test_the_ros_node_drives_by_a_twist_and_stands_when_none_comes(tmp_path: Path) -> None:
    modules = fill(tmp_path, rclpy=RCLPY, geometry_msgs__msg=TWIST)
    async with (
        Product() as car,
        AsyncCar(car.url, drives=False) as watcher,
        example("ros2_node.py", car.url, modules=modules) as node,
    ):
        await until(lambda: watcher.state["wanted"]["throttle"] == pytest.approx(0.5), "0.4 m/s of 0.8")
        assert watcher.state["wanted"]["steering"] == pytest.approx(0.25)
        await car.until_low()
        assert node.returncode is None
        assert watcher.state["state"] == "armed", "the node sends zero; it is not the timeout of the car"
