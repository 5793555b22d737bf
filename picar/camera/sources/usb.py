"""USB cameras, by V4L2: MJPG pictures as the camera made them, YUYV pictures compressed by Pillow.

Three buffers are mapped; each wake-up empties the driver's queue and keeps the newest picture. A driver answers a format
that it does not have with another one and without an error, so the answer is read.

Source: the kernel's documentation "Video for Linux API".
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import io
import mmap
import os
import pwd
import select
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from typing import Any

import videodev2 as v4l2

from picar.camera.sources import NS, PATIENCE_S, Camera, Order, Picture, Trouble, missing, not_installed

try:
    from PIL import Image
except ModuleNotFoundError:  # MJPG pictures need no Pillow
    Image = None  # type: ignore[assignment]

BUFFERS = 3
_FORMATS = (v4l2.V4L2_PIX_FMT_MJPEG, v4l2.V4L2_PIX_FMT_YUYV)
_CAPTURE = v4l2.V4L2_BUF_TYPE_VIDEO_CAPTURE
_FLIPS = (v4l2.V4L2_CID_HFLIP, v4l2.V4L2_CID_VFLIP)
_BROKEN_S = 0.005  # before the next look, after a wake-up without a picture
_TREE = Path("/")
_SENTENCES = {
    "permission": "{device} may not be opened by the user {user}. Run: sudo usermod -aG video {user}, then restart picar.",
    "busy": "{device} is in use by another program. End it; this names it: fuser -v {device}",
    "unplugged": "The camera was unplugged. Plug it in again; the picture comes back by itself.",
}
# The Raspberry Pi's own nodes: the camera connector, image processors and decoders.
_OF_THE_PI = ("bcm2835-", "pispbe", "rp1-cfe", "unicam", "rpi-hevc-dec")


class _NoCamera(Trouble):
    """The node is something else, such as the metadata of a camera, or a decoder."""


class UsbCamera:
    """An open camera, by the path of its node; `start` starts its pictures."""

    def __init__(self, device: str, order: Order) -> None:
        self._device, self._order = device, order
        self._maps: list[mmap.mmap] = []
        self._fd, self.card, self.upright = -1, "", True
        self._open()

    def _open(self) -> None:
        with self._troubles("missing"):
            self._fd = os.open(self._device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            capability = self._ask(v4l2.VIDIOC_QUERYCAP, v4l2.v4l2_capability())
            if not capability.device_caps & v4l2.V4L2_CAP_VIDEO_CAPTURE:
                raise _NoCamera("missing", str(missing()))
            self.card = v4l2.arr_to_str(capability.card)
            self._choose_format()

    def start(self) -> None:
        """Start the pictures."""
        with self._troubles("missing"):
            self.upright = self._turn()
            rate = v4l2.v4l2_streamparm(type=_CAPTURE)
            rate.parm.capture.timeperframe = v4l2.v4l2_fract(1, self._order["fps"])
            with contextlib.suppress(OSError):  # a camera may have one rate only
                self._ask(v4l2.VIDIOC_S_PARM, rate)
            request = v4l2.v4l2_requestbuffers(count=BUFFERS, type=_CAPTURE, memory=v4l2.V4L2_MEMORY_MMAP)
            for index in range(self._ask(v4l2.VIDIOC_REQBUFS, request).count):  # as many as the driver gives
                buffer = self._ask(v4l2.VIDIOC_QUERYBUF, _buffer(index))
                place = {"flags": mmap.MAP_SHARED, "prot": mmap.PROT_READ, "offset": buffer.m.offset}
                self._maps.append(mmap.mmap(self._fd, buffer.length, **place))
                self._ask(v4l2.VIDIOC_QBUF, buffer)
            self._ask(v4l2.VIDIOC_STREAMON, ctypes.c_int(_CAPTURE))

    def next(self) -> Picture | None:
        """Return the newest picture."""
        give_up_at = time.monotonic() + PATIENCE_S
        with self._troubles("unplugged"):
            while (left_s := give_up_at - time.monotonic()) > 0.0:
                select.select([self._fd], [], [], left_s)
                if (newest := self._drain()) and (picture := self._finished(*newest)):
                    return picture
                time.sleep(_BROKEN_S)
        return None

    def set(self, order: Order) -> None:
        """Take over size and quality. Without Pillow, the camera itself must make smaller pictures: open it again."""
        before, self._order = self._order, self._order | order
        if not Image and before["size"] != self._order["size"]:
            self.close()
            self._open()
            self.start()

    def close(self) -> None:
        """Release the camera, which stops it."""
        for mapped in self._maps:
            mapped.close()
        if self._fd >= 0:
            os.close(self._fd)
        self._maps, self._fd = [], -1

    @contextlib.contextmanager
    def _troubles(self, gone: str) -> Iterator[None]:
        """Translate the errors of the driver, and close the camera; `gone` is the code for a camera that is not there."""
        try:
            yield
        except OSError as error:
            self.close()
            code = {
                errno.EACCES: "permission", errno.EPERM: "permission", errno.EBUSY: "busy",
                errno.ENOENT: "missing", errno.ENODEV: gone, errno.ENXIO: gone,
            }.get(error.errno or 0)  # fmt: skip
            if error.errno in (errno.ENOTTY, errno.EISDIR, errno.ENOTDIR):  # a file, a folder
                raise missing(f"{self._device} is no camera. To see the cameras,") from None
            if code == "missing":
                raise missing() from None
            if code is None:
                raise
            raise Trouble(code, _SENTENCES[code].format(device=self._device, user=_user())) from None
        except Trouble:
            self.close()
            raise

    def _ask(self, request: int, value: Any) -> Any:
        """Return the answer of the driver, which it writes into `value`."""
        ioctl(self._fd, request, value)
        return value

    def _control(self, number: int, value: bool) -> bool:
        """Set a control. Returns whether the camera has it."""
        try:
            self._ask(v4l2.VIDIOC_S_CTRL, v4l2.v4l2_control(number, value))
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise
            return False
        return True

    def _turn(self) -> bool:
        """Set the camera's own controls. Returns whether its pictures are upright."""
        self._control(v4l2.V4L2_CID_EXPOSURE_AUTO_PRIORITY, self._order["night"])
        upside_down = self._order["rotation"] == 180
        wanted = upside_down != self._order["mirror"], upside_down
        if all(self._control(flip, on) or not on for flip, on in zip(_FLIPS, wanted, strict=True)):
            return True
        for flip in _FLIPS:
            self._control(flip, False)  # not half
        return False

    def _choose_format(self) -> None:
        for wanted in _FORMATS:
            format = v4l2.v4l2_format(type=_CAPTURE)
            pix = format.fmt.pix
            (pix.width, pix.height), pix.pixelformat = self._order["size"], wanted
            self._ask(v4l2.VIDIOC_S_FMT, format)  # EBUSY if another program has the camera
            if pix.pixelformat in _FORMATS:  # the other one is good too
                break
        else:
            name = pix.pixelformat.to_bytes(4, "little").decode("ascii", errors="replace").strip()
            sentence = f"{self._device} gives {name} only; picar needs MJPG or YUYV. Use another camera."
            raise Trouble("wrong_format", sentence)
        self._is_mjpg = pix.pixelformat == v4l2.V4L2_PIX_FMT_MJPEG
        self._captured, self._stride = (pix.width, pix.height), pix.bytesperline
        if not self._is_mjpg and not Image:
            raise not_installed("PIL")

    def _drain(self) -> tuple[bytes, int] | None:
        """Empty the driver's queue. Returns the newest picture and its time.

        If every buffer was full, the driver had to drop the pictures after them: even the newest is old, and the next one
        comes soon.
        """
        newest, count = None, 0
        while True:
            try:
                buffer = self._ask(v4l2.VIDIOC_DQBUF, _buffer(0))
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EIO):  # the queue is empty; a picture was lost
                    return newest if count < max(2, len(self._maps)) else None
                raise
            count += 1
            captured_ns = _time_of(buffer)  # before it is queued again, which clears it
            if buffer.bytesused and not buffer.flags & v4l2.V4L2_BUF_FLAG_ERROR:
                newest = self._maps[buffer.index][: buffer.bytesused], captured_ns
            self._ask(v4l2.VIDIOC_QBUF, buffer)

    def _finished(self, data: bytes, captured_ns: int) -> Picture | None:
        """Return the picture to send. Many cameras send broken pictures at first: then, return None."""
        width, height = self._captured
        smaller = self._order["size"][0] < width
        with contextlib.suppress(ValueError, OSError):  # from Pillow
            if not self._is_mjpg:
                wide = min(self._order["size"][0], width)
                picture = _from_yuyv(data, self._captured, self._stride, (wide, height * wide // width))
            elif not data.startswith(b"\xff\xd8"):
                return None
            elif smaller and Image:
                picture = Image.open(io.BytesIO(data))  # half of the size, a quarter or an eighth
                picture.draft("YCbCr", min(self._order["size"], (width // 2, height // 2)))
            else:
                return Picture(_with_tables(data), captured_ns, width, height)
            jpeg = io.BytesIO()
            picture.save(jpeg, "JPEG", quality=self._order["quality"])
            return Picture(jpeg.getvalue(), captured_ns, *picture.size)
        return None


def open(order: Order) -> UsbCamera:
    """Open the camera of an order, or the first one that works."""
    first = missing()
    for device in _devices() if order["device"] == "auto" else [order["device"]]:
        try:
            camera = UsbCamera(device, order)
            camera.start()
        except Trouble as trouble:
            first = trouble if first.code == "missing" else first
        else:
            return camera
    raise first


def cameras() -> list[Camera]:
    """Return the cameras with stable names by these, then the others."""
    found = []
    for device in _devices():
        try:
            camera = UsbCamera(device, Order(size=(640, 480)))
        except _NoCamera:
            continue
        except Trouble as trouble:
            found.append(Camera("usb", device, _card(device), trouble))
        else:
            camera.close()
            found.append(Camera("usb", device, camera.card))
    return found


def _devices() -> Iterator[str]:
    """Yield the path of each node that may be a USB camera, once."""
    stable = sorted((_TREE / "dev/v4l/by-id").glob("*-index0"))
    yield from map(str, stable)
    for path in sorted((_TREE / "dev").glob("video[0-9]*"), key=lambda path: int(path.name[5:])):
        if path not in [link.resolve() for link in stable] and not _card(path).startswith(_OF_THE_PI):
            yield str(path)


def _card(device: str | Path) -> str:
    """Return the name of a camera, without opening it."""
    node = Path(device).resolve().name
    with contextlib.suppress(OSError):
        return (_TREE / f"sys/class/video4linux/{node}/name").read_text(errors="replace").strip()
    return node


def _user() -> str:
    """Return the name of this process's user, or its number if it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _buffer(index: int) -> Any:
    return v4l2.v4l2_buffer(index=index, type=_CAPTURE, memory=v4l2.V4L2_MEMORY_MMAP)


def _time_of(buffer: Any) -> int:
    if buffer.flags & v4l2.V4L2_BUF_FLAG_TIMESTAMP_MASK == v4l2.V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC:
        return int(buffer.timestamp.tv_sec * NS + buffer.timestamp.tv_usec * 1000)
    return time.monotonic_ns()


def _from_yuyv(data: bytes, size: tuple[int, int], stride: int, wanted: tuple[int, int]) -> Image.Image:
    """Return a YUYV picture in another size: two pixels are the bytes Y, U, Y, V; `stride` is that of a line."""
    width, height = size
    luma, _ = Image.frombuffer("LA", size, data, "raw", "LA", stride, 1).split()
    pairs = Image.frombuffer("RGBA", (width // 2, height), data, "raw", "RGBA", stride, 1)
    bands = (luma, pairs.getchannel(1), pairs.getchannel(3))
    return Image.merge("YCbCr", [band.resize(wanted, Image.Resampling.NEAREST) for band in bands])


def _with_tables(jpeg: bytes) -> bytes:
    """Return a JPEG with Huffman tables: many cameras leave out the standard ones, as the MJPG of an AVI file does."""
    start = jpeg.find(b"\xff\xda")
    if not Image or start < 0 or b"\xff\xc4" in jpeg[:start]:
        return jpeg
    return jpeg[:start] + _huffman_tables() + jpeg[start:]


@functools.cache
def _huffman_tables() -> bytes:
    made = io.BytesIO()
    Image.new("YCbCr", (16, 16)).save(made, "JPEG")
    return made.getvalue()[made.getvalue().index(b"\xff\xc4") : made.getvalue().index(b"\xff\xda")]
