"""Lessons of a real car: who may send one, its order, hold and caps, the owner's lift, and what a driver sees."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from picar.client import AsyncCar, CarError
from tests.support.household import Household
from tests.support.raw import Answer, ask
from tests.support.ros import Ros
from tests.support.waiting import until

pytestmark = pytest.mark.slow

CONFIG = "[drive]\naccel = 20.0\ndecel = 20.0\n"
PATH, CAP = "/api/v1/lesson", "/api/v1/fleet-cap"


class School(Household):
    """A car with a garage, a phone, and a count of the garage's lessons."""

    garage: dict[str, str]
    mia: dict[str, str]
    seq = 0

    async def __aenter__(self) -> School:
        await super().__aenter__()
        self.garage = {"Authorization": f"Bearer {self.token('Room 3', 'garage')}"}
        self.mia = await self.phone("Mia")
        return self

    async def put(self, mode: str = "drive", scope: str = "all", **more: Any) -> Answer:
        """Send the next lesson of the garage."""
        self.seq += 1
        return await self.ask(
            "PUT", PATH, {"scope": scope, "mode": mode, "seq": self.seq, **more}, self.garage
        )

    async def lift(self, pin: str | None = None) -> Answer:
        """Lift a hold from Mia's phone."""
        return await self.ask("PUT", PATH, {"mode": "drive", "pin": pin or self.pin}, self.mia)

    async def lesson(self) -> dict[str, Any]:
        """Return the lesson that Mia's phone reads."""
        answer = await self.ask("GET", PATH, headers=self.mia)
        assert answer.status == 200
        return dict(answer.json)


@pytest.fixture
async def car() -> AsyncIterator[School]:
    async with School(config=CONFIG) as school:
        yield school
        await school.terminate()
        assert "Traceback" not in school.log()


async def test_a_hold_ends_a_drive_by_the_ramp_and_refuses_everything_until_it_ends(car: School) -> None:
    async with car.client(car.mia) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0)
        assert phone.state["lesson"] is None
        assert (await car.put("hold", text="Look here")).status == 200
        state = await phone.until(lambda s: s["state"] == "disarmed")
        assert (state["reason"], state["driver"], state["wanted"]["throttle"]) == ("held", phone.id, 0.0)
        assert state["lesson"] == {
            "mode": "hold",
            "cap": 1.0,
            "text": "Look here",
            "garage_s": state["lesson"]["garage_s"],
        }
        await car.until_low()
        await phone.until_error("held")
        assert str(phone.errors[-1]).endswith("Look here")
        await phone.let_go(zero=False)
        phone.errors.clear()
        for send in (phone.drive(0.0), phone.jog("left", 0.0), phone.ask("take")):
            await send
            await until(lambda: phone.codes == ["held"], "a refusal")
            phone.errors.clear()
        assert (await car.put()).status == 200
        await phone.until(lambda s: s["lesson"] is None)
        await phone.drive(1.0)
        await phone.until_error("not_neutral")
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0)


async def test_a_program_gets_the_refusal_with_the_text_and_drives_on_after_the_hold(car: School) -> None:
    async with AsyncCar(car.url, token=car.token("robot")) as robot:
        await robot.forward(0.5)
        await car.until_driving()
        await car.put("hold", text="Look here")
        with pytest.raises(CarError, match=r"holds this car.* Look here$") as error:
            await robot.sleep(30)
        assert error.value.code == "held"
        with pytest.raises(CarError) as error:
            await robot.take()
        assert error.value.code == "held"
        await car.put()
        await until(lambda: robot.state["lesson"] is None, "the end of the hold")
        await robot.take()
        await robot.forward(0.5)
        await robot.sleep(0.5)
        assert car.is_driving()


