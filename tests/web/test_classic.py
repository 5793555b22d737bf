"""The tutorials' POST with the real server and the pin trace: it drives, stops, and moves nothing when it is old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import pytest

from picar.core.protocol import MESSAGES
from picar.web.bridges import classic
from tests.support.client import Client
from tests.support.household import Household
from tests.support.product import EN_PINS, Product
from tests.support.raw import Answer, ask, read_answer
from tests.support.waiting import until
from tests.web.test_openapi import codes_of, document, validate

pytestmark = [pytest.mark.slow, pytest.mark.alone]

ON = "[classic]\nenabled = true\n"
FORM = "application/x-www-form-urlencoded"
PARTS = b'--x\r\nContent-Disposition: form-data; name="k"\r\n\r\nw\r\n--x--\r\n'
REFUSED_TOO = {"stopped", "too_fast", "not_driver", "not_neutral", "held"}  # words of picar.v1
LEASE_S, SLACK_S = 0.25, 0.05  # of a POST; of the motor process's own turn


async def post(
    car: Product, body: bytes = b"k=w", headers: Mapping[str, str] | None = None, path: str = "/"
) -> Answer:
    """Send a POST, and check its answer against the description of the HTTP interface."""
    answer = await ask((car.host, car.port), "POST", path, {"Content-Type": FORM} | dict(headers or {}), body)
    validate(answer, document()["paths"]["/"]["post"])
    return answer


async def press(car: Product) -> Answer:
    """Send a POST; `check` its answer after the burst, which must not wait for that."""
    return await ask((car.host, car.port), "POST", "/", {"Content-Type": FORM}, b"k=w")


def check(answer: Answer) -> str:
    """Check an answer against the description of the HTTP interface, and return its code."""
    validate(answer, document()["paths"]["/"]["post"])
    return answer.code


async def together(car: Product, posts: int) -> set[str]:
    """Send POSTs at the same time, and return the codes of their answers."""
    return set(map(check, await asyncio.gather(*(press(car) for _ in range(posts)))))


async def hold(car: Product, seconds: float, letter: str = "w") -> list[int]:
    """Send a letter 10 times a second, and return the answers' statuses."""
    begun = time.monotonic()
    statuses = []
    while (at := time.monotonic()) - begun < seconds:
        statuses.append((await post(car, f"k={letter}".encode())).status)
        await asyncio.sleep(max(0.0, at + 0.1 - time.monotonic()))
    return statuses


def on_s(car: Product) -> float:
    """Return for how long an enable pin was on so far, in seconds; all pins are low."""
    levels: dict[int, float] = {}
    total = since = 0.0
    for write in car.trace():
        if write["pin"] in EN_PINS:
            was_on = any(levels.values())
            levels[write["pin"]] = write["value"]
            is_on = any(levels.values())
            since = write["t"] if is_on and not was_on else since
            total += float(write["t"]) - since if was_on and not is_on else 0.0
    assert not any(levels.values())
    return total


def low_at(car: Product) -> float:
    return max(float(write["t"]) for write in car.trace() if write["pin"] in EN_PINS)


async def test_a_held_key_drives_and_stops_a_lease_after_the_last_post() -> None:
    async with Product(config=ON) as car, Client(car.url) as phone:
        assert set(await hold(car, 1.0)) == {200}
        last = await post(car)
        sent_at = time.monotonic()
        assert (last.status, last.body) == (200, b"w")
        assert car.is_driving()
        assert car.levels()[23], "forward"
        assert phone.state["speed_limit"] == 0.6
        await car.until_low()
        assert low_at(car) - sent_at <= LEASE_S + SLACK_S
        await phone.until(lambda s: s["state"] == "failsafe")
        await phone.until(lambda s: s["driver"] is None)
        await phone.until(lambda s: s["clients"] == 1)


@pytest.mark.parametrize("rest_s", [0.0, 0.8])
async def test_a_queue_of_posts_turns_no_wheel(rest_s: float) -> None:
    async with Product(config=ON) as car:
        if rest_s:
            await hold(car, 0.5)
            await car.until_low()
            await asyncio.sleep(rest_s)
        before = on_s(car)
        burst = await asyncio.gather(*(press(car) for _ in range(6)))
        answers = [*burst, *[await press(car) for _ in range(20)]]
        assert set(map(check, answers)) == {"too_fast"}
        assert on_s(car) == before
        statuses = await hold(car, 1.0)
        assert statuses[-1] == 200, "a held key goes on"
        await car.until_low()


