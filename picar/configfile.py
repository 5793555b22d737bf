"""The configuration file and its company: find, read, merge and check the sources, and print options and values.

The options are declared in `config.py`; this file names no option. `wirecheck.py` checks the pins together.
Sources in rising order: defaults, one TOML file, environment `PICAR_SECTION__KEY`, flags.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from picar import meters, wirecheck
from picar.config import SECTIONS, AuxConfig, BoardConfig, Config, LayoutConfig, section_type
from picar.errors import ConfigError, FileError
from picar.files import read_small, replace
from picar.layouts import MOTORS
from picar.options import Option, options_of, toml
from picar.raspberrypi import CHANNELS
from picar.values import Value
from picar.wires import layout_of

_WORDS_FOR_OUTPUTS = ("light", "headlight", "horn", "buzzer", "servo", "pan", "tilt")
SYSTEM_FILE = Path("/etc/picar/picar.toml")


class _Entry(Value):
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
    return _checked(entries, problems, str(path) if path else "defaults")


def tables_of(text: str) -> Mapping[str, Any]:
    """Return the sections of a TOML text, unchecked; raises ValueError if it cannot be read."""
    import tomllib

    return _with_motors(tomllib.loads(text))


def of_tables(tables: Mapping[str, Any], source: str) -> Config:
    """Return the configuration of these sections alone; raises ConfigError as `load` does."""
    problems: list[str] = []
    return _checked(_entries(source, tables, problems), problems, source)


def with_options(text: str, section: str, values: Mapping[str, Any]) -> str:
    """Return a TOML text with other values in one section; everything else stays as it is."""
    lines = "".join(f"{key} = {toml(value)}\n" for key, value in values.items())
    text = re.sub(r"(?<=[^\n])\Z", "\n", text)
    found = re.search(rf"^\[{section}\].*\n((?:(?!\s*\[).*\n)*)", text, re.MULTILINE)
    if not found:
        return f"{text}\n[{section}]\n{lines}".lstrip()
    ours = rf"^\s*({'|'.join(values) or '(?!)'})\s*=.*\n"
    return (
        text[: found.start(1)] + lines + re.sub(ours, "", found[1], flags=re.MULTILINE) + text[found.end(1) :]
    )


def write_options(path: Path, section: str, values: Mapping[str, Any]) -> Config:
    """Write options of one section of a file, leave all other lines as they are, and return the configuration.

    Raises:
        FileError: the file cannot be written, or only by hand.
    """
    try:
        text = with_options(read_small(path) if path.exists() else "", section, values)
        config = of_tables(tables_of(text), str(path))
        replace(path, text, 0o644)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        lines = "; ".join(f"{name} = {toml(value)}" for name, value in values.items())
        fix = f"Use sudo, or write these lines under [{section}] by hand: {lines}"
        raise FileError(f"{path} cannot be changed ({why}). {fix}") from None
    return config


def _checked(entries: list[_Entry], problems: list[str], source: str) -> Config:
    values: dict[str, dict[str, Any]] = {name: {} for name in (*SECTIONS, *(e.section for e in entries))}
    chips = [entry.value for entry in entries if (entry.section, entry.key) == ("board", "chip")]
    for entry in entries:
        _check(entry, values, problems, has_chip=chips[-1:] == ["pca9685"])
    config = _assembled(values, entries, source)
    problems += wirecheck.problems(config, entries, values, checked=not problems)
    if not problems:
        problems += (f"{_origins(entries, 'battery')}: {problem}" for problem in meters.problems(config))
    if problems:
        raise ConfigError(problems)
    return dataclasses.replace(config, warnings=tuple(wirecheck.warnings(config, entries)))


def sections_of(config: Config) -> list[str]:
    """Return the sections that count for a car: `[l298n]` with its sides, or `[board]` with the motors of the layout."""
    extras = [f"aux.{name}" for name in config.aux]
    if config.board is None:
        return [name for name in SECTIONS if name.split(".")[0] not in wirecheck.OF_BOARDS] + extras
    idle = {*wirecheck.OF_THE_L298N, *(f"motor.{motor}" for motor in MOTORS)}
    idle |= {"steering"} if not layout_of(config).servo else set()
    idle |= {"esc"} if config.board.kind != "esc" else set()
    idle -= {f"motor.{motor}" for motor in layout_of(config).motors}
    return [name for name in SECTIONS if name not in idle] + extras


def _assembled(values: Mapping[str, dict[str, Any]], entries: list[_Entry], source: str) -> Config:
    """Return the configuration with these values."""
    names = [name.removeprefix("aux.") for name in values if name.startswith("aux.")]
    config = Config(source=source, aux=dict.fromkeys(names, AuxConfig()))
    if wirecheck.has_board(entries):
        layout = LayoutConfig(**values["layout"])
        config = dataclasses.replace(config, board=BoardConfig(**values["board"]), layout=layout)
    for name in sections_of(config):
        config = config.having(name, **values[name])
    return config


def reference() -> str:
    """Return the table of all options as Markdown, made from the declarations."""
    import inspect

    lines: list[str] = []
    for name, section in (*SECTIONS.items(), ("aux.NAME", AuxConfig)):
        if name.startswith("motor.") and name != f"motor.{MOTORS[0]}":
            continue  # they have the same options
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
    for name in sections_of(config):
        lines = [
            f"{o.name} = {toml(value)}{said.get((name, o.name), '')}"
            for o in options_of(_type_of(name)).values()
            if (value := _printed(config, o, getattr(config.section(name), o.name))) != "none"
            or not name.startswith("motor.")
        ]
        blocks.append("\n".join([f"[{name}]", *lines, ""]))
    return "\n".join(blocks)


def _printed(config: Config, declared: Option, value: Any) -> Any:
    """Return a value as it stands in a file: with a chip, a channel is a number, and a pin of the header a text."""
    has_chip = config.board is not None and config.board.chip == "pca9685"
    if not (has_chip and declared.may_be_channel and isinstance(value, int)):
        return value
    return value - CHANNELS[0] if value in CHANNELS else f"GPIO{value}"


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
        return _entries(str(path), tables, problems)
    return []


def _entries(path: str, tables: Mapping[str, Any], problems: list[str]) -> list[_Entry]:
    found: list[_Entry] = []
    for name, table in _with_motors(tables).items():
        if section_type(name) is None and not isinstance(table, dict) and (homes := _homes(name)):
            problems.append(f"{path}: {name} = {toml(table)} is in no section. Put it under [{homes[0]}].")
        elif section_type(name) is None:
            problems.append(f"{path}: unknown section [{name}]. {_known_section(name)}")
        elif not isinstance(table, dict):
            problems.append(f"{path}: {name} = {toml(table)} is not a section. {_as_section(name)}")
        else:
            found += [_Entry(path, name, key, value) for key, value in table.items()]
            if not table and name.startswith("aux."):
                problems.append(f"{path}: [{name}] is empty. Add the pin of its wire, or delete the section.")
    boards = [name for name in tables if name in wirecheck.OF_BOARDS]
    if boards and not wirecheck.has_board(found):
        problems.append(
            f"{path}: [{boards[0]}] is empty. Name the board and its pins, or delete the section."
        )
    return found


def _with_motors(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the tables with one table `motor.left` for each table inside `motor`, and so for `aux`."""
    flat: dict[str, Any] = {}
    for name, table in tables.items():
        inner = table if name in ("motor", "aux") and isinstance(table, dict) else None
        flat |= {name: table} if inner is None else {f"{name}.{key}": value for key, value in inner.items()}
    return flat


