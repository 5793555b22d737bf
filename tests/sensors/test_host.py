"""How the machine is, read from files: of a healthy Pi, of a broken one, of none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from picar.sensors.facts import UNKNOWN, Facts, read_facts
from picar.sensors.host import Host, Sources, Tree, wifi_dbm
from tests.support.pi import ALARM, BITS, FILES, HEAT, LOAD, RADIO, SENSOR, UPTIME, ZONE, FakePi

HEALTHY = {
    "temperature_c": 51.2,
    "under_voltage": False,
    "under_voltage_seen": False,
    "throttled": False,
    "throttled_seen": False,
    "cpu_percent": None,  # the first reading has nothing to compare with
    "wifi_dbm": -52,
    "uptime_s": 3725,
    "battery_v": None,  # from its meter
    "battery_percent": None,
}
OF_FILE = {
    BITS: ("throttled", "throttled_seen"),
    HEAT: ("temperature_c",),
    RADIO: ("wifi_dbm",),
    UPTIME: ("uptime_s",),
}
GARBAGE = [
    "",
    "\0",
    "no",
    "-",
    "0x",
    "1e+3",
    "\uff19\uff19",
    "99999999999999999999",
    "-1",
    "\x1b[31m",
    "ÿ" * 70_000,
]


@pytest.fixture
def pi(tmp_path: Path) -> FakePi:
    return FakePi(tmp_path)


def read(pi: FakePi) -> Facts:
    return read_facts(Host(Tree(pi.root)))


def test_a_healthy_pi_is_read_whole(pi: FakePi) -> None:
    assert read(pi) == HEALTHY


def test_of_a_machine_without_any_of_these_files_nothing_is_known(tmp_path: Path) -> None:
    assert read_facts(Host(Tree(tmp_path))) == UNKNOWN
    assert read_facts(Host(Tree(tmp_path / "not there"))) == UNKNOWN


def test_this_machine_can_be_read_whatever_it_is() -> None:
    host = Host(Tree(Path("/")))
    read_facts(host)
    assert 0 <= (read_facts(host)["cpu_percent"] or 0) <= 100


@pytest.mark.parametrize("path", OF_FILE)
def test_a_missing_file_leaves_its_own_facts_unknown(pi: FakePi, path: str) -> None:
    pi.remove(path)
    assert read(pi) == HEALTHY | dict.fromkeys(OF_FILE[path]) | seen_without(path)


def seen_without(path: str) -> dict[str, None]:
    """Whether the voltage was low before, only the firmware's bits tell."""
    return {"under_voltage_seen": None} if path == BITS else {}


@pytest.mark.parametrize("text", GARBAGE)
@pytest.mark.parametrize("path", [*OF_FILE, ALARM, LOAD, SENSOR, ZONE])
def test_garbage_is_unknown_and_no_error(pi: FakePi, path: str, text: str) -> None:
    pi.write(path, text)
    facts = read(pi)
    if path in OF_FILE and (path, text) not in {(HEAT, "-1"), (BITS, "99999999999999999999")}:
        assert all(facts[fact] is None for fact in OF_FILE[path]), facts
    rest = [fact for fact in HEALTHY if fact not in OF_FILE.get(path, ())]
    if path in (HEAT, RADIO, UPTIME, LOAD):
        assert all(facts[fact] == HEALTHY[fact] for fact in rest)


@pytest.mark.parametrize("why", [errno.EACCES, errno.EIO, errno.ETIMEDOUT, errno.ENODEV])
@pytest.mark.parametrize("path", FILES)
def test_a_file_that_is_forbidden_or_fails_is_as_good_as_none(
    pi: FakePi, monkeypatch: pytest.MonkeyPatch, path: str, why: int
) -> None:
    def read_but_one(file: str) -> bytes:
        if file == f"{pi.root}/{path}":
            raise OSError(why, os.strerror(why))
        return Path(file).read_bytes()

    monkeypatch.setattr("picar.sensors.host._read", read_but_one)
    refused = read(pi)
    pi.remove(path)
    assert refused == read(pi)


@pytest.mark.parametrize("path", FILES)
def test_a_folder_or_a_fifo_in_a_file_s_place_is_as_good_as_none(pi: FakePi, path: str) -> None:
    pi.remove(path)
    without = read(pi)
    (pi.root / path).mkdir()
    assert read(pi) == without
    (pi.root / path).rmdir()
    pi.hang(path)
    assert read(pi) == without


