"""The second drawing, below that of the motors: each part with its wires, and the resistors and transistors between.

A wire begins at the tag of its pin on the left. So no wire crosses another, whichever pins the configuration names.
"""

from __future__ import annotations

from collections.abc import Sequence

from picar.wiring.parts import TAP_KOHM, Part, Wire
from picar.wiring.shapes import WIRES, box, circle, element, line, text
from picar.wiring.text import Words

_HEAD, _ROW, _GAP = 44, 42, 18  # heights: title with its space, a wire, below a part
_TITLE = 46  # height of the title of the drawing
_TAG, _START = 20, 122  # x of the tag's left edge, and of the begin of a wire
_JOINT, _RESISTOR, _TRANSISTOR = 170, 214, 300  # x of a joint, and of the middles
_BOX, _RIGHT = 352, 480  # x of the box's edges
_PLASTIC, _GREY = "#1c232c", "#8a97a5"
_RING = "M-15 0a15 15 0 1 0 30 0a15 15 0 1 0-30 0"
_PICTURES = {
    "sonar": "M-13 0a11 11 0 1 0 22 0a11 11 0 1 0-22 0m26 0a11 11 0 1 0 22 0a11 11 0 1 0-22 0",
    "laser": "M-18-8h36v16h-36zM-11 0h6m10 0h6",
    "contact": "M-22 0h10l20-12m4 12h10",
    "servo": f"{_RING}M0 0v-26",
    "load": f"{_RING}M-10-10L10 10M-10 10L10-10",
    "lamp": f"{_RING}M16-16l8-8m-4 16l10-6",
}
_IN_SERIES = {"echo": "1 kΩ", "base": "1 kΩ", "led": "330 Ω"}  # by role


def extras(parts: Sequence[Part], words: Words) -> tuple[int, str]:
    """Return the height of the drawing and its elements; it is as wide as that of the motors."""
    drawn, y = [text(_TAG, 26, words["extras"], 17, "start", font_weight=700)], _TITLE
    for part in parts:
        drawn.append(_part(part, y, words))
        y += _HEAD + _ROW * (len(part.wires) - 1) + _GAP + 20
    return y, "".join(drawn)


def _part(part: Part, top: int, words: Words) -> str:
    """Return one part below its title; `top` is the upper edge."""
    ys = [top + _HEAD + _ROW * place for place in range(len(part.wires))]
    ends = [_BOX] * len(ys)
    if part.form == "servo":
        ends[-1] = _JOINT  # the ground of its supply meets that of the Pi
    in_box = list(zip(part.wires, ys, strict=True))
    if part.form == "load":
        ends[1:], in_box = [_TRANSISTOR - 22, _TRANSISTOR], in_box[:2]
    elif part.form == "servo":
        in_box = in_box[:-1]
    drawn = [text(_TAG, top + 14, part.title(words), 14.5, "start", font_weight=700)]
    for wire, y, end in zip(part.wires, ys, ends, strict=True):
        drawn.append(line([(_START - 10, y), (end, y)], WIRES[wire.colour][0]))
        drawn.append(_tag(wire, y))
        if value := _value(part, wire):
            drawn.append(_resistor(_RESISTOR if wire.role != "base" else 210, y, value))
    drawn.append(_between(part, ys))
    drawn.append(box(_BOX, ys[0] - 19, _RIGHT - _BOX, in_box[-1][1] - ys[0] + 38, 7, fill=_PLASTIC))
    for wire, y in in_box:
        name = "\N{MINUS SIGN}" if wire.role == "base" else wire.terminal
        drawn.append(circle(_BOX + 9, y, 5, fill="#d9b44a"))
        drawn.append(text(_BOX + 21, y + 5, name, 13.5, "start", fill="#ffffff", font_weight=700))
    if part.form == "shunt":
        x, (upper, lower) = _BOX + 74, ys[-2:]
        drawn.append(_stroke(f"M-8 0h8v{_ROW}h-8", x, upper))
        drawn.append(box(x - 6, (upper + lower) / 2 - 11, 12, 22, 3, fill="#e7cf9d"))
    drawn.append(_symbol(part.form, (ys[0] + in_box[-1][1]) / 2))
    return "".join(drawn)


