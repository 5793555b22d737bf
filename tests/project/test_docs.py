"""The documentation: its programs run, its pictures are the program's own, its links lead somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from picar.wiring.plan import plan
from picar.wiring.presets import PRESETS
from picar.wiring.svg import drawing
from picar.wiring.words import WORDS
from tests.support.product import Product

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PICTURES = {"wiring.svg": "picar", "wiring-classic-4-wire.svg": "classic-4-wire"}


def example(kind: str) -> str:
    (code,) = re.findall(
        rf"```{kind}\n(.*?)```", (ROOT / "docs/protocol.md").read_text(encoding="utf-8"), re.DOTALL
    )
    return str(code)


def node() -> list[str]:
    """Return the command of a Node.js that has WebSocket; skip where there is none."""
    for flags in ([], ["--experimental-websocket"]):
        command = [shutil.which("node") or "node", *flags]
        try:
            probe = [*command, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)"]
            if subprocess.run(probe, check=False, timeout=60, capture_output=True).returncode == 0:
                return command
        except FileNotFoundError:
            break
    pytest.skip("no Node.js with WebSocket here: apt-get install nodejs (20 or newer)")


async def drives_and_stops(car: Product, command: list[str]) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
        try:
            await car.until_driving()
            await car.until_low()
            said, _ = client.communicate(timeout=60)
        finally:
            client.kill()
    assert (client.returncode, said) == (0, "")


async def test_the_ten_lines_of_python_drive_the_car(tmp_path: Path) -> None:
    file = tmp_path / "client.py"
    file.write_text(example("python"), encoding="utf-8")
    async with Product() as car:
        await drives_and_stops(car, [sys.executable, str(file), f"127.0.0.1:{car.port}"])


async def test_the_ten_lines_of_javascript_drive_the_car(tmp_path: Path) -> None:
    file = tmp_path / "client.mjs"
    file.write_text(example("js"), encoding="utf-8")
    command = [*node(), "--no-warnings", str(file)]
    async with Product() as car:
        await drives_and_stops(car, [*command, f"127.0.0.1:{car.port}"])


@pytest.mark.parametrize("kind", ["python", "js"])
def test_ten_lines_are_about_ten(kind: str) -> None:
    assert len([line for line in example(kind).splitlines() if line.strip()]) <= 14


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_by_the_program(name: str) -> None:
    drawn = drawing(plan(PRESETS[PICTURES[name]].wiring), WORDS["en"], alone=True) + "\n"
    fix = f"picar wiring --preset {PICTURES[name]} --svg docs/{name}"
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == drawn, f"draw it anew: {fix}"


@pytest.mark.parametrize("file", DOCS, ids=[file.name for file in DOCS])
def test_links_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
        assert (file.parent / target).exists(), f"{file.name}: {target}"


@pytest.mark.parametrize("file", DOCS, ids=[file.name for file in DOCS])
def test_commands_of_picar_in_the_docs_exist(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "picar", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    known = set(re.findall(r"^    ([a-z-]+)", done.stdout, re.MULTILINE))
    assert known
    for command in re.findall(r"`(?:\.venv/bin/)?picar ([a-z][a-z-]*)", file.read_text(encoding="utf-8")):
        assert command in known, f"{file.name}: picar {command}"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_in_the_docs(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs/parts-and-wiring.md").read_text(encoding="utf-8")
