"""The protocol's other direction: hello, states and errors, as the car writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from picar.core import protocol
from picar.core.arbiter import Turn
from picar.core.drive import Refusal
from picar.core.protocol import CarState, Hello
from picar.core.shaping import Sticks

MANUAL = Path(__file__).parents[2] / "docs" / "protocol.md"


def test_the_codes_are_those_of_the_manual_each_with_a_sentence() -> None:
    _, _, table = MANUAL.read_text(encoding="utf-8").partition("| Code | Cause |")
    codes = set(re.findall(r"^\| `(\w+)` \|", table.partition("\n\n")[0], re.MULTILINE))
    assert {str(code) for code in protocol.MESSAGES} == codes
    assert {str(refusal) for refusal in Refusal} <= codes
    for code in codes - {"bad_message", "unknown_type", "bad_value"}:
        error = json.loads(protocol.error(code))
        assert error.keys() == {"type", "code", "message"}
        assert (error["type"], error["code"]) == ("error", code)
        assert error["message"].endswith(".")


def test_a_hello_is_written_as_agreed() -> None:
    car = {"name": "picar", "backend": "sim", "version": "0"}
    hello = json.loads(protocol.hello(Hello("c1", car, 0.5, 0.05, {"max_speed": 1.0})))
    assert hello == {
        "type": "hello",
        "protocol": 1,
        "client": "c1",
        "car": car,
        "command_timeout_s": 0.5,
        "tick_s": 0.05,
        "limits": {"max_speed": 1.0},
    }


def car_state(**changes: Any) -> CarState:
    """A state message's content, with some of it changed."""
    content: dict[str, Any] = {
        "tick": 413,
        "state": "armed",
        "driver": "c1",
        "wanted": Sticks(0.5, -0.2),
        "speeds": ("left", "right"),
        "applied": (0.41, 0.55),
        "target": (0.6, 0.75),
        "speed_limit": 0.6,
        "speed_cap": 0.8,
        "age_s": 0.021,
        "link_cap": 1.0,
        "stale": 0,
        "reason": None,
        "turn": Turn(120, 43.14),
        "requests": ["c2"],
        "requests_total": 1,
        "names": {"c1": "iPhone"},
        "clients": 2,
        "pose": None,
        "host": {},
    }
    return CarState(**(content | changes))


def test_a_state_is_written_as_agreed() -> None:
    assert json.loads(protocol.state(car_state(pose=(1.0, 2.0, 3.0)), "driver")) == {
        "type": "state",
        "tick": 413,
        "state": "armed",
        "driver": "c1",
        "you": "driver",
        "wanted": {"throttle": 0.5, "steering": -0.2},
        "applied": {"left": 0.41, "right": 0.55},
        "target": {"left": 0.6, "right": 0.75},
        "speed_limit": 0.6,
        "speed_cap": 0.8,
        "link": {"age_s": 0.021, "stale": 0, "cap": 1.0},
        "reason": None,
        "turn": {"for_s": 120, "left_s": 43.2},
        "requests": ["c2"],
        "requests_total": 1,
        "waiting": False,
        "names": {"c1": "iPhone"},
        "clients": 2,
        "host": {},
        "lesson": None,
        "obstacle": None,
        "recording": None,
        "pose": {"x": 1.0, "y": 2.0, "heading": 3.0},
    }


def test_one_who_asks_for_the_wheel_is_told_so() -> None:
    assert json.loads(protocol.state(car_state(), "spectator", waiting=True))["waiting"] is True


def test_a_state_is_rounded_to_what_a_page_can_show() -> None:
    third, two = 1 / 3, 2 / 3
    state = json.loads(
        protocol.state(
            car_state(wanted=Sticks(third, -two), applied=(two, -third), target=(two, -two), age_s=third),
            "driver",
        )
    )
    assert state["wanted"] == {"throttle": 0.333, "steering": -0.667}
    assert state["applied"] == {"left": 0.667, "right": -0.333}
    assert state["target"] == {"left": 0.667, "right": -0.667}
    assert state["link"]["age_s"] == 0.333


def test_only_a_turn_that_is_over_has_no_time_left() -> None:
    left = [
        json.loads(protocol.state(car_state(turn=Turn(60, left_s)), "driver"))["turn"]["left_s"]
        for left_s in (60.0, 0.01, 0.0)
    ]
    assert left == [60.0, 0.1, 0.0]


def test_a_car_without_turns_says_so() -> None:
    assert json.loads(protocol.state(car_state(turn=None), "driver"))["turn"] is None


def test_what_a_state_does_not_know_is_null_and_only_a_simulated_car_has_a_pose() -> None:
    state = json.loads(protocol.state(car_state(driver=None, age_s=None), "spectator"))
    assert state["driver"] is None
    assert state["link"]["age_s"] is None
    assert "pose" not in state


def test_only_a_car_with_a_meter_has_a_battery() -> None:
    battery = {"level": "ok", "plausible": True, "at_rest": True, "off_in_s": None, "may_stay": True}
    assert json.loads(protocol.state(car_state(battery=battery), "driver"))["battery"] == battery
    assert "battery" not in json.loads(protocol.state(car_state(), "driver"))
