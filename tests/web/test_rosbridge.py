"""rosbridge with the real server: operations, topics, services, and broken messages, which move no wheel."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.product import Product
from tests.support.ros import FULL, ZERO, Ros, publication
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.slow

ON = "[rosbridge]\nenabled = true\nport = 0\n"


@pytest.mark.parametrize("stamped", [False, True])
async def test_a_guest_drives_after_neutral_and_stops_with_zero(stamped: bool) -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:
        await guest.drive()
        if stamped:
            await guest.let_go()
            await guest.publish({"header": {"stamp": {"sec": 0}}, "twist": ZERO}, "cmd_vel_stamped")
            guest.hold({"header": {}, "twist": FULL})
        await car.until_driving()
        assert car.levels()[23], "forward"
        assert not car.levels()[24]
        await guest.let_go()
        await guest.publish(ZERO)
        await car.until_low()
        assert guest.statuses == []


async def test_a_positive_turn_of_ros_is_to_the_left_and_too_much_is_full() -> None:
    async with Product(config=ON) as car, Client(car.url) as phone, Ros(car.url) as guest:
        await guest.settle()
        await guest.rest()
        guest.hold({"linear": {"x": -9, "z": 1}, "angular": {"z": 1.0, "x": 5}})
        await phone.until(lambda s: s["wanted"] == {"throttle": -1.0, "steering": -0.5})


async def test_a_guest_has_a_cap_and_the_next_native_driver_has_none() -> None:
    async with Product(config=ON) as car, Client(car.url) as phone:
        async with Ros(car.url) as guest:
            await guest.drive()
            await phone.until(lambda s: s["state"] == "armed" and s["speed_limit"] == 0.6)
        await phone.until(lambda s: s["driver"] is None)
        await phone.take()
        await phone.until(lambda s: s["speed_limit"] == 1.0)


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "1e999", "-1e999", "true", '"1"', "null", "[]", "1" + "0" * 400]
)
async def test_a_value_that_is_no_finite_number_is_refused(number: str) -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:
        await guest.settle()
        await guest.rest()
        text = publication({"linear": {"x": 12345}}).replace("12345", number)
        for _ in range(20):
            await guest.write(text)
        if number.startswith("10"):
            give_up_at = time.monotonic() + DEADLINE_S
            while not car.is_driving():  # too large for a float, and finite: full throttle
                assert time.monotonic() < give_up_at, "an enable pin stays low"
                await guest.write(text)
                await asyncio.sleep(0.05)
        else:
            await guest.until_status("publish: linear.x must be a finite number")
            await guest.call("/rosapi/nodes")
            assert car.is_low()


@pytest.mark.parametrize(
    "message", [None, 1, "x", [], {"linear": 1}, {"angular": []}, {"twist": 1}, {"twist": {"linear": None}}]
)
async def test_a_message_that_is_no_twist_is_refused(message: Any) -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:
        await guest.settle()
        await guest.rest()
        await guest.publish(message, id=7)
        await guest.until_status("publish: ")
        assert guest.messages[-1]["id"] == 7
        assert car.is_low()


async def test_a_message_of_5_kb_closes_the_connection_and_4096_bytes_do_not() -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:
        text = json.dumps({"op": "set_level", "level": "none", "x": ""})
        await guest.write(text.replace('""', f'"{"x" * (4096 - len(text))}"'))
        await guest.call("/rosapi/nodes")
        await guest.write(publication("x" * 5000))
        await guest.until_closed()
        assert guest.close_code == 1009
        assert car.is_low()


@pytest.mark.parametrize("message", ["{", "[]", "1", '{"op": 1}', "{}", b"\x00", "[" * 2000])
async def test_the_third_unreadable_message_in_a_row_closes(message: str | bytes) -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:
        for _ in range(2):
            await guest.write(message)
        await guest.call("/rosapi/nodes")
        for _ in range(3):
            await guest.write(message)
        await guest.until_closed()
        assert guest.close_code == 1008
        assert guest.statuses == ["this is not a rosbridge message: a JSON object with the key op"]


@pytest.mark.parametrize("op", ["fragment", "png", "auth", "advertise_service", "send_action_goal", "reboot"])
async def test_an_unknown_operation_has_a_status_a_second_and_the_socket_stays(op: str) -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:
        for number in range(5):
            await guest.send(op, id=number)
        await guest.call("/rosapi/nodes")
        statuses = [one for one in guest.messages if one["op"] == "status"]
        assert statuses == [{"op": "status", "level": "error", "msg": f"unknown operation: {op}", "id": 0}]


async def test_only_the_topics_of_commands_are_taken() -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:
        await guest.send("advertise", topic="cmd_vel", type="geometry_msgs/Twist")
        await guest.send("advertise", topic="/cmd_vel_stamped", type="geometry_msgs/TwistStamped")
        await guest.send("unadvertise", topic="/cmd_vel")
        await guest.send("advertise", topic="/chatter", type="std_msgs/String", id="a")
        await guest.send("publish", topic="/chatter", msg={"data": "x"}, id="b")
        await guest.call("/rosapi/nodes")
        takes = "this car takes /cmd_vel alone"
        assert guest.statuses == [f"advertise: {takes}", f"publish: {takes}"]
        assert [one.get("id") for one in guest.messages if one["op"] == "status"] == ["a", "b"]


async def test_the_level_hides_a_status() -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:
        await guest.send("subscribe", topic="/tf", compression="cbor-raw")
        await guest.send("set_level", level="warning")
        await guest.send("set_level", level="loud")
        await guest.send("subscribe", topic="/tf", compression="cbor-raw")
        await guest.until_status("/foxglove")
        await guest.send("set_status_level", level="none")
        await guest.send("png")
        await guest.call("/rosapi/nodes")
        assert len(guest.statuses) == 1


async def test_the_topics_of_a_simulated_car_arrive() -> None:
    config = f'{ON}[camera]\nsource = "test"\n'
    async with Product("sim", config=config) as car, Ros(car.url) as guest:
        topics = ("/odom", "/tf", "/diagnostics", "/picar/state", "/camera/image/compressed")
        for topic in (*topics, "/battery", "/no/such/topic"):
            await guest.send("subscribe", topic=topic.removeprefix("/"), id=f"sub {topic}")
        found = {topic: await guest.until_published(topic, 2) for topic in topics}
        assert found["/odom"]["child_frame_id"] == "base_link"
        assert found["/tf"]["transforms"][0]["header"]["frame_id"] == "odom"
        assert json.loads(found["/picar/state"]["data"])["type"] == "state"
        assert found["/camera/image/compressed"]["data"].startswith("/9j/")  # JPEG in base64
        assert [one["name"] for one in found["/diagnostics"]["status"]] == ["car", "host"]
        assert guest.statuses == []
        await guest.send("unsubscribe", id="sub /odom", topic="/odom")
        await guest.send("unsubscribe", topic="/picar/state")
        await guest.call("/rosapi/nodes")
        counts = len(guest.published("/odom")), len(guest.published("/picar/state"))
        await guest.until_published("/tf", len(guest.published("/tf")) + 5)
        assert (len(guest.published("/odom")), len(guest.published("/picar/state"))) == counts


async def test_the_end_of_one_subscription_ends_no_other() -> None:
    async with Product("sim", config=ON) as car, Ros(car.url) as guest:
        for topic in ("/odom", "/tf", "/picar/state"):
            await guest.send("subscribe", topic=topic)
        await guest.send("unsubscribe", topic="/odom")
        await guest.send("unsubscribe", id="unknown", topic="/tf")
        await guest.call("/rosapi/nodes")
        count = len(guest.published("/odom"))
        await guest.until_published("/tf", 5)
        await guest.until_published("/picar/state", 5)
        assert len(guest.published("/odom")) == count


@pytest.mark.parametrize("bad", ["1e999", "NaN", "{}", "[" * 960 + "]" * 960, "true"])
async def test_an_id_that_is_neither_a_text_nor_a_whole_number_is_in_no_answer(bad: str) -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:
        for id_ in (bad, '"mine"', "7"):
            await guest.write(f'{{"op": "call_service", "service": "/rosapi/nodes", "id": {id_}}}')
            await guest.write(f'{{"op": "subscribe", "topic": "/tf", "id": {id_}}}')
            await guest.write(f'{{"op": "png", "id": {id_}}}')
        await guest.call("/rosapi/nodes")
        answers = [one for one in guest.messages if one["op"] == "service_response"]
        assert [one.get("id") for one in answers[-3:-1]] == ["mine", 7]
        assert "id" not in answers[0]
        assert "Traceback" not in car.log()


async def test_one_client_has_a_bounded_number_of_subscriptions() -> None:
    async with Product(config=ON) as car:
        before = car.memory_mb()
        async with Ros(car.url) as first, Ros(car.url) as second, Ros(car.url) as third:
            for guest in (first, second, third):
                for number in range(64):
                    for topic in ("/odom", "/tf", "/diagnostics", "/battery", "/battery_state", "/rosout"):
                        await guest.send("subscribe", topic=topic, id=f"{number}{'x' * 3900}")
                await guest.until_published("/diagnostics", 2)
            assert car.memory_mb() - before < 3.0


async def test_a_throttle_slows_a_topic() -> None:
    async with Product("sim", config=ON) as car, Ros(car.url) as guest:
        await guest.send("subscribe", topic="/tf")
        await guest.send("subscribe", topic="/odom", throttle_rate=1000)
        await guest.until_published("/odom", 3)
        assert len(guest.published("/tf")) >= 6


async def test_the_services_describe_the_car() -> None:
    async with Product(config=ON) as car, Ros(car.url) as guest:

        async def values(service_: str, **args: Any) -> Any:
            answer = await guest.call(service_, **args)
            assert answer["result"] is True, answer
            return answer["values"]

        topics = await values("/rosapi/topics")
        assert len(topics["topics"]) == len(topics["types"])
        assert {"/cmd_vel", "/picar/state", "/rosout"} <= set(topics["topics"])
        assert "/odom" not in topics["topics"], "the pose is unknown"
        for kind in ("geometry_msgs/Twist", "geometry_msgs/msg/Twist"):
            assert await values("rosapi/topics_for_type", type=kind) == {"topics": ["/cmd_vel"]}
        assert await values("/rosapi/topic_type", topic="/cmd_vel") == {"type": "geometry_msgs/msg/Twist"}
        assert await values("/rosapi/publishers", topic="/picar/state") == {"publishers": ["/picar"]}
        assert await values("/rosapi/subscribers", topic="/cmd_vel") == {"subscribers": ["/picar"]}
        assert await values("/rosapi/publishers", topic="/cmd_vel") == {"publishers": []}
        assert await values("/rosapi/nodes") == {"nodes": ["/picar"]}
        node = await values("/rosapi/node_details", node="/picar")
        assert node.keys() == {"subscribing", "publishing", "services"}
        services = (await values("/rosapi/services"))["services"]
        assert node["services"] == services
        assert await values("/rosapi/service_type", service="/picar/stop") == {"type": "std_srvs/srv/Trigger"}
        raw = await values("/rosapi/topics_and_raw_types")
        assert len(raw["topics"]) == len(raw["types"]) == len(raw["typedefs_full_text"])
        text = raw["typedefs_full_text"][raw["types"].index("geometry_msgs/msg/TwistStamped")]
        parts = text.split("=" * 80 + "\n")
        assert parts[0] == "std_msgs/Header header\ngeometry_msgs/Twist twist\n"
        assert [part.partition("\n")[0] for part in parts[1:]] == [
            "MSG: std_msgs/Header",
            "MSG: builtin_interfaces/Time",
            "MSG: geometry_msgs/Twist",
            "MSG: geometry_msgs/Vector3",
        ]
        assert (await values("/rosapi/get_time"))["time"]["sec"] > 1_700_000_000
        assert await values("/rosapi/get_ros_version") == {"version": 2, "distro": ""}
        assert await values("/rosapi/get_param_names") == {"names": []}
        for unknown in ("/rosapi/set_param", "/reboot", "/picar"):
            answer = await guest.call(unknown)
            assert answer["result"] is False
            assert answer["values"] == f"no such service: {unknown}"


async def test_ten_thousand_random_messages_move_no_wheel_and_the_car_serves_on() -> None:
    draw = random.Random(25)
    numbers = ["1e999", "NaN", "true", '"1"', "-1", "[]", "{}", "null", "1" * 400]
    words = [
        *"abc",
        "op",
        "publish",
        "subscribe",
        "call_service",
        "/cmd_vel",
        "/tf",
        "id",
        "msg",
        "linear",
        "x",
    ]

    def value(depth: int = 0) -> str:
        kind = draw.randrange(5 if depth < 3 else 2)
        if kind == 0:
            return draw.choice(numbers)
        if kind == 1:
            return json.dumps(draw.choice(words))
        if kind == 2:
            return f"[{value(depth + 1)}]"
        inner = [f"{json.dumps(draw.choice(words))}:{value(depth + 1)}" for _ in range(draw.randrange(4))]
        return "{" + ",".join(inner) + "}"

    def message() -> str:
        ops = ["publish", "subscribe", "unsubscribe", "advertise", "call_service", "set_level", "x"]
        keys = ["topic", "service", "msg", "args", "id", "type", "throttle_rate", "compression", "level"]
        parts = [f'"op":{json.dumps(draw.choice(ops))}']
        parts += [f"{json.dumps(key)}:{value()}" for key in draw.sample(keys, draw.randrange(5))]
        return "{" + ",".join(parts) + "}" if draw.random() < 0.8 else value()

    async with Product(config=ON) as car:
        sent = 0
        while sent < 10_000:
            async with Ros(car.url) as guest:
                for _ in range(500):
                    sent += 1
                    if guest.closed:
                        break
                    await guest.write(message())
        async with Ros(car.url) as guest, Client(car.url) as phone:
            assert (await guest.call("/rosapi/nodes"))["result"]
            assert phone.state["driver"] is None
        assert not any(write["value"] for write in car.trace() if write["pin"] in (12, 13))
        assert "Traceback" not in car.log()