async def test_clients_of_foreign_protocols_are_refused_in_a_hold() -> None:
    guests = "[rosbridge]\nenabled = true\nport = 0\n[classic]\nenabled = true\n"
    async with School(config=CONFIG + guests) as car:
        robot = {"Authorization": f"Bearer {car.token('robot')}"}
        form = {**robot, "Content-Type": "application/x-www-form-urlencoded"}
        async with Ros(car.url, headers=robot) as ros:
            await ros.drive()
            await car.until_driving()
            await car.put("hold", text="Look here")
            await ros.until_status("holds this car")
            await car.until_low()
            writes = len(car.trace())
            ros.messages.clear()
            await car.put()
            await ros.until_status("not_neutral")
            await car.put("hold")
            await ros.let_go()
            assert len(car.trace()) == writes, "a stick that is held through the hold drives nothing"
        answer = await ask(car.address, "POST", "/", form, b"k=w")
        assert (answer.status, answer.code) == (409, "held")
        assert car.is_low()


async def test_only_a_higher_seq_of_the_same_scope_counts(car: School) -> None:
    first = {"scope": "all", "mode": "hold", "cap": 0.5, "seq": 7, "text": "  Look\n here "}
    for _ in range(2):
        answer = await car.ask("PUT", PATH, first, car.garage)
        assert (answer.status, answer.json["all"]["text"]) == (200, "Look here")
    for changed in ({"seq": 6}, {"mode": "drive"}, {"cap": 0.6}, {"text": "Listen"}):
        answer = await car.ask("PUT", PATH, first | changed, car.garage)
        assert (answer.status, answer.code) == (409, "old_lesson"), changed
    lesson = await car.lesson()
    assert (lesson["mode"], lesson["cap"], lesson["by"], lesson["own"]) == ("hold", 0.5, "Room 3", None)
    assert (
        await car.ask("PUT", PATH, first | {"scope": "own", "seq": 1, "cap": 0.3}, car.garage)
    ).status == 200
    assert (await car.lesson())["cap"] == 0.3
    assert (await car.ask("PUT", PATH, first | {"seq": 8, "mode": "drive"}, car.garage)).status == 200
    assert (await car.lesson())["mode"] == "hold", "the car's own lesson still holds"


async def test_the_owner_lifts_a_hold_until_the_next_lesson(car: School) -> None:
    assert (await car.put("hold")).json["mode"] == "hold"
    assert (await car.lift(car.wrong_pin)).code == "wrong_pin"
    assert (await car.lesson())["mode"] == "hold"
    lifted = await car.lift()
    assert (lifted.status, lifted.json["mode"], lifted.json["lifted"]) == (200, "drive", True)
    car.seq -= 1
    assert (await car.put("hold")).json["lifted"], "the garage repeats its lesson"
    async with car.client(car.mia) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0)
        assert (await car.put("hold")).json["mode"] == "hold"
        await phone.until(lambda s: s["reason"] == "held")
        await phone.let_go(zero=False)


async def test_a_lesson_and_the_fleet_cap_limit_the_speed(car: School) -> None:
    async with car.client(car.mia) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0)
        await car.put(cap=0.6)
        await phone.until(lambda s: s["applied"]["left"] == 0.6 and s["lesson"]["cap"] == 0.6)
        assert (await car.ask("POST", CAP, {"speed": 0.4}, car.garage)).json["fleet_cap"] == 0.4
        await phone.until(lambda s: s["applied"]["left"] == 0.4 and s["lesson"]["cap"] == 0.4)
        raised = await car.ask("POST", CAP, {"speed": 0.5}, car.garage)
        assert (raised.status, raised.code) == (403, "cap_not_raised")
        assert phone.state["speed_cap"] == 1.0, "the owner's cap is the owner's"
        assert (await car.put(cap=0.8)).json["fleet_cap"] == 1.0
        await phone.until(lambda s: s["applied"]["left"] == 0.8)
        assert phone.codes == []
        await phone.let_go()


async def test_a_command_may_raise_the_fleet_cap_where_the_configuration_allows_it() -> None:
    async with School(config=CONFIG + "[mqtt]\nallow_raise = true\n") as car:
        for speed in (0.4, 0.9):
            assert (await car.ask("POST", CAP, {"speed": speed}, car.garage)).json["cap"] == speed


async def test_a_stop_stays_a_stop_in_a_hold_and_after_it(car: School) -> None:
    async with car.client(car.mia) as phone:
        await phone.take()
        await phone.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
        await car.put("hold")
        await phone.until(lambda s: s["lesson"])
        assert phone.state["state"] == "stopped"
        await car.put()
        await phone.until(lambda s: s["lesson"] is None)
        assert phone.state["state"] == "stopped"


