"""The doctor looks at the car's card: used in another Pi, announced under another id."""

from __future__ import annotations

from pathlib import Path

import pytest

from picar.access.identity import SERIAL_FILE
from picar.access.store import AccessStore
from picar.access.tokens import fingerprint
from picar.doctor.machine import Finding
from tests.doctor.trees import Case

HERE, ELSEWHERE = "10000000aaaaaaaa", "10000000bbbbbbbb"
ANNOUNCED = "etc/avahi/services/picar.service"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the state directory of the car that the doctor looks at."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


def found(tree: Path, serial: str | None, announced: str | None = None) -> list[Finding]:
    case = Case(files={SERIAL_FILE: serial, ANNOUNCED: announced})
    return [finding for finding in case.examine(tree) if finding.check == "card"]


def test_a_card_of_another_pi_is_a_warning_with_both_ways_out(tmp_path: Path, state: Path) -> None:
    AccessStore(state, serving=True, board=fingerprint(ELSEWHERE))
    (finding,) = found(tmp_path, HERE + "\0")
    assert finding.status == "warning"
    assert "This card was used in another Pi" in finding.message
    assert "pair --new-identity" in finding.fix
    assert "all must pair again" in finding.fix


@pytest.mark.parametrize("serial", [HERE + "\0", None, "", "0000000000000000"])
def test_a_card_at_home_or_in_no_pi_is_nothing_to_report(
    tmp_path: Path, state: Path, serial: str | None
) -> None:
    AccessStore(state, serving=True, board=fingerprint(HERE))
    assert found(tmp_path, serial) == []


def test_a_car_without_a_list_is_nothing_to_report(tmp_path: Path, state: Path) -> None:
    assert found(tmp_path, HERE) == []
    state.mkdir()
    (state / "access.json").write_text("{}")
    assert found(tmp_path, HERE) == []


def test_an_announcement_with_another_id_is_a_warning(tmp_path: Path, state: Path) -> None:
    store = AccessStore(state, serving=True, board=fingerprint(HERE))
    record = "<txt-record>id={}</txt-record>"
    assert found(tmp_path, HERE, record.format(store.id)) == []
    assert found(tmp_path, HERE, "<txt-record>path=/</txt-record>") == []
    (finding,) = found(tmp_path, HERE, record.format("0a1b2c3d"))
    assert "another id" in finding.message
    assert finding.fix == "sudo scripts/install"
