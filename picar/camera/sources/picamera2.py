"""The Raspberry Pi's own cameras, by picamera2.

A Pi 5 has no encoder in hardware: there, picamera2 compresses in software, from RGB, which every version of it takes. Older
models compress in hardware. The small pictures of the ladder come from libcamera's second stream.
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

from picar.camera.sources import PATIENCE_S, Camera, Order, Picture, Trouble, missing

SMALL_WIDTH = 320  # of the second stream
_LONGEST_US = 66_700  # exposure at night; the tuning tables end there


class PiCamera:
    """An open camera, by its number in picamera2 and its name."""

    upright = True  # the sensor turns and mirrors

    def __init__(self, number: int, card: str, order: Order) -> None:
        self.card, self._order, self._sink = card, order, _Sink()
        self._software = get_platform() == Platform.PISP
        width, height = order["size"]
        small = (SMALL_WIDTH, SMALL_WIDTH * height // width & ~1)
        self._sizes = {"main": (width, height), "lores": small}
        try:
            self._camera = Picamera2(number)
        except (
            RuntimeError
        ) as error:  # after "Failed to acquire camera: Device or resource busy", with another text
            if "busy" not in f"{error} {error.__context__}":
                raise
            sentence = f"{card} is in use by another program. End it; this names it: fuser -v /dev/media*"
            raise Trouble("busy", sentence) from error
        shape = "RGB888" if self._software else "YUV420"
        shortest_us, upside_down = 1_000_000 // order["fps"], order["rotation"] == 180
        night = {"FrameDurationLimits": (shortest_us, max(shortest_us, _LONGEST_US))}
        configuration = self._camera.create_video_configuration(
            main={"size": (width, height), "format": shape},
            lores={"size": small, "format": shape},
            buffer_count=3,
            controls=night if order["night"] else {"FrameRate": order["fps"]},
            transform=Transform(hflip=upside_down != order["mirror"], vflip=upside_down),
        )
        self._camera.configure(configuration)
        self._start_encoder()
        self._camera.start()

    def next(self) -> Picture | None:
        """Return the newest picture."""
        try:
            jpeg, captured_ns = self._sink.newest.get(timeout=PATIENCE_S)
        except queue.Empty:
            return None
        return Picture(jpeg, captured_ns, *self._sizes[self._stream])

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

    def _start_encoder(self) -> None:
        """Start an encoder for the order's size and quality."""
        quality = self._order["quality"]
        self._stream = "lores" if self._order["size"][0] < self._sizes["main"][0] else "main"
        width, height = self._sizes[self._stream]
        if self._software:
            self._encoder = JpegEncoder(q=quality)
        else:  # 38 kB for 640x480 at quality 50
            self._encoder = MJPEGEncoder(bitrate=width * height * quality // 400 * 8 * self._order["fps"])
        self._sink.clear()
        self._camera.start_encoder(self._encoder, FileOutput(self._sink), name=self._stream)


class _Sink(io.BufferedIOBase):
    """The file that the encoder's thread writes to, each picture with one call. It keeps the newest."""

    def __init__(self) -> None:
        self.newest: queue.SimpleQueue[tuple[bytes, int]] = queue.SimpleQueue()

    def write(self, data: Any) -> int:
        """Take a picture."""
        self.clear()
        self.newest.put((bytes(data), time.monotonic_ns()))
        return len(data)

    def clear(self) -> None:
        """Forget the newest picture."""
        while not self.newest.empty():
            self.newest.get()


def open(order: Order) -> PiCamera:
    """Open the camera of an order."""
    for camera in cameras():
        if order["device"] in ("auto", camera.device):
            return PiCamera(int(camera.device), camera.card, order)
    raise missing()


def cameras() -> list[Camera]:
    """Return the cameras at the Pi's connectors; libcamera lists USB cameras too, which are another source's."""
    found = [info for info in Picamera2.global_camera_info() if "/usb" not in info["Id"]]
    return [Camera("picamera2", str(info["Num"]), info["Model"]) for info in found]
