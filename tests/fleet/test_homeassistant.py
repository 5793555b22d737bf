"""What Home Assistant is told about a car; a test with the marker peers has its own schema check."""

from __future__ import annotations

from typing import Any

from picar.fleet.homeassistant import discovery
from picar.fleet.topics import Topics, facts_of, state_fields
from tests.fleet.test_topics import HELLO, SESSION, STATE

TOPICS = Topics("picar", "k3f9a2b7")
INFO = facts_of(SESSION, HELLO, ["http://10.0.0.7"], None)


def payload(has_battery: bool = True, started: str = "2026-11-27T10:00:00+00:00") -> dict[str, Any]:
    return discovery(TOPICS, INFO, has_battery, started)


def test_the_components_are_exactly_these() -> None:
    components = payload()["cmps"]
    assert {name: one["platform"] for name, one in components.items()} == {
        **dict.fromkeys(("state", "driver", "battery", "wifi", "temperature", "uptime"), "sensor"),
        **dict.fromkeys(("moving", "low_voltage"), "binary_sensor"),
        "stop": "button",
        "cap": "number",
    }
    assert {one["unique_id"] for one in components.values()} == {f"picar_k3f9a2b7_{n}" for n in components}


def test_a_battery_only_when_measured_and_a_start_only_with_a_right_clock() -> None:
    assert payload().keys() == payload(False, "").keys()
    assert payload()["cmps"].keys() - payload(False, "")["cmps"].keys() == {"battery", "uptime"}


def test_the_device_and_its_availability() -> None:
    found = payload()
    assert found["dev"]["identifiers"] == ["picar_k3f9a2b7"]
    assert found["dev"]["cu"] == "http://10.0.0.7"
    [available] = found["availability"]
    assert available["topic"] == "picar/k3f9a2b7/online"
    assert available["value_template"] == "{{ 'online' if value == 'online' else 'offline' }}"


def test_commands_are_never_retained_and_the_cap_is_10_to_100_percent_in_steps_of_5() -> None:
    components = payload()["cmps"]
    for name in ("stop", "cap"):
        command = components[name]
        assert (command["command_topic"], command["qos"], command["retain"]) == (
            f"picar/k3f9a2b7/cmd/{name}",
            1,
            False,
        )
    cap = components["cap"]
    assert (cap["min"], cap["max"], cap["step"]) == (10, 100, 5)
    assert cap["command_template"] == '{"speed": {{ value / 100 }}}'


def test_templates_name_members_of_a_state_and_nothing_expires() -> None:
    members = state_fields(STATE, None, None).keys()
    for component in payload()["cmps"].values():
        template = component.get("value_template", "")
        words = [part.split("}")[0] for part in template.split("value_json.")[1:]]
        assert all(word.split(" ")[0].split(",")[0] in members for word in words), template
        assert "expire_after" not in component


def test_an_unknown_value_of_a_binary_sensor_is_none_by_name() -> None:
    moving = payload()["cmps"]["moving"]
    assert moving["value_template"] == "{{ {true:'true',false:'false'}.get(value_json.moving,'None') }}"
