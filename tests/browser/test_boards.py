"""The page of a car with steering, and of one with a motor for each wheel."""

from __future__ import annotations

import tomllib

import pytest

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_tuning import Eyes, held_until, let_go, opened, step
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

STEERED = """
[session]
idle_s = 60.0
[board]
kind = "l9110s"
[layout]
kind = "steer-motor"
[motor.drive]
in1 = 23
in2 = 24
invert = true
[motor.steer]
in1 = 27
in2 = 22
"""
SERVO_AND_ESC = """
[session]
idle_s = 60.0
[board]
kind = "esc"
chip = "pca9685"
[layout]
kind = "steer-servo"
[motor.drive]
pwm = 0
[steering]
pin = "CH1"
"""
FOUR = """
[session]
idle_s = 60.0
[board]
kind = "drv8833"
[layout]
kind = "four"
[motor.front_left]
in1 = 12
in2 = 23
[motor.rear_left]
in1 = 16
in2 = 24
[motor.front_right]
in1 = 13
in2 = 27
[motor.rear_right]
in1 = 19
in2 = 22
"""


async def jogged(phone: Phone) -> str:
    """Hold the button until the car has applied a jog, let go, and return the motor."""

    def power() -> str:
        told = [m["applied"] for m in phone.heard if m["type"] == "state"][-1]
        return str(phone.sent("jog")[-1]["side"]) if phone.sent("jog") and any(told.values()) else ""

    motor = await phone.hold_until("tune-hold", power, what="a jog that the car has applied")
    await let_go(phone)
    await until(lambda: not power(), "a car at rest")
    return motor


@pytest.mark.parametrize(
    ("config", "rest"),
    [(STEERED, "At rest, it brakes."), (SERVO_AND_ESC, "At rest, it rolls freely.")],
    ids=["motor", "servo"],
)
async def test_a_car_with_steering_steers_at_rest_and_its_meters_say_throttle_and_steering(
    new_phone: NewPhone, config: str, rest: str
) -> None:
    async with Product(pins="sim", config=config) as car:
        phone = await new_phone(car.url)
        await until(lambda: phone.state["reason"] != "arming", "a car that may drive")
        assert await phone.page.get_attribute("#right", "aria-label") == "steering"
        assert await phone.page.inner_text("#left span:last-child") == "throttle"
        await phone.page.keyboard.down("KeyA")
        await until(
            lambda: phone.state["applied"] == {"throttle": 0.0, "steering": -1.0}, "front wheels, left"
        )
        await phone.reads("right", "-100%")
        await phone.page.keyboard.up("KeyA")
        await until(lambda: phone.state["applied"]["steering"] == 0.0, "front wheels ahead")
        await phone.settings("help")
        await phone.reads("help-rest", rest)
        assert phone.complaints == []


async def test_the_arrows_of_a_car_with_steering_do_not_spin_it(new_phone: NewPhone) -> None:
    async with Product(pins="sim", config=STEERED) as car:
        phone = await new_phone()
        await phone.context.add_init_script('localStorage.picar = \'{"limit": 1, "layout": "arrows"}\'')
        await phone.open(car.url)
        assert await phone.page.locator(".spinleft").is_hidden()
        assert await phone.page.locator(".spinright").is_hidden()
        await phone.page.locator(".backleft").focus()
        await phone.page.keyboard.down("Enter")
        await until(lambda: phone.drives()[-1:] == [(-1.0, -1.0)], "back, to the side of the arrow")
        await phone.page.keyboard.up("Enter")


async def test_a_car_with_steering_is_tuned_in_three_steps(new_phone: NewPhone) -> None:
    async with Product(pins="sim", config=STEERED) as car:
        phone = await new_phone(car.url, viewport={"width": 390, "height": 844})
        eyes = Eyes(phone)
        await opened(phone)
        await phone.page.click("#tune-begin")
        await phone.reads("tune-step", "Step 1 of 3, motor 1 of 2")
        assert await held_until(phone, eyes.turning, "the drive wheels") in ("leftback", "rightback")
        await phone.page.click("#tune-saw-driveback")
        await eyes.at_rest()
        assert await jogged(phone) == "steer"
        await phone.page.click("#tune-saw-steerback")
        await step(phone, "When does it begin to turn?")
        await phone.reads("tune-step", "Step 2 of 3")
        await held_until(phone, eyes.turning, "the drive wheels")
        await phone.page.click("#tune-begins")
        await step(phone, "The car is tuned")
        lines = (await phone.page.inner_text("#tune-result")).split("\n")
        found = tomllib.loads(await phone.page.input_value("#tune-toml"))
        assert found["motor"]["drive"]["invert"] is False
        assert found["motor"]["steer"]["invert"] is True
        assert lines == [
            "The steering motor is reversed.",
            f"The wheels start at {found['motors']['min_duty'] * 100:.0f}% power.",
        ]
        assert phone.complaints == []


async def test_each_of_four_motors_is_tuned_and_wires_that_swap_does_not_explain_are_named(
    new_phone: NewPhone,
) -> None:
    async with Product(pins="sim", config=FOUR) as car:
        phone = await new_phone(car.url, viewport={"width": 844, "height": 390})
        motors = ("front_left", "rear_left", "front_right", "rear_right")
        await opened(phone)
        await phone.page.click("#tune-begin")
        for motor, saw in zip(motors, ("rear_left", "front_left", "front_right", "rear_right"), strict=True):
            assert await jogged(phone) == motor
            await phone.page.click(f"#tune-saw-{saw}forward")
        await phone.reads("tune-told", "Exchange the pins of [motor.front_left] and [motor.rear_left]")
        await phone.reads("tune-step", "Step 1 of 4, motor 1 of 4")
        assert phone.sent("calibrate") == []
        for motor in motors:
            assert await jogged(phone) == motor
            await phone.page.click(f"#tune-saw-{motor}{'back' if motor == 'rear_right' else 'forward'}")
        await step(phone, "When does it begin to turn?")
        for motor in motors:
            assert await phone.page.locator(f"#tune-car .{motor}.on").count() == 1
            assert await jogged(phone) == motor
            await phone.page.click("#tune-begins")
        await step(phone, "Does it drive straight?")
        sent = phone.sent("calibrate")[-1]
        assert [sent[f"{motor}_invert"] for motor in motors] == [False, False, False, True]
        assert phone.complaints == []
