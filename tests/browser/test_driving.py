"""Thumbs and keys turn the wheels, and letting go stops them."""

from __future__ import annotations

import pytest

from tests.browser.phone import Phone
from tests.browser.wheels import Wheels
from tests.support.waiting import until

pytestmark = pytest.mark.browser

ATTEMPTS = 3


async def test_one_press_on_a_free_wheel_drives_and_lifting_the_thumb_stops(
    phone: Phone, wheels: Wheels
) -> None:
    await phone.hold_until("throttle", wheels.turning(+1, +1), y=0.5)
    await phone.lift("throttle")
    await wheels.rest()
    await phone.says_zero()
    assert len(phone.sent("take")) == 1
    assert phone.drives()[0] == (0, 0), "neutral comes first"
    assert phone.drives()[-2][0] > 0, "zero is sent once"


async def test_two_thumbs_steer_and_lifting_one_keeps_the_other(phone: Phone, wheels: Wheels) -> None:
    await phone.down("throttle", y=0.5)
    await phone.hold_until("steering", wheels.turning(+1, +1), x=0.2)
    await until(lambda: wheels.speeds()[0] > wheels.speeds()[1] + 0.1, "the car turns right")
    await phone.lift("steering")
    await until(lambda: wheels.speeds()[0] == wheels.speeds()[1] > 0, "the car goes straight on")
    await phone.lift("throttle")
    await wheels.rest()


async def test_steering_alone_spins_on_the_spot(phone: Phone, wheels: Wheels) -> None:
    await phone.hold_until("steering", wheels.turning(-1, +1), x=-0.7)
    await phone.lift("steering")
    await wheels.rest()


async def test_a_thumb_that_slides_off_its_pad_keeps_driving_until_it_is_lifted(
    phone: Phone, wheels: Wheels
) -> None:
    await phone.down("throttle", y=0.5)
    await phone.move("throttle", x=4, y=-0.6)
    await wheels.turn(-1, -1)
    await phone.lift("throttle")
    await wheels.rest()


async def test_a_mouse_drags_the_pad_and_may_let_go_anywhere(phone: Phone, wheels: Wheels) -> None:
    mouse = phone.page.mouse
    box = await phone.page.locator("#steering").bounding_box()
    assert box
    await mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await mouse.down()
    await mouse.move(5, 5)
    await wheels.turn(-1, +1)
    await mouse.up()
    await wheels.rest()
    await phone.says_zero()


async def test_a_second_finger_on_a_held_pad_changes_nothing(phone: Phone, wheels: Wheels) -> None:
    await phone.hold_until("throttle", wheels.turning(+1, +1), y=0.5)
    await phone.down("throttle", y=-0.9, finger="second")
    await phone.move("throttle", y=-1, finger="second")
    await phone.lift("second")
    await phone.hears(4)
    assert min(throttle for throttle, _ in phone.drives()) == 0
    assert wheels.speeds()[0] > 0


async def test_a_cancelled_touch_stops_the_car(phone: Phone, wheels: Wheels) -> None:
    await phone.down("throttle", y=0.5)
    await phone.hold_until("steering", wheels.turning(+1, +1), x=0.3)
    await phone.cancel()
    await wheels.rest()
    await phone.says_zero()


async def test_a_held_thumb_is_repeated_at_30_hz_and_a_lifted_one_is_silent(phone: Phone) -> None:
    sent_at: list[float] = []
    phone.cdp.on("Network.webSocketFrameSent", lambda event: sent_at.append(event["timestamp"]))
    await phone.cdp.send("Network.enable")
    await phone.hold_until("throttle", y=0.5)
    await phone.in_state("armed")
    await phone.says_more_than_zero()
    rates = []
    for _ in range(ATTEMPTS):  # a busy machine may keep the page from its timers for a while, not each time
        mark, first = len(phone.said), len(sent_at)
        await until(lambda first=first: len(sent_at) > first + 30, "30 repeats")  # type: ignore[misc]
        rates.append(30 / (sent_at[first + 30] - sent_at[first]))
        assert len(set(phone.drives(mark))) == 1
        if 20 <= rates[-1] <= 63:
            break
    else:
        raise AssertionError(f"repeats a second: {rates}")
    await phone.lift("throttle")
    await phone.says_zero()
    mark = len(phone.said)
    await phone.hears(4)
    assert phone.said[mark:] == []


