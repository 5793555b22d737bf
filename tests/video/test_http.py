"""`/snapshot.jpg` and `/stream.mjpg` with the real product, and the view tokens that admit to them alone."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Mapping

import pytest

from picar.access.store import AccessStore
from picar.access.tokens import TRIES
from picar.web.api.camera import WAIT_S
from tests.support.client import Client
from tests.support.household import Household
from tests.support.product import Product
from tests.support.raw import UPGRADE, ask
from tests.support.viewer import Viewer
from tests.support.waiting import DEADLINE_S, until

pytestmark = pytest.mark.slow

CONFIG = '[camera]\nsource = "test"\nspectator_fps = 20\nmax_viewers = 1\n'
TURNED = '[camera]\nsource = "test"\nrotation = 180\nmirror = true\n'
BOTH = ("/snapshot.jpg", "/stream.mjpg")
PART = b"--picar\r\nContent-Type: image/jpeg\r\n\r\n"


@pytest.fixture
async def car() -> AsyncIterator[Product]:
    async with Product(config=CONFIG) as product:
        yield product
        await product.terminate()
        assert "Traceback" not in product.log()


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[Household]:
    async with Household(config=CONFIG) as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


def basic(password: str, user: str = "any") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def view_token(house: Household, name: str) -> str:
    store = AccessStore(house.state)
    return store.credential(store.pair(name, "view"))


class Stream:
    """A request for `/stream.mjpg` and what came of it."""

    def __init__(self, car: Product, query: str = "", headers: Mapping[str, str] | None = None) -> None:
        self._car, self._query, self._headers = (
            car,
            query,
            {"Host": f"127.0.0.1:{car.port}", **(headers or {})},
        )
        self.data = b""
        self.ended = False

    async def __aenter__(self) -> Stream:
        reader, self.writer = await asyncio.open_connection("127.0.0.1", self._car.port)
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._headers.items())
        self.writer.write(f"GET /stream.mjpg{self._query} HTTP/1.1\r\n{lines}\r\n".encode())
        self._reading = asyncio.create_task(self._read(reader))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._reading.cancel()
        self.writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            self.data += data
        self.ended = True

    @property
    def parts(self) -> int:
        """The pictures that have come whole: after each comes the next one's head."""
        return max(0, self.data.count(PART) - 1)


async def test_a_snapshot_starts_the_camera_and_says_its_age(car: Product) -> None:
    address = ("127.0.0.1", car.port)
    cold = await ask(address, "GET", "/snapshot.jpg")
    assert (cold.status, cold.headers["content-type"]) == (200, "image/jpeg")
    assert cold.body.startswith(b"\xff\xd8")
    assert cold.body.endswith(b"\xff\xd9")
    assert cold.headers["cache-control"] == "no-store"
    assert cold.headers["cross-origin-resource-policy"] == "same-origin"
    assert int(cold.headers["x-picar-age-ms"]) <= 600
    warm = await ask(address, "GET", "/snapshot.jpg")
    assert int(warm.headers["x-picar-seq"]) >= int(cold.headers["x-picar-seq"]) >= 1
    assert (await ask(address, "HEAD", "/snapshot.jpg")).status == 200
    assert (await ask(address, "GET", "/snapshot.jpg?camera=1")).status == 404
    await until(lambda: car.camera_pid() is None, "the end of the camera process")


async def test_without_a_picture_the_fault_is_told() -> None:
    program = ("-m", "tests.faults.odd", "camera-trouble")
    async with Product(config=CONFIG, program=program) as car:
        answer = await ask(("127.0.0.1", car.port), "GET", "/snapshot.jpg")
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "no_picture", "2")
        assert answer.json["error"]["message"] == "No camera was found."
        asked_at = time.monotonic()
        assert (await ask(("127.0.0.1", car.port), "GET", "/snapshot.jpg")).status == 503
        assert time.monotonic() - asked_at < WAIT_S - 1, "the fault is known"
        assert "ERROR" not in car.log(), "a refusal is no error"


