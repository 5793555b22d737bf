"""The pins of the motors and the other parts: those that are in use elsewhere or high before picar runs, and the library that drives them."""

from __future__ import annotations

from collections.abc import Iterator

from picar.config import Config
from picar.doctor import bootconfig
from picar.doctor.bootconfig import Use
from picar.doctor.machine import Finding, Machine
from picar.files import UNIT_FILE
from picar.motor.boards import Board
from picar.motor.pins import AUTO, REAL
from picar.program import command
from picar.raspberrypi import CHANNELS, PWM_CHANNELS
from picar.wirecheck import PULLED_UP, high_at_power_on

WELL = Finding("wiring", "ok", "no motor pin is pulled up at power-on or used by something else")
_GOOD = (25, 17, 27, 22, 23, 24, 26, 16, 20, 21, 19, 18, 13, 12)  # low at power-on, and not of a common bus
_NO_CHIP = "update the kernel: sudo apt full-upgrade && sudo reboot"


def hazards(machine: Machine, model: str | None, board: Board) -> Iterator[Finding]:
    """Examine each pin.

    Args:
        machine: its config.txt is read.
        model: of the Raspberry Pi, None elsewhere.
        board: the motor board.
    """
    active = bootconfig.lines(machine.text(*bootconfig.PATHS) or "", model)
    pulses = {terminal.pin for terminal in board.wires.pulses}
    foreign = (
        use for use in bootconfig.uses(active) if use.pin not in pulses or use.by not in bootconfig.PWM
    )
    users = {use.pin: use for use in foreign}
    wires = board.wires
    quiet = {
        *wires.inputs,
        *wires.servos,
        *(t for t in wires.extras if t.section == "range"),
    }  # a high level does nothing
    terminals = dict.fromkeys((*wires.terminals, *wires.extras, *wires.servos, *wires.inputs))
    taken = {terminal.pin for terminal in terminals}
    for section, key, number in terminals:
        may_be_high = key == "oe" or (section, key, number) in quiet
        effect = "a motor may run" if (section, key, number) in wires.terminals else "this output may be on"
        is_oe = key == "oe"
        good = PULLED_UP if is_oe else PWM_CHANNELS if number in pulses else _GOOD
        free, fixes = [pin for pin in good if pin not in users and pin not in taken], []
        if free:
            value = f'"GPIO{free[0]}"' if board.wires.chip else free[0]
            fixes = [f"move its wire to GPIO {free[0]} and set {key} = {value} under [{section}]"]
        terminal = key if section == "l298n" else f"[{section}] {key}"
        if number in users and not (may_be_high and users[number].drives_high):
            fixes.append(f"delete that line from {bootconfig.file_of(machine)}, and reboot")
            yield Finding(
                "wiring",
                "problem",
                f"{terminal} = {number}: {_harm(users[number], effect)}",
                "; or ".join(fixes),
            )
        elif (section, key, number) not in quiet and (
            warning := high_at_power_on("oe" if is_oe else terminal, number)
        ):
            yield Finding("wiring", "warning", warning.replace("a motor may run", effect), "".join(fixes))
        else:
            continue
        taken.update(free[:1])


def _harm(use: Use, effect: str) -> str:
    if use.drives_high:
        return f"the line {use.line} makes this pin high at boot: {effect} before picar does"
    return f"this pin is used by {use.by} ({use.line})"


def libraries(
    machine: Machine, model: str | None, settings: Config, board: Board, may_claim: bool
) -> Iterator[Finding]:
    """Try each library without a pin, and the one that picar uses with the motor pins.

    Args:
        machine: the machine to try them on.
        model: of the Raspberry Pi, None elsewhere.
        settings: the backend, and the path of the configuration.
        board: the motor board.
        may_claim: whether the motor pins may be driven low: not if another device uses one.
    """
    wanted = settings.motors.backend
    if wanted in ("sim", "mock") or (wanted == "auto" and model is None):
        yield _no_pins(wanted, model)
        return
    order = AUTO if wanted == "auto" else (wanted,)
    refusals = {name: why_not(machine, name) for name in dict.fromkeys((*order, *(REAL if model else ())))}
    chosen = next((name for name in order if not refusals[name]), None)
    for name, why in refusals.items():
        yield _library(machine, name, why, needed=chosen is None and name == order[0])
    if chosen is None:
        yield _without_library(wanted, model)
    elif not may_claim:
        yield Finding(
            "pins", "warning", f"{chosen} works; not tried with the motor pins, because of the problems above"
        )
    else:
        yield _claim(machine, chosen, settings, board)


