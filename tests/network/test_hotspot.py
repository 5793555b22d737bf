"""The watcher of the car's own WiFi: its laws, each as a case and all of them under any sequence of events."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picar.network.hotspot import (
    ANNOUNCED_S,
    CHECK_S,
    FIRST_S,
    JOIN_S,
    OWN,
    REHEARSAL_S,
    Action,
    Facts,
)
from picar.network.wifi import DRIVEN
from tests.network.radio import STEP_S, Radio, Rig

UP = f"up {OWN}"
DOWN = f"down {OWN}"


def test_without_a_network_the_hotspot_comes_after_the_wait_and_one_scan() -> None:
    rig = Rig()
    took = rig.run(200, lambda: rig.mode == "hotspot")
    assert 45 <= took < 45 + 30
    assert rig.kinds() == ["scan", UP]


def test_a_known_network_in_sight_is_tried_first() -> None:
    rig = Rig(Radio(here={"home"}, wrong={"work"}))
    rig.run(100)
    assert rig.kinds() == ["scan", "up home"]
    rig = Rig(Radio(wrong={"home", "work"}))
    rig.run(100)
    assert rig.kinds() == ["scan", "up home", "up work", UP]
    assert rig.mode == "hotspot"


def test_a_wifi_that_returns_within_the_wait_is_no_reason() -> None:
    rig = Rig(Radio(active="home"))
    for _ in range(10):
        rig.radio.active = "home"
        rig.run(30)
        rig.radio.active = ""
        rig.run(42)
    assert rig.kinds() == []
    assert rig.watcher.status()["lost"] == 10


def test_a_cable_is_a_network_and_the_hotspot_may_be_beside_it() -> None:
    rig = Rig(Radio(wired=True))
    rig.run(1000)
    assert rig.kinds() == []
    assert rig.ask(rig.watcher.on()) == ""
    rig.run(60)
    assert (rig.mode, rig.radio.wired) == ("hotspot", True)


def test_without_when_nothing_is_switched_unless_requested() -> None:
    rig = Rig(when="never")
    rig.run(5000)
    assert rig.kinds() == []
    rig.ask(rig.watcher.on())
    rig.run(30)
    assert rig.mode == "hotspot"


def test_always_is_up_at_once_and_never_looks() -> None:
    rig = Rig(Radio(here={"home"}, active="home"), when="always")
    rig.run(10000)
    assert rig.kinds() == [UP]
    assert rig.watcher.status()["next_look_s"] is None
    rig.ask(rig.watcher.off())
    rig.run(1000)
    assert rig.mode == "wifi"  # until it is lost
    rig.radio.active, rig.radio.here = "", set()
    assert rig.run(100, lambda: rig.mode == "hotspot") < 15


def test_looks_double_their_pause_and_end_at_the_wifi() -> None:
    rig = Rig()
    rig.run(5000)
    looks = [now for now, action, _ in rig.done if action.kind == "down"]
    pauses = [round(b - a) for a, b in itertools.pairwise(looks)]
    assert pauses == sorted(pauses)
    assert 235 <= pauses[0] <= 260  # the first look itself comes after FIRST_S
    assert all(890 <= pause <= 915 for pause in pauses[2:])
    rig.radio.here = {"work"}
    rig.run(1000)
    assert rig.radio.active == "work"


def test_the_first_look_waits_three_minutes_also_after_a_short_pause() -> None:
    rig = Rig(look_s=10.0, empty_s=5.0)
    rig.run(200, lambda: rig.mode == "hotspot")
    assert FIRST_S <= rig.run(1000, lambda: rig.mode != "hotspot" or DOWN in rig.kinds()) < FIRST_S + 20


def test_it_stays_under_a_station_and_leaves_a_minute_after_the_last() -> None:
    rig = Rig()
    rig.run(100)
    rig.radio.here, rig.radio.stations = {"home"}, 1
    rig.run(5000)
    assert rig.mode == "hotspot"
    assert DOWN not in rig.kinds()
    rig.radio.stations = 0
    assert 60 <= rig.run(300, lambda: rig.mode == "wifi") < 75


def test_a_driver_on_the_cable_keeps_it_too() -> None:
    rig = Rig(Radio(driving=True, here={"home"}, wired=False, wrong=set()))
    rig.radio.active = OWN
    rig.run(5000)
    assert rig.kinds() == []
    rig.radio.driving = False
    rig.run(300, lambda: rig.mode == "wifi")
    assert rig.mode == "wifi"


def test_a_hotspot_without_its_supplicant_is_raised_again_and_counted() -> None:
    rig = Rig()
    rig.run(100)
    rig.radio.dead = True
    assert rig.run(300, lambda: not rig.radio.dead) < CHECK_S + 15
    assert rig.kinds()[-2:] == [DOWN, UP]
    assert rig.watcher.status()["restarts"] == 1


@pytest.mark.parametrize("for_s", [0.0, 1800.0])
def test_on_is_announced_and_goes_back_if_no_phone_comes(for_s: float) -> None:
    rig = Rig(Radio(active="home", here={"home"}))
    rig.run(10)
    assert rig.ask(rig.watcher.on(for_s)) == ""
    assert ANNOUNCED_S <= rig.run(60, lambda: rig.mode == "hotspot") < ANNOUNCED_S + 2 * STEP_S
    assert FIRST_S <= rig.run(600, lambda: rig.mode == "wifi") < FIRST_S + 20


def test_on_for_half_an_hour_holds_it_once_a_phone_has_come() -> None:
    rig = Rig(Radio(active="home", here={"home"}))
    rig.run(10)
    rig.ask(rig.watcher.on(1800.0))
    rig.run(60)
    rig.radio.stations = 1
    rig.run(60)
    rig.radio.stations = 0
    assert 1600 < rig.run(3000, lambda: rig.mode == "wifi") < 1800


def test_a_rehearsal_ends_also_under_a_station_but_not_under_a_driver() -> None:
    rig = Rig(Radio(active="home", here={"home"}))
    rig.run(10)
    rig.ask(rig.watcher.on(rehearsal=True))
    rig.run(60, lambda: rig.mode == "hotspot")
    rig.radio.stations, rig.radio.driving = 1, True
    rig.run(2 * REHEARSAL_S)
    assert rig.mode == "hotspot"
    rig.radio.driving = False
    rig.run(30, lambda: rig.mode == "wifi")
    assert rig.radio.active == "home"


def test_off_goes_to_a_known_network_and_stays_without_one() -> None:
    rig = Rig(Radio(active=OWN, stations=1))
    rig.run(10)
    assert rig.ask(rig.watcher.off(), driving=True) == "driving"
    assert rig.ask(rig.watcher.off()) == ""
    rig.run(60)
    assert rig.kinds() == [DOWN, "scan", UP]
    rig.radio.here = {"home"}
    rig.ask(rig.watcher.off())
    rig.run(60)
    assert rig.radio.active == "home"


def test_a_request_waits_for_no_other_and_no_driver() -> None:
    rig = Rig(Radio(active=OWN))
    rig.run(10)
    assert rig.ask(rig.watcher.join("cafe", "password"), driving=True) == "driving"
    assert rig.ask(rig.watcher.join("cafe", "password")) == ""
    assert rig.ask(rig.watcher.on()) == "busy"
    rig.radio.driving = True  # within the five seconds
    rig.run(60)
    assert rig.kinds() == []
    assert rig.watcher.last == {"ssid": "cafe", "code": "other", "text": DRIVEN}
    assert rig.ask(rig.watcher.off()) == ""
    rig.run(60)
    assert rig.kinds() == []


def test_a_join_keeps_its_profile() -> None:
    rig = Rig(Radio(active=OWN, here={"cafe"}, stations=1))
    rig.run(10)
    rig.ask(rig.watcher.join("cafe", "password"))
    rig.run(60)
    assert rig.kinds() == [DOWN, "add cafe", "up new cafe", "keep new cafe"]
    assert (rig.radio.active, rig.radio.kept, rig.watcher.last) == ("new cafe", {"new cafe"}, None)
    (up,) = [action for _, action, _ in rig.done if action.kind == "up"]
    assert (up.timeout_s, up.password) == (JOIN_S, "password")
    assert "password'" not in repr(up)


@pytest.mark.parametrize(
    ("wrong", "code", "kinds"),
    [
        ({"cafe"}, "wrong_password", ["add cafe", "up new cafe", "delete new cafe"]),
        (set(), "not_seen", ["add cafe"]),
    ],
)
@pytest.mark.parametrize("before", ["", OWN, "home"])
def test_a_join_that_fails_goes_back_and_deletes_its_profile(
    before: str, wrong: set[str], code: str, kinds: list[str]
) -> None:
    rig = Rig(Radio(active=before, here={"home"}, wrong=wrong))
    rig.run(10)
    rig.ask(rig.watcher.join("cafe", "password"))
    rig.run(40)
    back = {"": [UP], OWN: [UP], "home": ["up home"]}
    assert rig.kinds() == [*[DOWN] * (before == OWN), *kinds, *back[before]]
    assert rig.watcher.last is not None
    assert (rig.watcher.last["ssid"], rig.watcher.last["code"]) == ("cafe", code)
    assert rig.radio.profiles == {OWN, "home", "work"}


def test_a_hotspot_that_cannot_be_raised_is_tried_again_also_where_it_was_only_requested() -> None:
    for when in ("never", "fallback", "always"):
        tries: list[Action] = []
        rig = Rig(Radio(active=OWN), when=when)
        rig.run(10)
        rig.ask(rig.watcher.off())
        rig.radio.fails = lambda action, tries=tries: action.profile == OWN and action.kind == "up" and (  # type: ignore[misc]
            tries.append(action) is None and len(tries) < 4
        )  # fmt: skip
        rig.run(300)
        assert rig.mode == "hotspot", when
        assert len(tries) >= 4


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("here", "gone", "wired", "stations", "drives", "dead", "cut", "on", "try", "off", "join", "wait")
        ),
        st.booleans(),
        st.integers(1, 60),
    ),
    max_size=30,
)


def happen(rig: Rig, event: str, flag: bool) -> str:
    """Let something happen. Return the request, if it was accepted."""
    radio, watcher = rig.radio, rig.watcher
    if event in ("wired", "stations"):
        setattr(radio, event, flag)
    elif event == "drives":
        radio.driving = flag
    elif event == "dead":
        radio.dead = flag and radio.active == OWN
    elif event == "here":
        radio.here.add("home" if flag else "cafe")
    elif event == "gone":
        radio.here.clear()
        radio.active = radio.active if radio.active == OWN else ""
    elif event == "cut":
        radio.active = ""
    elif event in ("on", "try"):
        rig.ask(watcher.on(0.0, rehearsal=event == "try"))
        return event
    elif event == "off":
        return event * (not rig.ask(watcher.off(), radio.driving))
    elif event == "join":
        return event * (not rig.ask(watcher.join("cafe", "password"), radio.driving))
    return ""


@settings(max_examples=150)
@given(st.sampled_from(("never", "fallback", "always")), EVENTS, st.data())
def test_the_laws_hold_under_any_sequence_of_events(when: str, events: list[Any], data: Any) -> None:
    radio = Radio(fails=lambda _action: bool(data.draw(st.booleans())))
    rig = Rig(radio, when=when)
    for event, flag, steps in events:
        asked = happen(rig, event, flag)
        began = len(rig.done)
        rig.run(steps * STEP_S)
        for _, action, facts in rig.done[began:]:
            check(action, facts, asked or any(e in ("try", "off", "join") for e, *_ in events))
    rig.radio.driving = False
    radio.fails = lambda _action: False
    if radio.active == OWN:
        radio.dead = False
    rig.run(1200)
    assert radio.profiles - {"new cafe"} == {OWN, "home", "work"}
    if when != "never":
        assert rig.mode != "none"  # the hotspot, or a network


def check(action: Action, facts: Facts, asked: object) -> None:
    """Check the laws for one action, and the facts of its moment."""
    if action.kind in ("down", "delete", "keep"):
        assert action.profile == OWN or action.profile.startswith("new ")
    leaves = action.kind == "up" and action.profile != OWN and facts.mode == "hotspot"
    if action.kind == "down" or leaves:
        assert not facts.driving or not facts.is_ap
        assert asked or not facts.stations
