"""Host and Origin headers: the car's own names get in, all others do not."""

from __future__ import annotations

import ipaddress
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picar.web.allowed_hosts import LOCAL_ZONES, AllowedHosts, ascii_name, is_ip, same_origin, split_host

GOOD = [
    "localhost",
    "localhost:8000",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.0.0.1.",
    "192.168.4.1",
    "10.0.0.7:1",
    "8.8.8.8",
    "255.255.255.255:65535",
    "[::1]",
    "[::1]:8000",
    "[fe80::1]:8000",
    "[FE80::ABCD]:8000",
    "[::ffff:192.168.4.1]",
    "picar",
    "picar:8000",
    "PiCar",
    "picar.",
    "picar.:8000",
    "picar-2",
    "picar-17",
    "picar.local",
    "picar.local.",
    "picar.local.:8000",
    "PICAR.LOCAL:8000",
    "picar-2.local",
    "picar-2.local:8000",
    "picar.lan",
    "picar.home.arpa",
    "picar.internal",
    "picar.fritz.box",
    "picar-3.fritz.box",
    "car.example",
    "CAR.example:443",
    "car.example.",
    "other.example",
]
BAD = [
    "",
    ".",
    ":",
    ":8000",
    "evil.example",
    "evil.example:8000",
    "picar.evil.example",
    "picar.local.evil.example",
    "evilpicar",
    "evil.picar.local",
    "picar.localhost",
    "xpicar.local",
    "picarx.local",
    "picar-.local",
    "picar-x.local",
    "picar-2x.local",
    "picar-2-3.local",
    "picar--2.local",
    "picar2.local",
    "picar.local..",
    "picar..local",
    ".picar.local",
    "picarlocal",
    "picar.lanx",
    "picar.fritzbox",
    "sub.car.example",
    "localhost.evil.example",
    "localhost:port",
    "localhost:",
    "localhost:-1",
    "localhost:65536",
    "localhost:99999",
    "localhost:123456",
    "localhost:80:80",
    "local host",
    " localhost",
    "localhost ",
    "localhost\n",
    "localhost\r\nX: y",
    "localhost/",
    "localhost/evil",
    "localhost#",
    "localhost?",
    "localhost@evil.example",
    "user@localhost",
    "http://localhost",
    "//localhost",
    "localhost,evil.example",
    "*",
    "127.1",
    "127.0.0.1.evil.example",
    "127.0.0.256",
    "0127.0.0.1",
    "2130706433",
    "0x7f000001",
    "::1",
    "::1:8000",
    "[::1",
    "::1]",
    "[::1]x",
    "[::1]:",
    "[::g]",
    "[]",
    "[fe80::1%eth0]",
    "[evil.example]",
    "[localhost]",
    "picаr.local",  # noqa: RUF001 - a Cyrillic letter
    "picar。local",
    "ｌocalhost",  # noqa: RUF001 - a wide letter
    "localhost\u0000",
    "localhost:٨٠٠٠",
    "a" * 10_000,
    "." * 10_000,
]


@pytest.fixture
def allowed() -> AllowedHosts:
    return AllowedHosts(lambda: "picar", ["car.example", "Other.Example."])


@pytest.mark.parametrize("host", GOOD)
def test_a_name_of_this_car_gets_in(allowed: AllowedHosts, host: str) -> None:
    assert allowed.allows(host)


@pytest.mark.parametrize("host", BAD, ids=lambda host: repr(host[:30]))
def test_any_other_name_does_not(allowed: AllowedHosts, host: str) -> None:
    assert not allowed.allows(host)


@pytest.mark.parametrize("zone", LOCAL_ZONES)
def test_the_machine_s_name_is_its_own_in_every_local_zone(zone: str) -> None:
    allowed = AllowedHosts(lambda: "Pi-Car-2.example.org.", [])
    assert allowed.allows(f"pi-car-2.{zone}")
    assert allowed.allows(f"pi-car-2-5.{zone}:8000")
    assert not allowed.allows(f"pi-car.{zone}")
    assert allowed.allows("pi-car-2")
    assert allowed.allows("PI-CAR-2.example.org:8000")
    assert not allowed.allows("other.example.org")


@pytest.mark.parametrize(
    ("machine", "stranger"), [("a.b", "axb"), ("pi.car", "pixcar"), ("p+", "pp"), ("(", "x"), (".*", "x")]
)
def test_a_machine_s_name_is_no_pattern(machine: str, stranger: str) -> None:
    allowed = AllowedHosts(lambda: machine, [])
    assert not allowed.allows(stranger)
    assert not allowed.allows(f"{stranger}.local")


@pytest.mark.parametrize("machine", ["", "."])
def test_a_machine_without_a_name_has_no_more_names_than_its_addresses(machine: str) -> None:
    allowed = AllowedHosts(lambda: machine, [])
    for host in ("", ".", "-2", ".local", "-2.local", "local", "evil.example"):
        assert not allowed.allows(host)
    assert allowed.allows("localhost")
    assert allowed.allows("192.168.4.1")


def test_a_machine_that_is_renamed_answers_to_its_new_name_at_once_and_still_to_its_old_one() -> None:
    names = ["old"]
    allowed = AllowedHosts(lambda: names[-1], [])
    assert allowed.allows("old.local")
    assert not allowed.allows("new.local")
    names.append("new")
    assert allowed.allows("new.local:8000")
    assert allowed.allows("new-2")
    assert allowed.allows("old.local")
    assert not allowed.allows("newer.local")


