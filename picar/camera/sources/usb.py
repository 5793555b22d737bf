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
import importlib.util
import io
import mmap
import os
import select
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from typing import Any

import videodev2 as v4l2

from picar.camera.sources import MISSING, NS, PATIENCE_S, Camera, Order, Picture, Trouble, need_pillow

BUFFERS = 3
_FORMATS = (v4l2.V4L2_PIX_FMT_MJPEG, v4l2.V4L2_PIX_FMT_YUYV)
_CAPTURE = v4l2.V4L2_BUF_TYPE_VIDEO_CAPTURE
_BROKEN_S = 0.005  # before the next look, after a wake-up without a picture
_TREE = Path("/")
_SENTENCES = {
    "permission": "{device} may not be opened by the user {user}. Run: sudo usermod -aG video {user}, then restart picar.",
    "busy": "{device} is in use by another program. End it; this names it: fuser -v {device}",
    "unplugged": "The camera was unplugged. Plug it in again; the picture comes back by itself.",
    "missing": MISSING,
}
# The Raspberry Pi's own nodes: the camera connector, image processors and decoders.
_OF_THE_PI = ("bcm2835-", "pispbe", "rp1-cfe", "unicam", "rpi-hevc-dec")


class UsbCamera:
    """An open camera.

    Args:
        device: path of its node.
        order: the first order.
    """

    def __init__(self, device: str, order: Order) -> None:
        self._device, self._order = device, order
        self._maps: list[mmap.mmap] = []
        self._tables = _huffman_tables()
        self._fd = -1
        with _troubles(device):
            self._fd = _open(device)
        try:
            with _troubles(device):
                self.card = _name(self._fd)
                self.upright = self._turn(order)
                self._start()
        except BaseException:
            self.close()
            raise

    def next(self) -> Picture | None:
        """Return the newest picture."""
        give_up_at = time.monotonic() + PATIENCE_S
        with _troubles(self._device, streaming=True):
            while (left_s := give_up_at - time.monotonic()) > 0.0:
                select.select([self._fd], [], [], left_s)
                if (newest := self._drain()) and (picture := self._finished(*newest)):
                    return picture
                time.sleep(_BROKEN_S)
        return None

    def set(self, order: Order) -> None:
        """Take over size and quality, for Pillow: without it, MJPG pictures stay as they are."""
        self._order = self._order | order

    def close(self) -> None:
        """Release the camera."""
        if self._fd >= 0:
            for mapped in self._maps:
                mapped.close()
            os.close(self._fd)  # which stops it
            self._fd = -1

    def _turn(self, order: Order) -> bool:
        """Set the camera's own controls. Returns whether its pictures are upright."""
        self._control(v4l2.V4L2_CID_EXPOSURE_AUTO_PRIORITY, order["night"])
        upside_down = order["rotation"] == 180
        flips = {v4l2.V4L2_CID_HFLIP: upside_down != order["mirror"], v4l2.V4L2_CID_VFLIP: upside_down}
        if all(self._control(flip, wanted) or not wanted for flip, wanted in flips.items()):
            return True
        for flip in flips:
            self._control(flip, False)  # not half
        return False

    def _control(self, number: int, value: bool) -> bool:
        """Set a control. Returns whether the camera has it."""
        control = v4l2.v4l2_control()
        control.id, control.value = number, int(value)
        try:
            ioctl(self._fd, v4l2.VIDIOC_S_CTRL, control)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise
            return False
        return True

    def _start(self) -> None:
        self._choose_format()
        rate = v4l2.v4l2_streamparm()
        rate.type = _CAPTURE
        frame = rate.parm.capture.timeperframe
        frame.numerator, frame.denominator = 1, self._order["fps"]
        with contextlib.suppress(OSError):  # a camera may have one rate only
            ioctl(self._fd, v4l2.VIDIOC_S_PARM, rate)
        request = v4l2.v4l2_requestbuffers()
        request.count, request.type, request.memory = BUFFERS, _CAPTURE, v4l2.V4L2_MEMORY_MMAP
        ioctl(self._fd, v4l2.VIDIOC_REQBUFS, request)
        for index in range(request.count):  # as many as the driver gives
            buffer = _buffer(index)
            ioctl(self._fd, v4l2.VIDIOC_QUERYBUF, buffer)
            place = {"flags": mmap.MAP_SHARED, "prot": mmap.PROT_READ, "offset": buffer.m.offset}
            self._maps.append(mmap.mmap(self._fd, buffer.length, **place))
            ioctl(self._fd, v4l2.VIDIOC_QBUF, buffer)
        ioctl(self._fd, v4l2.VIDIOC_STREAMON, ctypes.c_int(_CAPTURE))

    def _choose_format(self) -> None:
        for wanted in _FORMATS:
            format = v4l2.v4l2_format()
            format.type, pix = _CAPTURE, format.fmt.pix
            pix.width, pix.height = self._order["size"]
            pix.pixelformat, pix.field = wanted, v4l2.V4L2_FIELD_ANY
            ioctl(self._fd, v4l2.VIDIOC_S_FMT, format)
            if pix.pixelformat in _FORMATS:  # the other one is good too
                break
        else:
            raise _wrong_format(self._device, [pix.pixelformat])
        self._is_mjpg = pix.pixelformat == v4l2.V4L2_PIX_FMT_MJPEG
        self._captured, self._stride = (pix.width, pix.height), pix.bytesperline
        if not self._is_mjpg:
            need_pillow()

    def _drain(self) -> tuple[bytes, int] | None:
        """Empty the driver's queue. Returns the newest picture and its time.

        If every buffer was full, the driver had to drop the pictures after them: even the newest is old, and the next one
        comes soon.
        """
        newest, count = None, 0
        while True:
            buffer = _buffer(0)
            try:
                ioctl(self._fd, v4l2.VIDIOC_DQBUF, buffer)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EIO):  # the queue is empty; a picture was lost
                    return newest if count < max(2, len(self._maps)) else None
                raise
            count += 1
            captured_ns = _time_of(buffer)  # before it is queued again, which clears it
            if buffer.bytesused and not buffer.flags & v4l2.V4L2_BUF_FLAG_ERROR:
                newest = self._maps[buffer.index][: buffer.bytesused], captured_ns
            ioctl(self._fd, v4l2.VIDIOC_QBUF, buffer)

    def _finished(self, data: bytes, captured_ns: int) -> Picture | None:
        """Return the picture to send. Many cameras send broken pictures at first: then, return None."""
        jpeg, size = data, self._captured
        try:
            if not self._is_mjpg:
                jpeg, size = _compressed(data, size, self._stride, self._order)
            elif not data.startswith(b"\xff\xd8"):
                return None
            elif self._order["size"][0] < size[0] and _has_pillow():
                jpeg, size = _reduced(data, size, self._order)
            else:
                jpeg = _with_tables(data, self._tables)
        except (ValueError, OSError):  # from Pillow
            return None
        return Picture(jpeg, captured_ns, *size)


