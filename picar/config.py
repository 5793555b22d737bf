"""The configuration: every option declared once, with its default, range, unit and sentence.

The reference table (`picar config-reference`), the checks and their messages are all made from these
declarations. Sources in rising order: defaults, one TOML file, environment `PICAR_SECTION__KEY`, flags.

Law: no option switches a safety off; ranges end where safety would.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_type_hints

from picar.errors import ConfigError
from picar.options import EnablePin, option, options_of, pin, toml

SYSTEM_FILE = Path("/etc/picar/picar.toml")
BackendName = Literal["auto", "sim", "mock", "lgpio", "gpiozero", "rpigpio"]
UNNAMED = "[l298n] does not name all terminals"
TERMINALS = ("ena", "enb", "in1", "in2", "in3", "in4")  # of the L298N, enables first
PairingName = Literal["auto", "on", "local", "off"]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The address of the page, and the limits of its connections."""

    host: str = option(
        "all",
        "Address to listen on: all (IPv4 and IPv6), 0.0.0.0 (IPv4 only), :: (IPv6 only), 127.0.0.1 (this machine only), or one "
        "address of this machine.",
    )
    port: int = option(8000, "TCP port; 0 takes any free one.", lo=0, hi=65535)
    name: str = option("picar", "The car's name, shown on the page.")
    allowed_hosts: tuple[str, ...] = option((), "Further host names under which browsers may open the page.")
    max_clients: int = option(1200, "Maximum number of connections.", lo=10, hi=10000)
    max_clients_per_address: int = option(
        32, "Maximum number of connections from one address, except from this machine.", lo=4, hi=10000
    )


@dataclass(frozen=True, slots=True)
class AccessConfig:
    """Pairing of new browsers."""

    pairing: PairingName = option(
        "auto",
        "Browsers that need the PIN: all (on), all but those of this machine (local), or no browser (off, for a car on its own "
        "hotspot). auto is on on a Pi and local elsewhere.",
    )


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """Timeouts of the driver's commands, and of the wheel."""

    command_timeout_s: float = option(
        0.5,
        "Time without a fresh command after which the car stops, counted from the state that the driver saw last.",
        unit="s",
        lo=0.2,
        hi=1.0,
    )
    rearm_s: float = option(
        1.0,
        "Longest failsafe after which the car drives on without a neutral stick.",
        unit="s",
        lo=0.0,
        hi=3.0,
    )
    idle_s: float = option(
        5.0, "Time at neutral after which the oldest request gets the wheel.", unit="s", lo=0.2, hi=600.0
    )
    grace_s: float = option(
        2.0, "Time for which the wheel is kept for a driver who reloads the page.", unit="s", lo=0.0, hi=30.0
    )


@dataclass(frozen=True, slots=True)
class DriveConfig:
    """The way from sticks to wheel speeds. Speeds are shares of full power."""

    max_speed: float = option(1.0, "Fastest wheel speed.", lo=0.1, hi=1.0)
    accel: float = option(2.5, "Maximum acceleration of a wheel per second.", unit="per s", lo=0.2, hi=20.0)
    decel: float = option(6.0, "Maximum deceleration of a wheel per second.", unit="per s", lo=1.0, hi=50.0)
    deadband: float = option(0.05, "Stick travel around the middle that counts as neutral.", lo=0.01, hi=0.3)
    expo: float = option(0.3, "0 is linear; towards 1 the stick is softer around the middle.", lo=0.0, hi=1.0)
    reverse_pause_s: float = option(
        0.1, "Pause at zero between forward and reverse; it spares the gears.", unit="s", lo=0.1, hi=2.0
    )


@dataclass(frozen=True, slots=True)
class MotorsConfig:
    """The library of the pins, and the signal for the motors."""

    backend: BackendName = option(
        "auto", "Library that sets the pins; auto uses the best on a Pi and the simulator elsewhere."
    )
    pwm_hz: int = option(200, "PWM frequency of the motors.", unit="Hz", lo=20, hi=2000)
    min_duty: float = option(0.25, "Duty cycle at which the motors just begin to turn.", lo=0.0, hi=0.8)
    brake_hold_s: float = option(
        0.3, "Time for which STOP brakes before the wheels roll freely.", unit="s", lo=0.0, hi=0.3
    )


