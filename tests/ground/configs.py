"""Configurations from text, every option of the product, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

import pytest

from picar.config import SECTIONS, Config
from picar.configfile import load, sections_of
from picar.errors import ConfigError
from picar.options import EnablePin, Option, options_of

OPTIONS = [
    (section, option)
    for section in sections_of(Config())
    for option in options_of(SECTIONS[section]).values()
]
NUMBERS = [(s, o) for s, o in OPTIONS if o.type in (int, float) and o.unit != "BCM"]
PINS = [(s, o) for s, o in OPTIONS if o.unit == "BCM" and s == "l298n"]
PLAIN_PINS = [(s, o) for s, o in PINS if o.type is int]
NOT_PULLED_DOWN = [*range(9), 14, 15]


def name_of(value: Any) -> str | None:
    return value.name if isinstance(value, Option) else None


def from_text(folder: Path, text: str, env: Mapping[str, str] | None = None) -> Config:
    file = folder / "picar.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, env or {})


def problems(folder: Path, text: str, env: Mapping[str, str] | None = None) -> list[str]:
    """Return what is wrong with a file."""
    with pytest.raises(ConfigError) as caught:
        from_text(folder, text, env)
    assert caught.value.exit_code == 2
    return caught.value.problems


def the_problem(folder: Path, text: str, env: Mapping[str, str] | None = None) -> str:
    """Return the one thing that is wrong with a file."""
    (problem,) = problems(folder, text, env)
    assert "\n" not in problem
    assert problem.endswith((".", "?"))
    return problem


def kind_of(option: Option) -> str:
    if option.unit == "BCM":
        return "jumper" if option.type == EnablePin else "pin"
    if option.unit == "hex":
        return "hex"
    if get_origin(option.type) is tuple:
        return "origins" if option.unit == "origin" else "list"
    return {float: "number", int: "whole", bool: "bool", str: "text"}.get(option.type, "choice")
