"""Signed texts give access only with this car's signature for their purpose; ten wrong PINs close the door for a minute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.access import tokens
from picar.access.tokens import PAUSE_S, TRIES, PinGuard

SECRET, OTHER = tokens.new_secret(), tokens.new_secret()
ROUND, BY = "a1", "0123456789abcdef"
NOW = 100.0


def test_a_credential_names_its_session() -> None:
    assert tokens.session_of(SECRET, tokens.credential(SECRET, "abc")) == "abc"


@given(st.text())
def test_any_other_text_is_nobody_s_credential_and_no_invitation(text: str) -> None:
    assert tokens.session_of(SECRET, text) is None
    assert tokens.read_invitation(SECRET, ROUND, text, NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        tokens.credential(OTHER, "abc"),
        tokens.credential(SECRET, "abc").replace("abc", "abd"),
        tokens.credential(SECRET, "abc")[:-1],
        tokens.credential(SECRET, "abc") + "A",
        tokens.invitation(SECRET, ROUND, BY, NOW),
        "\ud800",
    ],
    ids=["another car's", "another session", "cut short", "too long", "an invitation", "no text"],
)
def test_a_forged_credential_is_nobody_s(text: str) -> None:
    assert tokens.session_of(SECRET, text) is None


def test_an_invitation_is_good_until_its_end_and_says_who_invited() -> None:
    text = tokens.invitation(SECRET, ROUND, BY, NOW + 600.0)
    found = [tokens.read_invitation(SECRET, ROUND, text, now) for now in (NOW, NOW + 599.9, NOW + 600.0)]
    assert found[0] == found[1]
    assert found[0] is not None
    assert found[0].by == BY
    assert found[2] is None


def test_an_invitation_has_a_tag_of_its_own() -> None:
    texts = [
        tokens.invitation(SECRET, *who, NOW + end) for who in ((ROUND, BY), (ROUND, "PIN")) for end in (1, 2)
    ]
    found = [tokens.read_invitation(SECRET, ROUND, text, NOW) for text in texts]
    assert len({one.tag for one in found if one}) == 4


def test_an_invitation_is_worth_nothing_in_another_round_or_with_another_secret_end_or_inviter() -> None:
    text = tokens.invitation(SECRET, ROUND, BY, NOW)

    def is_good(secret: str, round_id: str, text: str) -> bool:
        return tokens.read_invitation(secret, round_id, text, NOW - 1) is not None

    assert is_good(SECRET, ROUND, text)
    assert not is_good(SECRET, "a2", text)
    assert not is_good(OTHER, ROUND, text)
    assert not is_good(SECRET, ROUND, "9" + text)
    assert not is_good(SECRET, ROUND, text.replace(BY, "PIN"))
    assert not is_good(SECRET, ROUND, tokens.credential(SECRET, "999"))
    assert not is_good(SECRET, ROUND, tokens.credential(SECRET, f"999.{BY}"))


def test_a_pin_is_six_digits() -> None:
    pins = {tokens.new_pin() for _ in range(200)}
    assert len(pins) > 100
    assert all(len(pin) == 6 and pin.isascii() and pin.isdecimal() for pin in pins)
    assert all(tokens.as_pin(pin) == pin for pin in pins)


@pytest.mark.parametrize(
    "typed",
    [
        "072368",
        "072 368",
        " 07-23-68\n",
        "072\u2013368",
        "072\u2212368",
        "072\u00a0368",
        "\u200e072368\u200f",
        "\uff10\uff17\uff12\uff13\uff16\uff18",
        "\u0660\u0667\u0662\u0663\u0666\u0668",
        "\u06f0\u06f7\u06f2\u06f3\u06f6\u06f8",
        "\u0966\u096d\u0968\u0969\u096c\u096e",
        "\U0001d7ce\U0001d7d5\U0001d7d0\U0001d7d1\U0001d7d4\U0001d7d6",
    ],
    ids=ascii,
)
def test_a_pin_is_read_from_whatever_digits_and_blanks_somebody_typed(typed: str) -> None:
    assert tokens.as_pin(typed) == "072368"


@pytest.mark.parametrize(
    "typed",
    ["", "07236", "0723681", "07236a", "0.7236", "07236\u00bd", "\ud800", "1" * 4000, "-" * 201 + "072368", "+72368", "07236\u4e00"],
    ids=lambda typed: ascii(typed[:10]),
)  # fmt: skip
def test_what_has_not_six_digits_is_no_pin(typed: str) -> None:
    assert tokens.as_pin(typed) is None


@given(st.text())
def test_what_is_read_as_a_pin_has_six_digits(typed: str) -> None:
    pin = tokens.as_pin(typed)
    assert pin is None or (len(pin) == tokens.PIN_DIGITS and pin.isascii() and pin.isdecimal())


def test_ten_wrong_pins_close_the_door_for_a_minute() -> None:
    guard = PinGuard()
    for n in range(TRIES):
        assert guard.wait_s(NOW + n) == 0.0
        guard.wrong(NOW + n)
    last = NOW + TRIES - 1
    assert guard.wait_s(last) == PAUSE_S
    assert guard.wait_s(last + PAUSE_S - 0.1) > 0.0
    assert guard.wait_s(last + PAUSE_S) == 0.0


def test_after_the_minute_there_are_ten_tries_again() -> None:
    guard = PinGuard()
    for now in (NOW, NOW + PAUSE_S):
        for _ in range(TRIES):
            assert guard.wait_s(now) == 0.0
            guard.wrong(now)
        assert guard.wait_s(now) == PAUSE_S


def test_the_right_pin_forgives_the_wrong_ones_before_it() -> None:
    guard = PinGuard()
    for _ in range(3):
        for _ in range(TRIES - 1):
            guard.wrong(NOW)
        guard.right()
    assert guard.wait_s(NOW) == 0.0
