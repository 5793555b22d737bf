"""The one name of libcamera that picar uses."""

from __future__ import annotations


class Transform:
    def __init__(
        self, *, rotation: int = 0, hflip: bool = False, vflip: bool = False, transpose: bool = False
    ) -> None:
        self.hflip, self.vflip = hflip, vflip
