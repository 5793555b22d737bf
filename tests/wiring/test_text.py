# ruff: noqa: RUF001 - Chinese has its own punctuation
"""The drawing in the terminal, and the language of the page."""

from __future__ import annotations

import re

import pytest

from picar.config import L298NConfig
from picar.wiring.page import page
from picar.wiring.plan import PRESETS, plan
from picar.wiring.text import WORDS, drawing, plain

EN = WORDS["en"]


def test_the_header_is_drawn_row_by_row() -> None:
    lines = drawing(plan(L298NConfig()), EN).splitlines()
    assert lines[2].split() == ["3V3", "1", "│", "·", "·", "│", "2", "5V"]
    assert "IN4 ◀── GPIO 22 15 │ ●     ● │ 16 GPIO 23 ──▶ IN1" in lines[9]
    assert len({line.index("│") for line in lines[2:22]}) == 1
    assert len({line.rindex("│") for line in lines[2:22]}) == 1


@pytest.mark.parametrize("name", PRESETS)
def test_each_wire_is_marked_once_in_the_header_and_once_in_the_table(name: str) -> None:
    wiring = PRESETS[name].wiring
    text = drawing(plan(wiring), EN)
    assert text.count("●") == 2 * (len(wiring.wired()) + 1)
    for bcm in wiring.wired().values():
        assert len(re.findall(rf"^  \d+ +GPIO {bcm} ", text, re.MULTILINE)) == 1


def test_colours_are_for_terminals_that_have_them() -> None:
    assert "\x1b" not in drawing(plan(L298NConfig()), EN)
    coloured = drawing(plan(L298NConfig()), EN, colour=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == drawing(plan(L298NConfig()), EN)


def test_the_chinese_table_has_its_columns_where_a_terminal_shows_them() -> None:
    lines = drawing(plan(L298NConfig()), WORDS["zh"]).splitlines()
    head = next(line for line in lines if line.startswith("  引脚"))
    wire = next(line for line in lines if line.startswith("  32"))
    assert head == "  引脚 GPIO（BCM）  端子    线色       作用"
    assert wire == "  32   GPIO 12      ENA     ● 橙       左电机：速度"
    assert "motor" not in "".join(lines)


def test_a_terminal_of_ascii_gets_ascii() -> None:
    assert plain(drawing(plan(L298NConfig(ena="jumper")), EN)).isascii()


def test_the_page_has_the_table_pin_by_pin_and_no_script() -> None:
    html = page(plan(L298NConfig()), "en")
    assert "<script" not in html
    assert " style=" not in html
    assert re.findall(r"<tr><td>(\d+)</td>", html) == ["32", "16", "18", "13", "15", "33", "39"]
    assert 'lang="zh-CN"' in page(plan(L298NConfig()), "zh")
