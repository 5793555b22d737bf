"""The layout for Foxglove and Lichtblick: JSON whose panels, topics and fields exist. No viewer opens it here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from picar.recording.channels import topics

LAYOUT = json.loads(
    Path(__file__).parents[2].joinpath("docs/recording-layout.json").read_text(encoding="utf-8")
)


def panels(part: Any) -> Iterator[str]:
    """Yield the names of the panels in a part of the layout."""
    if isinstance(part, str):
        yield part
    else:
        yield from panels(part["first"])
        yield from panels(part["second"])


def test_each_panel_is_shown_once_and_has_settings() -> None:
    assert sorted(panels(LAYOUT["layout"])) == sorted(LAYOUT["configById"])


def test_each_topic_and_each_field_of_the_layout_is_recorded() -> None:
    schemas = {one.topic: json.loads(one.definition) if one.encoding == "json" else None for one in topics()}
    named = set(re.findall(r'"(/[^"]*)"', json.dumps(LAYOUT)))
    assert {path.partition(".")[0] for path in named} <= set(schemas)
    for path in named:
        topic, *fields = path.split(".")
        schema = schemas[topic]
        for field in fields:
            assert schema
            schema = schema["properties"][field]
