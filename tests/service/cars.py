"""Configurations of boards that need a device, and what their unit must allow."""

from __future__ import annotations

_MOTORS = """[board]
kind = "tb6612"
chip = "pca9685"
[layout]
kind = "sides"
[motor.left]
pwm = "CH8"
in1 = "CH10"
in2 = "CH9"
[motor.right]
pwm = "CH13"
in1 = "CH11"
in2 = "CH12"
"""
_SERVO = """[board]
kind = "l298n"
{board}
[layout]
kind = "steer-servo"
[motor.drive]
pwm = "GPIO13"
in1 = "GPIO23"
in2 = "GPIO24"
[steering]
pin = {pin}
"""
_ESC = """[board]
kind = "esc"
[layout]
kind = "steer-servo"
[motor.drive]
pwm = 13
[steering]
pin = 12
"""
I2C = ("SupplementaryGroups=i2c", "DeviceAllow=char-i2c rw")
PWM = ("ReadWritePaths=-/sys/class/pwm -/sys/devices/platform",)
CARS = {
    "default": ("", ()),
    "hat": (_MOTORS, I2C),
    "servo": (_SERVO.format(board="", pin=12), PWM),
    "servo-of-a-chip": (_SERVO.format(board='chip = "pca9685"', pin='"CH0"'), I2C),
    "servo-beside-a-chip": (
        _SERVO.format(board='chip = "pca9685"', pin='"GPIO12"').replace('"GPIO13"', '"CH1"'),
        (*I2C, *PWM),
    ),
    "esc": (_ESC, PWM),
    "battery": ('[battery]\nsource = "ina219"\n', I2C),
    "parts": (
        '[range]\nsource = "hcsr04"\ntrigger = 5\necho = 6\n[aux.horn]\npin = 17\n[lamp]\npin = 25\n',
        (),
    ),
    "pan": ('[aux.pan]\nkind = "servo"\npin = 18\n', PWM),
}
