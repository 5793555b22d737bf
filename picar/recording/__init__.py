"""Recordings of drives: the file format, its channels, reading, repair and exports. Nothing here drives the car."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from picar.config import RecordingConfig

SUFFIX = ".mcap"
NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")  # of a recording, without the suffix
TOPICS = ("/picar/cmd", "/picar/wheels", "/picar/state", "/picar/event", "/pose", "/camera")  # of a timeline


def folder_of(config: RecordingConfig, state: Path) -> Path:
    """Return the folder of the recordings; `state` is picar's state directory."""
    return Path(config.folder).absolute() if config.folder else state / "recordings"
