"""The way to the broker: its address in `[mqtt] url`, the connection, and the errors with their fixes.

Laws:
- Without TLS, the password goes to a private address only, unless `insecure` allows any.
- A connection that ends without `leave` leaves the will.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from picar.config import MqttConfig
from picar.errors import FleetError, UsageError
from picar.files import read_small
from picar.fleet.car import end
from picar.fleet.outbox import pause_s
from picar.fleet.topics import HA_STATUS, LOST, Message, Topics
from picar.network.addresses import is_local

log = logging.getLogger(__name__)
_SILENT = logging.Logger("aiomqtt", logging.CRITICAL)  # picar reports each error itself

KEEP_ALIVE_S = 5
CONNECT_S, WRITE_S, FAREWELL_S = 10.0, 10.0, 2.0
LONGEST_PAUSE_S, STEADY_S = 30.0, 60.0
MOST_PACKET_BYTES = 8192
MOST_UNCONFIRMED = 65535  # with paho's 20, Mosquitto 2.0.11 dropped wills of a site that fell off at once
_FIXES = {
    "broker_unreachable": "Start the broker, or correct [mqtt] url.",
    "broker_refused": "Check [mqtt] user and password_file, and the broker's password file.",
    "broker_tls": "Set [mqtt] ca to the file of the broker's CA, and use the name in its certificate and the port of TLS.",
    "broker_acl": "Use the acl file of: picar garage broker-files DIR.",
}
PORTS = {"mqtt": 1883, "mqtts": 8883}
_NO_DELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
_LABEL = r"[\w-]{1,63}"
_URL = re.compile(rf"(mqtts?)://(\[[\w:.%]+\]|{_LABEL}(?:\.{_LABEL})*\.?)(?::(\d{{1,5}}))?/?", re.ASCII)
_BASE = re.compile(r"[^\W_][\w-]*(?:/[\w-]+)*", re.ASCII)
Receive = Callable[[str, bytes, bool], object]
Subscriptions = list[tuple[str, SubscribeOptions]]


class Broker(NamedTuple):
    """Where the broker listens, and how to enter. `tls` is None for plain MQTT."""

    host: str
    port: int
    password: str | None
    tls: ssl.SSLContext | None


class Member(NamedTuple):
    """One user of the broker.

    `kind` is "car" or "garage", for sentences; `user` its name, unless `[mqtt] user` has another one; `client` the id of its MQTT
    client; `will` None for a client without a presence; `most_unconfirmed` how many messages with QoS 1 the broker may send before
    it waits for a confirmation, None for the broker's own limit.
    """

    kind: str
    user: str
    client: str
    will: Message | None = None
    most_unconfirmed: int | None = None


class Client(aiomqtt.Client):
    """A client that passes each message on at once, and counts in `denied` the messages that the broker did not accept.

    A queue of messages could be full, and lose a stop.
    """

    denied = 0
    heard = 0  # messages from the broker so far
    receive: Receive

    def publish_now(self, message: Message) -> bool:
        """Publish, and write to the socket before the return. Nothing waits for the confirmation. Returns whether it is on its way."""
        topic, payload, qos, retain, expiry_s = message
        properties = _properties(PacketTypes.PUBLISH, MessageExpiryInterval=expiry_s)
        is_refused = self._client.publish(topic, payload, qos, retain, properties).rc
        # Not `loop_write`: it would unregister the writer that `publish` registers in the next turn of the loop.
        return not is_refused and self._client._packet_write() <= MQTTErrorCode.MQTT_ERR_SUCCESS

    def _on_message(self, _client: Any, _userdata: Any, message: MQTTMessage) -> None:
        self.heard += 1
        try:
            self.receive(message.topic, bytes(message.payload), message.retain)
        except Exception:  # paho would never confirm the message, and read nothing after it: no stop
            log.exception("a message in %s was not understood", message.topic)

    def _on_disconnect(self, *told: Any) -> None:
        if self._connected.cancelled():
            return
        super()._on_disconnect(*told)
        if self._disconnected.done():
            self._disconnected.exception()  # asyncio logs one that nothing retrieves, and aiomqtt may replace it

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any
    ) -> None:
        self.denied += reason_code.is_failure
        super()._on_publish(client, userdata, mid, reason_code, properties)


def broker_of(config: MqttConfig) -> Broker:
    """Return the configured broker.

    Raises:
        UsageError: `url` is not the address of a broker.
        FleetError: the password or the CA cannot be read.
    """
    found = _URL.fullmatch(config.url)
    if not found or int(found[3] or 0) > 65535:
        fix = "Write it in picar.toml like mqtts://broker.lan, or mqtt://192.168.1.5 without encryption."
        if "@" in config.url:
            fix += " User and password are options of their own: user and password_file."
        shown = re.sub(".*@", "…@", config.url)  # logs and reports must not have the password
        raise UsageError(f"[mqtt] url = {shown!r} is not the address of a broker. {fix}")
    if not _BASE.fullmatch(config.base):
        fix = "Write words of letters, digits, - and _ with / between them."
        raise UsageError(f"[mqtt] base = {config.base!r} cannot begin a topic. {fix}")
    password = tls = None
    code, file = "broker_refused", config.password_file
    try:
        if file:
            password = read_small(Path(file)).strip()
        code, file = "broker_tls", config.ca
        if found[1] == "mqtts":
            tls = ssl.create_default_context(cafile=file or None)
            tls.minimum_version = ssl.TLSVersion.TLSv1_2
    except (OSError, ValueError) as error:
        raise problem(code, f"The file {file} cannot be used: {_reason(error)}.") from None
    return Broker(found[2].strip("[]"), int(found[3] or PORTS[found[1]]), password, tls)


def car(topics: Topics) -> Member:
    """Return the bridge of a car as a user of the broker."""
    return Member("car", topics.car, f"picar-{topics.car}", topics.online(LOST))


async def connect(config: MqttConfig, member: Member, receive: Receive) -> Client:
    """Connect to the broker; `receive` gets topic, payload and retain bit of each message. Raises FleetError."""
    broker, will = broker_of(config), member.will
    limits = _properties(
        PacketTypes.CONNECT,
        SessionExpiryInterval=0,
        MaximumPacketSize=MOST_PACKET_BYTES,
        ReceiveMaximum=member.most_unconfirmed,
    )
    client = Client(
        await _host(broker, config),
        broker.port,
        username=config.user or member.user,
        password=broker.password,
        identifier=member.client,
        logger=_SILENT,
        protocol=aiomqtt.ProtocolVersion.V5,
        will=aiomqtt.Will(*will[:4]) if will else None,
        timeout=CONNECT_S,
        keepalive=KEEP_ALIVE_S,
        clean_start=True,
        properties=limits,
        tls_context=broker.tls,
        socket_options=_NO_DELAY,
    )
    client.receive = receive
    try:
        await client.__aenter__()
    except BaseException as error:
        cut_off(client)
        if isinstance(error, aiomqtt.MqttError):
            raise _translated(error, member.kind, config.url) from None
        raise
    # asyncio logs an error that nothing retrieves.
    client._disconnected.add_done_callback(lambda end: end.exception())
    return client


def subscriptions(topics: Topics) -> Subscriptions:
    """Return the topics that a car reads: commands without those that were retained before, lessons with them."""
    fresh = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=2)
    kept = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=0)
    return [(topic, fresh) for topic in (*topics.commands, HA_STATUS)] + [
        (topic, kept) for topic in (*topics.lessons, topics.is_online)
    ]


def facts(*topics: str) -> Subscriptions:
    """Return subscriptions in which the retain bit marks what the broker has kept: not a message that was published now."""
    return [(topic, SubscribeOptions(qos=1, retainAsPublished=False, retainHandling=0)) for topic in topics]


async def publish(client: Client, message: Message) -> None:
    """Publish, and wait until the broker has confirmed a message with QoS 1, and the kernel has taken another one.

    A confirmation comes after the messages before it: of very many, one may be a stop.

    Raises:
        MqttError: the connection has ended, or nothing has come for `WRITE_S`.
    """
    topic, payload, qos, retain, expiry_s = message
    properties = _properties(PacketTypes.PUBLISH, MessageExpiryInterval=expiry_s)
    sending = asyncio.create_task(client.publish(topic, payload, qos, retain, properties, timeout=math.inf))
    # asyncio logs an error that nothing retrieves: this one may come after the error below.
    sending.add_done_callback(lambda end: end.cancelled() or end.exception())
    try:
        heard = -1
        while not sending.done():
            if client.heard == heard:
                raise aiomqtt.MqttError("Operation timed out")
            heard = client.heard
            await asyncio.wait([sending], timeout=WRITE_S)
    finally:
        sending.cancel()
    await sending


async def wait_for_end(client: Client) -> None:
    """Wait until the connection ends; raises MqttError."""
    async for _ in client.messages:
        pass  # never: `Client` gives each message to `receive`


async def keep_trying(attempt: Callable[[], Awaitable[None]], tell: Callable[[str], object]) -> NoReturn:
    """Await `attempt` again and again: at once when it has returned, after a pause when it has raised FleetError."""
    tries = -1
    while True:
        began = time.monotonic()
        try:
            await attempt()
            continue
        except FleetError as error:
            tell(str(error))
        tries = 0 if time.monotonic() - began > STEADY_S else tries + 1
        await asyncio.sleep(pause_s(tries, LONGEST_PAUSE_S, random.random()))  # noqa: S311


async def stay(
    client: Client,
    topics: Subscriptions,
    begin: Callable[[], Sequence[Coroutine[Any, Any, Any]]],
    farewell: Message | None,
    ended: str,
) -> None:
    """Subscribe, call `begin` and run the jobs that it returns until the first of them ends; then leave in order.

    Raises:
        FleetError: `broker_unreachable` with the sentence `ended`: the connection has ended.
    """
    tasks: list[asyncio.Task[Any]] = []
    is_orderly = False
    try:
        await client.subscribe(topics)
        tasks += map(asyncio.create_task, (wait_for_end(client), *begin()))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        is_orderly = True
    except aiomqtt.MqttError:
        raise FleetError("broker_unreachable", ended) from None
    except asyncio.CancelledError:
        is_orderly = True
        raise
    finally:
        await end(tasks, 0.5)
        if is_orderly:
            await leave(client, farewell)
        cut_off(client)


async def leave(client: Client, farewell: Message | None) -> None:
    """Publish the farewell, and disconnect in order: the broker then publishes no will."""
    with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
        async with asyncio.timeout(FAREWELL_S):
            if farewell:
                await publish(client, farewell)
            await client.__aexit__(None, None, None)


def cut_off(client: Client) -> None:
    """Close the connection, if it is open, without a farewell: the broker then publishes the will."""
    connection = client._client.socket()
    if isinstance(connection, socket.socket):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # paho reads the end, and closes


def problem(code: str, what: str) -> FleetError:
    """Return the error with this code, and its fix."""
    return FleetError(code, f"{what} {_FIXES[code]}")


async def _host(broker: Broker, config: MqttConfig) -> str:
    """Return the host to connect to: without TLS a private address, unless `insecure` allows any."""
    if broker.tls or config.insecure:
        return broker.host
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise problem("broker_unreachable", f"No broker is at {config.url}: {_reason(error)}.") from None
    addresses = [str(one[4][0]) for one in found]
    if not all(is_local(address.partition("%")[0]) for address in addresses):
        fix = "Use mqtts://, or set insecure = true under [mqtt] if others may read and send commands."
        raise FleetError("broker_tls", f"{config.url} is not encrypted, and not in a private network. {fix}")
    return broker.host  # not its first address: the broker may listen at another one


def _translated(error: aiomqtt.MqttError, kind: str, url: str) -> FleetError:
    """Return the error of a connection that could not be made."""
    if isinstance(error, MqttConnectError):
        return problem("broker_refused", f"The broker refuses this {kind}: {error}.")
    cause = error.__context__ or error  # aiomqtt translates this error
    if isinstance(cause, ssl.SSLError):
        why = (getattr(cause, "verify_message", "") or cause.reason or str(cause)).rstrip(".")
        return problem("broker_tls", f"The encrypted connection to the broker fails: {why}.")
    return problem("broker_unreachable", f"No broker answers at {url}: {_reason(cause)}.")


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error) or "it closes the connection"


def _properties(packet: int, **values: int | None) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        if value is not None:
            setattr(properties, name, value)
    return properties
