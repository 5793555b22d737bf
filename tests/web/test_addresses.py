"""Under which address a phone finds the car: which one is shown, its URL and its QR code."""

from __future__ import annotations

import socket

import pytest
import segno

from picar.web.addresses import for_a_phone, interfaces, qr_code, reachable, url

PI = {"lo": "127.0.0.1", "eth0": "192.168.1.5", "wlan0": "192.168.4.1"}
LAPTOP = {
    "lo": "127.0.0.1",
    "docker0": "172.17.0.1",
    "br-1f2e": "172.18.0.1",
    "enp3s0": "10.0.0.5",
    "tun0": "10.8.0.2",
    "wlp2s0": "10.0.0.6",
}
OFFLINE = {"lo": "127.0.0.1"}
CONTAINER_HOST = {"lo": "127.0.0.1", "docker0": "172.17.0.1", "veth12": "169.254.0.1"}


@pytest.mark.parametrize(
    ("host", "present", "address"),
    [
        ("0.0.0.0", PI, "192.168.4.1"),
        ("::", PI, "192.168.4.1"),
        ("0.0.0.0", LAPTOP, "10.0.0.6"),
        ("0.0.0.0", {"lo": "127.0.0.1", "eth0": "192.168.1.5"}, "192.168.1.5"),
        ("0.0.0.0", {"eth0": "192.168.1.5", "ap0": "192.168.4.1"}, "192.168.4.1"),
        ("0.0.0.0", {"eth0": "192.168.1.5", "uap0": "192.168.4.1"}, "192.168.4.1"),
        ("0.0.0.0", OFFLINE, None),
        ("0.0.0.0", CONTAINER_HOST, None),
        ("0.0.0.0", {}, None),
        ("192.168.1.5", PI, "192.168.1.5"),
        ("car.example", PI, "car.example"),
        ("127.0.0.1", PI, None),
        ("127.1.2.3", PI, None),
        ("::1", PI, None),
        ("localhost", PI, None),
    ],
)
def test_a_phone_is_shown_the_wifi_address_and_never_one_it_cannot_reach(
    host: str, present: dict[str, str], address: str | None
) -> None:
    assert for_a_phone(host, present) == address


@pytest.mark.parametrize(
    ("host", "present", "addresses"),
    [
        ("0.0.0.0", PI, ["192.168.4.1", "192.168.1.5", "127.0.0.1"]),
        ("::", PI, ["192.168.4.1", "192.168.1.5", "127.0.0.1"]),
        ("0.0.0.0", LAPTOP, ["10.0.0.6", "10.0.0.5", "172.17.0.1", "172.18.0.1", "10.8.0.2", "127.0.0.1"]),
        ("0.0.0.0", OFFLINE, ["127.0.0.1"]),
        ("0.0.0.0", {}, ["127.0.0.1"]),
        ("192.168.1.5", PI, ["192.168.1.5"]),
        ("127.0.0.1", PI, ["127.0.0.1"]),
        ("car.example", PI, ["car.example"]),
    ],
)
def test_every_address_that_answers_is_listed_the_phone_s_first(
    host: str, present: dict[str, str], addresses: list[str]
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
    found = interfaces()
    assert "127.0.0.1" in found.values()
    for address in found.values():
        socket.inet_aton(address)


def test_an_interface_without_an_address_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    present = [*socket.if_nameindex(), (9999, "none0")]
    monkeypatch.setattr(socket, "if_nameindex", lambda: present)
    assert "none0" not in interfaces()


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
