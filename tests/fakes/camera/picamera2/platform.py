from __future__ import annotations

from enum import Enum


class Platform(Enum):
    VC4 = 0
    PISP = 1


current = Platform.VC4


def get_platform() -> Platform:
    return current