async def test_the_end_of_picar_answers_a_request_that_waits_for_a_picture() -> None:
    program = ("-m", "tests.faults.odd", "camera-silent")
    async with Product(config=CONFIG, program=program) as car:
        waiting = asyncio.create_task(ask(("127.0.0.1", car.port), "GET", "/snapshot.jpg"))
        await until(lambda: car.camera_pid() is not None, "the camera process")
        await car.terminate()
        await asyncio.wait([waiting])
        assert "ERROR" not in car.log()


async def test_a_camera_that_cannot_turn_has_its_pictures_marked() -> None:
    program = ("-m", "tests.faults.odd", "camera-steady")
    async with Product(config=TURNED, program=program) as car:
        answer = await ask(("127.0.0.1", car.port), "GET", "/snapshot.jpg")
        assert b"Exif" in answer.body
        async with Viewer(car.url) as viewer:
            live = await viewer.until_state("live")
            await viewer.sees(1)
            assert (live["rotation"], live["mirror"]) == (180, True)
            assert b"Exif" not in viewer.shown[0].jpeg  # the page turns it itself


async def test_a_stream_sends_whole_pictures_each_with_the_next_one_s_head(car: Product) -> None:
    async with Stream(car) as stream:
        await until(lambda: stream.parts >= 5, "five pictures")
        head, _, rest = stream.data.partition(b"\r\n\r\n")
        assert b"multipart/x-mixed-replace;boundary=picar" in head
        assert b"no-store" in head
        assert b"Content-Length" not in rest
        assert rest.count(b"\xff\xd9\r\n" + PART) >= 5
        refused = await ask(("127.0.0.1", car.port), "GET", "/stream.mjpg")
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "too_many", "5")
        assert (await ask(("127.0.0.1", car.port), "HEAD", "/stream.mjpg")).status == 503
    async with Client(car.url) as phone:
        await phone.until(lambda s: s["video"]["viewers"] == 0)
    async with Stream(car, "?fps=2") as stream:
        await until(lambda: stream.parts >= 1, "a picture")
        before, began_at = stream.parts, time.monotonic()
        await until(lambda: stream.parts >= before + 4, "four pictures")
        assert time.monotonic() - began_at > 1.2
    await until(lambda: car.camera_pid() is None, "the end of the camera process")


@pytest.mark.parametrize("fps", ["0", "61", "x", "-1", "1.5", "", "1000000", "\u0661"])
async def test_a_stream_refuses_other_rates(house: Household, fps: str) -> None:
    mia = {"Authorization": f"Bearer {house.token('script ' + str(len(house.names())))}"}
    answer = await house.ask("GET", f"/stream.mjpg?fps={fps}", headers=mia)
    assert (answer.status, answer.code) == (400, "bad_request")


async def test_a_driver_s_picture_ends_a_stream_that_is_in_its_way(car: Product) -> None:
    async with Stream(car) as stream, Client(car.url, cookie="one") as phone:
        await until(lambda: stream.parts >= 1, "a picture")
        await phone.take()
        async with Viewer(car.url, phone.id, {"Cookie": "picar_session=one"}) as viewer:
            await viewer.sees(2)
            await until(lambda: stream.ended, "the end of the stream")


