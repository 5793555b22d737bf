"""Whatever comes in: a coded error or a close, nothing changed, no traceback, the driver undisturbed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.support.client import Client
from tests.support.product import Product

DRIVE = '{"type":"drive","seq":%s,"tick":%s,"throttle":%s,"steering":%s}'

JOG = '{"type":"jog","seq":9,"tick":1,"side":%s,"duty":%s}'
CALIBRATE = (
    '{"type":"calibrate","tick":1,"swap":%s,"left_invert":false,"right_invert":false,'
    '"left_trim":%s,"right_trim":1,"min_duty":%s}'
)

CASES = {
    "NaN": (DRIVE % (9, 1, "NaN", 0), "bad_value"),
    "Infinity": (DRIVE % (9, 1, "Infinity", 0), "bad_value"),
    "minus Infinity": (DRIVE % (9, 1, 0, "-Infinity"), "bad_value"),
    "1e999": (DRIVE % (9, 1, "1e999", 0), "bad_value"),
    "too much": (DRIVE % (9, 1, 1.01, 0), "bad_value"),
    "a huge integer": (DRIVE % (9, 1, "9" * 400, 0), "bad_value"),
    "a boolean": (DRIVE % (9, 1, "true", 0), "bad_message"),
    "a text for a number": (DRIVE % (9, 1, '"1"', 0), "bad_message"),
    "null": (DRIVE % (9, 1, "null", 0), "bad_message"),
    "a list": (DRIVE % (9, 1, "[1]", 0), "bad_message"),
    "a boolean seq": (DRIVE % ("true", 1, 0, 0), "bad_message"),
    "a broken seq": (DRIVE % ("1.5", 1, 0, 0), "bad_message"),
    "a NaN tick": (DRIVE % (9, "NaN", 0, 0), "bad_value"),
    "a negative seq": (DRIVE % (-1, 1, 0, 0), "bad_value"),
    "a missing key": ('{"type":"drive","seq":9,"tick":1,"throttle":1}', "bad_message"),
    "an unknown key": ('{"type":"release","now":true}', "bad_message"),
    "an unknown type": ('{"type":"fly"}', "unknown_type"),
    "a type that is no text": ('{"type":["drive"]}', "bad_message"),
    "no type": ("{}", "bad_message"),
    "no object": ("[]", "bad_message"),
    "a number": ("1", "bad_message"),
    "nothing": ("", "bad_message"),
    "no JSON": ("forward!", "bad_message"),
    "a nested bomb": ("[" * 4000, "bad_message"),
    "a nested object": ('{"a":' * 600 + "1" + "}" * 600, "bad_message"),
    "a lone surrogate": ('{"type":"\\ud800"}', "unknown_type"),
    "a binary frame": (b'{"type":"stop"}', "bad_message"),
    "a jog at full power": (JOG % ('"left"', 1), "bad_value"),
    "a jog by NaN": (JOG % ('"left"', "NaN"), "bad_value"),
    "a jog of both sides": (JOG % ('"both"', 0.2), "bad_value"),
    "a jog of no side": (JOG % ("null", 0.2), "bad_message"),
    "a jog by a text": (JOG % ('"left"', '"0.2"'), "bad_message"),
    "a jog without a seq": ('{"type":"jog","tick":1,"side":"left","duty":0.2}', "bad_message"),
    "a calibration that swaps a little": (CALIBRATE % (0.5, 1, 0.2), "bad_message"),
    "a trim of nothing": (CALIBRATE % ("true", 0, 0.2), "bad_value"),
    "an infinite minimum duty": (CALIBRATE % ("true", 1, "Infinity"), "bad_value"),
    "a minimum duty that is always on": (CALIBRATE % ("true", 1, 1), "bad_value"),
    "a calibration of one value": ('{"type":"calibrate","tick":1,"swap":true}', "bad_message"),
    "a stranger's jog": (JOG % ('"left"', 0.2), "not_driver"),
    "a stranger's calibration": (CALIBRATE % ("true", 1, 0.2), "not_driver"),
    "a stranger's wish to stay on": ('{"type":"stay_on","tick":1}', "not_driver"),
    "a stranger's reset of the calibration": ('{"type":"uncalibrate","tick":1}', "not_driver"),
    "a stranger's turn": ('{"type":"turn","for_s":60,"tick":1}', "not_driver"),
    "a turn of an hour": ('{"type":"turn","for_s":3600,"tick":1}', "bad_value"),
    "a turn of a text": ('{"type":"turn","for_s":"60","tick":1}', "bad_message"),
    "zero speed limit": ('{"type":"limit","speed":0,"tick":1}', "bad_value"),
}


@pytest.fixture(scope="module")
async def driver(standing_car: Product) -> AsyncIterator[Client]:
    """A driver who holds the stick during all cases."""
    async with Client(standing_car.url) as phone:
        await phone.take()
        phone.hold(0.6)
        yield phone
        await phone.let_go()


@pytest.mark.parametrize(("text", "code"), CASES.values(), ids=CASES.keys())
async def test_bad_messages_are_refused_and_change_nothing(
    standing_car: Product, driver: Client, text: str | bytes, code: str
) -> None:
    async with Client(standing_car.url) as stranger:
        await driver.until(lambda s: s["applied"]["left"] > 0.3)
        await stranger.write(text)
        await stranger.until_error(code)
        assert str(stranger.errors[-1]).endswith(".")
        await driver.hears(5)
        assert (driver.state["state"], driver.state["driver"], driver.errors) == ("armed", driver.id, [])
        assert not stranger.closed


async def test_three_unreadable_messages_in_a_row_close_the_connection(car: Product) -> None:
    async with Client(car.url) as phone:
        for text in ("x", "x", '{"type":"fly"}', "x", "x", "x"):
            await phone.write(text)
        await phone.until_closed()
        assert phone.close_code == 1008
        assert phone.codes == ["bad_message"] * 2 + ["unknown_type"] + ["bad_message"] * 3


@pytest.mark.parametrize("size", [4097, 10_000, 100_000])
async def test_a_message_over_four_kib_closes_the_connection(car: Product, size: int) -> None:
    async with Client(car.url) as phone:
        await phone.write("x" * size)
        await phone.until_closed()
        if size < 65_536:  # above, Tornado resets the connection, and its close frame may be lost
            assert phone.close_code == 1009


async def test_four_kib_of_characters_that_take_three_bytes_are_too_much(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.write("车" * 1400)
        await phone.until_closed()
        assert phone.close_code == 1009


async def test_a_message_of_exactly_four_kib_is_read(car: Product) -> None:
    async with Client(car.url) as phone:
        text = json.dumps({"type": "stop"})
        await phone.write(text + " " * (4096 - len(text)))
        await phone.until(lambda s: s["state"] == "stopped")


async def test_text_that_is_not_utf8_closes_the_connection_and_nothing_else(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as stranger:
        await phone.take()
        connection = stranger.socket.protocol
        assert connection is not None
        await connection._write_frame(True, 0x1, b"\xff\xfe\xfd")  # type: ignore[attr-defined]
        await stranger.until_closed()
        await phone.drive(0.0)
        await phone.until(lambda s: s["clients"] == 1)
        assert phone.errors == []


async def test_a_stale_burst_never_moves_the_car(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        tick = phone.state["tick"]
        await phone.hears(20)
        before = phone.state["link"]["stale"]  # a busy machine may have refused the first `take`
        for _ in range(300):
            phone.session.seq += 1
            await phone.send(type="drive", seq=phone.session.seq, tick=tick, throttle=1.0, steering=0.0)
        # An answer is dropped while an earlier one is still on its way, so they are counted by the car.
        await phone.until(lambda s: s["link"]["stale"] == before + 300)
        assert set(phone.codes) == {"stale"}
        assert not [w for w in car.trace() if w["value"] > 0]
