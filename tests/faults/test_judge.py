"""The judge can condemn: traces of cars that no campaign must let pass."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.bench.measure import Write
from tests.faults import campaign
from tests.faults.campaign import ATTEMPTS, Campaign, Run
from tests.faults.catalogue import FAULTS, LINK_S, Fault
from tests.faults.jitter import Jitter
from tests.faults.judge import judge, powering
from tests.faults.report import Row, rows, table
from tests.faults.rig import Disturbed, Rig

HIT_AT = 10.0
ENABLES, INPUTS = powering(jumpers=False), powering(jumpers=True)


def wrote(t: float, pin: int, value: float) -> Write:
    return Write(t=t, pin=pin, op="pwm", value=value)


DRIVING = [wrote(9.0, 12, 1.0), wrote(9.0, 13, 1.0), wrote(9.0, 23, 1.0)]


def test_a_car_is_low_when_its_last_enable_pin_is() -> None:
    verdict = judge([*DRIVING, wrote(10.1, 12, 0.0), wrote(10.2, 13, 0.0)], ENABLES, HIT_AT)
    assert (verdict.drove, verdict.low_at, verdict.rose) == (True, 10.2, ())


def test_a_car_that_keeps_one_pin_high_was_never_low() -> None:
    assert judge([*DRIVING, wrote(10.1, 12, 0.0)], ENABLES, HIT_AT).low_at is None


@pytest.mark.parametrize("op", ["claim", "close"])
def test_a_level_that_nobody_wrote_is_not_low(op: str) -> None:
    told = [Write(t=10.1, pin=pin, op=op, value=0.0) for pin in (12, 13, 23)]
    assert judge([*DRIVING, *told], ENABLES, HIT_AT).low_at is None


def test_with_jumpers_the_inputs_count() -> None:
    low = [wrote(10.1, 12, 0.0), wrote(10.1, 13, 0.0)]
    assert judge([*DRIVING, *low], INPUTS, HIT_AT).low_at is None


def test_a_pin_that_rises_again_is_seen() -> None:
    again = wrote(10.4, 13, 0.3)
    verdict = judge([*DRIVING, wrote(10.1, 12, 0.0), wrote(10.2, 13, 0.0), again], ENABLES, HIT_AT)
    assert (verdict.low_at, verdict.rose) == (None, (again,))


def test_what_counts_is_when_it_was_low_for_good() -> None:
    low, again = [wrote(10.1, 12, 0.0), wrote(10.2, 13, 0.0)], [wrote(10.3, 13, 0.3), wrote(10.4, 13, 0.0)]
    verdict = judge([*DRIVING, *low, *again], ENABLES, HIT_AT)
    assert (verdict.drove, verdict.low_at, verdict.rose) == (True, 10.4, (again[0],))


def test_a_car_that_stood_already_did_not_drive() -> None:
    verdict = judge([*DRIVING, wrote(9.5, 12, 0.0), wrote(9.5, 13, 0.0)], ENABLES, HIT_AT)
    assert (verdict.drove, verdict.low_at) == (False, 9.5)


def test_a_car_that_stood_and_moved_after_all_is_seen() -> None:
    assert judge([*DRIVING, wrote(9.5, 12, 0), wrote(9.5, 13, 0), wrote(10.5, 12, 0.2)], ENABLES, HIT_AT).rose


BOUND_S = 0.05
FAULT = dataclasses.replace(FAULTS[0], bound_s=BOUND_S)
GOOD = Run(FAULT.name, jumpers=False, attempt=0, seconds=0.01)


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        (GOOD, "kept"),
        (dataclasses.replace(GOOD, seconds=BOUND_S * 1.01), "MISSED"),
        (dataclasses.replace(GOOD, seconds=None), "MISSED"),
        (dataclasses.replace(GOOD, wrong=["3 pins rose"]), "WRONG in 1"),
        (dataclasses.replace(GOOD, leaked=["process 7"]), "LEAKED"),
    ],
)
def test_a_row_is_as_good_as_its_runs(run: Run, verdict: str) -> None:
    row = Row(FAULT, (run,))
    assert (row.verdict, row.good) == (verdict, verdict == "kept")


def test_a_car_that_must_not_move_at_all_needs_no_time() -> None:
    still: Fault = dataclasses.replace(FAULT, bound_s=None)
    assert Row(still, (dataclasses.replace(GOOD, seconds=None),)).good
    assert not Row(still, (dataclasses.replace(GOOD, wrong=["1 pins rose"]),)).good


def test_a_noisy_run_counts_and_its_time_only_where_no_quiet_one_followed() -> None:
    noisy = dataclasses.replace(GOOD, seconds=9.0, noisy=True)
    quiet = dataclasses.replace(GOOD, attempt=1)
    assert Row(FAULT, (noisy, quiet)).verdict == "kept"
    assert Row(FAULT, (noisy,)).verdict == "MISSED"


def test_a_fault_that_an_ended_campaign_has_not_tried_is_in_the_table() -> None:
    (row,) = rows([FAULT], [])
    assert (row.verdict, row.good) == ("not tried", False)
    assert "not tried" in table([row])


SINCE = 5.0
LATE_S, LATE_ENOUGH_S = LINK_S / 2 - 0.01, LINK_S / 2 + 0.01


class Machine(Jitter):
    """A machine that is late by each of these times, one a run."""

    def __init__(self, late_s: Sequence[float]) -> None:
        super().__init__()
        self._each = iter(late_s)

    def worst(self, since: float, until: float) -> float:
        assert (since, until > since) == (SINCE, True)
        return next(self._each)


@pytest.mark.parametrize(
    ("late_s", "noisy", "wrong"),
    [
        ([LATE_S], [False], [True]),
        ([LATE_ENOUGH_S, LATE_S], [True, False], [False, True]),
        ([LATE_ENOUGH_S] * ATTEMPTS, [True] * ATTEMPTS, [False] * (ATTEMPTS - 1) + [True]),
    ],
    ids=["quiet", "late once", "late every time"],
)
async def test_a_driver_disturbed_while_the_machine_is_late_is_noise_except_every_time(
    late_s: list[float],
    noisy: list[bool],
    wrong: list[bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextlib.asynccontextmanager
    async def no_car(*_: object) -> AsyncIterator[None]:
        yield

    async def disturbed(_rig: Rig) -> None:
        raise Disturbed(SINCE, "the camera disturbed the driver")

    monkeypatch.setattr(campaign, "driving", no_car)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tried = Campaign(Machine(late_s), seed=0)
    await tried.run([Fault("camera", "", disturbed)], 1)
    assert [run.noisy for run in tried.runs] == noisy
    assert [bool(run.wrong) for run in tried.runs] == wrong
    assert [run.jitter_s for run in tried.runs] == late_s
