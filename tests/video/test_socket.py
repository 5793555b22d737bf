"""`/ws/video` with the real product: its gate, its messages, its pace, its viewers."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import socket
import stat
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from picar.web.websocket import EXPEDITED
from tests.support.client import Client, WebSocket
from tests.support.household import Household
from tests.support.product import Product
from tests.support.raw import UPGRADE, ask
from tests.support.viewer import Viewer
from tests.support.waiting import until

pytestmark = pytest.mark.slow

PIDFD_GETFD = 438  # of every architecture
CONFIG = '[camera]\nsource = "test"\nspectator_fps = 5\nmax_viewers = 2\n'
BROWSER = {"Cookie": "picar_session=one"}


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    async with Product(config=CONFIG) as product:
        yield product
        await product.terminate()
        assert product.is_low()
        assert "Traceback" not in product.log()


async def test_pictures_come_with_their_heads_and_a_text_about_the_camera(car: Product) -> None:
    async with Viewer(car.url) as viewer:
        await viewer.sees(5)
        first, *others = viewer.shown
        assert (first.version, first.level, first.width, first.height, first.zero) == (1, 0, 640, 480, 0)
        assert first.trip_ms == 0
        assert all(other.trip_ms > 0 for other in others[1:])
        assert all(a.seq < b.seq for a, b in itertools.pairwise(viewer.shown))
        assert all(shown.jpeg.startswith(b"\xff\xd8") and shown.age_ms < 1000 for shown in viewer.shown)
        live = await viewer.until_state("live")
        assert viewer.cameras[0]["state"] in ("starting", "live")
        assert live == {
            "type": "camera", "state": "live", "code": None, "message": None, "fps": 30, "size": [640, 480],
            "quality": 50, "level": 0, "rotation": 0, "mirror": False,
        }  # fmt: skip


async def test_nothing_runs_before_the_first_viewer_and_five_seconds_after_the_last(car: Product) -> None:
    async with Client(car.url) as phone:
        assert phone.hello["car"]["camera"] == {"source": "test"}
        assert phone.state["video"] == {"viewers": 0, "fps": 0.0, "size": None, "age_s": None, "cap": 1.0}
        assert car.camera_pid() is None
        async with Viewer(car.url) as viewer:
            await viewer.sees(3)
            assert car.camera_pid() is not None
            state = await phone.until(lambda s: s["video"]["viewers"] == 1 and s["video"]["fps"] > 1)
            assert state["video"]["size"] == [640, 480]
        left_at = time.monotonic()
        await until(lambda: car.camera_pid() is None, "the end of the camera process")
        assert 3.0 < time.monotonic() - left_at < 10.0


async def test_a_paused_viewer_does_not_keep_the_camera_on_and_can_go_on(car: Product) -> None:
    async with Viewer(car.url) as viewer:
        await viewer.sees(3)
        await viewer.send("want", fps=0)
        await until(lambda: car.camera_pid() is None, "the end of the camera process")
        count = len(viewer.shown)
        await viewer.send("want", fps=30)
        await viewer.wait(lambda: len(viewer.shown) > count + 2, "pictures after the pause")
        pauses = [b.came_at - a.came_at for a, b in itertools.pairwise(viewer.shown)]
        assert max(pauses) > 3.0


async def test_one_picture_is_on_its_way_until_it_was_drawn(car: Product) -> None:
    async with Viewer(car.url, draws=False) as viewer:
        await viewer.sees(1)
        await asyncio.sleep(0.7)
        assert len(viewer.shown) == 1
        await viewer.draw()
        await viewer.sees(1)
        assert viewer.shown[1].seq - viewer.shown[0].seq > 5  # the newest one, not the next
        assert viewer.shown[1].age_ms < 500
        assert viewer.shown[1].trip_ms >= 650


async def test_a_viewer_that_draws_nothing_is_dropped_after_five_seconds(car: Product) -> None:
    async with Viewer(car.url, draws=False) as viewer:
        await viewer.sees(1)
        began_at = time.monotonic()
        await viewer.until_closed()
        assert 4.0 < time.monotonic() - began_at < 8.0
        assert viewer.close_code is None


async def test_the_driver_gets_all_pictures_and_a_spectator_few(car: Product) -> None:
    async with (
        Client(car.url, cookie="one") as phone,
        Viewer(car.url, phone.id, BROWSER) as own,
        Viewer(car.url) as other,
    ):
        await phone.take()
        await own.sees(20)
        own_before, other_before = len(own.shown), len(other.shown)
        await own.sees(60)
        ratio = (len(own.shown) - own_before) / max(1, len(other.shown) - other_before)
        assert 4.0 < ratio < 9.0  # 30 to 5
        state = await phone.until(lambda s: s["video"]["age_s"] is not None)
        assert state["video"]["age_s"] < 1.0


async def test_a_client_of_another_session_is_no_driver_s_viewer(car: Product) -> None:
    async with Client(car.url, cookie="one") as phone:
        await phone.take()
        async with Viewer(car.url, phone.id, {"Cookie": "picar_session=two"}) as viewer:
            await viewer.send("by", camera=True)
            await viewer.sees(5)
            await phone.hears(10)
            assert phone.state["video"]["age_s"] is None


async def test_a_driver_is_never_refused_and_the_newest_spectator_gives_way(car: Product) -> None:
    async with Client(car.url, cookie="one") as phone, Viewer(car.url) as first, Viewer(car.url) as second:
        await phone.take()
        refused = await ask(("127.0.0.1", car.port), "GET", "/ws/video", UPGRADE)
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "too_many", "5")
        async with Viewer(car.url, phone.id, BROWSER) as own:
            await own.sees(2)
            await second.until_closed()
            assert second.close_code == 4408
            await first.sees(1)
            async with Viewer(car.url, phone.id, BROWSER) as again:  # the first one may be half open
                await again.sees(2)
                await own.until_closed()
                await first.sees(1)


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (['{"type":"want","fps":30}' + " " * 256], 1009),
        (["no", "[]", '{"type":"drive"}'], 1008),
        ([b"\x00", b"\x00", b"\x00"], 1008),
    ],
)
async def test_messages_that_are_none_end_the_connection(
    car: Product, messages: list[str | bytes], code: int
) -> None:
    async with Viewer(car.url) as viewer:
        for message in messages:
            await viewer.write(message)
        await viewer.until_closed()
        assert viewer.close_code == code


async def test_two_unreadable_messages_and_a_good_one_do_not(car: Product) -> None:
    async with Viewer(car.url) as viewer:
        for message in ("no", "no", '{"type":"want","fps":30}', "no", "no"):
            await viewer.write(message)
        await viewer.sees(3)


async def test_the_end_of_picar_is_1001(car: Product) -> None:
    async with Viewer(car.url) as viewer:
        await viewer.sees(1)
        pid = car.camera_pid()
        await car.terminate()
        await viewer.until_closed()
        assert viewer.close_code == 1001
        assert pid is not None


async def test_a_car_without_a_camera_says_so() -> None:
    async with Product(config='[camera]\nsource = "off"\n') as car:
        address = ("127.0.0.1", car.port)
        for path in ("/ws/video", "/snapshot.jpg", "/stream.mjpg"):
            answer = await ask(address, "GET", path, UPGRADE if path == "/ws/video" else {})
            assert (answer.status, answer.code) == (404, "no_camera")
        async with Client(car.url) as phone:
            assert phone.hello["car"]["camera"] is None
            assert "video" not in phone.state


async def test_strangers_are_refused_before_the_upgrade_and_a_revoked_phone_after_it() -> None:
    async with Household(config=CONFIG) as house:
        mia = await house.phone("Mia")
        for headers, status in (
            ({}, 401),
            ({**mia, "Origin": "http://evil.example"}, 403),
            ({**mia, "Host": "evil.example"}, 421),
        ):
            answer = await house.ask("GET", "/ws/video", headers={**UPGRADE, **headers})
            assert answer.status == status
        async with Viewer(house.url, headers=mia) as viewer:
            await viewer.sees(1)
            assert (await house.cli("pair", "--revoke", "Mia")).code == 0
            revoked_at = time.monotonic()
            await viewer.until_closed()
            assert viewer.close_code == 4401
            assert time.monotonic() - revoked_at < 5.0


def server_s_end(car: Product, client: WebSocket) -> socket.socket:
    """Return a copy of the server's own socket of a connection (pidfd_getfd(2)); skip where that is not allowed."""
    pid, name = car.process.pid, client.stream.socket.getsockname()
    process = os.pidfd_open(pid)
    try:
        for fd in [int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir()]:
            copy = ctypes.CDLL(None).syscall(PIDFD_GETFD, process, fd, 0)
            if copy < 0:
                pytest.skip("this user may not look into the server's sockets")
            if not stat.S_ISSOCK(os.fstat(copy).st_mode):
                os.close(copy)
                continue
            one = socket.socket(fileno=copy)
            with contextlib.suppress(OSError):
                if one.getpeername() == name:
                    return one
            one.close()
    finally:
        os.close(process)
    raise AssertionError("the server has no such connection")


