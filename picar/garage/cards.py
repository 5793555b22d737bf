"""The cards of a garage: what is known about each car, by its id. Pure: times are arguments, in monotonic s.

Laws:
- A card is live only by a message that was sent just now: a retained one, or a stamp in a message, does not count.
- The fields of a card are never changed in place: an unchanged card keeps its object, so that a reader compares by `is`.
- While the direct way is live, its values count; those of the broker fill the gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

DIRECT, BROKER = "direct", "broker"
HEARTBEATS, MOVING_S, RESTING_S = 2.5, 1.0, 10.0
IDENTITY = ("name", "colour", "number", "version", "url")
STATE = (
    "state", "reason", "driver", "moving", "speed_limit", "speed_cap", "lesson",
    "battery_percent", "battery_v", "wifi_dbm", "under_voltage",
)  # fmt: skip
_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("id", *IDENTITY)),
    "adopted": False,
    "paths": [],
    "presence": "new",
    "silent_s": None,
    **dict.fromkeys((*STATE, "link_ms", "problem")),
}


class Card:
    """One car. `fields` are the members that a browser gets; `heard` is when each way brought its newest live message."""

    __slots__ = ("ended", "fields", "heard", "heard_at", "is_named", "retained", "since", "word")

    def __init__(self, car: str, now: float) -> None:
        self.fields: dict[str, Any] = {**_EMPTY, "id": car}
        self.since = now
        self.heard: dict[str, float] = {}  # by way; an ended way is removed
        self.heard_at: float | None = None  # by any way
        self.is_named = False  # by mDNS
        self.retained = False  # whether the broker had an old state of it
        self.word = ""  # the car's presence at the broker
        self.ended = False  # whether the car has closed the direct way, in order

    @property
    def is_ours(self) -> bool:
        """Whether the garage can reach the car: it is adopted, or a broker has it."""
        return self.fields["adopted"] or bool(self.word) or BROKER in self.heard

    def paths(self, now: float) -> list[str]:
        """Return the ways that are live."""
        patience_s = HEARTBEATS * (MOVING_S if self.fields["moving"] else RESTING_S)
        return [way for way, at in self.heard.items() if now - at <= patience_s]

    def presence(self, now: float, paths: list[str]) -> tuple[str, int | None]:
        """Return the word for the presence, and the silence in whole s, None where it is not known."""
        if paths:
            return "live", None
        silent_s = int(now - (self.since if self.heard_at is None else self.heard_at))
        if self.word in ("lost", "offline"):
            return "lost" if self.word == "lost" else "off", silent_s if self.heard_at is not None else None
        if self.ended:
            return "off", silent_s
        problem = self.fields["problem"]
        if self.is_named and self.heard_at is None and problem and problem["code"] == "no_answer":
            return "apart", silent_s
        if not self.is_ours:
            return ("silent", silent_s) if problem else ("new", None)
        if self.retained and self.heard_at is None:
            return "last", None
        return "silent", silent_s


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
        """Return the cars that the garage can reach, but for those that have ended in order."""
        return [
            car for car, card in self._cards.items() if card.is_ours and not (card.ended and not card.heard)
        ]

    def fields(self, now: float) -> list[dict[str, Any]]:
        """Return the members of each card."""
        self.sweep(now)
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
        before = card.fields
        if members and any(before[name] != value for name, value in members.items()):
            card.fields = before | members
        paths = card.paths(now)
        presence, silent_s = card.presence(now, paths)
        now_is = card.fields
        if (now_is["presence"], now_is["silent_s"], now_is["paths"]) != (presence, silent_s, paths):
            card.fields = now_is | {"presence": presence, "silent_s": silent_s, "paths": paths}
        return card.fields is not before

    def take(
        self, car: str, way: str, fields: Mapping[str, Any], now: float, link_ms: int | None = None
    ) -> bool:
        """Take a live state that a way has brought; `fields` has names as in a state topic. Returns whether anything has changed."""
        card = self._heard(car, way, now)
        if way == BROKER and DIRECT in card.paths(now):
            return self.put(car, now)
        return self.put(car, now, **{name: fields.get(name) for name in STATE}, link_ms=link_ms)

    def keep(self, car: str, fields: Mapping[str, Any], now: float) -> bool:
        """Take an old state, which a broker has retained. Returns whether anything has changed."""
        self.put(car, now)
        card = self._cards[car]
        card.retained = True
        if card.heard_at is not None:
            return False
        return self.put(car, now, **{name: fields.get(name) for name in STATE})

    def end(self, car: str, way: str, now: float, *, in_order: bool = False) -> bool:
        """Note that a way has ended, in order if the car has said so. Returns whether anything has changed."""
        card = self._cards.get(car)
        if card is None:
            return False
        card.heard.pop(way, None)
        card.ended = in_order
        return self.put(car, now)

    def say(self, car: str, word: str, now: float) -> bool:
        """Take the car's presence at the broker: online, offline or lost. Returns whether anything has changed."""
        self.put(car, now)
        card = self._cards[car]
        card.word = word
        if word != "online":
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
        card.ended = False
        return card
