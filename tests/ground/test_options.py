"""One option: its declaration, and the sentence that says what it wants."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from picar.options import EnablePin, option, options_of, pin, toml


@dataclass(frozen=True)
class _Section:
    """An example of everything."""

    ratio: float = option(0.5, "A share.", lo=0.0, hi=1.0)
    wait_s: float = option(1.0, "A time.", unit="s", lo=0.5, hi=2.0)
    count: int = option(3, "A count.", lo=1, hi=9)
    on: bool = option(False, "A switch.")
    name: str = option("x", "A name.")
    mode: Literal["a", "b"] = option("a", "A choice.")
    names: tuple[str, ...] = option((), "Some names.")
    wire: int = pin(5, "A pin.")
    enable: EnablePin = pin(6, "A pin or a jumper.")  # noqa: RUF009


OPTIONS = options_of(_Section)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("ratio", "a number from 0 to 1"),
        ("wait_s", "a number from 0.5 to 2 s"),
        ("count", "a whole number from 1 to 9"),
        ("on", "true or false"),
        ("name", "a text in quotes, not empty"),
        ("mode", 'one of "a", "b"'),
        ("names", 'a list of host names without port, like ["car.example"]'),
        ("wire", "a BCM pin number of the 40-pin header, 0 to 27"),
        ("enable", 'a BCM pin number of the 40-pin header, 0 to 27 or "jumper"'),
    ],
)
def test_a_rule_says_what_a_good_value_is(name: str, rule: str) -> None:
    assert OPTIONS[name].rule == rule
    with pytest.raises(ValueError, match=rule[:10]):
        OPTIONS[name].check(None)


@pytest.mark.parametrize(
    ("name", "given", "used"),
    [
        ("ratio", 1, 1.0),
        ("ratio", 0.25, 0.25),
        ("count", 9, 9),
        ("on", True, True),
        ("name", " ", " "),
        ("mode", "b", "b"),
        ("names", ["p", "q"], ("p", "q")),
        ("wire", 0, 0),
        ("wire", 27, 27),
        ("enable", "jumper", "jumper"),
    ],
)
def test_a_good_value_becomes_the_one_to_use(name: str, given: Any, used: Any) -> None:
    checked = OPTIONS[name].check(given)
    assert checked == used
    assert type(checked) is type(used)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ratio", True),
        ("ratio", float("nan")),
        ("ratio", 10**400),
        ("count", 3.0),
        ("count", False),
        ("on", 1),
        ("name", ""),
        ("name", b"x"),
        ("mode", "c"),
        ("mode", ["a"]),
        ("names", "p"),
        ("names", [""]),
        ("names", [1]),
        ("names", ["http://car.example"]),
        ("names", ["car.example:8000"]),
        ("names", ["*.example"]),
        ("wire", True),
        ("wire", 41),
        ("wire", 10**400),
        ("enable", -1),
        ("enable", None),
    ],
)
def test_a_bad_value_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        OPTIONS[name].check(value)
    assert str(caught.value) == OPTIONS[name].rule


def test_an_option_knows_its_default_and_its_sentence() -> None:
    assert [o.default for o in OPTIONS.values()] == [0.5, 1.0, 3, False, "x", "a", (), 5, 6]
    assert OPTIONS["wait_s"].sentence == "A time."
    assert _Section() == _Section(0.5, 1.0, 3, False, "x", "a", (), 5, 6)


@pytest.mark.parametrize(
    "value",
    [0, -5, 0.5, 1e-300, 1e22, True, False, "", "a", 'say "x"\\', "tab\tline\n", "\x00\x1f\x7f\x80", "ä🚗", [], ["a", "b"], [1, [True, "x"]]],
    ids=repr,
)  # fmt: skip
def test_a_value_written_as_toml_reads_back_the_same(value: Any) -> None:
    assert tomllib.loads(f"v = {toml(value)}")["v"] == value