@pytest.mark.skipif(sys.platform != "linux", reason="reads the server's sockets as Linux can")
async def test_the_driver_s_packets_are_marked_and_pictures_are_not(car: Product) -> None:
    async with Client(car.url) as phone, Viewer(car.url) as viewer:
        await viewer.sees(2)
        marks = []
        for client in (phone, viewer):
            with server_s_end(car, client) as own:
                tos = own.getsockopt(socket.IPPROTO_IP, socket.IP_TOS)
                marks.append((tos, own.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY)))
        assert marks == [(EXPEDITED, 6), (0, 0)]


async def test_slow_trips_make_all_pictures_smaller_and_short_ones_better_again(car: Product) -> None:
    async with Viewer(car.url, draws=False) as viewer:
        await viewer.sees(1)

        async def answer(after_s: float, until_level: int) -> None:
            async with asyncio.timeout(30):
                while viewer.shown[-1].level != until_level:
                    count = len(viewer.shown)
                    await asyncio.sleep(after_s)
                    await viewer.draw()
                    await viewer.wait(lambda count=count: len(viewer.shown) > count, "the next picture")  # type: ignore[misc]

        await answer(0.25, 5)
        small = viewer.shown[-1]
        assert (small.width, small.height) == (240, 180)
        text = await viewer.until_state("live")
        assert text["level"] > 0
        await answer(0.0, 4)
        assert viewer.shown[-1].width == 320
    levels = [one.level for one in viewer.shown]
    assert len(small.jpeg) < len(viewer.shown[0].jpeg) / 2
    assert levels[0] == 0
    assert levels.count(0) <= 6, "a viewer alone gets smaller pictures, and not fewer ones first"


