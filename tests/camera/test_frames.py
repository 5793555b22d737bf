"""The frames on the pipe of the camera process, and the ladder."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.camera.frames import (
    LADDER,
    MAX_BYTES,
    MOST_FRAMES,
    NOTICE,
    NOTICE_BYTES,
    PICTURE,
    BadStream,
    Frame,
    Frames,
    at_level,
)

JPEG = b"\xff\xd8 a picture"
PICTURES = st.builds(
    Frame,
    st.just(PICTURE),
    st.integers(0, len(LADDER) - 1),
    st.integers(1, 65535),
    st.integers(1, 65535),
    st.just(0),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=300).map(JPEG.__add__),
)


def frame(seq: int = 1, body: bytes = JPEG, kind: int = PICTURE, level: int = 0) -> Frame:
    return Frame(kind, level, 640, 480, seq, 123, body)


def test_a_frame_is_to_the_letter() -> None:
    head = "0000000b 00 03 0280 01e0 0000 00000007 00000000075bcd15"
    assert (
        Frame(PICTURE, 3, 640, 480, 7, 123456789, b"\xff\xd8a picture").pack()
        == bytes.fromhex(head) + b"\xff\xd8a picture"
    )


@given(sent=st.lists(PICTURES, max_size=5), cuts=st.lists(st.integers(1, 400), min_size=1))
def test_frames_arrive_whole_however_the_pipe_cuts_them(sent: list[Frame], cuts: list[int]) -> None:
    sent = [picture._replace(seq=seq) for seq, picture in enumerate(sent, 1)]
    data = b"".join(picture.pack() for picture in sent)
    frames, got = Frames(), []
    while data:
        for cut in cuts:
            got += frames.feed(data[:cut])
            data = data[cut:]
    assert got == sent


@given(data=st.binary(min_size=24))
def test_garbage_is_a_bad_stream_or_waits_for_more(data: bytes) -> None:
    with contextlib.suppress(BadStream):
        for found in Frames().feed(data):
            assert found.kind == NOTICE or found.body.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(200, 203)) + b"\xff" * 60,
        frame(kind=2).pack(),
        frame(level=len(LADDER)).pack(),
        frame(seq=0).pack(),
        frame(2).pack() + frame(2).pack(),
        frame(body=b"no JPEG").pack(),
        frame()._replace(width=0).pack(),
        (MAX_BYTES + 1).to_bytes(4) + bytes(20),
        frame(kind=NOTICE, body=b" " * (NOTICE_BYTES + 1)).pack(),
        b"".join(frame(seq).pack() for seq in range(1, MOST_FRAMES + 2)),
        b"a line that a library printed\n",
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BadStream):
        Frames().feed(data)


def test_a_frame_may_have_one_mebibyte() -> None:
    whole = frame(body=JPEG.ljust(MAX_BYTES, b"x"))
    assert Frames().feed(whole.pack()) == [whole]


def test_a_notice_is_an_object() -> None:
    assert frame(kind=NOTICE, body=json.dumps({"code": "busy"}).encode()).notice() == {"code": "busy"}
    for body in (b"[1]", b"{", b"\xff\xfe", b"[" * 10_000):
        with pytest.raises(BadStream):
            frame(kind=NOTICE, body=body).notice()


def test_each_level_is_smaller_or_worse_than_the_one_before() -> None:
    levels = [at_level(level, (640, 480), 50) for level in range(len(LADDER))]
    assert levels == [
        ((640, 480), 50),
        ((640, 480), 25),
        ((480, 360), 30),
        ((320, 240), 35),
        ((320, 240), 15),
        ((240, 180), 15),
    ]


def test_the_configured_size_and_quality_are_the_most() -> None:
    assert at_level(3, (320, 240), 20) == ((320, 240), 20)
    assert at_level(2, (320, 240), 50) == ((320, 240), 30)
    assert at_level(1, (640, 480), 10) == ((640, 480), 5)
    assert at_level(2, (1280, 720), 90) == ((480, 270), 30)
