"""The drawing: from the header at the bottom up to the board, its motors and its battery."""

from __future__ import annotations

from html import escape

from picar.wiring import parts
from picar.wiring.plan import Plan
from picar.wiring.routes import routes
from picar.wiring.shapes import element, line
from picar.wiring.style import WIRES, for_a_file
from picar.wiring.words import Words


def drawing(plan: Plan, words: Words, alone: bool = False) -> str:
    """Return the drawing as an SVG element.

    Args:
        plan: what to draw.
        words: the language.
        alone: whether it is a file of its own, with its own style; a page brings that itself.
    """
    *signals, ground = routes(plan)
    colours = {wire.terminal: WIRES[wire.colour][0] for wire in plan.wires}
    inside = [
        f"<style>{for_a_file()}</style>" if alone else "",
        f"<title>{escape(words['title'])}</title><desc>{escape(words['svg'])}</desc>",
        parts.battery(words),
        parts.rail(plan, words, ground),
        *(line(way.points, colours[way.name]) for way in signals),
        parts.resistors(plan),
        parts.motors(plan, words),
        parts.board(plan, words),
        parts.header(plan, words),
    ]
    size = f"0 0 {parts.WIDTH} {parts.HEIGHT}"
    more = {"width": str(parts.WIDTH), "height": str(parts.HEIGHT)} if alone else {}
    return element(
        "svg",
        "".join(inside),
        xmlns="http://www.w3.org/2000/svg",
        class_="wiring",
        viewBox=size,
        role="img",
        **more,
    )
