"""The base of the frozen dataclasses."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from picar.values import Value


class Colour(Value):
    """An example with each kind of field."""

    name: str
    share: float = 0.5
    words: tuple[str, ...] = dataclasses.field(default_factory=tuple)
    note: str = dataclasses.field(default="", compare=False, repr=False)


class Taste(Value):
    """The same first field."""

    name: str


def test_values_are_given_by_place_or_by_name_and_the_others_are_the_defaults() -> None:
    assert dataclasses.asdict(Colour("red", words=("a",))) == {
        "name": "red",
        "share": 0.5,
        "words": ("a",),
        "note": "",
    }


@pytest.mark.parametrize(
    ("given", "sentence"),
    [({}, "name is missing"), ({"name": "red", "size": 1}, "Colour has no size")],
)
def test_a_missing_and_an_unknown_value_are_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        Colour(**given)


def test_more_values_than_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="Colour has 4 fields, and 5 values are given"):
        Colour("red", 0.5, (), "", "more")  # type: ignore[call-arg]


def test_a_value_cannot_be_changed() -> None:
    red = Colour("red")
    with pytest.raises(dataclasses.FrozenInstanceError):
        red.name = "blue"  # type: ignore[misc]
    assert dataclasses.replace(red, name="blue") == Colour("blue")
    assert red.name == "red"


def test_values_are_equal_if_their_class_and_all_compared_fields_are() -> None:
    assert Colour("red", note="a") == Colour("red", note="b")
    assert len({Colour("red", note="a"), Colour("red", note="b"), Colour("blue")}) == 2
    assert Colour("red") != Colour("red", 0.4)
    assert Taste("red") != Colour("red")


def test_a_value_shows_the_fields_that_may_be_shown() -> None:
    assert repr(Colour("red", note="secret")) == "Colour(name='red', share=0.5, words=())"
