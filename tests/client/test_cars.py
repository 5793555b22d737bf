"""`Car` and `AsyncCar` as their users run them: programs of their own that drive a simulated car or mock pins."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import signal
import struct
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from picar.client import AsyncCar, Car, CarError, find
from picar.client.connection import page_of
from picar.core.protocol import SUBPROTOCOL
from picar.network.tls import ca_certificate
from tests.support.client import Client
from tests.support.product import Product
from tests.support.secure import SecureHousehold
from tests.support.waiting import heed_ctrl_c, until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
CAMERA = '[camera]\nsource = "sim"\n'
PROGRAM = """
import signal, sys, time
from picar.client import Car, CarError
with Car(sys.argv[1]) as car:
{}
"""


class Program:
    """A running program with a car, and what it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout
        return (await asyncio.wait_for(self.process.stdout.readline(), 60)).decode().strip()

    async def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        return await asyncio.wait_for(self.process.wait(), 60)


@pytest.fixture
async def product() -> AsyncIterator[Product]:
    async with Product() as car:
        yield car


@asynccontextmanager
async def program(car: Product, body: str) -> AsyncIterator[Program]:
    """Run a program with this body inside `with Car(...)`."""
    text = PROGRAM.format(textwrap.indent(textwrap.dedent(body), "    "))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-u",
        "-c",
        text,
        car.url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=heed_ctrl_c,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_program_drives_with_the_names_of_a_robot_and_leaves_the_car_at_rest() -> None:
    body = """
        car.forward(0.5); car.sleep(1); print(car.pose[0] > 0.1, car.value)
        car.left(0.8); car.sleep(0.7); print(car.state["applied"]["left"] < 0 < car.state["applied"]["right"])
        car.reverse(); car.sleep(0.7); print(car.state["applied"]["right"] < 0 < car.state["applied"]["left"])
        car.stop(); car.sleep(0.7); print(any(car.state["applied"].values()))
        car.backward(0.5, curve_left=0.5); car.sleep(0.7); print(car.value)
        car.value = 0.3, 0.2; car.sleep(0.1); print(car.value)
    """
    async with Product(pins="sim") as car, program(car, body) as script:
        assert [await script.line() for _ in range(6)] == [
            "True (0.5, 0.5)",
            "True",
            "True",
            "False",
            "(-0.25, -0.5)",
            "(0.3, 0.2)",
        ]
        assert await script.ended() == 0
        await car.until_low()
        async with Client(car.url) as phone:
            assert phone.state["driver"] is None


@pytest.mark.parametrize(
    ("body", "signals"),
    [
        ("time.sleep(60)", []),
        ("car.sleep(60)", [signal.SIGSTOP]),
        ("car.sleep(60)", [signal.SIGKILL]),
        (
            "signal.signal(signal.SIGUSR1, lambda *_: time.sleep(60)); print('set'); car.sleep(60)",
            [signal.SIGUSR1],
        ),
        ("for picture in car.frames(): time.sleep(60)", []),
    ],
    ids=[
        "the program sleeps by itself",
        "the program is stopped",
        "the program is killed",
        "the program hangs inside a call",
        "the program hangs in a loop over pictures",
    ],
)
async def test_a_program_that_no_longer_calls_holds_no_speed(
    body: str, signals: list[signal.Signals]
) -> None:
    drive = f"car.forward(0.6); car.sleep(1)\nprint('driving')\ncar.forward(0.6)\n{body}"
    async with Product(config=CAMERA) as car, program(car, drive) as script:
        assert await script.line() == "driving"
        assert car.is_driving()
        if "print" in body:
            assert await script.line() == "set"
        for one in signals:
            script.process.send_signal(one)
        await car.until_low()


async def test_a_loop_over_the_states_holds_the_speed() -> None:
    body = """
        car.forward(0.6)
        began = time.monotonic()
        for state in car:
            if time.monotonic() - began > 2:
                print(state["applied"]["left"]); break
    """
    async with Product() as car, program(car, body) as script:
        assert float(await script.line()) == pytest.approx(0.6, abs=0.2)
        assert await script.ended() == 0


