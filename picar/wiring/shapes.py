"""SVG elements, and the colours and the style sheet of a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Point = tuple[float, float]
WIRES = {  # colour of the wire, and of text on it
    "orange": ("#ef8a17", "#1a1204"), "yellow": ("#f2c511", "#1a1204"), "green": ("#24934a", "#ffffff"),
    "blue": ("#2673d1", "#ffffff"), "purple": ("#8e4ec6", "#ffffff"), "brown": ("#95592b", "#ffffff"),
    "red": ("#d8232f", "#ffffff"), "black": ("#14181d", "#ffffff"), "grey": ("#76828f", "#ffffff"),
}  # fmt: skip
LIGHT = "--paper:#ffffff;--ground:#e9eef4;--ink:#0e1c2a;--dim:#4b5b6b;--line:#c3ced9;--accent:#0f766e"
DARK = "--paper:#131b25;--ground:#0a0e14;--ink:#e8eef5;--dim:#9dabba;--line:#33414f;--accent:#2dd4bf"
DRAWING = """
.paper{fill:var(--paper)}
.casing{stroke:var(--paper)}
.ink{fill:var(--ink)}
.dim{fill:var(--dim)}
.dimline{stroke:var(--dim)}
svg.wiring text{font-family:system-ui,"Noto Sans CJK SC","PingFang SC",sans-serif}
"""


def element(name: str, inside: str = "", /, **attributes: str | float) -> str:
    """Return one element. In attribute names `_` becomes `-`; a final `_` is dropped, as in `class_`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_text(value)}"' for key, value in attributes.items()
    )
    return f"<{name}{given}>{inside}</{name}>" if inside else f"<{name}{given}/>"


def text(
    x: float, y: float, words: str, size: float = 14, anchor: str = "middle", **more: str | float
) -> str:
    """Return a line of text, `y` its baseline."""
    placed: dict[str, str | float] = {"x": x, "y": y, "font_size": size, "text_anchor": anchor}
    colour: dict[str, str | float] = {} if "fill" in more or "class_" in more else {"class_": "ink"}
    return element("text", escape(words), **placed, **colour, **more)


def box(x: float, y: float, width: float, height: float, radius: float = 0, **more: str | float) -> str:
    """Return a rectangle."""
    return element("rect", x=x, y=y, width=width, height=height, rx=radius, **more)


def circle(x: float, y: float, radius: float, **more: str | float) -> str:
    """Return a circle; `x` and `y` are its centre."""
    return element("circle", cx=x, cy=y, r=radius, **more)


def path(points: Sequence[Point], radius: float = 7) -> str:
    """Return the `d` attribute of a line through these points, with round corners."""
    d = f"M{_number(points[0][0])} {_number(points[0][1])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(corner, before, radius), _towards(corner, after, radius)
        d += "".join(
            f"{letter}{_number(x)} {_number(y)}"
            for letter, (x, y) in (("L", near), ("Q", corner), (" ", far))
        )
    return d + f"L{_number(points[-1][0])} {_number(points[-1][1])}"


def line(points: Sequence[Point], colour: str, width: float = 4, radius: float = 7) -> str:
    """Return a wire with an edge in the colour of the paper: at a crossing, the gap shows the upper wire."""
    d = path(points, radius)
    shape = {"d": d, "fill": "none", "stroke_linecap": "round"}
    edge = element("path", class_="casing", stroke_width=width + 4.5, **shape)
    rim = element("path", stroke="#8a97a5", stroke_width=width + 2, **shape) if colour == "#14181d" else ""
    return edge + rim + element("path", stroke=colour, stroke_width=width, **shape)


def _towards(start: Point, end: Point, distance: float) -> Point:
    """Return the point at this distance from `start` towards `end`, at most half way."""
    (x, y), (u, v) = start, end
    length = max(abs(u - x) + abs(v - y), 1e-9)  # both points are on one axis
    share = min(distance / length, 0.5)
    return (x + (u - x) * share, y + (v - y) * share)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else _number(value)
