"""When the bridge publishes, by a fake clock."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from picar.fleet.outbox import Answers, Outbox, first_seq, lesson_seq, pause_s
from picar.fleet.topics import Command, Message, Topics, state_fields
from tests.fleet.test_topics import STATE

TOPICS = Topics("picar", "k3f9a2b7")
AT_REST = STATE | {"applied": {"left": 0.0, "right": 0.0}, "target": {"left": 0.0, "right": 0.0}}


def fields(of: dict[str, Any] = AT_REST, **changed: Any) -> dict[str, Any]:
    return state_fields(of, None, None) | changed


def outbox() -> Outbox:
    return Outbox(TOPICS, "b1", 100)


def all_of(box: Outbox, now: float) -> list[tuple[str, Message]]:
    found = []
    while one := box.next(now):
        found.append(one)
    return found


def lanes(box: Outbox, now: float) -> list[str]:
    return [lane for lane, _ in all_of(box, now)]


def test_a_change_of_state_driver_stop_or_lesson_goes_out_at_once() -> None:
    box, now = outbox(), 50.0
    box.offer(fields(), now)
    assert lanes(box, now) == ["state"]
    changes: list[dict[str, Any]] = [{"state": "failsafe"}, {"driver": None}, {"lesson": "hold"}]
    for changed in [*changes, {"lesson_seq": 5}, {"stop_id": "12345678"}, {"reason": "held"}]:
        now += 1.0
        box.offer(fields(**changed), now)
        assert "state" in lanes(box, now)


def test_states_are_at_most_five_a_second_and_the_newest_wins() -> None:
    box, sent = outbox(), []
    for step in range(1000):
        now = step / 100
        box.offer(fields(driver=f"phone {step}"), now)
        found = [(now, message) for lane, message in all_of(box, now) if lane == "state"]
        assert found or box.due_s(now) <= 0.2 + 1e-9
        sent += found
    assert len(sent) <= 51
    assert all(b[0] - a[0] >= 0.2 - 1e-9 for a, b in itertools.pairwise(sent))
    assert json.loads(sent[-1][1].payload)["driver"] == f"phone {round(sent[-1][0] * 100)}"


def test_states_are_numbered_upwards() -> None:
    box = outbox()
    numbers = []
    for now in range(0, 60, 10):
        box.offer(fields(), float(now))
        numbers += [json.loads(message.payload)["seq"] for _, message in all_of(box, float(now))]
    assert numbers == [101, 102, 103, 104, 105, 106]
    assert first_seq(1000.0) + 6 * 100 < first_seq(1100.0), "another start counts on from a higher number"


def test_a_car_that_hangs_has_no_heartbeat() -> None:
    box = outbox()
    box.offer(fields(STATE), 0.0)
    assert lanes(box, 0.0) == ["state"]
    assert lanes(box, 100.0) == []
    assert box.due_s(100.0) == float("inf")


def test_a_change_that_waits_does_not_go_out_once_the_car_is_away() -> None:
    box = outbox()
    box.offer(fields(), 0.0)
    assert lanes(box, 0.0) == ["state"]
    box.offer(fields(driver=None), 0.1)
    box.forget_state()
    assert "state" not in lanes(box, 5.0)


def test_a_new_connection_gets_presence_discovery_facts_and_state_in_this_order() -> None:
    box = outbox()
    box.offer(fields(), 0.0)
    assert lanes(box, 0.0) == ["state"]
    for lane in ("event", "result", "info", "discovery", "online"):
        box.put(lane, TOPICS.online("online"), 0.05)
    box.repeat_state()
    assert lanes(box, 0.05) == ["online", "discovery", "info", "state", "result", "event"]


def test_events_come_in_bursts_of_five_and_then_once_a_second() -> None:
    box = outbox()
    for number in range(12):
        box.event("driver", f"phone {number}", 0.0)
    assert lanes(box, 0.0) == ["event"] * 5
    sent, now = 0, 0.0
    while (due := box.due_s(now)) < float("inf"):
        assert 0.0 < due <= 1.0 + 1e-9
        now += due + 1e-6
        sent += len(lanes(box, now))
    assert sent == 7
    assert 6.9 < now < 7.1


def test_what_waits_is_bounded_and_what_is_too_old_is_dropped() -> None:
    box = outbox()
    for number in range(100):
        box.offer(fields(driver=f"phone {number}"), 0.0)
        box.put("result", TOPICS.result(Command("stop", f"{number:08d}")), 0.0)
    waiting = Counter(lanes(box, 0.0))
    assert waiting["state"] == 1
    assert waiting["result"] == 20
    box = outbox()
    box.put("result", TOPICS.result(Command("stop")), 0.0)
    box.event("stop", "stopped", 0.0)
    box.put("online", TOPICS.online("online"), 0.0)
    assert lanes(box, 31.0) == ["online", "event"], "a result lives for 30 s"
    box.event("stop", "stopped", 100.0)
    assert lanes(box, 401.0) == []


def test_a_message_that_did_not_arrive_goes_out_again_and_a_state_does_not() -> None:
    box = outbox()
    box.put("result", TOPICS.result(Command("stop")), 0.0)
    box.offer(fields(), 0.0)
    for lane, message in all_of(box, 0.0):
        box.give_back(lane, message, 1.0)
    assert lanes(box, 2.0) == ["result"]


def test_a_new_start_of_the_server_has_a_new_name_and_a_state_at_once() -> None:
    box = outbox()
    box.offer(fields(), 0.0)
    assert lanes(box, 0.0) == ["state"]
    box.renew("b2")
    box.offer(fields(), 1.0)
    [(_, message)] = all_of(box, 1.0)
    assert json.loads(message.payload)["boot"] == "b2"


def minute(box: Outbox, arrivals_s: float, state: dict[str, Any], start: float) -> list[Message]:
    """Play a minute in which the car sends a state each `arrivals_s`, and return the messages."""
    found, now = [], start
    while now < start + 60.0:
        box.offer(fields(state), now)
        found += [message for _, message in all_of(box, now)]
        now += arrivals_s
    return found


def test_a_minute_has_at_most_75_messages_driven_and_12_at_rest() -> None:
    for arrivals_s in (0.05, 0.2, 0.99, 1.0, 1.01):
        box = outbox()
        minute(box, arrivals_s, STATE, 0.0)
        driven = minute(box, arrivals_s, STATE, 60.0)
        assert 55 <= len(driven) <= 75, arrivals_s
        assert sum(len(m.topic) + len(m.payload) + 10 for m in driven) / 60.0 <= 600, "0.6 kB/s"
    for arrivals_s in (0.2, 1.0, 9.9, 10.0, 10.1):
        box = outbox()
        minute(box, arrivals_s, AT_REST, 0.0)
        assert 5 <= len(minute(box, arrivals_s, AT_REST, 60.0)) <= 12, arrivals_s


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.booleans(), st.integers(0, 3)), max_size=60))
def test_whatever_happens_the_numbers_rise_and_the_rate_holds(steps: list[tuple[float, bool, int]]) -> None:
    box, now, sent = outbox(), 0.0, []
    for pause, moves, driver in steps:
        now += pause
        box.offer(fields(STATE if moves else AT_REST, driver=f"phone {driver}"), now)
        sent += [(now, json.loads(m.payload)["seq"]) for lane, m in all_of(box, now) if lane == "state"]
    assert all(b[0] - a[0] >= 0.2 - 1e-9 and b[1] > a[1] for a, b in itertools.pairwise(sent))


def test_an_id_is_done_once_a_minute_and_answered_each_time() -> None:
    answers, stop = Answers(), Command("stop", "12345678")
    answer = TOPICS.result(stop)
    assert answers.begin(stop, 0.0) == (True, None)
    assert answers.begin(stop, 0.1) == (False, None), "under way: its answer comes"
    answers.end(stop, answer, 0.2)
    assert answers.begin(stop, 59.0) == (False, answer)
    assert answers.begin(Command("cap", "12345678"), 59.0) == (True, None)
    assert answers.begin(stop, 61.0) == (True, None)


def test_a_command_without_an_id_and_one_that_failed_are_done_again() -> None:
    answers = Answers()
    for _ in range(2):
        assert answers.begin(Command("stop"), 0.0) == (True, None)
        answers.end(Command("stop"), TOPICS.result(Command("stop")), 0.0)
    stop = Command("stop", "12345678")
    assert answers.begin(stop, 0.0) == (True, None)
    answers.end(stop, None, 0.0)
    assert answers.begin(stop, 1.0) == (True, None)


def test_the_memory_of_ids_is_bounded() -> None:
    answers = Answers()
    for number in range(1000):
        assert answers.begin(Command("stop", f"{number:08d}"), 0.0) == (True, None)
    assert answers.begin(Command("stop", "00000999"), 1.0)[0] is False
    assert answers.begin(Command("stop", "00000000"), 1.0)[0] is True


def test_the_pauses_between_tries_grow_to_30_s_with_half_of_them_by_chance() -> None:
    assert [pause_s(tries, 30.0, 0.5) for tries in (0, 1, 2, 3, 4, 5, 99)] == [1, 2, 4, 8, 16, 30, 30]
    pauses = [pause_s(9, 30.0, random.random()) for _ in range(1000)]
    assert min(pauses) >= 15.0
    assert max(pauses) <= 45.0


def test_the_seq_of_a_lesson_is_that_for_all_cars() -> None:
    assert lesson_seq({"all": {"seq": 17}, "own": {"seq": 3}}) == 17
    assert lesson_seq({"all": None}) is None
    assert lesson_seq({}) is None
