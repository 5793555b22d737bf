"""The simulated camera: things are where optics puts them, every pose can be drawn, and orders apply."""

from __future__ import annotations

import io
import itertools
import math
import random

import pytest
from PIL import Image, ImageColor

from picar.camera import scenery, world
from picar.camera.sources import NS, sim
from picar.motor.simcar import WALLS
from tests.camera.orders import order

Pose = tuple[float, float, float]
Colour = tuple[int, int, int]
CLOSE_PX = 3


@pytest.fixture(scope="module")
def camera() -> sim.Sim:
    return sim.open(order("sim"))


def look(camera: sim.Sim, pose: Pose, size: tuple[int, int] = (640, 480)) -> Image.Image:
    camera.set({"pose": pose, "size": size})
    return camera.draw()


def colour(picture: Image.Image, x: int, y: int) -> Colour:
    value = picture.getpixel((x, y))
    assert isinstance(value, tuple)
    return value[0], value[1], value[2]


def pixel(
    pose: Pose, point: tuple[float, float, float], width: int = 640, height: int = 480
) -> tuple[float, float]:
    """Where a pinhole camera sees a point: 0.13 m up, 0.09 m ahead, 9° down, 66° wide."""
    x, y, heading = pose
    away = complex(point[0] - x, point[1] - y) * complex(math.cos(heading), -math.sin(heading)) - 0.09
    below, tilt = (
        math.atan2(0.13 - point[2], away.real) - math.radians(9),
        math.hypot(away.real, 0.13 - point[2]),
    )
    depth, focus = tilt * math.cos(below), width / 2 / math.tan(math.radians(33))
    return width / 2 - focus * away.imag / depth, height / 2 + focus * math.tan(below)


def run(matches: list[bool], start: int) -> tuple[int, int]:
    """Return the ends of the run of matches around a place."""
    assert matches[start]
    low = max((n for n in range(start) if not matches[n]), default=-1) + 1
    high = min((n for n in range(start, len(matches)) if not matches[n]), default=len(matches))
    return low, high


def test_the_start_line_is_where_optics_puts_it(camera: sim.Sim) -> None:
    square = (world.TRACK_M - 0.04) / 8
    pose = (-0.1, 1.5 * square, 0.0)
    picture = look(camera, pose)
    column, row = (round(value) for value in pixel(pose, (world.FINISH_M, 1.5 * square, 0.0)))
    white = sum(colour(picture, column, row)) > 450
    upright = [(sum(colour(picture, column, y)) > 450) == white for y in range(480)]
    level = [(sum(colour(picture, x, row)) > 450) == white for x in range(640)]
    far, near = (pixel(pose, (world.FINISH_M + part * square, pose[1], 0.0))[1] for part in (0.5, -0.5))
    left, right = (pixel(pose, (world.FINISH_M, part * square, 0.0))[0] for part in (2, 1))
    assert run(upright, row) == pytest.approx((far, near), abs=CLOSE_PX)
    assert run(level, column) == pytest.approx((left, right), abs=CLOSE_PX)


@pytest.mark.parametrize("pose", [(-0.5, 0.2, 0.2), (0.3, -0.6, 0.9), (0.5, 0.1, 0.6)])
def test_the_red_box_is_where_optics_puts_it(camera: sim.Sim, pose: Pose) -> None:
    left, bottom, _, _ = world.OBSTACLES[0].box
    picture = look(camera, pose)

    def red(x: int, y: int) -> bool:
        r, g, b = colour(picture, x, y)
        return r > 1.5 * max(g, b)

    x = left + 0.025  # beside the first chevron
    column, row = (round(value) for value in pixel(pose, (x, bottom, 0.12)))
    top, foot = (pixel(pose, (x, bottom, z))[1] for z in (0.24 - 0.014, 0.0))
    ends = run([red(column, y) for y in range(480)], row)
    assert ends == pytest.approx((top, foot), abs=CLOSE_PX)
    chevron, row = (round(value) for value in pixel(pose, (left + 0.12, bottom, 0.12)))
    edge = pixel(pose, (left + 0.105, bottom, 0.12))[0]
    assert run([not red(x, row) for x in range(640)], chevron)[0] == pytest.approx(edge, abs=CLOSE_PX)