async def test_a_viewer_that_steers_may_save_data_and_a_spectator_saves_none(car: Product) -> None:
    async with (
        Client(car.url, cookie="one") as phone,
        Viewer(car.url) as spectator,
    ):
        await phone.take()
        await spectator.send("want", fps=30, level=3)
        await spectator.wait(
            lambda: spectator.shown[-1:] and spectator.shown[-1].level == 3, "smaller pictures"
        )
        async with Viewer(car.url, phone.id, BROWSER) as own:
            await own.wait(lambda: own.shown[-1:] and own.shown[-1].level < 3, "the driver's own quality")
            await own.send("want", fps=10, level=5)
            await own.wait(lambda: own.shown[-1].level == 5 and spectator.shown[-1].level == 5, "his level")
            assert (own.shown[-1].width, own.shown[-1].height) == (240, 180)
            await own.wait(lambda: own.cameras[-1]["level"] == 5, "the text about it")
            await own.send("want", fps=10)
            await own.wait(lambda: own.shown[-1].level == 4, "a better level")


async def test_the_simulated_car_s_camera_sees_where_the_car_is() -> None:
    config = '[camera]\nsource = "sim"\nsize = "320x240"\n'
    async with (
        Product(pins="sim", config=config) as car,
        Client(car.url, cookie="one") as phone,
        Viewer(car.url, phone.id, BROWSER) as viewer,
    ):
        await viewer.sees(3)
        assert viewer.shown[-1].jpeg == viewer.shown[-2].jpeg
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["pose"]["x"] > 0.3)
        await viewer.sees(2)
        assert viewer.shown[-1].jpeg != viewer.shown[0].jpeg
        await phone.let_go()
        await phone.until(lambda s: s["applied"] == {"left": 0.0, "right": 0.0})
        await viewer.close()
        await until(lambda: car.camera_pid() is None, "the end of the camera process")
        async with Viewer(car.url) as late:  # a camera process that starts later begins at this place
            await late.sees(1)
            assert late.shown[0].jpeg != viewer.shown[0].jpeg
