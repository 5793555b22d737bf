"""Under which address a phone finds the car: which one is shown, its URL and its QR code."""

from __future__ import annotations

import ipaddress
import re
import socket
from pathlib import Path

import pytest
import segno

from picar.network.addresses import (
    Present,
    for_a_phone,
    interfaces,
    is_loopback,
    reachable,
    url,
)
from picar.network.qr import qr_code, qr_code_in_colours

LO = ("lo", "127.0.0.1")
WIFI, CABLE = ("wlan0", "192.168.4.1"), ("eth0", "192.168.1.5")
DOCKER, DOCKER6 = ("docker0", "172.17.0.1"), ("docker0", "fd00:d0c::1")
GLOBAL, OWN = ("wlan0", "2001:db8::7"), ("wlan0", "fd00:1234::7")
CABLE6 = ("eth0", "2001:db8::8")
SELF_GIVEN = ("eth0", "169.254.3.4")  # RFC 3927: no router gave an address
PI = [LO, CABLE, WIFI]
PI6 = [LO, CABLE, WIFI, CABLE6, GLOBAL, OWN]
LAPTOP = [
    LO,
    DOCKER,
    ("br-1f2e", "172.18.0.1"),
    ("enp3s0", "10.0.0.5"),
    ("tun0", "10.8.0.2"),
    ("wlp2s0", "10.0.0.6"),
]
CONTAINER_HOST = [LO, DOCKER, ("veth12", "169.254.0.1"), DOCKER6]
ONLY6 = [LO, DOCKER, SELF_GIVEN, CABLE6, GLOBAL, DOCKER6]


@pytest.mark.parametrize(
    ("host", "present", "address"),
    [
        ("all", PI, "192.168.4.1"),
        ("all", PI6, "192.168.4.1"),
        ("all", [LO, CABLE, GLOBAL], "192.168.1.5"),
        ("all", LAPTOP, "10.0.0.6"),
        ("all", [LO, CABLE], "192.168.1.5"),
        ("all", [CABLE, ("ap0", "192.168.4.1")], "192.168.4.1"),
        ("all", [CABLE, ("uap0", "192.168.4.1")], "192.168.4.1"),
        ("all", ONLY6, "2001:db8::7"),
        ("all", [LO, SELF_GIVEN], "169.254.3.4"),
        ("all", [LO, ("clat4", "192.0.0.1"), OWN], "fd00:1234::7"),
        ("all", [LO], None),
        ("all", CONTAINER_HOST, None),
        ("all", [], None),
        ("0.0.0.0", PI6, "192.168.4.1"),
        ("0.0.0.0", [LO, GLOBAL], None),
        ("::", PI6, "2001:db8::7"),
        ("::0", PI6, "2001:db8::7"),
        ("::", PI, None),
        ("192.168.1.5", PI, "192.168.1.5"),
        ("2001:db8::8", PI6, "2001:db8::8"),
        ("car.example", PI, "car.example"),
        ("127.0.0.1", PI, None),
        ("127.1.2.3", PI, None),
        ("::1", PI, None),
        ("localhost", PI, None),
    ],
)
def test_a_phone_is_shown_the_wifi_address_and_never_one_it_cannot_reach(
    host: str, present: Present, address: str | None
) -> None:
    assert for_a_phone(host, present) == address


@pytest.mark.parametrize(
    ("host", "present", "addresses"),
    [
        ("all", PI, ["192.168.4.1", "192.168.1.5", "127.0.0.1"]),
        (
            "all",
            PI6,
            ["192.168.4.1", "192.168.1.5", "2001:db8::7", "fd00:1234::7", "2001:db8::8", "127.0.0.1"],
        ),
        ("all", LAPTOP, ["10.0.0.6", "10.0.0.5", "172.17.0.1", "172.18.0.1", "10.8.0.2", "127.0.0.1"]),
        (
            "all",
            ONLY6,
            ["2001:db8::7", "2001:db8::8", "169.254.3.4", "172.17.0.1", "fd00:d0c::1", "127.0.0.1"],
        ),
        ("all", [LO], ["127.0.0.1"]),
        ("all", [], ["127.0.0.1"]),
        ("0.0.0.0", PI6, ["192.168.4.1", "192.168.1.5", "127.0.0.1"]),
        ("::", PI6, ["2001:db8::7", "fd00:1234::7", "2001:db8::8", "::1"]),
        ("::", PI, ["::1"]),
        ("192.168.1.5", PI, ["192.168.1.5"]),
        ("127.0.0.1", PI, ["127.0.0.1"]),
        ("car.example", PI, ["car.example"]),
    ],
)
def test_every_address_that_answers_is_listed_the_phone_s_first(
    host: str, present: Present, addresses: list[str]
) -> None:
    assert reachable(host, present) == addresses


