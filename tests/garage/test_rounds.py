"""A round of STOP ALL: who has answered, who is asked again."""

from __future__ import annotations

from picar.garage.rounds import StopRound


def test_a_car_counts_once_and_by_its_own_answer_only() -> None:
    stop = StopRound("s1", "Ada", ["a", "b"], 10.0)
    assert stop.answer(10.0) == {"stopped": 0, "of": 2, "missing": ["a", "b"], "after_s": 0.0, "ended": False}
    assert stop.heard("a", 10.2)
    assert not stop.heard("a", 10.9)
    assert not stop.heard("stranger", 10.9)
    assert stop.answer(20.0) == {"stopped": 1, "of": 2, "missing": ["b"], "after_s": 0.2, "ended": False}
    assert stop.heard("b", 50.0), "an answer counts at any time"
    assert stop.ended


def test_the_missing_cars_are_asked_after_300_ms_and_then_each_second_for_30_s() -> None:
    stop = StopRound("s1", "Ada", ["a", "b"], 0.0)
    now, asked = 0.0, []
    while (wait_s := stop.next_s(now)) is not None:
        now += wait_s
        asked.append((round(now, 3), stop.due(now)))
        stop.heard("a", now)
    assert asked[0] == (0.3, ["a", "b"])
    assert asked[1:3] == [(1.3, ["b"]), (2.3, ["b"])]
    assert (len(asked), asked[-1][0]) == (30, 29.3)
    assert list(stop.missing) == ["b"], "it stays missing"


def test_a_dismissed_car_is_not_missing_and_not_stopped() -> None:
    stop = StopRound("s1", "Ada", ["a", "b"], 0.0)
    stop.heard("a", 0.1)
    stop.dismiss("b")
    stop.dismiss("b")
    assert stop.answer(1.0) == {"stopped": 1, "of": 2, "missing": [], "after_s": 0.1, "ended": True}


def test_a_car_that_comes_within_30_s_joins() -> None:
    stop = StopRound("s1", "Ada", ["a"], 0.0)
    assert not stop.join("a", 1.0)
    assert stop.join("b", 29.0)
    assert not stop.join("c", 31.0)
    assert (stop.of, list(stop.missing)) == (2, ["a", "b"])


def test_a_garage_without_cars_has_nothing_to_wait_for() -> None:
    assert StopRound("s1", "Ada", [], 0.0).answer(0.0) == {
        "stopped": 0, "of": 0, "missing": [], "after_s": 0.0, "ended": True,
    }  # fmt: skip
