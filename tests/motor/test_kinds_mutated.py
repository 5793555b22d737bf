"""The conformance checks find every single mistake in the table of a kind: a changed character, exchanged rows, another action.

`EQUIVALENT` lists the changes that are no mistake, each with its reason.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from picar.motor.boards.kinds import BRAKE, COAST, FORWARD, KINDS, REVERSE, Kind
from tests.motor.conformance import CHECKS
from tests.motor.kinds_rig import CARS, FORMS, ON_CHIPS, Car

pytestmark = pytest.mark.slow

ROWS = ("forward", "reverse", "coast", "brake")
_DISABLED = "with EN low the inputs do not matter"
EQUIVALENT = {
    "l298n: coast 001": _DISABLED,
    "l298n: coast 010": _DISABLED,
    "l293d: coast 001": _DISABLED,
    "l293d: coast 010": _DISABLED,
    "tb6612: brake 001": "PWM low with one input high is the short brake too",
    "tb6612: brake 010": "PWM low with one input high is the short brake too",
    "tb6612: brake 111": "with both inputs high PWM does not matter",
    "phase-enable: coast 01": "with EN low PH does not matter",
    "phase-enable: brake 01": "with EN low PH does not matter",
}


def mutants(kind: Kind) -> Iterator[tuple[str, Kind]]:
    """Yield each mistake with a name for it."""
    yield from _in_the_rows(kind)
    yield from _in_the_truth(kind)
    for place in range(1, len(kind.terminals)):
        terminals = list(kind.terminals)
        terminals[place - 1 : place + 1] = reversed(terminals[place - 1 : place + 1])
        yield f"terminals {terminals}", kind._replace(terminals=tuple(terminals))


def _with(kind: Kind, **fields: Any) -> Kind:
    return kind._replace(**fields)


def _in_the_rows(kind: Kind) -> Iterator[tuple[str, Kind]]:
    for row in ROWS:
        yield from (
            (f"{row} {text}", _with(kind, **{row: text})) for text in _changed(getattr(kind, row), "01D")
        )
    for one, other in itertools.combinations(ROWS, 2):
        rows = {one: getattr(kind, other), other: getattr(kind, one)}
        if getattr(kind, one) != getattr(kind, other):
            yield f"{one} and {other} exchanged", _with(kind, **rows)


def _in_the_truth(kind: Kind) -> Iterator[tuple[str, Kind]]:
    for key, action in kind.truth.items():
        for other in (FORWARD, REVERSE, COAST, BRAKE):
            if other != action:
                yield f"truth {key} is {other}", kind._replace(truth=kind.truth | {key: other})
        for text in _changed(key, "01-"):
            if text not in kind.truth:
                truth = {text if k == key else k: v for k, v in kind.truth.items()}
                yield f"truth {key} as {text}", kind._replace(truth=truth)
        yield f"truth without {key}", kind._replace(truth={k: v for k, v in kind.truth.items() if k != key})


def _changed(text: str, characters: str) -> Iterator[str]:
    for place, character in itertools.product(range(len(text)), characters):
        if text[place] != character:
            yield text[:place] + character + text[place + 1 :]


def _reads_the_same(mutant: Kind, kind: Kind) -> bool:
    """Return whether a mutant is the same table in other words: a row that an earlier row covers may say anything."""
    if mutant._replace(truth={}) != kind._replace(truth={}):
        return False
    all_levels = ["".join(levels) for levels in itertools.product("01", repeat=len(kind.terminals))]
    try:
        return [mutant.action(levels) for levels in all_levels] == [
            kind.action(levels) for levels in all_levels
        ]
    except StopIteration:  # a row is missing
        return False


MUTANTS = {
    f"{name}: {what}": (name, mutant)
    for name, kind in KINDS.items()
    for what, mutant in mutants(kind)
    if not _reads_the_same(mutant, kind)
}


def passes(cars: list[Car]) -> bool:
    """Return whether all checks pass."""
    for check, car in itertools.product(CHECKS.values(), cars):
        try:
            check(car)
        except Exception:  # a table that cannot be used at all is found too
            return False
    return True


@pytest.mark.parametrize("name", KINDS)
def test_every_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cars = [
        car
        for car in CARS + ON_CHIPS[: len(FORMS)]
        if car.motors[0].form.kind == name and len(car.motors) == 2 and not car.layout.steers
    ]
    assert passes(cars)
    survivors = set()
    for what, (kind, mutant) in MUTANTS.items():
        if kind == name:
            monkeypatch.setitem(KINDS, name, mutant)
            if passes(cars):
                survivors.add(what)
    assert survivors == {what for what in EQUIVALENT if what.startswith(f"{name}: ")}
