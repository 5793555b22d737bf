"""The watcher of the car's own WiFi as a pure state machine: facts in, actions out, time is an argument.

`networkmanager.py` reads the facts and carries out the actions; `watch.py` connects both with the requests.

Laws:
- It changes and deletes no profile but its own: the hotspot, and a profile that it made for a request to join.
- By itself it never leaves a hotspot on which a station is associated, and never on its own or on request while a client
  drives. Only the end of a rehearsal and the requests `off` and `join` disregard stations.
- Whatever fails, the hotspot is up at the end.
- A cable counts as a network (no fallback), but the hotspot may be up beside it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import field
from typing import Any, Literal, NamedTuple

from picar.config import HotspotConfig
from picar.network import wifi
from picar.values import Value

OWN = "picar-hotspot"  # the name of the hotspot's profile
ANNOUNCED_S = 5.0  # from a request until the network goes
FIRST_S = 180.0  # of a hotspot without a look: with less, a look ended it under a phone that was joining
REHEARSAL_S = 120.0
LOOK_MOST_S = 900.0
UP_S, TRY_S, JOIN_S = 40.0, 30.0, 60.0
CHECK_S = 60.0  # wpa_supplicant was seen to die silently under a hotspot
AGAIN_S = 10.0  # between two attempts to raise a hotspot

Mode = Literal["wifi", "hotspot", "cable", "none"]
Code = Literal["wrong_password", "not_seen", "no_address", "other"]
Refusal = Literal["", "busy", "driving"]


class Facts(NamedTuple):
    """The network at one moment. `active` is the radio's connected profile: `OWN`, the UUID of another one, or empty."""

    active: str = ""
    ssid: str = ""
    address: str = ""
    wired: bool = False
    is_ap: bool = False
    stations: int = 0  # associated, or about to be
    driving: bool = False

    @property
    def mode(self) -> Mode:
        """The network of the car; WiFi counts before a cable."""
        if self.active:
            return "hotspot" if self.active == OWN else "wifi"
        return "cable" if self.wired else "none"


class Action(Value):
    """An action on the radio: `up`, `down`, `keep` or `delete` a profile, `add` one, `scan` for known networks."""

    kind: Literal["up", "down", "keep", "delete", "add", "scan"]
    profile: str = ""
    timeout_s: float = 10.0
    ssid: str = ""
    password: str = field(default="", repr=False)


class Outcome(NamedTuple):
    """The outcome of an action. `found`: of `scan` the known profiles in sight, best first; of `add` the new profile."""

    found: tuple[str, ...] = ()
    code: Code | None = None  # None after a success
    text: str = ""


Plan = Generator[Action, Outcome, None]