@pytest.mark.alone  # no command is late
async def test_seq_rises_and_every_command_carries_a_tick_that_was_seen(phone: Phone) -> None:
    await phone.hold_until("throttle", lambda: len(phone.sent("drive")) > 20, y=0.5, what="20 commands")
    await phone.lift("throttle")
    numbers = [message["seq"] for message in phone.sent("drive")]
    assert numbers == sorted(set(numbers))
    ticks = {message["tick"] for message in phone.heard if message["type"] == "state"}
    assert {message["tick"] for message in phone.sent("drive")} <= ticks
    assert [message for message in phone.heard if message["type"] == "error"] == []


@pytest.mark.parametrize(("forward", "right"), [("KeyW", "KeyD"), ("ArrowUp", "ArrowRight")])
async def test_keys_drive_while_they_are_down(phone: Phone, wheels: Wheels, forward: str, right: str) -> None:
    keyboard = phone.page.keyboard
    await phone.hold_until(forward, wheels.turning(+1, +1))
    await keyboard.up(forward)
    await wheels.rest()
    await phone.hold_until(right, wheels.turning(+1, -1))
    await keyboard.up(right)
    await wheels.rest()


async def test_a_steering_key_begins_small_and_rises_to_full_and_shift_halves_both_axes(
    phone: Phone, wheels: Wheels
) -> None:
    keyboard = phone.page.keyboard

    async def steer() -> None:
        await phone.hold_until("KeyW", wheels.turning(+1, +1))
        mark = len(phone.said)
        await keyboard.down("KeyD")
        await until(lambda: phone.drives()[-1] == (1, 1), "full steering")
        steering = [right for _, right in phone.drives(mark)]
        assert steering == sorted(steering)
        assert next(filter(None, steering)) == 0.25
        await keyboard.down("Shift")
        await until(lambda: phone.drives()[-1] == (0.5, 0.5), "half of both")
        await phone.seen("#steering[aria-valuenow='50']")
        await keyboard.up("Shift")
        await until(lambda: phone.drives()[-1] == (1, 1), "both in full")
        mark = len(phone.said)
        await keyboard.up("KeyD")
        await until(lambda: phone.drives()[-1] == (1, 0), "straight on")
        assert {right for _, right in phone.drives(mark)} <= {1, 0}, "zero is no ramp"
        await keyboard.down("KeyA")
        await keyboard.up("KeyW")
        await keyboard.up("KeyA")
        await phone.says_zero()
        await wheels.rest()

    await phone.undisturbed(steer, "KeyW", "KeyD", "KeyA", "Shift")


async def test_shortcuts_do_not_drive_and_let_a_held_key_go(phone: Phone, wheels: Wheels) -> None:
    keyboard = phone.page.keyboard
    await keyboard.press("Control+KeyS")
    assert phone.said == []
    await phone.hold_until("KeyW", wheels.turning(+1, +1))
    await keyboard.down("Alt")
    await wheels.rest()
    await phone.says_zero()
    mark = len(phone.said)
    await phone.hears(4)
    assert phone.said[mark:] == []


async def test_brackets_and_buttons_change_the_speed_limit(phone: Phone, wheels: Wheels) -> None:
    await phone.page.keyboard.press("BracketLeft")
    assert phone.sent("limit") == [], "a spectator changes no limit"
    await phone.hold_until("throttle", lambda: wheels.speeds() == (1, 1), y=1, what="full speed")
    for _ in range(3):
        await phone.page.keyboard.press("BracketLeft")
    await phone.tap("slower")
    await until(lambda: phone.state["speed_limit"] == 0.8, "the limit is 0.8")
    await until(lambda: 0 < wheels.speeds()[0] < 0.95, "the car is slower")
    await phone.reads("speed", "80%")
    await phone.page.keyboard.press("BracketRight")
    await until(lambda: phone.state["speed_limit"] == 0.85, "the limit is 0.85")


async def test_the_pads_tell_a_screen_reader_where_they_are(phone: Phone) -> None:
    pad = phone.page.locator("#throttle")
    assert await pad.get_attribute("role") == "slider"
    assert await pad.get_attribute("aria-valuetext") == "centre"
    await phone.down("throttle", y=-1)
    await phone.seen("#throttle[aria-valuetext='backward 100%'][aria-valuenow='-100']")
    await phone.lift("throttle")
    await phone.seen("#throttle[aria-valuetext='centre'][aria-valuenow='0']")
