"""Calibrating the running car: who may, when, what comes of it, and what is left of it after a restart."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from picar.calibration.store import Overlay
from picar.calibration.values import Calibration
from picar.config import Config
from picar.configfile import load
from picar.errors import ConfigError
from picar.raspberrypi import raspberry_pi_model
from tests.support.calibrations import changed, two_sides
from tests.support.client import Client
from tests.support.household import Household
from tests.support.product import Product
from tests.support.waiting import until

FOUND = two_sides(
    swap=True, left_invert=True, right_invert=False, left_trim=0.9, right_trim=1.0, min_duty=0.4
)
CONFIG = "[drive]\naccel = 20.0\ndecel = 50.0\n[left]\ntrim = 0.8\n[motors]\nmin_duty = 0.3\n"
CONFIGURED = two_sides(False, False, False, 0.8, 1.0, 0.3)
DOOR = "/api/v1/calibration"
REAL = {"PICAR_MOTORS__BACKEND": "mock"}  # as `serve --pins mock`; else this machine has a simulated car


@pytest.fixture
async def house() -> AsyncIterator[Household]:
    async with Household(pairing="off", config=CONFIG) as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


async def calibrate(phone: Client, calibration: Calibration = FOUND) -> None:
    await phone.ask("calibrate", **calibration.values)


async def told(house: Household) -> tuple[Calibration, str]:
    """Return the calibration in force, and where it came from."""
    found = (await house.ask("GET", DOOR)).json
    assert two_sides(**found["configured"]) == CONFIGURED
    return two_sides(**found["calibration"]), found["origin"]


async def until_told(house: Household, calibration: Calibration, origin: str) -> None:
    for _ in range(2000):
        if await told(house) == (calibration, origin):
            return
    raise AssertionError(f"not calibrated: {await told(house)}")


async def duties(house: Product, phone: Client) -> dict[int, float]:
    """Drive straight ahead with all there is, and return the levels of the pins."""
    phone.hold(1.0)
    await phone.until(lambda s: s["applied"] == {"left": 1.0, "right": 1.0})
    levels = house.levels()
    await phone.let_go()
    await house.until_low()
    await phone.until(lambda s: not any(s["applied"].values()))
    return levels


async def test_it_counts_at_once_and_after_a_restart_until_it_is_taken_back(house: Household) -> None:
    async with house.client({}) as phone:
        await phone.take()
        assert await told(house) == (CONFIGURED, "configuration")
        assert (await duties(house, phone))[12] == pytest.approx(0.3 + 0.7 * 0.8)
        await calibrate(phone)
        await until_told(house, FOUND, "page")
        levels = await duties(house, phone)
        assert (levels[12], levels[23], levels[22]) == (1.0, 1.0, 1.0)
        assert levels[13] == pytest.approx(0.4 + 0.6 * 0.9)
    await house.terminate()
    await house.start()
    async with house.client({}) as phone:
        assert await told(house) == (FOUND, "page")
        await phone.take()
        assert await duties(house, phone) == levels
        await phone.ask("uncalibrate")
        await until_told(house, CONFIGURED, "configuration")
        assert (await duties(house, phone))[12] == pytest.approx(0.3 + 0.7 * 0.8)
    assert sorted(path.name for path in house.state.iterdir()) == ["access.json"]


async def test_what_is_exported_is_a_configuration_that_says_the_same(house: Household) -> None:
    async with house.client({}) as phone:
        await phone.take()
        await calibrate(phone)
        await until_told(house, FOUND, "page")
    text = (await house.ask("GET", DOOR)).json["toml"]
    assert tomllib.loads(text) == tomllib.loads((house.state / "calibration-mock.toml").read_text())
    async with Household(pairing="off", config=text) as other:
        assert (await other.ask("GET", DOOR)).json["calibration"] == FOUND.values


async def test_check_config_shows_what_comes_from_the_page(house: Household) -> None:
    async with house.client({}) as phone:
        await phone.take()
        await calibrate(phone)
        await until_told(house, FOUND, "page")
    file = house.state / "calibration-mock.toml"
    lines = (await house.cli("check-config", str(house.folder / "picar.toml"), **REAL)).out.splitlines()
    marked = {
        line.partition(" ")[0] + line.partition("=")[2].partition("#")[0].rstrip()
        for line in lines
        if "#" in line[1:]
    }
    assert marked == {"swap true", "invert true", "invert false", "trim 0.9", "trim 1.0", "min_duty 0.4"}
    assert all(line.endswith(f"# calibrated on the page: {file}") for line in lines if "#" in line[1:])
    await house.terminate()
    file.unlink()
    done = await house.cli("check-config", str(house.folder / "picar.toml"), **REAL)
    assert "page" not in done.out
    assert "trim = 0.8" in done.out


async def test_only_the_driver_calibrates_and_only_a_fresh_word_counts(house: Household) -> None:
    async with house.client({}) as phone, house.client({}) as other:
        await phone.take()
        await calibrate(other)
        await other.until_error("not_driver")
        await other.ask("uncalibrate")
        await until(lambda: other.codes == ["not_driver"] * 2, "two refusals")
        await phone.send(type="calibrate", tick=0, **FOUND.values)
        await phone.until_error("stale")
        await phone.send(type="uncalibrate", tick=0)
        await until(lambda: phone.codes == ["stale"] * 2, "two refusals")
    assert await told(house) == (CONFIGURED, "configuration")
    assert not (house.state / "calibration-mock.toml").exists()


async def test_a_car_that_moves_is_not_calibrated(house: Household) -> None:
    async with house.client({}) as phone:
        await phone.take()
        phone.hold(1.0)
        await phone.until(lambda s: s["applied"]["left"] == 1.0)
        levels = house.levels()
        await calibrate(phone)
        await phone.until_error("moving")
        await phone.hears(5)
        assert house.levels() == levels
        assert await told(house) == (CONFIGURED, "configuration")


async def test_a_stopped_car_is_calibrated_once_its_brake_is_over(house: Household) -> None:
    async with house.client({}) as phone:
        await phone.take()
        await phone.send(type="stop")
        await phone.until(lambda s: s["state"] == "stopped")
        await house.until_low()
        await phone.hears(5)
        await calibrate(phone)
        await until_told(house, FOUND, "page")
        assert phone.state["state"] == "stopped"


async def test_a_calibration_that_cannot_be_saved_counts_and_says_so(house: Household) -> None:
    (house.state / "calibration-mock.new").mkdir()  # in the way
    async with house.client({}) as phone:
        await phone.take()
        await calibrate(phone)
        await phone.until_error("not_saved")
        assert (await house.ask("GET", DOOR)).json["saved"] is False
        assert "counts until picar ends" in str(phone.errors[-1])
        assert "calibration-mock.new is a folder" in str(phone.errors[-1])
        await until_told(house, FOUND, "page")
    await house.terminate()
    (house.state / "calibration-mock.new").rmdir()
    await house.start()
    assert await told(house) == (CONFIGURED, "configuration")


DAMAGED = {
    "half": FOUND.toml(Config())[:-5],
    "one section": "[left]\ninvert = true\n",
    "out of range": FOUND.toml(Config()).replace("trim = 0.9", "trim = 0.1"),
    "a number for a switch": FOUND.toml(Config()).replace("swap = true", "swap = 1"),
    "a value for a section": "left = 1\n",
    "no TOML": "\x00\ufffd",
    "nesting": "a = " + "[" * 100_000,
    "a key of many parts": FOUND.toml(Config()) + "[x]\n" + ".".join("a" * 1000) + " = 1\n",
    "a key of very many parts": FOUND.toml(Config()) + "[x]\n" + ".".join("a" * 120_000) + " = 1\n",
    "a long number": FOUND.toml(Config()) + "[x]\na = " + "1" * 5000,
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_file_that_is_no_calibration_is_renamed_at_the_start_and_said(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    overlay = Overlay(tmp_path, "lgpio")
    overlay.path.write_text(text)
    with pytest.raises(
        ConfigError, match=r"cannot be read as a calibration: .* When picar starts, it renames this file"
    ):
        overlay.read()
    assert overlay.path.read_text() == text
    assert overlay.start() is None
    (record,) = caplog.records
    assert f"{overlay.path} cannot be read as a calibration: " in record.message
    assert "Its new name is calibration.toml.unreadable-1." in record.message
    assert "Exceeds" not in record.message
    assert (tmp_path / "calibration.toml.unreadable-1").read_text() == text
    overlay.keep(FOUND)
    assert overlay.start() == FOUND


async def test_a_car_starts_with_a_damaged_calibration_and_says_what_it_follows(house: Household) -> None:
    await house.terminate()
    file = house.state / "calibration-mock.toml"
    file.write_text(DAMAGED["half"])
    checked = await house.cli("check-config", **REAL)
    assert checked.code == 2
    assert checked.err.startswith(f"picar: {file} cannot be read as a calibration: ")
    low = await house.cli("pins-low", "--pins", "mock")
    assert low.code == 0  # the emergency does not need it
    await house.start()
    assert await told(house) == (CONFIGURED, "configuration")
    assert "The car follows picar.toml: see that the wheels turn as they should" in house.log()
    assert (house.state / "calibration-mock.toml.unreadable-1").read_text() == DAMAGED["half"]


def test_keys_of_another_version_change_nothing_and_are_kept(tmp_path: Path) -> None:
    overlay = Overlay(tmp_path, "lgpio")
    text = "version = 2\nday = 1979-05-27\n" + FOUND.toml(Config())
    text = text.replace("[left]", '[left]\n"a b" = [1, 2]\ncurve.a = 0.5\ncurve.b.c = "x"') + "[sensor]\n"
    overlay.path.write_text(text)
    assert overlay.read() == FOUND
    overlay.keep(CONFIGURED)
    assert overlay.read() == CONFIGURED
    expected = tomllib.loads(text)
    for section, table in tomllib.loads(CONFIGURED.toml(Config())).items():
        expected[section] |= table
    assert tomllib.loads(overlay.path.read_text()) == expected


def test_what_is_too_odd_to_be_written_again_does_not_spoil_the_calibration(tmp_path: Path) -> None:
    overlay = Overlay(tmp_path, "lgpio")
    overlay.path.write_text(FOUND.toml(Config()) + "[[step]]\nn = 1\n[[step]]\nn = 2\n")
    assert overlay.read() == FOUND
    overlay.keep(CONFIGURED)
    assert overlay.read() == CONFIGURED


def test_keys_that_would_make_the_file_too_large_do_not_spoil_the_calibration(tmp_path: Path) -> None:
    overlay = Overlay(tmp_path, "lgpio")
    overlay.path.write_text(
        f"{FOUND.toml(Config())}[x.{'k' * 50_000}]\n" + "".join(f"a{n} = 1\n" for n in range(10_000))
    )
    assert overlay.read() == FOUND
    overlay.keep(CONFIGURED)
    assert overlay.read() == CONFIGURED


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_calibration_is_kept_whatever_came_into_the_file_meanwhile(text: str, tmp_path: Path) -> None:
    overlay = Overlay(tmp_path, "lgpio")
    overlay.path.write_text(text)
    overlay.keep(FOUND)
    assert overlay.read() == FOUND


def test_the_first_calibration_replaces_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ext4 needs to write its data out in time; seen on a copy of a mounted image: 0 bytes after 8 s without."""
    overlay, replace, replaced = Overlay(tmp_path, "lgpio"), Path.replace, list[str]()

    def noted(new: Path, old: Path) -> Path:
        replaced.append(old.read_text())
        return replace(new, old)

    monkeypatch.setattr(Path, "replace", noted)
    overlay.keep(FOUND)
    overlay.keep(CONFIGURED)
    assert replaced[0] == ""
    assert "0.9" in replaced[1]
    assert overlay.read() == CONFIGURED


