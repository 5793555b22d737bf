"""Signed texts: what this car's secret did not sign, for that purpose, is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.access import tokens

SECRET, OTHER = tokens.new_secret(), tokens.new_secret()
PIN = "123456"
NOW = 100.0


def test_a_credential_names_its_session() -> None:
    assert tokens.session_of(SECRET, tokens.credential(SECRET, "abc")) == "abc"


@given(st.text())
def test_any_other_text_is_nobody_s_credential_and_no_invitation(text: str) -> None:
    assert tokens.session_of(SECRET, text) is None
    assert not tokens.is_invitation(SECRET, PIN, text, NOW)


@pytest.mark.parametrize(
    "text",
    [
        tokens.credential(OTHER, "abc"),
        tokens.credential(SECRET, "abc").replace("abc", "abd"),
        tokens.credential(SECRET, "abc")[:-1],
        tokens.credential(SECRET, "abc") + "A",
        tokens.invitation(SECRET, PIN, NOW),
        "\ud800",
    ],
    ids=["another car's", "another session", "cut short", "too long", "an invitation", "no text"],
)
def test_a_forged_credential_is_nobody_s(text: str) -> None:
    assert tokens.session_of(SECRET, text) is None


def test_an_invitation_is_good_until_its_end() -> None:
    text = tokens.invitation(SECRET, PIN, NOW + 600.0)
    assert tokens.is_invitation(SECRET, PIN, text, NOW)
    assert tokens.is_invitation(SECRET, PIN, text, NOW + 599.9)
    assert not tokens.is_invitation(SECRET, PIN, text, NOW + 600.0)


def test_an_invitation_is_worth_nothing_with_another_pin_secret_or_end() -> None:
    text = tokens.invitation(SECRET, PIN, NOW)
    assert not tokens.is_invitation(SECRET, "654321", text, NOW - 1)
    assert not tokens.is_invitation(OTHER, PIN, text, NOW - 1)
    assert not tokens.is_invitation(SECRET, PIN, "9" + text, NOW - 1)
    assert not tokens.is_invitation(SECRET, PIN, tokens.credential(SECRET, "999"), NOW - 1)


def test_a_pin_is_six_digits() -> None:
    pins = {tokens.new_pin() for _ in range(200)}
    assert len(pins) > 100
    assert all(len(pin) == 6 and pin.isascii() and pin.isdecimal() for pin in pins)
