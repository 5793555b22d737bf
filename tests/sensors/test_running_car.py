"""The running car tells how its machine is, and drives slowly while the voltage is low."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from picar.core.limits import LOW_SPEED
from picar.sensors.facts import FACTS, UNKNOWN, Facts
from picar.sensors.watch import PERIOD_S, STALE_S, HostWatch
from tests.support.client import Client
from tests.support.household import Household
from tests.support.pi import ALARM, BITS, HEAT, UPTIME, FakePi
from tests.support.product import EN_PINS, Product
from tests.support.waiting import until

pytestmark = pytest.mark.slow

CONFIG = "[motors]\nmin_duty = 0.0\n"  # a duty is a speed


@pytest.fixture
def pi(tmp_path: Path) -> FakePi:
    return FakePi(tmp_path / "pi")


@pytest.fixture
async def car(pi: FakePi) -> AsyncIterator[Household]:
    async with Household(config=CONFIG, program=pi.program()) as product:
        yield product
        assert await product.terminate() == 0
        assert product.is_low()
        assert "Traceback" not in product.log()


def duties(car: Household, since: int) -> list[float]:
    return [write["value"] for write in car.trace()[since:] if write["pin"] in EN_PINS]


async def next_reading(phone: Client, pi: FakePi, uptime_s: int) -> None:
    """Wait for a reading that begins after this call."""
    pi.write(UPTIME, f"{uptime_s}.00 1.00\n")
    await phone.until(lambda s: s["host"]["uptime_s"] == uptime_s)


async def test_the_state_has_every_fact_and_follows_them(car: Household, pi: FakePi) -> None:
    async with car.client(await car.phone("Mia")) as phone:
        host = (await phone.until(lambda s: s["host"]["temperature_c"] is not None))["host"]
        known = {
            "temperature_c": 51.2,
            "wifi_dbm": -52,
            "uptime_s": 3725,
            "throttled": False,
            "power_cap": 1.0,
        }
        assert host.items() >= known.items()
        assert host.keys() == {fact.name for fact in FACTS} | {"power_cap"}
        pi.write(HEAT, "84000")
        pi.remove(BITS)
        await phone.until(lambda s: s["host"]["temperature_c"] == 84 and s["host"]["throttled"] is None)


async def test_low_voltage_makes_the_car_slow_until_it_is_good_again_and_the_car_stands(
    car: Household, pi: FakePi
) -> None:
    async with car.client(await car.phone("Mia")) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] > 0.9)
        pi.write(ALARM, "1")
        state = await phone.until(lambda s: s["speed_limit"] == LOW_SPEED)
        assert (state["host"]["under_voltage"], state["host"]["power_cap"]) == (True, LOW_SPEED)
        assert state["speed_cap"] == 1.0  # the owner's
        assert "low voltage: speed cap 0.5" in car.log()
        await phone.until(lambda s: s["applied"]["left"] <= LOW_SPEED)
        slow_since = len(car.trace())
        pi.write(ALARM, "0")
        await phone.until(lambda s: s["host"]["under_voltage"] is False)
        for uptime_s in range(4000, 4003):  # readings for longer than the voltage must be good
            await next_reading(phone, pi, uptime_s)
        assert not duties(car, slow_since), "it does not surge under a held stick"
        assert all(0.9 * LOW_SPEED < car.levels()[pin] <= LOW_SPEED for pin in EN_PINS)
        assert phone.state["host"]["power_cap"] == LOW_SPEED
        await phone.let_go()
        await phone.until(lambda s: s["host"]["power_cap"] == 1.0 and s["speed_limit"] == 1.0)
        assert "the voltage is good again" in car.log()
        back_since = len(car.trace())
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] > 0.9)
        steps = [b - a for a, b in itertools.pairwise(duties(car, back_since))]
        assert max(steps) < 0.3, "by the ramp"


async def test_of_two_caps_the_lower_one_counts_and_the_owner_s_is_kept(car: Household, pi: FakePi) -> None:
    mia = await car.phone("Mia")
    async with car.client(mia) as phone:

        async def both(owner: float, limit: float) -> None:
            answer = await car.ask("POST", "/api/v1/speed-cap", {"speed": owner}, mia)
            assert answer.json == {"speed_cap": owner}
            await phone.until(lambda s: (s["speed_cap"], s["speed_limit"]) == (owner, limit))
            assert car.content()["speed_cap"] == owner

        await both(0.8, 0.8)
        pi.write(ALARM, "1")
        await phone.until(lambda s: (s["speed_cap"], s["speed_limit"]) == (0.8, LOW_SPEED))
        await both(0.6, LOW_SPEED)
        await both(0.3, 0.3)
        pi.write(ALARM, "0")
        await phone.until(lambda s: s["host"]["power_cap"] == 1.0)
        assert (phone.state["speed_cap"], phone.state["speed_limit"]) == (0.3, 0.3)


async def test_a_file_that_never_answers_does_not_disturb_the_driver(car: Household, pi: FakePi) -> None:
    async with car.client(await car.phone("Mia")) as phone:
        await phone.until(lambda s: s["host"]["uptime_s"] == 3725)
        await phone.take()
        phone.hold(0.8)
        await phone.until(lambda s: s["applied"]["left"] > 0.5)
        begin = len(phone.states)
        pi.hang(HEAT)
        await phone.until(lambda s: s["host"] == {**UNKNOWN, "power_cap": 1.0})
        meanwhile = phone.states[begin:]
        assert len(meanwhile) > (STALE_S - PERIOD_S) / 0.05 / 2, "20 states a second"
        assert {(s["state"], s["link"]["stale"]) for s in meanwhile} == {("armed", 0)}
        assert all(s["applied"]["left"] > 0.5 for s in meanwhile)
        with (pi.root / HEAT).open("w") as fifo:  # now it answers
            pi.write(HEAT, "60000")
            fifo.write("55000")
        await phone.until(lambda s: s["host"]["temperature_c"] == 60)


async def test_the_end_does_not_wait_for_a_file_that_never_answers(car: Household, pi: FakePi) -> None:
    async with car.client(await car.phone("Mia")) as phone:
        await phone.until(lambda s: s["host"]["uptime_s"] == 3725)
        pi.hang(HEAT)
        await phone.until(lambda s: s["host"]["uptime_s"] is None)
    assert await car.terminate() == 0


async def test_nothing_is_read_before_somebody_comes(car: Household) -> None:
    mia = await car.phone("Mia")  # by HTTP
    assert (await car.ask("GET", "/api/v1/state", headers=mia)).json["host"]["uptime_s"] is None
    async with car.client(mia) as phone:
        await phone.until(lambda s: s["host"]["uptime_s"] == 3725)


class Reader:
    """Counts the readings; each waits until it is told to go on."""

    def __init__(self) -> None:
        self.readings = 0
        self.may_answer = threading.Event()

    def read(self) -> Facts:
        self.readings += 1
        assert self.may_answer.wait(20)
        return {**UNKNOWN, "uptime_s": self.readings}


async def test_it_is_read_once_a_period_while_wanted_and_what_is_old_is_unknown() -> None:
    reader, now = Reader(), [0.0]
    watch = HostWatch(reader.read, lambda: now[0])
    watch.start()
    assert watch.look(wanted=False) == UNKNOWN
    assert watch.look(wanted=True) == UNKNOWN  # does not wait
    await until(lambda: reader.readings == 1, "a reading")
    reader.may_answer.set()
    await until(lambda: watch.look(wanted=True) == {**UNKNOWN, "uptime_s": 1}, "its answer")
    assert watch.look(wanted=True) is watch.look(wanted=True)
    now[0] = 10 * PERIOD_S
    assert watch.look(wanted=False) == UNKNOWN
    assert reader.readings == 1
    watch.look(wanted=True)
    await until(lambda: watch.look(wanted=False) == {**UNKNOWN, "uptime_s": 2}, "the second answer")
    now[0] += STALE_S
    assert watch.look(wanted=False) is UNKNOWN


async def test_a_reader_that_fails_is_logged_once_and_all_stays_unknown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]

    def read() -> Facts:
        raise RuntimeError("no")

    watch = HostWatch(read, lambda: now[0])
    watch.start()
    watch.look(wanted=True)
    await until(lambda: "the car drives on" in caplog.text, "a line in the log")
    now[0] = 2 * PERIOD_S
    assert watch.look(wanted=True) is UNKNOWN
    assert len(caplog.records) == 1


async def test_a_machine_without_a_thread_to_spare_drives_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    watch = HostWatch(Reader().read)
    watch.start()
    assert watch.look(wanted=True) is UNKNOWN
    assert caplog.messages == [
        "the state of the machine stays unknown (can't start new thread); the car drives on"
    ]


NO_THREADS = (  # a stack that no address space has room for, so that the kernel refuses every thread
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_STACK, (1 << 46, resource.RLIM_INFINITY))\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'picar', *sys.argv[1:]])"
)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems choose the size of a stack themselves")
async def test_a_car_whose_kernel_refuses_every_thread_drives_and_says_so_once() -> None:
    async with Product(program=("-c", NO_THREADS)) as car:
        async with Client(car.url) as phone:
            await phone.take()
            phone.hold(1.0)
            await car.until_driving()
            await phone.hears(30)  # more than a second: the facts have been asked for again
            facts = phone.state["host"]
            assert (facts["uptime_s"], facts["cpu_percent"], facts["temperature_c"]) == (None, None, None)
        await car.until_low()
        assert await car.terminate() == 0
        assert car.log().count("stays unknown (can't start new thread); the car drives on") == 1
        assert "Traceback" not in car.log()
