"""The open garage pages: picar.garage.v1 over WebSocket, on `/garage/ws`.

Laws:
- A STOP ALL goes out in the call that receives it, before any other work.
- No page is waited for. A slow page gets the newest values later; one that takes nothing for `DEAF_S` is disconnected.
- Changes are encoded once for all pages, and never without a page.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Container
from typing import Any

from picar.access.names import tidy_name
from picar.car.hub import CLOSED_UNPAIRED
from picar.client.session import CarError
from picar.core.lesson import MODES, TEXT_BYTES, TEXT_CHARACTERS
from picar.core.shaping import LEAST_SPEED
from picar.garage.garage import Garage
from picar.garage.rounds import StopRound
from picar.web.auth import Gate
from picar.web.garage.cars import check_teacher, is_teacher
from picar.web.websocket import SEND_BYTES, Socket, text_frame

SUBPROTOCOL = "picar.garage.v1"
CHANGES_S, ANSWERS_S = 0.25, 0.1  # least time between two messages of this type
BEAT_S = 1.0  # most time between two `changes`: a page tells a hung garage by its silence
DEAF_S = 5.0
MOST_BYTES = 4096  # of a message from a page


class Browsers:
    """The open pages, and what they have been sent. `garage` is set before the first page opens."""

    garage: Garage

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._all: dict[GarageSocket, None] = {}
        self._cards: dict[str, dict[str, Any]] = {}  # by car
        self._others: dict[str, Any] = {}
        self._answer: dict[str, Any] | None = None
        self._round: StopRound | None = None  # of `_answer`
        self._told_end: StopRound | None = None  # the newest round whose last answer was sent
        self._looked_at = self._answered_at = float("-inf")
        self._is_dirty = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, browser: GarageSocket) -> None:
        """Send a new page everything, and changes from now on."""
        now, garage = time.monotonic(), self.garage
        self._send(self._changes(now), now)
        self._send_answer(now)
        self._all[browser] = None
        first = {"type": "cars", "garage": garage.settings.garage.name, "mdns": garage.mdns, **self._others}
        teacher = is_teacher(self.gate, browser.visitor)
        cards = [*self._cards.values()]
        browser.send(first | {"teacher": teacher, "round": garage.round and self._answer, "cars": cards})
        self._schedule(BEAT_S)

    def remove(self, browser: GarageSocket) -> None:
        """Remove a page; without pages there is no timer."""
        self._all.pop(browser, None)
        if self._timer and not self._all:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Close all pages, since the garage ends."""
        for browser in [*self._all]:
            browser.close(1001, "the garage ends")

    def report_unsaved(self, sentence: str) -> None:
        """Send the reason why the lessons are not saved to the pages of teachers."""
        for browser in [*self._all]:
            if is_teacher(self.gate, browser.visitor):
                browser.send(_error("not_saved", sentence))

    def changed(self) -> None:
        """Send the changes as soon as the pace allows; the first and the last answer of a round at once."""
        if not self._all:  # also before there is a garage
            return
        found = self.garage.round
        if self._is_dirty and found is self._told_end:
            return
        self._is_dirty = True
        now, due = time.monotonic(), self._looked_at + CHANGES_S
        if found and found is not self._told_end:
            due = now if found is not self._round or found.ended else min(due, self._answered_at + ANSWERS_S)
        self._schedule(due - now)

    def _schedule(self, wait_s: float) -> None:
        """Pulse after this time, or earlier if that is scheduled already."""
        loop = asyncio.get_running_loop()
        if self._timer and self._timer.when() > loop.time() + wait_s:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_later(max(0.0, wait_s), self._pulse)

    def _pulse(self) -> None:
        self._timer, now = None, time.monotonic()
        self._send_answer(now)
        if now >= self._looked_at + CHANGES_S:
            self._send(self._changes(now), now)
        slow = [browser for browser in [*self._all] if browser.catch_up(now)]
        if self._all:
            self._schedule(CHANGES_S if slow or self._is_dirty else BEAT_S)

    def _send_answer(self, now: float) -> None:
        found, self._answered_at = self.garage.round, now
        answer = found and {"type": "answer", **found.answer(now)}
        if answer and (answer != self._answer or found is not self._round):
            self._answer, self._round = answer, found
            self._send(answer, now)
        if found and found.ended:
            self._told_end = found

    def _send(self, message: dict[str, Any], now: float) -> None:
        if self._all:
            frame = _framed(message)
            for browser in [*self._all]:
                browser.take(message, frame, now)

    def _changes(self, now: float) -> dict[str, Any]:
        """Return what has changed since the last look, and disconnect devices that were removed from the list."""
        garage, before = self.garage, self._cards
        self._looked_at, self._is_dirty = now, False
        self._cards = {card["id"]: card for card in garage.cards.fields(now)}
        cars: dict[str, Any] = {
            car: card if (old := before.get(car)) is None else {k: v for k, v in card.items() if v != old[k]}
            for car, card in self._cards.items()
            if card is not before.get(car)
        }
        cars |= dict.fromkeys(before.keys() - self._cards.keys())
        own = {car: lesson._asdict() for car, lesson in garage.own.items()}
        others = self._others
        self._others = {"lesson": garage.lesson._asdict(), "own": own, "broker": garage.broker}
        paired = {one.id for one in self.gate.store.paired}
        for browser in [*self._all]:
            browser.keep_only(paired)
        more = {name: value for name, value in self._others.items() if others.get(name, ...) != value}
        return {"type": "changes", "cars": cars, **more}