@pytest.mark.parametrize(
    ("address", "port", "text"),
    [
        ("192.168.4.1", 8000, "http://192.168.4.1:8000"),
        ("192.168.4.1", 80, "http://192.168.4.1"),
        ("::1", 8000, "http://[::1]:8000"),
        ("fe80::1", 80, "http://[fe80::1]"),
        ("car.example", 8000, "http://car.example:8000"),
    ],
)
def test_a_url_is_what_a_browser_takes(address: str, port: int, text: str) -> None:
    assert url(address, port) == text


def test_this_machine_s_own_addresses_are_found_without_a_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: socket.socket, *_where: object) -> None:
        raise AssertionError("something was dialled")

    for call in ("connect", "connect_ex", "sendto", "send"):
        monkeypatch.setattr(socket.socket, call, refuse, raising=False)
    found = [address for _, address in interfaces()]
    assert "127.0.0.1" in found
    for address in found:
        ip = ipaddress.ip_address(address)
        assert ip.version == 4 or not (ip.is_loopback or ip.is_link_local)


def test_an_interface_without_an_address_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    present = [*socket.if_nameindex(), (9999, "none0")]
    monkeypatch.setattr(socket, "if_nameindex", lambda: present)
    assert "none0" not in dict(interfaces())


IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fe8000000000000000fc00fffe000001 03 40 20 80    wlan0
20010db800000000aaaabbbbccccdddd 03 40 00 01    wlan0
20010db8000000000000000000000007 03 40 00 00    wlan0
20010db8000000000000000000000006 03 40 00 20    wlan0
20010db8000000000000000000000005 03 40 00 48    wlan0
20010db8000000000000000000000004 03 40 00 40     eth0
fd000000000000000000000000000002 02 40 00 80     eth0
"""


def test_ipv6_addresses_that_others_reach_are_found_the_temporary_ones_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "if_inet6"
    monkeypatch.setattr("picar.network.addresses._IPV6", file)
    without = list(interfaces())
    file.write_text(IF_INET6)
    assert interfaces() == [
        *without,
        ("wlan0", "2001:db8::7"),
        ("eth0", "fd00::2"),
        ("wlan0", "2001:db8::aaaa:bbbb:cccc:dddd"),
    ]


@pytest.mark.parametrize("text", ["http://192.168.4.1:8000", "http://[fe80::1234:5678:9abc:def0]:8000", "x"])
def test_a_qr_code_on_the_terminal_has_the_cells_of_the_real_one(text: str) -> None:
    lines = list(qr_code(text))
    dark_above_and_below = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    rows: list[list[int]] = []
    for line in lines:
        pairs = [dark_above_and_below[letter] for letter in line]
        rows += [[above for above, _ in pairs], [below for _, below in pairs]]
    wanted = [
        [int(bool(cell)) for cell in row]
        for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)
    ]
    assert rows[: len(wanted)] == wanted
    assert not any(cell for row in rows[len(wanted) :] for cell in row)
    assert len({len(line) for line in lines}) == 1
    assert len(lines) <= 24  # it fits a terminal


@pytest.mark.parametrize("text", ["http://192.168.4.1:8000", "http://[fe80::1234:5678:9abc:def0]:8000", "x"])
def test_a_qr_code_in_colours_has_the_squares_of_the_real_one_where_it_fits(text: str) -> None:
    wanted = [
        [bool(cell) for cell in row] for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)
    ]
    lines = qr_code_in_colours(text, 2 * len(wanted[0]))
    rows = []
    for line in lines:
        assert line.endswith("\x1b[0m")
        runs = re.findall(r"\x1b\[(40|47)m((?:  )+)", line)
        assert "".join(f"\x1b[{colour}m{blanks}" for colour, blanks in runs) + "\x1b[0m" == line
        rows.append([colour == "40" for colour, blanks in runs for _ in range(len(blanks) // 2)])
    assert rows == wanted
    assert qr_code_in_colours(text, 2 * len(wanted[0]) - 1) == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.7", False),
        ("::ffff:10.0.0.7", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback_is_an_address_of_this_machine_in_either_version_and_never_a_name(
    address: str, expected: bool
) -> None:
    assert is_loopback(address) is expected
