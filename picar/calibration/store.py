"""The calibration made on the page, kept in the state directory until it is reset: it overrides the configuration's.

A file of TOML, so that a person can read it and copy it into picar.toml. It is written when the car is calibrated, at
standstill, and at no other time.

The backends `sim` and `mock` have files of their own: their calibration must never reach a real motor.

Laws:
- Replaced in one step: a power cut leaves the old file, the new file, or an empty first file (see `files.py`). An empty
  file means no calibration.
- Unknown keys are kept, and change nothing; unknown keys that picar cannot write as a small TOML file are left out.
- A file that cannot be understood is renamed, never deleted, and only when a server starts.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from picar.calibration.values import Calibration, option_of, places_of, useless
from picar.config import Config
from picar.errors import ConfigError, FileError
from picar.files import SMALL_BYTES, check_depth, read_small, replace, set_aside
from picar.layouts import MOTORS
from picar.options import toml
from picar.raspberrypi import raspberry_pi_model
from picar.wirecheck import OF_THE_L298N
from picar.wires import full_us, layout_of

log = logging.getLogger(__name__)

FILE = "calibration.toml"
_OTHER_FILES = {"sim": "calibration-sim.toml", "mock": "calibration-mock.toml"}
_MOST_DOTS = 1000  # tomllib takes 68 s for one dotted key of 60,000 parts
_HEAD = "# Calibrated on the page. It counts instead of picar.toml; delete this file, or reset it on the page, to go back.\n"


class Overlay:
    """The file.

    Args:
        folder: the state directory.
        backend: name of the backend, not auto.
        config: the configuration, which has the same sections; the defaults without one.
    """

    def __init__(self, folder: Path, backend: str, config: Config | None = None) -> None:
        self.path = folder / _OTHER_FILES.get(backend, FILE)
        self._config = config or Config()

    @classmethod
    def configured(cls, folder: Path, config: Config) -> Overlay:
        """Return the file of the car that a configuration would drive on this machine."""
        backend = config.motors.backend
        return cls(folder, "sim" if backend == "auto" and raspberry_pi_model() is None else backend, config)

    def read(self) -> Calibration | None:
        """Return the calibration, if there is a file of this car.

        Raises:
            ConfigError: the file cannot be read, or holds no calibration.
        """
        try:
            return None if self.of_another_car() else self._read()
        except ConfigError:
            raise
        except ValueError as error:
            rest = "When picar starts, it renames this file and follows picar.toml."
            raise ConfigError([f"{self._no_calibration(error)} {rest}"]) from None

    def of_another_car(self) -> str:
        """Return a warning if the file is the calibration of a car with another board or layout, else an empty text."""
        try:
            tables = self._tables()
        except ValueError:  # also a ConfigError
            return ""
        ours = {section for section, _key in places_of(self._config).values()} - {"motors"}
        motors = tables.get("motor")
        found = {name for name in tables if name in (*OF_THE_L298N, "board", "steering", "esc")}
        found |= {f"motor.{name}" for name in MOTORS if isinstance(motors, dict) and name in motors}
        has_other_board = bool(found) and ("esc" in found) != ("esc" in ours)
        if not has_other_board and (not ours - found or not found - ours):
            return ""
        return (
            f"{self.path} is the calibration of a car with another board or layout: it does not count. "
            "When picar starts, it renames this file."
        )

    def start(self) -> Calibration | None:
        """Return the calibration at the start of a server; rename and log a file that cannot be understood.

        Raises:
            ConfigError: the file can be neither read nor renamed.
        """
        try:
            return self._read()
        except ConfigError:
            raise
        except ValueError as error:
            with self._reading():
                other = set_aside(self.path)
            log.warning(
                "%s Its new name is %s. The car follows picar.toml: see that the wheels turn as they should, or tune it again.",
                self._no_calibration(error),
                other.name,
            )
            return None

    def keep(self, calibration: Calibration) -> None:
        """Write it.

        Raises:
            FileError: it cannot be written.
        """
        with self._telling():
            replace(
                self.path, _HEAD + _text(calibration.toml(self._config), self._others()), 0o644
            )  # it holds no secret

    def toml(self, calibration: Calibration) -> str:
        """Return the lines for picar.toml, without values that this car does not use."""
        return calibration.toml(self._config, useless(self._config))

    def forget(self) -> None:
        """Remove the file, so that the configuration counts.

        Raises:
            FileError: the file cannot be removed.
        """
        with self._telling():
            self.path.unlink(missing_ok=True)

    def _read(self) -> Calibration | None:
        """Raise ValueError for a malformed file, ConfigError for an unreadable one."""
        tables = self._tables()
        return self._parse(tables) if tables else None  # an empty file: see `files.py`

    def _tables(self) -> dict[str, Any]:
        with self._reading():
            try:
                text = read_small(self.path)
            except FileNotFoundError:
                return {}
        if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
            raise ValueError(f"one of its lines has more than {_MOST_DOTS} dots")
        import tomllib  # when needed: most cars have no saved calibration

        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            raise
        except ValueError:  # more digits than Python reads
            raise ValueError("it holds a number that cannot be read") from None
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        check_depth(tables)
        return tables

    def _others(self) -> dict[str, Any]:
        """Return the tables without the values of the calibration; {} for an unreadable file."""
        try:
            tables = self._tables()
        except ValueError:  # also a ConfigError
            return {}
        for section, key in places_of(self._config).values():
            _remove(tables, [*section.split("."), key])
        return tables

    def _parse(self, tables: dict[str, Any]) -> Calibration:
        """Parse the values; raises ValueError with a message that names the key."""
        if "esc" in tables and not full_us(self._config):
            raise ValueError("[esc] is of another car")
        values = {}
        for name, (section, key) in places_of(self._config).items():
            table: Any = tables
            for part in section.split("."):
                table = table.get(part) if isinstance(table, dict) else None
            if not isinstance(table, dict) or key not in table:
                raise ValueError(f"[{section}] {key} is missing")
            try:
                values[name] = option_of(name).check(table[key])
            except ValueError as error:
                raise ValueError(f"[{section}] {key} is not {error}") from None
        calibration = Calibration.named(layout_of(self._config).motors, values)
        if problem := calibration.problem(Calibration.of(self._config), full_us(self._config)):
            raise ValueError(problem)
        return calibration

    def _no_calibration(self, error: ValueError) -> str:
        return f"{self.path} cannot be read as a calibration: {error}."

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigError(
                [f"{self.path} cannot be read ({error.strerror}). Use sudo, or make it yours."]
            ) from None

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.EISDIR:
                raise FileError(
                    f"{error.filename} is a folder, and picar writes a file of this name: the calibration counts until "
                    "picar ends. Rename the folder."
                ) from None
            raise FileError(
                f"{self.path} cannot be written ({error.strerror}): the calibration counts until picar ends. "
                "Free some room, or name another folder in $STATE_DIRECTORY."
            ) from None


class CurrentCalibration:
    """The calibration in force: the page's, or the configuration's.

    Args:
        configured: the configuration's calibration.
        overlay: the file for the page's calibration.
        calibrated: the calibration in that file at the start, if there was one.
    """

    def __init__(self, configured: Calibration, overlay: Overlay, calibrated: Calibration | None) -> None:
        self._configured, self._overlay, self._calibrated = configured, overlay, calibrated
        self._saved = True

    @property
    def configured(self) -> Calibration:
        """The configuration's calibration."""
        return self._configured

    @property
    def current(self) -> Calibration:
        """The calibration in force."""
        return self._calibrated or self._configured

    def change(self, calibration: Calibration | None) -> str | None:
        """Keep the calibration that the motor process follows from now on, or the configuration's without one.

        Returns:
            The reason why it cannot be kept after the end of picar, if it cannot.
        """
        if self._saved and calibration == self._calibrated:
            return None  # the page repeats itself until it sees the answer
        self._calibrated = calibration
        told = calibration and ", ".join(f"{name}={value}" for name, value in calibration.values.items())
        log.info("calibration: %s", told or "as configured")
        self._saved = False
        try:
            if calibration is None:
                self._overlay.forget()
            else:
                self._overlay.keep(calibration)
        except FileError as error:
            log.warning("%s", error)
            return str(error)
        self._saved = True
        return None

    def snapshot(self) -> dict[str, object]:
        """Return all of it as a JSON object."""
        return {
            "calibration": self.current.values,
            "configured": self._configured.values,
            "origin": "page" if self._calibrated else "configuration",
            "saved": self._saved,
            "toml": self._overlay.toml(self.current),
        }


