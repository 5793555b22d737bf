"""The configuration: which values are good, and what is said about the others."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar import config
from picar.config import SECTIONS, Config, L298NConfig
from picar.configfile import as_toml, load, reference, sections_of
from picar.errors import ConfigError
from picar.options import ORIGIN, Option, options_of, toml
from tests.ground.configs import (
    NOT_PULLED_DOWN,
    NUMBERS,
    OPTIONS,
    from_text,
    kind_of,
    name_of,
    problems,
    the_problem,
)


@pytest.mark.parametrize(("section", "option"), NUMBERS, ids=name_of)
def test_both_ends_of_a_range_are_good(tmp_path: Path, section: str, option: Option) -> None:
    for end in (option.lo, option.hi):
        assert math.isfinite(end)
        value = getattr(
            getattr(from_text(tmp_path, f"[{section}]\n{option.name} = {end}"), section), option.name
        )
        assert value == end
        assert type(value) is option.type


@pytest.mark.parametrize(("section", "option"), NUMBERS, ids=name_of)
def test_outside_its_range_a_number_is_refused(tmp_path: Path, section: str, option: Option) -> None:
    def beyond(end: float, towards: float) -> float:
        return end + math.copysign(1, towards) if option.type is int else math.nextafter(end, towards)

    values = [
        repr(beyond(option.lo, -math.inf)),
        repr(beyond(option.hi, math.inf)),
        "9" * 400,
        "-" + "9" * 400,
    ]
    for value in values:
        problem = the_problem(tmp_path, f"[{section}]\n{option.name} = {value}")
        assert f"[{section}] {option.name} = " in problem
        assert f"from {option.lo:g} to {option.hi:g}" in problem


@pytest.mark.parametrize(("section", "option"), OPTIONS, ids=name_of)
@pytest.mark.parametrize(
    "value", ["nan", "inf", "-inf", "1979-05-27", "{a = 1}", "[1]", "[[]]", "[true]", '[""]']
)
def test_what_no_option_wants_is_refused(tmp_path: Path, section: str, option: Option, value: str) -> None:
    problem = the_problem(tmp_path, f"[{section}]\n{option.name} = {value}")
    assert option.rule in problem


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("number", ["true", '"1"', "[]"]),
        ("whole", ["20.0", "21.5", "true", '"30"']),
        ("bool", ["0", "1", '"true"', "[]", '""']),
        ("text", ["1", "true", "[]", '""']),
        ("choice", ['"SIM"', '""', '"lg"', "1", "true", "[]"]),
        ("hex", ['"red"', '"#ee8866"', '"EE8866"', '"ee886"', "1", "true", "[]"]),
        ("list", ['"car.example"', "1", "[1]", '["a", ""]', '["a", 1]']),
        (
            "origins",
            ['["null"]', '["pc.local"]', '["ws://pc.local"]', '["http://pc.local/"]', '["http://*"]'],
        ),
        ("pin", ["28", "-1", "40", "12.0", "true", '"12"', '"GPIO28"', '""', "[]", "9" + "0" * 400]),
        ("jumper", ["28", "-1", "12.0", "true", '"Jumper"', '""', "[]"]),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(tmp_path: Path, kind: str, values: list[str]) -> None:
    found = [(s, o) for s, o in OPTIONS if kind_of(o) == kind]
    assert found
    for section, option in found:
        good = {toml(word) for word in (option.default, *get_args(option.type))}
        for value in sorted(set(values) - good):
            problem = the_problem(tmp_path, f"[{section}]\n{option.name} = {value}")
            assert problem.startswith(f"{tmp_path / 'picar.toml'}: [{section}] {option.name} = ")
            assert option.rule in problem
            assert "or delete it for the default" in problem


def test_a_whole_number_is_a_number_too(tmp_path: Path) -> None:
    speed = from_text(tmp_path, "[drive]\nmax_speed = 1").drive.max_speed
    assert speed == 1.0
    assert type(speed) is float


def test_a_problem_names_file_key_value_rule_and_fix(tmp_path: Path) -> None:
    assert the_problem(tmp_path, "[session]\ncommand_timeout_s = 5") == (
        f"{tmp_path / 'picar.toml'}: [session] command_timeout_s = 5 is not a number from 0.2 to 1 s. "
        "Change it, or delete it for the default 0.5."
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[sesion]\nrearm_s = 1", "unknown section [sesion]. Did you mean session?"),
        (
            "[xyzzy]",
            "unknown section [xyzzy]. Known: server, access, session, drive, motors, l298n, left, right, board, layout, motor.NAME, steering, esc, camera, hotspot, tls, battery, range, lamp, recording, rosbridge, classic, foxglove, fleet, mqtt, garage, aux.NAME.",
        ),
        ("[drive]\nmaxspeed = 1", "[drive] maxspeed = 1: unknown option. Did you mean max_speed?"),
        ("[right]\nxyzzy = true", "[right] xyzzy = true: unknown option. Known: invert, trim."),
        ("[left]\nzzz = {a = 1}", "unknown option."),
        ("port = 8000", "port = 8000 is in no section. Put it under [server]."),
        ("xyzzy = 1", "unknown section [xyzzy]."),
        ("drive = 5", "drive = 5 is not a section. Write [drive] on its own line."),
        ("server = []", "server = [] is not a section. Write [server] on its own line."),
        ("[[drive]]\naccel = 1", "is not a section. Write [drive] on its own line."),
    ],
)
def test_what_nobody_knows_is_refused_with_a_guess(tmp_path: Path, text: str, sentence: str) -> None:
    problem = the_problem(tmp_path, text)
    assert sentence in problem
    assert problem.startswith(f"{tmp_path / 'picar.toml'}: ")


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    text = """
    [servr]
    [session]
    command_timeout_s = 5
    [drive]
    accel = nan
    speed = 1
    [l298n]
    ena = 99
    in1 = 24
    """
    env = {"PICAR_MOTORS__PWM_HZ": "many", "PICAR_MOTOR__X": "1"}
    found = problems(tmp_path, text, env)
    expected = [
        "[servr]",
        "command_timeout_s",
        "accel",
        "speed",
        "ena = 99",
        "in1 = 24",
        "PWM_HZ",
        "MOTOR__X",
    ]
    assert len(found) == len(expected)
    for word in expected:
        assert len([problem for problem in found if word in problem]) == 1, word
    with pytest.raises(ConfigError) as caught:
        from_text(tmp_path, text, env)
    assert str(caught.value) == "\n".join(found)


def test_the_reference_has_a_line_for_every_option() -> None:
    text = reference()
    for section, option in OPTIONS:
        assert f"## [{section}]" in text
        default = tomllib.loads(as_toml(Config()))[section][option.name]
        (line,) = [
            line
            for line in text.split(f"## [{section}]")[1].split("## [")[0].splitlines()
            if line.startswith(f"| `{option.name}` |")
        ]
        cells = line.strip("| ").split(" | ")
        assert tomllib.loads(f"v = {cells[1].strip('`')}")["v"] == default
        assert cells[2] == option.rule
        assert cells[3] == option.sentence
        assert option.sentence.endswith(".")


def test_the_printed_reference_is_the_one_in_the_manual() -> None:
    manual = Path(config.__file__).parents[1] / "docs" / "configuration.md"
    assert reference().strip() in manual.read_text(encoding="utf-8")


def test_no_option_switches_a_safety_off() -> None:
    timeout = options_of(SECTIONS["session"])["command_timeout_s"]
    assert (timeout.lo, timeout.hi) == (0.2, 1.0)
    assert options_of(SECTIONS["motors"])["brake_hold_s"].hi == 0.3
    assert options_of(SECTIONS["drive"])["reverse_pause_s"].lo == 0.1
    assert options_of(SECTIONS["drive"])["deadband"].lo > 0.0
    assert options_of(SECTIONS["motors"])["pwm_hz"].hi == 2000
    assert all(math.isfinite(option.lo) and math.isfinite(option.hi) for _, option in NUMBERS)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
host_names = st.from_regex(r"[\w.-]+", fullmatch=True)
origins = st.from_regex(ORIGIN, fullmatch=True)


def values_of(option: Option) -> st.SearchStrategy[Any]:
    kind = kind_of(option)
    if kind == "number":
        return st.floats(option.lo, option.hi)
    if kind == "whole":
        return st.integers(int(option.lo), int(option.hi))
    if kind == "choice":
        return st.sampled_from(get_args(option.type))
    lists = {"list": st.lists(host_names).map(tuple), "origins": st.lists(origins).map(tuple)}
    hexes = st.from_regex(r"([0-9a-f]{6})?", fullmatch=True)
    return {"bool": st.booleans(), "text": texts, "hex": hexes, **lists}[kind]


def sections() -> st.SearchStrategy[Config]:
    built = {
        name: st.builds(cls, **{o.name: values_of(o) for o in options_of(cls).values()})
        for name, cls in SECTIONS.items()
        if name in sections_of(Config())
        and name
        not in ("l298n", "battery", "range", "lamp")  # test_config_battery.py and _extras.py have these
    }
    return st.builds(Config, l298n=wirings(), **built)


@st.composite
def wirings(draw: st.DrawFn) -> L298NConfig:
    numbers = draw(st.permutations(range(28)))[:6]
    wiring: dict[str, Any] = dict(zip(["ena", "in1", "in2", "enb", "in3", "in4"], numbers, strict=True))
    for enable in draw(st.sets(st.sampled_from(["ena", "enb"]))):
        wiring[enable] = "jumper"
    return L298NConfig(**wiring, swap=draw(st.booleans()))


@given(settings=sections())
def test_every_good_configuration_survives_being_printed_and_read(
    tmp_path_factory: pytest.TempPathFactory, settings: Config
) -> None:
    file = tmp_path_factory.getbasetemp() / "printed.toml"
    file.write_text(as_toml(settings), encoding="utf-8")
    again = load(file, {})
    assert dataclasses.replace(again, source="defaults", warnings=()) == settings
    assert len(again.warnings) == len([n for n in settings.l298n.wired().values() if n in NOT_PULLED_DOWN])
