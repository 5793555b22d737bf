"""Access over HTTP: the session of a client, pairing by PIN or token, QR codes that invite other phones."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from picar import __version__
from picar.access.content import BY_PIN, BY_TERMINAL, BY_UNPAIRED, Paired
from picar.access.guests import LEAST_S, MOST_S, TOKEN, USABLE_S, TooManyGuests
from picar.access.names import tidy_name
from picar.access.store import INVITATION_S, INVITED_BY_ONE, AccessStore
from picar.access.tokens import PinGuard, as_pin
from picar.access.visitor import Visitor
from picar.config import ServerConfig
from picar.errors import AccessError, TooManyPaired
from picar.network import addresses
from picar.network.addresses import Door
from picar.web.auth import Gate
from picar.web.handler import Handler, JsonHandler, Refused, Route, bad_request, drawn, not_driver

log = logging.getLogger(__name__)

COOKIE_S = 400 * 24 * 3600  # the longest that browsers keep one (RFC 6265bis §5.5)
REDRAW_S = 60.0  # maximum age of a QR code on a page
_TOKEN_CHARACTERS = 200  # that are read; a valid token is shorter
# The first match in a User-Agent counts: an iPad's also contains Mac, an Android's also Linux.
_WRONG_PIN = "This is not the car's PIN. The command picar pair shows the PIN on the car's machine."
_KINDS = ("iPhone", "iPad", "Android", "Windows", "Mac", "Linux")
_EXPIRED = (
    f"This QR code has expired, or {INVITED_BY_ONE} phones have used it. Scan a new one, or use the PIN."
)
_GUEST_EXPIRED = "This invitation has expired, or another phone has used it. Ask for a new one."


class Session(Handler):
    """`GET /api/v1/session`: whether this client is admitted, and its name."""

    public = True
    gate: Gate
    car: str

    def get(self) -> None:
        """Answer; save a new pairing, since its cookie has returned."""
        self.save_new_pairing()
        visitor, identity = self.visitor, self.gate.identity
        self.write(
            {
                "allowed": visitor is not None,
                "pairing": self.gate.pairing,
                "name": visitor.name if visitor else None,
                "car": self.car,
                "host": self.request.host,  # if the page has another one, a proxy changed it
                "id": identity.id,
                "colour": identity.colour,
                "number": identity.number,
                "version": __version__,
                **({"moved": identity.moved} if visitor else {}),
            }
        )

    head = get


class Pair(JsonHandler):
    """`POST /api/v1/pair`: pair this phone, for a PIN or for the token of a QR code; or a garage, for a PIN.

    The token of a guest's invitation makes a phone that is not paired a guest.
    """

    public = True
    gate: Gate
    guard: PinGuard

    def post(self) -> None:
        """Pair; a paired phone keeps its name and session, a guest may become a paired phone or another guest.

        An invited phone that enters the PIN is no longer the phone of its inviter: it is paired by PIN.
        """
        body = self.members(pin=(str,), token=(str,), name=(str,), kind=(str,))
        if ("pin" in body) == ("token" in body):
            raise bad_request("its body must have either a pin or a token")
        if "kind" in body:
            self._pair_garage(body)
            return
        paired = self.gate.paired(self.request)
        if paired is None or paired.kind == "guest":
            paired = self._admit(body, paired)
            visitor = Visitor(paired.id, paired.name, paired.kind)
            log.info("paired: %s, at %s", visitor.logged, self.request.remote_ip)
        elif "pin" in body and paired.by not in (BY_PIN, BY_TERMINAL):
            self._check(body)
            with saving():
                self.gate.store.own(paired.id)
        for cookie, value, secure in self.gate.cookies(paired, self.request):
            # max_age and not a date: a Raspberry Pi may start with a wrong one
            self.set_cookie(cookie, value, max_age=COOKIE_S, httponly=True, samesite="Strict", secure=secure)
        self.write({"name": paired.name, **({"guest": True} if paired.kind == "guest" else {})})

    def _admit(self, body: dict[str, Any], guest: Paired | None) -> Paired:
        """Return the entry of a phone that was not paired, at most a guest."""
        store = self.gate.store
        if body.get("token", "").startswith(TOKEN):
            if one := store.guests.admit(body["token"][:_TOKEN_CHARACTERS], guest, store.paired):
                return one
            raise Refused(HTTPStatus.FORBIDDEN, "expired", _GUEST_EXPIRED)
        by, invitation = self._check(body)
        name = tidy_name(body.get("name", "")) or _kind_of(self.request.headers.get("User-Agent", ""))
        # Not with the invitation of a phone: an invited phone must not become the one whose cookie it has overheard.
        known = self.gate.known(self.request) if by in (BY_PIN, BY_TERMINAL) else None
        with saving():
            paired = known or store.let_in(name, by, invitation)
        store.guests.end(guest)
        return paired

    def _pair_garage(self, body: dict[str, Any]) -> None:
        """Pair a garage, and send its token."""
        if body["kind"] != "garage" or "pin" not in body:
            raise bad_request('its kind can only be "garage", with a pin')
        by, _ = self._check(body)
        with saving():
            paired = self.gate.store.pair(tidy_name(body.get("name", "")) or "Garage", "garage", by)
        log.info("paired: %s, at %s", paired.name, self.request.remote_ip)
        self.write({"name": paired.name, "token": self.gate.store.credential(paired)})

    def _check(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return the inviter of this phone and the tag of the invitation, or refuse."""
        if "pin" in body:
            check_pin(self, self.gate, self.guard, body["pin"])
            return BY_PIN, ""
        # A token cannot be guessed, so it is accepted also while PINs are blocked.
        invitation = self.gate.store.invited(body["token"][:_TOKEN_CHARACTERS], time.monotonic())
        if invitation is None:
            raise Refused(HTTPStatus.FORBIDDEN, "expired", _EXPIRED)
        return invitation.by, invitation.tag


