"""USB cameras, on a fake driver: MJPG is passed through, YUYV is compressed, the newest picture counts.

No camera and no kernel driver is here: what the fake does is what the documentation of V4L2 and measurements say.
"""

from __future__ import annotations

import errno
import io
import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import videodev2 as v4l2
from PIL import Image

from picar.camera.sources import Camera, Order, Trouble, missing, usb
from tests.camera import orders
from tests.fakes.v4l2 import GREY, YUYV, Bus, Driver

FLIPS = (v4l2.V4L2_CID_HFLIP, v4l2.V4L2_CID_VFLIP)
NIGHT = v4l2.V4L2_CID_EXPOSURE_AUTO_PRIORITY


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    """Replace the kernel, and close all cameras at the end."""
    bus, opened, open_one = Bus(), list[usb.UsbCamera](), usb.open

    def noted(order: Order) -> usb.UsbCamera:
        opened.append(open_one(order))
        return opened[-1]

    monkeypatch.setattr(usb, "open", noted)
    monkeypatch.setattr(usb, "_TREE", tmp_path)
    monkeypatch.setattr(usb, "ioctl", bus.ioctl)
    monkeypatch.setattr(usb, "PATIENCE_S", 0.05)
    yield bus
    for camera in opened:
        camera.close()


@pytest.fixture
def camera(bus: Bus, tmp_path: Path) -> Driver:
    """A camera that has MJPG and YUYV."""
    return bus.plug(Driver(tmp_path / "dev/video0"))


def order(**change: object) -> Order:
    return orders.order("usb", **change)


def jpeg(size: tuple[int, int] = (640, 480), colour: str = "red") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, "JPEG")
    return made.getvalue()


