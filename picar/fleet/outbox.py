"""The outbox of the bridge: its messages, their order and their rate. Pure: every call has the time in s, monotonic.

Laws:
- A state goes out at once after a change of state, reason, driver, stop or lesson, at most 5 a second; else every second
  while the car moves, and every 10 s at rest. It goes out only when the car has sent one: a car that hangs has no heartbeat.
- Events: at most one a second, bursts of 5.
- Memory is bounded: one state, 20 events, 20 results. The oldest is dropped.
- A message that has waited longer than its expiry is dropped.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from picar.fleet.topics import Command, Message, Topics, events_between

LEAST_S = 0.2  # between two states
MOVING_S, RESTING_S = 1.0, 10.0
EARLY = 0.8  # of a period: the car's own clock ticks the heartbeat, and its messages are sometimes early
BURST = 5
# The most messages that wait, by lane; the first lane first.
WAITING = {"online": 1, "discovery": 1, "info": 1, "state": 1, "result": 20, "event": 20}
REMEMBERED_S, REMEMBERED = 60.0, 256  # ids of commands
_PROMPT = ("state", "reason", "driver", "lesson", "lesson_seq", "speed_cap", "stop_id")


class Outbox:
    """The messages of one car that wait for the broker.

    Args:
        topics: the car's.
        boot: random name of the server's start.
        seq: the first number of states and events; rising over restarts of this process.
    """

    def __init__(self, topics: Topics, boot: str, seq: int) -> None:
        self.topics, self.boot = topics, boot
        self._state_seq = self._event_seq = seq
        self._lanes: dict[str, deque[tuple[float, Message]]] = {
            lane: deque(maxlen=most) for lane, most in WAITING.items()
        }
        self._newest: dict[str, Any] = {}  # the car's newest state
        self._sent: dict[str, Any] = {}  # the newest state that was sent
        self._is_due = False
        self._sent_at = -math.inf
        self._tokens, self._tokens_at = float(BURST), -math.inf

    def put(self, lane: str, message: Message, now: float) -> None:
        """Add a message."""
        self._lanes[lane].append((now, message))

    def offer(self, fields: dict[str, Any], now: float) -> None:
        """Take the car's newest state, of `state_fields`, and the events that it brings."""
        if self._newest:
            for kind, text in events_between(self._newest, fields):
                self.event(kind, text, now)
        self._newest = fields
        prompt = any(fields[name] != self._sent.get(name) for name in _PROMPT)
        self._is_due = self._is_due or prompt or now >= self._sent_at + EARLY * self._period_s()

    def event(self, kind: str, text: str, now: float) -> None:
        """Add an event."""
        self._event_seq += 1
        self.put("event", self.topics.event(self.boot, self._event_seq, kind, text), now)

    def renew(self, boot: str) -> None:
        """Begin with a new start of the server."""
        self.boot, self._newest, self._sent, self._is_due = boot, {}, {}, False

    def repeat_state(self) -> None:
        """Send the newest state again, to a broker that may not have it."""
        self._is_due = bool(self._newest)
        self._sent_at = -math.inf

    def forget_state(self) -> None:
        """Send no state until the car sends the next one: it is away."""
        self._is_due = False

    def next(self, now: float) -> tuple[str, Message] | None:
        """Return the lane and the message to send now, or None."""
        if self._is_due and now >= self._sent_at + LEAST_S:
            self._state_seq += 1
            self._is_due, self._sent, self._sent_at = False, self._newest, now
            self.put("state", self.topics.state(self.boot, self._state_seq, self._newest), now)
        for lane, waiting in self._lanes.items():
            while waiting and (lane != "event" or self._may_report(now)):
                since, message = waiting.popleft()
                if message.expiry_s is not None and now - since > message.expiry_s:
                    continue
                if lane == "event":
                    self._tokens -= 1.0
                return lane, message
        return None

    def give_back(self, lane: str, message: Message, now: float) -> None:
        """Take back a message that did not reach the broker, unless its lane is full."""
        waiting = self._lanes[lane]
        if lane != "state" and len(waiting) < WAITING[lane]:
            waiting.appendleft((now, message))

    def due_s(self, now: float) -> float:
        """Return the time in s until `next` may have a message: infinity if no message waits."""
        due = self._sent_at + LEAST_S if self._is_due else math.inf
        if self._lanes["event"]:
            due = min(due, self._tokens_at + 1.0 - self._tokens)
        return max(0.0, due - now)

    def _period_s(self) -> float:
        return MOVING_S if self._newest["moving"] or self._sent.get("moving") else RESTING_S

    def _may_report(self, now: float) -> bool:
        self._tokens = min(float(BURST), self._tokens + now - self._tokens_at)
        self._tokens_at = now
        return self._tokens >= 1.0


class Answers:
    """The commands of the last minute: a repeated id is answered again, and not carried out again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, Message | None]] = {}

    def begin(self, command: Command, now: float) -> tuple[bool, Message | None]:
        """Return whether this command is new, and the answer to a known command: None while the command is carried out."""
        if command.id is None:
            return True, None
        self._known = {key: one for key, one in self._known.items() if now - one[0] < REMEMBERED_S}
        key = (command.verb, command.id)
        if key in self._known:
            return False, self._known[key][1]
        while len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = (now, None)
        return True, None

    def end(self, command: Command, answer: Message | None, now: float) -> None:
        """Remember the answer to a command. None: the command failed, and its id may be used again."""
        if command.id is None:
            return
        self._known.pop((command.verb, command.id), None)
        if answer:
            self._known[command.verb, command.id] = (now, answer)


def pause_s(tries: int, longest_s: float, chance: float) -> float:
    """Return the pause before the next try: 1 s, doubled with each, at most `longest_s`, and ± 50 % by `chance` in [0, 1]."""
    return min(longest_s, 2.0 ** min(tries, 10)) * (0.5 + chance)


def first_seq(monotonic_s: float) -> int:
    """Return a number from which to count: a later start of this process counts on from a higher one, at 6 messages a second."""
    return int(monotonic_s * 10)


def lesson_seq(lesson: Mapping[str, Any]) -> int | None:
    """Return the seq of the lesson for all cars, in the body of `GET /api/v1/lesson`, or None."""
    found = (lesson.get("all") or {}).get("seq")
    return found if isinstance(found, int) else None
