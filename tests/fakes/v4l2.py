"""A driver of a USB camera behind `ioctl`, on a file instead of a device, with the traps of real ones.

It records each request, refuses what a kernel refuses, and clears the time of a buffer that is queued again.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from pathlib import Path
from typing import Any

import videodev2 as v4l2

MJPG, YUYV, GREY = v4l2.V4L2_PIX_FMT_MJPEG, v4l2.V4L2_PIX_FMT_YUYV, v4l2.V4L2_PIX_FMT_GREY
LENGTH = 1 << 20
NAMES = {getattr(v4l2, name): name for name in dir(v4l2) if name.startswith("VIDIOC_")}


class Driver:
    """One camera.

    Args:
        node: the file.
        formats: its pixel formats, the preferred one first; empty for a node that is no camera.
        size: the only size that it has.
        controls: the controls that it has.
    """

    def __init__(
        self,
        node: Path,
        formats: tuple[int, ...] = (MJPG, YUYV),
        size: tuple[int, int] = (640, 480),
        controls: tuple[int, ...] = (),
    ) -> None:
        node.parent.mkdir(parents=True, exist_ok=True)
        node.write_bytes(bytes(3 * LENGTH))
        self.node, self.formats, self.size = node, formats, size
        self.controls = dict.fromkeys(controls, 0)
        self.fails: dict[str, int] = {}  # errno by the name of a request
        self.stride = 0  # bytes of padding in each line
        self.monotonic = True
        self.format = formats[0] if formats else 0
        self.asked: list[str] = []
        self.buffers = 0
        self.streaming = False
        self._queued: deque[int] = deque()
        self._filled: deque[tuple[int, int, int, int]] = deque()

    def show(self, data: bytes, captured_ns: int = 0, flags: int = 0) -> bool:
        """Capture a picture. Returns whether there was a buffer for it."""
        if not self._queued:
            return False
        index = self._queued.popleft()
        with self.node.open("r+b") as file:
            file.seek(index * LENGTH)
            file.write(data)
        self._filled.append((index, len(data), captured_ns, flags))
        return True

    def ioctl(self, request: int, value: Any) -> None:
        """Do what the driver would do."""
        name = NAMES[request].removeprefix("VIDIOC_")
        self.asked.append(name)
        if name in self.fails:
            raise OSError(self.fails[name], os.strerror(self.fails[name]))
        getattr(self, f"_{name.lower()}")(value)

    def _querycap(self, capability: Any) -> None:
        capability.card[:9] = b"Fake cam\0"
        capability.device_caps = v4l2.V4L2_CAP_VIDEO_CAPTURE if self.formats else v4l2.V4L2_CAP_META_CAPTURE

    def _g_fmt(self, answer: Any) -> None:
        pix = answer.fmt.pix
        pix.width, pix.height = self.size
        pix.pixelformat, pix.bytesperline = self.format, 0
        if self.format == YUYV:
            pix.bytesperline = 2 * self.size[0] + self.stride

    def _s_fmt(self, wanted: Any) -> None:
        if self.buffers:
            raise OSError(errno.EBUSY, "streaming")
        if wanted.fmt.pix.pixelformat in self.formats:
            self.format = wanted.fmt.pix.pixelformat
        self._g_fmt(wanted)  # another one, and no error

    def _s_parm(self, rate: Any) -> None:
        frame = rate.parm.capture.timeperframe
        self.fps = frame.denominator / frame.numerator

    def _s_ctrl(self, control: Any) -> None:
        if control.id not in self.controls:
            raise OSError(errno.EINVAL, "no such control")
        self.controls[control.id] = control.value

    def _reqbufs(self, request: Any) -> None:
        assert not self.streaming
        self.buffers = request.count
        self._queued.clear()

    def _querybuf(self, buffer: Any) -> None:
        assert buffer.index < self.buffers
        buffer.length, buffer.m.offset = LENGTH, buffer.index * LENGTH

    def _qbuf(self, buffer: Any) -> None:
        assert buffer.index not in self._queued
        self._queued.append(buffer.index)
        buffer.timestamp.tv_sec = buffer.timestamp.tv_usec = buffer.bytesused = 0

    def _dqbuf(self, buffer: Any) -> None:
        assert self.streaming
        if not self._filled:
            raise OSError(errno.EAGAIN, "none")
        buffer.index, buffer.bytesused, captured_ns, buffer.flags = self._filled.popleft()
        buffer.timestamp.tv_sec, rest_ns = divmod(captured_ns, 10**9)
        buffer.timestamp.tv_usec = rest_ns // 1000
        if self.monotonic:
            buffer.flags |= v4l2.V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC

    def _streamon(self, _type: Any) -> None:
        assert len(self._queued) == self.buffers > 0
        self.streaming = True

    def forget(self) -> None:
        """Stop, as the kernel does when the device is closed."""
        self.streaming, self.buffers = False, 0
        self._queued.clear()


class Bus:
    """All cameras; replaces `ioctl`."""

    def __init__(self) -> None:
        self.drivers: dict[tuple[int, int], Driver] = {}

    def plug(self, driver: Driver) -> Driver:
        """Add a camera."""
        found = driver.node.stat()
        self.drivers[found.st_dev, found.st_ino] = driver
        return driver

    def ioctl(self, fd: int, request: int, value: Any) -> None:
        """Hand a request to the driver of the descriptor."""
        found = os.fstat(fd)
        self.drivers[found.st_dev, found.st_ino].ioctl(request, value)
