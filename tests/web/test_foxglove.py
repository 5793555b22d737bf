"""Foxglove WebSocket with the real server: channels, messages, who may watch, and nothing that drives."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest

from picar.access.store import AccessStore
from tests.support.client import Client, WebSocket
from tests.support.household import Household
from tests.support.product import Product
from tests.support.raw import UPGRADE, ask

ON = "[foxglove]\nenabled = true\n"
CAMERA, NO_CAMERA = '[camera]\nsource = "test"\n', '[camera]\nsource = "off"\n'
SDK, OLD = "foxglove.sdk.v1", "foxglove.websocket.v1"


class Foxglove(WebSocket):
    """A viewer: `async with Foxglove(car.url) as viewer` connects to /foxglove, and waits for the channels."""

    def __init__(
        self, url: str, query: str = "", headers: Mapping[str, str] | None = None, *offers: str
    ) -> None:
        super().__init__(url.rstrip("/").replace("http", "ws", 1) + "/foxglove" + query, headers)
        self.subprotocols = offers or (SDK,)
        self.texts: list[dict[str, Any]] = []
        self.data: list[tuple[int, int, Any]] = []  # subscription, time in ns, message

    async def open(self) -> None:
        """Connect."""
        await super().open()
        await self.wait(lambda: self.op("advertise") or self.closed, "the channels")

    def receive(self, message: str | bytes) -> None:
        """Keep a message."""
        if isinstance(message, str):
            self.texts.append(json.loads(message))
        else:
            kind, subscription, at = struct.unpack("<BIQ", message[:13])
            assert kind == 1
            self.data.append((subscription, at, json.loads(message[13:])))

    def op(self, name: str) -> list[dict[str, Any]]:
        """Return the texts with this op so far."""
        return [one for one in self.texts if one["op"] == name]

    @property
    def channels(self) -> dict[str, dict[str, Any]]:
        """The channels by topic."""
        return {one["topic"]: one for one in self.op("advertise")[0]["channels"]}

    def of(self, subscription: int) -> list[Any]:
        """Return the messages of a subscription so far."""
        return [message for key, _at, message in self.data if key == subscription]

    async def subscribe(self, **topics: int) -> None:
        """Subscribe to topics, given without slashes."""
        known = {topic.replace("/", ""): one["id"] for topic, one in self.channels.items()}
        wanted = [{"id": key, "channelId": known[topic]} for topic, key in topics.items()]
        await self.write(json.dumps({"op": "subscribe", "subscriptions": wanted}))

    async def until_data(self, subscription: int, count: int = 1) -> Any:
        """Wait for so many messages, and return the newest."""
        await self.wait(lambda: len(self.of(subscription)) >= count, f"{count} of {subscription}")
        return self.of(subscription)[-1]

    async def until_status(self, words: str, count: int = 1) -> dict[str, Any]:
        """Wait for a status with these words."""
        await self.wait(
            lambda: sum(words in one["message"] for one in self.op("status")) >= count, f"a status: {words}"
        )
        return self.op("status")[-1]


async def test_the_channels_of_a_simulated_car_arrive_and_fit_their_schemas() -> None:
    async with Product("sim", config=ON + CAMERA) as car, Foxglove(car.url) as viewer:
        info = viewer.op("serverInfo")[0]
        assert viewer.texts[0] is info
        assert info["capabilities"] == []
        assert info["supportedEncodings"] == ["json"]
        assert set(info) == {"op", "name", "capabilities", "supportedEncodings", "metadata", "sessionId"}
        ids = {
            "picarstate": 0,
            "picarcmd": 1,
            "picarwheels": 2,
            "pose": 3,
            "tf": 4,
            "camera": 5,
            "log": 2**32 - 1,
        }
        assert {topic.replace("/", "") for topic in viewer.channels} == set(ids)
        assert viewer.channels["/tf"]["schemaName"] == "foxglove.FrameTransform"
        await viewer.subscribe(**ids)
        for topic, channel in viewer.channels.items():
            message = await viewer.until_data(ids[topic.replace("/", "")])
            schema = json.loads(channel["schema"])
            jsonschema.validate(message, schema)
            if topic != "/picar/state":
                assert set(message) == set(schema["properties"]), topic
        assert viewer.of(0)[-1]["type"] == "state"
        assert base64.b64decode(viewer.of(5)[-1]["data"]).startswith(b"\xff\xd8\xff")
        assert all(at > 1_700_000_000 * 10**9 for _key, at, _message in viewer.data)
        await viewer.write(json.dumps({"op": "unsubscribe", "subscriptionIds": [0, 5]}))
        await viewer.write(json.dumps({"op": "advertise", "channels": []}))
        await viewer.until_status("advertise")
        counts = len(viewer.of(0)), len(viewer.of(5))
        await viewer.until_data(4, len(viewer.of(4)) + 5)
        assert (len(viewer.of(0)), len(viewer.of(5))) == counts


async def test_a_drive_is_shown_and_the_log_has_each_change_once() -> None:
    async with (
        Product(config=ON + NO_CAMERA) as car,
        Foxglove(car.url, "", None, OLD) as viewer,
        Client(car.url) as phone,
    ):
        assert "/pose" not in viewer.channels, "a real car does not know it"
        assert "/camera" not in viewer.channels
        await viewer.subscribe(picarcmd=1, picarwheels=2, log=3)
        await viewer.until_data(3)
        await phone.take()
        phone.hold(0.8)
        await viewer.wait(lambda: viewer.of(2)[-1]["applied"]["left"] > 0.7, "the wheels")
        assert viewer.of(1)[-1] == {"throttle": 0.8, "steering": 0.0}
        await phone.let_go()
        await phone.send(type="stop")
        await viewer.wait(lambda: viewer.of(3)[-1]["level"] == 4, "an error in the log")
        texts = [one["message"] for one in viewer.of(3)]
        assert "stopped (stop)" in texts[-1]
        assert len(texts) == len(set(texts))


async def test_a_channel_has_one_subscription_the_newest() -> None:
    async with Product(config=ON + NO_CAMERA) as car, Foxglove(car.url) as viewer:
        for key in range(100):
            await viewer.subscribe(picarstate=key)
        await viewer.subscribe(log=100)
        await viewer.subscribe(log=101)
        await viewer.until_data(101)
        await viewer.until_data(99, 3)
        assert not {key for key, _at, _message in viewer.data} & {50, 98}
        await viewer.write(json.dumps({"op": "unsubscribe", "subscriptionIds": [98]}))
        await viewer.until_data(99, len(viewer.of(99)) + 3)


@pytest.mark.parametrize(
    ("offers", "chosen"), [((SDK, OLD), SDK), ((OLD, SDK), OLD), (("x", OLD), OLD), ((SDK,), SDK)]
)
async def test_the_first_known_subprotocol_is_chosen(offers: tuple[str, ...], chosen: str) -> None:
    async with Product(config=ON) as car, Foxglove(car.url, "", None, *offers) as viewer:
        assert viewer.socket.selected_subprotocol == chosen


async def test_another_subprotocol_closes_the_connection() -> None:
    async with Product(config=ON) as car, Foxglove(car.url, "", None, "picar.v1") as viewer:
        await viewer.until_closed()
        assert viewer.close_code == 1002
        assert viewer.texts == []


async def test_no_message_drives_and_broken_ones_are_reported() -> None:
    async with Product(config=ON) as car, Foxglove(car.url) as viewer, Client(car.url) as phone:
        before = len(car.trace())
        for op in ("advertise", "clientPublish", "callService", "setParameters", "drive", "take", "stop"):
            await viewer.write(json.dumps({"op": op, "seq": 1, "tick": 0, "throttle": 1.0}))
            assert (await viewer.until_status(f" {op}"))["level"] == 1
        await viewer.write(b"\x01\x00\x00\x00\x00{}")
        assert (await viewer.until_status("binary messages"))["level"] == 1
        broken: list[Any] = [
            None,
            [],
            {},
            {"op": 1},
            {"op": "subscribe"},
            *[
                {"op": "subscribe", "subscriptions": [one]}
                for one in (
                    1,
                    {},
                    {"id": 1, "channelId": 99},
                    {"id": -1, "channelId": 0},
                    {"id": 1, "channelId": -1},
                )
            ],
            *[
                {"op": "subscribe", "subscriptions": [{"id": bad, "channelId": 0}]}
                for bad in [2**32, True, "1", None, 1.5, []]
            ],
            {"op": "unsubscribe", "subscriptionIds": 5},
        ]
        for count, message in enumerate(broken, 1):
            await viewer.write(json.dumps(message))
            assert (await viewer.until_status("cannot be understood", count))["level"] == 2
        await viewer.write("{")
        await viewer.until_status("cannot be understood", len(broken) + 1)
        assert viewer.data == []
        await viewer.subscribe(picarstate=7)
        assert (await viewer.until_data(7))["driver"] is None
        assert phone.state["state"] == "disarmed"
        assert len(car.trace()) == before
        await viewer.write("x" * 5000)
        await viewer.until_closed()
        assert viewer.close_code == 1009
        assert "Traceback" not in car.log()


async def test_who_may_watch() -> None:
    async with Household("on", ON + 'allowed_origins = ["http://lichtblick.lan:*"]\n') as car:
        store = AccessStore(car.state)
        viewer, script = store.credential(store.pair("screen", "view")), car.token("robot")
        page = {"Origin": "http://lichtblick.lan:8080"}
        bearer, phone = {"Authorization": f"Bearer {script}"}, await car.phone("Mia")
        cases: list[tuple[Mapping[str, str], str, str]] = [
            ({}, "", "not_paired"),
            ({}, f"?token={script}", "not_paired"),
            ({}, "?token=nonsense", "not_paired"),
            ({"Origin": "http://evil.example"}, f"?token={viewer}", "foreign_origin"),
            ({"Origin": "null"}, f"?token={viewer}", "foreign_origin"),
            ({"Host": "evil.example"}, f"?token={viewer}", "wrong_host"),
            ({"X-Forwarded-For": "10.0.0.1"}, f"?token={viewer}", "proxied"),
            ({}, f"?token={viewer}", ""),
            (page, f"?token={viewer}", ""),
            (bearer, "", ""),
            (phone, "", ""),
        ]
        for headers, query, code in cases:
            known = UPGRADE | {"Sec-WebSocket-Protocol": SDK} | dict(headers)
            answer = await ask(car.address, "GET", f"/foxglove{query}", known)
            assert (answer.status, answer.code) == (101, "") if not code else answer.code == code, (
                headers,
                query,
            )
        assert viewer not in car.log()


async def test_without_the_option_there_is_nothing() -> None:
    async with Product() as car:
        assert (await ask((car.host, car.port), "GET", "/foxglove", UPGRADE)).status == 404