def test_a_power_cut_before_the_first_calibration_was_written_leaves_what_is_configured(
    tmp_path: Path,
) -> None:
    overlay = Overlay(tmp_path, "lgpio")
    overlay.path.touch()
    assert overlay.read() is None
    overlay.keep(FOUND)
    assert overlay.read() == FOUND


def test_everybody_on_the_machine_may_read_it_whatever_the_umask_is(tmp_path: Path) -> None:
    """The service's umask is 0077, and `picar check-config` is asked by anybody."""
    overlay, before = Overlay(tmp_path, "lgpio"), os.umask(0o077)
    try:
        overlay.keep(FOUND)
    finally:
        os.umask(before)
    assert stat.S_IMODE(overlay.path.stat().st_mode) == 0o644


def test_pins_that_move_nothing_have_files_of_their_own(tmp_path: Path) -> None:
    others = {
        backend: Overlay.configured(tmp_path, load(env={"PICAR_MOTORS__BACKEND": backend}))
        for backend in ("sim", "mock")
    }
    reals = [
        Overlay.configured(tmp_path, load(env={"PICAR_MOTORS__BACKEND": backend}))
        for backend in ("lgpio", "gpiozero", "rpigpio")
    ]
    others["sim"].keep(FOUND)
    assert others["sim"].read() == FOUND
    assert others["mock"].read() is None
    others["mock"].keep(CONFIGURED)
    assert [others["sim"].read(), *(real.read() for real in reals)] == [FOUND, None, None, None]
    assert len({real.path for real in reals}) == 1  # which library sets a pin does not matter
    this_machines = Overlay.configured(tmp_path, load(env={}))
    assert this_machines.read() == (FOUND if raspberry_pi_model() is None else None)


