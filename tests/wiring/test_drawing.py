"""The drawing: read back, each wire begins at its terminal and ends at its pin, and none hides another."""

from __future__ import annotations

import dataclasses
import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picar.config import L298NConfig
from picar.raspberrypi import pin_of
from picar.wiring.plan import PRESETS, Plan, plan
from picar.wiring.routes import BOARD_BOTTOM, TERMINAL_X, Route, pin_x, routes, row_y
from picar.wiring.shapes import WIRES
from picar.wiring.svg import HEIGHT, WIDTH, drawing
from picar.wiring.text import WORDS

SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def wirings(draw: st.DrawFn) -> L298NConfig:
    pins = draw(st.lists(st.integers(0, 27), min_size=6, max_size=6, unique=True))
    ena, enb = ("jumper" if draw(st.booleans()) else pin for pin in pins[:2])
    return L298NConfig(ena, pins[2], pins[3], enb, pins[4], pins[5], draw(st.booleans()))  # type: ignore[arg-type]


def parse(drawn: Plan, language: str = "en") -> ET.Element:
    return ET.fromstring(drawing(drawn, WORDS[language], alone=True))  # noqa: S314 - our own


def ends(path: str) -> tuple[tuple[float, float], tuple[float, float]]:
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]
    return (numbers[0], numbers[1]), (numbers[-2], numbers[-1])


@given(wirings())
def test_every_wire_goes_from_its_terminal_to_its_pin(wiring: L298NConfig) -> None:
    drawn = plan(wiring)
    found = {}
    for path in parse(drawn).iter(f"{SVG}path"):
        if (stroke := path.get("stroke")) and path.get("stroke-width") == "4":
            found[ends(path.get("d", ""))] = stroke
    for terminal, bcm in wiring.wired().items():
        name, pin = terminal.upper(), pin_of(bcm)
        (colour,) = [wire.colour for wire in drawn.wires if wire.terminal == name]
        way = ((TERMINAL_X[name], BOARD_BOTTOM), (pin_x(pin), row_y(pin)))
        assert found[way] == WIRES[colour][0]


def segments(way: Route) -> list[tuple[int, int, int, int]]:
    return [(*a, *b) for a, b in itertools.pairwise(way.points)]


def overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Tell whether two segments in the same direction lie on or nearly on each other."""
    for along, across in ((0, 1), (1, 0)):
        if a[across] == a[across + 2] and b[across] == b[across + 2] and abs(a[across] - b[across]) < 8:
            (a0, a1), (b0, b1) = sorted((a[along], a[along + 2])), sorted((b[along], b[along + 2]))
            return max(a0, b0) < min(a1, b1)
    return False


@given(wirings())
def test_no_wire_runs_on_top_of_another(wiring: L298NConfig) -> None:
    for one, other in itertools.combinations(routes(plan(wiring)), 2):
        for a, b in itertools.product(segments(one), segments(other)):
            assert not overlap(a, b), (one, other)


@given(wirings())
def test_all_stays_inside_the_picture(wiring: L298NConfig) -> None:
    for way in routes(plan(wiring)):
        assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in way.points)


def crossings(ways: list[Route]) -> int:
    """Count the crossings of a horizontal part of one wire with a vertical part of another."""
    found = 0
    for one, other in itertools.permutations(ways, 2):
        for (x0, y, x1, _), (x, top, _, bottom) in itertools.product(
            segments(one)[1::2], segments(other)[::2]
        ):
            found += min(x0, x1) < x < max(x0, x1) and top < y < bottom
    return found


@pytest.mark.parametrize("name", PRESETS)
def test_wires_cross_no_more_than_they_must(name: str) -> None:
    *ways, _ground = routes(plan(PRESETS[name].wiring))
    tracks = [way.track for way in ways]
    orders = (
        [dataclasses.replace(way, track=track) for way, track in zip(ways, order, strict=True)]
        for order in itertools.permutations(tracks)
    )
    assert crossings(ways) == min(map(crossings, orders))


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("name", PRESETS)
def test_a_drawing_is_plain_svg_in_its_language(name: str, language: str) -> None:
    root = parse(plan(PRESETS[name].wiring), language)
    kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert kinds == {"svg", "style", "title", "desc", "path", "rect", "circle", "text"}
    assert not [
        key for element in root.iter() for key in element.attrib if key.startswith("on") or key == "style"
    ]
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert WORDS[language]["left"] in texts
    assert texts.count("10 kΩ") == (1 if PRESETS[name].wiring.ena == "jumper" else 2)
    assert root.findtext(f"{SVG}title") == WORDS[language]["title"]


def test_a_drawing_in_the_page_has_no_style_of_its_own() -> None:
    assert "style" not in drawing(plan(L298NConfig()), WORDS["en"])


@pytest.mark.parametrize(("wiring", "on", "off"), [(L298NConfig(), 0, 2), (L298NConfig(ena="jumper"), 1, 1)])
def test_the_jumpers_are_said_and_shown(wiring: L298NConfig, on: int, off: int) -> None:
    texts = [element.text for element in parse(plan(wiring)).iter(f"{SVG}text")]
    assert (texts.count("jumper on"), texts.count("jumper off")) == (on, off)


def test_all_languages_have_the_same_words() -> None:
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}
    holes = {
        language: {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in words.items()}
        for language, words in WORDS.items()
    }
    assert holes["zh"] == holes["en"]
    assert all(text for words in WORDS.values() for text in words.values())