def _no_pins(wanted: str, model: str | None) -> Finding:
    if model is None:
        return Finding(
            "pins", "ok", "sim: a simulated car, for this is no Raspberry Pi" if wanted != "mock" else "mock"
        )
    fix = 'delete backend under [motors], or write backend = "auto"'
    return Finding("pins", "warning", f"{wanted}: no real pin will be touched, although this is a Pi", fix)


def why_not(machine: Machine, *name: str) -> str:
    """Return why a library or a chip cannot be used, empty when it can."""
    return probe(machine, *name)[0]


def probe(machine: Machine, *name: str) -> tuple[str, str]:
    """Use a library or a chip in a process of its own. Return why that is not possible, empty when it is, and its output."""
    answer = machine.ask(machine.interpreter, "-m", "picar.doctor.probe", *name)
    if answer is None:
        return f"{machine.interpreter} cannot be started.", ""
    if answer.code is None:
        return "it does not answer. Restart the Pi: sudo reboot", ""
    if answer.code in (0, 1):
        return answer.err if answer.code else "", answer.out
    last = answer.err.strip().splitlines()[-1:] or ["it ended without a word."]
    return f"it crashes ({answer.code}): {last[0]}", ""


def _library(machine: Machine, name: str, why: str, needed: bool) -> Finding:
    if not why:
        return Finding(name, "ok", "works")
    message, _, fix = why.partition(". ")
    if not needed:
        return Finding(name, "ok", f"not needed; it cannot be used: {message.rstrip('.')}")
    if "no permission" in message and machine.has(UNIT_FILE):
        return Finding(name, "warning", f"{message}; the service may use it, you may not", fix)
    return Finding(name, "problem", message.rstrip("."), fix or _NO_CHIP)


def _without_library(wanted: str, model: str | None) -> Finding:
    if model is None:
        message, fix = f"{wanted} cannot be used here", 'write backend = "auto" under [motors]'
    else:
        message, fix = "nothing can set them", "mend the first of the libraries above"
    return Finding(
        "pins", "problem", message, f"{fix}, or drive a simulated car: {command('serve --pins sim')}"
    )


def _claim(machine: Machine, chosen: str, settings: Config, board: Board) -> Finding:
    """Drive the motor pins low; the lock of a running picar prevents it."""
    config = () if settings.source == "defaults" else ("--config", settings.source)
    answer = machine.ask(machine.interpreter, "-m", "picar", "pins-low", "--pins", chosen, *config)
    used = sorted({terminal.pin for terminal in (*board.wires.terminals, *board.wires.extras)})
    header = ", ".join(str(pin) for pin in used if pin not in CHANNELS)
    channels = ", ".join(str(pin - CHANNELS[0]) for pin in used if pin in CHANNELS)
    named = " and ".join(["GPIO " + header] * bool(header) + ["channels " + channels] * bool(channels))
    if answer is not None and answer.code == 0:
        return Finding(
            "pins",
            "ok",
            f"{chosen} drives {named} (now {'at rest' if board.wires.chip or board.wires.pulses else 'low'})",
        )
    if answer is None or answer.code is None:
        return Finding("pins", "problem", f"{chosen} does not come back from the motor pins", "sudo reboot")
    message, _, fix = (
        (answer.err.splitlines() or ["picar: it failed."])[-1].removeprefix("picar: ").partition(". ")
    )
    if message.startswith("Another picar has"):
        process = message.rpartition(", ")[2] if "process" in message else "another process"
        return Finding("pins", "ok", f"{chosen}; in use by the running picar ({process}), so not tried")
    return Finding("pins", "problem", f"{chosen}: {message}", fix or "sudo fuser -v /dev/gpiochip*")
