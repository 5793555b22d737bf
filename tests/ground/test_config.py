"""The configuration: where values come from, which are good, and what is said about the others."""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar import config
from picar.config import SECTIONS, Config, L298NConfig, as_toml, find_file, load, reference
from picar.errors import ConfigError
from picar.options import EnablePin, Option, options_of

OPTIONS = [(section, option) for section, cls in SECTIONS.items() for option in options_of(cls).values()]
NUMBERS = [(s, o) for s, o in OPTIONS if o.type in (int, float) and o.unit != "BCM"]
PINS = [(s, o) for s, o in OPTIONS if o.unit == "BCM"]
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


def test_without_a_file_the_defaults_hold() -> None:
    settings = load(None, {})
    assert settings == Config()
    assert settings.source == "defaults"
    assert settings.warnings == ()


def test_the_defaults_are_the_agreed_ones() -> None:
    agreed = """
    [server]
    host = "all"
    port = 8000
    name = "picar"
    allowed_hosts = []
    max_clients = 1200
    max_clients_per_address = 32
    [access]
    pairing = "auto"
    [session]
    command_timeout_s = 0.5
    rearm_s = 1.0
    idle_s = 5.0
    grace_s = 2.0
    [drive]
    max_speed = 1.0
    accel = 2.5
    decel = 6.0
    deadband = 0.05
    expo = 0.3
    reverse_pause_s = 0.1
    [motors]
    backend = "auto"
    pwm_hz = 200
    min_duty = 0.25
    brake_hold_s = 0.3
    [l298n]
    ena = 12
    in1 = 23
    in2 = 24
    enb = 13
    in3 = 27
    in4 = 22
    swap = false
    [left]
    invert = false
    trim = 1.0
    [right]
    invert = false
    trim = 1.0
    """
    assert tomllib.loads(as_toml(Config())) == tomllib.loads(agreed)


def test_an_empty_file_is_good_and_named_as_the_source(tmp_path: Path) -> None:
    settings = from_text(tmp_path, "")
    assert settings.source == str(tmp_path / "picar.toml")
    assert dataclasses.replace(settings, source="defaults") == Config()


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
        ("list", ['"car.example"', "1", "[1]", '["a", ""]', '["a", 1]']),
        ("pin", ["28", "-1", "40", "12.0", "true", '"12"', '"GPIO28"', '""', "[]", "9" + "0" * 400]),
        ("jumper", ["28", "-1", "12.0", "true", '"Jumper"', '""', "[]"]),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(tmp_path: Path, kind: str, values: list[str]) -> None:
    found = [(s, o) for s, o in OPTIONS if kind_of(o) == kind]
    assert found
    for section, option in found:
        for value in values:
            problem = the_problem(tmp_path, f"[{section}]\n{option.name} = {value}")
            assert problem.startswith(f"{tmp_path / 'picar.toml'}: [{section}] {option.name} = ")
            assert option.rule in problem
            assert "or delete it for the default" in problem


def kind_of(option: Option) -> str:
    if option.unit == "BCM":
        return "jumper" if option.type == EnablePin else "pin"
    if get_origin(option.type) is tuple:
        return "list"
    return {float: "number", int: "whole", bool: "bool", str: "text"}.get(option.type, "choice")


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
            "unknown section [xyzzy]. Known: server, access, session, drive, motors, l298n, left, right.",
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


@pytest.mark.parametrize(("section", "option"), PINS, ids=name_of)
def test_a_pin_may_be_any_of_the_header(tmp_path: Path, section: str, option: Option) -> None:
    taken = set(L298NConfig().wired().values()) - {option.default}
    for number in set(range(28)) - taken:
        settings = from_text(tmp_path, f"[{section}]\n{option.name} = {number}")
        assert getattr(settings.l298n, option.name) == number


def test_only_an_enable_may_be_a_jumper(tmp_path: Path) -> None:
    wiring = from_text(tmp_path, '[l298n]\nena = "jumper"\nenb = "jumper"').l298n
    assert wiring.wired() == {"in1": 23, "in2": 24, "in3": 27, "in4": 22}
    for _, option in PLAIN_PINS:
        assert "jumper" not in option.rule
        assert "0 to 27" in the_problem(tmp_path, f'[l298n]\n{option.name} = "jumper"')


def test_the_classic_four_wire_car_is_good(tmp_path: Path) -> None:
    text = '[l298n]\nena = "jumper"\nin1 = 17\nin2 = 18\nenb = "jumper"\nin3 = 27\nin4 = 22'
    assert from_text(tmp_path, text).l298n.wired() == {"in1": 17, "in2": 18, "in3": 27, "in4": 22}


