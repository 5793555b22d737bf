"""The battery: its charge at rest, its levels under load, and the countdown to switching off."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.core.battery import (
    CHARGED_PERCENT,
    CHEMISTRIES,
    COUNTDOWN_S,
    EMPTY_S,
    LEVELS,
    SLOW,
    STOP,
    Battery,
    Chemistry,
    charge_percent,
)

NOW = 1000.0
LI_ION = CHEMISTRIES["li-ion"]
CELLS = 2
on = pytest.mark.parametrize
chemistries = on("chemistry", CHEMISTRIES.values(), ids=CHEMISTRIES)


class Bench:
    """A battery that is read once a second."""

    def __init__(self, chemistry: str = "li-ion", cells: int = CELLS, shutdown: bool = False) -> None:
        self.battery = Battery(CHEMISTRIES[chemistry], cells, shutdown)
        self.now, self._cells = NOW, cells

    def read(
        self, cell_v: float | None, seconds: int = 1, standing: bool = True, armed: bool = False
    ) -> Battery:
        for _ in range(seconds):
            self.now += 1.0
            volts = None if cell_v is None else cell_v * (self._cells or 1)
            self.battery.update(volts, standing, armed, self.now)
        return self.battery

    def off_in_s(self) -> float | None:
        return self.battery.off_in_s(self.now)


@on(
    ("chemistry", "cell_v", "percent"),
    [
        *(
            ("li-ion", v, p)
            for v, p in ((4.15, 100), (3.95, 80), (3.8, 60), (3.7, 40), (3.6, 20), (3.45, 10))
        ),
        *(("li-ion", v, p) for v, p in ((3.3, 5), (3.0, 0), (2.0, 0), (4.4, 100), (3.65, 30), (3.75, 50))),
        *(("nimh", v, p) for v, p in ((1.35, 100), (1.25, 60), (1.2, 30), (1.15, 10), (1.0, 0), (1.3, 80))),
        *(
            ("alkaline", v, p)
            for v, p in ((1.55, 100), (1.3, 60), (1.15, 30), (1.05, 10), (0.9, 0), (1.6, 100))
        ),
    ],
)
def test_the_charge_of_a_voltage_at_rest(chemistry: str, cell_v: float, percent: int) -> None:
    assert charge_percent(CHEMISTRIES[chemistry], cell_v) == percent


@chemistries
@given(voltages=st.lists(st.floats(0.0, 5.0), min_size=2, max_size=2).map(sorted))
def test_the_charge_rises_with_the_voltage_and_stays_in_its_range(
    chemistry: Chemistry, voltages: list[float]
) -> None:
    low, high = (charge_percent(chemistry, cell_v) for cell_v in voltages)
    assert 0 <= low <= high <= 100


@chemistries
def test_the_tables_rise(chemistry: Chemistry) -> None:
    charge = chemistry.charge
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(charge))
    assert (charge[0][1], charge[-1][1]) == (0, 100)
    assert chemistry.limits == tuple(sorted(chemistry.limits, reverse=True))


@on(
    ("chemistry", "cell_v", "level"),
    [
        *(("li-ion", v, name) for v, name in ((3.51, "ok"), (3.49, "warn"), (3.39, "slow"), (3.19, "stop"))),
        *(("nimh", v, name) for v, name in ((1.16, "ok"), (1.14, "warn"), (1.09, "slow"), (0.99, "stop"))),
        *(
            ("alkaline", v, name)
            for v, name in ((1.06, "ok"), (1.04, "warn"), (0.99, "slow"), (0.89, "stop"))
        ),
    ],
)
def test_the_level_of_a_voltage_under_load(chemistry: str, cell_v: float, level: str) -> None:
    assert LEVELS[Bench(chemistry).read(cell_v, 30, standing=False).level] == level


def test_a_level_needs_ten_seconds_and_the_stop_ten_more() -> None:
    bench = Bench()
    assert bench.read(3.1, 10, standing=False).level == 0
    assert bench.read(3.1, standing=False).level == SLOW
    assert bench.read(3.1, 9, standing=False).level == SLOW
    assert bench.read(3.1, standing=False).level == STOP


def test_a_dip_of_a_starting_motor_is_no_level() -> None:
    bench = Bench()
    bench.read(3.8, 20, standing=False)
    assert bench.read(3.0, 2, standing=False).level == 0
    assert bench.read(3.8, 20, standing=False).level == 0


def test_a_level_gets_better_only_at_standstill_and_above_its_limit_by_the_hysteresis() -> None:
    bench = Bench()
    bench.read(3.35, 12, standing=False)
    assert bench.read(4.0, 30, standing=False).level == SLOW
    assert bench.read(4.0).level == 0
    bench.read(3.35, 30, standing=False)
    assert bench.read(3.49, 30).level == SLOW
    assert bench.read(3.51, 30).level == 1
    assert bench.read(3.59, 30).level == 1
    assert bench.read(3.61, 30).level == 0


def test_the_charge_needs_three_seconds_at_rest_and_stays_while_the_car_drives() -> None:
    bench = Bench()
    assert bench.read(3.8, 3).percent is None
    assert (bench.read(3.8).percent, bench.battery.at_rest) == (60, True)
    assert (bench.read(3.6, 20, standing=False).percent, bench.battery.at_rest) == (60, False)
    assert bench.read(3.7, 4).percent == 40


def test_the_charge_is_that_of_the_median_and_rises_only_by_charging() -> None:
    bench = Bench()
    bench.read(3.7, 8)
    assert bench.read(3.0).percent == 40, "one bad reading"
    assert bench.read(3.72, 30).percent == 40
    assert bench.read(3.74, 30).percent == 48
    assert bench.read(3.73, 30).percent == 46


def test_an_unknown_voltage_keeps_the_level_and_forgets_the_readings() -> None:
    bench = Bench()
    bench.read(3.35, 12)
    assert bench.read(None, 60).level == SLOW
    assert not bench.battery.at_rest
    assert bench.read(3.9, 10).level == SLOW
    assert bench.read(3.9).level == 0


@on("cell_v", [1.99, 4.41])
def test_a_voltage_that_no_cell_has_does_nothing(cell_v: float) -> None:
    bench = Bench(shutdown=True)
    battery = bench.read(cell_v, 500)
    assert (battery.plausible, battery.level, battery.percent, bench.off_in_s()) == (False, 0, None, None)
    assert bench.read(3.9).plausible


def test_without_the_number_of_cells_nothing_is_judged() -> None:
    bench = Bench(cells=0, shutdown=True)
    battery = bench.read(1.0, 500)
    assert (battery.plausible, battery.level, battery.percent, bench.off_in_s()) == (True, 0, None, None)


def test_the_countdown_begins_after_a_minute_and_is_due_once() -> None:
    bench = Bench(shutdown=True)
    bench.read(2.9, 10 + int(EMPTY_S))
    assert bench.off_in_s() is None
    bench.read(2.9)
    assert bench.off_in_s() == COUNTDOWN_S
    bench.read(2.9, 59)
    assert (bench.off_in_s(), bench.battery.is_due(bench.now)) == (1.0, False)
    bench.read(2.9)
    assert (bench.battery.is_due(bench.now), bench.battery.is_due(bench.now)) == (True, False)
    assert bench.off_in_s() is None


@on(
    "ends",
    [
        {"cell_v": 2.9, "standing": False},
        {"cell_v": 2.9, "armed": True},
        {"cell_v": None},
        {"cell_v": 1.0},
        {"cell_v": 3.3, "seconds": 12},
    ],
    ids=str,
)
def test_the_countdown_ends_with_a_movement_a_driver_or_another_voltage(ends: dict[str, float]) -> None:
    bench = Bench(shutdown=True)
    bench.read(2.9, 100)
    assert bench.off_in_s() is not None
    bench.read(**ends)  # type: ignore[arg-type]
    assert bench.off_in_s() is None


def test_between_the_limit_and_the_hysteresis_a_countdown_goes_on_and_none_begins() -> None:
    bench = Bench(shutdown=True)
    bench.read(3.05, 200)
    assert bench.off_in_s() is None
    bench.read(2.9, 100)
    bench.read(3.05, 12)
    assert bench.off_in_s() is not None


def test_it_is_put_off_once() -> None:
    bench = Bench(shutdown=True)
    assert not bench.battery.stay_on(bench.now)
    bench.read(2.9, 100)
    assert bench.battery.stay_on(bench.now)
    assert not bench.battery.may_stay
    bench.read(2.9, 59)
    assert bench.off_in_s() is None
    bench.read(2.9)
    assert bench.off_in_s() == COUNTDOWN_S
    assert not bench.battery.stay_on(bench.now)


@on(("chemistry", "shutdown"), [("li-ion", False), ("nimh", True), ("alkaline", True)])
def test_no_countdown_without_the_option_or_for_cells_that_a_low_voltage_does_not_destroy(
    chemistry: str, shutdown: bool
) -> None:
    bench = Bench(chemistry, shutdown=shutdown)
    bench.read(0.6 if chemistry != "li-ion" else 2.5, 300)
    assert bench.off_in_s() is None


readings = st.lists(
    st.tuples(
        st.none() | st.floats(0.0, 5.0) | st.floats(2.9, 3.6),
        st.booleans(),
        st.booleans(),
        st.floats(0.5, 5.0),
    ),
    max_size=150,
)


@given(readings, st.sampled_from(sorted(CHEMISTRIES)))
def test_whatever_comes_nothing_gets_better_while_driving_and_nothing_ends_a_moving_car(
    story: list[tuple[float | None, bool, bool, float]], chemistry: str
) -> None:
    battery, now = Battery(CHEMISTRIES[chemistry], 1, shutdown=True), NOW
    for volts, standing, armed, pause_s in story:
        now += pause_s
        before = battery.level, battery.percent
        battery.update(volts, standing, armed, now)
        if not standing or volts is None or not battery.plausible:
            assert battery.level >= before[0]
            assert battery.percent == before[1]
            assert not battery.at_rest
        if volts is None or not battery.plausible:
            assert battery.level == before[0]
        if before[1] is not None:
            assert battery.percent is not None
            assert battery.percent <= before[1] or battery.percent > before[1] + CHARGED_PERCENT
        if not standing or armed or volts is None or not battery.plausible:
            assert battery.off_in_s(now) is None
        assert 0 <= battery.level <= STOP
