"""A further kind of board, as a row of the tables: PWM, direction and brake inputs, like an LMD18200's."""

from __future__ import annotations

from picar import wires
from picar.config import BoardConfig, Config, DriveConfig, MotorConfig, MotorSections
from picar.motor.boards.kinds import BRAKE, COAST, FORWARD, KINDS, REVERSE, Kind

NAME = "dir-brake"
STANDBY, LEFT, RIGHT = 4, (12, 9, 10), (13, 7, 25)
TERMINALS = ("pwm", "in1", "in2")
KIND = Kind(
    TERMINALS,
    {"--1": BRAKE, "0-0": COAST, "110": FORWARD, "100": REVERSE},
    forward="D10",
    reverse="D00",
    coast="000",
    brake="001",
)
CONFIG = Config(
    board=BoardConfig(kind=NAME, standby=STANDBY),  # type: ignore[arg-type]
    motor=MotorSections(left=MotorConfig(*LEFT), right=MotorConfig(*RIGHT)),
    drive=DriveConfig(accel=20.0),
)


def add() -> None:
    """Add the row."""
    KINDS[NAME] = KIND
    wires.KEYS[NAME] = TERMINALS


def remove() -> None:
    """Remove the row."""
    del KINDS[NAME], wires.KEYS[NAME]