@dataclass(frozen=True, slots=True)
class L298NConfig:
    """The pins of the L298N board: ENA, IN1, IN2 are the left side.

    A pin is a BCM number (`12`), or a text: `"GPIO12"`, or its place on the header, `"BOARD32"`. ENA and ENB may share one pin.
    """

    ena: EnablePin = pin(12, 'Enable of the left side; "jumper" where the ENA jumper is left on.')
    in1: int = pin(23, "Left side, high for forward.")
    in2: int = pin(24, "Left side, high for reverse.")
    enb: EnablePin = pin(13, 'Enable of the right side; "jumper" where the ENB jumper is left on.')
    in3: int = pin(27, "Right side, high for forward.")
    in4: int = pin(22, "Right side, high for reverse.")
    swap: bool = option(False, "Exchange the sides.")

    def wired(self) -> dict[str, int]:
        """Return the BCM number of each terminal that has a wire, enables first."""
        return {name: getattr(self, name) for name in TERMINALS if getattr(self, name) != "jumper"}


@dataclass(frozen=True, slots=True)
class SideConfig:
    """One side's motor."""

    invert: bool = option(False, "Set it if the motor turns the wrong way.")
    trim: float = option(
        1.0,
        "Share of its speed that this side keeps; lower it on the faster side until the car drives straight.",
        lo=0.5,
        hi=1.0,
    )


@dataclass(frozen=True, slots=True)
class Config:
    """All sections. `source` is the file; `warnings` are about legal but unwise values."""

    server: ServerConfig = field(default_factory=ServerConfig)
    access: AccessConfig = field(default_factory=AccessConfig)
    session: SessionConfig = field(default_factory=SessionConfig)
    drive: DriveConfig = field(default_factory=DriveConfig)
    motors: MotorsConfig = field(default_factory=MotorsConfig)
    l298n: L298NConfig = field(default_factory=L298NConfig)
    left: SideConfig = field(default_factory=SideConfig)
    right: SideConfig = field(default_factory=SideConfig)
    board: str = "l298n"  # a name of `motor.boards`; no option chooses another one yet
    source: str = "defaults"
    warnings: tuple[str, ...] = ()


SECTIONS: dict[str, type] = {
    name: kind
    for name, kind in get_type_hints(Config).items()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind)
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One given value and its origin."""

    origin: str
    section: str
    key: str
    value: Any


def find_file(flag: str | None, env: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file to read: `--config`, else $PICAR_CONFIG, else /etc/picar/picar.toml if it exists."""
    if flag or env.get("PICAR_CONFIG"):
        return Path(flag or env["PICAR_CONFIG"])
    return SYSTEM_FILE if SYSTEM_FILE.exists() else None


def load(
    path: Path | None = None,
    env: Mapping[str, str] = os.environ,
    flags: Mapping[tuple[str, str], Any] | None = None,
) -> Config:
    """Read, merge and check the configuration.

    Args:
        path: the TOML file; without one, the defaults.
        env: the environment with the `PICAR_SECTION__KEY` overrides.
        flags: values from the command line by (section, key), None if not given; they win.

    Raises:
        ConfigError: with all problems at once, each naming origin, key, value, rule and fix.
    """
    problems: list[str] = []
    entries = _from_file(path, problems) if path else []
    entries += _from_env(env, problems)
    entries += [_Entry("command line", s, k, v) for (s, k), v in (flags or {}).items() if v is not None]
    values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for entry in entries:
        _check(entry, values, problems)
    sections = {name: cls(**values[name]) for name, cls in SECTIONS.items()}
    config = Config(**sections, source=str(path) if path else "defaults")
    problems += _shared_pins(config.l298n, entries, values["l298n"])
    if problems:
        raise ConfigError(problems)
    named = {entry.key for entry in entries if entry.section == "l298n"}
    warnings = (*_unnamed_terminals(config.l298n, named), *_pin_warnings(config.l298n))
    return dataclasses.replace(config, warnings=warnings)


