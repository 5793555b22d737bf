"""The calibration that the page made, kept in the state directory until it is reset: it counts instead of the configuration's.

A file of TOML, so that a person can read it and copy it into picar.toml. Written when somebody calibrates, at standstill,
and at no other time.

A simulated car has a file of its own: what was found out about it must never turn a real motor.

Law: replaced in one step; a power cut leaves the old one or the new one (see `access/store.py`), or an empty one
where there was none, which counts as none.
"""

from __future__ import annotations

import contextlib
import os
import tomllib
from pathlib import Path
from typing import Any

from picar.calibration import PLACES, Calibration, option_of
from picar.config import Config
from picar.errors import ConfigError, FileError
from picar.firstfile import hold_the_name
from picar.motor.pins import raspberry_pi_model

FILE, FILE_OF_THE_SIMULATED = "calibration.toml", "calibration-sim.toml"
_HEAD = "# Calibrated on the page. It counts instead of picar.toml; delete this file, or reset it on the page, to go back.\n"


class Overlay:
    """The file.

    Args:
        folder: the state directory.
        simulated: whether the car is.
    """

    def __init__(self, folder: Path, simulated: bool) -> None:
        self.path = folder / (FILE_OF_THE_SIMULATED if simulated else FILE)

    @classmethod
    def configured(cls, folder: Path, config: Config) -> Overlay:
        """Return that of the car which a configuration would drive on this machine."""
        backend = config.motors.backend
        return cls(folder, backend == "sim" or (backend == "auto" and raspberry_pi_model() is None))

    def read(self) -> Calibration | None:
        """Return what was calibrated, None where nothing was.

        Raises:
            ConfigError: the file cannot be read, or holds something else.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
            return _parse(tomllib.loads(text)) if text else None  # empty: see `firstfile.py`
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(
                [f"{self.path} cannot be read ({error.strerror}). Use sudo, or make it yours."]
            ) from None
        except (ValueError, RecursionError):
            raise ConfigError(
                [f"{self.path} is damaged. Remove it, then calibrate again: rm {self.path}"]
            ) from None

    def keep(self, calibration: Calibration) -> None:
        """Write it.

        Raises:
            FileError: it cannot be written.
        """
        new = self.path.with_suffix(".new")
        with self._telling():
            new.unlink(missing_ok=True)
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123
                os.fchmod(fd, 0o644)  # whatever the umask: it holds no secret
                file.write(_HEAD + calibration.toml())
            hold_the_name(self.path, 0o644)
            new.replace(self.path)

    def forget(self) -> None:
        """Go back to the configuration.

        Raises:
            FileError: the file cannot be removed.
        """
        with self._telling():
            self.path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _telling(self) -> Any:
        try:
            yield
        except OSError as error:
            raise FileError(
                f"{self.path} cannot be written ({error.strerror}): the calibration counts until picar ends. "
                "Free some room, or name another folder in $STATE_DIRECTORY."
            ) from None


def _parse(tables: dict[str, Any]) -> Calibration:
    """Read the six values, no more and no less; raises ValueError."""
    values = {}
    for name, (section, key) in PLACES.items():
        table = tables.get(section)
        if not isinstance(table, dict) or key not in table:
            raise ValueError(name)
        values[name] = option_of(name).check(table.pop(key))
    if any(tables.values()) or tables.keys() - {section for section, _ in PLACES.values()}:
        raise ValueError("more")
    return Calibration(**values)