def yuyv(size: tuple[int, int], padding: int = 0) -> bytes:
    """Return a picture whose left half is white and right half is red."""
    white, red = bytes((255, 128, 255, 128)), bytes((76, 85, 76, 255))
    line = white * (size[0] // 4) + red * (size[0] // 4) + b"?" * padding
    return line * size[1]


def image(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def near(pixel: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) < 12 for a, b in zip(pixel, wanted, strict=True))


def test_mjpg_is_passed_through_as_it_is(camera: Driver) -> None:
    source = usb.open(order())
    data, captured_ns = jpeg(), time.monotonic_ns() // 1000 * 1000
    camera.show(data, captured_ns)
    assert source.next() == (data, captured_ns, 640, 480)
    assert (source.card, camera.fps, camera.buffers) == ("Fake cam", 30, 3)


def test_the_newest_picture_counts_and_all_buffers_go_back(camera: Driver) -> None:
    source = usb.open(order())
    for round_ns in range(1_000_000, 11_000_000, 1_000_000):
        for number in range(2):
            assert camera.show(jpeg(colour=("red", "blue")[number]), round_ns + number * 1000)
        picture = source.next()
        assert picture
        assert picture.captured_ns == round_ns + 1000
        assert near(image(picture.jpeg).getpixel((5, 5)), (0, 0, 255))


def test_when_every_buffer_is_full_the_next_picture_counts(camera: Driver) -> None:
    """Nobody read for a while: the driver filled its buffers and dropped all later pictures."""
    source = usb.open(order())
    for _ in range(3):
        assert camera.show(jpeg())
    assert not camera.show(b"no buffer is left")
    assert source.next() is None
    assert camera.show(jpeg(), 7000)
    assert source.next() == (jpeg(), 7000, 640, 480)


def test_a_clock_that_is_not_monotonic_is_not_believed(camera: Driver) -> None:
    source = usb.open(order())
    camera.monotonic = False
    before = time.monotonic_ns()
    camera.show(jpeg(), 5)
    picture = source.next()
    assert picture
    assert before <= picture.captured_ns <= time.monotonic_ns()


def test_a_broken_or_empty_picture_is_left_out(camera: Driver) -> None:
    source = usb.open(order())
    camera.show(jpeg(), 1000, v4l2.V4L2_BUF_FLAG_ERROR)
    camera.show(b"")
    assert source.next() is None
    camera.show(jpeg(), 2000)
    assert source.next()


@pytest.mark.parametrize("broken", [b"no JPEG at all", b"\xff\xd8 cut off", jpeg()[:300]])
@pytest.mark.parametrize("small", [False, True])
def test_a_picture_that_is_cut_off_ends_nothing(camera: Driver, broken: bytes, small: bool) -> None:
    source = usb.open(order())
    if small:
        source.set({"size": (320, 240)})
    camera.show(broken)
    source.next()
    camera.show(jpeg())
    assert source.next()


def test_a_yuyv_picture_that_is_too_short_ends_nothing(bus: Bus, tmp_path: Path) -> None:
    camera = bus.plug(Driver(tmp_path / "dev/video0", (YUYV,), (64, 48)))
    source = usb.open(order())
    camera.show(yuyv((64, 48))[:1000])
    assert source.next() is None
    camera.show(yuyv((64, 48)))
    assert source.next()


def test_a_camera_without_pictures_is_asked_again(camera: Driver) -> None:
    assert usb.open(order()).next() is None


def test_a_lost_picture_is_no_fault(camera: Driver) -> None:
    source = usb.open(order())
    camera.fails["DQBUF"] = errno.EIO
    assert source.next() is None
    del camera.fails["DQBUF"]
    camera.show(jpeg())
    assert source.next()


@pytest.mark.parametrize("padding", [0, 32])
def test_yuyv_becomes_a_jpeg(bus: Bus, tmp_path: Path, padding: int) -> None:
    camera = bus.plug(Driver(tmp_path / "dev/video0", (YUYV,), (64, 48)))
    camera.stride = padding
    source = usb.open(order())
    camera.show(yuyv((64, 48), padding))
    picture = source.next()
    assert picture
    assert (picture.width, picture.height) == image(picture.jpeg).size == (64, 48)
    assert near(image(picture.jpeg).getpixel((8, 40)), (255, 255, 255))
    assert near(image(picture.jpeg).getpixel((56, 40)), (254, 0, 0))


def test_yuyv_becomes_as_small_as_ordered(bus: Bus, tmp_path: Path) -> None:
    camera = bus.plug(Driver(tmp_path / "dev/video0", (YUYV,)))
    source = usb.open(order())
    camera.show(yuyv((640, 480)))
    big = source.next()
    source.set({"size": (240, 180), "quality": 15})
    camera.show(yuyv((640, 480)))
    small = source.next()
    assert big
    assert small
    assert (small.width, small.height) == image(small.jpeg).size == (240, 180)
    assert near(image(small.jpeg).getpixel((200, 100)), (254, 0, 0))
    assert len(small.jpeg) < len(big.jpeg) / 2


def test_a_driver_that_gives_another_format_without_an_error_is_believed(bus: Bus, tmp_path: Path) -> None:
    """MJPG is asked for, YUYV comes: bytes that are no JPEG would be passed through."""
    camera = bus.plug(Driver(tmp_path / "dev/video0", (YUYV, GREY), (64, 48)))
    source = usb.open(order())
    assert camera.format == YUYV
    camera.show(yuyv((64, 48)))
    picture = source.next()
    assert picture
    assert picture.jpeg.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ((640, 480), (640, 480)),
        ((480, 360), (320, 240)),
        ((320, 240), (320, 240)),
        ((240, 180), (320, 240)),
        ((160, 120), (160, 120)),
    ],
)
def test_mjpg_is_halved_by_pillow_when_the_link_is_slow(
    camera: Driver, wanted: tuple[int, int], given: tuple[int, int]
) -> None:
    source = usb.open(order())
    source.set({"size": wanted, "quality": 30})
    camera.show(jpeg())
    picture = source.next()
    assert picture
    assert (picture.width, picture.height) == image(picture.jpeg).size == given
    assert near(image(picture.jpeg).getpixel((5, 5)), (254, 0, 0))


def test_missing_huffman_tables_are_added(camera: Driver) -> None:
    whole = jpeg()
    start, end = whole.index(b"\xff\xc4"), whole.index(b"\xff\xda")
    source = usb.open(order())
    camera.show(whole[:start] + whole[end:])
    picture = source.next()
    assert picture
    assert picture.jpeg == whole


