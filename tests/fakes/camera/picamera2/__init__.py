"""The calls of picamera2 0.3.38 that picar uses, with their refusals. `tests/camera/test_picamera2.py` compares the signatures."""

from __future__ import annotations

from typing import Any, ClassVar

from .encoders import Encoder, JpegEncoder
from .outputs import FileOutput

PI_CAMERA = {
    "Model": "imx708",
    "Location": 2,
    "Rotation": 180,
    "Id": "/base/axi/pcie@120000/rp1/i2c@80000/imx708@1a",
    "Num": 0,
}
USB_CAMERA = {
    "Model": "C270",
    "Location": 2,
    "Id": "/base/scb/pcie@7d500000/pci@0,0/usb@0,0-1.2:1.0-046d:0825",
    "Num": 1,
}


class Picamera2:
    cameras: ClassVar[list[dict[str, Any]]] = []
    busy = broken = False
    opened: Picamera2 | None = None

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return Picamera2.cameras

    def __init__(
        self, camera_num: int = 0, verbose_console: Any = None, tuning: Any = None, allocator: Any = None
    ) -> None:
        if self.busy or self.broken:
            error = RuntimeError("Camera __init__ sequence did not complete.")
            why = "Device or resource busy" if self.busy else "Input/output error"
            error.__context__ = RuntimeError(f"Failed to acquire camera: {why}")
            raise error
        self.number = camera_num
        self.configuration: dict[str, Any] = {}
        self.encoders: list[Encoder] = []
        self.started = False
        Picamera2.opened = self

    def create_video_configuration(
        self,
        main: Any = {},  # noqa: B006
        lores: Any = None,
        raw: Any = {},  # noqa: B006
        transform: Any = None,
        colour_space: Any = None,
        buffer_count: int = 6,
        controls: Any = {},  # noqa: B006
        display: Any = "main",
        encode: Any = "main",
        queue: bool = True,
        sensor: Any = {},  # noqa: B006
        use_case: str = "video",
    ) -> dict[str, Any]:
        assert lores["size"] <= main["size"]
        return {
            "main": main,
            "lores": lores,
            "transform": transform,
            "buffers": buffer_count,
            "controls": controls,
        }

    def configure(self, camera_config: Any = None) -> None:
        assert not self.started
        self.configuration = camera_config

    def start_encoder(
        self, encoder: Any = None, output: Any = None, pts: Any = None, quality: Any = None, name: Any = None
    ) -> None:
        assert isinstance(output, FileOutput)
        stream = self.configuration[name]
        if isinstance(encoder, JpegEncoder) and stream["format"] not in JpegEncoder.FORMAT_TABLE:
            raise KeyError(stream["format"])
        encoder.output, encoder.size = output, stream["size"]
        self.encoders.append(encoder)

    def stop_encoder(self, encoders: Any = None) -> None:
        self.encoders.remove(encoders)

    def start(self, config: Any = None, show_preview: Any = False) -> None:
        self.started = True

    def stop_recording(self) -> None:
        self.started = False
        self.encoders.clear()

    def close(self) -> None:
        assert not self.started
        Picamera2.opened = None

    def show(self, data: bytes) -> None:
        """Do what an encoder's thread does with a picture."""
        assert self.started
        for encoder in self.encoders:
            encoder.output.outputframe(memoryview(data))