def _from_env(env: Mapping[str, str], problems: list[str]) -> list[_Entry]:
    found: list[_Entry] = []
    for variable, text in sorted(env.items()):
        words = variable.removeprefix("PICAR_").lower()
        if not variable.startswith("PICAR_"):
            continue
        if "__" not in words:
            problems += [
                f"environment {variable}: a section is followed by two underscores. Write PICAR_{right.upper()}."
                for right in _variables()
                if right.replace("__", "_") == words
            ]
            continue
        name, key = words.split("__", 1)
        name = re.sub("^(motor|aux)_", r"\1.", name)
        if section_type(name) is None:
            problems.append(f"environment {variable}: unknown section {name!r}. {_known_section(name)}")
        else:
            found.append(_Entry(f"environment {variable}", name, key, _env_value(name, key, text)))
    return found


def _variables() -> Iterator[str]:
    """Yield the variable of each option, in small letters and without the prefix."""
    for name, section in SECTIONS.items():
        yield from (f"{name.replace('.', '_')}__{key}" for key in options_of(section))


def _homes(key: str) -> list[str]:
    """Return the sections that have an option of this name."""
    return [name for name, section in SECTIONS.items() if key in options_of(section)]


def _env_value(section: str, key: str, text: str) -> Any:
    """Read an environment value as the TOML it would be in a file; a bare word is a text."""
    import tomllib

    declared = options_of(_type_of(section)).get(key)
    if declared and declared.type is str:
        return text
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except (ValueError, RecursionError):
        return text


def _check(entry: _Entry, values: dict[str, dict[str, Any]], problems: list[str], *, has_chip: bool) -> None:
    """Add the value of an entry to `values`, or a problem to `problems`. With a chip, a plain number is its channel."""
    options = options_of(_type_of(entry.section))
    place = f"{entry.origin}: [{entry.section}] {entry.key}"
    declared = options.get(entry.key)
    if declared is None:
        problems.append(f"{place} = {toml(entry.value)}: unknown option. {_known(entry.key, options)}")
        return
    value = entry.value
    if has_chip and declared.may_be_channel and type(value) is int:
        value = f"CH{value}" if value in range(len(CHANNELS)) else "CH?"
    try:
        values[entry.section][entry.key] = declared.check(value)
    except ValueError as rule:
        fix = f"Change it, or delete it for the default {toml(declared.default)}."
        problems.append(f"{place} = {toml(entry.value)} is not {rule}. {fix}")


def _type_of(section: str) -> type:
    """Return the declaration of a known section."""
    found = section_type(section)
    assert found is not None
    return found


def _as_section(name: str) -> str:
    """Return how to write a section that is a value in the file."""
    group, _, key = name.partition(".")
    if group == "aux" and key in options_of(_type_of(name)):
        return "Each output has a section with a name: write [aux.light] or another name above its options."
    return f"Write [{name}] on its own line."


def _known_section(name: str) -> str:
    if name.startswith("aux."):
        return "A name has at most 16 characters: small letters, digits, - and _, the first one a letter."
    if name.lower().rstrip("s") in _WORDS_FOR_OUTPUTS:
        return f"An output is a section [aux.NAME], for example [aux.{name.lower()}]."
    return _known(name, [*SECTIONS, "aux.NAME"])


def _origins(entries: Iterable[_Entry], section: str) -> str:
    return ", ".join(dict.fromkeys(entry.origin for entry in entries if entry.section == section))


def _known(word: str, known: Iterable[str]) -> str:
    import difflib

    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    shown = dict.fromkeys("motor.NAME" if name.startswith("motor.") else name for name in names)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(shown)}."