async def test_a_held_key_goes_on_after_a_stall_that_has_cost_the_wheel() -> None:
    async with Product(config=f"{ON}[session]\nidle_s = 0.6\n") as car, Client(car.url) as phone:
        await hold(car, 0.5)
        await phone.until(lambda s: s["driver"] is None)
        assert await together(car, 6) == {"too_fast"}
        assert (await hold(car, 1.0))[-1] == 200
        await car.until_low()


@pytest.mark.parametrize("pieces", [1, 3])
async def test_posts_that_wait_behind_one_another_on_one_connection_turn_no_wheel(pieces: int) -> None:
    async with Product(config=ON) as car:
        reader, writer = await asyncio.open_connection(car.host, car.port)
        one = f"POST / HTTP/1.1\r\nHost: {car.host}\r\nContent-Type: {FORM}\r\nContent-Length: 3\r\n\r\nk=w"
        for _ in range(pieces):
            writer.write(100 * one.encode())
            await writer.drain()
            await asyncio.sleep(0.02)
        assert await _answers(reader, 100 * pieces) == {"too_fast"}
        assert on_s(car) == 0.0
        assert (await post(car)).code == "too_fast"
        await asyncio.sleep(0.6)
        assert (await post(car)).status == 200
        writer.close()


async def _answers(reader: asyncio.StreamReader, count: int) -> set[str]:
    """Return the codes of so many answers on one connection."""
    return {(await read_answer(reader, "POST")).code for _ in range(count)}


@pytest.mark.parametrize("stuck_s", [0.0, 2.0])
async def test_a_single_post_moves_for_a_lease_at_most_however_long_it_was_stuck(stuck_s: float) -> None:
    async with Product(config=ON) as car:
        _reader, writer = await asyncio.open_connection(car.host, car.port)
        writer.write(
            f"POST / HTTP/1.1\r\nHost: {car.host}\r\nContent-Type: {FORM}\r\nContent-Length: 3\r\n\r\nk=".encode()
        )
        await asyncio.sleep(stuck_s)
        writer.write(b"w")
        await until(lambda: any(one["value"] for one in car.trace()), "a pin high")
        await car.until_low()
        assert 0.0 < on_s(car) <= LEASE_S + SLACK_S
        writer.close()


@pytest.mark.parametrize(
    ("headers", "body", "path"),
    [
        ({}, b"x=1&k=w", "/"),
        ({"Content-Type": f"{FORM}; charset=UTF-8"}, b"k=w", "/"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, PARTS, "/"),
        ({"Content-Type": ""}, b"", "/?k=w"),
    ],
)
async def test_each_form_of_the_letter_drives(headers: Mapping[str, str], body: bytes, path: str) -> None:
    async with Product(config=ON) as car:
        answer = await post(car, body, headers, path)
        assert (answer.status, answer.body) == (200, b"w")


@pytest.mark.parametrize(
    ("letter", "left", "right"),
    [
        ("w", 1, 1),
        ("s", -1, -1),
        ("a", 0, 1),
        ("d", 1, 0),
        ("q", -1, 0),
        ("e", 0, -1),
        ("z", -1, 1),
        ("x", 1, -1),
    ],
)
async def test_each_letter_turns_its_wheels(letter: str, left: int, right: int) -> None:
    async with Product("sim", config=ON) as car, Client(car.url) as phone:
        holding = asyncio.create_task(hold(car, 30.0, letter))
        speeds = {"left": left * 0.6, "right": right * 0.6}
        await phone.until(lambda s: s["target"] == pytest.approx(speeds, abs=0.001))
        holding.cancel()


