"""A client of the broker that plays garage and Home Assistant, and the bridge as a real process beside a real car."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiomqtt
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.support.household import Ended, Household
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import DEADLINE_S, News


class Heard(NamedTuple):
    """One message: `body` is its JSON, or its text if it is none."""

    topic: str
    body: Any
    retain: bool
    qos: int


class Garage:
    """A client of the broker that hears all topics of all cars; its own `offline` is not needed here."""

    def __init__(self, broker: Mosquitto) -> None:
        self.heard: list[Heard] = []
        self._client = aiomqtt.Client(
            "127.0.0.1",
            broker.port,
            protocol=aiomqtt.ProtocolVersion.V5,
        )
        self._news = News()
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        options = SubscribeOptions(qos=1, retainAsPublished=True)
        await self._client.subscribe("#", options=options)
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(aiomqtt.MqttError):
            await self._client.__aexit__(None, None, None)

    async def publish(self, topic: str, body: Any = b"", *, retain: bool = False) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self._client.publish(topic, payload, 1, retain)

    def of(self, topic: str) -> list[Any]:
        """Return the bodies from this topic; it may end with the last words only."""
        return [one.body for one in self.heard if one.topic.endswith(topic)]

    def last(self, topic: str) -> Any:
        found = self.of(topic)
        return found[-1] if found else None

    async def until(self, topic: str, fits: Callable[[Any], object], since: int = 0) -> Any:
        """Wait for a message, also among those before, and return its body."""

        def find() -> list[Any]:
            new = [one.body for one in self.heard[since:] if one.topic.endswith(topic)]
            return [body for body in new if fits(body)]

        await self._news.until(find, lambda: f"{topic}; heard: {self.heard[since:][-12:]}")
        return find()[-1]

    async def answer(self, topic: str, **members: Any) -> Any:
        """Send a command with a new id, and return its answer."""
        command_id = f"command-{len(self.heard)}-{os.urandom(3).hex()}"
        await self.publish(topic, {"v": 1, "id": command_id, **members})
        return await self.until("/result", lambda body: body["id"] == command_id)

    async def _listen(self) -> None:
        async for message in self._client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            body: Any = payload.decode(errors="replace")
            with contextlib.suppress(ValueError):
                body = json.loads(body)
            self.heard.append(Heard(str(message.topic), body, message.retain, message.qos))
            self._news.wake()


class Bridge:
    """`picar mqtt` as a process, in the environment of a household."""

    def __init__(self, car: Household, config: Path) -> None:
        self._car, self._config = car, config
        self._log = car.folder / "bridge.txt"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "picar", "mqtt", "--config", str(self._config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self._car._env,
                start_new_session=True,
            )

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def memory_mb(self) -> float:
        assert self.process
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Site(NamedTuple):
    """A broker, a car with its bridge, and a garage that hears them."""

    broker: Mosquitto
    car: Household
    bridge: Bridge
    garage: Garage
    id: str

    @property
    def topic(self) -> str:
        return f"picar/{self.id}"

    async def check(self) -> Ended:
        """Run `picar mqtt --check`."""
        return await self.car.cli("mqtt", "--check", "--config", str(self.bridge._config))


@contextlib.asynccontextmanager
async def site(
    folder: Path, more: str = "", broker_lines: str = "allow_anonymous true\n"
) -> AsyncIterator[Site]:
    """Start a broker, a paired car and its bridge, and wait until the car is online."""
    async with Mosquitto(folder, broker_lines) as broker:
        config = f'[server]\nname = "Blitz"\n[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\n{more}'
        async with Household(config=config) as car, Garage(broker) as garage:
            bridge = Bridge(car, car._config)
            try:
                await bridge.start()
                await garage.until("/online", lambda word: word == "online")
                state = await garage.until("/state", lambda body: body["state"])
                assert state["v"] == 1
                yield Site(broker, car, bridge, garage, str(car.content()["car"]))
            except BaseException:
                print(bridge.log())
                raise
            finally:
                code = await bridge.end()
            assert code == 0, bridge.log()