@pytest.mark.parametrize(
    ("bits", "alarm", "now", "before", "hot", "was_hot"),
    [
        ("0", "0", False, False, False, False),
        ("0x0", "0", False, False, False, False),
        ("1", "0", True, True, False, False),
        ("10000", "0", False, True, False, False),
        ("50005", "1", True, True, True, True),
        ("40000", "0", False, False, False, True),
        ("e0008", "0", False, False, True, True),
        (
            "0",
            "1",
            True,
            True,
            False,
            False,
        ),  # a dip that is over already: the sensor remembers for two seconds
        (None, "0", False, None, None, None),
        (None, "1", True, True, None, None),
        ("1", None, True, True, False, False),
        ("0", None, False, False, False, False),
        (None, None, None, None, None, None),
        ("0", "7", False, False, False, False),
        (None, "7", None, None, None, None),
    ],
)
def test_power_and_heat(
    pi: FakePi,
    bits: str | None,
    alarm: str | None,
    now: bool | None,
    before: bool | None,
    hot: bool | None,
    was_hot: bool | None,
) -> None:
    for path, text in ((BITS, bits), (ALARM, alarm)):
        if text is None:
            pi.remove(path)
        else:
            pi.write(path, text)
    facts = read(pi)
    assert (facts["under_voltage"], facts["under_voltage_seen"]) == (now, before)
    assert (facts["throttled"], facts["throttled_seen"]) == (hot, was_hot)


def test_what_was_seen_once_is_remembered_where_the_firmware_does_not_tell(pi: FakePi) -> None:
    host = Host(Tree(pi.root))
    pi.remove(BITS)
    assert read_facts(host)["under_voltage_seen"] is None
    pi.write(ALARM, "1")
    assert read_facts(host)["under_voltage_seen"] is True
    pi.write(ALARM, "0")
    facts = read_facts(host)
    assert (facts["under_voltage"], facts["under_voltage_seen"]) == (False, True)


def test_the_load_is_that_of_all_cores_since_the_last_reading(pi: FakePi) -> None:
    host = Host(Tree(pi.root))
    assert read_facts(host)["cpu_percent"] is None
    pi.write(
        LOAD, "cpu  1010 5 505 8060 520 0 0 0 99 99\n"
    )  # 20 busy, 80 idle; guest time is in user time already
    assert read_facts(host)["cpu_percent"] == 20
    assert read_facts(host)["cpu_percent"] is None  # no time has passed
    pi.write(LOAD, "cpu  1 0 0 1 0 0 0 0 0 0\n")  # backwards
    assert read_facts(host)["cpu_percent"] is None


def test_a_sensor_whose_driver_comes_late_is_found(pi: FakePi) -> None:
    pi.remove(ZONE)
    host = Host(Tree(pi.root))
    assert read_facts(host)["temperature_c"] is None
    pi.write(ZONE, "cpu-thermal\n")
    assert 51.2 in {read_facts(host)["temperature_c"] for _ in range(31)}


@pytest.mark.parametrize(
    ("line", "dbm"),
    [
        (" wlan1: 0000   58.  -67.  -256 0 0", -67),
        ("wlan1: 0000 58. -67 -256", -67),
        (" wlan1: 0000    0.  -256.  -256", None),
        (" wlan1: 0000   58.  200.  0", None),
        (" wlan1: 0000", None),
        ("wlan1 0000 58. -67. -256", None),
    ],
)
def test_the_signal_of_an_interface(pi: FakePi, line: str, dbm: int | None) -> None:
    pi.write(RADIO, f"Inter-| sta-|\n face | tus |\n{line}\n")
    assert wifi_dbm(Tree(pi.root)) == wifi_dbm(Tree(pi.root), "wlan1") == dbm
    assert wifi_dbm(Tree(pi.root), "wlan0") is None


def test_the_path_of_an_older_pi_is_known_too(pi: FakePi) -> None:
    pi.remove(BITS)
    pi.write("sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n")
    assert Sources.of(Tree(pi.root)).bits == ("sys/devices/platform/soc/soc:firmware/get_throttled",)
    assert read(pi)["under_voltage_seen"] is True