async def test_the_wiring_page_shows_the_calibrated_sides(house: Household) -> None:
    async with house.client({}) as phone:
        await phone.take()
        before = (await house.ask("GET", "/wiring.svg?lang=en")).body
        await calibrate(phone)
        await until_told(house, FOUND, "page")
        after = (await house.ask("GET", "/wiring.svg?lang=en")).body
        assert before != after
        drawn = house.folder / "drawn.svg"
        await house.cli("wiring", "--svg", str(drawn), "--config", str(house.folder / "picar.toml"), **REAL)
        assert drawn.read_bytes().strip() == after.strip()


async def test_under_the_owner_s_cap_a_car_is_tuned_slower_and_not_faster(house: Household) -> None:
    slower = changed(CONFIGURED, min_duty=0.2, right_trim=0.9)
    async with house.client({}) as phone:
        await phone.take()
        capped = await house.ask("POST", "/api/v1/speed-cap", {"speed": 0.4})
        assert capped.status == 200
        stronger = changed(CONFIGURED, swap=True, min_duty=0.31)
        for n, faster in enumerate((stronger, changed(CONFIGURED, left_trim=0.81))):
            await calibrate(phone, faster)
            await until(lambda n=n: len(phone.errors) > n, "a refusal")  # type: ignore[misc]
            assert phone.errors[n].code == "bad_value"
            assert "speed cap" in str(phone.errors[n])
        assert await told(house) == (CONFIGURED, "configuration")
        await calibrate(phone, slower)
        await until_told(house, slower, "page")
        await phone.ask("uncalibrate")
        await until(lambda: len(phone.errors) > 2, "a refusal")
        assert (phone.errors[2].code, await told(house)) == ("bad_value", (slower, "page"))


async def test_what_is_kept_already_is_not_written_again(house: Household) -> None:
    file = Overlay(house.state, "mock").path
    async with house.client({}) as phone:
        await phone.take()
        await calibrate(phone)
        await until_told(house, FOUND, "page")
        written = file.stat()
        await calibrate(phone)
        other = changed(FOUND, min_duty=0.35)
        await phone.hears(4)
        assert file.stat() == written
        await calibrate(phone, other)
        await until_told(house, other, "page")
        assert file.stat() != written
