"""`picar mqtt`: the bridge between one car and an MQTT broker, a process of its own. `car.py` is the other end.

It carries presence, states and events to the broker, and stops, caps and lessons to the car. It steers nothing.

Laws:
- The car never waits for the bridge, which is a quiet client.
- The bridge publishes `offline` when the car has been away for `AWAY_S`, and at its own orderly end. The broker publishes
  `lost`, the will, at every other end of the connection.
- A stop waits for no other command.
- The broker's side sends one message at a time, and connects again if one takes longer than `WRITE_S`: nothing piles up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from picar.client.session import CarError
from picar.config import Config
from picar.errors import FleetError
from picar.fleet import connection
from picar.fleet.car import CarLink, Complaints, Here, end
from picar.fleet.homeassistant import discovery
from picar.fleet.outbox import Answers, Outbox, first_seq, lesson_seq
from picar.fleet.topics import (
    HA_STATUS,
    OFFLINE,
    ONLINE,
    Command,
    Message,
    Topics,
    command_of,
    facts_of,
    lesson_of,
    state_fields,
)

log = logging.getLogger(__name__)

AWAY_S = 5.0  # a restart of the server takes less
HEAL_S = 0.5  # two writers of `online` must not answer each other without a pause
MOST_COMMANDS = 20
_SENTENCES = {
    "unknown_verb": "The commands are stop and cap.",
    "bad_message": "The payload is empty, or a JSON object with id, by and the members of the command.",
    "bad_value": "speed is a number from 0.05 to 1.",
    "retained_command": "Commands are never retained. Remove this one: mosquitto_pub -r -n -t {}",
    "too_fast": "The car still carries out earlier commands. Send this one again.",
}

_ENDED = (  # Mosquitto does not say why
    "The connection to the broker has ended. Start the broker. If this happens again and again, another car has the same id: "
    "make one that has a copied card a car of its own with picar pair --new-identity."
)


class Bridge:
    """One car at one broker.

    Args:
        settings: the configuration of the car.
        find: returns the car's place on this machine.
        synchronised: returns whether the machine's clock is right.
    """

    def __init__(self, settings: Config, find: Callable[[], Here], synchronised: Callable[[], bool]) -> None:
        with contextlib.suppress(FleetError):  # a file that is missing may come
            connection.broker_of(settings.mqtt)  # raises UsageError for a configuration that can never work
        self._settings, self._synchronised = settings, synchronised
        self._car = CarLink(find, self._on_open, self._on_state, self._on_end)
        self._outbox = Outbox(Topics(settings.mqtt.base, ""), "", 0)  # of no car, until an id is known
        self._stop_id: str | None = None
        self._started = ""  # date of the machine's start, once it is known
        self._word = OFFLINE
        self._away: asyncio.TimerHandle | None = None
        self._answers = Answers()
        self._stops: deque[Command] = deque(maxlen=MOST_COMMANDS)  # that are sent, and not answered
        self._caps: asyncio.Queue[Command] = asyncio.Queue(MOST_COMMANDS)
        self._stopping, self._news, self._identity = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._healing: asyncio.TimerHandle | None = None
        self._complain = Complaints()

    async def run(self) -> None:
        """Bridge without end; a cancellation says `offline` first."""
        jobs = (
            self._car.run(),
            self._answer_stops(),
            self._obey_caps(),
            connection.keep_trying(self._connect, self._complain),
        )
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()  # it raises: no task ends without a fault
        finally:
            await end(tasks, connection.FAREWELL_S + 1.0)

    # --- The car's side

    def _on_open(self) -> None:
        now, car, boot = time.monotonic(), self._car, str(self._car.lesson["boot"])
        if self._away:
            self._away.cancel()
        if self._outbox.topics.car != car.session["id"]:
            topics = Topics(self._settings.mqtt.base, car.session["id"])
            self._outbox = Outbox(topics, boot, first_seq(now))
            car.wanted.clear()  # lessons for another id
            self._identity.set()
        elif self._outbox.boot != boot:
            self._outbox.renew(boot)
            self._outbox.event("restarted", "the car's server has started again", now)
        self._say(ONLINE)
        self._introduce()

    def _on_state(self) -> None:
        uptime_s = self._car.state["host"].get("uptime_s")
        if not self._started and uptime_s is not None and self._synchronised():
            self._started = (datetime.now(UTC) - timedelta(seconds=uptime_s)).isoformat(timespec="seconds")
            self._introduce()
        self._offer()

    def _on_end(self) -> None:
        self._outbox.forget_state()
        self._away = asyncio.get_running_loop().call_later(AWAY_S, self._say, OFFLINE)

    def _offer(self) -> None:
        fields = state_fields(self._car.state, lesson_seq(self._car.lesson), self._stop_id)
        self._outbox.offer(fields, time.monotonic())
        self._news.set()

    def _say(self, word: str) -> None:
        self._word = word
        self._put("online", self._outbox.topics.online(word))

    def _introduce(self) -> None:
        """Send the discovery and the facts."""
        car, topics, payload = self._car, self._outbox.topics, None
        if car.here is None or not car.hello:
            return
        info = facts_of(car.session, car.hello, car.here.urls, car.here.https)
        if self._settings.mqtt.home_assistant:
            payload = discovery(topics, info, self._settings.battery.source != "none", self._started)
        self._put("discovery", topics.config(payload))
        self._put("info", topics.info(self._outbox.boot, info))

    def _put(self, lane: str, message: Message) -> None:
        self._outbox.put(lane, message, time.monotonic())
        self._news.set()

    # --- Commands

    async def _answer_stops(self) -> None:
        """Answer the stops that wait, all at once, when the car has stopped; of very many the newest."""
        while True:
            await self._stopping.wait()
            self._stopping.clear()
            commands = list(self._stops)
            self._stops.clear()
            code, sentence = await _outcome(self._car.stopped())
            for command in commands:
                if not code:
                    self._stop_id = command.id or self._stop_id
                why = code or ("retained_command" if command.retained else "")
                self._answer(command, why, sentence or _SENTENCES.get(why, "").format(command.retained))
            if not code:
                self._offer()

    async def _obey_caps(self) -> None:
        """Carry out the caps one after the other, and answer each."""
        while True:
            command = await self._caps.get()
            self._answer(command, *await _outcome(self._car.cap(command.speed)))

    def _take(self, command: Command) -> None:
        is_new, answer = self._answers.begin(command, time.monotonic())
        if answer:
            self._put("result", answer)
        if not is_new:
            return
        if command.verb == "stop":
            self._car.send_stop()  # before the log, which may wait; `_answer_stops` waits for the answer
        log.info("command %s of %s", command.verb, command.by or "the broker")
        if command.retained:
            self._complain(f"{_SENTENCES['retained_command'].format(command.retained)} (retained_command)")
        if command.code:
            self._answer(command, command.code, _SENTENCES[command.code].format(command.retained))
            return
        if command.verb == "stop":
            self._stops.append(command)
            self._stopping.set()
            return
        try:
            self._caps.put_nowait(command)
        except asyncio.QueueFull:
            self._answer(command, "too_fast", _SENTENCES["too_fast"])

    def _answer(self, command: Command, code: str, sentence: str) -> None:
        result = self._outbox.topics.result(command, code, sentence)
        is_done = not code or code == "retained_command"
        self._answers.end(command, result if is_done else None, time.monotonic())
        self._put("result", result)

    # --- The broker's side

    async def _connect(self) -> None:
        """Connect when an identity is known; returns when it has changed, and raises FleetError at any other end."""
        await self._identity.wait()
        self._identity.clear()
        try:
            await self._be_connected(self._outbox)
        except FleetError:
            self._identity.set()
            raise

    async def _be_connected(self, outbox: Outbox) -> None:
        """Connect, and exchange messages until the identity changes; raises FleetError at any other end."""
        topics, config = outbox.topics, self._settings.mqtt
        client = await connection.connect(config, connection.car(topics), self._receive)

        def begin() -> Sequence[Coroutine[Any, Any, Any]]:
            log.info("connected to the broker at %s", config.url)
            self._say(self._word)
            self._introduce()
            outbox.repeat_state()
            return self._write(client, outbox), self._identity.wait()

        subscriptions, farewell = connection.subscriptions(topics), topics.online(OFFLINE)
        await connection.stay(client, subscriptions, begin, farewell, _ENDED)

    def _receive(self, topic: str, payload: bytes, retained: bool) -> None:
        topics = self._outbox.topics
        if (verb := topics.verb_of(topic)) is not None:
            self._take(command_of(verb, payload, topic if retained else ""))
        elif topic in topics.lessons:
            try:
                self._car.teach(topics.lessons[topic], lesson_of(payload))
            except ValueError as error:
                self._complain(f"The lesson in {topic} is not valid: {error}.")
        elif topic == topics.is_online and payload != self._word.encode() and self._healing is None:
            self._healing = asyncio.get_running_loop().call_later(HEAL_S, self._heal)
        elif topic == HA_STATUS and payload == b"online":
            self._introduce()

    def _heal(self) -> None:
        self._healing = None
        self._say(self._word)

    async def _write(self, client: connection.Client, outbox: Outbox) -> None:
        while True:
            now = time.monotonic()
            found = outbox.next(now)
            if found is None:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(outbox.due_s(now), connection.LONGEST_PAUSE_S)):
                        await self._news.wait()
                continue
            lane, message = found
            try:
                await connection.publish(client, message)
            except BaseException:
                outbox.give_back(lane, message, now)
                raise
            if client.denied:
                client.denied = 0
                what = f"The broker does not accept {message.topic}."
                self._complain(str(connection.problem("broker_acl", what)))


async def _outcome(done: Awaitable[None]) -> tuple[str, str]:
    """Wait for a command to be done; returns the code and the sentence of the car's refusal, empty without one."""
    try:
        await done
    except CarError as error:
        return error.code, str(error)
    return "", ""