class GarageSocket(Socket):
    """`/garage/ws`: one open page."""

    subprotocol = SUBPROTOCOL
    send_bytes = SEND_BYTES
    browsers: Browsers
    _taken, _deaf_since = -1, 0.0
    _lacks: dict[str, dict[str, Any]]  # by type: the messages that it has not taken, with the newest values

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Send everything."""
        super().open(*args, **kwargs)
        self._lacks = {}
        self.browsers.add(self)

    def on_close(self) -> None:
        """Send no more."""
        self.browsers.remove(self)
        super().on_close()

    def on_message(self, message: str | bytes) -> None:
        """Carry out a message."""
        try:
            fields = json.loads(message) if len(message) <= MOST_BYTES else None
        except (ValueError, RecursionError):
            fields = None
        try:
            self._obey(fields if isinstance(fields, dict) else {})
        except CarError as error:
            self.send(_error(error.code, str(error)))

    def _obey(self, fields: dict[str, Any]) -> None:
        """Carry out a message; a stop first, without a further check."""
        kind, garage = fields.get("type"), self.browsers.garage
        by = (self.visitor and self.visitor.name) or garage.settings.garage.name
        if kind == "stop":
            garage.stop_all(by)
            return
        if kind not in ("lesson", "dismiss"):
            raise CarError("bad_message", "A message is JSON of the type stop, lesson or dismiss.")
        check_teacher(self.browsers.gate, self.visitor)
        if kind == "dismiss":
            garage.dismiss(str(fields.get("car")))
        else:
            car = fields.get("car")
            before = garage.own.get(car, garage.lesson) if isinstance(car, str) else garage.lesson
            garage.put_lesson(*_lesson({"mode": before.mode, **fields}), by, car)

    def keep_only(self, paired: Container[str]) -> None:
        """Close, if this device was removed from the list."""
        if self.visitor and self.visitor.name is not None and self.visitor.session not in paired:
            self.close(CLOSED_UNPAIRED, "not paired any more")

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to this page alone."""
        self.take(message, _framed(message), time.monotonic())

    def take(self, message: dict[str, Any], frame: bytes, now: float) -> None:
        """Send a message, or keep its values until the page has taken the earlier ones."""
        if self._lacks or not self._send(frame):
            self._deaf_since = self._deaf_since if self._lacks else now
            kind = message["type"]
            self._lacks[kind] = _merged(self._lacks.get(kind, {}), message)

    def catch_up(self, now: float) -> bool:
        """Send what the page lacks, if it takes messages again. Returns whether it still lacks any."""
        if self._lacks and self._send(b"".join(map(_framed, self._lacks.values()))):
            self._lacks.clear()
        elif self._lacks:
            stream = self._open_stream()
            taken = stream._total_write_done_index if stream else 0
            if taken != self._taken:  # of a slow link
                self._taken, self._deaf_since = taken, now
            elif now - self._deaf_since > DEAF_S:
                self.drop()
        return bool(self._lacks)


def _merged(older: dict[str, Any], newer: dict[str, Any]) -> dict[str, Any]:
    """Return one message with the newest values of two of a type; a car that is None was removed."""
    if newer["type"] != "changes" or not older:
        return newer
    cars = dict(older["cars"])
    for car, members in newer["cars"].items():
        cars[car] = members and {**(cars.get(car) or {}), **members}
    return older | newer | {"cars": cars}


def _error(code: str, sentence: str) -> dict[str, Any]:
    return {"type": "error", "code": code, "message": sentence}


def _framed(message: dict[str, Any]) -> bytes:
    return text_frame(json.dumps(message, separators=(",", ":"), allow_nan=False))


def _lesson(fields: dict[str, Any]) -> tuple[str, float, str]:
    """Return mode, cap and text of a lesson from a page; raises CarError."""
    mode, cap, text = fields.get("mode"), fields.get("cap", 1.0), fields.get("text", "")
    is_good = mode in MODES and type(cap) in (int, float) and LEAST_SPEED <= cap <= 1.0
    if not (is_good and isinstance(text, str) and isinstance(fields.get("car"), str | None)):
        range_ = f"mode is {' or '.join(MODES)}, cap a number from {LEAST_SPEED:g} to 1, and text a text"
        raise CarError("bad_value", f"In a lesson, {range_}.")
    return str(mode), float(cap), tidy_name(text, TEXT_CHARACTERS, TEXT_BYTES)