async def test_a_refusal_is_an_error_with_its_code_and_the_stop_stays() -> None:
    body = """
        car.estop()
        try:
            car.forward(); car.sleep(5)
        except CarError as error:
            print(error.code)
        car.reset(); car.forward(0.5); car.sleep(0.7)
        print(car.state["state"], car.state["applied"]["left"] > 0.2)
    """
    async with Product() as car, program(car, body) as script:
        assert await script.line() == "stopped"
        assert await script.line() == "armed True"


async def test_an_error_and_ctrl_c_end_with_the_car_at_rest() -> None:
    async with Product() as car:
        async with program(car, "car.forward(0.6); car.sleep(1); print('on'); 1 / 0") as script:
            assert await script.line() == "on"
            assert await script.ended() == 1
            await car.until_low()
        async with program(car, "car.forward(0.6); car.sleep(1); print('on'); car.sleep(60)") as script:
            assert await script.line() == "on"
            script.process.send_signal(signal.SIGINT)
            await script.ended()
            await car.until_low()


async def test_the_wheel_is_not_taken_from_another_driver() -> None:
    async with Product() as car, Client(car.url) as phone:
        await phone.take()
        phone.hold(0.5)
        other = AsyncCar(car.url, drives=False)
        async with other:
            with pytest.raises(CarError) as error:
                await other.take(timeout_s=1.0)
        assert error.value.code == "not_driver"
        await phone.let_go()


async def test_a_program_that_watches_sends_no_command() -> None:
    async with Product() as car, AsyncCar(car.url, drives=False) as watcher:
        for _ in range(5):
            await watcher.next_state()
        assert watcher.state["driver"] is None
        assert watcher.battery is None


async def test_a_car_that_ends_is_an_error_at_the_next_call() -> None:
    async with Product() as car, AsyncCar(car.url) as driver:
        await car.terminate()
        with pytest.raises(CarError) as error:
            await driver.sleep(30)
        assert error.value.code == "closed"


async def test_a_block_is_recorded_and_its_end_ends_the_recording_also_after_an_error(
    product: Product,
) -> None:
    async with AsyncCar(product.url) as driver:

        async def fail() -> None:
            async with driver.recording():
                assert driver.state["recording"]["by"] == driver.hello["client"]
                await driver.forward(0.5)
                await driver.sleep(0.5)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert not driver.is_recording
        await driver.record()
        assert driver.is_recording
        await driver.record(False)
        folder = product.folder / "state" / "picar" / "recordings"
        await until(lambda: len(list(folder.glob("*.mcap"))) == 2, "two recordings")


async def test_a_car_without_recordings_refuses_them() -> None:
    async with Product(config="[recording]\nenabled = false\n") as car, AsyncCar(car.url) as driver:
        with pytest.raises(CarError) as error:
            await driver.record()
        assert error.value.code == "recording_off"


async def test_a_plain_program_records_a_block(product: Product) -> None:
    body = """
        with car.recording():
            car.forward(0.3)
            car.sleep(0.5)
            print(car.is_recording)
        print(car.is_recording)
    """
    async with program(product, body) as script:
        assert [await script.line(), await script.line()] == ["True", "False"]
        assert await script.ended() == 0


async def test_pictures_arrive_and_without_a_camera_it_is_said() -> None:
    async with Product(pins="sim") as car, AsyncCar(car.url, drives=False) as watcher:
        pictures = []
        async for jpeg in watcher.frames():
            pictures.append(jpeg)
            if len(pictures) == 3:
                break
        assert all(jpeg.startswith(b"\xff\xd8") for jpeg in pictures)
    config = '[camera]\nsource = "off"\n'
    async with Product(config=config) as car, AsyncCar(car.url, drives=False) as watcher:
        with pytest.raises(CarError) as error:
            await anext(watcher.frames())
        assert error.value.code == "no_camera"