class Watcher:
    """Decides. Call `step` every few seconds, and at once with the outcome of an action."""

    def __init__(self, config: HotspotConfig, now: float) -> None:
        self._config, self._facts = config, Facts()
        self._now = self._since = self._lone_since = self._up_at = self._check_at = now
        self._plan: Plan | None = None
        self._request: tuple[float, Plan] | None = None
        self._pause_s = config.look_s
        self._seen_at = self._again_at = float("-inf")
        self._held_until, self._ends_at = 0.0, float("inf")
        self._owes = False  # a network was given up for an attempt
        self._is_let_go = False  # a request ended a hotspot that is otherwise always up
        self.last: dict[str, str] | None = None  # the last join, unless it succeeded
        self.lost = self.restarts = 0

    def step(self, facts: Facts, now: float, outcome: Outcome | None = None) -> Action | None:
        """Return the next action, or None to wait; `outcome` is that of the last action."""
        self._note(facts, now)
        if self._plan is None:
            self._plan, outcome = self._choose(), None
        try:
            return self._plan.send(outcome) if self._plan else None  # type: ignore[arg-type] # None starts it
        except StopIteration:
            self._plan = None
            return None

    def request(self, plan: Plan, now: float, driving: bool = False) -> Refusal:
        """Announce `on`, `off` or `join`; a plan that must not disturb a driver is given `driving`."""
        if self._plan or self._request:
            return "busy"
        if driving:
            return "driving"
        self._request = now + ANNOUNCED_S, plan
        return ""

    @property
    def is_watching(self) -> bool:
        """Whether `Facts.driving` counts now."""
        return self._facts.mode == "hotspot" or self._request is not None

    def status(self) -> dict[str, Any]:
        """Return the facts for people and programs."""
        facts, look_at = self._facts, self._look_at()
        looks = facts.mode == "hotspot" and look_at < float("inf")
        left_s = max(0, round(look_at - self._now)) if looks else None
        shown = {name: getattr(facts, name) for name in ("mode", "ssid", "address", "stations")}
        shown |= {"since_s": round(self._now - self._since), "next_look_s": left_s, "last": self.last}
        return shown | {"lost": self.lost, "restarts": self.restarts}

    def _note(self, facts: Facts, now: float) -> None:
        before, self._facts, self._now = self._facts.mode, facts, now
        if facts.mode != before:
            self._since = now
            self.lost += before == "wifi" and self._plan is None
            if facts.mode == "hotspot":
                self._up_at, self._seen_at, self._check_at = now, float("-inf"), now + CHECK_S
            elif before == "hotspot":
                self._held_until, self._ends_at = 0.0, float("inf")
        if facts.mode != "none":
            self._lone_since = now
        if facts.stations:
            self._seen_at, self._pause_s = now, self._config.look_s

    def _choose(self) -> Plan | None:
        facts, now, when = self._facts, self._now, self._config.when
        if self._request and now >= self._request[0]:
            (_, plan), self._request = self._request, None
            return plan
        self._owes &= facts.mode == "none"
        if facts.mode == "hotspot":
            return self._in_hotspot()
        self._is_let_go &= facts.mode != "none"
        if when == "always" and not self._is_let_go:
            return self._raise() if now >= self._again_at else None
        wait_s = AGAIN_S if self._owes else self._config.fallback_s
        lone = facts.mode == "none" and now - self._lone_since >= wait_s
        return self._find() if lone and (self._owes or when == "fallback") else None

    def _in_hotspot(self) -> Plan | None:
        facts, now = self._facts, self._now
        if now >= self._check_at:
            self._check_at = now + CHECK_S
            if not facts.is_ap:
                self.restarts += 1
                return self._down(self._raise())
        alone = not facts.stations or now >= self._ends_at
        return self._look() if alone and not facts.driving and now >= self._look_at() else None

    def _look_at(self) -> float:
        """Return the time of the next look for other WiFi; `on` holds the hotspot only once a station has come."""
        if self._config.when == "always" or self._ends_at < float("inf"):
            return self._ends_at
        if self._seen_at < self._up_at:
            return self._up_at + max(FIRST_S, self._pause_s)
        return max(self._up_at + FIRST_S, self._seen_at + self._config.empty_s, self._held_until)

    def _down(self, then: Plan) -> Plan:
        yield Action("down", OWN)
        yield from then

    def _look(self) -> Plan:
        self._pause_s = min(LOOK_MOST_S, max(self._config.look_s, 2 * self._pause_s))
        return self._down(self._find())

    def _find(self) -> Plan:
        """Join a known network in sight; without success, raise the hotspot."""
        self._owes = True
        for profile in (yield Action("scan", timeout_s=TRY_S)).found:
            if not self._facts.active:  # else NetworkManager was faster, or the hotspot is still up
                yield Action("up", profile, TRY_S)
        if self._facts.mode == "wifi":
            self._pause_s = self._config.look_s
        else:
            yield from self._raise()

    def _raise(self) -> Plan:
        self._owes = True
        if self._facts.mode != "hotspot":
            yield Action("up", OWN, UP_S)
        self._lone_since, self._again_at = self._now, self._now + AGAIN_S

    def on(self, for_s: float = 0.0, rehearsal: bool = False) -> Plan:
        """Raise the hotspot; a rehearsal ends after `REHEARSAL_S`, also under a station."""
        new = self._facts.mode != "hotspot"
        if new:
            self._pause_s = 0.0  # back after `FIRST_S` if no phone comes
            yield from self._raise()
        self._held_until = self._now + for_s
        if rehearsal and new:
            self._ends_at = self._now + REHEARSAL_S

    def off(self) -> Plan:
        """End the hotspot, if a known network can be joined."""
        if self._facts.driving:
            return
        self._is_let_go = True
        if self._facts.mode == "hotspot":
            yield from self._look()

    def join(self, ssid: str, password: str) -> Plan:
        """Join another network, tried for `JOIN_S`; without success, return to the network of before."""
        before, self.last = self._facts.active, None
        if self._facts.driving:
            self.last = {"ssid": ssid, "code": "other", "text": wifi.DRIVEN}
            return
        self._owes = self._is_let_go = True
        if before == OWN:
            yield Action("down", OWN)
        tried = yield Action("add", ssid=ssid, password=password, timeout_s=TRY_S)
        for profile in tried.found:
            tried = yield Action("up", profile, JOIN_S, ssid, password)
            if self._facts.active == profile:
                yield Action("keep", profile)
                return
            yield Action("delete", profile)
        self.last = {"ssid": ssid, "code": tried.code or "other", "text": tried.text}
        if before not in ("", OWN):
            yield Action("up", before, TRY_S)
        if self._facts.mode != "wifi":
            yield from self._raise()
