"""`GET /wiring`: the wiring of this car, as a page, as `/wiring.svg`, and their style sheet. No script."""

from __future__ import annotations

import asyncio
import dataclasses
from http import HTTPStatus

from picar.car.hub import Hub
from picar.config import Config
from picar.configfile import sections_of
from picar.web.handler import Handler, Refused, Route, drawn
from picar.wirecheck import OF_BOARDS, OF_THE_L298N

_DRAWN = (*OF_BOARDS, *OF_THE_L298N, "range", "aux", "lamp", "battery")
_TYPES = {"": "text/html", ".svg": "image/svg+xml", ".css": "text/css"}
_POLICY_OF_THE_DRAWING = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class Drawings:
    """The drawings of the newest calibration, in all languages. They are made at the first request, by a child process."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._config: Config | None = None
        self._texts: list[bytes] = []

    async def of(self, config: Config) -> dict[str, dict[str, bytes]]:
        """Return for each language the page (an empty kind), the drawing (`.svg`) and the style (`.css`).

        Raises:
            Refused: they could not be drawn.
        """
        async with self._one_at_a_time:
            if config is not self._config:
                names = [name for name in sections_of(config) if name.split(".")[0] in _DRAWN]
                values = {name: dataclasses.asdict(config.section(name)) for name in names}
                self._texts = (await drawn("wiring", values)).split(b"\0")
                self._config = config
        style, *rest = self._texts
        one_language = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
        return {code.decode(): {"": page, ".svg": svg, ".css": style} for code, page, svg in one_language}


class Wiring(Handler):
    """The page and its files. They show the configuration, and no state of the car."""

    public = True
    hub: Hub
    drawings: Drawings

    async def get(self, kind: str) -> None:
        """Send one of them, in the language that `lang` names, else in the one that the browser prefers."""
        languages = await self.drawings.of(self.hub.config)
        wanted = self.get_query_arguments("lang", strip=False)
        if wanted and (len(wanted) > 1 or wanted[0] not in languages):
            raise Refused(
                HTTPStatus.BAD_REQUEST, "bad_request", f"lang is {' or '.join(languages)}, and given once."
            )
        wanted += preferred(self.request.headers.get("Accept-Language", ""))
        self.set_header("Content-Type", f"{_TYPES[kind]}; charset=utf-8")
        self.set_header("Vary", "Accept-Language")
        if kind == ".svg":  # opened by itself it has its style inside; no script may run in it
            self.set_header("Content-Security-Policy", _POLICY_OF_THE_DRAWING)
        text = languages[next((code for code in wanted if code in languages), "en")][kind]
        if not text:
            raise Refused(
                HTTPStatus.NOT_FOUND,
                "not_found",
                "There is no drawing of this board. /wiring has the table of its wires.",
            )
        self.write(text)

    head = get


def preferred(accepted: str) -> list[str]:
    """Return the languages of an Accept-Language header, which names the preferred one first."""
    return [part.split(";")[0].strip().split("-")[0] for part in accepted.lower().split(",")]


def routes(hub: Hub) -> list[Route]:
    """Return the addresses of the drawings."""
    return [(r"/wiring(|\.svg|\.css)", Wiring, {"hub": hub, "drawings": Drawings()})]
