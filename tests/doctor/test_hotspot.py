"""What the car's own WiFi needs, and what its watcher has counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from picar.doctor.machine import Answer, Finding
from tests.doctor.trees import Case
from tests.support.watcher import STATUS

UNIT = {"etc/systemd/system/picar-hotspot.service": ""}  # the option `when` may be "never"
MODES = "Wiphy phy0\n\tSupported interface modes:\n\t\t * managed\n\t\t * AP\n"
COUNTRY = "global\ncountry DE: DFS-ETSI\n\t(2400 - 2483 @ 40), (N/A, 20), (N/A)\n"
WELL: dict[str, Answer | None] = {
    "nmcli -t general": Answer(0, "connected"),
    "nmcli -g 802-11-wireless-security.pmf": Answer(0, "1 (disable)"),
    "iw list": Answer(0, MODES),
    "iw reg get": Answer(0, COUNTRY),
    "dnsmasq --version": Answer(0, "Dnsmasq version 2.91"),
    "PYTHON -m picar hotspot --json": Answer(0, json.dumps(STATUS | {"lost": 3})),
}


def examined(folder: Path, answers: dict[str, Answer | None], files: Mapping[str, str] = UNIT) -> Finding:
    """Return the finding about the hotspot of a machine that is well but for these answers."""
    case = Case(answers=WELL | answers, files=UNIT | dict(files))
    (found,) = [finding for finding in case.examine(folder) if finding.check == "hotspot"]
    return found


def test_all_is_well_with_the_counts(tmp_path: Path) -> None:
    found = examined(tmp_path, {})
    assert (found.status, found.fix) == ("ok", "")
    assert found.message == "hotspot; WiFi lost 3 times, hotspot died 0 times since the start"


def test_without_a_hotspot_nothing_is_asked(tmp_path: Path) -> None:
    case = Case(answers=WELL)
    assert not [finding for finding in case.examine(tmp_path) if finding.check == "hotspot"]
    assert "iw list" not in case.asked


@pytest.mark.parametrize(
    ("answers", "status", "message", "fix"),
    [
        ({"nmcli -t general": None}, "problem", "NetworkManager", "sudo apt install network-manager"),
        ({"nmcli -t general": Answer(8)}, "problem", "NetworkManager", "raspi-config"),
        ({"iw list": None}, "problem", "iw or dnsmasq is missing", "sudo apt install iw dnsmasq-base"),
        ({"dnsmasq --version": None}, "problem", "iw or dnsmasq is missing", "sudo apt install iw"),
        ({"iw list": Answer(0, MODES.replace("AP", "AP/VLAN"))}, "problem", "cannot be an access point", "USB stick"),
        ({"iw reg get": Answer(0, COUNTRY.replace("DE", "00"))}, "problem", "no country", "do_wifi_country DE"),
        ({"nmcli -g 802-11-wireless-security.pmf": Answer(0, "3 (required)")}, "warning", "PMF", "hotspot setup"),
        ({"PYTHON -m picar hotspot --json": Answer(1, err="picar: It does not answer.")}, "warning", "It does not answer.", ""),
        (
            {"PYTHON -m picar hotspot --json": Answer(0, json.dumps(STATUS | {"restarts": 2}))},
            "warning", "hotspot died 2 times", "journalctl",
        ),
    ],
)  # fmt: skip
def test_each_fault_has_its_fix(
    tmp_path: Path, answers: dict[str, Answer | None], status: str, message: str, fix: str
) -> None:
    found = examined(tmp_path, answers)
    assert found.status == status
    assert message in found.message
    assert fix in found.fix


def test_a_blocked_radio_has_no_country_either(tmp_path: Path) -> None:
    found = examined(tmp_path, {}, files={"sys/class/rfkill/rfkill0/soft": "1\n"})
    assert (found.status, "country" in found.message) == ("problem", True)


def test_counts_that_only_root_may_read_are_no_fault(tmp_path: Path) -> None:
    refused = Answer(1, err="picar: Only root may ask for it: sudo picar hotspot")
    assert examined(tmp_path, {"PYTHON -m picar hotspot --json": refused}).status == "ok"
