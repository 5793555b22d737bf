"""Home Assistant's device discovery for one car, MQTT integration of Home Assistant 2024.11 or newer. Pure.

It offers: the state, driver, battery, WiFi, temperature and start time of the car; motion and low voltage; a STOP button; the
speed cap. It does not offer: driving, pictures, the end of a stop, lessons.
"""

from __future__ import annotations

from typing import Any

from picar.fleet.topics import Topics

# A plain `tojson` of null would keep the old value of a binary sensor; the text None makes it unknown.
_YES_NO = "{{{{ {{true:'true',false:'false'}}.get(value_json.{},'None') }}}}"

_DIAGNOSTIC = {"entity_category": "diagnostic"}
_STATES = ["disarmed", "armed", "failsafe", "stopped"]
_STOP = {"payload_press": "{}", "icon": "mdi:car-brake-alert"}
_CAP = {
    "command_template": '{"speed": {{ value / 100 }}}',
    "value_template": "{{ (value_json.speed_cap * 100) | round | int }}",
    "unit_of_measurement": "%",
    "icon": "mdi:speedometer",
    "min": 10,
    "max": 100,
    "step": 5,
}


def discovery(topics: Topics, info: dict[str, Any], has_battery: bool, started: str) -> dict[str, Any]:
    """Return the payload of `homeassistant/device/picar_ID/config`.

    Args:
        topics: the car's.
        info: of `topics.facts_of`.
        has_battery: whether the car measures its battery.
        started: date of the machine's start, ISO 8601; "" while its clock is not synchronised.
    """
    car = f"picar_{topics.car}"
    components = _components(topics, has_battery, started)
    for name, component in components.items():
        component["unique_id"] = f"{car}_{name}"
    device = {"identifiers": [car], "name": info["name"], "manufacturer": "picar", "model": "picar"}
    device |= {"sw_version": info["version"]} | ({"cu": info["urls"][0]} if info["urls"] else {})
    online = "{{ 'online' if value == 'online' else 'offline' }}"
    return {
        "dev": device,
        "o": {"name": "picar", "sw": info["version"]},
        "state_topic": f"{topics.own}/state",
        "availability": [{"topic": topics.is_online, "value_template": online}],
        "cmps": components,
    }


def _components(topics: Topics, has_battery: bool, started: str) -> dict[str, dict[str, Any]]:
    components = {
        "state": _sensor("State", "state") | {"device_class": "enum", "options": _STATES},
        "driver": _sensor("Driver", "driver") | {"icon": "mdi:account"},
        "wifi": _sensor("WiFi", "wifi_dbm", "signal_strength", "dBm") | _DIAGNOSTIC,
        "temperature": _sensor("Temperature", "temperature_c", "temperature", "°C") | _DIAGNOSTIC,
        "moving": _binary("Moving", "moving", "moving"),
        "low_voltage": _binary("Low voltage", "under_voltage", "problem") | _DIAGNOSTIC,
        "stop": _command(topics, "Stop", "stop", "button") | _STOP,
        "cap": _command(topics, "Speed cap", "cap", "number") | _CAP,
    }
    if has_battery:
        components["battery"] = _sensor("Battery", "battery_percent", "battery", "%")
    if started:
        components["uptime"] = {"platform": "sensor", "name": "Started", "device_class": "timestamp"}
        components["uptime"] |= {"value_template": started} | _DIAGNOSTIC
    return components


def _sensor(name: str, member: str, device_class: str = "", unit: str = "") -> dict[str, Any]:
    template = f"{{{{ value_json.{member} }}}}"
    sensor: dict[str, Any] = {"platform": "sensor", "name": name, "value_template": template}
    if device_class:
        sensor |= {"device_class": device_class, "unit_of_measurement": unit, "state_class": "measurement"}
    return sensor


def _binary(name: str, member: str, device_class: str) -> dict[str, Any]:
    sensor = {"platform": "binary_sensor", "name": name, "device_class": device_class}
    return sensor | {"value_template": _YES_NO.format(member), "payload_on": "true", "payload_off": "false"}


def _command(topics: Topics, name: str, verb: str, platform: str) -> dict[str, Any]:
    topic = f"{topics.own}/cmd/{verb}"
    return {"platform": platform, "name": name, "command_topic": topic, "qos": 1, "retain": False}
