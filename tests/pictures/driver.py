"""Two thumbs that drive the simulated car along its track."""

from __future__ import annotations

import asyncio
import cmath
import time

from picar.camera.world import TRACKS, spline
from tests.browser.phone import Phone
from tests.support.waiting import DEADLINE_S

Point = tuple[float, float]
_LOOP = spline(TRACKS[1])
_START = min(range(len(_LOOP)), key=lambda n: abs(_LOOP[n]))
WAY = [*_LOOP[_START:], *_LOOP[:_START]]  # along the track, from the start back to the start
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


def bearing(pose: dict[str, float], goal: complex) -> float:
    """Return the angle from the car's nose to a point, in rad, positive to the left."""
    return cmath.phase((goal - _place(pose)) / cmath.rect(1.0, pose["heading"]))


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
    points = WAY[: round(share * len(WAY))]
    give_up_at = time.monotonic() + 2 * DEADLINE_S
    while len(points) > LAST:
        here = _place(phone.state["pose"])
        assert time.monotonic() < give_up_at, f"the car is at {here}, and {len(points)} points are left"
        nearest = min(range(min(len(points), LAST * 3)), key=lambda n: abs(points[n] - here))
        del points[:nearest]  # the car does not go back on its way
        ahead = next((point for point in points if abs(point - here) >= AHEAD_M), points[-1])
        error = bearing(phone.state["pose"], ahead)
        steering = max(-0.6, min(0.6, -GAIN * error))
        await thumbs.hold(max(0.55, 1.0 - 0.5 * abs(error)), steering)
        await asyncio.sleep(STEP_S)


def _place(pose: dict[str, float]) -> complex:
    return complex(pose["x"], pose["y"])
