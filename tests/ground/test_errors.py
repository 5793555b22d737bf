"""Errors: a sentence, an exit code, and the builtin that fits."""

from __future__ import annotations

import pytest

from picar import errors
from picar.errors import ConfigError, PicarError


@pytest.mark.parametrize(
    ("error", "builtin", "exit_code"),
    [
        (errors.ConfigError, ValueError, 2),
        (errors.UsageError, ValueError, 2),
        (errors.FileError, OSError, 1),
        (errors.BackendError, RuntimeError, 1),
        (errors.PinsBusy, errors.BackendError, 1),
        (errors.PinError, ValueError, 1),
        (errors.ChannelError, ConnectionError, 1),
        (errors.ServeError, OSError, 1),
        (errors.AccessError, RuntimeError, 1),
        (errors.TooManyPaired, errors.AccessError, 1),
        (errors.PowerError, RuntimeError, 1),
    ],
)
def test_an_error_is_picar_s_own_and_a_builtin_and_knows_its_exit_code(
    error: type[PicarError], builtin: type[Exception], exit_code: int
) -> None:
    assert issubclass(error, PicarError)
    assert issubclass(error, builtin)
    assert error.exit_code == exit_code


def test_every_error_is_in_the_table_above() -> None:
    own = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert own == {
        "PicarError",
        "ConfigError",
        "UsageError",
        "FileError",
        "BackendError",
        "PinsBusy",
        "PinError",
        "ChannelError",
        "ServeError",
        "AccessError",
        "TooManyPaired",
        "PowerError",
    }


def test_a_configuration_error_says_all_its_problems_a_line_each() -> None:
    error = ConfigError(["This is wrong.", "So is that."])
    assert str(error) == "This is wrong.\nSo is that."
    assert error.problems == ["This is wrong.", "So is that."]
