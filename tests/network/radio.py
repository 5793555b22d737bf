"""A radio in memory: known networks, the car's hotspot, and actions that fail as a test wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from picar.config import HotspotConfig
from picar.network.hotspot import OWN, Action, Facts, Outcome, Plan, Watcher

STEP_S = 3.0


@dataclass
class Radio:
    """The car's radio and its surroundings.

    Args:
        here: the networks in sight that can be joined, by profile.
        fails: whether an action fails.
    """

    here: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)  # in sight, but they cannot be joined
    fails: Callable[[Action], bool] = lambda _action: False
    active: str = ""
    wired: bool = False
    stations: int = 0
    driving: bool = False
    dead: bool = False  # the supplicant under the hotspot
    profiles: set[str] = field(default_factory=lambda: {OWN, "home", "work"})
    kept: set[str] = field(default_factory=set)

    def facts(self) -> Facts:
        """Return the facts."""
        own = self.active == OWN
        return Facts(
            self.active,
            self.active,
            "10.42.0.1",
            self.wired,
            is_ap=own and not self.dead,
            stations=self.stations if own and not self.dead else 0,
            driving=self.driving,
        )

    def do(self, action: Action) -> Outcome:
        """Carry out an action."""
        if self.fails(action):
            return Outcome(code="other", text="it failed")
        if action.kind == "scan":
            return Outcome(tuple(sorted((self.here | self.wrong) & self.profiles)))
        if action.kind == "add":
            if action.ssid not in self.here | self.wrong:
                return Outcome(code="not_seen", text="not in sight")
            self.profiles.add(f"new {action.ssid}")
            return Outcome((f"new {action.ssid}",))
        if action.kind == "up":
            return self._up(action.profile)
        if action.kind == "delete":
            self.profiles.remove(action.profile)
        if action.kind == "keep":
            self.kept.add(action.profile)
        if action.kind == "down" or action == Action("delete", self.active):
            self.active, self.stations = "", 0
        return Outcome()

    def _up(self, profile: str) -> Outcome:
        self.stations, self.dead = 0, False
        if profile == OWN or profile.removeprefix("new ") in self.here:
            self.active = profile
            return Outcome()
        self.active = ""
        return Outcome(code="wrong_password", text="a wrong password")


class Rig:
    """The watcher with that radio, and a clock that a test turns."""

    def __init__(self, radio: Radio | None = None, **options: object) -> None:
        self.radio = radio or Radio()
        self.now = 1000.0
        self.watcher = Watcher(HotspotConfig(**({"when": "fallback"} | options)), self.now)  # type: ignore[arg-type]
        self.done: list[tuple[float, Action, Facts]] = []

    def run(self, for_s: float, until: Callable[[], bool] = lambda: False) -> float:
        """Let time pass. Return how much it was."""
        began = self.now
        while self.now < began + for_s and not until():
            self.step()
            self.now += STEP_S
        return self.now - began

    def step(self) -> None:
        """Let the watcher act, until it waits."""
        outcome = None
        for _ in range(50):
            facts = self.radio.facts()
            action = self.watcher.step(facts, self.now, outcome)
            if action is None:
                return
            self.done.append((self.now, action, facts))
            outcome = self.radio.do(action)
            self.now += 1.0
        raise AssertionError("the watcher never waits")

    def ask(self, plan: Plan, driving: bool = False) -> str:
        """Request `on`, `off` or `join` of the watcher. Return the refusal."""
        return self.watcher.request(plan, self.now, driving)

    @property
    def mode(self) -> str:
        """The mode of the radio."""
        return self.radio.facts().mode

    def kinds(self) -> list[str]:
        """Return the actions so far, in words."""
        return [f"{action.kind} {action.profile or action.ssid}".strip() for _, action, _ in self.done]
