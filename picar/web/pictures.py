"""The camera's pictures and all their viewers: which viewer receives a picture, and its quality.

This module knows neither Tornado nor the camera process; `camera/handle.py` is the camera, `viewer.py` one viewer.

Laws:
- The newest picture or none: no viewer has a queue. A picture older than 1 s is not sent.
- The camera process runs only while a viewer wants pictures, and 5 s longer. The handle is made for the first viewer.
- The driver's picture goes first. The others follow in slices, and the sockets are read in between.
- A driver drives by the picture until the page takes that back, also after the connection broke.
- A paused viewer has no place among `max_viewers`; one that goes on counts as the newest.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Container
from typing import TYPE_CHECKING

from picar.camera.frames import LADDER, Frame, at_level, oriented, pixels
from picar.car.hub import CLOSED_UNPAIRED, Hub
from picar.car.seat import Seat
from picar.config import CameraConfig
from picar.core import video
from picar.core.pacing import Ladder
from picar.web.viewer import OLDEST_S, TELL_S, Viewer

if TYPE_CHECKING:
    from picar.camera.handle import CameraHandle, Condition

log = logging.getLogger(__name__)

SLICE = 8  # pictures sent without a pause
MEASURED = 30  # arrivals, for the rate in the state
CLOSED_MADE_ROOM = 4408
Pose = tuple[float, float, float]


class Pictures:
    """The pictures of one camera.

    Args:
        config: the section [camera].
        source: its name, for clients.
        make: makes the camera's handle, for an event loop; called for the first viewer.
        hub: knows the clients and the driver.
        clock: seconds, CLOCK_MONOTONIC as in the pictures.
    """

    def __init__(
        self,
        config: CameraConfig,
        source: str,
        make: Callable[[asyncio.AbstractEventLoop], CameraHandle],
        hub: Hub,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config, self.source, self.now = config, source, clock
        self._make, self._hub = make, hub
        self._size = pixels(config.size)
        self._camera: CameraHandle | None = None
        self._viewers: list[Viewer] = []  # oldest first
        self._due: deque[Viewer] = deque()  # the newest picture was not offered to these yet
        self._newest: Frame | None = None
        self._seq = 0  # a camera process counts from 1
        self._arrivals: deque[float] = deque(maxlen=MEASURED)
        self._ladder = Ladder(len(LADDER), config.spectator_fps)
        self._leader: Viewer | None = None  # its trips steer the ladder
        self._led_by: str | None = None  # the session of the newest leader: the ladder knows its link
        self._closed = False
        self._change: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._pose: Pose | None = None
        self._describe()

    # Viewers

    def has_room(self, seat: Seat | None) -> bool:
        """Return whether one more viewer may come; a driver always may."""
        return len(self._watching()) < self.config.max_viewers or self._drives(seat)

    def join(self, viewer: Viewer) -> None:
        """Add a viewer. An earlier one of the same client gives way, and the newest spectator to a driver."""
        for other in [one for one in self._viewers if one.seat and one.seat is viewer.seat]:
            self._remove(other)
            other.screen.drop()
        viewer.present = True
        self._viewers.append(viewer)
        self._describe()
        self._begin(viewer)
        self._steer(None, None, self.now())
        viewer.tell(self._text(), self.now())
        if self._timer is None:
            self._tick()

    def leave(self, viewer: Viewer, *, said_goodbye: bool = True) -> None:
        """Remove a viewer. Without a goodbye, its client still drives by the last picture that it has drawn."""
        if viewer.present:
            viewer.leave(said_goodbye)
        self._remove(viewer)

    def take(self, viewer: Viewer, message: video.Message) -> None:
        """Act on a message of a viewer."""
        if not viewer.present:
            return
        match message:
            case video.Seen(seq=seq):
                self.seen(viewer, seq)
            case video.Want(fps=fps, level=level):
                self._want(viewer, min(fps, self.config.fps), level)
            case video.By(camera=by_camera):
                if viewer.seat:
                    viewer.seat.sight.by_camera = by_camera
                    self._hub.judging = True

    def seen(self, viewer: Viewer, seq: int) -> None:
        """Record that a viewer has taken a picture, and send it the newest one."""
        now = self.now()
        trip_s = viewer.seen(seq, now)
        if trip_s is not None and viewer.present:
            self._steer(viewer, trip_s, now)
            self._offer(viewer, now)

    def keep_only(self, sessions: Container[str]) -> None:
        """Disconnect paired viewers without a session in this list."""
        for viewer in list(self._viewers):
            if viewer.visitor.name is not None and viewer.visitor.session not in sessions:
                self.leave(viewer)
                viewer.screen.close(CLOSED_UNPAIRED, "not paired any more")

    def close(self) -> None:
        """Disconnect all viewers, answer who waits for a picture, and end the camera."""
        self._closed = True
        self._wake()
        for viewer in list(self._viewers):
            self._remove(viewer)
            viewer.screen.close(1001, "picar is shutting down")
        if self._timer:
            self._timer.cancel()
        if self._camera:
            self._camera.close()

    # Pictures

    async def newest(self, age_s: float, timeout_s: float) -> Frame | None:
        """Return a picture not older than `age_s`; if need be, start the camera and wait for one.

        Returns None after `timeout_s`, and at once while the camera has a fault that needs a person.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + timeout_s
        camera = self._watch()
        self._steer(None, None, self.now(), looks=True)
        try:
            while not self._newest or self.age_s(self._newest) > age_s:
                left_s = give_up_at - loop.time()
                if left_s <= 0.0 or self._closed or camera.condition.needs_a_person:
                    return None
                self._change = self._change or loop.create_future()
                await asyncio.wait([self._change], timeout=left_s)
            return self._newest
        finally:
            camera.unwatch()

    def age_s(self, picture: Frame) -> float:
        """Return the age of a picture."""
        return max(0.0, self.now() - picture.captured_ns / 1e9)

    def upright(self, picture: Frame) -> bytes:
        """Return the JPEG of a picture, with a mark for its viewer if the camera cannot turn it."""
        if self._open().condition.upright:
            return picture.body
        return oriented(picture.body, rotation=self.config.rotation, mirror=self.config.mirror)

    @property
    def fault(self) -> str | None:
        """The sentence about the camera's fault, if it has one."""
        return self._camera.condition.message if self._camera else None

    def record(self, on: bool) -> None:
        """Keep the camera on for a recording, or no longer."""
        if on:
            self._watch()
        else:
            self._open().unwatch()

    def follow(self, pose: Pose) -> None:
        """Show the simulated car's camera where the car is."""
        if self._camera and self._camera.runs:
            self._place(self._camera, pose)

    # Inside

    def _describe(self) -> None:
        """Set what a state tells about the pictures."""
        picture = self._newest if self._viewers else None
        size = [picture.width, picture.height] if picture else None
        self.state = {"viewers": len(self._viewers), "fps": round(self._rate(), 1), "size": size}

    def _open(self) -> CameraHandle:
        if self._camera is None:
            self._camera = self._make(asyncio.get_running_loop())
            self._camera.on_picture = self._on_picture
            self._camera.on_condition = self._on_condition
        return self._camera

    def _watch(self) -> CameraHandle:
        """Keep the camera on for one viewer more; a process that starts begins at the simulated car's pose."""
        camera = self._open()
        self._place(camera, self._hub.channel.status.pose)
        camera.watch()
        return camera

    def _place(self, camera: CameraHandle, pose: Pose | None) -> None:
        """Order a picture from this pose of the simulated car."""
        if pose and pose != self._pose and self.source == "sim":
            self._pose = pose
            camera.order({"pose": pose})

    def _watching(self) -> list[Viewer]:
        return [one for one in self._viewers if not one.pacing.paused]

    def _begin(self, viewer: Viewer) -> None:
        """Send pictures to a viewer from now on. Of too many viewers, the newest spectator gives way."""
        self._hub.judging = True
        viewer.expect(self.now())
        self._watch()
        watching = self._watching()
        spectators = [one for one in watching if not self._drives(one.seat)]
        if len(watching) > self.config.max_viewers and spectators:
            self._remove(spectators[-1])
            spectators[-1].screen.close(CLOSED_MADE_ROOM, "made room for the driver")

    def _drives(self, seat: Seat | None) -> bool:
        return seat is not None and seat.id == self._hub.driver

    def _want(self, viewer: Viewer, fps: int, level: int) -> None:
        was_paused = viewer.pacing.paused
        viewer.want(fps, level, self.now())
        if was_paused and not viewer.pacing.paused:
            self._viewers.append(self._viewers.pop(self._viewers.index(viewer)))  # a newcomer
            self._begin(viewer)
        elif viewer.pacing.paused and not was_paused:
            self._open().unwatch()
        self._steer(None, None, self.now())

    def _remove(self, viewer: Viewer) -> None:
        if viewer.present:
            viewer.present = False
            self._viewers.remove(viewer)
            self._describe()
            if not viewer.pacing.paused:
                self._open().unwatch()
            self._steer(None, None, self.now())

    def _on_picture(self, picture: Frame) -> None:
        self._seq += 1
        self._newest = picture._replace(seq=self._seq)
        self._arrivals.append(self.now())
        self._wake()
        late = bool(self._due)
        self._due = deque(sorted(self._viewers, key=lambda one: not self._drives(one.seat)))
        if not late:  # else a slice is on its way already
            self._serve()
        if (recording := self._hub.recording) and recording.images:
            recording.picture(self.upright(picture), picture.captured_ns)

    def _on_condition(self, condition: Condition) -> None:
        self._tell_all(self.now())
        if condition.needs_a_person:
            self._wake()

    def _wake(self) -> None:
        """Wake the requests that wait for a picture."""
        change, self._change = self._change, None
        if change is not None:
            change.set_result(None)

    def _serve(self) -> None:
        """Offer the newest picture to a slice of the viewers; to the next slice after the sockets were polled."""
        now = self.now()
        for _ in range(min(SLICE, len(self._due))):
            self._offer(self._due.popleft(), now)
        if self._due:
            asyncio.get_running_loop().call_soon(self._serve)

    def _offer(self, viewer: Viewer, now: float) -> None:
        if self._newest and viewer.present:
            drives = self._drives(viewer.seat)
            viewer.offer(self._newest, self.config.fps if drives else self._ladder.spectator_fps, now)

    def _steer(self, viewer: Viewer | None, trip_s: float | None, now: float, *, looks: bool = False) -> None:
        """Set the quality as one viewer wants it, and by its trips: the driver's, else the first viewer with answers.

        The next leader's link is another one, and a stream or a snapshot (`looks`) without a leader has none to learn from.
        """
        before = self._ladder.level
        watching = self._watching()
        driving = [one for one in watching if self._drives(one.seat)]
        leader = next((one for one in driving + watching if one.answers), None)
        session = leader.visitor.session if leader else None
        if session != self._led_by and (watching or looks):
            self._led_by, self._ladder = session, Ladder(len(LADDER), self.config.spectator_fps)
        elif leader is not self._leader:
            self._ladder.forget()
        self._leader = leader
        self._ladder.hold(leader.level if leader else 0)
        if viewer is leader and trip_s is not None:
            spectators = [one for one in watching if one not in driving and one is not leader]
            self._ladder.take(trip_s, bool(spectators), now)
        if self._ladder.level != before:
            self._open().order({"level": self._ladder.level})
            self._tell_all(now)

    def _tell_all(self, now: float) -> None:
        text = self._text()
        for viewer in list(self._viewers):
            viewer.tell(text, now)

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
        """Drop viewers that show nothing any more, and send what had to wait; until no viewer is left."""
        now = self.now()
        for viewer in list(self._viewers):
            if viewer.answers and viewer.pacing.is_deaf(now):
                log.info("a viewer has shown no picture for too long")
                self.leave(viewer, said_goodbye=False)
                viewer.screen.drop()
            self._offer(viewer, now)
        self._tell_all(now)
        self._describe()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(TELL_S, self._tick) if self._viewers else None

    def _rate(self) -> float:
        """Return the pictures that arrive in a second."""
        times = self._arrivals
        if len(times) < 2 or self.now() - times[-1] > OLDEST_S:
            return 0.0
        return (len(times) - 1) / max(times[-1] - times[0], 1e-6)
