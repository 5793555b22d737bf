from __future__ import annotations

import io
from typing import Any


class FileOutput:
    def __init__(self, file: Any = None, pts: Any = None, split: Any = None) -> None:
        if not isinstance(file, io.BufferedIOBase):
            raise RuntimeError("Must pass io.BufferedIOBase")  # noqa: TRY004 - as picamera2 does
        assert not isinstance(getattr(file, "raw", None), io.RawIOBase)
        self._fileoutput = file

    def outputframe(self, frame: Any) -> None:
        self._fileoutput.write(frame)
        self._fileoutput.flush()
