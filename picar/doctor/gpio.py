"""The GPIO libraries: which are there, and whether picar's choice really drives the motor pins."""

from __future__ import annotations

from collections.abc import Iterator

from picar.config import Config
from picar.doctor.findings import Finding
from picar.doctor.machine import Machine
from picar.files import UNIT_FILE
from picar.motor.boards import board_of
from picar.program import command

LIBRARIES = ("lgpio", "rpigpio", "gpiozero")
_AUTO = ("lgpio", "rpigpio")  # as `picar.motor.pins` takes them
_NO_CHIP = "update the kernel: sudo apt full-upgrade && sudo reboot"


def libraries(machine: Machine, model: str | None, settings: Config, may_claim: bool) -> Iterator[Finding]:
    """Try each library without a pin, and the one that picar takes with the motor pins.

    Args:
        machine: where.
        model: of the Raspberry Pi, None elsewhere.
        settings: the backend, and where the configuration is.
        may_claim: whether the motor pins may be driven low: not when something else uses one.
    """
    wanted = settings.motors.backend
    if wanted in ("sim", "mock") or (wanted == "auto" and model is None):
        yield _no_pins(wanted, model)
        return
    order = _AUTO if wanted == "auto" else (wanted,)
    why_not = {name: _try(machine, name) for name in dict.fromkeys((*order, *(LIBRARIES if model else ())))}
    chosen = next((name for name in order if not why_not[name]), None)
    for name, why in why_not.items():
        yield _library(machine, name, why, needed=chosen is None and name == order[0])
    if chosen is None:
        yield _none(wanted, model)
    elif not may_claim:
        yield Finding(
            "pins", "warning", f"{chosen} works; not tried with the motor pins, because of the problems above"
        )
    else:
        yield _claim(machine, chosen, settings)


def _no_pins(wanted: str, model: str | None) -> Finding:
    if model is None:
        return Finding(
            "pins", "ok", "sim: a simulated car, for this is no Raspberry Pi" if wanted != "mock" else "mock"
        )
    fix = 'delete backend under [motors], or write backend = "auto"'
    return Finding("pins", "warning", f"{wanted}: no real pin will be touched, although this is a Pi", fix)


def _try(machine: Machine, name: str) -> str:
    """Return why a library cannot be used, empty when it can."""
    answer = machine.ask(machine.interpreter, "-m", "picar.doctor.probe", name)
    if answer is None:
        return f"{machine.interpreter} cannot be started."
    if answer.code is None:
        return "it does not answer. Restart the Pi: sudo reboot"
    last = answer.err.strip().splitlines()[-1:] or ["it ended without a word."]
    return (
        ""
        if answer.code == 0
        else (answer.err if answer.code == 1 else f"it crashes ({answer.code}): {last[0]}")
    )


def _library(machine: Machine, name: str, why: str, needed: bool) -> Finding:
    if not why:
        return Finding(name, "ok", "works")
    message, _, fix = why.partition(". ")
    if not needed:
        return Finding(name, "ok", f"not needed; it cannot be used: {message.rstrip('.')}")
    if "no permission" in message and machine.has(UNIT_FILE):
        return Finding(name, "warning", f"{message}; the service may use it, you may not", fix)
    return Finding(name, "problem", message.rstrip("."), fix or _NO_CHIP)


def _none(wanted: str, model: str | None) -> Finding:
    if model is None:
        message, fix = f"{wanted} cannot be used here", 'write backend = "auto" under [motors]'
    else:
        message, fix = "nothing can set them", "mend the first of the libraries above"
    return Finding(
        "pins", "problem", message, f"{fix}, or drive a simulated car: {command('serve --pins sim')}"
    )


def _claim(machine: Machine, chosen: str, settings: Config) -> Finding:
    """Drive the motor pins low, unless another picar has them: that is its lock's business."""
    config = () if settings.source == "defaults" else ("--config", settings.source)
    answer = machine.ask(machine.interpreter, "-m", "picar", "pins-low", "--pins", chosen, *config)
    numbers = ", ".join(str(pin) for pin in sorted(set(board_of(settings).terminals().values())))
    if answer is not None and answer.code == 0:
        return Finding("pins", "ok", f"{chosen} drives GPIO {numbers} (now low)")
    if answer is None or answer.code is None:
        return Finding("pins", "problem", f"{chosen} does not come back from the motor pins", "sudo reboot")
    message, _, fix = (
        (answer.err.splitlines() or ["picar: it failed."])[-1].removeprefix("picar: ").partition(". ")
    )
    if message.startswith("Another picar has"):
        process = message.rpartition(", ")[2] if "process" in message else "another process"
        return Finding("pins", "ok", f"{chosen}; in use by the running picar ({process}), so not tried")
    return Finding("pins", "problem", f"{chosen}: {message}", fix or "sudo fuser -v /dev/gpiochip*")