class QrCodes:
    """The newest QR code of each inviter, kept for a minute: drawing one is slow on a small Pi.

    A child process draws it, one at a time: the event loop must not wait for that, and the memory is needed elsewhere.
    """

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        # by inviter: URL, token, time of drawing, `link` and `qr`
        self._codes: dict[str, tuple[str, str, float, dict[str, str]]] = {}

    async def get(self, store: AccessStore, url: str | None, by: str, now: float) -> dict[str, Any]:
        """Return `link`, `qr` and `expires_in_s`; draw a new code if the present one is no longer valid.

        Raises:
            Refused: the code could not be drawn.
        """
        if url is None:
            return {"link": None, "qr": None, "expires_in_s": INVITATION_S}
        async with self._one_at_a_time:
            drawn_url, token, at, members = self._codes.get(by, ("", "", 0.0, {}))
            if url != drawn_url or now - at >= REDRAW_S or not store.invited(token, now):
                self._codes = {one: code for one, code in self._codes.items() if now - code[2] < REDRAW_S}
                token, at = store.invitation(now, by), now
                members = await self._draw(url, token)
                self._codes[by] = url, token, at, members
        return {**members, "expires_in_s": INVITATION_S - max(0, int(now - at))}

    async def of_guest(self, url: str, token: str) -> dict[str, str]:
        """Return `link` and `qr` of a guest's invitation.

        Raises:
            Refused: the code could not be drawn.
        """
        async with self._one_at_a_time:
            return await self._draw(url, token)

    async def _draw(self, url: str, token: str) -> dict[str, str]:
        link = addresses.pairing_link(url, token)
        return {"link": link, "qr": (await drawn("qr", link)).decode()}


class Invite(JsonHandler):
    """`POST /api/v1/invite`: a QR code for another phone, or for one guest. The answer never contains the PIN."""

    fleet = True  # a garage, and for guests only
    gate: Gate
    codes: QrCodes
    host: str
    door: Door

    async def post(self) -> None:
        """Send the car's URL and the QR code."""
        body = self.members(for_s=(int,), name=(str,))
        assert self.visitor is not None
        if self.visitor.kind == "bridge" or (self.visitor.kind == "garage" and not body):
            raise not_driver()
        phone = addresses.for_a_phone(self.host, addresses.interfaces())
        url = addresses.url(phone, *self.door) if phone else None
        if body:
            self.write(await self._guest(body, url or f"{self.request.protocol}://{self.request.host}"))
            return
        by = self.visitor.session if self.visitor.name is not None else BY_UNPAIRED
        self.write({"url": url, **await self.codes.get(self.gate.store, url, by, time.monotonic())})

    async def _guest(self, body: dict[str, Any], url: str) -> dict[str, Any]:
        """Return the answer with an invitation of one guest."""
        for_s = body.get("for_s", 0)
        if "name" not in body or not LEAST_S <= for_s <= MOST_S:
            raise bad_request(f"it needs a name, and for_s from {LEAST_S} to {MOST_S}")
        with saving():
            token = self.gate.store.guests.invite(tidy_name(body["name"]) or "Guest", for_s)
        link = await self.codes.of_guest(url, token)
        return {"url": url, **link, "expires_in_s": min(USABLE_S, for_s)}


def check_guesses(guard: PinGuard) -> None:
    """Refuse a guess while guesses are blocked.

    Raises:
        Refused: too many guesses were wrong.
    """
    wait_s = math.ceil(guard.wait_s(time.monotonic()))
    if wait_s > 0:
        raise Refused(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many_tries",
            f"Too many wrong PINs. Try again in {wait_s} s, or scan the QR code.",
            Retry_After=str(wait_s),
        )


def check_pin(handler: JsonHandler, gate: Gate, guard: PinGuard, pin: str) -> None:
    """Compare a PIN. Text without exactly six digits is refused and not counted as a guess.

    Raises:
        Refused: the PIN has not six digits, is wrong, or is blocked after too many wrong ones.
    """
    digits = as_pin(pin)
    if digits is None:
        raise bad_request("the PIN has six digits")
    check_guesses(guard)
    now = time.monotonic()
    if not gate.store.is_pin(digits):
        guard.wrong(now)
        blocked = "; PINs are blocked for a minute" if guard.wait_s(now) else ""
        log.warning("a wrong PIN from %s%s", handler.request.remote_ip, blocked)
        raise Refused(HTTPStatus.FORBIDDEN, "wrong_pin", handler.settings.get("wrong_pin", _WRONG_PIN))
    guard.right()


@contextlib.contextmanager
def saving() -> Iterator[None]:
    """Turn a failure of the store into a refusal."""
    try:
        yield
    except TooManyGuests as error:
        raise Refused(HTTPStatus.CONFLICT, "too_many_guests", str(error)) from None
    except TooManyPaired as error:
        raise Refused(HTTPStatus.CONFLICT, "too_many_paired", str(error)) from None
    except AccessError as error:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not_saved", str(error)) from None


def _kind_of(user_agent: str) -> str:
    return next((kind for kind in _KINDS if kind in user_agent), "phone")


def routes(gate: Gate, guard: PinGuard, config: ServerConfig, door: Door) -> list[Route]:
    """Return the routes of access."""
    invite = {"gate": gate, "codes": QrCodes(), "host": config.host, "door": door}
    return [
        (r"/api/v1/session", Session, {"gate": gate, "car": config.name}),
        (r"/api/v1/pair", Pair, {"gate": gate, "guard": guard}),
        (r"/api/v1/invite", Invite, invite),
    ]
