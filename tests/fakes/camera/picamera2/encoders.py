from __future__ import annotations

from typing import Any, ClassVar

from .outputs import FileOutput


class Encoder:
    output: FileOutput
    size: tuple[int, int]


class JpegEncoder(Encoder):
    FORMAT_TABLE: ClassVar = {"XBGR8888": "RGBX", "XRGB8888": "BGRX", "BGR888": "RGB", "RGB888": "BGR"}

    def __init__(
        self,
        num_threads: int = 4,
        q: int | None = None,
        colour_space: Any = None,
        colour_subsampling: str = "420",
    ) -> None:
        self.q = q


class MJPEGEncoder(Encoder):
    def __init__(self, bitrate: int | None = None) -> None:
        self.bitrate = bitrate
