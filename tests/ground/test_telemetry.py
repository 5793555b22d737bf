"""What is read of the machine: each fact, each way of not knowing it, and what the thread costs and survives."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from picar.sysfs import Tree
from picar.telemetry import LOW_FOR, SEARCH_EVERY, UNKNOWN, Host, Sampler, Telemetry, of_this_machine

THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
ALARM = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"
WIRELESS = """Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   58.  -52.  -256        0      0      0      0      0        0
"""
FILES = {
    "proc/stat": "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3\n",
    "proc/loadavg": "0.42 0.30 0.20 1/99 1234\n",
    "proc/uptime": "81234.56 100000.00\n",
    "proc/net/wireless": WIRELESS,
    "sys/class/thermal/thermal_zone0/temp": "48312\n",
    "sys/class/net/wlan0/phy80211/index": "0\n",
    "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
    "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
    ALARM: "0\n",
    THROTTLED: "0\n",
}
WELL: Host = {
    "under_voltage": False,
    "under_voltage_since_boot": False,
    "throttled": False,
    "throttled_since_boot": False,
    "temperature_c": 48.3,
    "cpu_percent": None,
    "load": 0.42,
    "wifi_dbm": -52,
    "uptime_s": 81235,
}


class Pi:
    """A tree that tells of a healthy Pi until it is changed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for path, text in FILES.items():
            self.write(path, text)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def sampler(self) -> Sampler:
        return Sampler(Tree(self.root))


@pytest.fixture
def pi(tmp_path: Path) -> Pi:
    return Pi(tmp_path)


def test_a_healthy_pi_tells_everything(pi: Pi) -> None:
    assert pi.sampler().sample() == WELL


def test_a_machine_that_tells_nothing_is_unknown_in_every_point(tmp_path: Path) -> None:
    assert Sampler(Tree(tmp_path)).sample() == UNKNOWN


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ("proc/loadavg", "load"),
        ("proc/uptime", "uptime_s"),
        ("proc/net/wireless", "wifi_dbm"),
        ("sys/class/thermal/thermal_zone0/temp", "temperature_c"),
    ],
)
@pytest.mark.parametrize("text", ["", "nan", "N/A\n", "\x00\xff", "-", "9" * 5000])
def test_what_cannot_be_read_is_unknown_and_nothing_else_changes(
    pi: Pi, path: str, fact: str, text: str
) -> None:
    pi.write(path, text)
    assert pi.sampler().sample() == WELL | {fact: None}


@pytest.mark.parametrize(
    "text", ["", "cpu\n", "cpu  a b c d e f g h\n", "cpu 1 2 3\n", "intr 1 2 3 4 5 6 7 8 9\n"]
)
def test_a_processor_whose_time_cannot_be_read_is_unknown(pi: Pi, text: str) -> None:
    sampler = pi.sampler()
    sampler.sample()
    pi.write("proc/stat", text)
    assert sampler.sample()["cpu_percent"] is None


def test_how_busy_the_processor_is_comes_from_two_readings(pi: Pi) -> None:
    sampler = pi.sampler()
    assert sampler.sample()["cpu_percent"] is None
    pi.write("proc/stat", "cpu  125 0 100 860 15 0 0 0 0 0\n")
    assert sampler.sample()["cpu_percent"] == 25.0
    assert sampler.sample()["cpu_percent"] is None  # no time has passed


# The firmware's bits: low, low since boot, slowed, slowed since boot.
BITS = [
    ("0", (False, False, False, False)),
    ("1", (True, True, False, False)),
    ("50000", (False, True, False, True)),
    ("50005", (True, True, True, True)),
    ("8", (False, False, True, True)),
    ("0x1", (None, None, None, None)),
    ("", (None, None, None, None)),
]


@pytest.mark.parametrize(("bits", "facts"), BITS)
def test_the_firmware_s_bits_mean_what_its_documentation_says(
    pi: Pi, bits: str, facts: tuple[bool | None, ...]
) -> None:
    (pi.root / ALARM).unlink()
    pi.write(THROTTLED, bits)
    found = pi.sampler().sample()
    names = ("under_voltage", "under_voltage_since_boot", "throttled", "throttled_since_boot")
    assert tuple(found[name] for name in names) == facts


def test_the_kernel_s_alarm_alone_tells_low_voltage_and_is_remembered(pi: Pi) -> None:
    (pi.root / THROTTLED).unlink()
    sampler = pi.sampler()
    before = sampler.sample()
    assert (before["under_voltage"], before["under_voltage_since_boot"], before["throttled"]) == (
        False,
        None,
        None,
    )
    pi.write(ALARM, "1\n")
    assert sampler.sample()["under_voltage"] is True
    pi.write(ALARM, "0\n")
    told = [sampler.sample() for _ in range(LOW_FOR + 1)]
    assert [each["under_voltage"] for each in told] == [True] * (LOW_FOR - 1) + [False] * 2
    assert {each["under_voltage_since_boot"] for each in told} == {True}


def test_a_radio_that_comes_later_is_found(pi: Pi) -> None:
    (pi.root / "sys/class/net/wlan0/phy80211/index").unlink()
    (pi.root / "sys/class/net/wlan0/phy80211").rmdir()
    sampler = pi.sampler()
    assert sampler.sample()["wifi_dbm"] is None
    pi.write("sys/class/net/wlan0/wireless/beacon", "0")
    assert [sampler.sample()["wifi_dbm"] for _ in range(SEARCH_EVERY)][-2:] == [None, -52]


def test_a_file_that_never_answers_holds_up_the_thread_and_nobody_else() -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow() -> Host:
        asked.set()
        answer.wait(20)
        return WELL

    telemetry = Telemetry(slow, period_s=60.0)
    telemetry.start()
    assert asked.wait(20)
    assert telemetry.host == UNKNOWN
    answer.set()
    wait_for(lambda: telemetry.host == WELL)
    telemetry.end()


def test_a_reader_that_fails_leaves_everything_unknown() -> None:
    readings = iter([WELL])
    telemetry = Telemetry(lambda: next(readings), period_s=0.05)
    telemetry.start()
    wait_for(lambda: telemetry.host == WELL)
    wait_for(lambda: telemetry.host == UNKNOWN)


def test_the_thread_takes_no_signal() -> None:
    blocked: list[set[signal.Signals | int]] = []

    def sample() -> Host:
        blocked.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        return WELL

    telemetry = Telemetry(sample, period_s=60.0)
    telemetry.start()
    wait_for(lambda: blocked)
    telemetry.end()
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} <= blocked[0]


def test_a_reading_of_this_machine_costs_a_small_part_of_what_it_may() -> None:
    sample = of_this_machine()._sample
    before = time.thread_time()
    for _ in range(50):
        sample()
    assert (time.thread_time() - before) / 50 < 0.01 * 2.0  # one per cent of a core, every two seconds


def wait_for(condition: object) -> None:
    give_up_at = time.monotonic() + 20.0
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < give_up_at
        time.sleep(0.005)