async def test_no_lesson_outlives_a_restart_and_the_garage_sees_the_restart(car: School) -> None:
    await car.put("hold", cap=0.5)
    await car.ask("POST", CAP, {"speed": 0.3}, car.garage)
    before = await car.lesson()
    await car.terminate()
    await car.start()
    after = await car.lesson()
    assert (after["mode"], after["cap"], after["all"], after["fleet_cap"]) == ("drive", 1.0, None, 1.0)
    assert after["boot"] != before["boot"]
    car.seq -= 1
    assert (await car.put("hold", cap=0.5)).json["mode"] == "hold"


async def test_a_hold_stays_when_the_garage_is_gone_and_the_state_tells_for_how_long(car: School) -> None:
    async with car.client(car.mia) as phone:
        async with car.client(car.garage) as garage:
            await car.put("hold")
            state = await phone.until(lambda s: s["lesson"])
            assert state["lesson"]["garage_s"] is None
            await garage.until(lambda s: s["lesson"] and s["lesson"]["mode"] == "hold")
        gone_at = time.monotonic()
        state = await phone.until(lambda s: s["lesson"]["garage_s"] not in (None, 0))
        assert state["lesson"]["mode"] == "hold"
        assert state["lesson"]["garage_s"] <= time.monotonic() - gone_at + 1.0


@pytest.mark.parametrize("kind", ["phone", "script"])
async def test_only_a_garage_sends_lessons(car: School, kind: str) -> None:
    who = car.mia if kind == "phone" else {"Authorization": f"Bearer {car.token('robot')}"}
    for method, path, body in (
        ("PUT", PATH, {"scope": "all", "mode": "drive", "seq": 99}),
        ("PUT", PATH, {}),
        ("POST", CAP, {"speed": 0.5}),
        ("POST", CAP, {"speed": 7}),
    ):
        answer = await car.ask(method, path, body, who)
        assert (answer.status, answer.code) == (403, "not_garage")
        assert (await car.ask(method, path, body)).code == "not_paired"
    assert (await car.lesson())["all"] is None


GOOD = {"scope": "all", "mode": "hold", "seq": 1}
WRONG: list[dict[str, Any]] = [
    *({"scope": scope} for scope in ("", "both", 1, None)),
    *({"mode": mode} for mode in ("", "stop", True)),
    *({"seq": seq} for seq in (-1, 2**53, 1.0, True, "1", None, 10**400)),
    *({"cap": cap} for cap in (0, 0.049, 1.01, True, "1", float("nan"), 1e999, 10**400)),
    *({"text": 1}, {"by": []}, {"v": 1}, {"pin": 123456}, {"pin": "123456"}),
]


async def test_a_body_that_is_no_lesson_is_refused_and_changes_nothing(car: School) -> None:
    for wrong in WRONG:
        answer = await car.ask("PUT", PATH, GOOD | wrong, car.garage)
        assert (answer.status, answer.code) == (400, "bad_request"), wrong
    for member in GOOD:
        body = {name: value for name, value in GOOD.items() if name != member}
        assert (await car.ask("PUT", PATH, body, car.garage)).status == 400
    for lift in ({"mode": "hold"}, {}, {"mode": "drive", "seq": 1}, {"mode": "drive", "scope": "all"}):
        assert (await car.ask("PUT", PATH, lift | {"pin": car.pin}, car.mia)).status == 400
    text = {**car.garage, "Content-Type": "text/plain"}
    assert (await car.ask("PUT", PATH, GOOD, text)).code == "not_json"
    assert (await car.lesson())["all"] is None


async def test_texts_of_a_garage_are_one_visible_line_and_not_too_long(car: School) -> None:
    text, name = "\u202eA\x00\x1b[31m \n" + "老师" * 200, "\tAda\u2066" + "x" * 100
    lesson = (await car.put("hold", text=text, by=name)).json
    for shown, characters, size in ((lesson["text"], 80, 240), (lesson["by"], 32, 64)):
        assert shown.isprintable()
        assert 20 < len(shown) <= characters
        assert len(shown.encode()) <= size
    assert lesson["text"].startswith("A [31m 老师")