def open(order: Order) -> UsbCamera:
    """Open the camera of an order, or the first one that works."""
    if order["device"] != "auto":
        return UsbCamera(order["device"], order)
    found = cameras()
    troubles = [camera.trouble for camera in found if camera.trouble]
    for camera in found:
        if camera.trouble is None:
            return UsbCamera(camera.device, order)
    raise troubles[0] if troubles else Trouble("missing", MISSING)


def cameras() -> list[Camera]:
    """Return the cameras with stable names by these, then the others."""
    found = []
    for device in _devices():
        try:
            with _troubles(device):
                card = _probe(device)
        except Trouble as trouble:
            found.append(Camera("usb", device, _card_in_sysfs(device), trouble))
        else:
            found += [Camera("usb", device, card)] if card else []
    return found


def _devices() -> Iterator[str]:
    """Yield the path of each node that may be a USB camera, once."""
    stable = sorted((_TREE / "dev/v4l/by-id").glob("*-index0"))
    named = {path.resolve() for path in stable}
    yield from map(str, stable)
    numbered = sorted((_TREE / "dev").glob("video[0-9]*"), key=lambda path: int(path.name[5:]))
    for path in numbered:
        if path.resolve() not in named and not _card_in_sysfs(str(path)).startswith(_OF_THE_PI):
            yield str(path)


def _card_in_sysfs(device: str) -> str:
    node = Path(device).resolve().name
    with contextlib.suppress(OSError):
        return (_TREE / f"sys/class/video4linux/{node}/name").read_text(errors="replace").strip()
    return Path(device).name


def _probe(device: str) -> str:
    """Return the name of a camera that works, empty if the node is no camera.

    Raises:
        Trouble: it has no format that picar can use.
        OSError: it is in use, or cannot be opened.
    """
    fd = _open(device)
    try:
        formats = list(_formats(fd))
        if not formats:
            return ""
        if not set(formats) & set(_FORMATS):
            raise _wrong_format(device, formats)
        unchanged = v4l2.v4l2_format()
        unchanged.type = _CAPTURE
        ioctl(fd, v4l2.VIDIOC_G_FMT, unchanged)
        ioctl(fd, v4l2.VIDIOC_S_FMT, unchanged)  # EBUSY if another program has the camera
        return _name(fd)
    finally:
        os.close(fd)


