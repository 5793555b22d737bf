# ruff: noqa: RUF001 - Chinese has its own punctuation
"""The drawing in the terminal, and the language of the page."""

from __future__ import annotations

import re

import pytest

from picar.config import Config, L298NConfig
from picar.wiring.page import page
from picar.wiring.plan import plan
from picar.wiring.presets import PRESETS
from picar.wiring.text import WORDS, drawing, notes, plain

EN = WORDS["en"]


def test_the_header_is_drawn_row_by_row() -> None:
    lines = drawing(plan(Config()), EN).splitlines()
    assert lines[2].split() == ["3V3", "1", "│", "·", "·", "│", "2", "5V"]
    assert "IN4 ◀── GPIO 22 15 │ ●     ● │ 16 GPIO 23 ──▶ IN1" in lines[9]
    assert len({line.index("│") for line in lines[2:22]}) == 1
    assert len({line.rindex("│") for line in lines[2:22]}) == 1


@pytest.mark.parametrize("name", PRESETS)
def test_each_wire_is_marked_at_its_pin_and_once_in_the_table(name: str) -> None:
    drawn = plan(PRESETS[name].config)
    text = drawing(drawn, EN)
    of_parts = [
        (f"{part.title(EN)} {wire.terminal}", wire.pin) for part in drawn.parts for wire in part.wires
    ]
    wires = [*((terminal, wire.pin) for terminal, wire in drawn.wires), *of_parts]
    pins = {pin for _, pin in wires if pin.number} | ({drawn.ground} if not drawn.hat else set())
    assert text.count("●") == len(pins) + len(wires) + (not drawn.hat)
    for terminal, pin in wires:
        assert (
            len(
                re.findall(rf"^  {pin.number or ''} +{pin.name} +{re.escape(terminal)}  ", text, re.MULTILINE)
            )
            == 1
        )
    assert drawn.hat or len({line.index("│") for line in text.splitlines()[2:22]}) == 1


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("name", PRESETS)
def test_the_notes_have_words_for_each_board(name: str, language: str) -> None:
    drawn = plan(PRESETS[name].config)
    said = "".join(notes(drawn, WORDS[language]))
    assert "{" not in said
    assert all(WORDS[language][motor] in drawing(drawn, WORDS[language]) for motor in drawn.motors)
    assert drawn.hat or all(
        terminal in said for what in ("tied", "resistors") for terminal in drawn.all_of(what)
    )
    assert drawn.hat or drawn.boards[0].kind.supply[0] in said


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("name", PRESETS)
def test_the_notes_are_true_for_a_car_that_is_already_inverted_or_swapped(name: str, language: str) -> None:
    drawn = plan(PRESETS[name].config)
    said = "".join(notes(drawn, WORDS[language]))
    assert ("invert" in said) == (drawn.kind != "esc")
    assert ("swap under" in said or "swap。" in said) == (len(drawn.motors) > 1)
    assert "= true" not in said


def test_colours_are_for_terminals_that_have_them() -> None:
    assert "\x1b" not in drawing(plan(Config()), EN)
    coloured = drawing(plan(Config()), EN, colour=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == drawing(plan(Config()), EN)


def test_the_chinese_table_has_its_columns_where_a_terminal_shows_them() -> None:
    lines = drawing(plan(Config()), WORDS["zh"]).splitlines()
    head = next(line for line in lines if line.startswith("  引脚"))
    wire = next(line for line in lines if line.startswith("  32"))
    assert head == "  引脚 GPIO（BCM）  端子    线色       作用"
    assert wire == "  32   GPIO 12      ENA     ● 橙       左电机：速度"
    assert "motor" not in "".join(lines)


@pytest.mark.parametrize("name", PRESETS)
def test_a_terminal_of_ascii_gets_ascii(name: str) -> None:
    assert plain(drawing(plan(PRESETS[name].config), EN)).isascii()
    assert plain(drawing(plan(Config(l298n=L298NConfig(ena="jumper"))), EN)).isascii()


def test_the_page_has_the_table_pin_by_pin_and_no_script() -> None:
    html = page(plan(Config()), "en")
    assert "<script" not in html
    assert " style=" not in html
    assert re.findall(r"<tr><td>(\d+)</td>", html) == ["32", "16", "18", "13", "15", "33", "39"]
    assert 'lang="zh-CN"' in page(plan(Config()), "zh")


@pytest.mark.parametrize("name", ["loborobot", "donkeycar-bridge", "piracer-pro"])
def test_the_page_of_a_car_without_a_drawing_has_each_wire_and_the_pins_in_use(name: str) -> None:
    drawn = plan(PRESETS[name].config)
    html = page(drawn, "en")
    pins = [str(wire.pin.number or "") for _, wire in drawn.wires]
    assert re.findall(r"<tr><td>(\d*)</td>", html) == [*pins, "39"]
    assert "/wiring.svg" not in html
    assert ("keeps driving" in html) == drawn.keeps_driving


@pytest.mark.parametrize("oe", ["none", 5])
def test_the_page_of_a_hat_has_a_short_table_and_no_empty_header(oe: int | str) -> None:
    html = page(plan(PRESETS["adafruit-hat-2"].config.having("board", oe=oe)), "en")
    assert "<p>A HAT sits on the header." in html
    assert ("<figure>" in html) == (oe == 5)
    assert re.findall(r"<tr><td>(\d*)</td>", html) == ["", "", "29"][: 2 + (oe == 5)]
