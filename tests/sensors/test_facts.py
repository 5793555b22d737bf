"""The table of facts, the schema, the documents and the page's table have the same facts, units and warnings."""

from __future__ import annotations

import json
import re
from functools import cache
from math import inf, isfinite
from pathlib import Path
from typing import Any

import pytest

from picar.sensors.facts import FACTS, UNKNOWN, Fact
from picar.sensors.host import Host, Tree

ROOT = Path(__file__).parents[2]
NOT_OF_THE_MACHINE = {"power_cap"}  # a decision of the car
JSON_TYPES = {bool: "boolean", int: "integer", float: "number"}
# Home Assistant's classes of sensors and binary sensors, as far as the table uses them, and their units.
DEVICE_CLASSES = {
    "temperature": "°C",
    "signal_strength": "dBm",
    "duration": "s",
    "voltage": "V",
    "battery": "%",
    "problem": "",
}
SUFFIXES = {"°C": "_c", "%": "_percent", "dBm": "_dbm", "s": "_s", "V": "_v"}


def schema_of(fact: Fact) -> dict[str, Any]:
    bounds = {"minimum": fact.least, "maximum": fact.most}
    known = {name: value for name, value in bounds.items() if isfinite(value)}
    return {"type": [JSON_TYPES[fact.kind], "null"], **known}


def test_the_schema_has_the_facts_of_the_table_and_no_others() -> None:
    document = json.loads((ROOT / "picar/web/api/openapi.json").read_text(encoding="utf-8"))
    host = document["components"]["schemas"]["State"]["properties"]["host"]
    described = {name: part for name, part in host["properties"].items() if name not in NOT_OF_THE_MACHINE}
    assert described == {fact.name: schema_of(fact) for fact in FACTS}
    assert list(host["properties"]) == [*UNKNOWN, *NOT_OF_THE_MACHINE], "also in this order"
    assert host["required"] == list(host["properties"])


def test_the_protocol_describes_the_facts_of_the_table_and_no_others() -> None:
    text = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    _, _, rest = text.partition("The car reads `host` about once a second")
    table = re.findall(r"^\| (`.*?) \|", rest.partition("\n\n")[2].partition("\n\n")[0], re.M)
    named = [name for cell in table for name in re.findall(r"`(\w+)`", cell)]
    assert named == [*UNKNOWN, *NOT_OF_THE_MACHINE]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_a_row_of_the_table_makes_sense(fact: Fact) -> None:
    assert (fact.unit == "") == (fact.kind is bool)
    assert fact.name.endswith(SUFFIXES.get(fact.unit, ""))
    assert not fact.device_class or DEVICE_CLASSES[fact.device_class] == fact.unit
    if fact.warn is not None and fact.bad is not None:
        assert (fact.bad < fact.warn) == fact.low


@pytest.mark.parametrize(
    ("least", "most", "value", "valid"),
    [
        (-inf, inf, 5, True),
        (5, 5, 5, True),
        (6, inf, 5, False),
        (-inf, 4, 5, False),
        (0, 4, None, False),
        (0, 4, 0, True),
    ],
)
def test_a_value_out_of_its_range_is_unknown(
    tmp_path: Path, least: float, most: float, value: int | None, valid: bool
) -> None:
    fact = Fact("fact_c", int, lambda _host: value, "°C", least=least, most=most)
    assert fact.value(Host(Tree(tmp_path))) == (value if valid else None)


@cache
def page() -> dict[str, dict[str, Any]]:
    """Return the rows of the page's table by the facts' names."""
    text = (ROOT / "static/js/hud/bar.js").read_text(encoding="utf-8")
    rows = re.findall(r"^  \{ (name: .*) \},", text, re.M)
    parsed = [json.loads("{" + re.sub(r"(\w+):", r'"\1":', row) + "}") for row in rows]
    return {row["name"]: row for row in parsed}


def test_the_page_has_the_facts_of_the_table_and_no_others() -> None:
    seen = {row["seen"] for row in page().values() if "seen" in row}
    assert page().keys() | seen == UNKNOWN.keys()
    assert not page().keys() & seen


def test_the_page_warns_at_the_levels_of_the_table() -> None:
    facts = {fact.name: fact for fact in FACTS}
    for name, row in page().items():
        fact = facts[name]
        assert row["unit"] == fact.unit
        if fact.kind is bool:
            assert fact.bad is True
            assert "seen" not in row or facts[row["seen"]].warn is True
        else:
            assert (row.get("warn"), row.get("bad")) == (fact.warn, fact.bad)
            assert row.get("low", False) == fact.low


def test_the_manual_of_the_displays_names_the_facts_as_the_page_does_and_their_warnings() -> None:
    words = json.loads((ROOT / "static/i18n/en.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs/hud.md").read_text(encoding="utf-8")
    _, _, rest = text.partition("| Fact | Warning |")
    table = dict(re.findall(r"^\| (.*?) \| (.*?) ?\|", rest.partition("\n\n")[0], re.M))
    table.pop("---", None)
    shown = {words[f"health.{row['health']}"]: row for row in page().values() if "health" in row}
    assert list(table) == list(shown), "also in this order"
    for name, row in shown.items():
        for level in (row[key] for key in ("warn", "bad") if key in row):
            space = "" if row["unit"] == "%" else " "
            assert f"{level}{space}{row['unit']}".replace("-", "\u2212") in table[name]
