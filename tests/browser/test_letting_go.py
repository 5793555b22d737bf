"""Whatever takes the driver away from the page stops the car, and it takes a new press to drive on."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Dialog, WebSocketRoute

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.test_tuning import hold_until_turn, opened
from tests.browser.wheels import Wheels
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = pytest.mark.browser

ONE_WAY_S = 0.35
HIDE = """() => {
  Object.defineProperty(document, "hidden", { value: true, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
LEAVE = "() => dispatchEvent(new PageTransitionEvent('pagehide'))"
SWALLOWS = {
    "drag": "() => document.body.dispatchEvent(new DragEvent('dragstart', { bubbles: true }))",
    "composition": "() => document.body.dispatchEvent(new CompositionEvent('compositionstart', { bubbles: true }))",
}
PAUSE_S = 0.7
HANG = "() => { const end = performance.now() + 2000; while (performance.now() < end); }"


async def drive(phone: Phone, wheels: Wheels) -> None:
    await phone.hold_until("throttle", wheels.turning(+1, +1), y=0.5)


async def stays_put(phone: Phone, wheels: Wheels) -> None:
    """The held thumb moves on the pad, states come in, and no wheel turns."""
    mark = wheels.mark()
    await phone.move("throttle", y=0.8)
    await phone.hears(4)
    assert not wheels.turned_since(mark)


async def drives_again(phone: Phone, wheels: Wheels) -> None:
    """After lifting the thumb, one press is enough."""
    await phone.lift("throttle")
    await drive(phone, wheels)


@pytest.mark.parametrize("way", ["hidden", "pagehide", "blur", "orientation"])
async def test_a_page_that_is_left_while_a_thumb_is_down_sends_zero_and_waits_for_a_new_press(
    phone: Phone, wheels: Wheels, way: str
) -> None:
    await drive(phone, wheels)
    if way == "hidden":
        await phone.page.evaluate(HIDE)
    elif way == "pagehide":
        await phone.page.evaluate(LEAVE)
    elif way == "blur":
        await phone.page.evaluate("() => dispatchEvent(new Event('blur'))")
    else:
        await phone.page.set_viewport_size({"width": 360, "height": 800})
    await wheels.rest()
    await phone.says_zero()
    await stays_put(phone, wheels)
    await drives_again(phone, wheels)


async def test_a_key_that_was_down_at_the_blur_must_be_pressed_again(phone: Phone, wheels: Wheels) -> None:
    keyboard = phone.page.keyboard
    await phone.hold_until("KeyW", wheels.turning(+1, +1))
    await phone.page.evaluate("() => dispatchEvent(new Event('blur'))")
    await wheels.rest()
    mark = wheels.mark()
    await keyboard.down("KeyW")  # the operating system repeats it
    await phone.hears(4)
    assert not wheels.turned_since(mark)
    await keyboard.up("KeyW")
    await phone.hold_until("KeyW", wheels.turning(+1, +1))


async def test_a_key_whose_keyup_was_lost_in_a_blur_is_forgotten(phone: Phone, wheels: Wheels) -> None:
    await phone.hold_until("KeyW", wheels.turning(+1, +1))
    await phone.page.evaluate("() => dispatchEvent(new Event('blur'))")
    await wheels.rest()
    await phone.says_zero()
    mark = len(phone.said)
    await phone.hold_until("KeyD", wheels.turning(+1, -1))
    assert all(throttle == 0 for throttle, _ in phone.drives(mark))


@pytest.mark.parametrize("way", ["alert", "debugger"])
async def test_a_key_that_comes_up_while_the_page_is_paused_for_0_7_s_stops_the_car(
    phone: Phone, wheels: Wheels, way: str
) -> None:
    await phone.hold_until("KeyW", wheels.turning(+1, +1))
    mark = len(phone.said)
    await (alert if way == "alert" else pause)(phone)
    await until(lambda: (0, 0) in phone.drives(mark), "a zero")
    await wheels.rest()
    await phone.hears(4)
    assert phone.drives()[-1] == (0, 0)
    await phone.page.keyboard.up("KeyW")
    await phone.hold_until("KeyW", wheels.turning(+1, +1))


async def alert(phone: Phone) -> None:
    """Open an alert, release W under it, and close it."""
    closed = asyncio.get_running_loop().create_future()

    async def answer(dialog: Dialog) -> None:
        release = asyncio.ensure_future(release_w(phone))
        await asyncio.sleep(PAUSE_S)
        await dialog.accept()
        await release
        closed.set_result(None)

    phone.page.once("dialog", lambda dialog: asyncio.ensure_future(answer(dialog)))
    await phone.page.evaluate("() => alert('low battery')")
    await closed


async def pause(phone: Phone) -> None:
    """Pause the page in a debugger, release W, and go on."""
    await phone.cdp.send("Debugger.enable")
    await phone.cdp.send("Debugger.pause")
    release = asyncio.ensure_future(release_w(phone))
    await asyncio.sleep(PAUSE_S)
    await phone.cdp.send("Debugger.resume")
    await release
    await phone.cdp.send("Debugger.disable")


async def release_w(phone: Phone) -> None:
    await phone.cdp.send("Input.dispatchKeyEvent", {"type": "keyUp", "code": "KeyW", "key": "w"})


@pytest.mark.parametrize("way", ["context menu", "drag", "composition", "Meta"])
async def test_what_may_swallow_the_end_of_a_key_lets_it_go(phone: Phone, wheels: Wheels, way: str) -> None:
    keyboard = phone.page.keyboard
    await phone.hold_until("KeyW", wheels.turning(+1, +1))
    if way == "context menu":
        await phone.page.mouse.click(400, 100, button="right")
    elif way == "Meta":
        await keyboard.down("Meta")
    else:
        await phone.page.evaluate(SWALLOWS[way])
    await wheels.rest()
    await phone.says_zero()
    mark = wheels.mark()
    await keyboard.down("KeyW")  # the operating system repeats it
    await phone.hears(4)
    assert not wheels.turned_since(mark)


async def test_a_turned_phone_lets_the_tuning_button_go_also_without_screen_orientation(
    car: Product, new_phone: NewPhone, wheels: Wheels
) -> None:
    phone = await new_phone()
    await phone.page.add_init_script("Object.defineProperty(screen, 'orientation', { value: undefined })")
    await phone.open(car.url)
    await opened(phone)
    await phone.page.click("#tune-begin")
    await hold_until_turn(phone, wheels, 1, 0)
    await phone.page.set_viewport_size({"width": 360, "height": 800})
    await wheels.rest()
    mark = wheels.mark()
    await phone.hears(4)
    assert not wheels.turned_since(mark)


async def test_a_closed_tab_stops_the_car(phone: Phone, wheels: Wheels) -> None:
    await drive(phone, wheels)
    await phone.page.close()
    await wheels.rest()


async def test_lost_wifi_stops_the_car_and_nothing_moves_until_a_new_press(
    phone: Phone, wheels: Wheels
) -> None:
    await drive(phone, wheels)
    await phone.context.set_offline(True)
    await wheels.rest()
    await phone.seen("body[data-link=gone]")
    await phone.reads("alert", "Your commands no longer reach the car; it stops by itself.")
    await phone.seen("#throttle:not(.held)")  # the page has waited long enough
    mark, said = wheels.mark(), len(phone.said)
    await phone.context.set_offline(False)
    await phone.seen("body[data-link=good]")
    await phone.hears(4)
    await phone.move("throttle", y=0.9)
    await phone.hears(4)
    assert not wheels.turned_since(mark)
    assert all(sticks == (0, 0) for sticks in phone.drives(said))
    await drives_again(phone, wheels)


async def test_a_long_outage_ends_with_a_new_connection_that_drives(phone: Phone, wheels: Wheels) -> None:
    await drive(phone, wheels)
    await phone.context.set_offline(True)
    await phone.seen("body[data-link=gone]")
    await phone.reads("title", "Signal lost")
    await phone.in_state("gone")  # the socket was given up
    await wheels.rest()
    mark = wheels.mark()
    await phone.context.set_offline(False)
    await phone.seen("body[data-link=good]")
    await phone.hears(4)
    assert not wheels.turned_since(mark)
    await until(lambda: phone.state["driver"] in (None, *_client(phone)), "the wheel is free or still ours")
    await drives_again(phone, wheels)


async def test_a_page_that_hung_for_two_seconds_does_not_drive_on(phone: Phone, wheels: Wheels) -> None:
    await drive(phone, wheels)
    await phone.page.evaluate(HANG)
    await wheels.rest()
    await stays_put(phone, wheels)
    await phone.reads("why", "Let go and press again.")
    await drives_again(phone, wheels)


async def test_a_page_that_hung_while_a_steering_key_was_rising_does_not_steer_on(
    phone: Phone, wheels: Wheels
) -> None:
    await phone.hold_until("KeyW", wheels.turning(+1, +1))
    await phone.page.keyboard.down("KeyD")
    await phone.page.evaluate(HANG)
    await phone.says_zero()
    await wheels.rest()
    mark, said = wheels.mark(), len(phone.said)
    await phone.page.keyboard.down("KeyD")  # the operating system repeats it
    await phone.hears(4)
    assert set(phone.drives(said)) <= {(0, 0)}
    assert not wheels.turned_since(mark)


async def test_a_slow_link_is_called_slow_with_its_age_and_moves_nothing(
    car: Product, wheels: Wheels, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    await phone.page.route_web_socket("**/ws", slow_down)
    await phone.open(car.url)
    mark = wheels.mark()
    await phone.down("throttle", y=0.5)
    await phone.seen("body[data-link=slow]")
    words = await phone.page.text_content("#why") or ""
    assert words.startswith("Link too slow: "), words
    assert words.endswith(" ms, limit 500 ms."), words
    assert 2000 * ONE_WAY_S <= int(words.split()[3]) < 2500, words
    assert not wheels.turned_since(mark)


async def test_a_thumb_held_while_no_command_arrives_does_not_drive_on_by_itself(
    car: Product, wheels: Wheels, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    way = OneWay()
    await phone.page.route_web_socket("**/ws", way.connect)
    await phone.open(car.url)
    await drive(phone, wheels)
    way.blocked = True
    await wheels.rest()
    await phone.in_state("failsafe")
    await phone.reads("why", "No commands for 0.5 s: weak WiFi?")
    await phone.in_state("disarmed")
    mark, way.blocked = wheels.mark(), False
    await phone.seen("#throttle:not(.held)")
    await phone.move("throttle", y=0.9)
    await phone.reads("why", "Let go and press again.")
    assert not wheels.turned_since(mark)
    await drives_again(phone, wheels)


class OneWay:
    """A link on which the page hears the car, and the car does not hear the page while it is blocked."""

    blocked = False

    def connect(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda text: None if self.blocked else server.send(text))


def slow_down(socket: WebSocketRoute) -> None:
    """Let every message take ONE_WAY_S."""
    server = socket.connect_to_server()
    later = asyncio.get_running_loop().call_later
    socket.on_message(lambda text: later(ONE_WAY_S, server.send, text))
    server.on_message(lambda text: later(ONE_WAY_S, socket.send, text))


async def test_a_server_that_comes_back_on_the_same_port_is_found_and_wants_a_new_press(
    phone: Phone, wheels: Wheels, car: Product
) -> None:
    await drive(phone, wheels)
    await car.terminate()
    await phone.seen("body[data-link=gone]")
    await phone.seen("#throttle[aria-disabled=true]")
    mark = wheels.mark()
    await car.start()
    await phone.seen("body[data-link=good]")
    await phone.move("throttle", y=0.9)
    await phone.hears(4)
    assert not wheels.turned_since(mark)
    await drives_again(phone, wheels)


def _client(phone: Phone) -> list[str]:
    return [message["client"] for message in phone.heard if message["type"] == "hello"][-1:]
