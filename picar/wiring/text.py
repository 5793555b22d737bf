# ruff: noqa: RUF001 - Chinese has its own punctuation, and a minus is no hyphen
"""The wiring in words: dictionaries of both languages, table, notes, and the drawing for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from unicodedata import east_asian_width

from picar.raspberrypi import PINS, HeaderPin
from picar.wiring.plan import Plan

COLUMNS = ("pin", "bcm", "board", "wire", "does")
LANGUAGES = {"en": "English", "zh": "简体中文"}
Words = Mapping[str, str]

_EN = {
    "lang": "en",
    "title": "Wiring of this car",
    "lead": "Drawn from this car's configuration. Disconnect the battery while you wire; lift the wheels off the ground for the first drive.",
    "svg": "From the Raspberry Pi's header to the L298N board, its motors and its battery",
    "left": "left motor", "right": "right motor", "battery": "battery", "volts": "6–12 V", "switch": "switch",
    "header": "Raspberry Pi", "sd": "SD card", "usb": "USB", "ground": "ground",
    "jumper_on": "jumper on", "jumper_off": "jumper off", "own_supply": "own 5 V supply",
    "pin": "pin", "bcm": "GPIO (BCM)", "board": "board", "wire": "wire", "does": "purpose",
    "speed": "{motor}: speed", "forward": "{motor}: forward", "reverse": "{motor}: reverse",
    "common": "common ground",
    "orange": "orange", "yellow": "yellow", "green": "green", "blue": "blue", "purple": "purple", "brown": "brown", "black": "black",
    "also": "Also",
    "resistors": "10 kΩ (brown, black, orange) from each of {terminals} to ground: the motors stay off while the Pi starts, crashes or is unplugged.",
    "take_off": "Take the jumper off {terminals}: with the jumper on, 5 V reach the Pi's pin and may destroy it.",
    "leave_on": "Leave the jumper on {terminals}. A side with a jumper cannot roll freely: at rest it brakes.",
    "motors": "OUT1 and OUT2: {a}. OUT3 and OUT4: {b}. With four motors, both motors of a side share its terminals.",
    "power": "Battery + goes through a switch to 12V, battery − to GND. The Pi has its own supply; the board's 5V stays empty.",
    "wrong_way": "If a motor turns the wrong way, swap its two wires, or write invert = true under [left] or [right].",
    "back": "Drive", "file": "SVG file",
}  # fmt: skip
_ZH = {
    "lang": "zh-CN",
    "title": "本车接线图",
    "lead": "根据本车的配置绘制。接线时请断开电池；第一次驾驶时请让车轮离地。",
    "svg": "从树莓派排针到 L298N 驱动板、电机和电池",
    "left": "左电机", "right": "右电机", "battery": "电池", "volts": "6–12 V", "switch": "开关",
    "header": "树莓派", "sd": "SD 卡", "usb": "USB", "ground": "地线",
    "jumper_on": "跳线帽保留", "jumper_off": "跳线帽拔掉", "own_supply": "独立 5 V 供电",
    "pin": "引脚", "bcm": "GPIO（BCM）", "board": "端子", "wire": "线色", "does": "作用",
    "speed": "{motor}：速度", "forward": "{motor}：前进", "reverse": "{motor}：后退",
    "common": "共地",
    "orange": "橙", "yellow": "黄", "green": "绿", "blue": "蓝", "purple": "紫", "brown": "棕", "black": "黑",
    "also": "还要注意",
    "resistors": "{terminals} 各接一个 10 kΩ 电阻（棕黑橙）到地：树莓派启动、死机或断电时，电机保持停止。",
    "take_off": "拔掉 {terminals} 的跳线帽：否则 5 V 会进入树莓派引脚，可能将其烧毁。",
    "leave_on": "保留 {terminals} 的跳线帽。带跳线帽的一侧不能自由滑行，静止时处于刹车状态。",
    "motors": "OUT1 和 OUT2：{a}。OUT3 和 OUT4：{b}。如有四个电机，同侧的两个并联在同一组端子上。",
    "power": "电池 + 经开关接 12V，电池 − 接 GND。树莓派单独供电；驱动板的 5V 端子不接线。",
    "wrong_way": "如果电机转反了，请对调它的两根线，或在 [left] 或 [right] 下写 invert = true。",
    "back": "驾驶", "file": "SVG 图片",
}  # fmt: skip
WORDS: dict[str, Words] = {"en": _EN, "zh": _ZH}
# In the palette of 256 colours.
_ANSI = {"orange": 208, "yellow": 226, "green": 34, "blue": 33, "purple": 135, "brown": 130, "black": 244}
_PLAIN = str.maketrans(
    dict(zip("┌┐└┘─│●·◀▶", "++++-|O.<>", strict=True)) | {"Ω": "Ohm", "\u2212": "-", "\u2013": "-"}
)
_SIDE = 26  # columns left of the header


def rows(plan: Plan, words: Words) -> list[tuple[int, str, str, str, str]]:
    """Return the table of the wires: header pin, its name, terminal of the board, colour, purpose."""
    wires = [
        (w.pin.number, w.pin.name, w.terminal, w.colour, words[w.role].format(motor=words[w.side]))
        for w in plan.wires
    ]
    return [*wires, (plan.ground.number, "GND", "GND", "black", words["common"])]


def notes(plan: Plan, words: Words) -> list[str]:
    """Return the steps besides the wires of the table, the most important first."""
    joint = "、" if words["lang"].startswith("zh") else ", "
    off = [name for name in ("ENA", "ENB") if name not in plan.jumpers]
    lists = (("take_off", off), ("leave_on", plan.jumpers), ("resistors", plan.resistors))
    lines = [words[key].format(terminals=joint.join(terminals)) for key, terminals in lists if terminals]
    motors = words["motors"].format(a=words[plan.sides[0]], b=words[plan.sides[1]])
    return [*lines, words["power"], motors, words["wrong_way"]]


def drawing(plan: Plan, words: Words, colour: bool = False) -> str:
    """Return the header, the table and the notes as lines of text.

    Args:
        plan: the connections to draw.
        words: a language.
        colour: whether the terminal shows colours.
    """
    sentences = [f"  - {sentence}" for sentence in notes(plan, words)]
    lines = [*_header(plan, words, colour), "", *_table(plan, words, colour), "", *sentences]
    return "\n".join(lines) + "\n"


def plain(drawn: str) -> str:
    """Return a drawing in ASCII, for a terminal without UTF-8."""
    return drawn.translate(_PLAIN)


def _header(plan: Plan, words: Words, colour: bool) -> list[str]:
    ends = {plan.ground.number: ("GND", "black")}
    for wire in plan.wires:
        terminal, colour_ = ends.get(wire.pin.number, ("", wire.colour))
        ends[wire.pin.number] = (f"{terminal} + {wire.terminal}" if terminal else wire.terminal, colour_)
    lines = [f"{'':{_SIDE}}      {words['sd']}", f"{'':{_SIDE}}    ┌─────────┐"]
    for left, right in zip(PINS[::2], PINS[1::2], strict=True):
        middle = f"{left.number:>3} │ {_dot(left, ends, colour)}     {_dot(right, ends, colour)} │ {right.number:<3}"
        lines.append(f"{_label(left, ends):>{_SIDE}}{middle}{_label(right, ends)}".rstrip())
    return [*lines, f"{'':{_SIDE}}    └─────────┘", f"{'':{_SIDE}}        {words['usb']}"]


def _label(pin: HeaderPin, ends: dict[int, tuple[str, str]]) -> str:
    if pin.number not in ends:
        return pin.name
    terminal = ends[pin.number][0]
    return f"{terminal} ◀── {pin.name}" if pin.is_left else f"{pin.name} ──▶ {terminal}"


def _dot(pin: HeaderPin, ends: dict[int, tuple[str, str]], colour: bool) -> str:
    return _paint("●", ends[pin.number][1], colour) if pin.number in ends else "·"


def _table(plan: Plan, words: Words, colour: bool) -> list[str]:
    def line(pin: str, name: str, terminal: str, wire: str, purpose: str) -> str:
        return f"  {_wide(pin, 5)}{_wide(name, 13)}{_wide(terminal, 8)}{_wide(wire, 11)}{purpose}"

    lines = [line(*(words[column] for column in COLUMNS))]
    for pin, name, terminal, wire, purpose in rows(plan, words):
        painted = line(str(pin), name, terminal, f"● {words[wire]}", purpose)
        lines.append(painted.replace("●", _paint("●", wire, colour)))
    return lines


def _wide(text: str, columns: int) -> str:
    """Return a text filled up with spaces; a Chinese character takes two columns of a terminal."""
    return text + " " * (columns - sum(1 + (east_asian_width(character) in "WF") for character in text))


def _paint(mark: str, name: str, colour: bool) -> str:
    return f"\x1b[38;5;{_ANSI[name]}m{mark}\x1b[0m" if colour else mark