def test_without_pillow_mjpg_is_passed_through_and_yuyv_is_a_fault(
    bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usb, "Image", None)
    camera = bus.plug(Driver(tmp_path / "dev/video0"))
    yuyv_only = bus.plug(Driver(tmp_path / "dev/video1", (YUYV,)))
    source = usb.open(order())
    camera.show(jpeg(), 7000)
    assert source.next() == (jpeg(), 7000, 640, 480)
    with pytest.raises(Trouble, match="needs Pillow") as trouble:
        usb.open(order(device=str(yuyv_only.node)))
    assert trouble.value.code == "no_pillow"


def test_without_pillow_the_camera_is_opened_again_for_a_smaller_picture(
    camera: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = usb.UsbCamera.close

    def closed(self: usb.UsbCamera) -> None:
        close(self)
        camera.forget()

    monkeypatch.setattr(usb.UsbCamera, "close", closed)
    monkeypatch.setattr(usb, "Image", None)
    source = usb.open(order())
    opened = camera.asked.count("STREAMON")
    source.set({"pose": (0.0, 0.0, 0.0), "quality": 25})
    assert camera.asked.count("STREAMON") == opened
    camera.size = (320, 240)
    source.set({"size": (320, 240)})
    camera.show(jpeg((320, 240)), 8000)
    assert source.next() == (jpeg((320, 240)), 8000, 320, 240)
    source.close()


def test_a_camera_that_was_unplugged_just_now_is_listed_as_missing(camera: Driver) -> None:
    assert usb.cameras() == [Camera("usb", str(camera.node), "Fake cam")]
    camera.fails["QUERYCAP"] = errno.ENODEV
    (found,) = usb.cameras()
    assert found.trouble
    assert (found.device, found.trouble.code) == (str(camera.node), "missing")


def test_a_node_that_is_no_camera_is_missing_and_not_listed(bus: Bus, tmp_path: Path) -> None:
    metadata = bus.plug(Driver(tmp_path / "dev/video0", ()))
    assert usb.cameras() == []
    for device in ("auto", str(metadata.node)):
        with pytest.raises(Trouble) as trouble:
            usb.open(order(device=device))
        assert trouble.value.code == "missing"


def test_the_camera_turns_the_picture_where_it_can(bus: Bus, tmp_path: Path) -> None:
    camera = bus.plug(Driver(tmp_path / "dev/video0", controls=(*FLIPS, NIGHT)))
    for rotation, mirror, flips in (
        (0, False, [0, 0]),
        (180, False, [1, 1]),
        (0, True, [1, 0]),
        (180, True, [0, 1]),
    ):
        source = usb.open(order(rotation=rotation, mirror=mirror, night=mirror))
        assert source.upright
        assert [camera.controls[flip] for flip in FLIPS] == flips
        assert camera.controls[NIGHT] == mirror
        source.close()
        camera.forget()


@pytest.mark.parametrize("controls", [(), FLIPS[:1]])
def test_a_camera_that_cannot_turn_its_picture_says_so(
    bus: Bus, tmp_path: Path, controls: tuple[int, ...]
) -> None:
    camera = bus.plug(Driver(tmp_path / "dev/video0", controls=controls))
    for change in ({}, {"rotation": 180}, {"mirror": True}):
        source = usb.open(order(**change))
        assert source.upright == (not change or ("mirror" in change and controls != ()))
        assert source.upright or not any(camera.controls.values())
        source.close()
        camera.forget()


@pytest.mark.parametrize(
    ("request_name", "number", "code"),
    [("S_FMT", errno.EBUSY, "busy"), ("STREAMON", errno.EBUSY, "busy"), ("REQBUFS", errno.ENODEV, "missing")],
)
def test_a_camera_that_cannot_start_is_a_fault(
    camera: Driver, request_name: str, number: int, code: str
) -> None:
    camera.fails[request_name] = number
    with pytest.raises(Trouble) as trouble:
        usb.open(order(device=str(camera.node)))
    assert trouble.value.code == code
    assert str(camera.node) in str(trouble.value) or code == "missing"


def test_a_camera_that_is_unplugged_is_a_fault_at_once(camera: Driver) -> None:
    source = usb.open(order())
    camera.fails = dict.fromkeys(("DQBUF", "QBUF"), errno.ENODEV)
    with pytest.raises(Trouble, match="was unplugged") as trouble:
        source.next()
    assert trouble.value.code == "unplugged"
    source.close()
    source.close()


def test_without_a_camera_the_fault_is_that_none_was_found(bus: Bus) -> None:
    assert usb.cameras() == []
    for device in ("auto", "/nowhere/video9"):
        with pytest.raises(Trouble) as trouble:
            usb.open(order(device=device))
        assert (trouble.value.code, str(trouble.value)) == ("missing", str(missing()))


@pytest.mark.parametrize("kind", ["/dev/null", "file", "folder", "fifo", "file/video0"])
def test_a_device_that_is_no_camera_is_named(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    device = str(tmp_path / kind)
    with pytest.raises(
        Trouble, match=r" is no camera\. To see the cameras, run: .*picar camera --list"
    ) as trouble:
        usb.open(order(device=device))
    assert trouble.value.code == "missing"
    assert str(trouble.value).startswith(device)


def test_a_camera_that_may_not_be_opened_is_a_fault(camera: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(usb, "os", SimpleNamespace(**vars(os) | {"open": refuse}))
    (found,) = usb.cameras()
    assert found.trouble
    assert found.trouble.code == "permission"
    assert f"sudo usermod -aG video {pwd.getpwuid(os.geteuid()).pw_name}" in str(found.trouble)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # a user without a name, as in a container
    (found,) = usb.cameras()
    assert f"by the user {os.geteuid()}" in str(found.trouble)


def test_a_format_that_picar_cannot_use_is_named(bus: Bus, tmp_path: Path) -> None:
    camera = bus.plug(Driver(tmp_path / "dev/video0", (GREY,)))
    for device in ("auto", str(camera.node)):
        with pytest.raises(Trouble, match="gives GREY only; picar needs MJPG or YUYV") as trouble:
            usb.open(order(device=device))
        assert trouble.value.code == "wrong_format"


def test_any_other_error_is_not_hidden(camera: Driver) -> None:
    camera.fails["REQBUFS"] = errno.ENOMEM
    with pytest.raises(OSError, match="allocate"):
        usb.open(order())


def test_stable_names_come_first_and_each_camera_once(bus: Bus, tmp_path: Path) -> None:
    dev = tmp_path / "dev"
    for number in (0, 2, 4, 10):
        bus.plug(Driver(dev / f"video{number}"))
    bus.plug(Driver(dev / "video1", ()))  # metadata of a camera
    bus.plug(Driver(dev / "video11"))
    (tmp_path / "sys/class/video4linux/video11").mkdir(parents=True)
    (tmp_path / "sys/class/video4linux/video11/name").write_text("bcm2835-codec-decode\n")
    by_id = dev / "v4l/by-id"
    by_id.mkdir(parents=True)
    (by_id / "usb-Acme_Cam-video-index0").symlink_to("../../video2")
    (by_id / "usb-Acme_Cam-video-index1").symlink_to("../../video1")
    found = [camera.device for camera in usb.cameras()]
    assert found == [
        str(path)
        for path in (by_id / "usb-Acme_Cam-video-index0", dev / "video0", dev / "video4", dev / "video10")
    ]


def test_the_first_camera_that_works_is_taken(bus: Bus, tmp_path: Path) -> None:
    bus.plug(Driver(tmp_path / "dev/video0", (GREY,)))
    busy = bus.plug(Driver(tmp_path / "dev/video1"))
    busy.buffers = 3
    well = bus.plug(Driver(tmp_path / "dev/video2"))
    usb.open(order())
    assert well.streaming
    assert [camera.trouble.code if camera.trouble else None for camera in usb.cameras()] == [
        "wrong_format",
        "busy",
        "busy",
    ]
