"""The camera's pictures and their viewers: which viewer receives a picture, its quality, and the age of the driver's picture.

A `Viewer` is one connection, of `/ws/video` or of `/stream.mjpg`. This module knows neither Tornado nor the camera process;
`camera/handle.py` is the `Camera`.

Laws:
- The newest picture or none: no viewer has a queue. A picture older than 1 s is not sent.
- The camera process runs only while a viewer wants pictures, and 5 s longer. The `Camera` is made for the first viewer.
- The driver's picture goes first. The others follow in slices, and the sockets are read in between.
- A driver drives by the picture until the page takes that back, also after the connection broke.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Container
from typing import Any, Protocol

from picar.access.visitor import Visitor
from picar.camera.frames import LADDER, Frame, at_level, oriented
from picar.car.hub import CLOSED_UNPAIRED, Hub
from picar.config import CameraConfig
from picar.core import video
from picar.core.pacing import Ladder, Pacing

log = logging.getLogger(__name__)

OLDEST_S = 1.0
TICK_S = 0.5  # also between two texts about the camera
SLICE = 8  # pictures sent without a pause
REMEMBERED = 512  # pictures whose time of capture is kept
MEASURED = 30  # arrivals, for the rate in the state
CLOSED_MADE_ROOM = 4408


class Condition(Protocol):
    """The condition of the camera."""

    @property
    def state(self) -> str: ...  # noqa: D102 - the words are in camera/handle.py
    @property
    def code(self) -> str | None: ...  # noqa: D102
    @property
    def message(self) -> str | None: ...  # noqa: D102
    @property
    def upright(self) -> bool: ...  # noqa: D102


class Camera(Protocol):
    """The camera. No call waits for its process."""

    on_picture: Callable[[Frame], None]
    on_condition: Callable[[Any], None]

    @property
    def condition(self) -> Condition:
        """Its condition now."""

    def watch(self) -> None:
        """Add a viewer."""

    def unwatch(self) -> None:
        """Remove a viewer."""

    def order(self, change: Any) -> None:
        """Change the order."""

    def close(self) -> None:
        """End it."""


class Screen(Protocol):
    """The connection of a viewer. No call waits, and no call raises."""

    def show(self, picture: Frame, age_s: float, trip_s: float) -> bool:
        """Send a picture, unless an earlier one is still in this process. Returns whether it was sent."""

    def tell(self, text: str) -> bool:
        """Send a text about the camera, unless something is still in this process. Returns whether it was sent."""

    def close(self, code: int, reason: str) -> None:
        """Close the connection."""

    def drop(self) -> None:
        """Close the connection of a viewer that shows nothing any more."""


class Viewer:
    """One viewer.

    Args:
        visitor: the admitted visitor.
        screen: its connection.
        client: the id of the browser's connection to `/ws`; None for a stream.
        fps: the most pictures a second that it wants.
        answers: whether it reports the pictures that it has drawn; a stream does not.
    """

    def __init__(
        self, visitor: Visitor, screen: Screen, client: str | None, fps: float, *, answers: bool = True
    ) -> None:
        self.visitor, self.screen, self.client, self.answers = visitor, screen, client, answers
        self.pacing = Pacing(fps)
        self.present = False
        self.told = ""
        self.told_at = float("-inf")


class _Sight:
    """The picture on a client's screen: whether the client drives by the picture, and the time of its capture."""

    def __init__(self) -> None:
        self.by_camera = False
        self.captured_s: float | None = None