def _remove(tables: dict[str, Any], path: list[str]) -> None:
    """Remove the value at a path, or whatever is there instead of one of its tables."""
    for name in path[:-1]:
        if not isinstance(tables.get(name, {}), dict):
            del tables[name]
        tables = tables.get(name, {})
    tables.pop(path[-1], None)


def _merged(ours: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Return our tables with the other values in them."""
    merged = {**ours, **{name: value for name, value in others.items() if name not in ours}}
    for name in ours.keys() & others.keys():
        if isinstance(ours[name], dict) and isinstance(others[name], dict):
            merged[name] = _merged(ours[name], others[name])
    return merged


def _text(lines: str, others: dict[str, Any]) -> str:
    """Return the lines of a calibration, with the values of another version where TOML can be written as simply."""
    import tomllib

    tables: dict[str, Any] = {name: value for name, value in others.items() if not isinstance(value, dict)}
    tables = _merged(tables | tomllib.loads(lines), others)
    text, room = "", SMALL_BYTES - len(_HEAD)
    for line in _document(tables):  # dotted keys can be much longer than in the file that was read
        room -= len(line.encode())
        if room < 0:
            return lines
        text += line
    try:
        return text if tomllib.loads(text) == tables else lines
    except ValueError:
        return lines


def _document(tables: dict[str, Any]) -> Iterator[str]:
    yield from _lines({name: value for name, value in tables.items() if not isinstance(value, dict)})
    for name, table in tables.items():
        if isinstance(table, dict):
            yield f"\n[{_key(name)}]\n"
            yield from _lines(table)


def _lines(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _lines(value, f"{prefix}{_key(name)}.")
        else:
            yield f"{prefix}{_key(name)} = {toml(value)}\n"


def _key(name: str) -> str:
    return name if name.isascii() and name.isidentifier() else toml(name)
