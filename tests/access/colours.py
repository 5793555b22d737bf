"""How different two colours look to people with full sight, protanopia, deuteranopia or tritanopia.

The simulation is of Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
Deficiency" (2009), severity 1, in linear sRGB. The distance is CIE 1976 ΔE in L*a*b* under D65.
"""

from __future__ import annotations

import math

APART = 17.0  # Okabe and Ito's eight colours have 16.05
_SIGHTS = (
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
)
_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_WHITE = (0.95047, 1.0, 1.08883)
Triple = tuple[float, ...]


def distance(one: str, other: str) -> float:
    """Return the smallest ΔE of two colours, each six hex digits, over all four sights."""
    return min(math.dist(_lab(one, sight), _lab(other, sight)) for sight in _SIGHTS)


def _lab(colour: str, sight: tuple[Triple, ...]) -> Triple:
    linear = tuple(_linear(int(colour[i : i + 2], 16) / 255) for i in (0, 2, 4))
    seen = tuple(min(1.0, max(0.0, part)) for part in _times(sight, linear))
    x, y, z = (_root(part / white) for part, white in zip(_times(_TO_XYZ, seen), _WHITE, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _times(matrix: tuple[Triple, ...], vector: Triple) -> Triple:
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _root(part: float) -> float:
    return part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116
