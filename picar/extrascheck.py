"""The checks of `[aux.*]`, `[lamp]` and `[range]`; `wirecheck.py` has those of the motors."""

from __future__ import annotations

from collections.abc import Iterator

from picar.config import MOST_AUX, AuxConfig, Config
from picar.options import toml
from picar.raspberrypi import CHANNELS, pin_name
from picar.wires import LEAST_WAY_US, Terminal, Wires, wires_of

DRIVE_KEYS = "wasd[]"
AXIS_KEYS = "ijkl"
PAD_BUTTONS = (1, 4, 5, 6, 7, 12, 13, 14, 15)  # STOP, speed limit and driving: static/js/inputs/gamepad.js
_NEEDS = {"hcsr04": ("trigger", "echo"), "switch": ("switch",)}


def problems(config: Config) -> Iterator[str]:
    """Return the problems of the outputs beside the motors and of the distance sensor, each about a named section."""
    if len(config.aux) > MOST_AUX:
        yield f"[aux.*] has {len(config.aux)} outputs. The most is {MOST_AUX}. Delete some."
    for name, one in config.aux.items():
        yield from (f"[aux.{name}] {problem}" for problem in _problems_of_one(one))
    yield from _asked_twice(config)
    yield from _problems_of_range(config)
    yield from _problems_of_pins(wires_of(config))


def warnings(config: Config) -> Iterator[str]:
    """Return the warnings about parts without a source, delays of a stop, and outputs that are on before picar starts."""
    sensor, battery = config.range, config.battery
    if sensor.source == "none" and {sensor.trigger, sensor.echo, sensor.switch} != {"none"}:
        yield '[range] has pins, but source = "none": the car has no distance sensor. Set source, or delete the pins.'
    if battery.source == "none" and battery.cells and battery.chemistry != "power-bank":
        yield f'[battery] cells = {battery.cells}, but source = "none": the battery is not measured. Set source, or delete cells.'
    wires = wires_of(config)
    if config.range.source == "vl53l0x" and wires.chip and wires.keeps_driving:
        yield (
            f'[range] source = "vl53l0x": on bus {wires.chip.bus}, that of the PCA9685, the sensor could delay a stop, because OE has no '
            "wire. Use another bus, or wire OE and set oe under [board]."
        )
    for terminal in wires.extras:
        if terminal.section != "range" and (terminal.pin < 9 or terminal.pin in (14, 15)):
            yield (
                f"{place(terminal)} = {terminal.pin}: this pin is not low at power-on, so this output may be on before picar "
                "starts. Use one of GPIO 9 to 13 or 16 to 27."
            )


def place(terminal: Terminal) -> str:
    """Return the option of a terminal as a sentence names it."""
    return f"[{terminal.section}] {terminal.key}"


def _problems_of_one(one: AuxConfig) -> Iterator[str]:
    is_servo = one.kind == "servo"
    if one.pin == "none":
        yield "lacks pin. Add the pin of its wire."
    if one.axis and not is_servo:
        yield f'axis = {toml(one.axis)} is for a servo. Set kind = "servo", or delete the option.'
    if one.follow:
        yield from _problems_of_follower(one)
    if one.tone_hz and (is_servo or one.kind == "dimmer"):
        yield f"tone_hz = {one.tone_hz} has no use for the kind {one.kind}. Delete the option."
    elif one.tone_hz and one.pin in CHANNELS:
        yield f"tone_hz = {one.tone_hz}: all channels of a PCA9685 have one frequency. Use a pin of the header."
    if is_servo and abs(one.right_us - one.left_us) < 2 * LEAST_WAY_US:
        yield (
            f"left_us = {one.left_us} and right_us = {one.right_us} must be at least {2 * LEAST_WAY_US} µs apart. "
            "Change one of them."
        )
    if one.key and (len(one.key) != 1 or not one.key.isalnum() or not one.key.isascii()):
        yield f"key = {toml(one.key)} is not one letter or digit, like h."
    elif one.key and one.key.lower() in DRIVE_KEYS:
        yield f"key = {toml(one.key)} drives the car. Use another key."
    if one.button in PAD_BUTTONS:
        yield f"button = {one.button} of a gamepad drives the car, stops it or changes its speed limit. Use another one."


def _problems_of_follower(one: AuxConfig) -> Iterator[str]:
    if one.kind == "servo":
        yield f"follow = {toml(one.follow)} is for a light. A servo cannot follow the car. Delete the option."
    if one.key or one.button >= 0:
        option = "key" if one.key else "button"
        yield f"{option} has no use: an output with follow is switched by the car alone. Delete the option."


def _asked_twice(config: Config) -> Iterator[str]:
    """Yield axes, keys and buttons of two outputs, and keys of the second stick."""
    has_axes = any(one.axis for one in config.aux.values())
    for option, unset in (("axis", ""), ("key", ""), ("button", -1)):
        users: dict[str | int, str] = {}
        for name, one in config.aux.items():
            value = getattr(one, option)
            value = value.lower() if isinstance(value, str) else value
            if value == unset:
                continue
            if option == "key" and has_axes and value in AXIS_KEYS:
                yield f"[aux.{name}] key = {toml(value)} moves the servos of the second stick. Use another key."
            if value in users:
                both = f"[aux.{users[value]}] and [aux.{name}]"
                yield f"{both} have the same {option} = {toml(value)}. Change one of them."
            users.setdefault(value, name)


def _problems_of_range(config: Config) -> Iterator[str]:
    sensor = config.range
    for key in _NEEDS.get(sensor.source, ()):
        if getattr(sensor, key) == "none":
            yield f"[range] lacks {key}: the source {sensor.source} has this wire. Add its pin."
    if sensor.source != "none" and sensor.stop_m >= sensor.slow_m:
        yield f"[range] stop_m = {sensor.stop_m:g} must be less than slow_m = {sensor.slow_m:g}. Change one of them."
    if sensor.source == "sim" and config.motors.backend not in ("auto", "sim"):
        yield (
            f'[range] source = "sim" is the sensor of the simulated car, but [motors] backend = "{config.motors.backend}" drives another '
            'car. Name the sensor of this car, or set source = "none".'
        )


def _problems_of_pins(wires: Wires) -> Iterator[str]:
    """Yield pins with two wires of which one is not a motor's, and channels without a chip."""
    extras = (*wires.extras, *wires.servos, *wires.inputs)
    users: dict[int, list[Terminal]] = {}
    for terminal in (*dict.fromkeys(wires.terminals), *extras):
        users.setdefault(terminal.pin, []).append(terminal)
    for number, terminals in users.items():
        if len(terminals) > 1 and terminals[-1] in extras:
            both = " and ".join(dict.fromkeys(map(place, terminals)))
            shown = pin_name(number) if wires.chip else number
            yield f"{both} = {shown}: one pin used twice. Give each wire its own."
    if wires.chip is None:
        yield from (
            f'{place(terminal)} is a channel. Set chip = "pca9685" under [board], or use a pin.'
            for terminal in extras
            if terminal.pin in CHANNELS
        )
