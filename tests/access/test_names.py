"""Names: what shows nothing is not in them, and two that look the same are not both given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.access.names import (
    NAME_BYTES,
    NAME_CHARACTERS,
    is_printable,
    look_alike,
    shortened,
    tidy_name,
    unused,
)

FAMILY = "👨\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Mia's phone", "Mia's phone"),
        ("\u115f", ""),
        ("\u3164\uffa0\u1160", ""),
        ("\u2800", ""),
        ("\ufe0f", ""),
        ("\U000e0100", ""),
        ("\u0301\u0308", ""),
        ("\u200d\u200c", ""),
        ("\u200b\u2060\ufeff\u00ad", ""),
        ("da\u200bd", "dad"),
        ("dad\ufe0f", "dad"),
        ("\u202edad", "dad"),
        ("da\u034fd", "dad"),
        (" \u0301x", "x"),
        ("a\u00a0\u3000\t\nb", "a b"),
        ("\x1b[31mred", "[31mred"),
        ("\ud800x\ue000", "x"),
        ("dad\u200d \u200d", "dad"),
        (FAMILY, FAMILY),
        ("❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"),
        ("🏴\U000e0067\U000e007f", "🏴"),
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
        ("ක්\u200dෂ", "ක්\u200dෂ"),
        ("José", "José"),
        ("Jose\u0301", "Jose\u0301"),
        ("ยายน้ำ", "ยายน้ำ"),
    ],
    ids=ascii,
)
def test_a_name_keeps_what_can_be_seen_and_what_joins_it(said: str, kept: str) -> None:
    assert tidy_name(said) == kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("x" * 33, "x" * 32),
        ("x" * 31 + " y", "x" * 31),
        ("ö" * 33, "ö" * 32),
        ("车" * 32, "车" * 21),
        ("🚗" * 40, "🚗" * 16),
        (FAMILY * 9, FAMILY * 3),  # 18 bytes each
        ("🇩🇪" * 9, "🇩🇪" * 8),
        ("a" + "🇩🇪" * 9, "a" + "🇩🇪" * 7),
        ("👍🏽" * 9, "👍🏽" * 8),
        ("xyz" + "👍🏽" * 9, "xyz" + "👍🏽" * 7),
        ("x" * 31 + "e\u0301", "x" * 31),
        ("Z" + "\u0301" * 100, "Z" + "\u0301" * 31),
    ],
    ids=ascii,
)
def test_a_long_name_is_cut_between_characters_as_people_see_them(said: str, kept: str) -> None:
    assert tidy_name(said) == kept
    assert shortened(kept) == kept


def test_a_number_finds_room_behind_a_long_name() -> None:
    for long in ("x" * 32, "🚗" * 16, "车" * 21):
        numbered = unused(long, {look_alike(long)})
        assert numbered.endswith(" 2")
        assert shortened(numbered) == numbered
        assert numbered.startswith(long[:14])


@given(
    st.text()
    | st.text(alphabet="🚗👍🏽🇩🇪\u0301\u200dx", max_size=80)
    | st.text(alphabet="ab \u200c\u200d\ufe0f\u0301\u3164❤👩\n\u202e")
)
def test_a_tidy_name_is_short_plain_and_stays_as_it_is(said: str) -> None:
    name = tidy_name(said)
    assert len(name) <= NAME_CHARACTERS
    assert len(name.encode()) <= NAME_BYTES
    assert is_printable(name)
    assert tidy_name(name) == name
    assert name.split(" ") == name.split() or not name
    assert not name or look_alike(name).strip()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dad", "Dad"),
        ("dad", "DAD"),
        ("dad", "\uff44\uff41\uff44"),
        ("dad", "da\u200dd"),
        ("José", "Jose\u0301"),
        ("Straße", "STRASSE"),
        ("all", "\uff21\uff2c\uff2c"),
        ("2", "②"),
    ],
)
def test_names_that_look_the_same_get_numbers(one: str, other: str) -> None:
    assert look_alike(one) == look_alike(other)
    assert unused(other, {look_alike(one)}) == f"{other} 2"
    assert unused(other, {look_alike(one), look_alike(f"{one} 2")}) == f"{other} 3"


def test_names_that_look_different_get_none() -> None:
    assert unused("Dad 2", {look_alike("Dad")}) == "Dad 2"
    assert unused("José", {look_alike("Jose")}) == "José"
    assert unused("👩", {look_alike("👨")}) == "👩"
