"""The protocol picar-video.v1: messages of a viewer, and the head of a picture."""

from __future__ import annotations

import contextlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.camera.frames import LADDER
from picar.core.video import WORST_LEVEL, By, Seen, Want, head, parse

GOOD = [
    ({"type": "seen", "seq": 71}, Seen(71)),
    ({"type": "want", "fps": 30}, Want(30)),
    ({"type": "want", "fps": 0}, Want(0)),
    ({"type": "want", "fps": 10, "level": 3}, Want(10, 3)),
    ({"type": "want", "level": 5, "fps": 10}, Want(10, 5)),
    ({"type": "by", "camera": True}, By(True)),
    ({"type": "by", "camera": False}, By(False)),
]
BAD = [
    "",
    "no",
    "[]",
    "{}",
    "null",
    "[" * 100_000,
    '{"type":"seen"}',
    '{"type":"seen","seq":0}',
    '{"type":"seen","seq":true}',
    '{"type":"seen","seq":1.0}',
    '{"type":"seen","seq":4294967296}',
    '{"type":"seen","seq":1,"more":1}',
    '{"type":"want","fps":-1}',
    '{"type":"want","fps":61}',
    '{"type":"want","fps":NaN}',
    '{"type":"want","fps":false}',
    '{"type":"want","fps":10,"level":6}',
    '{"type":"want","fps":10,"level":-1}',
    '{"type":"want","fps":10,"level":true}',
    '{"type":"want","fps":10,"level":3.0}',
    '{"type":"want","fps":10,"level":null}',
    '{"type":"want","fps":61,"level":3}',
    '{"type":"want","fps":10,"level":3,"more":1}',
    '{"type":"want","level":3}',
    '{"type":"by","camera":1}',
    '{"type":"stop"}',
    b'{"type":"want","fps":0}',
]


@pytest.mark.parametrize(("fields", "message"), GOOD)
def test_a_message_of_a_viewer_is_read(fields: dict[str, object], message: object) -> None:
    assert parse(json.dumps(fields)) == message


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_message_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the law names no more
        parse(text)


def test_a_viewer_may_name_every_level_of_the_ladder() -> None:
    assert len(LADDER) - 1 == WORST_LEVEL


@given(st.one_of(st.text(), st.binary(), st.dictionaries(st.text(), st.integers()).map(json.dumps)))
def test_every_text_is_a_message_or_a_value_error(text: str | bytes) -> None:
    with contextlib.suppress(ValueError):
        parse(text)


def test_a_head_has_twenty_bytes_in_their_places() -> None:
    assert struct.unpack("!BBHIIHHI", head(2, 0.0621, 71, 0.03, 480, 360)) == (1, 2, 62, 71, 30, 480, 360, 0)


def test_an_age_that_does_not_fit_is_the_largest_and_a_trip_that_was_short_is_no_missing_one() -> None:
    assert struct.unpack("!BBHIIHHI", head(0, 1e9, 1, 1e-5, 1, 1))[2:5] == (65535, 1, 1)
    assert struct.unpack("!BBHIIHHI", head(0, -1.0, 1, 0.0, 1, 1))[2:5] == (0, 1, 0)
