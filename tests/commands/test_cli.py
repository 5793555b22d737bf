"""The command line: every failure is one sentence with the fix, and the right exit code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from picar.calibration.store import Overlay
from picar.calibration.values import Calibration
from picar.config import Config
from picar.configfile import as_toml, reference
from picar.wiring.presets import PRESETS
from tests.support.product import ALL_PINS, Product

ROOT = Path(__file__).parents[2]


def picar(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "picar", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | (env or {}),
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("command", ["check-config", "wiring"])
def test_a_calibration_of_another_layout_is_a_warning(command: str, tmp_path: Path) -> None:
    file = tmp_path / "picar.toml"
    file.write_text(as_toml(PRESETS["camjam-edukit-3"].config))
    overlay = Overlay(tmp_path, "sim")
    overlay.keep(Calibration.of(Config())._replace(swap=True))
    arguments = [str(file)] if command == "check-config" else ["--config", str(file)]
    done = picar(command, *arguments, env={"STATE_DIRECTORY": str(tmp_path), "PICAR_MOTORS__BACKEND": "sim"})
    assert done.returncode == 0
    assert f"warning: {overlay.path} is the calibration of a car with another board" in done.stderr
    assert "calibrated on the page" not in done.stdout


async def test_a_busy_port_is_one_sentence_with_the_fix(car: Product) -> None:
    done = picar("serve", "--pins", "mock", "--host", "127.0.0.1", "--port", str(car.port))
    assert done.returncode == 1
    assert f"Port {car.port} is in use" in done.stderr
    assert f"--port {car.port + 1}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("serve", "--port", "99999"), 2, "99999 is not a whole number from 0 to 65535"),
        (("serve", "--port", "x"), 2, "invalid int value"),
        (("serve", "--pins", "wings"), 2, "invalid choice"),
        (("fly",), 2, "invalid choice"),
        (("serve", "--prot", "8123"), 2, "usage: picar serve"),
        (("--prot", "8123"), 2, "usage: picar [-h]"),
        (("serve", "--config", "/nowhere/picar.toml"), 2, "no such file"),
        (
            ("serve", "--pins", "mock", "--host", "203.0.113.9", "--port", "0"),
            1,
            "not an address of this machine",
        ),
        (("serve", "--pins", "mock", "--host", "no such host", "--port", "0"), 1, "no such address"),
        (
            ("serve", "--pins", "mock", "--port", "0", "--pin-trace", "/nowhere/t"),
            1,
            "--pin-trace /nowhere/t",
        ),
        (("serve", "--pins", "rpigpio", "--port", "0"), 1, "rpigpio"),
    ],
)
def test_bad_usage_is_told_in_a_sentence(arguments: tuple[str, ...], code: int, words: str) -> None:
    done = picar(*arguments)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize("command", ["config-reference", "check-config", "doctor"])
def test_output_that_does_not_fit_is_told_in_a_sentence(command: str) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "picar", command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "picar: there is no room for the output. Send it somewhere else.\n",
    )


SIGNALLED = """
import os, signal, sys
from picar import __main__
from picar import commands as cli
def signalled(run=cli.run):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(os.getpid(), number)
    return run()