async def test_a_camera_that_hangs_holds_no_speed_and_its_fault_is_an_error() -> None:
    body = """
        try:
            for n, picture in enumerate(car.frames()):
                car.forward(0.3)
                if n == 5: print("sees")
        except CarError as error:
            print(error.code, car.value)
    """
    async with Product(config=CAMERA) as car, program(car, body) as script:
        assert await script.line() == "sees"
        camera = car.camera_pid()
        assert camera
        os.kill(camera, signal.SIGSTOP)
        await car.until_low()
        assert await script.line() == "frozen (0.0, 0.0)", "zero was sent long before the fault"


async def test_a_car_that_is_not_open_says_so_and_can_be_opened_again() -> None:
    async with Product() as product:
        car = Car(product.url)
        for call in (
            car.forward,
            car.stop,
            car.estop,
            car.reset,
            car.take,
            lambda: car.state,
            lambda: car.hello,
        ):
            with pytest.raises(CarError, match="not open"):
                call()
        car.close()
        for _ in range(2):
            with car:
                car.forward(0.5)
                pictures = car.frames()
                await product.until_driving()
            del pictures
            with pytest.raises(CarError) as error:
                car.sleep(1)
            assert error.value.code == "closed"


async def test_the_same_program_drives_on_when_its_car_has_restarted() -> None:
    async with Product() as product, AsyncCar(product.url) as car:
        await product.terminate()
        with pytest.raises(CarError, match="The car has closed the connection"):
            await car.sleep(30)
        again = Product(port=product.port)
        async with again:
            await car.open()
            await car.forward(0.5)
            await car.sleep(1)
            assert again.is_driving()


async def test_a_car_that_hangs_is_an_error_in_each_loop() -> None:
    async with Product() as product, AsyncCar(product.url, drives=False) as watcher:
        product.signal(signal.SIGSTOP)
        try:
            for call in (watcher.sleep(60), anext(aiter(watcher))):
                with pytest.raises(CarError) as error:
                    await call
                assert error.value.code == "no_answer"
        finally:
            product.signal(signal.SIGCONT)


async def test_a_program_that_hung_is_refused_and_drives_on_after_take() -> None:
    async with Product() as product, AsyncCar(product.url) as car:
        await car.forward(0.5)
        await car.sleep(0.5)
        await until(lambda: not product.is_driving(), "the car stops")
        await until(lambda: car.state["state"] == "disarmed", "the car wants to see neutral")
        await car.forward(0.5)
        with pytest.raises(CarError) as error:
            await car.sleep(10)
        assert (error.value.code, car.value) == ("not_neutral", (0.0, 0.0))
        await car.take()
        await car.forward(0.5)
        await car.sleep(0.5)
        assert product.is_driving()


async def test_a_stopped_car_lets_the_program_in_and_only_reset_ends_the_stop() -> None:
    async with Product() as product:
        async with AsyncCar(product.url, drives=False) as watcher:
            await watcher.estop()
            await until(lambda: watcher.state["state"] == "stopped", "the stop")
        async with AsyncCar(product.url) as car:
            with pytest.raises(CarError) as error:
                await car.forward(0.5)
            assert (error.value.code, car.value) == ("stopped", (0.0, 0.0))
            await car.stop()
            await car.sleep(0.3)  # at rest a program may wait for the end of the stop
            await car.reset()
            await car.reset()  # of a car that is not stopped
            await car.forward(0.5)
            await car.sleep(0.5)
            assert product.is_driving()


async def test_a_stop_of_another_client_ends_a_loop() -> None:
    body = """
        try:
            for state in car:
                car.forward(0.5); print("driving")
        except CarError as error:
            print(error.code, car.value)
    """
    async with Product() as car, program(car, body) as script, Client(car.url) as phone:
        assert await script.line() == "driving"
        await phone.send(type="stop")
        while (said := await script.line()) == "driving":
            pass
        assert said == "stopped (0.0, 0.0)"


