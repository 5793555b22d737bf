"""The car's certificates: names, dates, the clock, and what openssl and other readers make of them."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from picar import files
from picar.config import Config, HotspotConfig, TlsConfig
from picar.errors import TlsError
from picar.network import addresses, tls
from picar.network.addresses import is_local

NAMES = ["toy.local", "192.168.1.5", "fd00::5", "127.0.0.1", "10.42.0.1", "toy.lan"]
NOW = tls.RELEASED + 100 * tls.DAY_S


def shown(file: Path, *what: str) -> str:
    command = ["openssl", "x509", "-in", str(file), "-noout", *what]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("state") / "tls"
    tls.ensure(made, NAMES, NOW)
    return made


@pytest.fixture
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "clock_is_trusted", lambda: False)


def at(monkeypatch: pytest.MonkeyPatch, system: float) -> None:
    monkeypatch.setattr(time, "time", lambda: system)


def test_the_ca_is_as_specified(folder: Path) -> None:
    text = shown(folder / tls.CA, "-text")
    assert re.search(r"Subject: CN = picar toy [0-9a-f]{8}\n", text)
    assert "Not Before: Jan  1 00:00:00 2024 GMT" in text
    assert "Not After : Jan  1 00:00:00 2044 GMT" in text
    assert "CA:TRUE, pathlen:0" in text
    assert "X509v3 Name Constraints: critical" in text
    for zone in ("local", "lan", "internal", "home.arpa", "fritz.box"):
        assert f"DNS:{zone}\n" in text
    for network in (
        *(
            "10.0.0.0/255.0.0.0",
            "172.16.0.0/255.240.0.0",
            "192.168.0.0/255.255.0.0",
            "169.254.0.0/255.255.0.0",
        ),
        *(
            "100.64.0.0/255.192.0.0",
            "127.0.0.0/255.0.0.0",
            "FC00:0:0:0:0:0:0:0/FE00",
            "FE80:0:0:0:0:0:0:0/FFC0",
        ),
    ):
        assert f"IP:{network}" in text
    assert "prime256v1" in text


def test_the_certificate_is_as_specified_and_signed_by_the_ca(folder: Path) -> None:
    text = shown(folder / tls.LEAF, "-text")
    assert "TLS Web Server Authentication" in text
    assert "CA:FALSE" in text
    assert "DNS:toy.local, IP Address:192.168.1.5, IP Address:FD00:0:0:0:0:0:0:5" in text
    assert text.rstrip().endswith(":") is False
    command = ["openssl", "verify", "-purpose", "sslserver", "-CAfile", tls.CA, tls.LEAF]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "OK" in done.stdout or "expired" in done.stderr or "not yet valid" in done.stderr
    found = tls.leaf(folder)
    assert found == tls.Leaf(NAMES, NOW - 30 * tls.DAY_S, NOW + 762 * tls.DAY_S)
    dates = shown(folder / tls.LEAF, "-startdate", "-enddate")
    parsed = [ssl.cert_time_to_seconds(line.partition("=")[2]) for line in dates.splitlines()]
    assert [round((day - NOW) / tls.DAY_S) for day in parsed] == pytest.approx([-30, 762], abs=1)


def test_files_are_for_their_owner_alone_and_nothing_half_made_stays(folder: Path) -> None:
    assert {file.name for file in folder.iterdir()} == {tls.CA, tls.LEAF}
    assert [file.stat().st_mode & 0o777 for file in sorted(folder.iterdir())] == [0o600, 0o600]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_certificate_is_made_only_when_it_is_due(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    tls.ensure(folder, NAMES, NOW)
    first, ca = (folder / tls.LEAF).read_text(), (folder / tls.CA).read_text()
    tls.ensure(folder, NAMES[:3], NOW + 490 * tls.DAY_S)
    assert (folder / tls.LEAF).read_text() == first
    for names, date, renew in (
        ([*NAMES, "10.0.0.9"], NOW, False),
        (NAMES, NOW + 499 * tls.DAY_S, False),  # a third of its life is left
        (NAMES, NOW - 31 * tls.DAY_S, False),  # it is of the future
        (NAMES, NOW, True),
    ):
        (folder / tls.LEAF).write_text(first)
        tls.ensure(folder, names, date, renew)
        assert (folder / tls.LEAF).read_text() != first
    assert (folder / tls.CA).read_text() == ca
    numbers = '{"names": 5, "start": 0, "end": 0}', '{"names": [], "start": 1, "end": 1%s}' % ("0" * 400)
    for nonsense in ("nonsense", *numbers, '{"names": [], "start": "x", "end": 0}', "[" * 5000):
        (folder / tls.LEAF).write_text(nonsense)
        tls.ensure(folder, NAMES, NOW)
        found = tls.leaf(folder)
        assert found
        assert found.names == NAMES


@pytest.mark.parametrize(
    "host",
    [
        "toy.example",
        "8.8.8.8",
        "fe80::1%x,dns:evil.example",
        "local",
        "evil.locals",
        "a,dns:b.local",
        "2001:db8::1",
    ],
)
def test_a_name_outside_the_ca_is_refused(host: str) -> None:
    assert not is_local(host)
    with pytest.raises(TlsError, match=re.escape(host)) as refused:
        tls.names_of(Config(tls=TlsConfig(hosts=("good.lan", host))))
    assert refused.value.code == "name_not_allowed"


def test_a_present_address_outside_the_ca_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    present = [("eth0", address) for address in ("8.8.8.8", "2001:db8::1", "::1", "192.168.0.2")]
    monkeypatch.setattr(addresses, "interfaces", lambda: present)
    monkeypatch.setattr(socket, "gethostname", lambda: "My_Toy!.example")
    settings = Config(tls=TlsConfig(hosts=("Toy.LAN",)))
    assert tls.names_of(settings) == ["mytoy.local", "192.168.0.2", "10.42.0.1", "toy.lan"]
    monkeypatch.setattr(socket, "gethostname", lambda: "车")
    assert tls.names_of(settings)[0] == "picar.local"


@pytest.mark.parametrize("address", ["10.42.0.1", "192.168.77.1"])
def test_the_address_in_the_car_s_own_wifi_is_in_the_certificate(tmp_path: Path, address: str) -> None:
    names = tls.names_of(Config(hotspot=HotspotConfig(address=f"{address}/24")))
    assert address in names
    assert "10.42.0.1" not in {*names} - {address}
    tls.ensure(tmp_path / "tls", names, NOW)
    assert f"IP Address:{address}" in shown(tmp_path / "tls" / tls.LEAF, "-ext", "subjectAltName")


def test_the_network_or_a_clock_with_a_battery_makes_the_time_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, battery = tmp_path / "synchronized", tmp_path / "since_epoch"
    monkeypatch.setattr(tls, "_SYNCHRONIZED", network)
    monkeypatch.setattr(tls, "_RTC", battery)
    assert not tls.clock_is_trusted()
    battery.write_text("75\n")  # a Pi 5 without a battery, after a power cut
    assert not tls.clock_is_trusted()
    battery.write_text(f"{int(NOW)}\n")
    assert tls.clock_is_trusted()
    battery.write_text("")
    network.touch()
    assert tls.clock_is_trusted()


def test_a_trusted_clock_counts_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "clock_is_trusted", lambda: True)
    at(monkeypatch, NOW)
    assert tls.today(tmp_path, heard=NOW + 99) == NOW
    at(monkeypatch, 0.0)
    assert tls.today(tmp_path) == tls.RELEASED


@pytest.mark.usefixtures("no_clock")
def test_without_a_clock_the_latest_bound_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, 0.0)
    assert tls.today(tmp_path) == tls.RELEASED
    file = tmp_path / "access.json"
    file.touch()
    os.utime(file, (NOW, NOW))
    assert tls.today(tmp_path) == NOW
    assert tls.today(tmp_path, heard=NOW + 5) == NOW + 5
    at(monkeypatch, NOW + 9)
    assert tls.today(tmp_path, heard=NOW + 5) == NOW + 9


@pytest.mark.usefixtures("no_clock")
def test_a_clock_far_ahead_of_everything_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, NOW + 701 * tls.DAY_S)
    with pytest.raises(TlsError) as refused:
        tls.today(tmp_path)
    assert refused.value.code == "clock_unknown"
    assert tls.today(tmp_path, heard=NOW + 2 * tls.DAY_S) == NOW + 701 * tls.DAY_S


def test_without_openssl_the_fix_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TlsError, match="sudo apt install openssl") as refused:
        tls.ensure(tmp_path / "tls", NAMES, NOW)
    assert refused.value.code == "no_openssl"


def test_an_openssl_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "openssl"
    fake.write_text("#!/bin/sh\necho no idea >&2; exit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(TlsError, match="genpkey failed: no idea"):
        tls.ensure(tmp_path / "tls", NAMES, NOW)


def test_certificates_and_keys_that_do_not_fit_are_told_apart(folder: Path, tmp_path: Path) -> None:
    tls.ensure(tmp_path / "tls", NAMES, NOW)
    one, other = folder / tls.LEAF, tmp_path / "tls" / tls.LEAF
    tls.load_certificate(one, one)
    secret = tmp_path / "secret.pem"
    encrypt = ["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", str(one), "-out", str(secret)]
    subprocess.run(encrypt, check=True, capture_output=True)
    for cert, key, code in (
        (one, other, "key_mismatch"),
        (one, secret, "cert_unreadable"),
        (tmp_path / "gone", one, "cert_unreadable"),
        (tmp_path, one, "cert_unreadable"),
    ):
        with pytest.raises(TlsError) as refused:
            tls.load_certificate(cert, key)
        assert refused.value.code == code


def test_the_ca_is_handed_out_for_a_quarter_of_an_hour_of_this_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tls.phones_until(tmp_path) <= 100.0
    tls.open_for_phones(tmp_path, 100.0)
    assert tls.phones_until(tmp_path) > 100.0
    assert tls.phones_until(tmp_path) > 999.9
    assert tls.phones_until(tmp_path) <= 1000.0
    monkeypatch.setattr(files, "_BOOT_ID", tmp_path / "another")
    (tmp_path / "another").write_text("another boot")
    assert tls.phones_until(tmp_path) <= 100.0


def test_the_fingerprint_is_in_groups_and_the_one_of_openssl(folder: Path) -> None:
    ca = tls.ca_certificate(folder)
    assert ca
    digits = shown(folder / tls.CA, "-fingerprint", "-sha256").partition("=")[2].strip().replace(":", "")
    assert tls.fingerprint(ca).replace(" ", "") == digits
    assert re.fullmatch(r"([0-9A-F]{4} ){15}[0-9A-F]{4}", tls.fingerprint(ca))