@pytest.mark.parametrize(
    ("method", "headers", "body", "path", "status", "code"),
    [
        ("POST", {}, b"k=f", "/", 400, "bad_request"),
        ("POST", {}, b"k=ww", "/", 400, "bad_request"),
        ("POST", {}, b"", "/", 400, "bad_request"),
        ("POST", {"Content-Type": "application/json"}, b'{"k": "w"}', "/", 400, "bad_request"),
        ("POST", {"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nk=w", "/", 400, "bad_request"),
        ("POST", {"Origin": "http://evil.example"}, b"k=w", "/", 403, "foreign_origin"),
        ("POST", {"Origin": "null"}, b"k=w", "/", 403, "foreign_origin"),
        ("POST", {"Sec-Fetch-Site": "cross-site"}, b"k=w", "/", 403, "foreign_origin"),
        ("POST", {"Sec-Fetch-Site": "same-site"}, b"k=w", "/", 403, "foreign_origin"),
        ("POST", {"Host": "evil.example"}, b"k=w", "/", 421, "wrong_host"),
        ("POST", {"X-Forwarded-For": "10.0.0.1"}, b"k=w", "/", 401, "not_paired"),
        ("GET", {}, None, "/?k=w", 200, None),
        ("HEAD", {}, None, "/?k=w", 200, None),
        ("PUT", {}, b"k=w", "/", 405, "method_not_allowed"),
    ],
)
async def test_what_moves_nothing(
    method: str, headers: Mapping[str, str], body: bytes | None, path: str, status: int, code: str | None
) -> None:
    async with Household("local", ON) as car:
        answer = await ask((car.host, car.port), method, path, {"Content-Type": FORM} | dict(headers), body)
        if method == "POST":
            validate(answer, document()["paths"]["/"]["post"])
        assert answer.status == status
        assert code is None or answer.code == code
        assert on_s(car) == 0.0


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}])
async def test_a_page_of_the_car_itself_may_send_a_form(headers: Mapping[str, str]) -> None:
    async with Product(config=ON) as car:
        answer = await post(car, headers=dict(headers) | {"Origin": car.url.rstrip("/")})
        assert answer.status == 200


def test_every_refusal_of_a_post_is_described() -> None:
    own = classic._SENTENCES.keys() - MESSAGES.keys()
    assert codes_of(document()["paths"]["/"]["post"]["responses"]["409"]) == own | REFUSED_TOO
    assert document()["components"]["schemas"]["Letter"]["enum"] == list(classic.LETTERS)


async def test_without_the_option_a_post_is_refused_as_ever() -> None:
    async with Product() as car:
        answer = await post(car)
        assert (answer.status, answer.code) == (405, "method_not_allowed")


async def test_after_a_stop_a_post_is_refused_and_a_held_key_needs_a_silence() -> None:
    async with Product(config=f"{ON}[session]\nidle_s = 600\n") as car, Client(car.url) as phone:
        await hold(car, 0.3)
        await phone.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
        await car.until_low()
        assert (await post(car)).code == "stopped"
        await asyncio.sleep(0.6)
        assert (await post(car)).code == "stopped"
        await phone.ask("take")
        await phone.until(lambda s: s["you"] == "driver")
        await phone.ask("reset")
        await phone.until(lambda s: s["state"] == "disarmed")
        assert (await post(car)).code == "not_driver"
        await phone.send(type="release")
        await phone.until(lambda s: s["driver"] is None)
        assert (await post(car)).code == "not_neutral"
        await asyncio.sleep(0.6)
        assert (await post(car)).status == 200


async def test_a_page_that_asks_gets_the_wheel_after_a_second_of_silence_and_keeps_it() -> None:
    async with Product(config=f"{ON}[session]\nidle_s = 600\n") as car, Client(car.url) as phone:
        await hold(car, 0.5)
        await phone.ask("take")
        await phone.until(lambda s: s["you"] == "driver")
        assert (await post(car)).code == "not_driver"
        await phone.until(lambda s: s["clients"] == 1)
        assert phone.state["driver"] == phone.id
        assert car.is_low()


async def test_one_letter_held_for_ten_seconds_ends_the_wheel() -> None:
    async with Product(config=ON) as car, Client(car.url) as phone:
        holding = asyncio.create_task(hold(car, 12.0))
        await phone.until(lambda s: s["driver"] is not None)
        await phone.until(lambda s: s["driver"] is None)
        statuses = await holding
        assert statuses[-1] == 409
        assert statuses.count(200) > 50
        await car.until_low()


async def test_from_another_machine_it_drives_only_while_a_page_is_open() -> None:
    async with Household("on", ON) as car:
        bearer = {"Authorization": f"Bearer {car.token('robot')}", "Content-Type": FORM}
        elsewhere = bearer | {"X-Forwarded-For": "10.0.0.1"}  # a proxy: no request of this machine
        address = car.address
        assert (await ask(address, "POST", "/", {"Content-Type": FORM}, b"k=w")).code == "not_paired"
        assert (await ask(address, "POST", "/", bearer, b"k=w")).status == 200
        await asyncio.sleep(0.6)
        assert (await ask(address, "POST", "/", elsewhere, b"k=w")).code == "not_shown"
        async with Client(car.url, headers=await car.phone("Mia")):
            await asyncio.sleep(0.6)
            assert (await ask(address, "POST", "/", elsewhere, b"k=w")).status == 200