async def test_a_stream_whose_client_takes_nothing_ends() -> None:
    program = ("-m", "tests.faults.odd", "camera-big")
    async with Product(config=CONFIG, program=program) as car, Client(car.url) as phone:
        _, writer = await asyncio.open_connection("127.0.0.1", car.port, limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /stream.mjpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await phone.until(lambda s: s["video"]["viewers"] == 1)
        began_at = time.monotonic()
        await phone.until(lambda s: s["video"]["viewers"] == 0)
        assert 4.0 < time.monotonic() - began_at < DEADLINE_S
        writer.transport.abort()


async def test_a_stream_notices_that_its_client_has_left_while_no_picture_comes() -> None:
    program = ("-m", "tests.faults.odd", "camera-silent")
    async with Product(config=CONFIG, program=program) as car, Client(car.url) as phone:
        async with Stream(car):
            await phone.until(lambda s: s["video"]["viewers"] == 1)
        await phone.until(lambda s: s["video"]["viewers"] == 0)


async def test_a_view_token_sees_the_picture_and_nothing_else(house: Household) -> None:
    made = await house.cli("pair", "--token", "Home Assistant", "--view")
    assert made.code == 0
    token = made.out.strip()
    assert "view    Home Assistant" in (await house.cli("pair", "--list")).out
    seen = await house.ask("GET", "/snapshot.jpg", headers=basic(token))
    assert seen.status == 200
    async with Stream(house, headers=basic(token, user="")) as stream:
        await until(lambda: stream.parts >= 2, "pictures")
        await house.cli("pair", "--revoke", "Home Assistant")
        await until(lambda: stream.ended, "the end of the stream")
    assert (await house.ask("GET", "/snapshot.jpg", headers=basic(token))).status == 401


async def test_a_view_token_opens_no_other_door_in_no_form(house: Household) -> None:
    token = view_token(house, "a viewer")
    cookie = {"Cookie": f"picar_{house.content()['car']}={token}"}
    for path in ("/ws", "/ws/video", "/api/v1/state", "/api/v1/flight", "/api/v1/calibration"):
        extra = UPGRADE if path.startswith("/ws") else {}
        for headers in (basic(token), {"Authorization": f"Bearer {token}"}, cookie):
            answer = await house.ask("GET", path, headers={**extra, **headers})
            assert (answer.status, answer.code) == (401, "not_paired"), path
            assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/api/v1/stop", "/api/v1/invite", "/api/v1/speed-cap", "/api/v1/power"):
        assert (await house.ask("POST", path, {}, basic(token))).status == 401
    assert (await house.ask("GET", "/snapshot.jpg", headers=cookie)).status == 401
    answer = await house.ask("GET", "/snapshot.jpg", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status, answer.code) == (401, "not_paired")
    assert "as the password of HTTP's Basic authentication" in answer.body.decode()


async def test_the_token_of_a_script_is_no_password(house: Household) -> None:
    script = house.token("a script")
    answer = await house.ask("GET", "/snapshot.jpg", headers=basic(script))
    assert (answer.status, answer.code) == (401, "not_paired")
    assert "Authorization: Bearer" in answer.body.decode()
    bearer = {"Authorization": f"Bearer {script}"}
    assert (await house.ask("GET", "/snapshot.jpg", headers=bearer)).status == 200


@pytest.mark.parametrize("path", BOTH)
async def test_a_browser_is_asked_for_a_password_and_another_page_is_refused(
    house: Household, path: str
) -> None:
    answer = await house.ask("GET", path)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="picar"')
    token = basic(view_token(house, f"for {path}"))
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        assert (await house.ask("GET", path, headers={**token, **headers})).status == 403
    assert (await house.ask("GET", path, headers={**token, "Host": "evil.example"})).status == 421


@pytest.mark.parametrize("rest", ["", "!", "Og==", "bm8gY29sb24=", "//79", "x" * 5000])
async def test_a_password_that_is_none_is_no_failure(house: Household, rest: str) -> None:
    answer = await house.ask("GET", "/snapshot.jpg", headers={"Authorization": f"Basic {rest}"})
    assert (answer.status, answer.code) == (401, "not_paired")


async def test_wrong_passwords_count_as_wrong_pins_and_a_revoked_one_does_not() -> None:
    async with Household(config=CONFIG) as house:
        good, revoked = view_token(house, "good"), view_token(house, "revoked")
        await house.cli("pair", "--revoke", "revoked")
        for _ in range(TRIES + 1):
            assert (await house.ask("GET", "/snapshot.jpg", headers=basic(revoked))).status == 401
        for _ in range(TRIES + 1):
            assert (await house.ask("GET", "/snapshot.jpg", headers=basic("polled"))).status == 401
        for number in range(TRIES - 1):
            assert (await house.ask("GET", "/snapshot.jpg", headers=basic(f"guess {number}"))).status == 401
        blocked = await house.ask("GET", "/snapshot.jpg", headers=basic("guess"))
        assert (blocked.status, blocked.code) == (429, "too_many_tries")
        assert (await house.pair()).status == 429
        assert (await house.ask("GET", "/snapshot.jpg", headers=basic(good))).status == 200


async def test_view_goes_with_token(house: Household) -> None:
    ended = await house.cli("pair", "--view")
    assert ended.code == 2
    assert "--view goes with --token NAME" in ended.err