def _value(part: Part, wire: Wire) -> str:
    if wire.role == "tap":
        return f"{TAP_KOHM * (part.ratio - 1):g} kΩ" if part.ratio > 1 else ""
    return _IN_SERIES.get(wire.role, "")


def _between(part: Part, ys: Sequence[float]) -> str:
    """Return what connects the wires of a part: the lower resistor of a divider, the transistor, or a joint."""
    if part.form == "sonar":
        return _lower(ys[2], ys[3], "2 kΩ")
    if part.form == "tap" and part.ratio > 1:
        return _lower(ys[-1], ys[-2], f"{TAP_KOHM} kΩ")
    if part.form == "servo":
        return line([(_JOINT, ys[2]), (_JOINT, ys[3])], WIRES["black"][0]) + _dot(_JOINT, ys[2])
    return _transistor(ys[1], ys[2]) if part.form == "load" else ""


def _lower(y: float, ground: float, value: str) -> str:
    """Return the resistor from a wire to the wire of the ground."""
    middle = (y + ground) / 2
    return "".join(
        [
            line([(_JOINT, y), (_JOINT, ground)], _GREY, 2.5),
            box(_JOINT - 6, middle - 11, 12, 22, 4, fill="#e7cf9d", stroke="#8f7440"),
            text(_JOINT - 12, middle + 5, value, 12.5, "end"),
            _dot(_JOINT, y),
            _dot(_JOINT, ground),
        ]
    )


def _transistor(y: float, ground: float) -> str:
    """Return an NPN transistor with its base at the left, its collector at the right and its emitter below."""
    x = _TRANSISTOR
    legs = (x - 15, y + 6, "B"), (x + 15, y + 6, "C"), (x, y + 15, "E")
    return "".join(
        [
            line([(x, y), (x, ground)], WIRES["black"][0]),
            line([(x, y), (_BOX, y)], WIRES["purple"][0]),
            box(x - 22, y - 19, 44, 38, 8, fill=_PLASTIC, stroke=_GREY),
            text(x, y - 9, "NPN", 11, fill="#ffffff"),
            *(text(*leg, 12, fill="#ffffff", font_weight=700) for leg in legs),
        ]
    )


def _symbol(form: str, y: float) -> str:
    """Return the picture in the box of a part; a meter has a V."""
    return _stroke(_PICTURES.get(form, f"{_RING}M-6-6L0 7L6-6"), _RIGHT - 42, y)


def _stroke(d: str, x: float, y: float) -> str:
    look: dict[str, str | float] = {"fill": "none", "stroke": "#dfe5ec", "stroke_width": 2.5}
    return element("path", d=d, transform=f"translate({x:g} {y:g})", stroke_linecap="round", **look)


def _resistor(x: float, y: float, value: str) -> str:
    body = box(x - 18, y - 6, 36, 12, 4, fill="#e7cf9d", stroke="#8f7440")
    return body + text(x, y - 11, value, 12.5)


def _tag(wire: Wire, y: float) -> str:
    """Return the name of a pin and its number on the header."""
    fill, ink = WIRES[wire.colour]
    name = box(_TAG, y - 10, 72, 20, 10, fill=fill, stroke=_GREY, stroke_width=1)
    name += text(_TAG + 36, y + 5, wire.pin.name, 13.5, fill=ink, font_weight=700)
    if not wire.pin.number:
        return name
    number = circle(_START - 16, y, 10, fill=fill, stroke="#ffffff", stroke_width=2)
    return name + number + text(_START - 16, y + 3.6, str(wire.pin.number), 10, fill=ink, font_weight=700)


def _dot(x: float, y: float) -> str:
    return circle(x, y, 4.2, class_="ink") + circle(x, y, 2.2, class_="paper")
