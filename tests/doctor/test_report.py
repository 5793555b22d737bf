"""`picar doctor --report`: everything that a helper needs, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar.config import Config, HotspotConfig, MqttConfig
from picar.doctor.machine import Answer, Finding, Machine
from picar.doctor.report import full_report

SECRETS = (
    *("493-021", "hunter2", "two words", "dc:a6:32:01:02:03", "a6:32ff:fe01:203", "HomeNet", "Nelly's Net"),
    *("a" * 40, "code=12345", "b" * 22, "tiger"),
)
LOG = """picar: PIN 493-021
PIN: 493-021
open http://car.local:8000/?code=12345
psk=hunter2
password: a phrase of two words
wlan0 UP 192.168.1.7/24 fe80::dea6:32ff:fe01:203/64
link dc:a6:32:01:02:03
	ssid HomeNet
cookie picar_x=0123456789abcdef.bbbbbbbbbbbbbbbbbbbbbb
token aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
disarmed -> armed (driver)
"""


def machine(tmp_path: Path, text: str | None) -> Machine:
    return Machine(tmp_path, lambda *_: None if text is None else Answer(0, text), lambda _config: [])


def test_it_has_the_findings_the_configuration_and_the_log_without_secrets(tmp_path: Path) -> None:
    asleep = "sudo nmcli connection modify 'HomeNet'\\''s' wifi.powersave 2 && sudo nmcli connection up 'HomeNet'\\''s'"
    findings = [
        Finding("wifi", "warning", "weak", "move closer"),
        Finding("wifi power", "warning", "x", asleep),
    ]
    mqtt = MqttConfig(url="mqtt://ada:tiger@broker.lan")
    settings = Config(hotspot=HotspotConfig(name="Nelly's Net"), mqtt=mqtt)
    text = full_report(machine(tmp_path, LOG), settings, findings)
    assert "modify '(a network)' wifi.powersave 2 && sudo nmcli connection up '(a network)'\n" in text
    assert "fix: move closer" in text
    assert "[l298n]" in text
    assert "disarmed -> armed (driver)" in text
    for secret in SECRETS:
        assert secret not in text, secret


def test_programs_that_are_missing_are_named(tmp_path: Path) -> None:
    assert full_report(machine(tmp_path, None), Config(), []).count("(not here)") > 5


@pytest.mark.parametrize(
    "text", ["2026-11-26T10:00:00 host picar[12]: ready", "GPIO 12 is low", "inet6 2001:db8::ff:fe00:1/64"]
)
def test_plain_lines_stay(tmp_path: Path, text: str) -> None:
    assert text in full_report(machine(tmp_path, text), Config(), [])
