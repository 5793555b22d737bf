"""SVG, element by element."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Point = tuple[float, float]


def element(name: str, inside: str = "", /, **attributes: str | float) -> str:
    """Return one element. In names `_` is `-`, and one at the end falls away: `class_`, `stroke_width`."""
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


def path(points: Sequence[Point], radius: float = 7) -> str:
    """Return the `d` of a line through these points with round corners."""
    d = f"M{_number(points[0][0])} {_number(points[0][1])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(corner, before, radius), _towards(corner, after, radius)
        d += "".join(
            f"{letter}{_number(x)} {_number(y)}"
            for letter, (x, y) in (("L", near), ("Q", corner), (" ", far))
        )
    return d + f"L{_number(points[-1][0])} {_number(points[-1][1])}"


def line(points: Sequence[Point], colour: str, width: float = 4, radius: float = 7) -> str:
    """Return a wire: where it crosses another, a gap shows which one is on top."""
    d = path(points, radius)
    shape = {"d": d, "fill": "none", "stroke_linecap": "round"}
    edge = element("path", class_="casing", stroke_width=width + 4.5, **shape)
    rim = element("path", stroke="#8a97a5", stroke_width=width + 2, **shape) if colour == "#14181d" else ""
    return edge + rim + element("path", stroke=colour, stroke_width=width, **shape)


def _towards(start: Point, end: Point, distance: float) -> Point:
    """Return the point so far from one on the way to another, at most half way."""
    (x, y), (u, v) = start, end
    length = max(abs(u - x) + abs(v - y), 1e-9)  # the ways are along the axes
    share = min(distance / length, 0.5)
    return (x + (u - x) * share, y + (v - y) * share)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else _number(value)
