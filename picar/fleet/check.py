"""`picar mqtt --check`: try the way from the car to the broker once, with one sentence for each part.

It publishes to topics of the car and one command to all cars. This is harmless: the command does not exist, nothing is retained.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable

import aiomqtt
from paho.mqtt.subscribeoptions import SubscribeOptions

from picar.client.session import CarError
from picar.config import MqttConfig
from picar.errors import AccessError, FleetError
from picar.fleet.car import Here
from picar.fleet.connection import Client, Member, connect, cut_off, problem, publish
from picar.fleet.topics import OFFLINE, Command, Message, Topics

ARRIVE_S = 2.0  # for a message to come back from the broker
PROBE = "check"  # a command that no car knows


async def check(config: MqttConfig, find: Callable[[], Here], say: Callable[[str], object]) -> int:
    """Try each part, and pass a sentence about it to `say`. Returns the exit code."""
    try:
        place = find().place
        car = (await place.ask("GET", "api/v1/session"))["id"]
        await place.ask("GET", "api/v1/lesson")
        say(f"The car {car} answers, and admits the bridge.")
        topics, arrived = Topics(config.base, car), list[tuple[str, bytes, bool]]()
        member = Member("car", car, f"picar-{car}-check")
        client = await connect(config, member, lambda *one: arrived.append(one))
        say(f"The broker at {config.url} answers, and admits this car.")
        try:
            await _check_rules(client, topics, arrived, say)
        except aiomqtt.MqttError:
            raise problem("broker_unreachable", "The broker has stopped answering.") from None
        finally:
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
            cut_off(client)
    except (CarError, AccessError, FleetError) as error:
        say(str(error))
        return 1
    return 0


async def _check_rules(
    client: Client, topics: Topics, arrived: list[tuple[str, bytes, bool]], say: Callable[[str], object]
) -> None:
    """Try the topics; raises FleetError `broker_acl` or `retained_command`."""
    options = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=0)
    await client.subscribe([(topic, options) for topic in (*topics.commands, topics.is_online)])
    if await _is_denied(client, topics.result(Command(PROBE))):
        raise problem("broker_acl", "The broker accepts no topic of this car.")
    words = [payload.decode(errors="replace") for topic, payload, _ in arrived if topic == topics.is_online]
    arrived_before = len(arrived)
    presence = Message(topics.is_online, words[-1] if words else OFFLINE)  # as retained: it changes nothing
    foreign = Message(f"{topics.base}/all/cmd/{PROBE}", secrets.token_hex(8))
    is_denied = [await _is_denied(client, message) for message in (presence, foreign)]
    await asyncio.sleep(ARRIVE_S)
    back = {topic for topic, _, retained in arrived[arrived_before:] if not retained}
    if is_denied[0]:
        raise problem("broker_acl", f"The broker does not accept {presence.topic} from this car.")
    say("The car may publish its own topics.")
    if presence.topic not in back:
        raise problem("broker_acl", f"The broker does not deliver {presence.topic} to this car.")
    say("The car may read its own topics.")
    if foreign.topic in back or not is_denied[1]:
        raise problem("broker_acl", "This car may send commands to all cars.")
    say("The car may not send commands to other cars.")
    for topic, payload, retained in arrived:
        if retained and payload and topic != topics.is_online:
            fix = f"Remove it with a garage's user: mosquitto_pub -r -n -t {topic}"
            raise FleetError("retained_command", f"A command is retained in {topic}. {fix}")


async def _is_denied(client: Client, message: Message) -> bool:
    client.denied = 0
    await publish(client, message)
    return client.denied > 0
