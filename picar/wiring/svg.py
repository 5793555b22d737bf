"""The drawing as SVG: the header at the bottom, the wires up to the board, its motors and its battery."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from picar.raspberrypi import PINS, HeaderPin
from picar.wiring.plan import Board, Plan
from picar.wiring.routes import (
    BOARD_BOTTOM,
    POWER_X,
    RAIL_Y,
    ROW_STEP,
    ROW_Y,
    Route,
    pin_x,
    routes,
    row_y,
    terminals_x,
)
from picar.wiring.shapes import DARK, DRAWING, LIGHT, WIRES, box, circle, element, line, text
from picar.wiring.symbols import extras
from picar.wiring.text import Words, ends_of

WIDTH, HEIGHT = 496, 908
_RESISTOR = 15  # distance to the right of its wire
_BOARD = (104, 22, 288, BOARD_BOTTOM - 34)  # x, y, width, height
_OUTPUT_Y = (64, 98)
_LONG_NAME, _LONG_RANGE, _LONG_LABEL = 12, 9, 18  # letters: below a motor, on the battery, beside a tag
_SCREW, _PLASTIC, _METAL = "#1f5fae", "#1c232c", "#d9b44a"
_RED, _BLACK = WIRES["red"][0], WIRES["black"][0]
_POWER = {"3V3": "#d9902f", "5V": "#f0525c", "GND": "#9aa6b2"}  # rims of the pins that carry no signal
_STYLE = (
    f"svg.wiring{{{LIGHT};background:var(--paper)}}"
    f"@media (prefers-color-scheme:dark){{svg.wiring{{{DARK}}}}}{DRAWING}"
)


def drawing(plan: Plan, words: Words, alone: bool = False) -> str:
    """Return the drawing as an SVG element: each board with the header, or the header alone where no board is drawn.

    Args:
        plan: the connections to draw.
        words: the words of one language.
        alone: True for a file, which contains its own style; the page brings the style with it.
    """
    parts = [_car(plan, number, words) for number in range(len(plan.boards) * plan.has_drawing)]
    top = 0 if parts else ROW_Y - 40
    parts = parts or [_header(plan, words)]
    about = words["svg"].format(board=plan.boards[0].kind.name)
    inside = [
        f"<style>{_STYLE}</style>" if alone else "",
        f"<title>{escape(words['title'])}</title><desc>{escape(about)}</desc>",
        parts[0],
        *(element("g", part, transform=f"translate(0 {HEIGHT * n})") for n, part in enumerate(parts[1:], 1)),
    ]
    height = HEIGHT * len(parts) - top
    if plan.parts:
        below, drawn = extras(plan.parts, words)
        inside.append(element("g", drawn, transform=f"translate(0 {top + height})"))
        height += below
    size = {"width": str(WIDTH), "height": str(height)} if alone else {}
    frame = {"xmlns": "http://www.w3.org/2000/svg", "class": "wiring", "viewBox": f"0 {top} {WIDTH} {height}"}
    return element("svg", "".join(inside), **frame, role="img", **size)


def _car(plan: Plan, number: int, words: Words) -> str:
    """Return one board with its motors, the battery and the header."""
    board = plan.boards[number]
    *signals, ground = routes(board, plan.ground)
    colours = {wire.terminal: WIRES[wire.colour][0] for wire in board.wires}
    name = f"{board.kind.name} \N{MIDDLE DOT} {number + 1}" if len(plan.boards) > 1 else board.kind.name
    return "".join(
        [
            _battery(board, words),
            _rail(board, words, ground),
            *(line(way.points, colours[way.name]) for way in signals),
            _resistors(board),
            _motors(board, words),
            _l298n(board, name, words) if board.kind.name == "L298N" else _breakout(board, name),
            _header(plan, words, board),
        ]
    )


def _l298n(board: Board, name: str, words: Words) -> str:
    """Return the L298N board with its terminals."""
    (x, y, width, height), at = _BOARD, terminals_x(board)
    drawn = [
        box(x, y, width, height, 8, fill="#a8222c"),
        box(x + 84, y + 12, 120, 62, 3, fill=_PLASTIC),
        *(box(x + 90 + 12 * fin, y + 12, 4, 62, fill="#39424e") for fin in range(10)),
        text(x + 144, y + 96, name, 17, fill="#ffffff", font_weight=700),
    ]
    for side, output, height_ in _outputs(board):
        edge = x + width * side
        drawn.append(_screw(edge + (-26 if side else 4), height_ - 11))
        label_x = edge + (-32 if side else 32)
        drawn.append(text(label_x, height_ + 5, output, 12.5, "end" if side else "start", fill="#ffffff"))
    for name in ("12V", "GND", "5V"):
        drawn.append(_screw(at[name] - 11, BOARD_BOTTOM - 30))
        drawn.append(text(at[name], BOARD_BOTTOM - 36, name, 12.5, fill="#ffffff"))
    no_wire = f"M{at['5V'] - 5} {BOARD_BOTTOM + 9}l10 10m0 -10l-10 10"  # a cross below the terminal
    drawn.append(element("path", d=no_wire, class_="dimline", stroke_width=2, stroke_linecap="round"))
    drawn += [_board_pin(name, at[name], name in board.tied) for name in board.kind.terminals]
    for name, anchor, label_x in (("ENA", "middle", at["ENA"]), ("ENB", "end", at["ENB"] + 20)):
        word = words["jumper_on" if name in board.tied else "jumper_off"]
        drawn.append(text(label_x, BOARD_BOTTOM - 60, word, 12, anchor, fill="#ffffff"))
    return "".join(drawn)


def _breakout(board: Board, name: str) -> str:
    """Return a small board with one row of pins to the Pi and the battery, and its outputs at the sides."""
    x, y, width, height = _BOARD
    drawn = [
        box(x, y, width, height + 18, 8, fill="#1d3f72"),
        box(x + 98, y + 16, 92, 40, 4, fill=_PLASTIC),
        text(x + 144, y + 77, name, 16, fill="#ffffff", font_weight=700),
    ]
    for side, output, height_ in _outputs(board):
        edge = x + width * side
        drawn.append(_pad(edge + (-15 if side else 15), height_))
        label_x = edge + (-28 if side else 28)
        drawn.append(text(label_x, height_ + 4.5, output, 12.5, "end" if side else "start", fill="#ffffff"))
    for terminal, at in terminals_x(board).items():
        drawn.append(_pad(at, BOARD_BOTTOM - 6))
        label = {"transform": f"rotate(-90 {at + 4.5:g} {BOARD_BOTTOM - 19})", "fill": "#ffffff"}
        drawn.append(text(at + 4.5, BOARD_BOTTOM - 19, terminal, 12.5, "start", font_weight=700, **label))
        if terminal in board.tied:  # a short wire to a tag, instead of one to the Pi
            drawn.append(line([(at, BOARD_BOTTOM + 2), (at, BOARD_BOTTOM + 18)], _RED))
            drawn.append(text(at, BOARD_BOTTOM + 33, board.kind.tie, 13, font_weight=700))
    return "".join(drawn)


def _outputs(board: Board) -> Iterator[tuple[int, str, int]]:
    """Yield each output: its side (0 is left), its name and its height."""
    for side, names in enumerate(board.kind.outputs):
        for name, y in zip(names.split(", "), _OUTPUT_Y, strict=True):
            yield side, name, y


def _motors(board: Board, words: Words) -> str:
    """Return both motors and their wires."""
    drawn = []
    for at_left, motor in zip((True, False), board.motors, strict=True):
        x = 12 if at_left else WIDTH - 76
        edge = _BOARD[0] + 15 if at_left else _BOARD[0] + _BOARD[2] - 15
        inner = x + 56 if at_left else x + 8
        for y, colour in zip(_OUTPUT_Y, (_RED, _BLACK), strict=True):
            drawn.append(line([(edge, y), (inner, y)], colour, 3.4))
        drawn.append(box(x, 44, 64, 74, 10, fill="#f2c511", stroke="#b8930a", stroke_width=1.5))
        drawn += [circle(x + 32, 81, 19, fill=_PLASTIC), circle(x + 32, 81, 6, fill="#f4f7fa")]
        name = words[motor]
        lines = name.rsplit(" ", 1) if len(name) >= _LONG_NAME else [name]
        for place, part in enumerate(lines):
            drawn.append(text(x + 35 if at_left else x + 32, 138 + 15 * place, part, 13, font_weight=700))
    return "".join(drawn)


def _battery(board: Board, words: Words) -> str:
    """Return the battery, its switch, and its wires to the board."""
    x, y = 10, 206
    plus = [(x + 50, y + 12), (POWER_X[0], y + 12), (POWER_X[0], BOARD_BOTTOM - 19)]
    volts = words["volts"].format(low=board.kind.supply[1], high=board.kind.supply[2])
    return "".join(
        [
            line(plus, _RED),
            box(x, y, 58, 60, 7, fill=_PLASTIC, stroke="#8a97a5", stroke_width=1.5),
            box(x + 10, y - 6, 16, 7, 2, fill=_METAL),
            text(x + 48, y + 18, "+", 17, fill="#ffffff", font_weight=700),
            box(x + 32, y + 47, 11, 2.4, 1, fill="#ffffff"),
            _volts(x, y, volts),
            text(x + 29, y - 12, words["battery"], 14, font_weight=700),
            box(84, y + 3, 28, 18, 4, fill="#3a4552", stroke="#8a97a5", stroke_width=1.5),
            box(88, y + 7, 11, 10, 2, fill="#f4f7fa"),
            text(98, y + 34, words["switch"], 12.5, class_="dim"),
        ]
    )


def _volts(x: float, y: float, volts: str) -> str:
    """Return the range of the battery; a long one takes two lines."""
    if len(volts) < _LONG_RANGE:
        return text(x + 5, y + 35, volts, 13.5, "start", fill="#ffffff", font_weight=600)
    low, dash, high = volts.partition("\N{EN DASH}")
    look: dict[str, str | float] = {"fill": "#ffffff", "font_weight": 600}
    lines = text(x + 5, y + 27, low + dash, 12.5, "start", **look)
    return lines + text(x + 5, y + 41, high, 12.5, "start", **look)


def _resistors(board: Board) -> str:
    """Return the resistors from their wires to the rail, with their value beside the first and the last."""
    drawn, at = [], terminals_x(board)
    if not board.resistors:
        return ""
    for name in board.resistors:
        x, low = at[name], BOARD_BOTTOM + 22
        leg = x + _RESISTOR
        drawn.append(line([(x, low), (leg, low), (leg, RAIL_Y)], "#8a97a5", 2, 4))
        drawn += [_dot(x, low), _dot(leg, RAIL_Y)]
        drawn.append(box(leg - 5.5, low + 18, 11, 40, 4, fill="#e7cf9d", stroke="#8f7440", stroke_width=1))
        for place, colour in enumerate(("#7a4a21", "#14181d", "#ef8a17", "#c9a227")):  # 1 0 x1000 5 %
            drawn.append(
                box(leg - 5.5, low + 23 + 8 * place + (4 if place == 3 else 0), 11, 3.6, fill=colour)
            )
    first, last = board.resistors[0], board.resistors[-1]
    if first == "ENA":
        drawn.append(text(at["ENA"] - 9, RAIL_Y - 44, "10 kΩ", 14, "end"))
    drawn.append(text(at[last] + _RESISTOR + 12, RAIL_Y - 44, "10 kΩ", 14, "start"))
    return "".join(drawn)


def _rail(board: Board, words: Words, to_the_pi: Route) -> str:
    """Return the common ground: battery, board and resistors on one rail, and the wire down to the Pi."""
    board_x = POWER_X[1]
    end = terminals_x(board)[board.resistors[-1]] + _RESISTOR if board.resistors else board_x
    label = (end + 12, RAIL_Y + 5, "start") if board.resistors else (102, RAIL_Y - 10, "middle")
    return "".join(
        [
            line(to_the_pi.points[2:], _BLACK),
            line([(board_x, BOARD_BOTTOM - 19), (board_x, RAIL_Y)], _BLACK),
            line([(48, RAIL_Y - 46), (48, RAIL_Y), (end, RAIL_Y)], _BLACK),
            *(_dot(x, RAIL_Y) for x in (board_x, to_the_pi.lane)),
            text(*label[:2], words["ground"], 14, label[2], font_weight=700),
        ]
    )


def _header(plan: Plan, words: Words, board: Board | None = None) -> str:
    """Return the Pi's header: every pin has its number, and a pin with a wire has a tag with its name.

    Without a board, the terminals are beside the tags.
    """
    of_parts = [wire for part in plan.parts for wire in part.wires]
    wires = board.wires if board else [*(wire for _, wire in plan.wires), *of_parts]
    used = {wire.pin.number: WIRES[wire.colour] for wire in wires}
    used |= {} if plan.hat else {plan.ground.number: WIRES["black"]}
    top, height = ROW_Y - 16, ROW_STEP * 19 + 32
    drawn = [
        box(208, top - 18, 64, height + 36, 8, fill="#1f6b3d"),
        box(216, top, 48, height, 4, fill=_PLASTIC),
        text(240, top - 5, words["sd"], 12, fill="#ffffff"),
        text(240, top + height + 13, words["usb"], 12, fill="#ffffff"),
    ]
    drawn += [_header_pin(pin, used.get(pin.number)) for pin in PINS]
    for pin, (terminals, _) in ends_of(plan, words).items() if board is None else ():
        x, anchor = (pin_x(pin) - 93, "end") if pin.is_left else (pin_x(pin) + 93, "start")
        label = terminals if len(terminals) < _LONG_LABEL else f"{terminals.split(' + ')[0]} + …"
        drawn.append(text(x, row_y(pin) + 5, label, 13, anchor, font_weight=700))
    foot = ROW_Y + ROW_STEP * 19
    drawn.append(text(284, foot + 27, words["header"], 14, "start", font_weight=700))
    drawn.append(text(284, foot + 44, words["own_supply"], 13, "start", class_="dim"))
    return "".join(drawn)


def _dot(x: float, y: float) -> str:
    """Return a joint: the wires at this point are connected."""
    return circle(x, y, 4.2, class_="ink") + circle(x, y, 2.2, class_="paper")


def _screw(x: float, y: float) -> str:
    return (
        box(x, y, 22, 22, 3, fill=_SCREW)
        + circle(x + 11, y + 11, 7, fill="#c9d1da")
        + box(x + 5, y + 10, 12, 2, fill="#5b6673")
    )


def _pad(x: float, y: float) -> str:
    return circle(x, y, 7.5, fill=_METAL) + circle(x, y, 3.6, fill=_PLASTIC)


def _board_pin(name: str, x: float, jumper: bool) -> str:
    y = BOARD_BOTTOM - 12
    drawn = [box(x - 7, y - 7, 14, 19, 2, fill=_PLASTIC), circle(x, y + 3, 3.6, fill=_METAL)]
    if name.startswith("EN"):  # the pin behind it carries 5 V; a jumper joins both
        drawn += [box(x - 7, y - 26, 14, 19, 2, fill=_PLASTIC), circle(x, y - 17, 3.6, fill=_METAL)]
        if jumper:
            drawn.append(box(x - 8, y - 27, 16, 38, 3, fill="#2673d1", stroke="#ffffff", stroke_width=1.5))
    label_y = y - (32 if name.startswith("EN") else 12)
    drawn.append(text(x, label_y, name, 12.5, fill="#ffffff", font_weight=700))
    return "".join(drawn)


def _header_pin(pin: HeaderPin, wire: tuple[str, str] | None) -> str:
    x, y = pin_x(pin), row_y(pin)
    fill, ink = wire or ("#11161c" if pin.name in _POWER else "#4a5562", "#dfe5ec")
    rim = "#ffffff" if wire else _POWER.get(pin.name, "#6b7785")
    drawn = [
        circle(x, y, 9, fill=fill, stroke=rim, stroke_width=2 if wire else 1.2),
        text(x, y + 3.4, str(pin.number), 9.5, fill=ink, font_weight=700 if wire else 400),
    ]
    if wire:
        left = x - 13 - 72 if pin.is_left else x + 13
        drawn.append(box(left, y - 10, 72, 20, 10, fill=fill, stroke="#8a97a5", stroke_width=1))
        drawn.append(text(left + 36, y + 5, pin.name, 14, fill=ink, font_weight=700))
    return "".join(drawn)
