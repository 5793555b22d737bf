"""The pace of the pictures: how many are on their way to a viewer, and how good they are on a slow link."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.core.pacing import DEAF_S, HOLD_S, LONGEST_WAIT_S, Ladder, Pacing

FPS = 30.0
LEVELS = 6


def test_one_picture_is_on_its_way_until_it_was_seen() -> None:
    pacing = Pacing(FPS)
    assert pacing.may_send(1, FPS, 0.0)
    pacing.sent(1, FPS, 0.0, 0.0)
    assert not pacing.may_send(2, FPS, 1.0)
    assert pacing.seen(1, 1.0) == 1.0
    assert pacing.may_send(2, FPS, 1.0)


def test_a_second_one_follows_only_while_trips_are_short() -> None:
    pacing = Pacing(FPS)
    pacing.sent(1, FPS, 0.0, 0.0)
    pacing.seen(1, 0.049)
    pacing.sent(2, FPS, 0.1, 0.0)
    assert pacing.may_send(3, FPS, 0.14)
    pacing.sent(3, FPS, 0.14, 0.0)
    assert not pacing.may_send(4, FPS, 0.2)
    pacing.seen(3, 0.2)  # settles the second one too; it took longer
    pacing.sent(4, FPS, 0.2, 0.0)
    assert not pacing.may_send(5, FPS, 0.3)


def test_no_picture_is_sent_twice_and_none_to_a_paused_viewer() -> None:
    pacing = Pacing(FPS)
    pacing.sent(1, FPS, 0.0, 0.0)
    pacing.seen(1, 0.01)
    assert not pacing.may_send(1, FPS, 1.0)
    pacing.want(0)
    assert pacing.paused
    assert not pacing.may_send(2, FPS, 1.0)


def test_a_viewer_that_was_paused_owes_no_answer() -> None:
    pacing = Pacing(FPS)
    pacing.sent(1, FPS, 0.0, 0.0)
    pacing.want(0)
    assert not pacing.is_deaf(2 * DEAF_S)
    pacing.want(30)
    assert not pacing.is_deaf(2 * DEAF_S)
    assert pacing.may_send(2, FPS, 2 * DEAF_S)


def test_a_viewer_without_an_answer_is_deaf() -> None:
    pacing = Pacing(FPS)
    pacing.sent(1, FPS, 0.0, 0.0)
    assert not pacing.is_deaf(DEAF_S)
    assert pacing.is_deaf(DEAF_S + 0.1)


def test_an_answer_to_a_picture_that_was_not_sent_counts_for_nothing() -> None:
    pacing = Pacing(FPS)
    pacing.sent(5, FPS, 0.0, 0.0)
    assert pacing.seen(4, 0.1) is None
    assert pacing.seen(6, 0.1) is None
    assert not pacing.may_send(7, FPS, 1.0)


@given(
    wanted=st.integers(1, 30),
    granted=st.floats(1, 30),
    jitter=st.lists(st.floats(-0.004, 0.004), min_size=90),
)
def test_no_viewer_gets_more_than_it_wants_and_may_have(
    wanted: int, granted: float, jitter: list[float]
) -> None:
    pacing, sent = Pacing(wanted), []
    for seq, late_s in enumerate(jitter, start=1):
        now = seq / 30 + late_s
        if pacing.may_send(seq, granted, now):
            pacing.sent(seq, granted, now, 0.0)
            pacing.seen(seq, now + 0.001)
            sent.append(now)
    fps = min(wanted, granted)
    assert len(sent) <= len(jitter) / 30 * fps + 2
    if fps <= 15:
        assert len(sent) >= len(jitter) / 30 * fps * 0.8 - 1


class Road:
    """A ladder, and a link with trips of this length at each level."""

    def __init__(self, *trips_s: float, spectators: bool = False) -> None:
        self.ladder = Ladder(LEVELS, 10)
        self.trips_s, self.spectators, self.now = trips_s, spectators, 100.0
        self.levels: list[tuple[float, int]] = []

    def drive(self, seconds: float) -> None:
        """Let pictures through, one after the other."""
        end = self.now + seconds
        while self.now < end:
            trip_s = self.trips_s[min(self.ladder.level, len(self.trips_s) - 1)]
            self.now += max(trip_s, 1 / 30)
            before = self.ladder.level
            self.ladder.take(trip_s, self.spectators, self.now)
            if self.ladder.level != before:
                self.levels.append((self.now, self.ladder.level))


def test_a_good_link_has_the_best_pictures() -> None:
    road = Road(0.02)
    road.drive(60)
    assert (road.ladder.level, road.levels, road.ladder.spectator_fps) == (0, [], 10)


def test_late_pictures_become_smaller_one_level_at_a_time() -> None:
    road = Road(0.1, 0.1, 0.06)
    road.drive(10)
    assert [level for _, level in road.levels] == [1, 2]


def test_very_late_ones_two_levels_at_a_time() -> None:
    road = Road(0.3, 0.3, 0.06)
    road.drive(10)
    assert [level for _, level in road.levels] == [2]


def test_spectators_get_fewer_pictures_before_the_driver_gets_worse_ones() -> None:
    road = Road(0.1, 0.05, spectators=True)
    rates: list[float] = []
    while not road.levels:
        road.drive(0.01)
        if rates[-1:] != [road.ladder.spectator_fps]:
            rates.append(road.ladder.spectator_fps)
    assert rates == [10.0, 5.0, 2.5, 1.25, 1.0]


def test_the_ladder_goes_up_after_three_good_seconds_and_spectators_come_last() -> None:
    road = Road(0.1, 0.05, spectators=True)
    road.drive(10)
    assert road.ladder.level == 1
    road.trips_s, began_at = (0.02,), road.now
    road.drive(3.5)
    assert road.ladder.level == 0
    assert 2.9 < road.levels[-1][0] - began_at < 3.5
    road.drive(20)
    assert road.ladder.spectator_fps == 10


def test_a_step_up_that_was_wrong_is_tried_again_later_each_time() -> None:
    road = Road(0.1, 0.02)
    road.drive(600)
    ups = [at for at, level in road.levels if level == 0]
    waits = [b - a for a, b in itertools.pairwise(ups)]
    assert waits[0] < waits[1] < waits[2]
    assert max(waits) < LONGEST_WAIT_S + 2
    assert waits[-1] > LONGEST_WAIT_S - 1
    assert len(ups) < 20


def test_a_viewer_that_saves_data_gets_no_better_level_and_a_slow_link_a_worse_one() -> None:
    road = Road(*[0.02] * 3, 0.1, 0.1, 0.02)
    road.ladder.hold(3)
    assert road.ladder.level == 3
    road.drive(10)
    assert [level for _, level in road.levels][:3] == [4, 5, 4]
    road.trips_s = (0.02,)
    road.drive(60)
    assert road.ladder.level == 3


def test_quality_that_is_wanted_again_comes_one_level_at_a_time_by_short_trips() -> None:
    road = Road(0.02)
    road.ladder.hold(3)
    road.drive(10)
    road.ladder.hold(0)
    assert road.ladder.level == 3
    road.drive(20)
    assert [level for _, level in road.levels] == [2, 1, 0]
    assert all(b - a >= 2.9 for a, b in itertools.pairwise(at for at, _ in road.levels))


def test_the_newest_answered_picture_s_time_of_capture_is_kept() -> None:
    pacing = Pacing(FPS)
    pacing.sent(1, FPS, 0.0, captured_s=-0.1)
    pacing.seen(1, 0.01)
    pacing.sent(2, FPS, 0.1, captured_s=0.05)
    pacing.sent(3, FPS, 0.14, captured_s=0.13)
    assert pacing.captured_s == -0.1
    pacing.seen(3, 0.2)
    assert pacing.captured_s == 0.13
    assert pacing.seen(2, 0.3) is None


def test_another_viewer_s_trips_count_anew() -> None:
    ladder = Ladder(LEVELS, 10)
    for now in (0.0, 0.1):
        ladder.take(1.0, False, now)
    ladder.forget()
    for now in (0.2, 0.3, 0.4):
        ladder.take(0.02, False, now)
    assert ladder.level == 0


@given(trips=st.lists(st.floats(0.0, 2.0), max_size=300), spectators=st.booleans())
def test_the_ladder_stays_on_its_levels_and_takes_one_step_down_at_a_time(
    trips: list[float], spectators: bool
) -> None:
    ladder, now, fell_at = Ladder(LEVELS, 10), 0.0, float("-inf")
    for trip_s in trips:
        now += max(trip_s, 0.01)
        before = (ladder.level, ladder.spectator_fps)
        ladder.take(trip_s, spectators, now)
        assert 0 <= ladder.level < LEVELS
        assert 1 <= ladder.spectator_fps <= 10
        assert ladder.level - before[0] <= 2
        if ladder.level > before[0] or ladder.spectator_fps < before[1]:
            assert now - fell_at >= HOLD_S
            fell_at = now


@pytest.mark.parametrize("fps", [1, 2, 10, 30])
def test_spectators_keep_one_picture_a_second(fps: int) -> None:
    ladder, now = Ladder(LEVELS, fps), 0.0
    for _ in range(200):
        now += 0.5
        ladder.take(0.5, True, now)
    assert (ladder.spectator_fps, ladder.level) == (1.0, LEVELS - 1)