def reference() -> str:
    """Return the table of all options as Markdown, made from the declarations."""
    import inspect

    lines: list[str] = []
    for name, section in SECTIONS.items():
        lines += [f"## [{name}]", "", inspect.getdoc(section) or "", ""]
        lines += ["| option | default | value | meaning |", "|---|---|---|---|"]
        for o in options_of(section).values():
            lines.append(f"| `{o.name}` | `{toml(o.default)}` | {o.rule} | {o.sentence} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def as_toml(config: Config, remarks: Mapping[tuple[str, str], str] | None = None) -> str:
    """Return the whole configuration as TOML text, defaults included.

    Args:
        config: the configuration.
        remarks: comments behind a value, by (section, key).
    """
    said = {place: f"  # {remark}" for place, remark in (remarks or {}).items()}
    blocks = []
    for name in SECTIONS:
        values = dataclasses.asdict(getattr(config, name))
        lines = [f"{key} = {toml(value)}{said.get((name, key), '')}" for key, value in values.items()]
        blocks.append("\n".join([f"[{name}]", *lines, ""]))
    return "\n".join(blocks)


def _from_file(path: Path, problems: list[str]) -> list[_Entry]:
    import tomllib  # here, because the motor process needs the declarations and not the reader

    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        problems.append(f"{path}: no such file. Create it, or name none to use the defaults.")
    except UnicodeDecodeError:
        problems.append(f"{path}: not UTF-8 text. Save it as plain UTF-8.")
    except OSError as error:
        problems.append(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions.")
    except (ValueError, RecursionError) as error:  # beside its own error, for numbers and nests without end
        problems.append(f"{path}: not valid TOML: {error}. Mend that line.")
    else:
        return _entries(path, tables, problems)
    return []


def _entries(path: Path, tables: dict[str, Any], problems: list[str]) -> list[_Entry]:
    found: list[_Entry] = []
    for name, table in tables.items():
        if name not in SECTIONS and not isinstance(table, dict) and (homes := _homes(name)):
            problems.append(f"{path}: {name} = {toml(table)} is in no section. Put it under [{homes[0]}].")
        elif name not in SECTIONS:
            problems.append(f"{path}: unknown section [{name}]. {_known(name, SECTIONS)}")
        elif not isinstance(table, dict):
            problems.append(
                f"{path}: {name} = {toml(table)} is not a section. Write [{name}] on its own line."
            )
        else:
            found += [_Entry(str(path), name, key, value) for key, value in table.items()]
    return found


def _from_env(env: Mapping[str, str], problems: list[str]) -> list[_Entry]:
    found: list[_Entry] = []
    for variable, text in sorted(env.items()):
        words = variable.removeprefix("PICAR_").lower()
        if not variable.startswith("PICAR_") or "__" not in words:
            name, _, key = words.partition("_")
            if name in _homes(key):
                right = f"PICAR_{name}__{key}".upper()
                problems.append(
                    f"environment {variable}: a section is followed by two underscores. Write {right}."
                )
            continue
        name, key = words.split("__", 1)
        if name not in SECTIONS:
            problems.append(f"environment {variable}: unknown section {name!r}. {_known(name, SECTIONS)}")
        else:
            found.append(_Entry(f"environment {variable}", name, key, _env_value(name, key, text)))
    return found


def _homes(key: str) -> list[str]:
    """Return the sections that have an option of this name."""
    return [name for name, section in SECTIONS.items() if key in options_of(section)]


def _env_value(section: str, key: str, text: str) -> Any:
    """Read an environment value as the TOML it would be in a file; a bare word is a text."""
    import tomllib

    declared = options_of(SECTIONS[section]).get(key)
    if declared and declared.type is str:
        return text
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except (ValueError, RecursionError):
        return text


def _check(entry: _Entry, values: dict[str, dict[str, Any]], problems: list[str]) -> None:
    """Add the value of an entry to `values`, or a problem to `problems`."""
    options = options_of(SECTIONS[entry.section])
    place = f"{entry.origin}: [{entry.section}] {entry.key}"
    declared = options.get(entry.key)
    if declared is None:
        problems.append(f"{place} = {toml(entry.value)}: unknown option. {_known(entry.key, options)}")
        return
    try:
        values[entry.section][entry.key] = declared.check(entry.value)
    except ValueError as rule:
        fix = f"Change it, or delete it for the default {toml(declared.default)}."
        problems.append(f"{place} = {toml(entry.value)} is not {rule}. {fix}")


def high_at_power_on(terminal: str, number: int) -> str:
    """Return a warning without full stop if this pin is not low at power-on, else an empty text.

    Sources: BCM2835 ARM Peripherals p. 102; GPIO 14 and 15 are the serial port.
    """
    if number > 8 and number not in (14, 15):
        return ""
    why = "pulsed by the serial port" if number > 8 else "pulled up"
    return f"{terminal} = {number}: this pin is {why} at power-on, so a motor may run before picar does"


def _shared_pins(wiring: L298NConfig, entries: list[_Entry], accepted: Mapping[str, Any]) -> list[str]:
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


def _pin_warnings(wiring: L298NConfig) -> Iterable[str]:
    """Warn of pins that are not low at power-on."""
    for terminal, number in wiring.wired().items():
        if warning := high_at_power_on(terminal, number):
            yield f"[l298n] {warning}. Use one of GPIO 9 to 13 or 16 to 27."


def _known(word: str, known: Iterable[str]) -> str:
    import difflib

    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names)}."