def _formats(fd: int) -> Iterator[int]:
    """Yield the pixel formats of a node that captures pictures."""
    description = v4l2.v4l2_fmtdesc()
    description.type = _CAPTURE
    with contextlib.suppress(OSError):  # EINVAL after the last one, and at once on another kind of node
        while True:
            ioctl(fd, v4l2.VIDIOC_ENUM_FMT, description)
            yield description.pixelformat
            description.index += 1


def _open(device: str) -> int:
    return os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def _name(fd: int) -> str:
    capability = v4l2.v4l2_capability()
    ioctl(fd, v4l2.VIDIOC_QUERYCAP, capability)
    return bytes(capability.card).partition(b"\0")[0].decode(errors="replace")


def _buffer(index: int) -> Any:
    buffer = v4l2.v4l2_buffer()
    buffer.index, buffer.type, buffer.memory = index, _CAPTURE, v4l2.V4L2_MEMORY_MMAP
    return buffer


def _time_of(buffer: Any) -> int:
    if buffer.flags & v4l2.V4L2_BUF_FLAG_TIMESTAMP_MASK == v4l2.V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC:
        return int(buffer.timestamp.tv_sec * NS + buffer.timestamp.tv_usec * 1000)
    return time.monotonic_ns()


def _wrong_format(device: str, formats: list[int]) -> Trouble:
    names = ", ".join(
        format.to_bytes(4, "little").decode("ascii", errors="replace").strip() for format in formats
    )
    sentence = f"{device} gives {names} only; picar needs MJPG or YUYV. Use another camera."
    return Trouble("wrong_format", sentence)


@contextlib.contextmanager
def _troubles(device: str, *, streaming: bool = False) -> Iterator[None]:
    """Translate the errors of the driver."""
    try:
        yield
    except OSError as error:
        gone = "unplugged" if streaming else "missing"
        code = {
            errno.EACCES: "permission", errno.EPERM: "permission", errno.EBUSY: "busy",
            errno.ENOENT: "missing", errno.ENODEV: gone, errno.ENXIO: gone,
        }.get(error.errno or 0)  # fmt: skip
        if code is None:
            raise
        raise Trouble(code, _SENTENCES[code].format(device=device, user=_user())) from None


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container
        return str(os.geteuid())


@functools.cache
def _has_pillow() -> bool:
    return importlib.util.find_spec("PIL") is not None


def _compressed(
    data: bytes, size: tuple[int, int], stride: int, order: Order
) -> tuple[bytes, tuple[int, int]]:
    """Return a YUYV picture as a JPEG in the order's size, and this size."""
    from PIL import Image

    width, height = size
    if stride > 2 * width:  # padded lines
        data = b"".join(data[start : start + 2 * width] for start in range(0, stride * height, stride))
    wide = min(order["size"][0], width)
    wanted = (wide, height * wide // width)
    planes = ((data[0::2], width), (data[1::4], width // 2), (data[3::4], width // 2))
    bands = [Image.frombuffer("L", (columns, height), plane, "raw", "L", 0, 1) for plane, columns in planes]
    whole = [band.resize(wanted, Image.Resampling.NEAREST) for band in bands]
    return _jpeg(Image.merge("YCbCr", whole), order), wanted


def _reduced(data: bytes, size: tuple[int, int], order: Order) -> tuple[bytes, tuple[int, int]]:
    """Return a JPEG at a half, quarter or eighth of its size, whichever is next above the order's, and this size."""
    from PIL import Image

    factor = 2
    while factor < 8 and size[0] // (2 * factor) >= order["size"][0]:
        factor *= 2
    picture = Image.open(io.BytesIO(data))
    picture.draft("YCbCr", (size[0] // factor, size[1] // factor))
    return _jpeg(picture, order), picture.size


def _jpeg(picture: Any, order: Order) -> bytes:
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=order["quality"])
    return jpeg.getvalue()


def _with_tables(jpeg: bytes, tables: bytes) -> bytes:
    """Return a JPEG with Huffman tables: many cameras leave out the standard ones, as the MJPG of an AVI file does."""
    start = jpeg.find(b"\xff\xda")
    return jpeg if b"\xff\xc4" in jpeg[: max(0, start)] else jpeg[:start] + tables + jpeg[start:]


def _huffman_tables() -> bytes:
    """Return the standard Huffman tables, from a picture made by Pillow; empty without Pillow."""
    if not _has_pillow():
        return b""
    from PIL import Image

    made = io.BytesIO()
    Image.new("YCbCr", (16, 16)).save(made, "JPEG")
    return made.getvalue()[made.getvalue().index(b"\xff\xc4") : made.getvalue().index(b"\xff\xda")]