cli.run = signalled
sys.argv = ["picar", "pins-low", "--pins", "mock"]
sys.exit(__main__.main())
"""


def test_pins_low_is_not_ended_half_way() -> None:
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Every motor pin is low.")


def test_pins_low_says_where_no_real_pin_was_touched() -> None:
    done = picar("pins-low", "--pins", "mock")
    assert done.stdout.splitlines()[0] == "Every motor pin is low."
    assert "no real pin was touched" in done.stdout


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "picar.toml"
    file.write_text("[server]\nprot = 1\n[l298n]\nin1 = 24\n[drive]\nexpo = 2\n")
    done = picar("serve", "--config", str(file))
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(str(file) in line for line in lines)
    assert "Did you mean port?" in done.stderr


def test_check_config_shows_what_it_comes_to(tmp_path: Path) -> None:
    file = tmp_path / "picar.toml"
    file.write_text("[l298n]\nena = 4\n")
    done = picar("check-config", str(file), env={"PICAR_DRIVE__EXPO": "0.5"})
    assert done.returncode == 0
    assert "expo = 0.5" in done.stdout
    assert "ena = 4" in done.stdout
    assert "warning: [l298n] ena = 4" in done.stderr


def test_the_option_table_in_the_docs_is_the_programs_own() -> None:
    assert reference() in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert picar("config-reference").stdout == reference()


def test_pins_low_writes_every_pin_low_enables_first(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    assert picar("pins-low", "--pins", "mock", "--pin-trace", str(trace)).returncode == 0
    writes = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [w["pin"] for w in writes if w["op"] == "write"][:2] == [12, 13]
    assert {w["pin"] for w in writes if w["op"] == "write"} == set(ALL_PINS)
    assert not any(w["value"] for w in writes)


def test_pins_low_imports_nothing_that_only_serving_needs() -> None:
    """On a Pi Zero each of these costs the time in which a motor runs on."""
    code = (
        "import sys; from picar.commands import run; run(['pins-low', '--pins', 'mock'])\n"
        "print({'asyncio', 'logging', 'segno', 'socket', 'ssl', 'tempfile', 'tornado'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            code,
        ],  # -S: for the test's own coverage measurement imports some of them
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_version_and_the_help_are_printed() -> None:
    assert picar("--version").stdout == "picar 0.1.0\n"
    assert "serve" in picar().stdout


def test_picar_serves_where_no_address_but_loopback_is_allowed_to_be_said() -> None:
    """With --host 127.0.0.1 the one URL printed is loopback's, and no QR code leads a phone astray."""
    with subprocess.Popen(
        [sys.executable, "-m", "picar", "serve", "--pins", "sim", "--host", "127.0.0.1", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        process.terminate()
    assert process.returncode == 0
    assert "sim, a simulated car" in lines[1]
    assert "http://127.0.0.1:" in lines[2]
    assert not any("█" in line for line in lines)


async def test_the_doctor_names_a_busy_port_and_the_fix(car: Product) -> None:
    well = picar("doctor", env={"PICAR_SERVER__PORT": "0"})
    assert (well.returncode, "problem" in well.stdout) == (0, False)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ill = picar("doctor", env={"PICAR_SERVER__PORT": str(port), "PICAR_SERVER__HOST": "127.0.0.1"})
    assert ill.returncode == 1
    assert f"Port {port} is in use" in ill.stdout
    assert f"fix: see who has it: sudo ss -ltnp 'sport = :{port}'" in ill.stdout
    broken = picar("doctor", env={"PICAR_SERVER__PORT": "many"})
    assert broken.returncode == 1
    assert "many" in broken.stdout


async def test_the_doctor_knows_a_running_picar_and_speaks_json(car: Product) -> None:
    done = picar(
        "doctor", "--json", env={"PICAR_SERVER__PORT": str(car.port), "PICAR_SERVER__HOST": "127.0.0.1"}
    )
    findings = json.loads(done.stdout)
    assert {frozenset(finding) for finding in findings} == {frozenset({"check", "status", "message", "fix"})}
    (port,) = [finding for finding in findings if finding["check"] == "port"]
    assert (port["status"], port["message"]) == ("ok", f"a running picar answers on port {car.port}")
    assert done.returncode == 0


def test_on_windows_one_sentence_names_wsl() -> None:
    code = "import sys; sys.platform = 'win32'; from picar.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, "WSL" in done.stderr, done.stdout) == (1, True, "")


@pytest.mark.parametrize("command", ["serve", "pins-low"])
def test_on_a_pi_without_a_usable_backend_it_refuses_and_says_the_fix(tmp_path: Path, command: str) -> None:
    model = tmp_path / "model"
    model.write_bytes(b"Raspberry Pi 4 Model B Rev 1.5\0")
    code = (
        "import sys, pathlib; import picar.raspberrypi as it; look = it.raspberry_pi_model;"
        f"it.raspberry_pi_model = lambda: look(pathlib.Path({str(model)!r}));"
        f"from picar.commands import run; sys.exit(run([{command!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Raspberry Pi 4 Model B Rev 1.5" in done.stderr
    assert "--pins sim" in done.stderr
