"""The protocol as the car reads it: every message, every kind of bad input, and what holds for any text whatever."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from picar.calibration.values import Calibration
from picar.core import protocol
from picar.core.arbiter import TURNS_S
from picar.core.protocol import (
    MAX_BYTES,
    MAX_INTEGER,
    Calibrate,
    Deny,
    Drive,
    Grant,
    Limit,
    Message,
    ProtocolError,
    Record,
    Release,
    Reset,
    SetTurns,
    StayOn,
    Stop,
    Take,
    parse,
)
from picar.core.shaping import Jog, Sticks, Tank
from picar.layouts import LAYOUTS
from tests.support.calibrations import two_sides

DRIVE = {"type": "drive", "seq": 7, "tick": 412, "throttle": 0.5, "steering": -0.2}
TANK = {"type": "tank", "seq": 8, "tick": 413, "left": 0.4, "right": 0.4}
JOG = {"type": "jog", "seq": 9, "tick": 414, "side": "left", "duty": 0.2}
FOUND = {
    "swap": True,
    "left_invert": False,
    "right_invert": True,
    "left_trim": 0.9,
    "right_trim": 1.0,
    "min_duty": 0.3,
}
CALIBRATE = {"type": "calibrate", "tick": 415, **FOUND}
FOUR = Calibration(LAYOUTS["four"].motors, True, (False, True, False, True), (0.6, 0.7, 0.8, 0.9), 0.3)
STEERED = Calibration(LAYOUTS["steer-motor"].motors, False, (False, True), (0.9, 0.7), 0.2)
PULSES = {"steering_left_us": 1990, "steering_center_us": 1480, "steering_right_us": 1010}
WITH_SERVO = Calibration(LAYOUTS["steer-servo"].motors, False, (True,), (1.0,), 0.2, PULSES)
WITH_BOTH = WITH_SERVO._replace(pulses={**PULSES, "esc_neutral_us": 1510, "esc_start_us": 0})
GOOD: list[tuple[dict[str, Any], Message]] = [
    (DRIVE, Drive(7, 412, Sticks(0.5, -0.2))),
    (TANK, Drive(8, 413, Tank(0.4, 0.4))),
    (JOG, Drive(9, 414, Jog("left", 0.2))),
    (CALIBRATE, Calibrate(two_sides(True, False, True, 0.9, 1.0, 0.3), 415)),
    ({"type": "calibrate", "tick": 415, **FOUR.values}, Calibrate(FOUR, 415)),
    ({"type": "calibrate", "tick": 415, **STEERED.values}, Calibrate(STEERED, 415)),
    (JOG | {"side": "rear_right"}, Drive(9, 414, Jog("rear_right", 0.2))),
    (JOG | {"side": "steer"}, Drive(9, 414, Jog("steer", 0.2))),
    ({"type": "uncalibrate", "tick": 416}, Calibrate(None, 416)),
    ({"type": "take", "tick": 412}, Take(412)),
    ({"type": "release"}, Release()),
    ({"type": "grant", "client": "c3", "tick": 412}, Grant("c3", 412)),
    ({"type": "deny", "client": "c3"}, Deny("c3")),
    ({"type": "turn", "for_s": 120, "tick": 412}, SetTurns(120, 412)),
    ({"type": "turn", "for_s": 0, "tick": 412}, SetTurns(0, 412)),
    ({"type": "stay_on", "tick": 412}, StayOn(412)),
    ({"type": "record", "on": True, "tick": 412}, Record(True, 412)),
    ({"type": "record", "on": False, "tick": 412}, Record(False, 412)),
    ({"type": "stop"}, Stop()),
    ({"type": "reset", "tick": 430}, Reset(430)),
    ({"type": "limit", "speed": 0.6, "tick": 412}, Limit(0.6, 412)),
]
AXES = [(DRIVE, "throttle"), (DRIVE, "steering"), (TANK, "left"), (TANK, "right")]
WHOLE = [(m, key) for m, _ in GOOD for key in ("seq", "tick") if key in m]
# Numbers with a range of their own: the message, the key, the least, the most.
RANGES: list[tuple[dict[str, Any], str, float, float]] = [
    (JOG, "duty", -0.5, 0.5),
    (CALIBRATE, "left_trim", 0.5, 1.0),
    (CALIBRATE, "right_trim", 0.5, 1.0),
    (CALIBRATE, "min_duty", 0.0, 0.8),
]
FLAGS = [(CALIBRATE, key) for key in ("swap", "left_invert", "right_invert")]
NUMBERS = [*AXES, *WHOLE, (GOOD[-1][0], "speed"), *((message, key) for message, key, _, _ in RANGES)]


def refusal(text: str | bytes) -> str:
    """Parse what must be refused, and return the code."""
    with pytest.raises(ProtocolError) as caught:
        parse(text)
    assert str(caught.value).endswith(".")
    assert isinstance(caught.value, ValueError)
    return caught.value.code


def raw(message: dict[str, Any], key: str, value: str) -> str:
    """Return the message's text with a key's value written just so."""
    return json.dumps(message | {key: "@"}).replace('"@"', value)


@pytest.mark.parametrize(("fields", "message"), GOOD, ids=lambda v: v.get("type") if type(v) is dict else "")
def test_a_message_is_read(fields: dict[str, Any], message: Message) -> None:
    assert repr(parse(json.dumps(fields))) == repr(message)  # sticks of two kinds may be equal


def test_the_order_of_keys_and_the_space_between_do_not_matter() -> None:
    text = ' { "tick" : 412 ,\n "steering":-2e-1,"type":"drive", "throttle":0.5,"seq":7 } '
    assert parse(text) == GOOD[0][1]


@pytest.mark.parametrize(
    "values",
    [
        {**STEERED.values, **FOUND},
        {key: value for key, value in FOUR.values.items() if key != "rear_left_trim"},
        {**FOUR.values, "left_trim": 1.0},
        {"swap": True, "min_duty": 0.3},
        {**FOUND, "middle_trim": 1.0},
    ],
    ids=["two layouts", "a motor less", "a motor more", "no motor", "a motor that no car has"],
)
def test_a_calibration_has_the_motors_of_one_layout(values: dict[str, Any]) -> None:
    assert refusal(json.dumps({"type": "calibrate", "tick": 415, **values})) == "bad_message"


@pytest.mark.parametrize(("message", "key"), AXES)
@pytest.mark.parametrize("value", ["1", "-1", "0", "1.0", "-1.0", "1e-300", "-0.0", "0e9"])
def test_the_ends_of_a_range_are_in_it(message: dict[str, Any], key: str, value: str) -> None:
    parsed = parse(raw(message, key, value))
    assert isinstance(parsed, Drive)
    assert getattr(parsed.wanted, key) == float(value)
    assert type(getattr(parsed.wanted, key)) is float


@pytest.mark.parametrize("value", ["1", "59.9", "-60", "301", "1e999", "NaN"])
def test_a_turn_has_one_of_four_lengths(value: str) -> None:
    assert refusal(raw({"type": "turn", "tick": 412}, "for_s", value)) == "bad_value"


@pytest.mark.parametrize(("message", "key"), WHOLE)
@pytest.mark.parametrize("value", [0, 1, MAX_INTEGER])
def test_whole_numbers_go_up_to_what_a_browser_can_count(
    message: dict[str, Any], key: str, value: int
) -> None:
    assert getattr(parse(json.dumps(message | {key: value})), key) == value


@pytest.mark.parametrize(("message", "key", "least", "most"), RANGES)
def test_a_range_has_its_ends_in_it_and_nothing_beyond(
    message: dict[str, Any], key: str, least: float, most: float
) -> None:
    for value in (least, most):
        parse(json.dumps(message | {key: value}))
    for value in (math.nextafter(least, -2), math.nextafter(most, 2), -1e308, 10**400):
        assert refusal(json.dumps(message | {key: value})) == "bad_value"


@pytest.mark.parametrize(("message", "key"), FLAGS)
@pytest.mark.parametrize("value", ["0", "1", "null", '"true"', "[]", "NaN"])
def test_a_flag_is_true_or_false(message: dict[str, Any], key: str, value: str) -> None:
    assert refusal(raw(message, key, value)) == "bad_message"


def test_a_side_is_left_or_right() -> None:
    for value in ('"Left"', '""', '"both"', '"a"', '"\\ud800"'):
        assert refusal(raw(JOG, "side", value)) == "bad_value"
    for value in ("1", "null", "true", '["left"]', '{"left":1}'):
        assert refusal(raw(JOG, "side", value)) == "bad_message"


@pytest.mark.parametrize("speed", ["1", "1.0", "0.6", "0.05"])
def test_a_speed_limit_is_from_five_percent_to_one(speed: str) -> None:
    assert parse(raw(GOOD[-1][0], "speed", speed)) == Limit(float(speed), 412)


@pytest.mark.parametrize(
    "speed", ["0", "0.0", "0.049999999999999996", "5e-324", "-0.0", "-0.1", "1.0000000000000002", "2", "NaN"]
)
def test_any_other_speed_limit_is_a_bad_value(speed: str) -> None:
    assert refusal(raw(GOOD[-1][0], "speed", speed)) == "bad_value"


@pytest.mark.parametrize(("message", "key"), NUMBERS)
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_not_finite_is_a_bad_value(message: dict[str, Any], key: str, value: str) -> None:
    assert refusal(raw(message, key, value)) == "bad_value"


@pytest.mark.parametrize(("message", "key"), AXES)
@pytest.mark.parametrize(
    "value", ["1.0000000000000002", "-1.0000000000000002", "2", "-2", "1e308", "9" * 400]
)
def test_an_axis_out_of_range_is_a_bad_value(message: dict[str, Any], key: str, value: str) -> None:
    assert refusal(raw(message, key, value)) == "bad_value"


@pytest.mark.parametrize(("message", "key"), WHOLE)
@pytest.mark.parametrize("value", ["-1", str(MAX_INTEGER + 1), "9" * 400, "-" + "9" * 400])
def test_a_whole_number_out_of_range_is_a_bad_value(message: dict[str, Any], key: str, value: str) -> None:
    assert refusal(raw(message, key, value)) == "bad_value"


@pytest.mark.parametrize(("message", "key"), NUMBERS)
@pytest.mark.parametrize("value", ["true", "false", "null", '"0.5"', '""', "[]", "[0.5]", "{}"])
def test_what_is_no_number_is_a_bad_message(message: dict[str, Any], key: str, value: str) -> None:
    assert refusal(raw(message, key, value)) == "bad_message"


@pytest.mark.parametrize(("message", "key"), WHOLE)
@pytest.mark.parametrize("value", ["7.5", "7.0", "1e3"])
def test_a_fraction_is_no_whole_number(message: dict[str, Any], key: str, value: str) -> None:
    assert refusal(raw(message, key, value)) == "bad_message"


@pytest.mark.parametrize("kind", ["grant", "deny"])
@pytest.mark.parametrize("value", ["3", "null", "true", '["c3"]', '{"c3":1}'])
def test_a_client_is_a_text(kind: str, value: str) -> None:
    message = next(m for m, _ in GOOD if m["type"] == kind)
    assert refusal(raw(message, "client", value)) == "bad_message"


@pytest.mark.parametrize(
    ("message", "key"), [(m, key) for m, _ in GOOD for key in m], ids=lambda v: v if type(v) is str else ""
)
def test_a_missing_key_is_a_bad_message(message: dict[str, Any], key: str) -> None:
    assert refusal(json.dumps({k: v for k, v in message.items() if k != key})) == "bad_message"


@pytest.mark.parametrize("message", [m for m, _ in GOOD], ids=lambda m: m["type"])
@pytest.mark.parametrize("key", ["extra", "Tick", "", "type ", "\ud800", "__class__"])
def test_an_unknown_key_is_a_bad_message(message: dict[str, Any], key: str) -> None:
    assert refusal(json.dumps(message | {key: 1})) == "bad_message"


def test_the_sentence_for_wrong_keys_names_the_right_ones() -> None:
    with pytest.raises(ProtocolError, match="drive has the keys type, seq, steering, throttle, tick"):
        parse('{"type":"drive"}')
    with pytest.raises(ProtocolError, match=r"stop has the keys type\."):
        parse('{"type":"stop","tick":1}')


@pytest.mark.parametrize(
    "kind", ["drove", "", "Drive", "hello", "state", "error", "\ud800", "x" * 4000, "{}"]
)
def test_an_unknown_type_is_refused_by_name(kind: str) -> None:
    assert refusal(json.dumps({"type": kind})) == "unknown_type"


@pytest.mark.parametrize("kind", ["null", "1", "true", "[]", '["stop"]', '{"stop":1}', "NaN"])
def test_a_type_that_is_no_text_is_a_bad_message(kind: str) -> None:
    assert refusal(f'{{"type":{kind}}}') == "bad_message"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "stop",
        "{",
        "{}",
        '{"type":"stop"',
        '{"type":"stop"}}',
        '{"type":"stop"}{"type":"stop"}',
        "{'type':'stop'}",
        '{type:"stop"}',
        '{"type":"stop",}',
        '\ufeff{"type":"stop"}',
        '{"type":"st\nop"}',
        '{"type":"drive","seq":01,"tick":1,"throttle":0,"steering":0}',
        "null",
        "true",
        "1",
        "NaN",
        '"stop"',
        "[]",
        '["stop"]',
        '[{"type":"stop"}]',
        "\x00",
        "\ud800",
        "9" * 4000,
        "9" * 5000,
        "[" * 4000,
        "[" * 2000 + "]" * 2000,
        '{"type":' * 400 + "1" + "}" * 400,
        '{"a":' * 1000,
        '{"type":"stop","a":' + "[" * 1900 + "]" * 1900 + "}",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_what_is_no_message_is_a_bad_message(text: str) -> None:
    assert refusal(text) == "bad_message"


@pytest.mark.parametrize("data", [b"", b'{"type":"stop"}', b"\xff\xfe", b"\x00" * 4096])
def test_a_binary_frame_is_a_bad_message_whatever_is_in_it(data: bytes) -> None:
    assert refusal(data) == "bad_message"


def test_lone_surrogates_are_text_like_any_other() -> None:
    assert parse('{"type":"deny","client":"\\ud800"}') == Deny("\ud800")
    assert json.loads(protocol.error("unknown_type", "\ud800"))["message"] == "\ud800"


def test_the_last_of_two_equal_keys_is_what_counts_as_in_a_browser() -> None:
    assert parse('{"type":"drive","type":"stop"}') == Stop()


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
near_numbers = st.sampled_from([0, 1, -1, 0.5, -0.0, 1.5, 2**53, True, None, "1", math.nan, math.inf])
near_messages = st.sampled_from([m for m, _ in GOOD]).flatmap(
    lambda m: st.fixed_dictionaries(
        {"type": st.just(m["type"])},
        optional=dict.fromkeys([*(m.keys() - {"type"}), "extra"], near_numbers | any_json),
    )
)


def read(text: str) -> Message | ProtocolError:
    try:
        return parse(text)
    except ProtocolError as error:
        return error


def check(text: str) -> None:
    """Parse any text: a message of finite numbers in their ranges, or a coded refusal."""
    message = read(text)
    if isinstance(message, ProtocolError):
        assert message.code in {"bad_message", "unknown_type", "bad_value"}
        assert json.loads(protocol.error(message.code, str(message)))["code"] == message.code
        return
    for name in type(message).__annotations__:
        value = getattr(message, name)
        if name in ("seq", "tick"):
            assert type(value) is int
            assert 0 <= value <= MAX_INTEGER
        elif name == "for_s":
            assert value in TURNS_S
        elif name == "speed":
            assert type(value) is float
            assert 0.0 < value <= 1.0
        elif name == "wanted":
            axes = [getattr(value, key) for key in value._fields if key != "motor"]
            assert all(type(axis) is float and -1.0 <= axis <= 1.0 for axis in axes)
        elif name == "calibration" and value is not None:
            assert value.motors in [layout.motors for layout in LAYOUTS.values()]
            assert all(0.5 <= trim <= 1.0 for trim in value.trims)
            assert all(type(invert) is bool for invert in (value.swap, *value.inverts))
            assert 0.0 <= value.min_duty <= 0.8
        elif name == "calibration":
            assert value is None
        else:
            assert type(value) is str


@given(st.text(st.characters(codec=None)))
@example("[" * 100_000)
@example('{"a":' * 100_000)
@example("-" + "1" * 100_000)
@example("1e" + "9" * 4000)
def test_any_text_is_a_message_or_a_coded_refusal(text: str) -> None:
    check(text)


@given(any_json | near_messages)
def test_any_json_is_a_message_or_a_coded_refusal(value: Any) -> None:
    check(json.dumps(value))


@given(st.sampled_from([m for m, _ in GOOD]), st.data())
def test_a_message_with_one_bent_value_is_a_message_or_a_coded_refusal(
    message: dict[str, Any], data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(list(message)))
    check(json.dumps(message | {key: data.draw(near_numbers | any_json)}))


@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0), st.integers(0, MAX_INTEGER), st.integers(0, MAX_INTEGER))
def test_every_good_drive_is_read_to_the_last_bit(a: float, b: float, seq: int, tick: int) -> None:
    sticks = {"type": "drive", "seq": seq, "tick": tick, "throttle": a, "steering": b}
    tank = {"type": "tank", "seq": seq, "tick": tick, "left": a, "right": b}
    for sent, wanted in ((sticks, Sticks(a, b)), (tank, Tank(a, b))):
        assert repr(parse(json.dumps(sent))) == repr(Drive(seq, tick, wanted))


def test_the_longest_message_that_the_page_sends_is_far_below_the_limit() -> None:
    longest = json.dumps(
        DRIVE | {"seq": MAX_INTEGER, "tick": MAX_INTEGER, "throttle": -1 / 3, "steering": 1e-300}
    )
    assert len(longest) < MAX_BYTES / 10


@pytest.mark.parametrize("calibration", [WITH_SERVO, WITH_BOTH], ids=["servo", "servo and ESC"])
def test_a_calibration_may_have_the_pulses_of_a_servo_and_of_an_esc(calibration: Calibration) -> None:
    message = {"type": "calibrate", "tick": 415, **calibration.values}
    parsed = parse(json.dumps(message))
    assert parsed == Calibrate(calibration, 415)
    assert refusal(json.dumps(message | {"steering_left_us": 3000})) == "bad_value"
    assert refusal(json.dumps(message | {"steering_left_us": 1000.5})) == "bad_message"
