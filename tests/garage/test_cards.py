"""The cards: presence by time and by way, and values that every browser can show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.garage.cards import BROKER, DIRECT, STATE, Card, Cards, is_id

REST = dict.fromkeys(STATE) | {"state": "disarmed", "moving": False, "speed_limit": 0.5}
MOVING = REST | {"state": "armed", "moving": True}
MEMBERS = {
    "id", "name", "colour", "number", "version", "url", "adopted", "paths", "presence", "silent_s", "state", "reason",
    "driver", "moving", "speed_limit", "speed_cap", "lesson", "link_ms", "battery_percent", "battery_v", "wifi_dbm",
    "under_voltage", "problem",
}  # fmt: skip
NO_ANSWER = {"code": "no_answer", "message": "No car answers."}


def shown(cards: Cards, now: float) -> dict[str, Any]:
    cards.sweep(now)
    (fields,) = cards.fields(now)
    return fields


@pytest.mark.parametrize(("fields", "patience_s"), [(MOVING, 2.5), (REST, 25.0)])
@pytest.mark.parametrize("way", [DIRECT, BROKER])
def test_a_card_is_live_for_two_and_a_half_heartbeats(
    fields: dict[str, Any], patience_s: float, way: str
) -> None:
    cards = Cards()
    cards.put("a", 0.0, adopted=True)
    assert cards.take("a", way, fields, 100.0)
    found = shown(cards, 100.0 + patience_s)
    assert found.keys() == MEMBERS
    assert (found["presence"], found["paths"], found["silent_s"]) == ("live", [way], None)
    found = shown(cards, 100.1 + patience_s)
    assert (found["presence"], found["paths"], found["silent_s"]) == ("silent", [], int(patience_s + 0.1))


def test_an_unchanged_card_keeps_its_object_and_a_changed_one_gets_another() -> None:
    cards = Cards()
    cards.take("a", DIRECT, REST, 0.0)
    first = shown(cards, 0.0)
    before = dict(first)
    assert not cards.take("a", DIRECT, REST, 1.0)
    assert shown(cards, 1.0) is first
    assert cards.take("a", DIRECT, MOVING, 2.0, link_ms=20)
    assert shown(cards, 2.0) is not first
    assert first == before
    assert cards.take("a", DIRECT, MOVING, 3.0, link_ms=30)
    assert shown(cards, 3.0)["link_ms"] == 30


def test_the_newest_values_count_and_on_a_tie_those_of_the_direct_way() -> None:
    cards = Cards()
    cards.take("a", DIRECT, REST, 0.0, link_ms=7)
    cards.take("a", BROKER, MOVING, 0.1)
    found = shown(cards, 0.1)
    assert (found["moving"], found["link_ms"], found["paths"]) == (False, 7, [DIRECT, BROKER])
    cards.take("a", BROKER, MOVING, 5.0)
    found = shown(cards, 5.0)
    assert (found["moving"], found["link_ms"], found["paths"]) == (True, None, [BROKER])


def test_a_retained_state_is_never_live() -> None:
    cards = Cards()
    cards.say("a", "online", 0.0)
    cards.keep("a", MOVING, 0.0)
    found = shown(cards, 0.0)
    assert (found["presence"], found["state"], found["paths"]) == ("last", "armed", [])
    cards.take("a", BROKER, REST, 1.0)
    assert not cards.keep("a", MOVING, 2.0), "an old state replaces no live one"
    assert shown(cards, 2.0)["presence"] == "live"


@pytest.mark.parametrize(("word", "presence"), [("lost", "lost"), ("offline", "off"), ("online", "silent")])
def test_the_broker_s_word_shows_why_a_car_is_silent(word: str, presence: str) -> None:
    cards = Cards()
    cards.take("a", BROKER, REST, 0.0)
    cards.say("a", word, 1.0)
    found = shown(cards, 41.0)
    assert (found["presence"], found["silent_s"]) == (presence, 41)


def test_a_lost_car_is_live_while_its_direct_way_is() -> None:
    cards = Cards()
    cards.take("a", DIRECT, REST, 0.0)
    cards.say("a", "lost", 1.0)
    assert shown(cards, 1.0)["presence"] == "live"


def test_only_a_car_that_ends_in_order_by_its_own_word_does_not_count() -> None:
    cards = Cards()
    cards.put("a", 0.0, adopted=True)
    assert cards.ours() == ["a"], "never heard, and adopted"
    cards.take("a", DIRECT, REST, 0.0)
    cards.end("a", DIRECT, 1.0)
    assert (cards.ours(), shown(cards, 1.0)["presence"]) == (["a"], "silent")
    cards.take("a", DIRECT, REST, 2.0)
    cards.end("a", DIRECT, 3.0, in_order=True)
    assert (cards.ours(), shown(cards, 3.0)["presence"]) == ([], "off")
    cards.take("a", DIRECT, REST, 4.0)
    assert cards.ours() == ["a"]
    cards.take("b", BROKER, REST, 4.0)
    cards.say("b", "offline", 5.0)
    assert cards.ours() == ["a", "b"], "the bridge's word is not that of the car"
    cards.say("c", "offline", 5.0)
    assert cards.ours() == ["a", "b"], "off since before the garage began"


def test_a_found_car_is_new_and_one_that_cannot_be_reached_is_apart() -> None:
    cards = Cards()
    cards.name("a", 0.0, named=True)
    cards.put("a", 0.0, version="1.0", name="Blitz")
    assert (shown(cards, 9.0)["presence"], shown(cards, 9.0)["silent_s"]) == ("new", None)
    assert cards.ours() == []
    cards = Cards()
    cards.name("a", 0.0, named=True)
    cards.put("a", 0.0, problem=NO_ANSWER)
    assert shown(cards, 9.0)["presence"] == "apart"
    cards.name("a", 10.0, named=False)
    assert shown(cards, 10.0)["presence"] == "silent"


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["online", "\ud800", "a\0b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.sampled_from([*STATE]), JUNK), max_size=4), JUNK)
def test_whatever_a_car_sends_every_browser_can_show_its_card(
    states: list[dict[str, Any]], junk: Any
) -> None:
    cards = Cards()
    for at, fields in enumerate(states):
        cards.take("a", DIRECT, fields, float(at), link_ms=junk)
        cards.keep("a", fields, float(at))
    for name in ("name", "colour", "number", "version", "url"):
        cards.put("a", 9.0, **{name: junk})
    found = shown(cards, 9.0)
    json.dumps(found, allow_nan=False).encode()
    assert all(len(value) <= 80 for value in found.values() if isinstance(value, str))
    assert found["url"] is None or found["url"].startswith("http")


def test_an_id_has_eight_small_letters_and_digits() -> None:
    assert is_id("a1b2c3d4")
    assert not any(map(is_id, ("garage", "all", "A1b2c3d4", "a1b2c3d4\n", "http://x", None, 7)))


def test_a_card_holds_no_state_beside_its_members() -> None:
    assert Card("a", 0.0).fields.keys() == MEMBERS
