"""The checks of the configured wires: each terminal has a pin, each pin one wire, and no pin is high at power-on.

`configfile.py` calls them after each option was checked alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from picar import extrascheck
from picar.config import TERMINALS, Config, L298NConfig
from picar.extrascheck import place
from picar.options import toml
from picar.raspberrypi import CHANNELS, PWM_CHANNELS, pin_name
from picar.wires import (
    KEYS,
    LEAST_WAY_US,
    MAY_JUMPER,
    WITH_STANDBY,
    Terminal,
    Wires,
    are_good_ends,
    full_us,
    layout_of,
    wires_of,
)

UNNAMED = "[l298n] does not name all terminals"
OF_THE_L298N = ("l298n", "left", "right")
OF_BOARDS = ("board", "layout", "motor", "steering", "esc")
SPEED_IS_ENABLE = ("l298n", "l293d")  # their terminal for the speed is the enable
PULLED_UP = (5, 6)  # at power-on, and of no common bus: for OE, which is high for off
CHIP_HZ = range(24, 1527)  # PCA9685 data sheet, section 7.3.5: PRE_SCALE from 3 to 255
BLIND_THROTTLE = 0.3  # the most of an ESC on a chip without OE
KEEPS_DRIVING = "If the Pi hangs, this board keeps driving. Only its switch stops it."


class Given(Protocol):
    """A given value and its origin."""

    @property
    def origin(self) -> str: ...  # noqa: D102 - a file, a variable or the command line
    @property
    def section(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102


def has_board(entries: Iterable[Given]) -> bool:
    """Return whether the motors are described by `[board]`, `[layout]` and `[motor.*]`."""
    return any(entry.section.split(".")[0] in OF_BOARDS for entry in entries)


def problems(
    config: Config, entries: Sequence[Given], accepted: Mapping[str, Mapping[str, Any]], *, checked: bool
) -> Iterator[str]:
    """Return the problems of the wires.

    Args:
        config: the configuration.
        entries: the given values.
        accepted: those without a problem of their own, by section.
        checked: whether no value has a problem of its own.
    """
    if config.board is None:
        yield from _pins_used_twice_by_l298n(config.l298n, entries, accepted["l298n"])
    else:
        yield from _misplaced(config, entries)
        if checked:
            origins = ", ".join(
                dict.fromkeys(e.origin for e in entries if e.section.split(".")[0] in OF_BOARDS)
            )
            yield from (f"{origins}: {problem}" for problem in _problems_of_board(config, entries))
    if checked:
        yield from _problems_of_extras(config, entries)


def warnings(config: Config, entries: Iterable[Given]) -> Iterator[str]:
    """Return the warnings about a configuration without problems."""
    if config.board is None:
        named = {entry.key for entry in entries if entry.section == "l298n"}
        yield from _unnamed_terminals(config.l298n, named)
        terminals = [("l298n", *terminal) for terminal in config.l298n.wired().items()]
    else:
        wires = wires_of(config)
        terminals = [(t.section, t.key, t.pin) for t in dict.fromkeys(wires.terminals)]
        yield from _warnings_of_chip(wires)
    yield from extrascheck.warnings(config)
    for section, key, number in terminals:
        if warning := high_at_power_on(key, number):
            yield f"[{section}] {warning}. Use {'GPIO 5 or 6' if key == 'oe' else 'one of GPIO 9 to 13 or 16 to 27'}."


def high_at_power_on(terminal: str, number: int) -> str:
    """Return a warning without full stop if this pin is not low at power-on (for OE: not high), else an empty text.

    Sources: BCM2835 ARM Peripherals p. 102; GPIO 14 and 15 are the serial port.
    """
    if terminal == "oe":
        why = "not pulled up at power-on, so the board may drive before picar does"
        return "" if number in PULLED_UP else f"oe = {number}: this pin is {why}"
    if number > 8 and number not in (14, 15):  # a channel of a chip too
        return ""
    why = "pulsed by the serial port" if number > 8 else "pulled up"
    return f"{terminal} = {number}: this pin is {why} at power-on, so a motor may run before picar does"


def _problems_of_extras(config: Config, entries: Sequence[Given]) -> Iterator[str]:
    """Yield the problems of the sections `[aux.*]`, `[lamp]` and `[range]`, with the origins of these sections."""
    ours = [entry for entry in entries if entry.section.split(".")[0] in ("aux", "lamp", "range")]
    if not ours:
        return
    origins = ", ".join(dict.fromkeys(entry.origin for entry in ours))
    yield from (f"{origins}: {problem}" for problem in extrascheck.problems(config))
    if config.board is None:
        yield from (f"{origins}: {problem}" for problem in _problems_of_pulse_pins(wires_of(config)))


def _misplaced(config: Config, entries: Iterable[Given]) -> Iterator[str]:
    """Yield the sections that do not belong to a car with `[board]` and this layout."""
    layout = layout_of(config)
    ours = {f"motor.{motor}" for motor in layout.motors}
    for origin, section in dict.fromkeys((entry.origin, entry.section) for entry in entries):
        if section == "l298n":
            yield f"{origin}: [l298n] and [board] describe the same motors. Delete one of the two."
        elif section in OF_THE_L298N:
            yield f"{origin}: [{section}] belongs to [l298n]. With [board], write its options under [motor.{section}]."
        elif section == "steering" and not layout.servo:
            yield f'{origin}: [steering] is for the layout steer-servo. Set kind = "steer-servo" under [layout], or delete it.'
        elif section == "esc" and config.board and config.board.kind != "esc":
            yield f'{origin}: [esc] is for the kind esc. Set kind = "esc" under [board], or delete the section.'
        elif section.startswith("motor.") and section not in ours:
            kind = config.layout.kind
            yield (
                f"{origin}: [{section}] is no motor of the layout {kind}, which has {', '.join(layout.motors)}. "
                "Delete the section, or change kind under [layout]."
            )


def _problems_of_board(config: Config, entries: Sequence[Given]) -> Iterator[str]:
    board = config.board
    assert board is not None
    for motor in layout_of(config).motors:
        hint = _hint_for_the_l298n(motor, entries)
        yield from (f"{p}{hint}" for p in _problems_of_motor(board.kind, motor, getattr(config.motor, motor)))
    if board.standby != "none" and board.kind not in WITH_STANDBY:
        yield f"[board] standby = {_shown(board.standby)}: the kind {board.kind} has no standby line. Delete the option."
    elif (
        board.standby != "none"
        and board.kind in SPEED_IS_ENABLE
        and any("pwm" in motor.terminals for motor in wires_of(config).motors)
    ):
        yield (
            f"[board] standby = {board.standby}: the enables of the kind {board.kind} are either the speed or the standby "
            'line. Delete the option; or, if this pin goes to all enables, set pwm = "jumper" for each motor.'
        )
    wires = wires_of(config)
    if board.swap and len(wires.motors) == 1:
        yield "[board] swap = true has no use: this car has one motor. Delete the option."
    yield from _problems_of_pulses(config, wires)
    yield from _problems_of_chip(config, wires)
    yield from _pins_used_twice(config)


def _problems_of_pulses(config: Config, wires: Wires) -> Iterator[str]:
    """Yield the problems of a steering servo and of an ESC."""
    steering, esc = config.steering, config.esc
    if wires.layout.servo and steering.pin == "none":
        yield "[steering] lacks pin: the layout steer-servo has a servo. Add the pin of its signal."
    if not are_good_ends(steering.left_us, steering.center_us, steering.right_us):
        yield (
            f"[steering] center_us = {steering.center_us} must be between left_us = {steering.left_us} and right_us = "
            f"{steering.right_us}, at least {LEAST_WAY_US} µs from each. Change one of them."
        )
    if wires.kind == "esc":
        if not wires.layout.servo:
            yield '[board] kind = "esc" drives one motor. Set kind = "steer-servo" under [layout].'
        if esc.start_us >= full_us(config):
            most = f"{full_us(config):g}"
            yield f"[esc] start_us = {esc.start_us} reaches the {most} µs of max_throttle. Lower start_us, or raise max_throttle."
    yield from _problems_of_pulse_pins(wires)


def _problems_of_pulse_pins(wires: Wires) -> Iterator[str]:
    """Yield the pins that cannot send the pulses of a servo or an ESC."""
    channels = dict[int, Terminal]()
    for terminal in wires.pulses:
        if terminal.pin in CHANNELS:
            continue
        if terminal.pin not in PWM_CHANNELS:
            yield (
                f"{place(terminal)} = {terminal.pin}: servo pulses need the kernel's PWM, which only GPIO 12, 13, 18 and 19 "
                "have, or a channel of a PCA9685. Move the wire to one of them."
            )
        elif (other := channels.setdefault(PWM_CHANNELS[terminal.pin], terminal)) is not terminal:
            yield (
                f"{place(other)} = {other.pin} and {place(terminal)} = {terminal.pin} share one PWM of the kernel. "
                "Use one of 12 and 18, and one of 13 and 19."
            )


def _problems_of_chip(config: Config, wires: Wires) -> Iterator[str]:
    board = config.board
    assert board is not None
    if wires.chip is None:
        if board.oe != "none":
            yield '[board] oe has no use without a PCA9685. Set chip = "pca9685", or delete the option.'
        places = [place(terminal) for terminal in wires.terminals if terminal.pin in CHANNELS]
        yield from (
            f'{place} is a channel. Set chip = "pca9685" under [board], or use a pin.' for place in places
        )
        return
    pins = [t.pin for t in (*wires.terminals, *wires.extras, *wires.servos, *wires.inputs)]
    if not any(pin in CHANNELS for pin in pins):
        yield (
            '[board] chip = "pca9685" has no use: no motor, servo or other output is at one of its channels. Delete the option, '
            'or write the channels as plain numbers, without "GPIO".'
        )
    if board.address == 0x70:
        yield "[board] address = 0x70 is the address to which every PCA9685 answers. Use the board's own."
    of_bus = range(2 * board.bus, 2 * board.bus + 2) if board.bus < 2 else range(0)
    if not set(of_bus).isdisjoint(pins):
        yield f"GPIO {' and '.join(map(str, of_bus))} are the I2C bus of the PCA9685. Use other pins."
    for motor in wires.motors:
        channels = {role for role, terminal in motor.terminals.items() if terminal.pin in CHANNELS}
        if channels not in (set(), {"pwm"}, {*motor.terminals}) or (
            channels == {"pwm"} and wires.kind == "phase-enable"
        ):
            yield (
                f"[motor.{motor.name}] mixes channels of the PCA9685 and pins of the header. Possible is pwm at a channel with in1 "
                "and in2 at pins. Move the wires."
            )
    if wires.chip.hz not in CHIP_HZ:
        yield f"[motors] pwm_hz = {wires.chip.hz}: a PCA9685 has 24 to 1526 Hz. Change it."
    yield from _problems_of_blind_esc(config, wires)


def _problems_of_blind_esc(config: Config, wires: Wires) -> Iterator[str]:
    """Yield the problem of an ESC that no wire stops and that may drive fast."""
    if wires.kind == "esc" and wires.keeps_driving and config.esc.max_throttle > BLIND_THROTTLE:
        yield (
            f"[esc] max_throttle = {config.esc.max_throttle:g}: without a wire to OE, nothing stops this ESC when the Pi hangs. "
            f"Wire OE and set oe under [board], or lower max_throttle to {BLIND_THROTTLE:g}."
        )


def _warnings_of_chip(wires: Wires) -> Iterator[str]:
    if wires.keeps_driving:
        yield f"{KEEPS_DRIVING} Wire OE of the PCA9685, and set oe under [board]; docs/motor-hats.md shows it."


def _shown(pin: int | str) -> int | str:
    """Return a pin as it is written in a sentence."""
    return pin_name(pin) if isinstance(pin, int) and pin in CHANNELS else pin


def _hint_for_the_l298n(motor: str, entries: Sequence[Given]) -> str:
    """Return a hint if a side of a car with `[l298n]` was taken for a motor of a `[board]`, else an empty text."""
    given = [entry.key for entry in entries if entry.section == f"motor.{motor}"]
    is_board = any(entry.section in ("board", "layout") for entry in entries)
    if is_board or not {"invert", "trim"}.issuperset(given):
        return ""
    return "".join(f" With [l298n], write {key} under [{motor}]." for key in dict.fromkeys(given))


def _problems_of_motor(kind: str, motor: str, section: Any) -> Iterator[str]:
    keys = KEYS[kind]
    has = f"the kind {kind} has {', '.join(keys)} for each motor"
    if missing := [key for key in keys if getattr(section, key) == "none"]:
        yield f"[motor.{motor}] lacks {', '.join(missing)}: {has}. Add the pin of each wire."
    for key in ("pwm", "in1", "in2"):
        value = getattr(section, key)
        if key not in keys and value != "none":
            yield f"[motor.{motor}] {key} = {toml(value)} has no use: {has}. Delete the option."
    if "pwm" in keys and section.pwm == "jumper" and kind not in MAY_JUMPER:
        yield f'[motor.{motor}] pwm = "jumper" is not possible: the kind {kind} needs this wire. Add its pin.'


def _pins_used_twice(config: Config) -> Iterator[str]:
    """Yield pins with two wires. Two motors that follow the same speed may share all their pins."""
    wires = wires_of(config)
    users: dict[int, list[str]] = {}
    of_twins = [motor.terminals for motor in wires.motors if wires.twin_of(motor) is not motor]
    shared = {terminal for terminals in of_twins for terminal in terminals.values()}
    for terminal in dict.fromkeys(wires.terminals):
        if terminal not in shared:
            users.setdefault(terminal.pin, []).append(place(terminal))
    for one, other in wires.twins(wires.swap):
        if _calibration(config, one) != _calibration(config, other):
            yield f"[motor.{one}] and [motor.{other}] share their pins and turn together. Give both the same invert and trim."
    enables = [f"[motor.{motor.name}] pwm" for motor in wires.motors]
    for number, terminals in users.items():
        if len(terminals) > 1:
            shown = pin_name(number) if wires.chip else number
            hint = (
                f' If it goes to all enables, set standby = {number} under [board] and pwm = "jumper" for each motor.'
                if terminals == enables and wires.kind in SPEED_IS_ENABLE
                else ""
            )
            yield f"{' and '.join(terminals)} = {shown}: one pin used twice. Give each wire its own.{hint}"


def _calibration(config: Config, motor: str) -> tuple[bool, float]:
    section = getattr(config.motor, motor)
    return section.invert, section.trim


def _pins_used_twice_by_l298n(
    wiring: L298NConfig, entries: Sequence[Given], accepted: Mapping[str, Any]
) -> list[str]:
    given = {e.key for e in entries if e.section == "l298n"}
    users: dict[int, list[str]] = {}
    for terminal, number in wiring.wired().items():
        if terminal in accepted or terminal not in given:  # a refused number has its own problem
            users.setdefault(number, []).append(terminal)
    problems = []
    for number, terminals in users.items():
        if len(terminals) > 1 and terminals != ["ena", "enb"]:
            origins = {e.origin for e in entries if e.section == "l298n" and e.key in terminals}
            both = " and ".join(f"{terminal} = {number}" for terminal in terminals)
            problems.append(
                f"{', '.join(sorted(origins))}: [l298n] {both}: one pin used twice. Give each wire its own."
            )
    return problems


def _unnamed_terminals(wiring: L298NConfig, named: set[str]) -> Iterable[str]:
    """Warn of default pins that complete a wiring with some given terminals."""
    rest = {terminal: number for terminal, number in wiring.wired().items() if terminal not in named}
    if rest and not named.isdisjoint(TERMINALS):
        pins = ", ".join(f"{terminal} = {number}" for terminal, number in rest.items())
        yield f"{UNNAMED}; picar drives the default pins of the others: {pins}. Name all six."
