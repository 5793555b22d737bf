"""`picar setup`: questions about a new car, its configuration file, and the first turn of each motor.

Laws:
- Ctrl-C and Ctrl-D end it at every question, and nothing more is written.
- The first write keeps the file of before beside the new one; sections without a question go into the new file.
- No motor turns before the answer yes. `picar/motor/jog.py` lists the ways in which a turning motor is stopped.
"""

from __future__ import annotations

import argparse
import copy
import errno
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from picar import configfile, wirecheck
from picar.access.locations import resting
from picar.calibration.store import Overlay
from picar.commands import common
from picar.config import (
    SECTIONS,
    BackendName,
    BoardConfig,
    Config,
    L298NConfig,
    MotorConfig,
    ServerConfig,
    section_type,
)
from picar.errors import ConfigError, FileError, UsageError
from picar.files import UNIT_FILE, check_writable, keep_old, replace
from picar.layouts import LAYOUTS, MOTORS
from picar.options import Option, options_of, toml
from picar.program import command
from picar.raspberrypi import CHANNELS, PWM_CHANNELS, pin_name
from picar.wires import KEYS, MAY_JUMPER, calibrated_section, wires_of

BOARDS = {
    "l298n": "L298N: the red board with a heat sink",
    "tb6612": "TB6612FNG",
    "drv8833": "DRV8833, or a small board with MX1508 or TC1508",
    "l293d": "L293D, as a chip or on a board for the Pi (not the Arduino shield)",
    "l9110s": "L9110S, also sold as HG7881",
    "bts7960": "BTS7960, also sold as IBT-2: one board for each motor",
    "phase-enable": "DRV8835, or another board with PHASE and ENABLE",
    "esc": "ESC: the speed controller of an RC car, with a steering servo",
}
_HAT = "motor HAT with a PCA9685"
_LAYOUTS = {
    "sides": "a left and a right side; motors of one side may share its wires",
    "four": "four motors, each with wires of its own",
    "steer-motor": "one motor drives, and one motor turns the front wheels",
    "steer-servo": "one motor drives, and a servo turns the front wheels",
}
_WHEELS = {"left": "left side", "right": "right side", "drive": "driving wheels", "steer": "front wheels"}
_WHEELS["servo"] = _WHEELS["steer"]
_WAYS = {"steer": ("right", "left"), "servo": ("left, then right", "right, then left")}
_POOL = (12, 23, 24, 13, 27, 22, 17, 25, 16, 26, 20, 21, 19, 18, 10, 9, 11)  # low at power-on, the best first
_PULSES = "A channel of a PCA9685 (CH0 to CH15), or GPIO 12, 13, 18 or 19 (not 12 with 18, nor 13 with 19)."
_ESC_BACKWARD = "Exchange two of the motor's wires at the ESC, or use the ESC's own reverse setting."
_HELLO = "Some questions about this car. Enter takes the answer in [brackets], ? explains, Ctrl-C ends and writes nothing.\n"
_CAUSES = """\
  - Is the motor battery charged, connected and switched on?
  - Does a wire connect GND of the Pi with GND of the board?
  - Is each wire of this motor at its pin? {}.
  - Is a terminal for speed or standby that has no wire held high, by its jumper or by 3.3 V?
  - Does the motor hum? The next turn has more power."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", metavar="FILE", help="the file to write; default as for serve")
    parser.add_argument("--pins", choices=get_args(BackendName), help="what sets the pins of the first test")


def run(options: argparse.Namespace) -> int:
    """Ask about a new car, write its configuration, and test each motor."""
    if not sys.stdin.isatty():
        other = command("wiring --preset NAME --write FILE")
        raise UsageError(f"picar setup asks questions: run it in a terminal. Without questions: {other}")
    setup, code = Setup(options), 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    try:
        if setup.ask():
            setup.test()
    except (KeyboardInterrupt, EOFError):
        print()
        code = 130
    print(setup.how_to_start() if setup.is_written else "Nothing was written.")
    return code


def ask(question: str, default: str, check: Callable[[str], Any], why: str) -> Any:
    """Return the first answer that passes the check, as the check returns it; `?` prints `why`."""
    while True:
        answer = input(f"{question} [{default}] ").strip() or default
        try:
            if answer == "?":
                raise ValueError(why)  # noqa: TRY301
            if not answer.isprintable():
                raise ValueError("Such characters cannot be used.")  # noqa: TRY301
            return check(answer)
        except ValueError as sentence:
            print(f"  {sentence}")


def choose(question: str, choices: Mapping[str, str], default: str, why: str) -> str:
    """Ask for one of these choices, by its number or its name."""
    names = list(choices)

    def check(answer: str) -> str:
        if answer not in (*names, *map(str, range(1, len(names) + 1))):
            raise ValueError(f"Answer with a number from 1 to {len(names)}.")
        return answer if answer in names else names[int(answer) - 1]

    print(f"\n{question}")
    for number, sentence in enumerate(choices.values(), start=1):
        print(f"  {number:>2}  {sentence}")
    return str(ask("Number:", str(names.index(default) + 1), check, why))


def confirm(question: str, default: bool, why: str) -> bool:
    """Ask for yes or no."""
    words = {"yes": True, "y": True, "no": False, "n": False}

    def check(answer: str) -> bool:
        if answer.lower() not in words:
            raise ValueError("Answer with yes or no.")
        return words[answer.lower()]

    return bool(ask(question, "yes" if default else "no", check, why))


def own_wiring() -> dict[str, dict[str, Any]]:
    """Ask for the kind of board, the layout and each pin. Returns the sections."""
    from picar.wiring.plan import KINDS
    from picar.wiring.presets import PRESETS

    kind, is_hat = _kind()
    if kind in PRESETS and is_hat:
        return dict(PRESETS[kind].sections)
    why = "Motors of one side that share their wires count as one."
    layout = "steer-servo" if kind == "esc" else choose("Which motors?", _LAYOUTS, "sides", why)
    print("\nA pin is a BCM number like 12 or GPIO12, or its place on the header like BOARD32.")
    print("A channel of a PCA9685, on a motor HAT or a servo board, is CH0 to CH15.")
    used: dict[int, str] = {}
    board, motors, pins = (options_of(section) for section in (BoardConfig, MotorConfig, L298NConfig))
    sections: dict[str, dict[str, Any]] = {"board": {"kind": kind}, "layout": {"kind": layout}}
    if KINDS[kind].standby:
        option = board["standby"]
        sections["board"]["standby"] = _pin(KINDS[kind].standby, option, option.sentence, used, "none")
    for number, motor in enumerate(LAYOUTS[layout].motors):
        section = sections[f"motor.{motor}"] = {}
        first = sections[f"motor.{LAYOUTS[layout].motors[0]}"]
        terminals = KINDS[kind].channels[number % len(KINDS[kind].channels)]
        for role, terminal in zip(KEYS[kind], terminals, strict=True):
            is_enable = role == "pwm" and kind in wirecheck.SPEED_IS_ENABLE
            if is_enable and "standby" in sections["board"]:
                section[role] = "jumper"  # the enables have one pin
                continue
            may_jumper = role == "pwm" and kind in MAY_JUMPER
            option = pins["ena" if may_jumper else "in1"]
            why = motors[role].sentence
            if motor == "steer":
                why = why.replace("forward", "a turn to the right").replace("reverse", "a turn to the left")
            shared = first["pwm"] if is_enable and number == 1 else None
            hint = " (or jumper)" if may_jumper else ""
            name = f"{_words(motor)} motor, {terminal}"
            why = _PULSES if kind == "esc" else why
            pool = CHANNELS if is_hat else PWM_CHANNELS if kind == "esc" else _POOL
            section[role] = _pin(name, option, why, used, hint=hint, shared=shared, pool=pool)
            if section[role] == shared != "jumper":
                print(f"  GPIO {shared} goes to the enables of all motors: it is the standby line.")
                sections["board"]["standby"] = shared
                first["pwm"] = section["pwm"] = "jumper"
    if LAYOUTS[layout].servo:
        sections["steering"] = {"pin": _steering_servo(kind, is_hat, used)}
    return _on_a_chip(sections) if any(pin in CHANNELS for pin in used) else sections


def _kind() -> tuple[str, bool]:
    """Ask for the kind of board. Returns it, or the name of a preset, and whether it is a motor HAT."""
    from picar.wiring.presets import PRESETS

    why = "Its name is printed on the board or on its chip."
    kind = choose("Which motor board?", BOARDS | {"hat": _HAT}, "l298n", why)
    if kind != "hat":
        return kind, False
    hats = {
        n: f"{n:<17}{one.sentence}" for n, one in PRESETS.items() if "chip" in one.sections.get("board", {})
    }
    known = choose("Which HAT?", hats | {"own": "another one: I name its channels"}, "own", why)
    return (choose("Which chip drives its motors?", BOARDS, "tb6612", why) if known == "own" else known), True


def _steering_servo(kind: str, is_hat: bool, used: dict[int, str]) -> int | str:
    option = options_of(SECTIONS["steering"])["pin"]
    taken = [PWM_CHANNELS.get(pin) for pin in used if kind == "esc"]
    free = [pin for pin, channel in PWM_CHANNELS.items() if channel not in taken]
    return _pin("steering servo", option, _PULSES, used, pool=CHANNELS if is_hat else free)


def _on_a_chip(sections: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Ask for the address of a PCA9685. Returns the sections with it, and with names of pins instead of numbers."""
    named = {
        name: {key: _name(pin) if isinstance(pin, int) else pin for key, pin in section.items()}
        for name, section in sections.items()
    }
    why = "Most HATs have 0x40, those of Adafruit 0x60."
    address = ask("I2C address of the PCA9685:", "0x40", _address, why)
    return named | {"board": named["board"] | {"chip": "pca9685", "address": address}}


