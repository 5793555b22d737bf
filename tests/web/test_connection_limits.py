"""How many connections there may be: strangers keep nobody out, wherever they come from."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tornado.iostream import IOStream

from picar.web.connection_limits import PROTECTED, ConnectionLimits

TOTAL, PER_ADDRESS = 6, 3
HERE, THERE = "192.0.2.1", "192.0.2.2"
FULL, FULL_HERE = (
    "The car already has 6 connections, the maximum. Close one, or try again later.",
    "Your address already has 3 connections, the maximum. Close one of them.",
)


@pytest.fixture
async def limits() -> ConnectionLimits:
    return ConnectionLimits(TOTAL, PER_ADDRESS)


@pytest.fixture
async def streams() -> Iterator[list[IOStream]]:  # type: ignore[misc]
    made = [IOStream(socket.socket()) for _ in range(TOTAL + 1)]
    yield made
    for stream in made:
        stream.close()


def come(limits: ConnectionLimits, ip: str, *streams: IOStream, stay: bool = False) -> None:
    for stream in streams:
        assert limits.refusal(ip) == ""
        limits.add(stream, ip)
        if stay:
            limits.upgrade(stream, ip)


async def test_a_stranger_makes_room_for_who_comes_from_the_same_address(
    limits: ConnectionLimits, streams: list[IOStream]
) -> None:
    come(limits, HERE, streams[0], stay=True)
    come(limits, THERE, streams[1])
    come(limits, HERE, *streams[2:4])
    come(limits, HERE, streams[4])
    assert [stream.closed() for stream in streams[:5]] == [False, False, True, False, False]


async def test_an_address_with_websockets_only_gets_no_more(
    limits: ConnectionLimits, streams: list[IOStream]
) -> None:
    come(limits, HERE, *streams[:3], stay=True)
    assert limits.refusal(HERE) == FULL_HERE
    come(limits, THERE, streams[3])
    limits.remove(streams[0])
    come(limits, HERE, streams[4])
    assert not any(stream.closed() for stream in streams)


async def test_a_full_car_refuses_where_all_may_come_in(
    limits: ConnectionLimits, streams: list[IOStream]
) -> None:
    come(limits, "127.0.0.1", *streams[:5], stay=True)
    come(limits, HERE, streams[5])
    come(limits, THERE, streams[6])
    assert streams[5].closed()
    limits.upgrade(streams[6], THERE)
    assert limits.refusal(HERE) == FULL


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%wlan0", "fe80::2%eth0", True),
    ],
)
async def test_a_network_is_an_address_to_ipv6(
    one: str, other: str, same: bool, limits: ConnectionLimits, streams: list[IOStream]
) -> None:
    come(limits, one, *streams[:3], stay=True)
    assert (limits.refusal(other) == FULL_HERE) is same


async def test_whose_whole_head_has_come_makes_room_last(
    limits: ConnectionLimits, streams: list[IOStream]
) -> None:
    come(limits, HERE, *streams[:2])
    limits.protect(streams[0])
    come(limits, HERE, streams[2], streams[3])
    assert [stream.closed() for stream in streams[:4]] == [False, True, False, False]
    for stream in streams[2:4]:
        limits.protect(stream)
    come(limits, HERE, streams[4])
    assert [stream.closed() for stream in streams[:5]] == [True, True, False, False, False]


async def test_an_address_with_more_than_half_of_its_network_makes_room_first(
    limits: ConnectionLimits, streams: list[IOStream]
) -> None:
    come(limits, "2001:db8::1", streams[0])
    come(limits, "2001:db8::2", *streams[1:3])
    come(limits, "2001:db8::3", streams[3])
    assert [stream.closed() for stream in streams[:4]] == [False, True, False, False]


async def test_no_more_than_64_connections_are_spared_for_their_heads() -> None:
    limits = ConnectionLimits(PROTECTED + 1, PROTECTED + 1)
    streams = [IOStream(socket.socket()) for _ in range(PROTECTED + 2)]
    for stream in streams[:-1]:
        limits.add(stream, HERE)
        limits.protect(stream)
    come(limits, THERE, streams[-1])
    assert [stream.closed() for stream in streams] == [True] + [False] * (PROTECTED + 1)
    for stream in streams:
        limits.remove(stream)
        stream.close()
    assert not limits._protected