class Pictures:
    """The pictures of one camera.

    Args:
        config: the section [camera].
        source: its name, for clients.
        make: makes the camera, for an event loop; called for the first viewer.
        hub: knows the clients and the driver.
        clock: seconds, CLOCK_MONOTONIC as in the pictures.
    """

    def __init__(
        self,
        config: CameraConfig,
        source: str,
        make: Callable[[asyncio.AbstractEventLoop], Camera],
        hub: Hub,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config, self.source = config, source
        self._make, self._hub, self._clock = make, hub, clock
        width, _, height = config.size.partition("x")
        self._size = int(width), int(height)
        self._camera: Camera | None = None
        self._viewers: list[Viewer] = []  # oldest first
        self._due: deque[Viewer] = deque()  # the newest picture was not offered to these yet
        self._sights: dict[str, _Sight] = {}
        self._newest: Frame | None = None
        self._seq = 0  # a camera process counts from 1
        self._captured: dict[int, float] = {}
        self._arrivals: deque[float] = deque(maxlen=MEASURED)
        self._ladder = Ladder(len(LADDER), config.spectator_fps)
        self._leader: Viewer | None = None  # its trips steer the ladder
        self._change: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._pose: tuple[float, float, float] | None = None

    def now(self) -> float:
        """Return the time in seconds, monotonic."""
        return self._clock()

    # Viewers

    def has_room(self, client: str | None) -> bool:
        """Return whether one more viewer may come; a driver always may."""
        return len(self._viewers) < self.config.max_viewers or self._drives(client)

    def known(self, client: str | None, visitor: Visitor) -> str | None:
        """Return the id of a client of the visitor's own session, else None."""
        return client if client is not None and self._hub.session_of(client) == visitor.session else None

    def join(self, viewer: Viewer) -> None:
        """Add a viewer. An earlier one of the same client gives way, and the newest spectator to a driver."""
        for other in list(self._viewers):
            if viewer.client is not None and other.client == viewer.client:
                self._remove(other)
                other.screen.drop()
        if len(self._viewers) >= self.config.max_viewers:
            spectators = [one for one in self._viewers if not self._drives(one.client)]
            if spectators:
                self._remove(spectators[-1])
                spectators[-1].screen.close(CLOSED_MADE_ROOM, "made room for the driver")
        viewer.present = True
        self._viewers.append(viewer)
        camera = self._open()
        self._place(self._hub.channel.status.pose)
        if not viewer.pacing.paused:
            camera.watch()
        self._tell(viewer, self._clock())
        if self._timer is None:
            self._tick()

    def leave(self, viewer: Viewer, *, said_goodbye: bool = True) -> None:
        """Forget a viewer. Without a goodbye, its client still drives by the last picture that it has drawn."""
        self._remove(viewer)
        if said_goodbye and viewer.client is not None:
            self._sights.pop(viewer.client, None)

    def take(self, viewer: Viewer, message: video.Message) -> None:
        """Act on a message of a viewer."""
        if not viewer.present:
            return
        match message:
            case video.Seen(seq=seq):
                self.seen(viewer, seq)
            case video.Want(fps=fps):
                self._want(viewer, fps)
            case video.By(camera=by_camera):
                if viewer.client is not None:
                    self._sights.setdefault(viewer.client, _Sight()).by_camera = by_camera

    def seen(self, viewer: Viewer, seq: int) -> None:
        """Record that a viewer has taken a picture, and send it the newest one."""
        now = self._clock()
        trip_s = viewer.pacing.seen(seq, now)
        if trip_s is None or not viewer.present:
            return
        captured_s = self._captured.get(seq)
        if viewer.client is not None and captured_s is not None and not viewer.pacing.paused:
            self._sights.setdefault(viewer.client, _Sight()).captured_s = captured_s
        if viewer is self._lead():
            self._steer(trip_s, now)
        self._offer(viewer, now)

    def keep_only(self, sessions: Container[str]) -> None:
        """Disconnect paired viewers without a session in this list."""
        for viewer in list(self._viewers):
            if viewer.visitor.name is not None and viewer.visitor.session not in sessions:
                self.leave(viewer)
                viewer.screen.close(CLOSED_UNPAIRED, "not paired any more")

    def close(self) -> None:
        """Disconnect all viewers, and end the camera."""
        for viewer in list(self._viewers):
            self._remove(viewer)
            viewer.screen.close(1001, "picar is shutting down")
        if self._timer:
            self._timer.cancel()
        if self._camera:
            self._camera.close()

    # Pictures

    async def newest(self, age_s: float, timeout_s: float) -> Frame | None:
        """Return a picture not older than `age_s`; if need be, start the camera and wait for one."""
        camera, loop = self._open(), asyncio.get_running_loop()
        give_up_at = loop.time() + timeout_s
        self._place(self._hub.channel.status.pose)
        camera.watch()
        try:
            while not self._newest or self.age_s(self._newest) > age_s:
                if (left_s := give_up_at - loop.time()) <= 0.0:
                    return None
                self._change = self._change or loop.create_future()
                await asyncio.wait([self._change], timeout=left_s)
            return self._newest
        finally:
            camera.unwatch()

    def age_s(self, picture: Frame) -> float:
        """Return the age of a picture."""
        return max(0.0, self._clock() - picture.captured_ns / 1e9)

    def upright(self, picture: Frame) -> bytes:
        """Return the JPEG of a picture, with a mark for its viewer if the camera cannot turn it."""
        if self._open().condition.upright:
            return picture.body
        return oriented(picture.body, rotation=self.config.rotation, mirror=self.config.mirror)

    @property
    def fault(self) -> str | None:
        """The sentence about the camera's fault, if it has one."""
        return self._camera.condition.message if self._camera else None

    def follow(self, pose: tuple[float, float, float] | None) -> None:
        """Show the simulated car's camera where the car is."""
        if self._viewers:
            self._place(pose)

    # For the hub

    def state(self, driver: str | None, now: float) -> dict[str, Any]:
        """Return the part of a state that is about the picture."""
        picture, sight = self._newest, self._sights.get(driver or "")
        watches = any(one.client == driver and not one.pacing.paused for one in self._viewers)
        shown = sight if sight and (watches or sight.by_camera) else None
        return {
            "viewers": len(self._viewers),
            "fps": round(self._rate(now), 1),
            "size": [picture.width, picture.height] if picture else None,
            "age_s": round(now - shown.captured_s, 3) if shown and shown.captured_s is not None else None,
        }

    def driven_by(self, driver: str, now: float) -> float | None:
        """Return the age of the picture by which this driver drives, or None for a driver who drives by eye."""
        sight = self._sights.get(driver)
        return now - sight.captured_s if sight and sight.by_camera and sight.captured_s is not None else None

    # Inside

    def _open(self) -> Camera:
        if self._camera is None:
            self._camera = self._make(asyncio.get_running_loop())
            self._camera.on_picture, self._camera.on_condition = self._on_picture, self._on_condition
        return self._camera

    def _place(self, pose: tuple[float, float, float] | None) -> None:
        """Order a picture from this pose of the simulated car; a process that starts gets the newest order too."""
        if self._camera and pose and pose != self._pose and self.source == "sim":
            self._pose = pose
            self._camera.order({"pose": list(pose)})

    def _drives(self, client: str | None) -> bool:
        return client is not None and client == self._hub.driver

    def _lead(self) -> Viewer | None:
        """Return the viewer that steers the ladder: the driver's, else the first viewer with answers."""
        answering = [one for one in self._viewers if one.answers and not one.pacing.paused]
        driving = [one for one in answering if self._drives(one.client)]
        leader = next(iter(driving or answering), None)
        if leader is not self._leader:
            self._leader = leader
            self._ladder.forget()
        return leader

    def _want(self, viewer: Viewer, fps: int) -> None:
        was_paused = viewer.pacing.paused
        viewer.pacing.want(min(fps, self.config.fps))
        if viewer.pacing.paused and viewer.client in self._sights:
            self._sights[viewer.client].captured_s = None  # until it draws again
        if was_paused != viewer.pacing.paused:
            camera = self._open()
            (camera.watch if was_paused else camera.unwatch)()

    def _remove(self, viewer: Viewer) -> None:
        if viewer.present:
            viewer.present = False
            self._viewers.remove(viewer)
            if self._camera and not viewer.pacing.paused:
                self._camera.unwatch()

    def _on_picture(self, picture: Frame) -> None:
        now = self._clock()
        self._seq += 1
        self._newest = picture._replace(seq=self._seq)
        self._captured[self._seq] = picture.captured_ns / 1e9
        self._captured.pop(self._seq - REMEMBERED, None)
        self._arrivals.append(now)
        change, self._change = self._change, None
        if change is not None:
            change.set_result(None)
        late = bool(self._due)
        self._due = deque(sorted(self._viewers, key=lambda one: not self._drives(one.client)))
        if not late:  # else a slice is on its way already
            self._serve()

    def _serve(self) -> None:
        """Offer the newest picture to a slice of the viewers; to the next slice after the sockets were polled."""
        now = self._clock()
        for _ in range(min(SLICE, len(self._due))):
            self._offer(self._due.popleft(), now)
        if self._due:
            asyncio.get_running_loop().call_soon(self._serve)

    def _offer(self, viewer: Viewer, now: float) -> None:
        """Send a viewer the newest picture, if it may have one now."""
        picture = self._newest
        if picture is None or not viewer.present:
            return
        fps = float(self.config.fps) if self._drives(viewer.client) else self._ladder.spectator_fps
        age_s = self.age_s(picture)
        if age_s > OLDEST_S or not viewer.pacing.may_send(picture.seq, fps, now):
            return
        if viewer.screen.show(picture, age_s, viewer.pacing.trip_s):
            viewer.pacing.sent(picture.seq, fps, now)

    def _steer(self, trip_s: float, now: float) -> None:
        before = self._ladder.level
        spectators = any(not self._drives(one.client) and not one.pacing.paused for one in self._viewers)
        self._ladder.take(trip_s, spectators, now)
        if self._ladder.level != before and self._camera:
            self._camera.order({"level": self._ladder.level})
            self._tell_all()

    def _on_condition(self, _condition: Condition) -> None:
        self._tell_all()

    def _tell_all(self) -> None:
        now = self._clock()
        for viewer in list(self._viewers):
            self._tell(viewer, now)

    def _tell(self, viewer: Viewer, now: float) -> None:
        """Send a viewer the news about the camera, unless it got some within the last half second: then `_tick` does."""
        text = self._text()
        if text != viewer.told and now - viewer.told_at >= TICK_S and viewer.screen.tell(text):
            viewer.told, viewer.told_at = text, now

    def _text(self) -> str:
        condition = self._open().condition
        size, quality = at_level(self._ladder.level, self._size, self.config.quality)
        turned = not condition.upright  # the page turns the picture, because the camera cannot
        fields = {
            "type": "camera",
            "state": "starting" if condition.state == "off" else condition.state,
            "code": condition.code,
            "message": condition.message,
            "fps": self.config.fps,
            "size": size,
            "quality": quality,
            "level": self._ladder.level,
            "rotation": self.config.rotation if turned else 0,
            "mirror": self.config.mirror and turned,
        }
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)

    def _tick(self) -> None:
        """Drop viewers that show nothing any more, and send news that had to wait; until no viewer is left."""
        now = self._clock()
        for viewer in list(self._viewers):
            if viewer.answers and viewer.pacing.is_deaf(now):
                log.info("a viewer has shown no picture for too long")
                self.leave(viewer, said_goodbye=False)
                viewer.screen.drop()
            else:
                self._tell(viewer, now)
                self._offer(viewer, now)
        for client in list(self._sights):
            if self._hub.session_of(client) is None:
                del self._sights[client]
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(TICK_S, self._tick) if self._viewers else None

    def _rate(self, now: float) -> float:
        """Return the pictures that arrive in a second."""
        times = self._arrivals
        if len(times) < 2 or now - times[-1] > OLDEST_S:
            return 0.0
        return (len(times) - 1) / max(times[-1] - times[0], 1e-6)
