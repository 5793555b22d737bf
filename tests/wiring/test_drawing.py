"""The drawing: read back, each wire begins at its terminal and ends at its pin, and none hides another."""

from __future__ import annotations

import dataclasses
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.config import BoardConfig, Config, L298NConfig
from picar.layouts import LAYOUTS
from picar.wires import KEYS, MAY_JUMPER
from picar.wiring.plan import KINDS, Plan, plan
from picar.wiring.presets import PRESETS
from picar.wiring.routes import BOARD_BOTTOM, Route, pin_x, routes, row_y, terminals_x
from picar.wiring.shapes import WIRES
from picar.wiring.svg import HEIGHT, WIDTH, drawing
from picar.wiring.text import WORDS

SVG = "{http://www.w3.org/2000/svg}"


WITHOUT_SERVO = [name for name, layout in LAYOUTS.items() if not layout.servo]
DRAWN = [kind for kind, described in KINDS.items() if described.has_drawing]


@st.composite
def l298ns(draw: st.DrawFn) -> Config:
    pins = draw(st.lists(st.integers(0, 27), min_size=6, max_size=6, unique=True))
    ena, enb = ("jumper" if draw(st.booleans()) else pin for pin in pins[:2])
    wiring = L298NConfig(ena, pins[2], pins[3], enb, pins[4], pins[5], draw(st.booleans()))  # type: ignore[arg-type]
    return Config(l298n=wiring)


@st.composite
def boards(draw: st.DrawFn) -> Config:
    """Return a car with any board that is drawn; each wire has its own pin, but for the standby of several boards."""
    kind, layout = draw(st.sampled_from(DRAWN)), draw(st.sampled_from(WITHOUT_SERVO))
    pins = iter(draw(st.permutations(range(28))))
    standby = next(pins) if kind != "l298n" and draw(st.booleans()) else "none"
    config = Config(board=BoardConfig(kind, standby)).having("layout", kind=layout)  # type: ignore[arg-type]
    for motor in LAYOUTS[layout].motors:
        values: dict[str, int | str] = {role: next(pins) for role in KEYS[kind]}
        if kind in MAY_JUMPER and draw(st.booleans()):
            values["pwm"] = "jumper"
        config = config.having(f"motor.{motor}", **values)
    return config


wirings = l298ns() | boards()


def routes_of(config: Config) -> Iterator[list[Route]]:
    drawn = plan(config)
    return (routes(board, drawn.ground) for board in drawn.boards)


def parse(drawn: Plan, language: str = "en") -> ET.Element:
    return ET.fromstring(drawing(drawn, WORDS[language], alone=True))  # noqa: S314 - our own


def ends(path: str) -> tuple[tuple[float, float], tuple[float, float]]:
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]
    return (numbers[0], numbers[1]), (numbers[-2], numbers[-1])


def wires_in(root: ET.Element) -> dict[tuple[tuple[float, float], tuple[float, float]], str]:
    """Return the colours of the thick lines by their ends."""
    return {
        ends(path.get("d", "")): path.get("stroke", "")
        for path in root.iter(f"{SVG}path")
        if path.get("stroke-width") == "4"
    }


@given(wirings)
def test_every_wire_goes_from_its_terminal_to_its_pin(config: Config) -> None:
    drawn = plan(config)
    root = parse(drawn)
    parts = root.findall(f"{SVG}g")
    for part in parts:
        root.remove(part)
    for board, part in zip(drawn.boards, [root, *parts], strict=True):
        found, at = wires_in(part), terminals_x(board)
        for wire in board.wires:
            way = ((at[wire.terminal], BOARD_BOTTOM), (pin_x(wire.pin), row_y(wire.pin)))
            assert found[way] == WIRES[wire.colour][0]


def segments(way: Route) -> list[tuple[int, int, int, int]]:
    return [(*a, *b) for a, b in itertools.pairwise(way.points)]


def overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Tell whether two segments in the same direction lie on or nearly on each other."""
    for along, across in ((0, 1), (1, 0)):
        if a[across] == a[across + 2] and b[across] == b[across + 2] and abs(a[across] - b[across]) < 8:
            (a0, a1), (b0, b1) = sorted((a[along], a[along + 2])), sorted((b[along], b[along + 2]))
            return max(a0, b0) < min(a1, b1)
    return False


@given(wirings)
def test_no_wire_runs_on_top_of_another(config: Config) -> None:
    for ways in routes_of(config):
        for one, other in itertools.combinations(ways, 2):
            for a, b in itertools.product(segments(one), segments(other)):
                assert not overlap(a, b), (one, other)


@given(wirings)
def test_all_stays_inside_the_picture(config: Config) -> None:
    for ways in routes_of(config):
        assert all(0 < x < WIDTH and 0 < y < HEIGHT for way in ways for x, y in way.points)
        assert max(way.track for way in ways) < row_y(plan(config).ground) - 19 * 21 - 34, "above the header"


def crossings(ways: list[Route]) -> int:
    """Count the crossings of a horizontal part of one wire with a vertical part of another."""
    found = 0
    for one, other in itertools.permutations(ways, 2):
        for (x0, y, x1, _), (x, top, _, bottom) in itertools.product(
            segments(one)[1::2], segments(other)[::2]
        ):
            found += min(x0, x1) < x < max(x0, x1) and top < y < bottom
    return found


PICTURED = [name for name, preset in PRESETS.items() if plan(preset.config).has_drawing]


@pytest.mark.parametrize("name", PICTURED)
def test_wires_cross_no_more_than_they_must(name: str) -> None:
    for *ways, _ground in routes_of(PRESETS[name].config):
        tracks = [way.track for way in ways]
        if len(tracks) > 6:
            continue  # too many orders; the same search finds them
        orders = (
            [dataclasses.replace(way, track=track) for way, track in zip(ways, order, strict=True)]
            for order in itertools.permutations(tracks)
        )
        assert crossings(ways) == min(map(crossings, orders))


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("name", PRESETS)
def test_a_drawing_is_plain_svg_in_its_language(name: str, language: str) -> None:
    drawn = plan(PRESETS[name].config)
    root = parse(drawn, language)
    kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
    more = {"path"} if name in PICTURED or drawn.parts else set()
    more |= {"g"} if drawn.parts or (len(drawn.boards) > 1 and name in PICTURED) else set()
    assert kinds == {"svg", "style", "title", "desc", "rect", "circle", "text"} | more
    assert not [
        key for element in root.iter() for key in element.attrib if key.startswith("on") or key == "style"
    ]
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert WORDS[language]["header"] in texts
    assert root.findtext(f"{SVG}title") == WORDS[language]["title"]
    if name not in PICTURED:
        assert "OUT1" not in texts
        return
    for part in drawn.parts:
        for wire in part.wires:
            texts.remove(wire.terminal if wire.role != "base" else "B")
    assert [texts.count(word) for word in ("VCC", "VM")] == (
        [len(drawn.boards) * (1 + ("STBY" in drawn.boards[0].tied)), 1]
        if drawn.kind == "tb6612"
        else [0, int(drawn.kind == "drv8833")]
    )
    values = 0 if not drawn.all_of("resistors") else 1 if drawn.all_of("tied") else 2
    assert texts.count("10 kΩ") == values * len(drawn.boards)
    letters = "".join(str(text) for text in texts)
    assert all(WORDS[language][motor].replace(" ", "") in letters.replace(" ", "") for motor in drawn.motors)


def test_a_drawing_in_the_page_has_no_style_of_its_own() -> None:
    assert "style" not in drawing(plan(Config()), WORDS["en"])


@pytest.mark.parametrize(("wiring", "on", "off"), [(L298NConfig(), 0, 2), (L298NConfig(ena="jumper"), 1, 1)])
def test_the_jumpers_are_said_and_shown(wiring: L298NConfig, on: int, off: int) -> None:
    texts = [element.text for element in parse(plan(Config(l298n=wiring))).iter(f"{SVG}text")]
    assert (texts.count("jumper on"), texts.count("jumper off")) == (on, off)


def test_all_languages_have_the_same_words() -> None:
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}
    holes = {
        language: {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in words.items()}
        for language, words in WORDS.items()
    }
    assert holes["zh"] == holes["en"]
    assert all(text for words in WORDS.values() for text in words.values())
