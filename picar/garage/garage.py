"""A garage: its cards, its lessons and the newest STOP ALL, by a WebSocket to each car and by a broker.

Laws:
- STOP ALL is on its way to every open connection before anything else is done.
- A car that hangs delays no other car.
- The event loop waits for no disk: a lesson is sent first, and its file is written by a thread.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from picar.client import discovery
from picar.client.connection import Turns, page_of
from picar.client.session import CarError
from picar.config import Config
from picar.core.lesson import DRIVE, HOLD, SCOPES, Lesson
from picar.errors import FileError, missing
from picar.fleet.car import Complaints, end, stop_frame
from picar.fleet.topics import state_fields
from picar.garage import adopting
from picar.garage.cards import BROKER, DIRECT, IDENTITY, Cards, is_id
from picar.garage.link import Way
from picar.garage.rounds import StopRound
from picar.garage.store import Disk, GarageStore
from picar.garage.teaching import Teaching

if TYPE_CHECKING:
    from picar.garage.mqtt import BrokerPath

log = logging.getLogger(__name__)

SWEEP_S = 1.0
BROWSE_AGAIN_S = 10.0  # without a network
LESSONS_AT_A_TIME, STOPS_AT_A_TIME = 16, 16
# Over HTTP: a car that hangs takes 3 s for each, and STOP ALL may be pressed again and again.
STOPS_AT_A_CAR = 8
SAVE_S = 2.0  # for a disk; one that takes longer is reported
MOST_CARDS = 1000  # by mDNS, which anybody may answer
_NOT_PAIRED = "The car does not know this garage any more. Adopt it again with its PIN."
_RIVAL = "Another garage sends lessons to this car. Use one garage for each car."


class Garage:
    """Many cars.

    Args:
        settings: the configuration.
        store: the adopted cars and the lessons.
        changed: called after any change of the cards, the lessons, the round or the ways; cheap, and often.
        report: called with a sentence when the lessons cannot be saved, or not within `SAVE_S`.
        beside: whether this is a command beside a running garage.

    Raises:
        FileError: the machine has no thread left.
        FleetError: `no_aiomqtt`: a broker is configured, and its package is missing.
        UsageError: `[mqtt]` can never work.
    """

    def __init__(
        self,
        settings: Config,
        store: GarageStore,
        changed: Callable[[], None] = lambda: None,
        report: Callable[[str], None] = lambda _: None,
        *,
        beside: bool = False,
    ) -> None:
        self.settings, self.store, self._changed, self._report = settings, store, changed, report
        self.cards = Cards()
        self.round: StopRound | None = None
        self.mdns = settings.garage.mdns and discovery.is_possible()
        self.lesson_slots, self.turns = asyncio.Semaphore(LESSONS_AT_A_TIME), Turns()
        self._ways: dict[str, Way] = {}
        self._records: dict[str, str] = {}  # of mDNS, with their cars
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_running = False
        # By car: the number of the lesson of all cars that it follows, as the broker reports.
        self._confirmed: dict[str, int] = {}
        self._complain = Complaints()
        self._disk = Disk()
        self._saving: asyncio.Task[None] | None = None
        self._unsaved = ""  # why the newest lessons are not in the file
        self._slow = (
            f"{store.path} is not written: the disk does not answer. The lessons count until the garage ends."
        )
        self._path = self._broker_path(beside) if settings.mqtt.url else None
        self._teaching = Teaching(store, self._ways, self._path, self._save)
        self._follow_store()

    @property
    def lesson(self) -> Lesson:
        """The lesson of all cars."""
        return self.store.lesson

    @property
    def own(self) -> dict[str, Lesson]:
        """The lessons of single cars, by id."""
        return self.store.own

    @property
    def broker(self) -> str | None:
        """The way by a broker: None without one, "live", or a sentence."""
        return self._path.broker if self._path else None

    async def run(self) -> None:
        """Keep all ways open, without end."""
        self._is_running = True
        for address in self.settings.garage.cars:
            self._way(page_of(address), page_of(address))
        for way in self._ways.values():
            way.start()
        self._begin(self._sweep())
        self._begin(self._follow_file())
        if self.mdns:
            self._begin(self._browse())
        if self._path:
            self._begin(self._path.run())
        try:
            await asyncio.Event().wait()
        finally:
            self._is_running = False
            others = [task for task in self._tasks if task is not self._saving]  # see `saved`
            await end([*others, *(way.task for way in self._ways.values() if way.task)], 3.0)

    # --- Orders

    def stop_all(self, by: str) -> StopRound:
        """Stop and hold all cars: by each open way in this call, then until each has answered. `by` is the sender's name."""
        stop_id, frame = secrets.token_hex(8), stop_frame()
        late = [car for car, way in self._ways.items() if way.adopted and not way.send_stop(frame)]
        if self._path:
            self._path.publish_stop(stop_id, by)
        self.round = StopRound(stop_id, by, self.cards.ours(), time.monotonic())
        self._begin(self._finish(self.round, late))
        self.put_lesson(HOLD, self.lesson.cap, "", by)
        return self.round

    def put_lesson(self, mode: str, cap: float, text: str, by: str, car: str | None = None) -> None:
        """Hold all cars or one, or let them drive, with a cap that is a share of `max_speed`. The file is written later.

        Raises:
            CarError: `no_car`.
        """
        if car is not None and car not in self.cards:
            raise _unknown(car)
        if mode == DRIVE and car is None and self.round and self.round.ended:
            self.round = None  # no later page shows it
        self._teaching.put(car, Lesson(mode, cap, 0, by, text))
        self._changed()

    def dismiss(self, car: str) -> None:
        """Wait no longer for a car's answer to STOP ALL."""
        if self.round:
            self.round.dismiss(car)
            self._changed()

    async def adopt(self, address: str, pin: str) -> str:
        """Pair with a car by its PIN, unless it is adopted, and keep it. Returns its id.

        Args:
            address: of its page, or the id of a card.
            pin: the six digits.

        Raises:
            CarError: no car answers, or it refuses.
            FileError: the car is adopted, and cannot be kept for the next start.
        """
        card = self.cards.card(address)
        url = (card.fields["url"] if card else None) or page_of(address)
        try:
            car, adopted = await adopting.adopt(url, pin, self.settings.garage.name, self.store.cars)
        except CarError as error:
            if error.code != "no_answer" or ":" in address:
                raise
            url = page_of(f"{address}:80")  # as the service has it
            car, adopted = await adopting.adopt(url, pin, self.settings.garage.name, self.store.cars)
        try:
            await self._disk.do(lambda: self.store.add(car, *adopted))
        finally:
            self._follow_store()
        return car

    async def forget(self, car: str) -> None:
        """Remove an adopted car and its own lesson; raises FileError."""
        await self._disk.do(lambda: self.store.remove(car))
        self._follow_store()

    async def invite(self, car: str, name: str, for_s: int) -> dict[str, Any]:
        """Return the car's answer of `POST /api/v1/invite`, for a guest of this name; raises CarError."""
        way = self._ways.get(car)
        if way is None or way.adopted is None:
            raise _unknown(car)
        return await way.place().ask("POST", "api/v1/invite", name=name, for_s=for_s)

    def untaught(self) -> list[str]:
        """Return the cars that have not answered the lesson of all cars."""
        ways, seq = self._ways, self.lesson.seq
        return [
            car
            for car in self.cards.ours()
            if not (car in ways and ways[car].has(SCOPES[0])) and self._confirmed.get(car, -1) < seq
        ]

    def misses(self, car: str) -> bool:
        """Return whether the newest STOP ALL has no answer of this car."""
        return self.round is not None and car in self.round.missing

    async def saved(self) -> str:
        """Wait until the lessons are in the file, at most `SAVE_S`. Returns why they are not, else an empty sentence."""
        if self._saving and (await asyncio.wait([self._saving], timeout=SAVE_S))[1] and not self._unsaved:
            self._fail(self._slow)
        return self._unsaved

    # --- STOP ALL

    async def _finish(self, stop: StopRound, late: list[str]) -> None:
        """Send the stop again, until each car has answered, or for `rounds.LAST_S`."""
        await self._ask_stops(stop, late)
        while stop is self.round and (wait_s := stop.next_s(time.monotonic())) is not None:
            await asyncio.sleep(wait_s)
            if self._path and not stop.ended:
                self._path.publish_stop(stop.id, stop.by)
            await self._ask_stops(stop, stop.due(time.monotonic()))

    async def _ask_stops(self, stop: StopRound, cars: list[str]) -> None:
        for number, car in enumerate(cars):
            if car in self._ways and self._ways[car].adopted:
                self._begin(self._ask_stop(stop, self._ways[car]))
            if number % STOPS_AT_A_TIME == 0:
                await asyncio.sleep(0)

    async def _ask_stop(self, stop: StopRound, way: Way) -> None:
        if way.stops >= STOPS_AT_A_CAR:
            return
        way.stops += 1
        try:
            state = await way.place().ask("POST", "api/v1/stop")
        except CarError:
            return  # it stays in `missing`
        finally:
            way.stops -= 1
        way.wake()  # for the hold
        self._count(stop, way.car, state.get("state"))

    def _count(self, stop: StopRound | None, car: str, state: Any) -> None:
        if stop and state == "stopped" and stop.heard(car, time.monotonic()):
            self._changed()

    # --- The cars, the file, mDNS

    def _begin(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _save(self) -> None:
        """Begin to write the lessons to the file, unless this goes on already."""
        if self._saving is None or self._saving.done():
            self._saving = self._begin(self._write())

    async def _write(self) -> None:
        """Write the lessons, and report if that fails or takes long."""
        while self.store.is_unsaved:
            timer = asyncio.get_running_loop().call_later(SAVE_S, self._fail, self._slow)
            try:
                if await self._disk.do(self.store.save):
                    self._follow_store()
                self._unsaved = ""
            except FileError as error:
                self._follow_store()  # the file may have been read
                self._fail(str(error))
            finally:
                timer.cancel()

    def _fail(self, sentence: str) -> None:
        self._unsaved = sentence
        log.warning("%s", sentence)
        self._report(sentence)

    def _way(self, car: str, *urls: str) -> Way:
        """Return the way to a car, and add addresses. The one from the store is the first: anybody may answer for mDNS."""
        way = self._ways.get(car)
        is_new = way is None
        if way is None:
            way = self._ways[car] = Way(car, self)
        way.add(*urls)
        if is_new:
            self.cards.put(car, time.monotonic(), url=way.url)
            if self._is_running:
                way.start()
        return way

    def _forget(self, car: str) -> None:
        way = self._ways.pop(car)
        if way.task:
            way.task.cancel()
        self.cards.drop(car)
        self.dismiss(car)
        self._changed()

    def _follow_store(self) -> None:
        """Follow the list of adopted cars, and the lessons."""
        now = time.monotonic()
        for car, adopted in self.store.cars.items():
            way = self._way(car, adopted.url)
            if way.adopted != adopted:
                way.adopted = adopted
                way.add()
                self.cards.put(car, now, adopted=True, name=adopted.name, problem=None)
                if self._is_running:
                    way.start()
        for car, way in list(self._ways.items()):
            if way.adopted and car not in self.store.cars:
                self._forget(car)
        self._teaching.spread()
        self._changed()

    async def _sweep(self) -> None:
        """Once a second: judge cards and ways by the time."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            for way in self._ways.values():
                way.check(now)
            if self.cards.sweep(now):
                self._changed()

    async def _follow_file(self) -> None:
        """Once a second: follow the file, which another process may have changed."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                if await self._disk.do(self.store.refresh):
                    self._follow_store()
            except FileError as error:
                self._complain(str(error))

    async def _browse(self) -> None:
        while True:
            try:
                await discovery.browse(self._found, self._gone)
            except OSError as error:
                self._complain(f"mDNS is not possible: {error.strerror}.")
            await asyncio.sleep(BROWSE_AGAIN_S)

    def _found(self, found: discovery.Found) -> None:
        car = found.car if is_id(found.car) else next(iter(found.urls), "")
        if car and found.urls and (car in self._ways or len(self._ways) < MOST_CARDS):
            self._records[found.record] = car
            self._way(car, *found.urls).wake()
            self.cards.name(car, time.monotonic(), named=True)
            self._changed()

    def _gone(self, record: str) -> None:
        car = self._records.pop(record, None)
        way = self._ways.get(car or "")
        if car is None or way is None:
            return
        self.cards.name(car, time.monotonic(), named=False)
        card = self.cards.card(car)
        pinned = {page_of(address) for address in self.settings.garage.cars}
        if card and not card.is_ours and not pinned.intersection(way.urls):
            self._forget(car)
        self._changed()

    # --- The direct way (`Watcher`)

    def on_met(self, way: Way, session: dict[str, Any]) -> None:
        """Take the public facts about the car at an address, and make a card for an unknown one."""
        car = session.get("id")
        if not isinstance(car, str) or not is_id(car):
            raise adopting.no_car(way.url)
        if car != way.car:
            self._way(car, way.url)
            if way.adopted is None:
                self._forget(way.car)
        adopted = self._ways[car].adopted
        if adopted and car != way.car:
            return  # any page may report this id; the way of the adopted car will meet it
        members = {name: session.get(name) for name in IDENTITY} | {"name": session.get("car")}
        if not adopted:
            members |= {"url": way.url, "problem": None}
        self.cards.put(car, time.monotonic(), **members)
        self._changed()

    def on_opened(self, way: Way) -> None:
        """Take note of a new connection; a car that STOP ALL misses is stopped."""
        if self.misses(way.car):
            way.send_stop()
        self.cards.put(way.car, time.monotonic(), url=way.url, problem=None)

    def on_direct_state(self, way: Way, state: dict[str, Any]) -> None:
        """Take a state of picar.v1."""
        try:
            fields, age_s = state_fields(state, None, None), state["link"]["age_s"]
            link_ms = None if age_s is None else round(1000 * age_s)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return  # its silence then ends the card's green
        self._count(self.round, way.car, fields["state"])
        if self.cards.take(way.car, DIRECT, fields, time.monotonic(), link_ms):
            self._changed()

    def on_lessons(self, way: Way) -> None:
        """Compare the lessons of a car, which has just answered, with ours."""
        problem = {"code": "old_lesson", "message": _RIVAL} if self._teaching.has_rival(way) else None
        self.cards.put(way.car, time.monotonic(), problem=problem)
        self._changed()

    def on_closed(self, way: Way) -> None:
        """Take note that a connection has ended."""
        self.cards.end(way.car, DIRECT, time.monotonic(), in_order=way.was_shut_down)
        self._changed()

    def on_failed(self, way: Way, error: Exception) -> None:
        """Take the reason why the direct way is not there."""
        code = getattr(error, "code", "no_answer")
        if isinstance(error.__context__, ConnectionRefusedError):  # the machine is there, and can be reached
            code = "refused"
        self._say(way.car, code, _NOT_PAIRED if code == "not_paired" else str(error))

    def _say(self, car: str, code: str, sentence: str) -> None:
        if self.cards.put(car, time.monotonic(), problem={"code": code, "message": sentence}):
            self._changed()

    # --- The broker (`mqtt.Listener`)

    def _broker_path(self, beside: bool) -> BrokerPath:
        try:
            from picar.garage.mqtt import BrokerPath
        except ModuleNotFoundError as error:
            if error.name not in ("aiomqtt", "paho"):
                raise
            raise missing("aiomqtt") from None
        return BrokerPath(self.settings.mqtt, self.settings.garage.name, self, beside=beside)

    def on_presence(self, car: str, word: str) -> None:
        """Take a presence: `online`, `offline` or `lost`."""
        if self.cards.say(car, word, time.monotonic()):
            self._changed()
        self._join(car)

    def on_info(self, car: str, info: dict[str, Any]) -> None:
        """Take the facts about a car."""
        members = {name: info.get(name) for name in IDENTITY}
        if car not in self._ways:
            members["url"] = info.get("url")
        if self.cards.put(car, time.monotonic(), **members):
            self._changed()

    def on_state(self, car: str, fields: dict[str, Any], *, retained: bool) -> None:
        """Take a state; a retained one is old."""
        now, lesson_seq = time.monotonic(), fields.get("lesson_seq")
        if type(lesson_seq) is int and not retained:
            self._confirmed[car] = lesson_seq
        if self.cards.keep(car, fields, now) if retained else self.cards.take(car, BROKER, fields, now):
            self._changed()
        self._join(car)

    def on_stopped(self, car: str, stop_id: str) -> None:
        """Take the answer of a car to the stop with this id."""
        if self.round and stop_id == self.round.id:
            self._count(self.round, car, "stopped")

    def on_lesson(self, car: str | None, lesson: Lesson) -> None:
        """Take the lesson at the broker, also one of this garage."""
        self._teaching.note(car, lesson.seq)

    def on_broker(self) -> None:
        """Follow the connection to the broker: it gets a STOP ALL that is under way, and the lessons."""
        if self._path and self.broker == "live":
            if self.round and self.round.is_under_way(time.monotonic()):
                self._path.publish_stop(self.round.id, self.round.by)
            self._teaching.publish()
        self._changed()

    def _join(self, car: str) -> None:
        """Let a car join a STOP ALL that is under way."""
        card, now = self.cards.card(car), time.monotonic()
        if self.round and card and card.counts and self.round.join(car, now):
            self._changed()


def _unknown(car: str) -> CarError:
    return CarError("no_car", f"The car {car} is not adopted. Adopt it by its address and its PIN.")