def test_wired_pins_come_enables_first() -> None:
    assert list(L298NConfig().wired()) == ["ena", "enb", "in1", "in2", "in3", "in4"]
    assert list(L298NConfig(ena="jumper").wired()) == ["enb", "in1", "in2", "in3", "in4"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ena = 22", "[l298n] ena = 22 and in4 = 22: one pin used twice. Give each wire its own."),
        ("in4 = 23", "[l298n] in1 = 23 and in4 = 23: one pin used twice. Give each wire its own."),
        ("ena = 5\nin1 = 5\nin4 = 5", "[l298n] ena = 5 and in1 = 5 and in4 = 5: one pin used twice."),
    ],
)
def test_one_pin_for_two_wires_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    problem = the_problem(tmp_path, f"[l298n]\n{text}")
    assert sentence in problem
    assert problem.startswith(f"{tmp_path / 'picar.toml'}: ")


def test_two_pins_may_change_places(tmp_path: Path) -> None:
    wiring = from_text(tmp_path, "[l298n]\nena = 13\nenb = 12").l298n
    assert (wiring.ena, wiring.enb) == (13, 12)


def test_a_pin_used_twice_names_all_who_said_so(tmp_path: Path) -> None:
    env = {"PICAR_L298N__IN2": "5", "PICAR_L298N__ENA": "6", "PICAR_DRIVE__ACCEL": "3"}
    problem = the_problem(tmp_path, "[l298n]\nin1 = 5", env)
    origins, _, _ = problem.partition(": [l298n] in1 = 5 and in2 = 5: one pin used twice.")
    assert set(origins.split(", ")) == {"environment PICAR_L298N__IN2", str(tmp_path / "picar.toml")}


def test_a_pin_that_no_header_has_does_not_clash_with_the_default_it_replaced(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[l298n]\nena = 99\nin1 = 12")
    assert "ena = 99" in problem


@pytest.mark.parametrize(("section", "option"), PINS, ids=name_of)
@pytest.mark.parametrize("number", NOT_PULLED_DOWN)
def test_a_pin_that_is_high_at_boot_is_warned_of(
    tmp_path: Path, section: str, option: Option, number: int
) -> None:
    _, warning = from_text(tmp_path, f"[{section}]\n{option.name} = {number}").warnings
    assert f"[l298n] {option.name} = {number}" in warning
    assert "motor may run" in warning
    assert ("pulled up" in warning) == (number <= 8)
    assert ("pulsed by the serial port" in warning) == (number in (14, 15))
    assert "GPIO 9 to 13 or 16 to 27" in warning


@pytest.mark.parametrize("number", set(range(28)) - set(NOT_PULLED_DOWN) - {12, 13, 22, 24, 27})
def test_a_pin_that_is_low_at_boot_is_not(tmp_path: Path, number: int) -> None:
    (of_the_others,) = from_text(tmp_path, f"[l298n]\nin1 = {number}").warnings
    assert "in1" not in of_the_others


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
    monkeypatch.setattr(config, "SYSTEM_FILE", system)
    env = {"PICAR_CONFIG": "/env.toml"}
    assert find_file("/flag.toml", env) == Path("/flag.toml")
    assert find_file(None, env) == Path("/env.toml")
    assert find_file(None, {}) is None
    system.touch()
    assert find_file(None, {}) == system
    assert find_file(None, {"PICAR_CONFIG": ""}) == system
    assert find_file(None, env) == Path("/env.toml")
    assert find_file("/flag.toml", {}) == Path("/flag.toml")


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


def values_of(option: Option) -> st.SearchStrategy[Any]:
    kind = kind_of(option)
    if kind == "number":
        return st.floats(option.lo, option.hi)
    if kind == "whole":
        return st.integers(int(option.lo), int(option.hi))
    if kind == "choice":
        return st.sampled_from(get_args(option.type))
    return {"bool": st.booleans(), "text": texts, "list": st.lists(host_names).map(tuple)}[kind]


def sections() -> st.SearchStrategy[Config]:
    built = {
        name: st.builds(cls, **{o.name: values_of(o) for o in options_of(cls).values()})
        for name, cls in SECTIONS.items()
        if name != "l298n"
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


@given(st.text(max_size=60), st.sampled_from(OPTIONS))
def test_any_text_in_the_environment_is_a_value_or_a_problem(text: str, place: tuple[str, Option]) -> None:
    section, option = place
    variable = f"PICAR_{section.upper()}__{option.name.upper()}"
    try:
        load(None, {variable: text})
    except ConfigError as error:
        problem = str(error)
        assert problem.startswith("environment PICAR_")
