"""The cards of a garage: what is known about each car, by its id. Pure: times are arguments, in monotonic s.

Laws:
- A card is live only by a message that was sent just now: a retained one, or a stamp in a message, does not count.
- The fields of a card are never changed in place: an unchanged card keeps its object, so that a reader compares by `is`.
- The newest values count. A change comes by both ways within ms: then those of the direct way, which have more members.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from picar.fleet.topics import LOST, OFFLINE, ONLINE, cut

DIRECT, BROKER = "direct", "broker"
HEARTBEATS, MOVING_S, RESTING_S = 2.5, 1.0, 10.0
NEWER_S = 1.5  # so long the broker's values do not replace those of the direct way
CHARACTERS, PROBLEM_CHARACTERS = 80, 300
STATE = (
    "state", "reason", "driver", "moving", "speed_limit", "speed_cap", "lesson",
    "battery_percent", "battery_v", "wifi_dbm", "under_voltage",
)  # fmt: skip
IDENTITY = ("name", "colour", "number", "version")
_ID = re.compile(r"[a-z0-9]{8}", re.ASCII)
_FORMS = {"colour": re.compile(r"[0-9a-f]{6}"), "url": re.compile(r"https?://[!-~]{1,80}")}
_FLAGS = {"adopted", "moving", "under_voltage"}
_NUMBERS = {"number", "speed_limit", "speed_cap", "link_ms", "battery_percent", "battery_v", "wifi_dbm"}
_MOST_NUMBER = 1e9
_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("id", *IDENTITY, "url")),
    "adopted": False, "paths": [], "presence": "new", "silent_s": None,
    **dict.fromkeys((*STATE, "link_ms", "problem")),
}  # fmt: skip


def is_id(text: object) -> bool:
    """Return whether this is the id of a car: so no address, and none of the words `all` and `garage`."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


class Card:
    """One car. `fields` are the members that a browser gets; `heard` is when each way brought its newest live message."""

    __slots__ = ("fields", "has_ended", "heard", "heard_at", "is_named", "is_retained", "since", "word")

    def __init__(self, car: str, now: float) -> None:
        self.fields: dict[str, Any] = {**_EMPTY, "id": car}
        self.since = now
        self.heard: dict[str, float] = {}  # by way; an ended way is removed
        self.heard_at: float | None = None  # by any way
        self.is_named = False  # by mDNS
        self.is_retained = False  # whether the broker had an old state of it
        self.word = ""  # the car's presence at the broker
        self.has_ended = False  # whether the car has shut down in order: its own word on the direct way

    @property
    def is_ours(self) -> bool:
        """Whether the garage can reach the car: it is adopted, or a broker has it."""
        return self.fields["adopted"] or bool(self.word) or self.is_retained or BROKER in self.heard

    @property
    def counts(self) -> bool:
        """Whether STOP ALL waits for its answer: not if it has shut down in order, or was off all the time."""
        was_off = self.heard_at is None and self.word == OFFLINE
        return self.is_ours and not was_off and not (self.has_ended and not self.heard)

    def paths(self, now: float) -> list[str]:
        """Return the ways that are live."""
        patience_s = HEARTBEATS * (MOVING_S if self.fields["moving"] else RESTING_S)
        return [way for way, at in self.heard.items() if now - at <= patience_s]

    def presence(self, now: float, paths: list[str]) -> tuple[str, int | None]:
        """Return the word for the presence, and the silence in whole s, None where it is not known."""
        if paths:
            return "live", None
        silent_s = int(now - (self.since if self.heard_at is None else self.heard_at))
        if self.word in (LOST, OFFLINE):
            word = "lost" if self.word == LOST else "off"
            return word, silent_s if self.heard_at is not None else None
        if self.has_ended:
            return "off", silent_s
        if self.heard_at is None and self.is_retained:
            return "last", None
        problem, is_unknown = self.fields["problem"], self.fields["version"] is None
        if (
            self.is_named
            and is_unknown
            and not self.fields["adopted"]
            and problem
            and problem["code"] == "no_answer"
        ):
            return "apart", silent_s
        return ("silent", silent_s) if self.is_ours or problem else ("new", None)


