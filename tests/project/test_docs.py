"""The documentation: its programs run, its pictures are the program's own, its links lead somewhere."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from picar import __released__, __version__
from picar.layouts import LAYOUTS
from picar.motor.boards.kinds import COAST, KINDS
from picar.wiring.plan import plan
from picar.wiring.presets import PRESETS
from picar.wiring.svg import drawing
from picar.wiring.text import WORDS
from tests.pictures.album import FOLDER, SCHEMES
from tests.pictures.album import PICTURES as ALBUM
from tests.support.product import Product
from tests.support.waiting import DEADLINE_S

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [*DOCS, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
BOARDS = (ROOT / "docs/boards.md").read_text(encoding="utf-8")
OF_PULSES = (ROOT / "docs/servo-and-esc.md").read_text(encoding="utf-8")
HATS = (ROOT / "docs/motor-hats.md").read_text(encoding="utf-8")
BOARD_EXAMPLES = re.findall(r"```toml\n(.*?)```", BOARDS + HATS + OF_PULSES, re.DOTALL)
PICTURES = {"wiring.svg": "picar", "wiring-classic-4-wire.svg": "classic-4-wire"}


def newest_release(changelog: str) -> tuple[str, ...] | None:
    """Return version and day of the newest release in this text; None before the first one."""
    found = re.search(r"^## \[(\d[^]]*)\] - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    return found.groups() if found else None


def test_the_newest_release_of_the_changelog_has_its_version_and_its_day_in_the_program() -> None:
    assert newest_release("## [Unreleased]\n\n## [1.2.0] - 2027-01-31\n\n## [1.1.0] - 2026-12-01\n") == (
        "1.2.0",
        "2027-01-31",
    )
    released = date.fromisoformat(__released__)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert newest_release(changelog) in (None, (__version__, released.isoformat()))


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


def token_for(car: Product) -> str:
    """Return what `picar pair --token` says."""
    env = os.environ | {"XDG_STATE_HOME": str(car.folder / "state")}
    command = [
        sys.executable,
        "-m",
        "picar",
        "pair",
        "--token",
        "a script",
        "--config",
        str(car.folder / "picar.toml"),
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()[-1]


async def drives_and_stops(car: Product, command: list[str]) -> None:
    client = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        await car.until_driving()
        await car.until_low()
        async with asyncio.timeout(DEADLINE_S):
            said, _ = await client.communicate()
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()
    assert (client.returncode, said) == (0, b"")


@pytest.mark.parametrize("pairing", ["local", "on"])
@pytest.mark.parametrize("kind", ["python", "js"])
async def test_the_ten_lines_drive_the_car(tmp_path: Path, kind: str, pairing: str) -> None:
    file = tmp_path / ("client.mjs" if kind == "js" else "client.py")
    file.write_text(example(kind), encoding="utf-8")
    program = [*node(), "--no-warnings"] if kind == "js" else [sys.executable]
    async with Product(config=f'[access]\npairing = "{pairing}"\n') as car:
        token = [token_for(car)] if pairing == "on" else []
        await drives_and_stops(car, [*program, str(file), f"127.0.0.1:{car.port}", *token])


@pytest.mark.parametrize("kind", ["python", "js"])
def test_ten_lines_are_about_ten(kind: str) -> None:
    assert len([line for line in example(kind).splitlines() if line.strip()]) <= 16


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_by_the_program(name: str) -> None:
    drawn = drawing(plan(PRESETS[PICTURES[name]].config), WORDS["en"], alone=True) + "\n"
    fix = f"picar wiring --preset {PICTURES[name]} --svg docs/{name}"
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == drawn, f"draw it anew: {fix}"


def test_each_picture_of_the_album_is_there_in_its_size_and_shown_in_a_document() -> None:
    expected = {picture.file(scheme): picture.most for picture in ALBUM for scheme in SCHEMES}
    assert set(FOLDER.iterdir()) == set(expected), "make them anew: scripts/pictures"
    for file, most in expected.items():
        assert 1_000 < file.stat().st_size <= most, f"{file.name} has {file.stat().st_size} bytes"
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r'(?:src|srcset)="([^"]+\.webp)"', page.read_text(encoding="utf-8"))
    }
    assert shown == set(expected)


@pytest.mark.parametrize("file", DOCS, ids=[file.name for file in DOCS])
def test_each_picture_has_a_dark_version_and_words_for_who_does_not_see_it(file: Path) -> None:
    for picture in re.findall(r"<picture>.*?</picture>", file.read_text(encoding="utf-8"), re.DOTALL):
        found = re.search(
            r'srcset="(\S+)-dark\.webp"><img src="(\S+)-light\.webp" width="\d+" alt="([^"]{20,})"', picture
        )
        assert found, picture
        assert found[1] == found[2]


@pytest.mark.parametrize("file", PAGES, ids=[file.name for file in PAGES])
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


@pytest.mark.parametrize("file", DOCS, ids=[file.name for file in DOCS])
def test_commands_in_the_docs_can_be_pasted(file: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL)
    assert not re.search(r"<[a-z][a-z ]*>", "".join(blocks)), f"{file.name}: a placeholder cannot be pasted"


def test_nothing_installs_the_other_project_that_has_our_name_on_pypi() -> None:
    told = [
        *DOCS,
        *ROOT.glob("*.md"),
        *ROOT.glob("scripts/*"),
        *ROOT.glob("picar/**/*.py"),
        *ROOT.glob("static/i18n/*"),
    ]
    for file in told:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"(?:pip|pipx|uv) (?:tool )?install[^\n]* picar(?![\w-])", text), file.name


@pytest.mark.parametrize("file", DOCS, ids=[file.name for file in DOCS])
def test_no_table_is_cut_by_an_empty_line(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for rest in re.findall(r"^\|.*\n\n(\|.*\n.*)", text, re.MULTILINE):
        assert re.search(r"\n\|[-|: ]+\|$", rest), f"{file.name}: a table goes on after an empty line: {rest}"


@pytest.mark.parametrize("example", BOARD_EXAMPLES)
def test_each_configuration_of_a_board_is_complete(tmp_path: Path, example: str) -> None:
    file = tmp_path / "picar.toml"
    file.write_text(example, encoding="utf-8")
    command = [sys.executable, "-m", "picar", "check-config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), example


def test_each_kind_and_layout_has_an_example() -> None:
    shown = set(re.findall(r'^kind = "(\S+)"', BOARDS + OF_PULSES, re.MULTILINE))
    assert shown == KINDS.keys() | {"esc"} | (LAYOUTS.keys() - {"sides"})


@pytest.mark.parametrize("name", KINDS)
def test_the_table_of_rest_is_the_one_of_the_kinds(name: str) -> None:
    cells = [
        [cell.strip() for cell in row.split("|")[1:-1]]
        for row in re.findall(r"^\|.*\|$", BOARDS, re.MULTILINE)
    ]
    rows = [row for row in cells if len(row) == 3 and f"`{name}`" in row[0]]
    assert rows
    for kind, stop, rest in rows:
        rolls = "with `standby`" in kind or KINDS[name].rest == COAST
        assert (stop, "rolls" in rest.split(";")[0]) == ("brakes", rolls), kind
