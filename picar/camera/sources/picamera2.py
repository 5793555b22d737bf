"""The Raspberry Pi's own cameras, by picamera2.

A Pi 5 has no encoder in hardware: there, picamera2 compresses in software from RGB, because its table lacks YUV. Older models
compress in hardware. The small pictures of the ladder come from libcamera's second stream.
The time of a picture is its arrival here: its age lacks the exposure and the compression.

Source: picamera2 0.3.38. Nothing here ran on a Pi yet: tests use a fake whose signatures were compared with that version.
"""

from __future__ import annotations

import io
import queue
import time
from typing import Any

from libcamera import Transform
from picamera2 import Picamera2
from picamera2.encoders import JpegEncoder, MJPEGEncoder
from picamera2.outputs import FileOutput
from picamera2.platform import Platform, get_platform

from picar.camera.sources import MISSING, PATIENCE_S, Camera, Order, Picture, Trouble

SMALL_WIDTH = 320  # of the second stream
_LONGEST_US = 66_700  # exposure at night; the tuning tables end there


class PiCamera:
    """An open camera.

    Args:
        number: of picamera2.
        card: its name.
        order: the first order.
    """

    upright = True  # the sensor turns and mirrors

    def __init__(self, number: int, card: str, order: Order) -> None:
        self.card = card
        self._order, self._sink = order, _Sink()
        self._software = get_platform() == Platform.PISP
        width, height = order["size"]
        small = (SMALL_WIDTH, SMALL_WIDTH * height // width & ~1)
        self._sizes = {"main": (width, height), "lores": small}
        try:
            self._camera = Picamera2(number)
        except RuntimeError as error:  # "Failed to acquire camera: Device or resource busy"
            sentence = f"{card} is in use by another program. End it; this names it: fuser -v /dev/media*"
            raise Trouble("busy", sentence) from error
        self._camera.configure(self._configuration())
        self._start_encoder()
        self._camera.start()

    def next(self) -> Picture | None:
        """Return the newest picture."""
        return self._sink.take(*self._sizes[self._stream])

    def set(self, order: Order) -> None:
        """Take over quality and size; the software encoder reads its quality with every picture."""
        before, self._order = self._order, self._order | order
        if before["size"] == self._order["size"] and self._software:
            self._encoder.q = self._order["quality"]
        elif (before["size"], before["quality"]) != (self._order["size"], self._order["quality"]):
            self._camera.stop_encoder(self._encoder)
            self._start_encoder()

    def close(self) -> None:
        """Release the camera."""
        self._camera.stop_recording()
        self._camera.close()

    def _configuration(self) -> Any:
        order = self._order
        shape = "RGB888" if self._software else "YUV420"
        shortest_us = 1_000_000 // order["fps"]
        night = {"FrameDurationLimits": (shortest_us, max(shortest_us, _LONGEST_US))}
        upside_down = order["rotation"] == 180
        return self._camera.create_video_configuration(
            main={"size": self._sizes["main"], "format": shape},
            lores={"size": self._sizes["lores"], "format": shape},
            buffer_count=3,
            controls=night if order["night"] else {"FrameRate": order["fps"]},
            transform=Transform(hflip=upside_down != order["mirror"], vflip=upside_down),
        )

    def _start_encoder(self) -> None:
        """Start an encoder for the order's size and quality."""
        order = self._order
        self._stream = "lores" if order["size"][0] < self._sizes["main"][0] else "main"
        width, height = self._sizes[self._stream]
        if self._software:
            self._encoder = JpegEncoder(q=order["quality"])
        else:  # 38 kB for 640x480 at quality 50
            self._encoder = MJPEGEncoder(bitrate=width * height * order["quality"] // 400 * 8 * order["fps"])
        self._sink.clear()
        self._camera.start_encoder(self._encoder, FileOutput(self._sink), name=self._stream)


class _Sink(io.BufferedIOBase):
    """The file that the encoder's thread writes to, each picture with one call. It keeps the newest."""

    def __init__(self) -> None:
        self._newest: queue.SimpleQueue[tuple[bytes, int]] = queue.SimpleQueue()

    def write(self, data: Any) -> int:
        """Take a picture."""
        self.clear()
        self._newest.put((bytes(data), time.monotonic_ns()))
        return len(data)

    def clear(self) -> None:
        """Forget the newest picture."""
        while not self._newest.empty():
            self._newest.get()

    def take(self, width: int, height: int) -> Picture | None:
        """Wait for a picture."""
        try:
            return Picture(*self._newest.get(timeout=PATIENCE_S), width, height)
        except queue.Empty:
            return None


def open(order: Order) -> PiCamera:
    """Open the camera of an order."""
    for camera in cameras():
        if order["device"] in ("auto", camera.device):
            return PiCamera(int(camera.device), camera.card, order)
    raise Trouble("missing", MISSING)


def cameras() -> list[Camera]:
    """Return the cameras at the Pi's connectors; libcamera lists USB cameras too, which are another source's."""
    found = [info for info in Picamera2.global_camera_info() if "/usb" not in info["Id"]]
    return [Camera("picamera2", str(info["Num"]), info["Model"]) for info in found]