async def test_a_program_that_watches_drives_only_after_take() -> None:
    async with Product() as product, AsyncCar(product.url, drives=False) as car:
        for call in (car.forward, car.stop, car.reset):
            with pytest.raises(CarError) as error:
                await call()
            assert error.value.code == "not_driver"
        await car.take()
        await car.forward(0.5)
        await product.until_driving()


async def test_a_request_for_the_wheel_ends_with_its_time() -> None:
    async with Product() as product, AsyncCar(product.url) as driver:
        async with AsyncCar(product.url, drives=False) as other:
            with pytest.raises(CarError):
                await other.take(timeout_s=0.5)
            await until(lambda: not other.state["waiting"], "no request is left")
        assert driver.state["you"] == "driver"


async def test_a_loop_without_a_pause_sends_no_more_than_the_car_takes() -> None:
    async with Product() as product, AsyncCar(product.url) as car:
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            await car.drive(0.3)


@pytest.mark.parametrize(
    "call",
    [
        lambda car: car.forward(1.5),
        lambda car: car.drive(0.0, float("nan")),
        lambda car: car.forward(1.0, curve_left=2.0),
        lambda car: car.limit(0.0),
        lambda car: car.limit(float("nan")),
    ],
)
async def test_a_value_out_of_range_is_an_error_of_this_call(
    product: Product, call: Callable[[AsyncCar], Awaitable[None]]
) -> None:
    async with AsyncCar(product.url) as car:
        with pytest.raises(CarError, match="between") as error:
            await call(car)
        assert error.value.code == "bad_value"


@pytest.mark.parametrize(
    ("host", "percent"), [({}, None), ({"battery_percent": None}, None), ({"battery_percent": 80}, 80.0)]
)
def test_the_battery_is_the_cars_fact(host: dict[str, float | None], percent: float | None) -> None:
    car = AsyncCar()
    car.session.state = {"tick": 1, "you": "spectator", "host": host}
    assert car.battery == percent


def test_hold_s_has_a_limit() -> None:
    with pytest.raises(CarError, match="between 0 and 2 s"):
        Car(hold_s=10.0)


async def test_a_task_that_is_cancelled_leaves_the_car_at_rest_and_free(product: Product) -> None:
    async def drive() -> None:
        async with AsyncCar(product.url) as car:
            await car.forward(0.5)
            await car.sleep(60)

    task = asyncio.create_task(drive())
    await product.until_driving()
    task.cancel()
    await product.until_low()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with AsyncCar(product.url, drives=False) as watcher:
        assert watcher.state["driver"] is None


async def test_one_program_drives_two_cars() -> None:
    async with (
        Product() as one,
        Product() as two,
        AsyncCar(one.url) as first,
        AsyncCar(two.url) as second,
    ):
        await first.forward(0.5)
        await second.backward(0.5)
        await asyncio.gather(first.sleep(1), second.sleep(1))
        assert (one.is_driving(), two.is_driving()) == (True, True)


