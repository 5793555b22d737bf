"""The requests that the garage passes on to a car: adoption, and invitations for guests.

A car may be any program of this network, so neither its texts nor its links are trusted.

Law: a link is passed on only if it is an invitation to a car of this network. The garage draws each QR code itself.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from picar.access.content import BY_PIN, BY_TERMINAL
from picar.access.names import tidy_name
from picar.access.visitor import Visitor
from picar.client.session import CarError
from picar.errors import FileError
from picar.fleet.topics import cut
from picar.garage.garage import Garage
from picar.network.addresses import interfaces, is_local
from picar.web.auth import Gate
from picar.web.handler import JsonHandler, Refused, Route, drawn

GUEST_S = 3600
_INVITATION = re.compile(r"https?://(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?/#pair=[\w.-]{1,200}", re.ASCII)
_CODE = re.compile(r"[a-z_]{1,40}")
_NO_LINK = "The car has sent no link to an address of this network. Connect the car and the garage to the same network, then try again."
_STATUSES = {
    "no_answer": 503,
    "closed": 503,
    "no_car": 503,
    "too_many_tries": 429,
    "wrong_pin": 403,
    "not_teacher": 403,
}


def is_teacher(gate: Gate, visitor: Visitor | None) -> bool:
    """Return whether this visitor has entered the garage's PIN or came by its terminal, or needs no pairing."""
    if visitor is None or visitor.name is None:
        return visitor is not None and visitor.kind is None
    return any(one.id == visitor.session and one.by in (BY_PIN, BY_TERMINAL) for one in gate.store.paired)


def check_teacher(gate: Gate, visitor: Visitor | None) -> None:
    """Raise CarError for a visitor who is no teacher."""
    if not is_teacher(gate, visitor):
        raise CarError("not_teacher", "Only the teacher may do this. Pair this device with the garage's PIN.")


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turn the refusal of a car into that of a request. A car's code and sentence may be any text."""
    try:
        yield
    except CarError as error:
        code = error.code if _CODE.fullmatch(error.code) else "refused"
        raise Refused(_STATUSES.get(code, HTTPStatus.CONFLICT), code, cut(str(error), 300)) from None
    except FileError as error:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not_saved", str(error)) from None


class CarHandler(JsonHandler):
    """The base of the requests about one car."""

    garage: Garage
    gate: Gate

    async def link_for(self, car: str, name: str, for_s: int) -> str:
        """Return the link with which a guest drives a car for a time, checked; raises CarError."""
        link = (await self.garage.invite(car, name, for_s)).get("link")
        card = self.garage.cards.card(car)
        page = card.fields["url"] if card else None
        if isinstance(link, str) and _INVITATION.fullmatch(link):
            with contextlib.suppress(ValueError):  # of an address in brackets that is not IPv6
                host = urlsplit(link).hostname or ""
                here = {address for _, address in interfaces()}  # of a car on this machine
                if is_local(host) or host in here or (page and host == urlsplit(page).hostname):
                    return link
        raise CarError("no_link", _NO_LINK)


class Adopt(CarHandler):
    """`POST /api/v1/adopt`: make a car one of this garage, by the car's PIN."""

    async def post(self) -> None:
        """Adopt, and answer with id and name."""
        body = {"car": "", "pin": ""} | self.members(car=(str,), pin=(str,))
        with refusing():
            check_teacher(self.gate, self.visitor)
            car = await self.garage.adopt(body["car"], body["pin"])
        card = self.garage.cards.card(car)
        self.write({"id": car, "name": card.fields["name"] if card else None})


class InviteToCar(CarHandler):
    """`POST /api/v1/cars/ID/invite`: a link and a QR code with which a phone drives a car for a time."""

    async def post(self, car: str) -> None:
        """Send the link and the QR code."""
        body: dict[str, Any] = {"name": "", "for_s": GUEST_S} | self.members(name=(str,), for_s=(int,))
        with refusing():
            check_teacher(self.gate, self.visitor)
            link = await self.link_for(car, tidy_name(body["name"]), body["for_s"])
        self.write({"link": link, "qr": (await drawn("qr", link)).decode()})


class Drive(CarHandler):
    """`GET /drive/ID?name=Ada`: lead a paired device to the page of a car, as its guest. No log has the link."""

    async def get(self, car: str) -> None:
        """Redirect."""
        name = tidy_name(self.get_query_argument("name", "")) or (self.visitor and self.visitor.name) or ""
        with refusing():
            link = await self.link_for(car, name, GUEST_S)
        self.set_header("Cache-Control", "no-store")
        self.redirect(link, status=HTTPStatus.SEE_OTHER)


def routes(garage: Garage, gate: Gate) -> list[Route]:
    """Return the routes."""
    parts = {"garage": garage, "gate": gate}
    return [
        (r"/api/v1/adopt", Adopt, parts),
        (r"/api/v1/cars/([\w.-]{1,100})/invite", InviteToCar, parts),
        (r"/drive/([\w.-]{1,100})", Drive, parts),
    ]
