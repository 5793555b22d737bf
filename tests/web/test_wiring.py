"""`/wiring` and `picar wiring`: the configuration that is really in use, drawn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from picar.wiring.presets import PRESETS
from tests.support.product import Product

ROOT = Path(__file__).parents[2]


async def fetch(car: Product, path: str, **headers: str) -> HTTPResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await AsyncHTTPClient().fetch(car.url + path, headers=names, raise_error=False)


async def test_the_page_shows_this_cars_wiring() -> None:
    async with Product(config="[l298n]\nin1 = 25\n") as car:
        page = await fetch(car, "/wiring")
        assert (page.code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert b"<tr><td>22</td>" in page.body
        assert b"GPIO 25" in page.body
        assert b"GPIO 23" not in page.body
        assert "unsafe" not in page.headers["Content-Security-Policy"]


async def test_the_page_speaks_the_browsers_language(standing_car: Product) -> None:
    chinese = await fetch(standing_car, "/wiring", Accept_Language="zh-CN,zh;q=0.9,en;q=0.5")
    assert "本车接线图" in chinese.body.decode()
    assert "Accept-Language" in chinese.headers["Vary"]
    assert (
        "Wiring of this car"
        in (await fetch(standing_car, "/wiring?lang=en", Accept_Language="zh")).body.decode()
    )


@pytest.mark.parametrize(
    ("accepted", "wanted", "language"),
    [
        ("", "", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh-CN"),
        ("de-DE,de;q=0.9", "", "en"),
        ("de, zh-TW;q=0.5", "", "zh-CN"),
        ("en-GB", "?lang=zh", "zh-CN"),
        ("zh", "?lang=en", "en"),
        (";;,=,", "", "en"),
    ],
)
async def test_the_language_is_the_browsers_or_the_one_asked_for(
    standing_car: Product, accepted: str, wanted: str, language: str
) -> None:
    page = await fetch(standing_car, f"/wiring{wanted}", Accept_Language=accepted)
    assert f'<html lang="{language}">' in page.body.decode()


@pytest.mark.parametrize("query", ["nonsense", "", "EN", "zh-CN", "en&lang=zh", "en&lang=en", "%ff"])
async def test_a_language_that_there_is_not_is_refused_with_those_that_there_are(
    standing_car: Product, query: str
) -> None:
    for kind in ("", ".svg", ".css"):
        answer = await fetch(standing_car, f"/wiring{kind}?lang={query}")
        error = json.loads(answer.body)["error"]
        assert (answer.code, error["code"]) == (400, "bad_request")
        assert query == "%ff" or "lang is en or zh" in error["message"]
    assert (await fetch(standing_car, "/wiring?lang=zh&language=fr&lang2=x")).code == 200


async def test_its_style_and_its_drawing_are_files_of_the_car(standing_car: Product) -> None:
    style, file = await fetch(standing_car, "/wiring.css"), await fetch(standing_car, "/wiring.svg")
    assert (style.code, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert file.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert "script-src" not in file.headers["Content-Security-Policy"]
    assert ET.fromstring(file.body).get("class") == "wiring"  # noqa: S314 - our own


async def test_it_is_for_everybody_in_the_network_as_the_page_is() -> None:
    async with Product(config='[access]\npairing = "on"\n') as car:
        for path in ("/wiring", "/wiring.svg", "/wiring.css"):
            assert (await fetch(car, path)).code == 200
        assert (await fetch(car, "/api/v1/state")).code == 401


async def test_a_foreign_name_is_refused_here_too(standing_car: Product) -> None:
    assert (await fetch(standing_car, "/wiring", Host="evil.example")).code == 421


async def test_what_is_no_part_of_it_is_not_found(standing_car: Product) -> None:
    assert (await fetch(standing_car, "/wiring.html")).code == 404


def wiring(*arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "picar", "wiring", *arguments]
    done = subprocess.run(
        command,
        cwd=cwd or ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done


def test_the_terminal_shows_the_configuration_in_use(tmp_path: Path) -> None:
    file = tmp_path / "picar.toml"
    file.write_text("[l298n]\nin1 = 25\n")
    shown = wiring("--config", str(file))
    assert (shown.returncode, "GPIO 25 ──▶ IN1" in shown.stdout) == (0, True)
    assert "GPIO 26 ◀── ENA" not in shown.stdout
    assert "GPIO 12 --> ENA" in wiring(PYTHONIOENCODING="ascii").stdout
    assert "左电机" in wiring("--lang", "zh", PYTHONIOENCODING="utf-8").stdout
    assert "left motor" in wiring("--lang", "zh", PYTHONIOENCODING="ascii").stdout
    assert wiring("--config", "/nowhere/picar.toml").returncode == 2


def test_a_preset_is_printed_or_written_and_never_over_a_file(tmp_path: Path) -> None:
    file = tmp_path / "car.toml"
    printed = wiring("--preset", "classic-4-wire")
    written = wiring("--preset", "classic-4-wire", "--write", str(file))
    assert (printed.returncode, written.returncode) == (0, 0)
    assert file.read_text() == printed.stdout
    assert f"picar check-config {file}" in written.stdout
    refused = wiring("--preset", "picar", "--write", str(file))
    assert (refused.returncode, "was left as it is" in refused.stderr) == (1, True)
    assert file.read_text() == printed.stdout


def test_a_drawing_is_drawn_anew_and_never_over_something_else(tmp_path: Path) -> None:
    file, other = tmp_path / "car.svg", tmp_path / "picar.toml"
    other.write_text("[drive]\n")
    for preset in ("picar", "donkeycar"):
        assert wiring("--svg", str(file), "--preset", preset).returncode == 0
    assert "GPIO 17" in file.read_text(encoding="utf-8")
    refused = wiring("--svg", str(other))
    assert (refused.returncode, other.read_text()) == (1, "[drive]\n")
    assert "not a drawing" in refused.stderr
    assert "No such file or directory" in wiring("--svg", str(tmp_path / "no" / "car.svg")).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--preset", "wings"), "Known: picar, classic-4-wire"),
        (("--write", "x.toml"), "--write needs --preset NAME"),
        (("--lang", "fr"), "invalid choice"),
    ],
)
def test_wrong_usage_is_a_sentence(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = wiring(*arguments, cwd=tmp_path)
    assert (done.returncode, words in done.stderr, list(tmp_path.iterdir())) == (2, True, [])


def test_the_presets_are_listed_by_the_kind_of_their_board() -> None:
    lines = wiring("--preset", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(PRESETS)
    groups = [line for line in lines if not line.startswith(" ")]
    assert groups == list(dict.fromkeys(preset.kind for preset in PRESETS.values()))


def test_a_board_without_a_drawing_has_its_table(tmp_path: Path) -> None:
    refused = wiring("--preset", "motozero", "--svg", str(tmp_path / "car.svg"))
    assert (refused.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "no drawing of a board with L293D" in refused.stderr
    file = tmp_path / "picar.toml"
    assert wiring("--preset", "motozero", "--write", str(file)).returncode == 0
    table = wiring("--config", str(file)).stdout
    assert "#2 3,4EN" in table
    assert "rear right motor: speed" in table


FOUR = """
[board]
kind = "{kind}"
[layout]
kind = "four"
[motor.front_left]
in1 = 17
in2 = 27
[motor.rear_left]
in1 = 22
in2 = 23
[motor.front_right]
in1 = 24
in2 = 25
[motor.rear_right]
in1 = 5
in2 = 6
"""


@pytest.mark.parametrize(("kind", "code"), [("drv8833", 200), ("l9110s", 404)])
async def test_the_page_shows_every_board_and_the_file_those_that_are_drawn(kind: str, code: int) -> None:
    async with Product(config=FOUR.format(kind=kind)) as car:
        page, file = await fetch(car, "/wiring?lang=en"), await fetch(car, "/wiring.svg")
        assert page.code == 200
        assert "rear right motor: reverse" in page.body.decode()
        assert "<td>#2 " in page.body.decode()
        assert ("/wiring.svg" in page.body.decode()) == (code == 200)
        assert file.code == code
        assert code == 200 or "/wiring has the table" in json.loads(file.body)["error"]["message"]
