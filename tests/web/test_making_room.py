"""How many connections there may be: strangers keep nobody out, wherever they come from."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tornado.iostream import IOStream

from picar.web.connection_limits import PROTECTED, Crowd

TOTAL, PER_ADDRESS = 6, 3
HERE, THERE = "192.0.2.1", "192.0.2.2"
FULL, FULL_HERE = (
    "6 are connected, and that is the most.",
    "There are 3 connections from your address, and that is the most.",
)


@pytest.fixture
async def crowd() -> Crowd:
    return Crowd(TOTAL, PER_ADDRESS)


@pytest.fixture
async def streams() -> Iterator[list[IOStream]]:  # type: ignore[misc]
    made = [IOStream(socket.socket()) for _ in range(TOTAL + 1)]
    yield made
    for stream in made:
        stream.close()


def come(crowd: Crowd, ip: str, *streams: IOStream, stay: bool = False) -> None:
    for stream in streams:
        assert crowd.refusal(ip) == ""
        crowd.came(stream, ip)
        if stay:
            crowd.became_socket(stream, ip)


async def test_a_stranger_makes_room_for_who_comes_from_the_same_address(
    crowd: Crowd, streams: list[IOStream]
) -> None:
    come(crowd, HERE, streams[0], stay=True)
    come(crowd, THERE, streams[1])
    come(crowd, HERE, *streams[2:4])
    come(crowd, HERE, streams[4])
    assert [stream.closed() for stream in streams[:5]] == [False, False, True, False, False]


async def test_an_address_with_websockets_only_gets_no_more(crowd: Crowd, streams: list[IOStream]) -> None:
    come(crowd, HERE, *streams[:3], stay=True)
    assert crowd.refusal(HERE) == FULL_HERE
    come(crowd, THERE, streams[3])
    crowd.left(streams[0])
    come(crowd, HERE, streams[4])
    assert not any(stream.closed() for stream in streams)


async def test_a_full_car_refuses_where_all_may_come_in(crowd: Crowd, streams: list[IOStream]) -> None:
    come(crowd, "127.0.0.1", *streams[:5], stay=True)
    come(crowd, HERE, streams[5])
    come(crowd, THERE, streams[6])
    assert streams[5].closed()
    crowd.became_socket(streams[6], THERE)
    assert crowd.refusal(HERE) == FULL


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
    one: str, other: str, same: bool, crowd: Crowd, streams: list[IOStream]
) -> None:
    come(crowd, one, *streams[:3], stay=True)
    assert (crowd.refusal(other) == FULL_HERE) is same


async def test_whose_whole_head_has_come_makes_room_last(crowd: Crowd, streams: list[IOStream]) -> None:
    come(crowd, HERE, *streams[:2])
    crowd.heard(streams[0])
    come(crowd, HERE, streams[2], streams[3])
    assert [stream.closed() for stream in streams[:4]] == [False, True, False, False]
    for stream in streams[2:4]:
        crowd.heard(stream)
    come(crowd, HERE, streams[4])
    assert [stream.closed() for stream in streams[:5]] == [True, True, False, False, False]


async def test_an_address_with_more_than_half_of_its_network_makes_room_first(
    crowd: Crowd, streams: list[IOStream]
) -> None:
    come(crowd, "2001:db8::1", streams[0])
    come(crowd, "2001:db8::2", *streams[1:3])
    come(crowd, "2001:db8::3", streams[3])
    assert [stream.closed() for stream in streams[:4]] == [False, True, False, False]


async def test_no_more_than_64_connections_are_spared_for_their_heads() -> None:
    crowd = Crowd(PROTECTED + 1, PROTECTED + 1)
    streams = [IOStream(socket.socket()) for _ in range(PROTECTED + 2)]
    for stream in streams[:-1]:
        crowd.came(stream, HERE)
        crowd.heard(stream)
    come(crowd, THERE, streams[-1])
    assert [stream.closed() for stream in streams] == [True] + [False] * (PROTECTED + 1)
    for stream in streams:
        crowd.left(stream)
        stream.close()
    assert not crowd._heard
