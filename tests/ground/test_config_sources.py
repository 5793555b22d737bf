"""Where the configuration comes from: defaults, file, environment and command line, in this order."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar import configfile
from picar.config import Config
from picar.configfile import find_file, load
from picar.errors import ConfigError
from picar.options import Option
from tests.ground.configs import (
    OPTIONS,
    from_text,
    the_problem,
)


def test_without_a_file_the_defaults_hold() -> None:
    settings = load(None, {})
    assert settings == Config()
    assert settings.source == "defaults"
    assert settings.warnings == ()


def test_an_empty_file_is_good_and_named_as_the_source(tmp_path: Path) -> None:
    settings = from_text(tmp_path, "")
    assert settings.source == str(tmp_path / "picar.toml")
    assert dataclasses.replace(settings, source="defaults") == Config()


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("PICAR_SERVER__PORT", "8123", 8123),
        ("PICAR_SERVER__PORT", " 8123 ", 8123),
        ("PICAR_SERVER__HOST", "127.0.0.1", "127.0.0.1"),
        ("PICAR_SERVER__HOST", "::1", "::1"),
        ("PICAR_SERVER__NAME", "123", "123"),
        ("PICAR_SERVER__NAME", '"quoted"', '"quoted"'),
        ("PICAR_SERVER__NAME", "true", "true"),
        ("PICAR_SERVER__ALLOWED_HOSTS", '["a.example", "b.example"]', ("a.example", "b.example")),
        ("PICAR_SERVER__ALLOWED_HOSTS", "[]", ()),
        ("PICAR_DRIVE__MAX_SPEED", "1", 1.0),
        ("PICAR_DRIVE__MAX_SPEED", "0.5", 0.5),
        ("picar_drive__max_speed".upper(), "5e-1", 0.5),
        ("PICAR_MOTORS__BACKEND", "mock", "mock"),
        ("PICAR_MOTORS__BACKEND", '"mock"', "mock"),
        ("PICAR_L298N__ENA", "jumper", "jumper"),
        ("PICAR_L298N__ENA", "16", 16),
        ("PICAR_L298N__SWAP", "true", True),
        ("PICAR_LEFT__TRIM", "0.9", 0.9),
    ],
)
def test_the_environment_overrides_the_file(tmp_path: Path, variable: str, text: str, value: Any) -> None:
    section, key = variable.removeprefix("PICAR_").lower().split("__")
    settings = from_text(tmp_path, "[server]\nport = 1\nname = 'file'", {variable: text})
    assert getattr(getattr(settings, section), key) == value


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("PICAR_SERVER__PORT", "many", '[server] port = "many" is not a whole number from 0 to 65535.'),
        ("PICAR_SERVER__PORT", "", '[server] port = "" is not a whole number'),
        ("PICAR_SERVER__PORT", "70000", "[server] port = 70000 is not"),
        ("PICAR_SERVER__PORT", "9" * 5000, "[server] port = "),
        ("PICAR_SERVER__NAME", "", "a text in quotes, not empty"),
        ("PICAR_SERVER__ALLOWED_HOSTS", "a.example", "a list of host names"),
        ("PICAR_DRIVE__ACCEL", "nan", "[drive] accel = nan is not a number from 0.2 to 20 per s."),
        ("PICAR_DRIVE__ACCEL", "[" * 5000, "[drive] accel = "),
        ("PICAR_L298N__SWAP", "yes", '[l298n] swap = "yes" is not true or false.'),
        ("PICAR_L298N__IN1", "jumper", "0 to 27."),
        ("PICAR_MOTORS__BACKEND", "real", 'one of "auto", "sim", "mock"'),
        ("PICAR_DRIVE__SPEED", "1", "unknown option."),
        ("PICAR_DRIVE__", "1", "unknown option."),
        ("PICAR_DRIVE__ACCEL__FAST", "1", "[drive] accel__fast = 1: unknown option."),
        ("PICAR_DRIV__ACCEL", "1", "unknown section 'driv'. Did you mean drive?"),
        ("PICAR___X", "1", "unknown section ''"),
        ("PICAR_SERVER_PORT", "8000", "two underscores. Write PICAR_SERVER__PORT."),
    ],
)
def test_a_bad_override_is_refused_by_its_name(
    tmp_path: Path, variable: str, text: str, sentence: str
) -> None:
    problem = the_problem(tmp_path, "", {variable: text})
    assert problem.startswith(f"environment {variable}: ")
    assert sentence in problem


def test_other_variables_are_nobody_s_business() -> None:
    env = {
        "PICAR_CONFIG": "/x",
        "PICAR_PORT": "1",
        "SERVER_PORT": "1",
        "PATH": "/bin",
        "NOT_PICAR_SERVER__PORT": "1",
        "picar_x__y": "1",
    }
    assert load(None, env) == Config()


def test_flags_win_over_the_environment_and_that_over_the_file_and_that_over_the_defaults(
    tmp_path: Path,
) -> None:
    file = tmp_path / "picar.toml"
    file.write_text("[server]\nport = 1\nhost = 'file'\nname = 'file'\n")
    env = {"PICAR_SERVER__PORT": "2", "PICAR_SERVER__HOST": "env"}
    flags = {("server", "port"): 3, ("server", "name"): None, ("motors", "backend"): "mock"}
    settings = load(file, env, flags)
    server = settings.server
    assert (server.port, server.host, server.name, server.allowed_hosts) == (3, "env", "file", ())
    assert settings.motors.backend == "mock"


def test_a_bad_flag_is_refused_as_such() -> None:
    with pytest.raises(ConfigError, match=r"^command line: \[server\] port = 65536 is not a whole number"):
        load(None, {}, {("server", "port"): 65536})


def test_a_zero_from_the_command_line_is_a_value() -> None:
    assert load(None, {}, {("server", "port"): 0}).server.port == 0


@pytest.mark.parametrize(
    "text",
    [
        "[server",
        "port",
        "[server]\nport = ",
        "[server]\nport = 1\nport = 2",
        "[server]\n[server]",
        "[server]\nname = 'a",
        '[server]\nname = "\x01"',
        "[server]\nport = " + "9" * 5000,
        "a = " + "[" * 20_000,
        "\x00",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_broken_toml_is_one_sentence(tmp_path: Path, text: str) -> None:
    problem = the_problem(tmp_path, text)
    assert problem.startswith(f"{tmp_path / 'picar.toml'}: not valid TOML: ")
    assert problem.endswith("Mend that line.")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/none\.toml: no such file\. Create it, or name none"):
        load(tmp_path / "none.toml", {})


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=rf"^{re.escape(str(tmp_path))}: cannot be read \(.*\)\. Check the path"
    ):
        load(tmp_path, {})


def test_a_path_through_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "file" / "picar.toml", {})


def test_a_file_that_may_not_be_read_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path, **_how: str) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)  # root reads everything
    with pytest.raises(ConfigError, match=r"cannot be read \(Permission denied\)\. Check"):
        load(tmp_path / "picar.toml", {})


def test_a_file_in_another_encoding_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "picar.toml"
    file.write_bytes("[server]\nname = 'Käfer'\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"not UTF-8 text\. Save it as plain UTF-8\."):
        load(file, {})


def test_a_name_in_any_script_is_good(tmp_path: Path) -> None:
    assert from_text(tmp_path, "[server]\nname = 'Käfer 🚗'").server.name == "Käfer 🚗"


def test_the_flag_names_the_file_then_the_environment_then_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system.toml"
    monkeypatch.setattr(configfile, "SYSTEM_FILE", system)
    env = {"PICAR_CONFIG": "/env.toml"}
    assert find_file("/flag.toml", env) == Path("/flag.toml")
    assert find_file(None, env) == Path("/env.toml")
    assert find_file(None, {}) is None
    system.touch()
    assert find_file(None, {}) == system
    assert find_file(None, {"PICAR_CONFIG": ""}) == system
    assert find_file(None, env) == Path("/env.toml")
    assert find_file("/flag.toml", {}) == Path("/flag.toml")


@given(st.text(max_size=60), st.sampled_from(OPTIONS))
def test_any_text_in_the_environment_is_a_value_or_a_problem(text: str, place: tuple[str, Option]) -> None:
    section, option = place
    variable = f"PICAR_{section.upper()}__{option.name.upper()}"
    try:
        load(None, {variable: text})
    except ConfigError as error:
        problem = str(error)
        assert problem.startswith("environment PICAR_")
