"""The list of pictures: name, what it shows, and the bounds. A test compares it with docs/pictures/ and the documents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
SCHEMES = ("light", "dark")
PHONE = (844, 390)
UPRIGHT = (390, 844)
DESKTOP = (1280, 800)
STILL_BYTES = 150_000
FILM_BYTES = 1_300_000


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, in a light and a dark version.

    Args:
        name: of its files, and of the function in `scenes.py` that sets it up.
        size: of the window, in CSS pixels.
        scale: device pixels of a CSS pixel.
        most: the largest file allowed, in bytes.
    """

    name: str
    size: tuple[int, int]
    scale: int = 2
    most: int = STILL_BYTES

    @property
    def is_touched(self) -> bool:
        """Whether the device has a touch screen."""
        return self.size != DESKTOP

    def file(self, scheme: str) -> Path:
        """Return where the picture is kept."""
        return FOLDER / f"{self.name}-{scheme}.webp"


FILM = Picture("film", PHONE, scale=1, most=FILM_BYTES)
PICTURES = (
    Picture("drive", PHONE),
    Picture("drive-upright", UPRIGHT),
    Picture("camera", PHONE),
    Picture("drive-desktop", DESKTOP, scale=1),
    Picture("settings", PHONE),
    Picture("pair", PHONE),
    Picture("tune-which", PHONE),
    Picture("tune-straight", PHONE),
    Picture("tune-end", PHONE),
    Picture("wiring", DESKTOP, scale=1),
    Picture("garage", DESKTOP, scale=1),
    FILM,
)
