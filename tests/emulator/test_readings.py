"""What the registers mean, and what a row of readings says."""

from __future__ import annotations

import pytest

from tests.emulator.readings import Reading, broken_rules, direction, drove, low_after, rise_of, share_high
from tests.emulator.registers import Pins, parse
from tests.emulator.show import table

# What QEMU 7.2 answered, shortened to what matters: pins 12, 13, 22, 23, 24, 27 are outputs; 12, 13, 23, 27 are high.
ANSWER = (
    "000000003f200000: 0x00000000 0x00000240 0x00201240 0x00000000\r\n"
    "000000003f200010: 0x00000000 0x24000000 0x00000000 0x00000000\r\n"
    "000000003f200020: 0x00000000 0x00000000 0x00000000 0x00000000\r\n"
    "000000003f200030: 0x00000000 0x08803000\r\n"
)
FORWARD, REVERSE = {12: 1, 13: 1, 23: 1, 27: 1}, {12: 1, 13: 1, 24: 1, 22: 1}


def pins(high: dict[int, int], outputs: tuple[int, ...] = (12, 13, 22, 23, 24, 27)) -> Pins:
    words = [0] * 14
    for bcm in outputs:
        words[bcm // 10] |= 1 << bcm % 10 * 3
    words[13] = sum(1 << bcm for bcm, level in high.items() if level)
    return Pins(tuple(words))


def row(*rows: tuple[float, dict[int, int]]) -> list[Reading]:
    return [Reading(t, pins(high)) for t, high in rows]


def test_functions_and_levels_are_read_from_what_qemu_answers() -> None:
    read = parse(ANSWER)
    assert [bcm for bcm in range(28) if read.function(bcm) == "out"] == [12, 13, 22, 23, 24, 27]
    assert [bcm for bcm in range(28) if read.drives(bcm)] == [12, 13, 23, 27]
    assert Pins((0b100 << 24 | 0b011 << 21, *read.words[1:])).function(8) == "alt0"
    assert Pins((0b100 << 24 | 0b011 << 21, *read.words[1:])).function(7) == "alt4"


@pytest.mark.parametrize("answer", ["", "unknown command: 'xp'\r\n", ANSWER[:200], ANSWER + ANSWER])
def test_what_is_no_such_answer_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match="no answer of 14 registers"):
        parse(answer)


def test_an_input_drives_nothing_whatever_level_it_shows() -> None:
    assert not pins({12: 1}, outputs=()).drives(12)
    assert pins({12: 1}, outputs=()).level(12) == 1


def test_a_stop_is_timed_to_the_first_reading_without_a_driven_enable_pin() -> None:
    readings = row((0.0, {}), (1.0, FORWARD), (2.0, FORWARD), (2.5, {12: 1}), (2.75, {23: 1}), (3.0, {}))
    assert low_after(readings, since=2.0) == 0.75
    assert low_after(readings, since=2.6) == 0.0


def test_a_pin_that_rises_again_is_no_stop() -> None:
    readings = row((1.0, FORWARD), (2.0, {}), (9.0, {13: 1}), (10.0, {}))
    assert low_after(readings, since=1.0) == 9.0
    with pytest.raises(AssertionError, match="high at the end"):
        low_after(readings[:3], since=1.0)


def test_a_car_drove_when_an_enable_pin_was_high_just_before() -> None:
    readings = row((1.0, FORWARD), (1.05, {}), (2.0, {23: 1}), (2.05, {}))
    assert drove(readings, at=1.08)
    assert not drove(readings, at=2.06)


def test_the_newest_rise_of_the_mark_counts() -> None:
    assert rise_of(row((1.0, {}), (2.0, {12: 1}), (3.0, {}), (4.0, {12: 1}), (5.0, {12: 1})), 12) == 4.0
    with pytest.raises(AssertionError, match="did not rise"):
        rise_of(row((1.0, {12: 1}), (2.0, {})), 12)


def test_a_duty_is_the_share_of_readings() -> None:
    assert share_high(row((1.0, FORWARD), (2.0, {}), (3.0, {}), (4.0, {})), 12) == 0.25


def test_a_direction_needs_its_enable_pin() -> None:
    assert [direction(pins(high), (12, 23, 24)) for high in (FORWARD, REVERSE, {23: 1}, {12: 1})] == [
        1,
        -1,
        0,
        0,
    ]


def test_a_reversal_without_a_pause_and_two_inputs_at_once_are_told() -> None:
    good = row((1.0, FORWARD), (1.1, {}), (1.2, REVERSE), (1.3, {}), (1.4, FORWARD))
    assert broken_rules(good, pause_s=0.1) == []
    assert len(broken_rules(row((1.0, FORWARD), (1.05, {}), (1.08, REVERSE)), pause_s=0.1)) == 2
    assert broken_rules(row((1.0, {23: 1, 24: 1})), pause_s=0.1) == [
        "1.000: GPIO 23 and 24 are high together"
    ]


def test_the_table_has_every_pin_of_the_header_where_it_lies() -> None:
    lines = table([parse(ANSWER), pins({12: 1})]).splitlines()
    assert len(lines) == 20
    assert lines[0].split() == ["3V3", "1", "2", "5V"]
    assert "32  GPIO 12  out HIGH" in lines[15]
    assert "GPIO 13  out high 50%  33" in lines[16]
    assert "GPIO 22  out low  15" in lines[7]
    assert "GPIO 26  in  37" in lines[18]