def test_a_name_with_letters_beyond_ascii_is_known_as_browsers_send_it() -> None:
    allowed = AllowedHosts(lambda: "Büro", ["例え.テスト", "xn--strae-oqa.example."])
    good = ["xn--bro-hoa", "XN--BRO-HOA.local.:8000", "xn--r8jz45g.xn--zckzah", "xn--strae-oqa.example"]
    bad = [
        "büro.local",
        "bÃ¼ro.local",
        "buro.local",
        "xn--bro-.local",
        "xn--bro-hoa.evil.example",
        "bro",
        "xn--",
    ]
    assert [host for host in good if not allowed.allows(host)] == []
    assert [host for host in bad if allowed.allows(host)] == []


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Büro.Local.", "xn--bro-hoa.local"),
        ("bu\u0308ro", "xn--bro-hoa"),
        ("straße", "xn--strae-oqa"),
        ("ｐｉｃａｒ", "picar"),  # noqa: RUF001 - wide letters
        ("привет.local", "xn--b1agh1afp.local"),
        ("picar-2.fritz.box", "picar-2.fritz.box"),
    ],
)
def test_a_name_is_sent_in_lower_case_and_in_punycode(name: str, sent: str) -> None:
    assert ascii_name(name) == sent


@settings(deadline=None)
@given(st.text() | st.binary().map(os.fsdecode))
def test_whatever_the_machine_is_called_only_ascii_comes_of_it(name: str) -> None:
    assert ascii_name(name).isascii()
    assert not AllowedHosts(lambda: name, [name]).allows("evil.example")


@settings(deadline=None)
@given(st.ip_addresses(), st.none() | st.integers(0, 65535))
def test_every_ip_address_gets_in(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int | None
) -> None:
    name = f"[{address}]" if address.version == 6 else str(address)
    if "%" not in name:
        assert AllowedHosts(lambda: "picar", []).allows(name if port is None else f"{name}:{port}")


@settings(deadline=None)
@given(st.text() | st.text(alphabet="picar.-2:[]local0123456789"))
def test_what_gets_in_is_an_address_or_a_known_name(host: str) -> None:
    if AllowedHosts(lambda: "picar", ["car.example"]).allows(host):
        parts = split_host(host)
        assert parts is not None
        name, port = parts
        assert 0 <= port <= 65535
        assert is_ip(name) or name in ("localhost", "car.example") or name.startswith("picar")


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("picar.local", ("picar.local", 80)),
        ("PiCar.Local.:8000", ("picar.local", 8000)),
        ("[::1]:1", ("::1", 1)),
        ("[2001:DB8::1]", ("2001:db8::1", 80)),
        ("a:0", ("a", 0)),
        ("a:65535", ("a", 65535)),
        ("a:65536", None),
        ("a:", None),
        ("", None),
        (".", None),
        ("a b", None),
        ("::1", None),
    ],
)
def test_a_host_is_a_name_and_a_port(host: str, parts: tuple[str, int] | None) -> None:
    assert split_host(host) == parts


def test_the_port_that_goes_without_saying_is_the_scheme_s() -> None:
    assert split_host("a", default_port=443) == ("a", 443)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://picar.local", "picar.local"),
        ("http://picar.local:80", "picar.local"),
        ("http://picar.local", "picar.local:80"),
        ("http://picar.local:8000", "picar.local:8000"),
        ("HTTP://PICAR.local.:8000", "picar.LOCAL:8000"),
        ("https://picar.local", "picar.local"),
        ("https://picar.local", "picar.local:443"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
    ],
)
def test_the_car_s_own_page_is_the_same_origin(origin: str, host: str) -> None:
    assert same_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "picar.local"),
        ("http://picar.local:8000", "picar.local"),
        ("http://picar.local", "picar.local:8000"),
        ("https://picar.local", "picar.local:80"),
        ("http://picar.local.evil.example", "picar.local"),
        ("http://evil.example/picar.local", "picar.local"),
        ("http://picar.local@evil.example", "picar.local"),
        ("http://evil@picar.local", "picar.local"),
        ("http://picar.local/", "picar.local"),
        ("http:picar.local", "picar.local"),
        ("picar.local", "picar.local"),
        ("null", "picar.local"),
        ("", "picar.local"),
        ("file://", "picar.local"),
        ("ftp://picar.local", "picar.local"),
        ("chrome-extension://picar.local", "picar.local"),
        ("http://", ""),
        ("http://a b", "a b"),
        ("null", "null"),
        ("http://picar.local http://evil.example", "picar.local"),
    ],
)
def test_any_other_page_is_not(origin: str, host: str) -> None:
    assert not same_origin(origin, host)


@settings(deadline=None)
@given(st.text(), st.text())
def test_no_two_headers_make_it_fail(origin: str, host: str) -> None:
    same_origin(origin, host)
    same_origin(f"http://{origin}", host)


@pytest.mark.parametrize(
    ("name", "ip"),
    [
        ("1.2.3.4", True),
        ("::1", True),
        ("fe80::1", True),
        ("1.2.3", False),
        ("01.2.3.4", False),
        ("x", False),
        ("", False),
    ],
)
def test_an_address_is_told_from_a_name(name: str, ip: bool) -> None:
    assert is_ip(name) is ip
