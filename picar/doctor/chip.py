"""The PCA9685 of a motor HAT, the servo pulses of the kernel's PWM, and an ESC."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from picar.access.locations import resting
from picar.calibration.store import Overlay
from picar.config import EscConfig
from picar.doctor import bootconfig
from picar.doctor.machine import Finding, Machine
from picar.doctor.pins import why_not
from picar.motor.boards import Board
from picar.raspberrypi import CHANNELS, overlay
from picar.wirecheck import KEEPS_DRIVING
from picar.wires import Chip

FAST_HZ = 400_000
_HZ = re.compile(r"dtparam=(?:.*,)?i2c(?:_arm|1)?_baudrate=(\d+)", re.ASCII)
_HAS_OTHER_AUDIO = re.compile("(Pi|Module) [45]")  # a PWM of its own for the headphones, or no headphones


def examine(machine: Machine, model: str | None, board: Board) -> Iterator[Finding]:
    """Examine all that a motor HAT, a servo and an ESC need; on a machine that is no Pi, only the wires."""
    wires, config = board.wires, board.config
    if wires.keeps_driving:
        fix = "wire OE of the PCA9685 to GPIO 5 or 6, with 10 kΩ to 3.3 V, and set oe under [board]"
        yield Finding("motor HAT", "warning", KEEPS_DRIVING, fix)
    if model is not None:
        active = bootconfig.lines(machine.text(*bootconfig.PATHS) or "", model)
        pins = [terminal.pin for terminal in wires.pulses if terminal.pin not in CHANNELS]
        yield from _chip(machine, wires.chip, active) if wires.chip else ()
        yield from _kernel_pwm(machine, model, pins, active) if pins else ()
    calibrated = Overlay.configured(resting(), config).path
    if board.has_esc and config.esc == EscConfig() and not os.path.exists(calibrated):  # noqa: PTH110 - never raises
        message = f"not calibrated: its motor may turn at the default neutral of {config.esc.neutral_us} µs"
        fix = "take the wheels off the ground, and calibrate neutral on the page: Settings, This car, Tune the car"
        yield Finding("ESC", "warning", message, fix)


def _chip(machine: Machine, chip: Chip, active: list[str]) -> Iterator[Finding]:
    """Read the chip in a process of its own, and examine the speed of its bus."""
    if why := why_not(machine, "i2c", str(chip.bus), str(chip.address)):
        message, _, fix = why.partition(". ")
        yield Finding("motor HAT", "problem", message.rstrip("."), fix or "sudo reboot")
    else:
        place = f"0x{chip.address:02x} on I2C bus {chip.bus}"
        message = f"the PCA9685 answers at {place}, and at 0x70, which no other chip may have"
        yield Finding("motor HAT", "ok", message)
    hz = [0, *(int(found[1]) for line in active if (found := _HZ.match(line)))]
    if chip.bus == 1 and hz[-1] < FAST_HZ:
        fix = f"add dtparam=i2c_arm_baudrate={FAST_HZ} to {bootconfig.file_of(machine)}, and reboot"
        message = "the I2C bus is slower than 400 kHz: a write takes up to 2.4 ms"
        yield Finding("motor HAT", "warning", message, fix)


def _kernel_pwm(machine: Machine, model: str, pins: list[int], active: list[str]) -> Iterator[Finding]:
    """Examine the line for the kernel's PWM, of which the last one counts, and the sound output."""
    file, check = bootconfig.file_of(machine), "servo pulses"
    lines = [{use.pin for use in bootconfig.uses([line]) if use.by in bootconfig.PWM} for line in active]
    if not {*pins} <= [set(), *filter(None, lines)][-1]:
        fix = f"write {overlay(pins)} into {file}, in place of any other dtoverlay=pwm, and reboot"
        message = f"the PWM of GPIO {' and '.join(map(str, pins))} is off in {file}"
        yield Finding(check, "problem", message, fix)
    elif not machine.find("sys/class/pwm/pwmchip*"):
        yield Finding(check, "problem", "set, but not in force until the next start", "sudo reboot")
    else:
        yield Finding(check, "ok", "from the kernel's PWM")
    if bootconfig.has_parameter(active, "audio") and not _HAS_OTHER_AUDIO.search(model):
        fix = f"set dtparam=audio=off in {file}, and reboot"
        yield Finding(check, "warning", "the analogue sound output uses the same PWM", fix)
