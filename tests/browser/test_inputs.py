"""Every input drives, lets go by every rule, and changing it while it is held is a release."""

from __future__ import annotations

import asyncio
import json
import math
import time
from typing import Any

import pytest
from playwright.async_api import Locator, WebSocketRoute

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.browser.wheels import Wheels
from tests.support.chromium import GAMEPAD
from tests.support.product import EN_PINS, Product
from tests.support.waiting import DEADLINE_S, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ATTEMPTS = 3
GEAR_1_DUTY = 0.475  # 0.3 of the way from the minimum duty, 0.25, to 1
HIDE = """() => {
  Object.defineProperty(document, "hidden", { value: true, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
LEAVE = {
    "hidden": HIDE,
    "pagehide": "() => dispatchEvent(new PageTransitionEvent('pagehide'))",
    "blur": "() => dispatchEvent(new Event('blur'))",
    "freeze": "() => document.dispatchEvent(new Event('freeze'))",
    "orientation": "() => screen.orientation.dispatchEvent(new Event('change'))",
}
DIRECTIONS = [
    ("forward", 1, 1),
    ("back", -1, -1),
    ("spinleft", -1, 1),
    ("spinright", 1, -1),
    ("forwardleft", 1, 1),
    ("forwardright", 1, 1),
    ("backleft", -1, -1),
    ("backright", -1, -1),
]


async def prefer(phone: Phone, **preferences: Any) -> None:
    """Have the page start with these preferences."""
    kept = json.dumps(json.dumps({"limit": 1} | preferences))
    await phone.page.add_init_script(f"localStorage.setItem('picar', {kept})")


async def change(phone: Phone, name: str, value: str) -> None:
    """Change a preference as the settings sheet does, without opening it."""
    await phone.page.evaluate(
        """([name, value]) => {
          const field = document.querySelector(`[name=${name}]` + (value ? `[value="${value}"]` : ""));
          field.checked = true;
          field.dispatchEvent(new Event("input"));
        }""",
        [name, value],
    )


def fastest(wheels: Wheels, mark: int) -> float:
    """Return the highest duty cycle after the mark."""
    return max(float(line["value"]) for line in wheels.since(mark) if line["pin"] in EN_PINS)


async def open_settings(phone: Phone) -> None:
    await phone.tap("menu")
    await phone.seen("#settings[open]")


@pytest.fixture
def layout() -> str:
    return "thumbs"


@pytest.fixture
async def phone(car: Product, new_phone: NewPhone, layout: str) -> Phone:
    """A phone that starts with a layout, and with a gamepad that can be plugged in."""
    phone = await new_phone()
    await phone.page.add_init_script(GAMEPAD)
    await prefer(phone, layout=layout)
    await phone.open(car.url)
    if layout == "arrows":
        await phone.seen("#arrows .forward")
    return phone


@pytest.mark.parametrize("layout", ["stick"])
async def test_one_stick_drives_both_ways_and_lifting_it_stops(phone: Phone, wheels: Wheels) -> None:
    await phone.hold_until("stick", wheels.turning(+1, +1), y=0.5)
    await phone.move("stick", x=0.6)
    await wheels.turn(+1, -1)
    await phone.seen("#stick[aria-label='stick: centre, right 60%']")
    await phone.lift("stick")
    await wheels.rest()
    await phone.says_zero()


PLACES = [(0, 0), (-0.9, 0), (0.9, 0), (0, -0.9), (0, 0.9), (0.6, 0.6)]


@pytest.mark.parametrize(
    ("layout", "pad"), [("thumbs", "throttle"), ("thumbs", "steering"), ("stick", "stick")]
)
async def test_a_first_touch_anywhere_on_a_pad_moves_nothing_nor_do_7_px(
    phone: Phone, wheels: Wheels, pad: str
) -> None:
    mark = wheels.mark()
    for x, y in PLACES:
        said = len(phone.said)
        await phone.touch(pad, x, y)
        await phone.slide(pad, 5, 5)
        await phone.slide(pad, -7, 0)
        await phone.slide(pad, 0, 7)
        await phone.in_state("armed")
        await phone.hears(3)
        assert set(phone.drives(said)) == {(0, 0)}
        assert phone.state["wanted"] == {"throttle": 0, "steering": 0}
        await phone.lift(pad)
    assert not wheels.turned_since(mark)


@pytest.mark.parametrize(
    ("pad", "right", "down"), [("throttle", 0, -1), ("throttle", 0, 1), ("steering", 1, 0)]
)
async def test_a_stick_rises_with_the_distance_from_the_touch_point_and_is_full_at_90_px_or_half_the_pad(
    phone: Phone, pad: str, right: int, down: int
) -> None:
    box = await phone.page.locator(f"#{pad}").bounding_box()
    assert box
    travel = min(90, box["height" if down else "width"] / 2)
    await phone.touch(pad)
    await phone.in_state("armed")
    for moved in (9, 20, 40, 60, travel - 2, travel, travel + 60):
        await phone.slide(pad, right * moved, down * moved)
    await until(lambda: 1 in map(abs, phone.drives()[-1]), "full stick")
    values = [abs(throttle) + abs(steering) for throttle, steering in phone.drives()]
    assert values == sorted(values)
    assert 0 < next(filter(None, values)) < 0.05
    assert 0.9 < values[values.index(1) - 1] < 1


async def test_a_thumb_that_went_far_finds_neutral_where_it_came_down_and_a_new_touch_is_neutral_elsewhere(
    phone: Phone, wheels: Wheels
) -> None:
    await phone.touch("throttle", y=-0.5)
    await phone.slide("throttle", 0, -150)
    await wheels.turn(+1, +1)
    await phone.slide("throttle", 0, 4)
    await phone.says_zero()
    await wheels.rest()
    await phone.slide("throttle", 0, -150)
    await wheels.turn(+1, +1)
    await phone.lift("throttle")
    await phone.says_zero()
    await wheels.rest()
    mark = wheels.mark()
    await phone.touch("throttle", y=0.8)
    await phone.in_state("armed")
    await phone.hears(3)
    assert not wheels.turned_since(mark)
    await phone.slide("throttle", 0, 60)
    await wheels.turn(-1, -1)


async def test_full_stick_is_reached_towards_the_edge_of_the_screen(phone: Phone) -> None:
    for pad, place, edge in (("throttle", (0, -0.6), (0, 359)), ("steering", (0.6, 0), (799, 0))):
        await phone.touch(pad, *place)
        at = await phone.page.locator(f"#{pad}").bounding_box()
        assert at
        x, y = at["x"] + at["width"] * (1 + place[0]) / 2, at["y"] + at["height"] * (1 - place[1]) / 2
        await phone.slide(pad, max(0, edge[0] - x), max(0, edge[1] - y))
        await until(lambda: -1 in phone.drives()[-1] or 1 in phone.drives()[-1], f"full {pad}")
        await phone.lift(pad)
        await phone.says_zero()


@pytest.mark.parametrize(
    ("layout", "pad"), [("thumbs", "throttle"), ("thumbs", "steering"), ("stick", "stick")]
)
async def test_the_knob_springs_up_under_the_thumb_follows_it_and_springs_back(
    phone: Phone, pad: str
) -> None:
    knob = phone.page.locator(f"#{pad} .knob")
    rest = await centre_of(knob)
    await phone.touch(pad, 0.4, 0.4)
    touched = await centre_of(phone.page.locator(f"#{pad}"), 0.4, -0.4)
    await until_at(knob, touched)
    right, down = (0, -45) if pad == "throttle" else (45, 0)
    await phone.slide(pad, right, down)
    await until(lambda: phone.drives() and any(phone.drives()[-1]), "the stick moves")
    moved = await centre_of(knob)
    way = math.dist(moved, touched)
    assert 36 <= way <= 45, way  # behind the thumb by less than its slack
    await phone.lift(pad)
    await until_at(knob, rest)


@pytest.mark.parametrize(
    ("size", "pad", "place", "way"),
    [((390, 844), "throttle", (-0.6, 0.9), (0, -40)), ((800, 360), "steering", (-0.9, 0), (-30, 0))],
)
async def test_a_knob_that_leaves_its_pad_covers_neither_stop_nor_a_meter(
    phone: Phone, size: tuple[int, int], pad: str, place: tuple[float, float], way: tuple[float, float]
) -> None:
    await phone.page.set_viewport_size({"width": size[0], "height": size[1]})
    await phone.touch(pad, *place)
    await phone.slide(pad, *way)
    await until(lambda: phone.drives() and any(phone.drives()[-1]), "the stick moves")
    assert await phone.covered("stop", "left", "right") == []


async def centre_of(element: Locator, x: float = 0, y: float = 0) -> tuple[float, float]:
    """Return a place of an element, px; (0, 0) is its centre, (1, 1) its lower right corner."""
    box = await element.bounding_box()
    assert box
    return box["x"] + box["width"] * (1 + x) / 2, box["y"] + box["height"] * (1 + y) / 2


async def until_at(element: Locator, place: tuple[float, float]) -> None:
    """Wait until the centre of an element is at a place."""
    give_up_at = time.monotonic() + DEADLINE_S
    while math.dist(await centre_of(element), place) > 3:
        assert time.monotonic() < give_up_at, f"at {await centre_of(element)}, not at {place}"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("layout", ["arrows"])
async def test_eight_arrows_drive_eight_ways_while_they_are_held(phone: Phone, wheels: Wheels) -> None:
    for name, left, right in DIRECTIONS:
        box = await phone.page.locator(f"#arrows .{name}").bounding_box()
        grid = await phone.page.locator("#arrows").bounding_box()
        assert box
        assert grid
        assert min(box["width"], box["height"]) >= 48
        x = 2 * (box["x"] + box["width"] / 2 - grid["x"]) / grid["width"] - 1
        y = 1 - 2 * (box["y"] + box["height"] / 2 - grid["y"]) / grid["height"]
        await phone.down("arrows", x=x, y=y)
        await phone.seen(f"#arrows .{name}.down")
        await wheels.turn(left, right)
        await phone.lift("arrows")
        await wheels.rest()
    await phone.says_zero()


@pytest.mark.parametrize("layout", ["arrows"])
async def test_an_arrow_drives_while_enter_is_down_and_for_a_moment_by_a_screen_readers_click(
    phone: Phone, wheels: Wheels
) -> None:
    await phone.page.locator("#arrows .forward").focus()
    await phone.hold_until("Enter", wheels.turning(+1, +1))
    await phone.page.keyboard.up("Enter")
    await wheels.rest()
    mark = wheels.mark()
    await phone.page.evaluate("() => document.querySelector('#arrows .back').click()")
    await until(lambda: wheels.turned_since(mark), "a click drives")
    await wheels.rest()
    await phone.says_zero()


@pytest.mark.parametrize("way", LEAVE)
@pytest.mark.parametrize("layout", ["arrows", "stick"])
async def test_a_held_arrow_or_stick_is_let_go_when_the_page_is_left(
    phone: Phone, wheels: Wheels, layout: str, way: str
) -> None:
    await phone.hold_until(layout, wheels.turning(+1, +1), y=0.7)
    await phone.page.evaluate(LEAVE[way])
    await wheels.rest()
    await phone.says_zero()
    mark = wheels.mark()
    await phone.move(layout, y=0.9)
    await phone.hears(4)
    assert not wheels.turned_since(mark)


@pytest.mark.parametrize("layout", ["arrows", "stick"])
async def test_a_cancelled_touch_lets_an_arrow_or_a_stick_go(
    phone: Phone, wheels: Wheels, layout: str
) -> None:
    await phone.hold_until(layout, wheels.turning(+1, +1), y=0.7)
    await phone.cancel()
    await wheels.rest()
    await phone.says_zero()


async def test_switching_the_layout_while_a_thumb_is_down_is_a_release(phone: Phone, wheels: Wheels) -> None:
    await open_settings(phone)  # so that its module is there
    await phone.page.keyboard.press("Escape")
    await phone.hold_until("throttle", wheels.turning(+1, +1), y=0.6)
    await change(phone, "layout", "stick")
    await wheels.rest()
    await phone.says_zero()
    await phone.seen("body[data-layout=stick]")
    mark = wheels.mark()
    await phone.hears(4)
    assert not wheels.turned_since(mark)


async def test_opening_the_settings_while_a_thumb_is_down_is_a_release_and_keys_do_not_drive_there(
    phone: Phone, wheels: Wheels
) -> None:
    await phone.hold_until("throttle", wheels.turning(+1, +1), y=0.6)
    await open_settings(phone)
    await wheels.rest()
    await phone.says_zero()
    mark = wheels.mark()
    await phone.page.locator("#settings .done").focus()
    await phone.page.keyboard.down("KeyW")
    await phone.hears(4)
    assert not wheels.turned_since(mark)


async def test_left_handed_pads_change_places(phone: Phone) -> None:
    await open_settings(phone)
    await change(phone, "swap", "")
    await phone.seen("body[data-swap=true]")
    throttle = await phone.page.locator("#throttle").bounding_box()
    steering = await phone.page.locator("#steering").bounding_box()
    assert throttle
    assert steering
    assert throttle["x"] > steering["x"]


@pytest.mark.parametrize(
    "key", [{"key": "w"}, {"key": "ArrowUp"}, {"code": "Numpad8", "key": "ArrowUp"}], ids=str
)
async def test_keys_without_a_code_and_the_arrows_of_the_number_pad_drive(
    phone: Phone, wheels: Wheels, key: dict[str, str]
) -> None:
    await phone.cdp.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
    await wheels.turn(+1, +1)
    await phone.cdp.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    await wheels.rest()
    await phone.says_zero()


async def tilt_by(phone: Phone, degrees: float) -> None:
    """Turn the phone like a wheel: in portrait coordinates, gamma is about its long axis."""
    angle = await phone.page.evaluate("() => screen.orientation.angle")
    beta, gamma = (0, degrees) if angle == 0 else (-degrees, 0)
    await phone.cdp.send(
        "DeviceOrientation.setDeviceOrientationOverride", {"alpha": 0, "beta": beta, "gamma": gamma}
    )


@pytest.mark.parametrize("layout", ["tilt"])
async def test_tilting_steers_only_while_a_thumb_holds_the_throttle(phone: Phone, wheels: Wheels) -> None:
    await tilt_by(phone, 0)
    await phone.seen("#tilt[data-sensor=live]")
    await tilt_by(phone, 30)
    mark = wheels.mark()
    await phone.hears(3)
    assert not wheels.turned_since(mark)
    await phone.hold_until("throttle", wheels.turning(+1, -1))
    await phone.lift("throttle")
    await wheels.rest()
    await phone.says_zero()


@pytest.mark.parametrize("layout", ["tilt"])
async def test_the_middle_of_tilting_can_be_set_anew(phone: Phone, wheels: Wheels) -> None:
    await tilt_by(phone, 0)
    await phone.seen("#tilt[data-sensor=live]")
    await tilt_by(phone, 30)
    await phone.seen("#tilt[style*='--turn: 0.857']")  # 30 of 35 degrees: the sensor has reported it
    await phone.tap("centre")
    await tilt_by(phone, 5)
    await phone.hold_until("throttle", wheels.turning(-1, +1))
    await phone.cancel()
    await wheels.rest()


async def test_sticks_have_the_dead_zone_and_the_curve_of_this_phone(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    await prefer(phone, deadzone=0.3, expo=0.9)
    await phone.open(car.url)
    await phone.hold_until("throttle", y=0.18)
    await phone.in_state("armed")
    await phone.hears(3)
    assert {throttle for throttle, _ in phone.drives()} == {0}
    await phone.move("throttle", y=0.4)
    await until(lambda: phone.drives()[-1][0] > 0, "beyond the dead zone")
    assert phone.drives()[-1][0] < 0.2
    await phone.move("throttle", y=1)
    await until(lambda: phone.drives()[-1][0] == 1, "full stays full")


async def test_gears_set_the_speed_limit(phone: Phone) -> None:
    await phone.take_the_wheel()
    await phone.tap("gear1")
    await until(lambda: phone.state["speed_limit"] == 0.3, "the first gear")
    await phone.seen("#gear1[aria-pressed=true]")


async def test_a_new_phone_begins_in_gear_1_even_if_it_pushes_to_full_at_once(
    car: Product, new_phone: NewPhone, wheels: Wheels
) -> None:
    phone = await new_phone(car.url, fresh=True)
    mark = wheels.mark()
    await phone.hold_until(
        "throttle", lambda: wheels.speeds() == (GEAR_1_DUTY, GEAR_1_DUTY), y=1, what="all that gear 1 allows"
    )
    await phone.seen("#gear1[aria-pressed=true]")
    assert fastest(wheels, mark) == GEAR_1_DUTY


async def test_a_press_waits_until_the_car_has_the_speed_limit_of_the_phone(
    car: Product, new_phone: NewPhone, wheels: Wheels
) -> None:
    phone = await new_phone(fresh=True)
    late: list[asyncio.TimerHandle] = []

    def delay_limits(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        later = asyncio.get_running_loop().call_later

        def send(text: str | bytes) -> None:
            if '"limit"' in str(text):
                late.append(later(0.3, server.send, text))
            else:
                server.send(text)

        socket.on_message(send)

    await phone.page.route_web_socket("**/ws", delay_limits)
    await phone.open(car.url)
    mark = wheels.mark()
    await phone.hold_until("throttle", y=1)
    await phone.in_state("armed")
    await until(lambda: wheels.speeds() == (GEAR_1_DUTY, GEAR_1_DUTY), "all that gear 1 allows")
    assert len(late) == 1
    assert fastest(wheels, mark) == GEAR_1_DUTY


async def test_a_phone_keeps_its_speed_limit_and_never_raises_that_of_the_driver_before(
    car: Product, new_phone: NewPhone
) -> None:
    fast = await new_phone(car.url, fresh=True)
    await fast.take_the_wheel()
    await until(lambda: fast.state["speed_limit"] == 0.3, "the first gear")
    await fast.insist("gear3", "#gear3[aria-pressed=true]")
    await until(lambda: fast.state["speed_limit"] == 1, "the third gear")
    await fast.open(car.url)
    await fast.take_the_wheel()
    await fast.hears(4)
    assert fast.state["speed_limit"] == 1, "it is in the third gear again"

    slow = await new_phone(car.url, fresh=True)
    await fast.press("ask")
    await slow.reads("driver", "No driver")
    await slow.take_the_wheel()
    await until(lambda: slow.state["speed_limit"] == 0.3, "the first gear of the other phone")
    assert "earlier" not in await slow.page.inner_text("#why")

    await slow.press("ask")
    await fast.reads("driver", "No driver")
    await fast.take_the_wheel()
    await fast.reads("why", "The earlier speed limit of 30% still applies.")
    await fast.hears(4)
    assert fast.state["speed_limit"] == 0.3


async def test_a_gear_that_is_chosen_while_a_thumb_is_down_does_not_let_it_go(
    phone: Phone, wheels: Wheels
) -> None:
    await phone.hold_until("throttle", lambda: wheels.speeds() == (1, 1), y=1, what="full speed")
    await phone.says_more_than_zero()
    mark = len(phone.said)
    await phone.tap("gear2")
    await until(lambda: phone.state["applied"] == {"left": 0.6, "right": 0.6}, "the second gear")
    assert set(phone.drives(mark)) == {(1, 0)}


@pytest.mark.parametrize("secure", [True, False])
async def test_the_screen_is_kept_awake_while_driving(
    car: Product, new_phone: NewPhone, secure: bool
) -> None:
    phone = await new_phone()
    lock = "{ request: async () => { document.documentElement.dataset.awake = 'lock'; return { release() {} }; } }"
    value = lock if secure else "undefined"
    await phone.page.add_init_script(f"Object.defineProperty(navigator, 'wakeLock', {{ value: {value} }})")
    await phone.open(car.url)
    await phone.down("throttle", y=0.5)
    if secure:
        await phone.seen("html[data-awake=lock]")
    else:
        await phone.seen("video.awake")
        await phone.page.wait_for_function("() => document.querySelector('video.awake').currentTime > 0")
    assert phone.complaints == []


async def test_a_stop_shakes_the_phone_unless_it_should_not(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    await phone.page.add_init_script("navigator.vibrate = (times) => (globalThis.shaken = times)")
    await phone.open(car.url)
    await phone.tap("stop")
    await phone.in_state("stopped")
    await phone.page.wait_for_function("() => globalThis.shaken?.[0] === 160")


async def test_a_change_reaches_the_socket_within_16_ms(phone: Phone) -> None:
    await phone.page.evaluate(
        """() => {
          globalThis.late = [];
          let changedAt = null;
          addEventListener("pointermove", () => (changedAt ??= performance.now()), { capture: true });
          const send = WebSocket.prototype.send;
          WebSocket.prototype.send = function (text) {
            if (changedAt !== null) late.push(performance.now() - changedAt);
            changedAt = null;
            send.call(this, text);
          };
        }"""
    )
    await phone.hold_until("throttle", y=0.1)
    await phone.in_state("armed")
    worst = []
    for _ in range(ATTEMPTS):  # a busy machine may take the browser's time away in the middle, not each time
        late = await _late(phone)
        worst.append(late[math.ceil(len(late) * 0.99) - 1])
        if worst[-1] <= 16:
            return
    raise AssertionError(f"99 of 100 changes after {worst} ms")


async def _late(phone: Phone) -> list[float]:
    """Slide the finger; return how many ms later each change was sent, rising."""
    await phone.page.evaluate("() => (late.length = 0)")
    for step in range(60):
        await phone.move("throttle", y=0.1 + step / 120)  # short of full stick: each is a change
    late: list[float] = sorted(await phone.page.evaluate("() => late"))
    assert len(late) > 20
    return late