def _with_named_pins(sections: dict[str, dict[str, Any]], config: Config) -> dict[str, dict[str, Any]]:
    """Return the sections with names of pins of lights and horns: a plain number means another pin on a board with a chip."""
    named = {}
    for name in sections:
        if name == "lamp" or name.startswith("aux."):
            pin = config.section(name).pin
            named[name] = sections[name] | ({"pin": _name(pin)} if isinstance(pin, int) else {})
    return sections | named


def _address(answer: str) -> int:
    try:
        return int(options_of(BoardConfig)["address"].check(int(answer, 0)))
    except ValueError:
        raise ValueError(f"{answer} is not an I2C address of a PCA9685, 0x40 to 0x7F.") from None


def _with_oe(sections: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Ask for the pin at OE of a PCA9685. Returns the sections with it."""
    taken = [value for section in sections.values() for value in section.values()]

    def check(answer: str) -> str:
        if answer not in ("none", *map(str, wirecheck.PULLED_UP)):
            raise ValueError("Answer with none, 5 or 6.")
        if f"GPIO{answer}" in taken:
            raise ValueError(f"GPIO {answer} has another wire.")
        return answer

    why = "A wire from OE, with 10 kOhm from OE to 3.3 V, switches all channels off when picar ends or the Pi restarts."
    why = f"{why} Without it: {wirecheck.KEEPS_DRIVING}"
    oe = ask("GPIO at OE of the PCA9685 (none, 5 or 6):", "none", check, why)
    return sections if oe == "none" else sections | {"board": sections["board"] | {"oe": int(oe)}}


def _name(pin: int) -> str:
    return f"CH{pin - CHANNELS[0]}" if pin in CHANNELS else f"GPIO{pin}"


def _pin(
    terminal: str,
    option: Option,
    why: str,
    used: dict[int, str],
    default: str = "",
    *,
    hint: str = "",
    shared: int | str | None = None,
    pool: Iterable[int] = _POOL,
) -> int | str:
    """Ask for the pin of a terminal, and note it in `used`; `shared` is a used pin that is an answer too."""
    if channels := [pin for pin in used if pin in CHANNELS]:
        pool = sorted(CHANNELS, key=lambda pin: pin < channels[-1])
    free, warned = next((pin for pin in pool if pin not in used), None), list[int]()
    if free is None:
        names = ", ".join(map(pin_name, pool))
        raise UsageError(
            f"{terminal} needs one of {names}, and other wires have them all. Start again, and move one."
        )

    def check(answer: str) -> int | str:
        try:
            declared = options_of(MotorConfig)["in1"] if answer.upper().startswith("CH") else option
            pin: int | str = declared.check(int(answer) if answer.isdecimal() else answer)
        except ValueError as rule:
            raise ValueError(f"{answer} is not {rule}.") from None
        if isinstance(pin, str) or pin == shared:
            return pin
        if pin in used:
            raise ValueError(
                f"{pin_name(pin)} is the pin of {used[pin]}. Each wire has its own; {pin_name(free)} is free."
            )
        warning = wirecheck.high_at_power_on(terminal, pin)
        if warning and pin not in warned:
            warned.append(pin)
            raise ValueError(
                f"{warning}. Better: {pin_name(free)}. To take {pin} all the same, name it again."
            )
        used[pin] = terminal
        return pin

    return ask(f"{terminal}{hint}:", default or _name(free), check, why)  # type: ignore[no-any-return]


class Setup:
    """The new car.

    Args:
        options: of the command line.

    Raises:
        FileError: its file cannot be written.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._serves = Path("/", UNIT_FILE).exists()
        default = configfile.SYSTEM_FILE if self._serves else Path("picar.toml")
        self._path = configfile.find_file(options.config) or default
        self._options, self.is_written = options, False
        self._sections: dict[str, dict[str, Any]] = {}
        self._right, self._left_alone = set[str](), set[str]()  # the motors by the last answers
        options.config = str(self._path)
        try:
            if self._path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            check_writable(self._path.parent)
        except OSError as error:
            raise self._cannot_write(error) from None

    def ask(self) -> bool:
        """Ask about the car, show its wiring, and write its file. Returns whether the file was written."""
        from picar.commands.wiring import in_the_terminal
        from picar.wiring.plan import plan

        print(_HELLO)
        before = self._before()
        server, camera = before.get("server", {}), before.get("camera", {})
        name, seen = options_of(ServerConfig)["name"], camera.get("source", "auto")
        server["name"] = ask("Name of the car:", server.get("name", name.default), name.check, name.sentence)
        sections = self._wired(before)
        why = "auto takes the first camera that works; without a camera the car drives all the same."
        has_camera = confirm("\nA camera, now or later?", seen != "off", why)
        camera["source"] = "off" if not has_camera else "auto" if seen == "off" else seen
        sections |= {"server": server, "camera": camera}
        extras = [section for section in sections if section.startswith("aux.")]
        self._sections = {
            section: sections[section] for section in (*SECTIONS, *extras) if section in sections
        }
        settings = configfile.of_tables(self._sections, str(self._path))
        print(f"\n{in_the_terminal(plan(settings), 'en')}", flush=True)
        common.print_warnings(settings)
        if not confirm(f"Write {self._path}?", True, "A file of this name is kept beside it."):
            return False
        self._write()
        return True

    def test(self) -> None:
        """Turn each motor, ask for the effect, and correct the configuration."""
        from picar import log

        log.to_stderr()
        settings = common.load(self._options)
        backend = common.choose_backend(settings)
        if backend == "sim":
            print(
                "\nThe motors were not tested: the simulated car shows nothing here. It drives on the page."
            )
            return
        print("\nThe first test: each motor turns alone, slowly, for a second.")
        print(f"  pins   {common.BACKENDS[backend]}")
        why = "A motor may turn the wrong way. Put the car on a box, and keep a hand at the battery switch."
        if ask("Are all wheels off the ground? Only yes goes on:", "no", str.lower, why) != "yes":
            print(f"No motor was turned. To test them later: {command('setup')}")
            return
        self._set_calibration_aside()
        done = self._right | self._left_alone
        while left := [motor for motor in _firsts(common.load(self._options)) if motor not in done]:
            self._test(left[0], backend)
            done = self._right | self._left_alone

    def how_to_start(self) -> str:
        """Return the last lines."""
        from picar.wiring.plan import plan
        from picar.wiring.text import WORDS, needs

        start = command(f"serve --config {shlex.quote(str(self._path))}")
        if self._path == configfile.SYSTEM_FILE:
            start = "sudo systemctl restart picar" if self._serves else command("serve")
        settings = configfile.load(self._path)
        overlay = Overlay.configured(resting(), settings)
        lines = [WORDS["en"]["needs"].format(need=need) for need in needs(plan(settings), WORDS["en"])]
        if os.path.exists(overlay.path) and not overlay.of_another_car():  # noqa: PTH110 - this never raises
            fix = f"To forget it, delete {overlay.path}"
            lines.append(f"A calibration made on the page is stronger than this file. {fix}")
        return "\n".join([*lines, f"The car is set up. Start it: {start}"])

    def _set_calibration_aside(self) -> None:
        """Offer to rename the page's calibration, which the test does not use and which would undo its corrections."""
        overlay = Overlay.configured(resting(), configfile.load(self._path))
        try:
            if overlay.read() is None:
                return
            print(
                f"\nThe page's calibration is stronger than this file: {overlay.path}. The test does not use it."
            )
            why = "It would undo a correction of this test. With yes, a copy of it is kept beside it."
            if confirm("Set it aside?", True, why):
                other = keep_old(overlay.path)
                overlay.forget()
                print(f"It is now {other}.")
        except (OSError, ConfigError) as error:
            print(f"{error}\nThe page's calibration stays as it is.")

    def _before(self) -> dict[str, dict[str, Any]]:
        """Return the sections of an existing file; {} after printing the faults of an unusable file."""
        try:
            sections = configfile.tables_of(self._path.read_text(encoding="utf-8-sig"))
            configfile.of_tables(sections, str(self._path))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            named = isinstance(error, ConfigError)
            reason = getattr(error, "strerror", None) or error
            print(error if named else f"{self._path} cannot be read: {reason}.")
            print("The new file begins without the values of this one.\n")
            return {}
        return {name: dict(section) for name, section in sections.items()}

    def _wired(self, before: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Ask for the wiring. Returns its sections and those of before that are not about the wiring."""
        from picar.wiring.presets import PRESETS

        wiring = (*wirecheck.OF_THE_L298N, *wirecheck.OF_BOARDS)
        others = {name: section for name, section in before.items() if name.split(".")[0] not in wiring}
        choices = {"before": f"as {self._path} has it now"} if before.keys() - others.keys() else {}
        choices |= {name: f"{name:<17}{preset.sentence}" for name, preset in PRESETS.items()}
        choices["own"] = "my own wiring: I name the board and each pin"
        why = f"To see one of them: {command('wiring --preset NAME')}"
        chosen = choose("How is the car wired?", choices, next(iter(choices)), why)
        if chosen == "before":
            return before
        others = _with_named_pins(others, configfile.of_tables(before, str(self._path)))
        if "motors" in others:
            others["motors"] = {
                k: v for k, v in others["motors"].items() if k != "pwm_hz"
            }  # of the old board
        sections = self._own() if chosen == "own" else PRESETS[chosen].sections
        sections = _with_oe(sections) if "chip" in sections.get("board", {}) else sections
        sections = others | {name: others.get(name, {}) | section for name, section in sections.items()}
        try:
            configfile.of_tables(sections, str(self._path))
        except ConfigError as error:  # a light has a pin of the new board
            print(error)
            return self._wired(before)
        return sections

    def _own(self) -> dict[str, dict[str, Any]]:
        """Ask for the wiring until the answers describe a car."""
        sections = own_wiring()
        try:
            configfile.of_tables(sections, "these answers")
        except ConfigError as error:
            print(error)
            return self._own()
        return sections

    def _write(self, corrected: str = "") -> None:
        """Write the file in one step; the first time, keep the file of before."""
        blocks = ["# This car, as answered to picar setup. All options: picar config-reference\n"]
        for name, section in self._sections.items():
            if not section:
                continue
            motor = name.removeprefix("motor.")
            about = f"The {_words(motor)} motor." if motor in MOTORS else section_type(name).__doc__ or ""
            lines = (f"{key} = {toml(value)}" for key, value in section.items())
            blocks.append("\n".join([f"# {about.splitlines()[0]}", f"[{name}]", *lines, ""]))
        try:
            if not self.is_written and os.path.lexists(self._path):
                print(f"The file of before is now {keep_old(self._path)}.")
            replace(self._path, "\n".join(blocks), 0o644)
        except OSError as error:
            raise self._cannot_write(error) from None
        self.is_written = True
        print(f"{self._path} is written. {corrected}")

    def _cannot_write(self, error: OSError) -> FileError:
        fix = f"Use sudo ({command('setup', sudo=True)}), or name another file: --config FILE"
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            fix = f"Create the folder {self._path.parent}, or name another file: --config FILE"
        elif error.errno == errno.EISDIR:
            fix = "Name a file: --config FILE"
        return FileError(f"{self._path} cannot be written ({error.strerror}). {fix}.")

    def _test(self, motor: str, backend: str) -> None:
        """Turn a motor, ask for the effect, and correct the configuration, until the motor is right or skipped."""
        from picar.motor import jog

        wheels, strong = _wheels(motor), False
        ahead, back = _WAYS.get(motor, ("forward", "backward"))
        choices = {
            "ahead": f"the {wheels}, {ahead}", "back": f"the {wheels}, {back}", "other": "something else",
            "nothing": "nothing", "again": "I did not see it",
        }  # fmt: skip
        is_esc = motor != "servo" and wires_of(common.load(self._options)).kind == "esc"
        if motor == "servo" or is_esc:
            del choices["other"]
        if is_esc and not self._stands_still(backend):
            self._left_alone.add(motor)
            return
        why = "For a second. With no, this motor is left as it is."
        while confirm(f"\nTurn the {wheels} {ahead} now?", True, why):
            settings = common.load(self._options)
            pins_low = common.emergency(settings, backend, [])
            jog.turn(settings, backend, pins_low, motor, strong=strong)
            seen = choose("What turned?", choices, "again", "Forward is where the car shall drive.")
            if seen == "ahead":
                self._right.add(motor)
                return
            if seen == "nothing":
                strong = True
                wires = wires_of(settings)
                wired = next(
                    (one.terminals.values() for one in wires.motors if one.name == motor), [wires.servo]
                )
                print(_CAUSES.format(", ".join(f"{t.key} at {pin_name(t.pin)}" for t in wired if t)))
            elif seen == "back" and is_esc:
                print(_ESC_BACKWARD)
            elif seen == "back":
                sections = self._inverted(settings, motor)
                self._correct(sections, f"The direction of the {wheels} has changed.")
            elif seen == "other":
                which = self._turned_instead(settings, motor)
                if not which:
                    print(
                        "One of the answers is wrong: that motor turned as it should before. Test them again."
                    )
                    self._right.clear()
                    return
                self._exchange(settings, motor, which)
        self._left_alone.add(motor)

    def _stands_still(self, backend: str) -> bool:
        """Send neutral to an ESC, and ask whether its motor stands still."""
        from picar.motor import jog

        why = "At neutral, the motor of an ESC must stand still. With no, this motor is left as it is."
        if not confirm("\nThe ESC gets neutral for some seconds. Is it switched on?", True, why):
            return False
        settings = common.load(self._options)
        jog.turn(settings, backend, common.emergency(settings, backend, []), "", strong=False)
        if confirm("Did the driving wheels stand still?", False, why):
            return True
        print(
            "Calibrate neutral on the page first: Settings, This car, Tune the car. The motor is not turned."
        )
        return False

    def _correct(self, sections: dict[str, dict[str, Any]], sentence: str) -> None:
        """Write these sections, unless they are no valid configuration."""
        try:
            configfile.of_tables(sections, str(self._path))
        except ConfigError as error:
            print(f"{error}\nThis correction is not possible: {self._path} stays as it is.")
            return
        self._sections = sections
        self._write(sentence)

    def _inverted(self, settings: Config, motor: str) -> dict[str, dict[str, Any]]:
        sections = copy.deepcopy(self._sections)
        if motor == "servo":
            ends = settings.steering
            sections["steering"] |= {"left_us": ends.right_us, "right_us": ends.left_us}
            return sections
        for name in _twins(settings, motor):
            section = calibrated_section(settings, name)
            sections.setdefault(section, {})["invert"] = not settings.section(section).invert
        return sections

    def _turned_instead(self, settings: Config, motor: str) -> str:
        """Return the motor that turned instead of this one; empty for a motor with a confirmed answer."""
        others = [one for one in _firsts(settings) if one not in ("servo", *_twins(settings, motor))]
        choices = {one: f"the {_wheels(one)}" for one in others if one not in self._right}
        if not choices or len(others) == 1:
            return next(iter(choices), "")
        default = next(iter(choices))
        if len(choices) < len(others):
            choices["before"] = "one that turned as it should before"
        which = choose("Which one?", choices, default, "Both motors exchange their pins.")
        return "" if which == "before" else which

    def _exchange(self, settings: Config, motor: str, which: str) -> None:
        """Exchange the pins of a motor and of the one that turned instead."""
        group, others = _twins(settings, motor), _twins(settings, which)
        if len(group) != len(others):
            print(
                f"The {_wheels(motor)} and the {_wheels(which)} cannot exchange their pins, because only one of them shares "
                "its pins with another motor. Exchange the wires of the motors, or name the pins again."
            )
            return
        sections = copy.deepcopy(self._sections)
        if settings.board is None:
            sections.setdefault("l298n", {})["swap"] = not settings.l298n.swap
        elif sections.get("board", {}).pop("swap", False):
            layout = wires_of(settings).layout
            mine = {name: sections[f"motor.{name}"].copy() for name in layout.motors}
            for name in layout.motors:  # the pins of a motor are in its partner's section
                sections[f"motor.{name}"] |= {
                    role: mine[layout.partner_of(name)][role] for role in KEYS[settings.board.kind]
                }
        for one, other in zip(group, others, strict=True):
            a, b = (calibrated_section(settings, name) for name in (one, other))
            sections[a], sections[b] = sections.get(b, {}), sections.get(a, {})
        self._left_alone -= {which}
        self._correct(sections, "Both motors have exchanged their pins.")


def _firsts(settings: Config) -> list[str]:
    """Return the servo, and the first motor of each group that shares its pins."""
    wires = wires_of(settings)
    return ["servo"] * bool(wires.servo) + [
        motor.name for motor in wires.motors if wires.twin_of(motor) is motor
    ]


def _twins(settings: Config, motor: str) -> list[str]:
    """Return the motors that turn with this one, because they share its pins."""
    wires = wires_of(settings)
    twin = {one.name: wires.twin_of(one).name for one in wires.motors}
    return [name for name in twin if twin[name] == twin[motor]]


def _wheels(motor: str) -> str:
    return _WHEELS.get(motor, f"{_words(motor)} wheel")


def _words(motor: str) -> str:
    return motor.replace("_", " ")
