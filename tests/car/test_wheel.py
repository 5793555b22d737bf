"""Who has the wheel: take, ask, grant, deny, release, idle, grace."""

from __future__ import annotations

from tests.support.client import Client
from tests.support.product import Product

FAST = "[session]\nidle_s = 0.5\ngrace_s = 0.5\n"
SLOW = "[session]\nidle_s = 600.0\ngrace_s = 30.0\n"


async def test_a_spectator_cannot_drive(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as watcher:
        await phone.take()
        await watcher.drive(1.0)
        await watcher.until_error("not_driver")
        assert car.is_low()
        assert watcher.state["you"] == "spectator"
        assert watcher.state["driver"] == phone.id


async def test_asked_the_driver_grants_and_the_new_one_starts_from_neutral() -> None:
    async with Product(config=SLOW) as car, Client(car.url) as phone, Client(car.url) as other:
        await phone.take()
        phone.hold(0.6)
        await car.until_driving()
        await other.ask("take")
        await phone.until(lambda s: s["requests"] == [other.id])
        await phone.let_go(zero=False)
        await phone.ask("grant", client=other.id)
        await other.until(lambda s: s["you"] == "driver")
        await car.until_low()
        await phone.drive(0.5)
        await phone.until_error("not_driver")
        await other.drive(0.5)
        await other.until_error("not_neutral")
        await other.drive(0.0)
        await other.until(lambda s: s["state"] == "armed")


async def test_a_denied_request_is_gone() -> None:
    async with Product(config=SLOW) as car, Client(car.url) as phone, Client(car.url) as other:
        await phone.take()
        await other.ask("take")
        await phone.until(lambda s: s["requests"] == [other.id])
        await other.send(type="deny", client=other.id)
        await other.until_error("not_driver")
        await phone.send(type="deny", client=other.id)
        await phone.until(lambda s: s["requests"] == [])
        assert phone.state["driver"] == phone.id


async def test_granting_to_somebody_who_does_not_ask_is_a_bad_value(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as other:
        await phone.take()
        await phone.ask("grant", client=other.id)
        await phone.until_error("bad_value")
        assert phone.state["driver"] == phone.id


async def test_giving_up_the_wheel_rolls_out_and_passes_it_on() -> None:
    async with Product(config=SLOW) as car, Client(car.url) as phone, Client(car.url) as other:
        await phone.take()
        phone.hold(0.6)
        await car.until_driving()
        await other.ask("take")
        await phone.until(lambda s: s["requests"] == [other.id])
        await phone.let_go(zero=False)
        await phone.send(type="release")
        await other.until(lambda s: s["you"] == "driver" and s["state"] == "disarmed")
        await car.until_low()


async def test_a_stale_take_is_refused(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.send(type="take", tick=0)
        await phone.until_error("stale")
        assert phone.state["driver"] is None


async def test_an_idle_driver_loses_the_wheel_only_to_one_who_asks() -> None:
    async with Product(config=FAST) as car, Client(car.url) as phone, Client(car.url) as other:
        await phone.take()
        phone.hold(0.0)  # an open page that sends zeros is idle
        await phone.hears(20)  # a second, at twenty states a second
        assert phone.state["you"] == "driver"
        await other.ask("take")
        await other.until(lambda s: s["you"] == "driver")


async def test_a_busy_driver_keeps_the_wheel() -> None:
    async with Product(config=FAST) as car, Client(car.url) as phone, Client(car.url) as other:
        await phone.take()
        phone.hold(0.5)
        await car.until_driving()
        await other.ask("take")
        await phone.hears(30)
        assert phone.state["you"] == "driver"
        assert phone.state["requests"] == [other.id]


async def test_a_driver_who_is_gone_stops_the_car_at_once_and_may_come_back() -> None:
    async with Product(config=SLOW) as car, Client(car.url) as other:
        async with Client(car.url, cookie="a-browser") as phone:
            await phone.take()
            phone.hold(0.8)
            await car.until_driving()
            left = phone.id
        await other.until(lambda s: s["state"] == "disarmed" and s["reason"] == "driver_gone")
        await car.until_low()
        await other.ask("take")
        await other.until(lambda s: s["requests"] == [other.id])
        assert other.state["driver"] == left
        async with Client(car.url, cookie="a-browser") as again:
            assert again.state["you"] == "driver"
            await again.drive(0.5)
            await again.until_error("not_neutral")


async def test_after_grace_the_wheel_goes_to_the_next_in_line() -> None:
    async with Product(config=FAST) as car, Client(car.url) as other:
        async with Client(car.url) as phone:
            await phone.take()
        await other.ask("take")
        await other.until(lambda s: s["you"] == "driver")


async def test_anyone_stops_and_only_the_driver_resets(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as watcher:
        await phone.take()
        phone.hold(1.0)
        await car.until_driving()
        await watcher.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped" and s["reason"] == "stop")
        await phone.until_error("stopped")
        await phone.let_go(zero=False)
        await watcher.ask("reset")
        await watcher.until_error("not_driver")
        await car.until_low()
        assert phone.state["state"] == "stopped"
        await phone.ask("reset")
        await phone.until(lambda s: s["state"] == "disarmed" and s["reason"] == "reset")
        await phone.drive(1.0)
        await phone.until_error("not_neutral")
        assert car.is_low()


async def test_a_reset_older_than_the_stop_is_stale(car: Product) -> None:
    async with Client(car.url) as phone, Client(car.url) as watcher:
        await phone.take()
        await watcher.send(type="stop")
        tick = phone.state["tick"]
        await phone.until(lambda s: s["state"] == "stopped")
        await phone.send(type="reset", tick=tick)
        await phone.until_error("stale")
        assert phone.state["state"] == "stopped"


async def test_a_stop_brakes_both_wheels_for_a_moment_only(car: Product) -> None:
    async with Client(car.url) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0)
        await phone.let_go(zero=False)
        await phone.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
        await car.until_low()
    brakes = [w for w in car.trace() if w["pin"] == 12 and w["value"] == 1.0]
    released = next(w for w in car.trace() if w["pin"] == 12 and w["t"] > brakes[-1]["t"])
    assert released["value"] == 0
    assert 0.2 < released["t"] - brakes[-1]["t"] < 1.0


async def test_the_wheel_changes_hands_at_standstill_only() -> None:
    async with Product(pins="sim", config=SLOW) as car, Client(car.url) as phone, Client(car.url) as other:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] > 0.9)
        await other.ask("take")
        await phone.until(lambda s: s["requests"] == [other.id])
        await phone.ask("grant", client=other.id)
        await other.until(lambda s: s["driver"] is None)  # the simulated car still rolls
        assert other.state["requests"] == [other.id]
        await phone.until_error("not_driver")
        await other.until(lambda s: s["you"] == "driver")
        x = other.state["pose"]["x"]
        await other.hears(3)
        assert other.state["pose"]["x"] == x