class Cards:
    """The cards, by the id of the car; a car whose id is not known yet has its address for an id."""

    def __init__(self) -> None:
        self._cards: dict[str, Card] = {}

    def __contains__(self, car: str) -> bool:
        return car in self._cards

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def card(self, car: str) -> Card | None:
        """Return the card of a car."""
        return self._cards.get(car)

    def ours(self) -> list[str]:
        """Return the cars whose answer counts."""
        return [car for car, card in self._cards.items() if card.counts]

    def fields(self, _now: float) -> list[dict[str, Any]]:
        """Return the members of each card, as of the newest change or `sweep`."""
        return [card.fields for card in self._cards.values()]

    def sweep(self, now: float) -> bool:
        """Judge each card by the time. Returns whether one has changed."""
        changed = False
        for car in self._cards:
            changed |= self.put(car, now)
        return changed

    def put(self, car: str, now: float, **members: Any) -> bool:
        """Set members of a card, of a new one if it is not there. Returns whether anything has changed."""
        card = self._cards.get(car)
        if card is None:
            card = self._cards[car] = Card(car, now)
        before = fields = card.fields
        for name, value in members.items():
            if value != before[name] and (good := _checked(name, value)) != before[name]:
                fields = before.copy() if fields is before else fields
                fields[name] = good
        card.fields = fields
        paths = card.paths(now)
        presence, silent_s = card.presence(now, paths)
        if presence != fields["presence"] or silent_s != fields["silent_s"] or paths != fields["paths"]:
            card.fields = fields | {"presence": presence, "silent_s": silent_s, "paths": paths}
        return card.fields is not before

    def take(
        self, car: str, way: str, fields: Mapping[str, Any], now: float, link_ms: int | None = None
    ) -> bool:
        """Take a live state that a way has brought; `fields` has names as in a state topic. Returns whether anything has changed."""
        card = self._heard(car, way, now)
        if way == BROKER and now - card.heard.get(DIRECT, -math.inf) < NEWER_S:
            return self.put(car, now)
        return self.put(car, now, **{name: fields.get(name) for name in STATE}, link_ms=link_ms)

    def keep(self, car: str, fields: Mapping[str, Any], now: float) -> bool:
        """Take an old state, which a broker has retained. Returns whether anything has changed."""
        self.put(car, now)
        card = self._cards[car]
        card.is_retained = True
        if card.heard_at is not None:
            return False
        return self.put(car, now, **{name: fields.get(name) for name in STATE})

    def end(self, car: str, way: str, now: float, *, in_order: bool = False) -> bool:
        """Note that a way has ended, in order if the car has said so. Returns whether anything has changed."""
        card = self._cards.get(car)
        if card is None:
            return False
        card.heard.pop(way, None)
        card.has_ended = in_order
        return self.put(car, now)

    def say(self, car: str, word: str, now: float) -> bool:
        """Take the car's presence at the broker: online, offline or lost. Returns whether anything has changed."""
        self.put(car, now)
        card = self._cards[car]
        card.word = word
        if word != ONLINE:
            card.heard.pop(BROKER, None)
        return self.put(car, now)

    def name(self, car: str, now: float, *, named: bool) -> bool:
        """Note whether mDNS names the car. Returns whether anything has changed."""
        self.put(car, now)
        self._cards[car].is_named = named
        return self.put(car, now)

    def drop(self, car: str) -> None:
        """Remove a card."""
        self._cards.pop(car, None)

    def _heard(self, car: str, way: str, now: float) -> Card:
        if car not in self._cards:
            self._cards[car] = Card(car, now)
        card = self._cards[car]
        card.heard[way] = card.heard_at = now
        card.has_ended = False
        return card


def _checked(name: str, value: Any) -> Any:
    """Return a value that every browser can show; None for one of another form."""
    if name == "problem":
        return value and {word: cut(text, PROBLEM_CHARACTERS) for word, text in value.items()}
    if name in _FLAGS:
        return value if type(value) is bool else None
    if name in _NUMBERS:
        is_good = type(value) in (int, float) and abs(value) < _MOST_NUMBER  # which NaN is not
        return value if is_good else None
    if not isinstance(value, str) or (name in _FORMS and not _FORMS[name].fullmatch(value)):
        return None
    return cut(value, CHARACTERS)