async def test_https_needs_the_cas_file_and_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    async with SecureHousehold() as house:
        ca, der = f"{house.folder_of_tls}/ca.pem", house.folder / "ca.crt"
        certificate = ca_certificate(Path(house.folder_of_tls))
        assert certificate
        der.write_bytes(certificate)
        monkeypatch.setenv("PICAR_TOKEN", house.token("a program") + "\n")
        for file in ca, str(der):
            async with AsyncCar(house.secure_url, ca=file) as car:
                await car.forward(0.5)
                await house.until_driving()
        wrong = AsyncCar(house.secure_url, "wrong", ca=ca), AsyncCar(house.secure_url)
        for car, code in zip(wrong, ("not_paired", "not_trusted"), strict=True):
            with pytest.raises(CarError) as error:
                await car.open()
            assert error.value.code == code


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"ca": "no-such-file"}, "bad_ca"),
        ({"ca": __file__}, "bad_ca"),
        ({"ca": os.devnull}, "bad_ca"),
        ({"token": "caf\u00e9"}, "bad_token"),
    ],
)
def test_a_wrong_argument_is_a_sentence(more: dict[str, str], code: str) -> None:
    with pytest.raises(CarError) as error:
        AsyncCar("https://localhost", **more)  # type: ignore[arg-type]
    assert error.value.code == code


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_another_server_is_no_car(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with pytest.raises(CarError) as error:
            await AsyncCar(f"127.0.0.1:{server.sockets[0].getsockname()[1]}").open()
        assert error.value.code == "no_car"


@pytest.mark.parametrize(
    ("subprotocol", "frame", "code"),
    [
        ("", b"", "no_car"),
        (SUBPROTOCOL, b"\x88\x02" + struct.pack("!H", 4401), "not_paired"),
        (SUBPROTOCOL, b"\x81\x02{}", "bad_message"),
    ],
    ids=["it has no picar.v1", "it ends at once", "it sends no picar.v1"],
)
async def test_a_websocket_that_is_no_car_is_an_error_at_once(
    subprotocol: str, frame: bytes, code: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        (key,) = re.findall(r"(?i)^sec-websocket-key: (\S+)\r$", head, re.MULTILINE)
        proof = base64.b64encode(hashlib.sha1(f"{key}{GUID}".encode()).digest()).decode()  # noqa: S324 - RFC 6455
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        chosen = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
        writer.write(f"Sec-WebSocket-Accept: {proof}\r\n{chosen}\r\n".encode() + frame)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with pytest.raises(CarError) as error:
            await AsyncCar(f"127.0.0.1:{server.sockets[0].getsockname()[1]}").open()
        assert error.value.code == code


async def test_a_stop_that_meets_the_end_of_the_connection_is_an_error() -> None:
    async with Product() as product, AsyncCar(product.url) as car:
        product.signal(signal.SIGSTOP)
        stop = asyncio.create_task(car.estop())
        await asyncio.sleep(0)
        product.signal(signal.SIGKILL)
        with pytest.raises(CarError) as error:
            await stop
        assert error.value.code == "closed"


async def test_the_traceback_of_an_error_has_no_line_of_the_thread() -> None:
    async with Product() as car, program(car, "car.forward(2)") as script:
        assert await script.ended() == 1
        assert script.process.stderr
        said = (await script.process.stderr.read()).decode()
        assert said.strip().endswith("must be between -1 and 1, not left 2.0 and right 2.0.")
        assert "futures" not in said
        assert "aio.py" not in said


async def test_no_token_and_no_car_are_sentences() -> None:
    with pytest.raises(CarError) as error:
        await AsyncCar("bad..name").open()
    assert error.value.code == "no_answer"
    with pytest.raises(CarError) as error:
        await AsyncCar("127.0.0.1:1").open()
    assert error.value.code == "no_answer"
    async with Product(config='[access]\npairing = "on"\n') as car:
        with pytest.raises(CarError) as error:
            await AsyncCar(car.url, token="wrong").open()  # noqa: S106
        assert "pair" in str(error.value)


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("blitz.local", "http://blitz.local:8000"),
        ("blitz.local:80", "http://blitz.local:80"),
        ("https://blitz.local", "https://blitz.local:8443"),
        ("http://[::1]/", "http://[::1]:8000"),
        ("[::1]:9", "http://[::1]:9"),
    ],
)
def test_an_address_is_completed(address: str, page: str) -> None:
    assert page_of(address) == page


@pytest.mark.parametrize(
    "address", ["", "ftp://car", "http://car/page", "http://", "my car", "car:x", "car:99999", "::1"]
)
def test_another_address_is_refused(address: str) -> None:
    with pytest.raises(CarError, match="address of a car"):
        page_of(address)


def test_without_zeroconf_no_car_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    began = time.monotonic()
    assert find(5.0) == []
    assert time.monotonic() - began < 5.0


async def test_a_speed_is_repeated_so_that_the_deadline_never_comes() -> None:
    async with Product() as car, AsyncCar(car.url) as driver:
        await driver.forward(0.6)
        await driver.sleep(2.0)
        assert driver.state["state"] == "armed"
        await until(car.is_driving, "driving")
