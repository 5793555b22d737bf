"""The garage's side of the MQTT broker: facts about cars come in, stops and lessons go out. `link.py` is the direct way to a car.

Laws:
- A stop is written to the socket before anything is waited for, and is never kept for a later connection.
- A lesson is kept until the broker has confirmed it; for each car the newest one.
- A payload that is not valid changes nothing.
- The garage does not need the broker: each fault is a sentence in `broker`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from picar.config import MqttConfig
from picar.core.lesson import Lesson
from picar.errors import FleetError
from picar.fleet import connection
from picar.fleet.car import Complaints
from picar.fleet.connection import MOST_UNCONFIRMED, Client, Member
from picar.fleet.topics import (
    LOST,
    OFFLINE,
    ONLINE,
    GarageTopics,
    Message,
    info_of,
    lesson_of,
    presence_of,
    state_of,
    stop_of,
)

log = logging.getLogger(__name__)

LIVE = "live"
_PARSERS: dict[str, Callable[[bytes], Any]] = {
    "online": presence_of,
    "info": info_of,
    "state": state_of,
    "result": stop_of,
    "lesson": lesson_of,
}
REFRESH_S = 60.0
_ENDED = (
    "The connection to the broker has ended. Start the broker. If this happens again and again, another garage has the same name: "
    "change [garage] name."
)


class Listener(Protocol):
    """The receiver of the facts. No method waits. `car` is an id."""

    def on_presence(self, car: str, word: str) -> None:
        """Take a presence: `online`, `offline` or `lost`."""

    def on_info(self, car: str, info: dict[str, Any]) -> None:
        """Take the facts about a car, of `topics.info_of`."""

    def on_state(self, car: str, fields: dict[str, Any], *, retained: bool) -> None:
        """Take a state, of `topics.state_of`. A retained one is old: it does not show that the car is alive."""

    def on_stopped(self, car: str, stop_id: str) -> None:
        """Take the answer of a car to the stop with this id."""

    def on_lesson(self, car: str | None, lesson: Lesson) -> None:
        """Take the lesson at the broker, also one of this garage; None for all cars."""

    def on_broker(self) -> None:
        """Take note that `BrokerPath.broker` has changed."""


class BrokerPath:
    """The connection of a garage to its broker, made again whenever it ends.

    Args:
        config: the section `[mqtt]`.
        name: the name of the garage.
        listener: receives the facts.
        beside: whether this is a command beside a running garage: it has no presence, and a client id of its own, because two
            clients with one id end each other's connection.

    `broker` is `LIVE`, or the sentence why there is no connection.

    Raises:
        UsageError: the configuration can never work.
    """

    def __init__(self, config: MqttConfig, name: str, listener: Listener, *, beside: bool = False) -> None:
        with contextlib.suppress(FleetError):  # a file that is missing may come
            connection.broker_of(config)
        self._config, self._listener = config, listener
        self._topics = GarageTopics(config.base, name)
        will, suffix = (None, f"-{secrets.token_hex(4)}") if beside else (self._topics.online(LOST), "")
        client = f"picar-garage-{self._topics.name}{suffix}"
        self._member = Member("garage", "garage", client, will, MOST_UNCONFIRMED)
        self.broker = f"The garage connects to the broker at {config.url}."
        self._client: Client | None = None
        self._waiting: dict[str, Message] = {}  # by topic; not confirmed yet
        self._news = asyncio.Event()
        self._complain = Complaints()

    async def run(self) -> None:
        """Stay connected, without end; a cancellation says `offline` first."""
        await connection.keep_trying(self._be_connected, self._fail)

    def publish_stop(self, stop_id: str, by: str) -> bool:
        """Stop all cars at the broker, now. A car carries out an id once in 60 s, and answers it each time.

        Args:
            stop_id: 8 to 64 letters, digits, - and _.
            by: the name of the sender.

        Returns:
            Whether the stop is on its way to the broker.
        """
        return self._client is not None and self._client.publish_now(self._topics.stop(stop_id, by))

    def publish_lesson(self, car: str | None, lesson: Lesson) -> None:
        """Publish a lesson for a car, None for all cars, as soon as the broker is there."""
        self._put(self._topics.lesson(car, lesson))

    def _put(self, message: Message) -> None:
        self._waiting[message.topic] = message
        self._news.set()

    def _fail(self, sentence: str) -> None:
        self._complain(sentence)
        self._report(sentence)

    def _report(self, broker: str) -> None:
        if broker != self.broker:
            self.broker = broker
            self._listener.on_broker()

    async def _be_connected(self) -> None:
        """Connect, and exchange messages until the end; raises FleetError."""
        client = await connection.connect(self._config, self._member, self._receive)
        topics = connection.facts(self._topics.presences, *self._topics.facts)
        farewell = self._topics.online(OFFLINE) if self._member.will else None
        try:
            await connection.stay(client, topics, lambda: self._begin(client), farewell, _ENDED)
        finally:
            self._client = None

    def _begin(self, client: Client) -> Sequence[Coroutine[Any, Any, Any]]:
        log.info("connected to the broker at %s", self._config.url)
        self._client = client
        self._say_online()
        self._report(LIVE)
        return self._write(client), self._refresh(client)

    def _say_online(self) -> None:
        if self._member.will:
            self._put(self._topics.online(ONLINE))

    async def _refresh(self, client: Client) -> None:
        """Read the presences again now and then, and say `online` after a will that came late."""
        while True:
            await asyncio.sleep(REFRESH_S)
            self._say_online()
            await client.subscribe(connection.facts(self._topics.presences))

    async def _write(self, client: Client) -> None:
        while True:
            self._news.clear()
            for topic, message in list(self._waiting.items()):
                await connection.publish(client, message)
                if self._waiting.get(topic) is message:
                    del self._waiting[topic]
                denied, client.denied = client.denied, 0
                what = f"The broker does not accept {topic} from this garage."
                self._report(str(connection.problem("broker_acl", what)) if denied else LIVE)
            await self._news.wait()

    def _receive(self, topic: str, payload: bytes, retained: bool) -> None:
        car, word = self._topics.parts_of(topic)
        if not (car and payload) or word not in _PARSERS:  # an empty one has been removed
            return
        try:
            found = _PARSERS[word](payload)
        except ValueError as error:
            self._complain(f"The message in {topic} is not valid: {error}.")
        else:
            self._take(car, word, found, retained)

    def _take(self, car: str, word: str, found: Any, retained: bool) -> None:
        listener = self._listener
        match word:
            case "online":
                listener.on_presence(car, found)
            case "info" if found["id"] == car:
                listener.on_info(car, found)
            case "lesson":
                listener.on_lesson(None if car == "all" else car, found)
            case "result" if found and not retained:
                listener.on_stopped(car, found)
            case "state":
                listener.on_state(car, found, retained=retained)
                if isinstance(found.get("stop_id"), str) and not retained:
                    listener.on_stopped(car, found["stop_id"])
