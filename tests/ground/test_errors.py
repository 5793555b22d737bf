"""Errors: a sentence, an exit code, and the builtin that fits."""

from __future__ import annotations

import pytest

from picar import errors
from picar.errors import ConfigError, PicarError

OWN = [each for each in vars(errors).values() if isinstance(each, type) and each is not PicarError]
USAGE = 2  # the exit code of a wrong call or configuration, as of argparse; everything else is 1


@pytest.mark.parametrize("error", OWN)
def test_an_error_is_picar_s_own_and_a_builtin_and_has_its_exit_code(error: type[PicarError]) -> None:
    assert error.exit_code == (USAGE if error in (errors.ConfigError, errors.UsageError) else 1)
    assert issubclass(error, PicarError)
    assert issubclass(error, (ValueError, OSError, RuntimeError)), "code without picar can catch it"


def test_a_configuration_error_says_all_its_problems_a_line_each() -> None:
    error = ConfigError(["This is wrong.", "So is that."])
    assert str(error) == "This is wrong.\nSo is that."
    assert error.problems == ["This is wrong.", "So is that."]
