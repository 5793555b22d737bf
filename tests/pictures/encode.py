"""WebP files within their bounds, by Pillow."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

QUALITIES = (90, 82, 74, 66, 58, 50, 42, 34)  # tried in this order
FILM_QUALITIES = QUALITIES[3:]  # each attempt takes seconds


class TooLargeError(ValueError):
    """A picture does not fit into its bound at the lowest quality."""


def still(shot: bytes, file: Path, most: int) -> int:
    """Write a screenshot. Returns the size of the file in bytes."""
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    return _write(file, most, lambda quality, to: image.save(to, "WEBP", quality=quality, method=6))


def film(frames: list[tuple[float, bytes]], file: Path, most: int) -> int:
    """Write an animation that repeats. Returns the size of the file in bytes.

    Args:
        frames: the time of each in s, and its picture.
        file: where to write it.
        most: the largest size in bytes.
    """
    images = [Image.open(io.BytesIO(shot)).convert("RGB") for _, shot in frames]
    times = [time for time, _ in frames]
    lasts = [round(1000 * (after - before)) for before, after in itertools.pairwise(times)] + [1500]

    def save(quality: int, to: io.BytesIO) -> None:
        images[0].save(
            to,
            "WEBP",
            save_all=True,
            append_images=images[1:],
            duration=lasts,
            loop=0,
            quality=quality,
            method=4,
        )

    return _write(file, most, save, FILM_QUALITIES)


def _write(
    file: Path, most: int, save: Callable[[int, io.BytesIO], None], qualities: Sequence[int] = QUALITIES
) -> int:
    """Write the file in the best quality that fits."""
    for quality in qualities:
        save(quality, packed := io.BytesIO())
        if packed.tell() <= most:
            file.write_bytes(packed.getvalue())
            return packed.tell()
    raise TooLargeError(f"{file.name} does not fit into {most} bytes.")
