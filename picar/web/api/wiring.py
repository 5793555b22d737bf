"""`GET /wiring`: the wiring of this car, as a page, as `/wiring.svg`, and their style sheet. No script.

The modules that draw are imported at the first request: most starts need none of them.
"""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import TYPE_CHECKING

from picar.car.hub import Hub
from picar.web.handler import Handler, Refused, Route

if TYPE_CHECKING:
    from picar.wiring.plan import Plan

_TYPES = {"": "text/html", ".svg": "image/svg+xml", ".css": "text/css"}
_POLICY_OF_THE_DRAWING = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


@functools.lru_cache(maxsize=12)  # of two plans, three kinds in two languages
def _drawn(plan: Plan, kind: str, spoken: str) -> str:
    """Return the page (an empty kind), the drawing (`.svg`) or the style (`.css`).

    Each is made once: on a small Pi that takes longer than a command may wait.
    """
    from picar.wiring.page import page, style
    from picar.wiring.svg import drawing
    from picar.wiring.text import WORDS

    if kind == ".css":
        return style()
    return drawing(plan, WORDS[spoken], alone=True) if kind == ".svg" else page(plan, spoken)


class Wiring(Handler):
    """The page and its files. They show the configuration, and no state of the car."""

    public = True
    hub: Hub

    def get(self, kind: str) -> None:
        """Send one of them, in the language that `lang` names, else in the one that the browser prefers."""
        from picar.wiring.plan import plan_of
        from picar.wiring.text import LANGUAGES, language

        wanted = self.get_query_arguments("lang", strip=False)
        if wanted and (len(wanted) > 1 or wanted[0] not in LANGUAGES):
            raise Refused(
                HTTPStatus.BAD_REQUEST, "bad_request", f"lang is {' or '.join(LANGUAGES)}, and given once."
            )
        accepted = self.request.headers.get("Accept-Language", "")
        self.set_header("Content-Type", f"{_TYPES[kind]}; charset=utf-8")
        self.set_header("Vary", "Accept-Language")
        if kind == ".svg":  # opened by itself it has its style inside; no script may run in it
            self.set_header("Content-Security-Policy", _POLICY_OF_THE_DRAWING)
        self.write(_drawn(plan_of(self.hub.config), kind, language(accepted, *wanted)))

    head = get


def routes(hub: Hub) -> list[Route]:
    """Return the addresses of the drawings."""
    return [(r"/wiring(|\.svg|\.css)", Wiring, {"hub": hub})]
