"""Adopt a car: pair with it by its PIN, once."""

from __future__ import annotations

from collections.abc import Mapping

from picar.client.connection import Place
from picar.client.session import CarError
from picar.garage.cards import is_id
from picar.garage.store import Adopted


async def adopt(url: str, pin: str, garage: str, known: Mapping[str, Adopted]) -> tuple[str, Adopted]:
    """Pair with the car at this address, unless its token is known and valid. Returns its id and its entry.

    Raises:
        CarError: no car answers, or it refuses.
    """
    place = Place(url, "", None)
    session = await place.ask("GET", "api/v1/session")
    car = session.get("id")
    if not isinstance(car, str) or not is_id(car):
        raise no_car(url)
    if car in known and await _is_paired(url, known[car].token):
        token = known[car].token
    else:
        paired = await place.ask("POST", "api/v1/pair", pin=pin, name=f"Garage: {garage}", kind="garage")
        token = str(paired.get("token"))
    return car, Adopted(url, token, str(session.get("car")))


async def _is_paired(url: str, token: str) -> bool:
    try:
        await Place(url, token, None).ask("GET", "api/v1/lesson")
    except CarError:
        return False
    return True


def no_car(url: str) -> CarError:
    """Return the error about an address at which something else answers."""
    return CarError("no_car", f"The page at {url} is not that of a car, or its picar is too old.")
