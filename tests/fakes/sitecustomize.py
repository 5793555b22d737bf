"""Install the fakes that a process cannot import by the name of a library, where the environment names them."""

import os

if os.environ.get("PICAR_FAKE_I2C"):
    from tests.fakes.i2c_chip import I2cBus

    I2cBus.here().install()
if _folder := os.environ.get("PICAR_FAKE_PWM"):
    from picar.motor.pins import kernelpwm

    kernelpwm.ROOT = _folder