def test_a_panel_just_ahead_hides_floor_and_sky(camera: sim.Sim) -> None:
    start, end = next(place for place, _, paint in world.fence() if paint == world.CHEQUER)
    heading = math.atan2(end[1] - start[1], end[0] - start[0]) + math.pi / 2
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    picture = look(camera, (x - 0.14 * math.cos(heading), y - 0.14 * math.sin(heading), heading))
    for at in itertools.product(range(0, 640, 8), range(0, 400, 8)):
        assert max(colour(picture, *at)) - min(colour(picture, *at)) < 40, (
            at
        )  # the chequer is grey; sky and grass are not


def test_a_thousand_poses_can_be_drawn(camera: sim.Sim) -> None:
    rng = random.Random(20)
    for n in range(1000):
        pose = rng.uniform(-3.5, 3.5), rng.uniform(-2.8, 2.8), rng.uniform(-9, 9)
        assert look(camera, pose, (240, 180) if n < 500 else (160, 90)).getextrema() != ((0, 0),) * 3
    for wall in WALLS:  # on the corners, and along the sides
        for x, y, heading in itertools.product(wall[::2], wall[1::2], (0.0, math.pi / 2, math.pi)):
            look(
                camera,
                (x - sim.AHEAD_M * math.cos(heading), y - sim.AHEAD_M * math.sin(heading), heading),
                (240, 180),
            )


@pytest.mark.parametrize("heading", [n / 5 for n in range(-16, 17)])
def test_there_is_sky_all_around(camera: sim.Sim, heading: float) -> None:
    picture = look(camera, (0.0, 0.0, heading))
    assert all(colour(picture, x, 60) != ImageColor.getrgb(scenery.HAZE) for x in range(640))


def test_a_full_turn_shows_the_same(camera: sim.Sim) -> None:
    assert look(camera, (0.3, 0.2, 1.0)).tobytes() == look(camera, (0.3, 0.2, 1.0 - math.tau)).tobytes()


@pytest.mark.parametrize("size", [(320, 240), (480, 360), (640, 480), (800, 600), (1280, 720), (240, 134)])
def test_a_size_applies_to_the_next_picture(camera: sim.Sim, size: tuple[int, int]) -> None:
    camera.set({"size": size})
    picture = camera.next()
    assert (picture.width, picture.height) == Image.open(io.BytesIO(picture.jpeg)).size == size


def test_a_lower_quality_makes_smaller_pictures(camera: sim.Sim) -> None:
    sizes = []
    for quality in (80, 50, 15, 5):
        camera.set({"size": (320, 240), "quality": quality})
        sizes.append(len(camera.next().jpeg))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] / 3


def test_a_parked_car_has_new_pictures_of_the_same() -> None:
    camera = sim.open(order("sim", size=(320, 240), fps=60))
    first, second = camera.next(), camera.next()
    assert first.jpeg == second.jpeg
    assert second.captured_ns - first.captured_ns >= 0.9 * NS / sim.Sim.fps  # never faster than 20 a second
    camera.set({"pose": (0.1, 0.0, 0.0)})
    assert camera.next().jpeg != first.jpeg


def test_the_source_is_found_and_closes(camera: sim.Sim) -> None:
    assert [found.source for found in sim.cameras()] == ["sim"]
    assert camera.upright
    camera.close()


def test_each_wall_is_dressed() -> None:
    assert tuple(thing.box for thing in world.OBSTACLES) == WALLS[4:]
    assert world.ROOM == (-3.1, -2.4, 3.1, 2.4)
    assert (
        len({thing.height for thing in world.OBSTACLES})
        == len({thing.paint.paper for thing in world.OBSTACLES})
        == 4
    )


def test_no_wall_stands_on_a_track() -> None:
    left, bottom, right, top = world.ROOM
    for point in itertools.chain(*map(world.spline, world.TRACKS)):
        x, y = point.real, point.imag
        assert min(x - left, right - x, y - bottom, top - y) > world.TRACK_M / 2
        for box in (thing.box for thing in world.OBSTACLES):
            gap = math.hypot(max(box[0] - x, 0, x - box[2]), max(box[1] - y, 0, y - box[3]))
            assert gap > world.TRACK_M / 2 + 0.045, (x, y)
