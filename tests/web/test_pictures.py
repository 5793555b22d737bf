"""The viewers of the camera and its pictures, with a fake clock and a fake camera: places, quality, and old pictures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from picar.access.visitor import Visitor
from picar.camera.frames import PICTURE, Frame
from picar.camera.handle import Condition
from picar.car.hub import Hub
from picar.car.seat import Seat
from picar.config import CameraConfig
from picar.core.late import Sight
from picar.core.video import By, Seen, Want
from picar.web.pictures import CLOSED_MADE_ROOM, Pictures
from picar.web.viewer import Viewer

MISSING = Condition("trouble", "missing", "No camera was found.")


class Camera:
    """A camera handle that remembers its orders."""

    def __init__(self) -> None:
        self.viewers, self.runs = 0, False
        self.orders: list[dict[str, Any]] = []
        self.condition = Condition("live")

    def watch(self) -> None:
        self.viewers += 1
        self.runs = True

    def unwatch(self) -> None:
        self.viewers -= 1

    def order(self, change: dict[str, Any]) -> None:
        self.orders.append(change)

    def close(self) -> None:
        self.runs = False


class Screen:
    """The connection of a viewer."""

    def __init__(self) -> None:
        self.shown: list[Frame] = []
        self.told: list[dict[str, Any]] = []
        self.code: int | None = None

    def show(self, picture: Frame, age_s: float, trip_s: float) -> bool:
        self.shown.append(picture)
        return True

    def tell(self, text: str) -> bool:
        self.told.append(json.loads(text))
        return True

    def close(self, code: int, reason: str) -> None:
        self.code = code

    def drop(self) -> None:
        self.code = 0


class Rig:
    """Pictures with two places, a clock that moves when it is told to, and the hub's part."""

    def __init__(self, source: str = "test") -> None:
        self.now, self.camera, self.seq = 100.0, Camera(), 0
        status = SimpleNamespace(pose=(0.0, 0.0, 0.0))
        self.hub = SimpleNamespace(
            driver=None, judging=False, recording=None, channel=SimpleNamespace(status=status)
        )
        config = CameraConfig(max_viewers=2)
        self.pictures = Pictures(
            config, source, lambda _loop: cast(Any, self.camera), cast(Hub, self.hub), lambda: self.now
        )

    def viewer(self, session: str, *, seat: bool = True, answers: bool = True) -> Viewer:
        """Let a viewer join; its seat has the name of its session."""
        own = cast(Seat, SimpleNamespace(id=session, sight=Sight())) if seat else None
        viewer = Viewer(Visitor(session), Screen(), own, 30, answers=answers)
        self.pictures.join(viewer)
        return viewer

    def picture(self) -> None:
        """Let the camera send a picture that was taken now."""
        self.seq += 1
        taken = Frame(PICTURE, 0, 640, 480, self.seq, int(self.now * 1e9), b"\xff\xd8")
        self.camera.on_picture(taken)  # type: ignore[attr-defined]

    def trips(self, viewer: Viewer, trip_s: float, count: int) -> None:
        """Let a viewer draw pictures, each so long after it was sent."""
        for _ in range(count):
            self.now += 0.1
            self.picture()
            self.now += trip_s
            self.pictures.take(viewer, Seen(viewer.pacing.newest))

    def slow_down(self, viewer: Viewer) -> None:
        """Bring the quality to its worst level by slow trips."""
        self.trips(viewer, 0.3, 12)
        assert self.level == 5

    @property
    def level(self) -> int:
        levels = [order["level"] for order in self.camera.orders if "level" in order]
        return levels[-1] if levels else 0


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    rig.pictures.close()


def screen(viewer: Viewer) -> Screen:
    return cast(Screen, viewer.screen)


def sight(viewer: Viewer) -> Sight:
    assert viewer.seat
    return viewer.seat.sight


async def test_the_age_counts_from_the_wish_for_pictures_until_one_is_drawn(rig: Rig) -> None:
    viewer = rig.viewer("a")
    rig.pictures.take(viewer, By(camera=True))
    rig.now += 1.0
    assert sight(viewer).age_s(rig.now) == pytest.approx(1.0)
    rig.trips(viewer, 0.01, 1)
    assert sight(viewer).age_s(rig.now) == pytest.approx(0.01)


