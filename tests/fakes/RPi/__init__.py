"""RPi.GPIO, or rpi-lgpio, which has its name."""

import sys

from tests.fakes.board import Board

if Board.here().says("rpigpio", "rpi-lgpio"):
    import tests.fakes.rpi_lgpio as GPIO

    sys.modules["RPi.GPIO"] = GPIO
