"""Two thumbs (or keys) that drive the simulated car along a way through its room."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Sequence

from tests.browser.phone import Phone
from tests.support.waiting import DEADLINE_S

Point = tuple[float, float]
WAY: tuple[Point, ...] = (  # in m, from the start between two walls and around a pillar, back to the start
    (0.9, 0.0), (1.5, -0.05), (1.8, -0.5), (1.75, -1.3), (1.4, -1.95), (0.8, -1.9), (0.45, -1.4), (0.35, -0.8), (0.1, -0.2),
)  # fmt: skip
AHEAD_M = 0.35  # the thumbs steer to a point this far ahead
LAST = 6  # points of the way: so near, it ends
GAIN = 0.4  # stick per rad
FULL_PX = 90  # the travel of a thumb for a full stick
STEP_S = 0.04
# A visible mark under each finger; the style sheet policy of the page allows styles set by a script of DevTools.
SHOW_FINGERS = """() => {
  const marks = new Map();
  const look = { position: "fixed", width: "52px", height: "52px", margin: "-26px", borderRadius: "50%", zIndex: 9,
    background: "#ffffff66", border: "3px solid #ffffffcc", boxShadow: "0 0 12px #0008", pointerEvents: "none" };
  for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) addEventListener(kind, (event) => {
    if (event.pointerType !== "touch") return;
    if (kind === "pointerup" || kind === "pointercancel") return marks.get(event.pointerId)?.remove();
    if (kind === "pointerdown") marks.set(event.pointerId, document.body.appendChild(Object.assign(document.createElement("i"), {})));
    const mark = marks.get(event.pointerId);
    if (mark) Object.assign(mark.style, look, { left: `${event.clientX}px`, top: `${event.clientY}px` });
  }, true);
}"""


def bearing(pose: dict[str, float], goal: Point) -> float:
    """Return the angle from the car's nose to a point, in rad, positive to the left."""
    angle = math.atan2(goal[1] - pose["y"], goal[0] - pose["x"]) - pose["heading"]
    return math.remainder(angle, math.tau)


def along(way: Sequence[Point], apart: float = 0.05) -> list[Point]:
    """Return points on the way, `apart` metres from each other."""
    points: list[Point] = []
    for start, end in itertools.pairwise(way):
        steps = max(1, round(math.dist(start, end) / apart))
        points += [
            (start[0] + (end[0] - start[0]) * n / steps, start[1] + (end[1] - start[1]) * n / steps)
            for n in range(steps)
        ]
    return [*points, way[-1]]


class Thumbs:
    """A thumb on each pad: put down in its middle, which is neutral, and moved from there."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._neutral: dict[str, Point] = {}

    async def down(self) -> None:
        """Put both thumbs down; nothing moves."""
        for name in ("throttle", "steering"):
            box = await self._phone.page.locator(f"#{name}").bounding_box()
            assert box, name
            self._neutral[name] = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            await self._send("touchStart", dict.fromkeys(self._neutral, (0.0, 0.0)))

    async def hold(self, throttle: float, steering: float) -> None:
        """Move the thumbs to these values in [-1, 1]."""
        moved = {"throttle": (0.0, -throttle * FULL_PX), "steering": (steering * FULL_PX, 0.0)}
        await self._send("touchMove", moved)

    async def lift(self) -> None:
        """Lift both."""
        await self._phone.cdp.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    async def _send(self, kind: str, moved: dict[str, Point]) -> None:
        points = [
            {"x": round(self._neutral[name][0] + x), "y": round(self._neutral[name][1] + y), "id": number}
            for number, (name, (x, y)) in enumerate(moved.items())
        ]
        await self._phone.cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


async def begin(phone: Phone) -> Thumbs:
    """Take the wheel, choose the fast gear, and put the thumbs down."""
    await phone.take_the_wheel()
    await phone.insist("gear3", "#gear3[aria-pressed=true]")
    thumbs = Thumbs(phone)
    await thumbs.down()
    return thumbs


async def drive(phone: Phone, thumbs: Thumbs, share: float = 1.0) -> None:
    """Drive this share of the way, and return with the thumbs down."""
    points = along([(0.0, 0.0), *WAY])
    points = points[: round(share * len(points))]
    give_up_at = time.monotonic() + 2 * DEADLINE_S
    while len(points) > LAST:
        here = _place(phone)
        assert time.monotonic() < give_up_at, f"the car is at {here}, and {len(points)} points are left"
        nearest = min(range(min(len(points), LAST * 3)), key=lambda n: math.dist(points[n], here))
        del points[:nearest]  # the car does not go back on its way
        ahead = next((point for point in points if math.dist(point, here) >= AHEAD_M), points[-1])
        error = bearing(phone.state["pose"], ahead)
        steering = max(-0.6, min(0.6, -GAIN * error))
        await thumbs.hold(max(0.55, 1.0 - 0.5 * abs(error)), steering)
        await asyncio.sleep(STEP_S)


def _place(phone: Phone) -> Point:
    pose = phone.state["pose"]
    return pose["x"], pose["y"]