async def test_a_pause_leaves_the_driver_with_the_picture_and_its_age_counts_anew(rig: Rig) -> None:
    viewer = rig.viewer("a")
    rig.pictures.take(viewer, By(camera=True))
    rig.pictures.take(viewer, Want(0))
    assert (sight(viewer).by_camera, sight(viewer).age_s(rig.now)) == (True, None)
    rig.hub.judging = False
    rig.now += 5.0
    rig.pictures.take(viewer, Want(30))
    assert rig.hub.judging
    rig.now += 1.0
    assert sight(viewer).age_s(rig.now) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("by_camera", "said_goodbye", "age_s"),
    [(True, False, 3.0), (True, True, None), (False, False, None), (False, True, None)],
)
async def test_after_a_broken_connection_alone_the_picture_grows_older(
    rig: Rig, by_camera: bool, said_goodbye: bool, age_s: float | None
) -> None:
    viewer = rig.viewer("a")
    rig.trips(viewer, 0.0, 1)
    rig.pictures.take(viewer, By(camera=by_camera))
    rig.pictures.leave(viewer, said_goodbye=said_goodbye)
    age = sight(viewer).age_s(rig.now + 3.0)
    assert age == (age_s and pytest.approx(age_s))
    assert sight(viewer).by_camera is by_camera


async def test_a_stream_is_not_slowed_by_a_viewer_that_has_left(rig: Rig) -> None:
    slow, stream = rig.viewer("a"), rig.viewer("b", seat=False, answers=False)
    rig.slow_down(slow)
    assert rig.pictures._ladder.spectator_fps == 1
    rig.pictures.leave(slow)
    assert (rig.level, rig.pictures._ladder.spectator_fps) == (0, 10)
    assert stream.present


async def test_a_snapshot_alone_has_the_best_quality_again(rig: Rig) -> None:
    slow = rig.viewer("a")
    rig.slow_down(slow)
    rig.pictures.leave(slow)
    rig.now += 10.0
    waiting = asyncio.create_task(rig.pictures.newest(0.5, 5.0))
    await asyncio.sleep(0)
    assert rig.level == 0
    rig.picture()
    assert await waiting


async def test_another_session_begins_at_the_best_quality_and_the_same_one_does_not(rig: Rig) -> None:
    slow = rig.viewer("a")
    rig.slow_down(slow)
    rig.pictures.leave(slow)
    again = rig.viewer("a")
    assert rig.level == 5
    other = rig.viewer("b")
    assert rig.level == 5
    rig.pictures.leave(again)
    assert rig.level == 0
    assert other.present


async def test_a_paused_viewer_has_no_place_and_a_spectator_that_goes_on_is_the_newest(rig: Rig) -> None:
    first, second = rig.viewer("a"), rig.viewer("b")
    assert not rig.pictures.has_room(None)
    rig.pictures.take(first, Want(0))
    assert rig.pictures.has_room(None)
    third = rig.viewer("c")
    rig.pictures.take(first, Want(30))
    assert screen(first).code == CLOSED_MADE_ROOM
    assert (second.present, third.present) == (True, True)
    assert rig.camera.viewers == 2


async def test_a_driver_that_goes_on_is_given_the_newest_spectator_s_place(rig: Rig) -> None:
    driver, second = rig.viewer("a"), rig.viewer("b")
    rig.hub.driver = "a"
    rig.pictures.take(driver, Want(0))
    third = rig.viewer("c")
    rig.pictures.take(driver, Want(30))
    assert (driver.present, second.present, third.present) == (True, True, False)
    assert screen(third).code == CLOSED_MADE_ROOM


async def test_a_camera_that_runs_without_a_viewer_follows_the_car_and_one_that_rests_does_not() -> None:
    rig = Rig("sim")
    viewer = rig.viewer("a")
    rig.pictures.leave(viewer)
    rig.pictures.follow((1.0, 2.0, 0.5))
    assert rig.camera.orders[-1] == {"pose": (1.0, 2.0, 0.5)}
    rig.camera.runs = False
    count = len(rig.camera.orders)
    rig.pictures.follow((2.0, 2.0, 0.5))
    assert len(rig.camera.orders) == count
    rig.hub.channel.status.pose = (3.0, 2.0, 0.5)
    rig.viewer("a")
    assert rig.camera.orders[-1] == {"pose": (3.0, 2.0, 0.5)}
    rig.pictures.close()


async def test_no_request_waits_for_a_camera_that_needs_a_person(rig: Rig) -> None:
    waiting = asyncio.create_task(rig.pictures.newest(0.5, 1000.0))
    await asyncio.sleep(0)
    rig.camera.condition = MISSING
    rig.camera.on_condition(MISSING)  # type: ignore[attr-defined]
    assert await asyncio.wait_for(waiting, 5.0) is None
    assert await asyncio.wait_for(rig.pictures.newest(0.5, 1000.0), 5.0) is None
    assert rig.camera.viewers == 0


async def test_the_end_of_picar_ends_the_wait_for_a_picture(rig: Rig) -> None:
    waiting = asyncio.create_task(rig.pictures.newest(0.5, 1000.0))
    await asyncio.sleep(0)
    rig.pictures.close()
    assert await asyncio.wait_for(waiting, 5.0) is None
