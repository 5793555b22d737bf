"""A phone (or a laptop) with the page open: fingers, keys, and everything said over the WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from playwright.async_api import BrowserContext, CDPSession, Error, Page, WebSocket, expect

from tests.support.waiting import DEADLINE_S, until

T = TypeVar("T")
ATTEMPTS = 3
REST_S = 3.0  # a press that asks the car for nothing after this time has ended
PADS = ("throttle", "steering", "stick")
_TRAVEL = (40, 90)  # px to full stick: on a small pad or near an edge of the screen, and elsewhere
_SLACK = 8  # px that a thumb may move without driving
_SCREEN = "() => [innerWidth, innerHeight]"
_IS_COVERED = """element => {
  const { left, top, width, height } = element.getBoundingClientRect();
  const parts = [0.1, 0.5, 0.9];
  const hit = (x, y) => element.contains(document.elementFromPoint(left + x * width, top + y * height));
  return !width || parts.some((x) => parts.some((y) => !hit(x, y)));
}"""


def diary_of(page: Page) -> list[str]:
    """Return what goes wrong with a page from now on, in a list that grows: for the reader of a test that fails."""
    diary: list[str] = []  # the console tells of answers that are refusals
    page.on("requestfailed", lambda request: diary.append(f"{request.url}: {request.failure}"))
    page.on("console", lambda message: diary.append(message.text))
    page.on("pageerror", lambda error: diary.append(str(error)))
    return diary


async def tell(page: Page, diary: list[str]) -> None:
    """Print the diary and the state of the page; pytest shows it where the test fails."""
    state = (
        "JSON.stringify([location.href, {...document.body.dataset}, {...document.documentElement.dataset}])"
    )
    with contextlib.suppress(Error, TimeoutError):  # it may be closed, or hang
        async with asyncio.timeout(REST_S):
            print(await page.evaluate(state))
    print(*diary, sep="\n")


@dataclass(eq=False)
class Phone:
    """One open page. Fingers are named after what they touch: "throttle", "steering" or any element's id."""

    page: Page
    context: BrowserContext
    cdp: CDPSession
    said: list[dict[str, Any]] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    diary: list[str] = field(default_factory=list)
    _fingers: dict[str, dict[str, float]] = field(default_factory=dict)
    _touched: dict[str, dict[str, float]] = field(default_factory=dict)
    _finger_number: int = 0

    def listen(self) -> None:
        """Note what goes over the WebSocket and what the console says, from now on."""
        self.page.on("websocket", self._follow)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.diary = diary_of(self.page)

    def _follow(self, socket: WebSocket) -> None:
        if "/ws/video" in socket.url:
            return  # pictures
        socket.on("framesent", lambda text: self.said.append(json.loads(text)))
        socket.on("framereceived", lambda text: self.heard.append(json.loads(text)))

    async def open(self, url: str) -> None:
        """Load the page and wait until it has its words and the car answers."""
        await self.page.goto(url)
        await self.seen("#stop span:not(:empty)")
        await self.seen("body[data-you]:not([data-state=gone]):not([data-you=''])")

    # -- what the page and the car said -----------------------------------------------------------

    @property
    def state(self) -> dict[str, Any]:
        """The newest state message."""
        return next(message for message in reversed(self.heard) if message["type"] == "state")

    @property
    def client(self) -> str:
        """What the car calls this page."""
        return str(next(m["client"] for m in reversed(self.heard) if m["type"] == "hello"))

    def drives(self, since: int = 0) -> list[tuple[float, float]]:
        """Return (throttle, steering) of every drive message after the first `since` messages."""
        return [(m["throttle"], m["steering"]) for m in self.said[since:] if m["type"] == "drive"]

    async def reported(self) -> None:
        """Wait for the report of every frame so far, after a look at the pins: the browser reports in its page's order."""
        await self.page.evaluate("0")

    async def says_zero(self) -> None:
        """Wait until the newest drive message is zero."""
        await self.reported()
        await until(lambda: self.drives()[-1:] == [(0, 0)], "the page's last command is zero")

    async def says_more_than_zero(self) -> None:
        """Wait until the newest drive message is not zero: then the zeros of the press's beginning are reported too."""
        await until(lambda: self.drives()[-1:] not in ([], [(0, 0)]), "the page's last command is not zero")

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """Return every message of this type."""
        return [message for message in self.said if message["type"] == kind]

    async def seen(self, selector: str) -> None:
        """Wait until something that this selector means is on the page."""
        await self.page.wait_for_selector(selector, state="attached", timeout=DEADLINE_S * 1000)

    async def reads(self, element: str, words: str) -> None:
        """Wait until an element says these words."""
        await expect(self.page.locator(f"#{element}")).to_contain_text(words, timeout=DEADLINE_S * 1000)

    async def in_state(self, state: str) -> None:
        """Wait until the page shows this state."""
        await self.seen(f"body[data-state={state}]")

    async def covered(self, *elements: str) -> list[str]:
        """Return those of which something else covers a part, or that are not wholly on the screen."""
        return [name for name in elements if await self.page.locator(f"#{name}").evaluate(_IS_COVERED)]

    async def hears(self, states: int) -> None:
        """Wait for so many more states: time enough for whatever might happen by itself."""
        goal = len(self.heard) + states
        await until(lambda: len(self.heard) >= goal, f"{states} more states")

    async def settings(self, section: str = "") -> None:
        """Open the settings, and perhaps one of their sections."""
        await self.tap("menu")
        await self.seen("#settings[open]")
        if section:
            await self.page.click(f"#settings-{section}")

    # -- fingers ----------------------------------------------------------------------------------

    async def down(self, element: str, x: float = 0.0, y: float = 0.0, finger: str | None = None) -> None:
        """Put a finger on an element. (0, 0) is its centre; x and y of 1 are its right and upper edge.

        On a pad, x and y deflect the stick, 1 is full: the finger comes down in the centre and moves.
        """
        on_pad = element in PADS
        await self.touch(element, 0 if on_pad else x, 0 if on_pad else y, finger)
        if on_pad and (x or y):
            await self.move(element, x, y, finger)

    async def touch(self, element: str, x: float = 0.0, y: float = 0.0, finger: str | None = None) -> None:
        """Put a finger on a place of an element, also of a pad, and keep it still."""
        self._finger_number += 1
        place = await self._point(element, x, y)
        self._touched[finger or element] = place
        self._fingers[finger or element] = place | {"id": self._finger_number}
        await self._touch("touchStart", list(self._fingers.values()))

    async def move(self, element: str, x: float = 0.0, y: float = 0.0, finger: str | None = None) -> None:
        """Slide a finger; outside [-1, 1] it leaves the element it started on, or goes beyond full stick."""
        name = finger or element
        on_pad = element in PADS
        place = await (self._deflected(element, name, x, y) if on_pad else self._point(element, x, y))
        self._fingers[name] |= place
        await self._touch("touchMove", list(self._fingers.values()))

    async def slide(self, finger: str, right: float, down: float) -> None:
        """Move a finger to a distance in px from the place where it came down."""
        self._fingers[finger] |= {
            "x": self._touched[finger]["x"] + right,
            "y": self._touched[finger]["y"] + down,
        }
        await self._touch("touchMove", list(self._fingers.values()))

    async def lift(self, finger: str) -> None:
        """Lift one finger."""
        await self._touch("touchEnd", [self._fingers.pop(finger)])

    async def tap(self, element: str) -> None:
        """Put a finger down and lift it."""
        await self.down(element, finger="tap")
        await self.lift("tap")

    async def double_tap(self, element: str) -> None:
        """Tap twice, without a wait between that this machine could prolong."""
        place = await self._point(element, 0, 0) | {"id": self._finger_number + 1}
        self._finger_number += 1
        kinds = ("touchStart", "touchEnd") * 2
        await asyncio.gather(*(self._touch(kind, [place]) for kind in kinds))

    async def press(self, element: str) -> None:
        """Press a button with the keyboard, once it is shown: a hidden one takes no focus, and another would be pressed."""
        button = self.page.locator(f"#{element}")
        await button.wait_for(timeout=DEADLINE_S * 1000)
        await button.press("Enter")

    async def hold_until(
        self, control: str, met: Callable[[], T] | None = None, x: float = 0.0, y: float = 0.0, what: str = ""
    ) -> T:
        """Hold a pad, a button or a key until `met()` (or until the car is armed), and return what it returned.

        A page that hangs, or whose commands are late, ends a press. Then everything that is held is pressed again, as a
        person would; the control is still held at the end.
        """
        met = met or (lambda: self.state["state"] == "armed")
        give_up_at = time.monotonic() + 3 * DEADLINE_S
        is_key = control[0].isupper()
        if not is_key:
            await self.page.locator(f"#{control}:not(:disabled)").scroll_into_view_if_needed()
        await (self.page.keyboard.down(control) if is_key else self.down(control, x, y))
        rests_from = time.monotonic() + REST_S
        while not (seen := met()):
            assert time.monotonic() < give_up_at, f"held {control} in vain: {what}"
            if time.monotonic() > rests_from and not any(self.state["wanted"].values()):
                if is_key:
                    await self.page.keyboard.up(control)
                    await self.page.keyboard.down(control)
                await self._press_again()
                rests_from = time.monotonic() + REST_S
            await asyncio.sleep(0.01)
        await self.reported()
        return seen

    async def _press_again(self) -> None:
        """Lift all fingers, put them down where they came down, and move them back."""
        fingers = list(self._fingers.items())
        for name, place in fingers:
            del self._fingers[name]
            await self._touch("touchEnd", [place])
        for name, place in fingers:
            self._finger_number += 1
            self._fingers[name] = self._touched[name] | {"id": self._finger_number}
            await self._touch("touchStart", list(self._fingers.values()))
            self._fingers[name] |= {"x": place["x"], "y": place["y"]}
            await self._touch("touchMove", list(self._fingers.values()))

    async def undisturbed(self, attempt: Callable[[], Awaitable[None]], *keys: str) -> None:
        """Make an attempt; make it again if this machine was too slow, so that the car stopped for late commands.

        An assertion that fails without such a stop counts at once, and that of the last attempt always.

        Args:
            attempt: drives from rest, and asserts.
            keys: those that the attempt holds; fingers and keys are lifted before the next attempt.
        """
        for left in reversed(range(ATTEMPTS)):
            since = len(self.heard)
            try:
                await attempt()
            except AssertionError:
                if not left or not any(m.get("state") == "failsafe" for m in self.heard[since:]):
                    raise
            else:
                return
            await self.cancel()
            for key in keys:
                await self.page.keyboard.up(key)
            await self.says_zero()

    async def insist(
        self, element: str, selector: str, act: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        """Tap until the page shows this: again whenever the car refused it as too late, as a person would."""
        give_up_at = time.monotonic() + DEADLINE_S
        refusals = -1
        while await self.page.query_selector(selector) is None:
            assert time.monotonic() < give_up_at, f"tapped #{element} in vain: no {selector}"
            late = sum(message.get("code") == "stale" for message in self.heard)
            if late > refusals:
                await (act or self.tap)(element)
            refusals = late
            await asyncio.sleep(0.02)

    async def take_the_wheel(self) -> None:
        """Take it while it is free."""
        await self.insist("ask", "body[data-you=driver]", self.press)

    async def cancel(self) -> None:
        """The system takes all fingers away, as for a notification or a palm."""
        self._fingers.clear()
        await self._touch("touchCancel", [])

    async def _point(self, element: str, x: float, y: float) -> dict[str, float]:
        box = await self.page.locator(f"#{element}").bounding_box()
        assert box, f"#{element} is not on the screen"
        return {
            "x": round(box["x"] + box["width"] * (1 + x) / 2, 1),
            "y": round(box["y"] + box["height"] * (1 - y) / 2, 1),
        }

    async def _deflected(self, pad: str, finger: str, x: float, y: float) -> dict[str, float]:
        """Return where a finger deflects the stick of a pad by x and y."""
        box = await self.page.locator(f"#{pad}").bounding_box()
        assert box, f"#{pad} is not on the screen"
        width, height = await self.page.evaluate(_SCREEN)
        at = self._touched[finger]
        rooms = {"x": [at["x"], width - at["x"]], "y": [height - at["y"], at["y"]]}
        lengths = {
            "throttle": box["height"],
            "steering": box["width"],
            "stick": min(box["width"], box["height"]),
        }
        least = min(*rooms["x"], *rooms["y"]) if pad == "stick" else math.inf

        def moved(axis: str, value: float) -> float:
            room = min(rooms[axis][value > 0], least)
            travel = max(_TRAVEL[0], min(_TRAVEL[1], lengths[pad] / 2, room - _SLACK))
            return math.copysign(_SLACK, value) + value * (travel - _SLACK) if value else 0

        return {"x": round(at["x"] + moved("x", x), 1), "y": round(at["y"] - moved("y", y), 1)}

    async def _touch(self, kind: str, points: list[dict[str, float]]) -> None:
        await self.cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
