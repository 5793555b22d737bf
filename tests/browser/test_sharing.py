"""One drives, the others watch, ask, and get the wheel."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.wheels import Wheels
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = pytest.mark.browser

SIZES = [
    (568, 320),
    (667, 375),
    (844, 390),
    (320, 568),
    (375, 553),
    (360, 560),
    (360, 640),
    (390, 844),
    (1366, 768),
]


@pytest.fixture
async def patient_car() -> AsyncIterator[Product]:
    """A car whose driver keeps the wheel while a busy machine looks at all screens."""
    async with Product(pins="mock", config="[session]\nidle_s = 600.0\n") as product:
        yield product


@pytest.fixture
async def second(phone: Phone, wheels: Wheels, car: Product, new_phone: NewPhone) -> Phone:
    """Another phone, opened while the first one drives."""
    await phone.hold_until("throttle", wheels.turning(+1, +1), y=0.5)
    return await new_phone(car.url)


async def test_a_second_phone_watches_and_is_told_who_drives(phone: Phone, second: Phone) -> None:
    driver = phone.state["driver"]
    await second.seen("body[data-you=spectator]")
    await second.reads("driver", "Driver: Someone else")
    await second.seen("#steering[aria-disabled=true]")
    await second.down("throttle", y=-0.5)
    await second.down("steering", x=0.5)
    await phone.hears(4)
    await second.lift("throttle")
    await second.lift("steering")
    assert second.sent("take") == [], "a stray touch does not ask; the button does"
    assert second.drives() == []
    assert phone.state["driver"] == driver


async def test_a_second_phone_asks_and_is_given_the_wheel(
    phone: Phone, second: Phone, wheels: Wheels
) -> None:
    await second.insist("ask", "#ask[data-does=waiting]")
    await phone.reads("asks", "wants to drive")
    await phone.tap("give")  # with the other thumb still on the throttle
    await second.seen("body[data-you=driver]")
    await phone.seen("body[data-you=spectator]")
    await wheels.rest()
    mark = wheels.mark()
    await phone.move("throttle", y=0.9)
    await second.hears(4)
    assert not wheels.turned_since(mark)
    await second.hold_until("throttle", wheels.turning(-1, -1), y=-0.5)


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
async def test_what_wants_an_answer_is_in_reach_on_every_screen(
    patient_car: Product, new_phone: NewPhone, locale: str
) -> None:
    car = patient_car
    phone = await new_phone(car.url, locale=locale)
    await phone.take_the_wheel()
    second = await new_phone(car.url)
    await second.insist("ask", "#ask[data-does=waiting]")
    await phone.seen("#give:not([hidden])")
    await none_covered(phone, "give", "refuse", "stop", "throttle", "steering")
    await second.tap("stop")
    await phone.seen("#reset:not([hidden])")
    await none_covered(phone, "reset", "stop")


async def none_covered(phone: Phone, *elements: str) -> None:
    for width, height in SIZES:
        await phone.page.set_viewport_size({"width": width, "height": height})
        assert await phone.covered(*elements) == []


async def test_a_request_can_be_cancelled_and_nobody_refused_it(phone: Phone, second: Phone) -> None:
    await second.insist("ask", "#ask[data-does=waiting]")
    await second.reads("ask", "Cancel request")
    await phone.reads("asks", "wants to drive")
    await second.tap("ask")
    await second.seen("#ask[data-does=other]")
    await phone.page.wait_for_selector("#asks", state="hidden")
    await second.hears(4)
    assert "said no" not in await second.page.inner_text("#why")
    assert len(second.sent("take")) == 1


async def test_a_refused_phone_goes_on_watching(phone: Phone, second: Phone) -> None:
    await second.insist("ask", "#ask[data-does=waiting]")
    await phone.reads("asks", "wants to drive")
    await phone.tap("refuse")
    await second.reads("why", "The driver said no.")
    await second.reads("ask", "Ask for the wheel")
    await second.reads("why", "Ask for the wheel to drive.")
    await until(lambda: phone.state["requests"] == [], "nobody asks any more")
    assert phone.state["you"] == "driver"


async def test_giving_up_the_wheel_stops_the_car_and_frees_the_wheel(
    phone: Phone, second: Phone, wheels: Wheels
) -> None:
    await phone.tap("ask")
    await wheels.rest()
    await second.reads("driver", "No driver")
    await second.hold_until("throttle", wheels.turning(+1, +1), y=0.5)


async def test_the_next_driver_is_told_of_a_speed_limit_that_is_still_there(
    phone: Phone, car: Product, new_phone: NewPhone
) -> None:
    await phone.take_the_wheel()
    await phone.insist("gear1", "#gear1[aria-pressed=true]")
    await until(lambda: phone.state["speed_limit"] == 0.3, "the first gear")
    second = await new_phone(car.url)
    await phone.tap("ask")
    await second.reads("driver", "No driver")
    await second.take_the_wheel()
    await second.reads("why", "The earlier speed limit of 30% still applies.")
