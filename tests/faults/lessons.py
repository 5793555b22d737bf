"""What a garage does at full throttle: it holds the car, and then another fault may come; its guest drives until the time is over.

See `catalogue.py`.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from picar.access.store import AccessStore
from picar.car.hub import CLOSED_UNPAIRED
from tests.faults.driver import Driver
from tests.support.household import JSON, cookie_of
from tests.support.raw import ask

if TYPE_CHECKING:
    from tests.faults.cameras import Act
    from tests.faults.rig import Rig

GUEST_S = 4
HOLD = b'{"scope":"all","mode":"hold","seq":1,"text":"Look here"}'


async def held(rig: Rig) -> None:
    """Hold the car. Its driver keeps the stick where it is."""
    headers = _garage(rig)
    rig.hit()
    answer = await ask((rig.car.host, rig.car.port), "PUT", "/api/v1/lesson", headers, HOLD)
    assert answer.json["mode"] == "hold", answer
    await rig.driver.until_error("held")


async def guest_time_over(rig: Rig) -> None:
    """A guest drives in place of the rig's driver, until the time is over; then the rig's driver may take the wheel."""
    await rig.driver.let_go()
    await rig.driver.send(type="release")
    await rig.driver.until(lambda s: s["driver"] is None and not any(s["applied"].values()))
    address, wanted = (rig.car.host, rig.car.port), json.dumps({"for_s": GUEST_S, "name": "Ada"}).encode()
    headers = _garage(rig)
    asked_at = time.monotonic()
    invited = await ask(address, "POST", "/api/v1/invite", headers, wanted)
    token = json.dumps({"token": invited.json["link"].partition("/#pair=")[2]}).encode()
    ada = cookie_of(await ask(address, "POST", "/api/v1/pair", JSON, token))
    async with Driver(rig.link.url, rig.driver.heading, headers=ada) as guest:
        rig.sent_at = guest.sent_at
        await guest.full_throttle()
        rig.hit_at = asked_at + GUEST_S  # a little before the end, which counts from the invitation
        assert time.monotonic() < rig.hit_at, "the time was over too early"
        await guest.until_closed()
        assert guest.close_code == CLOSED_UNPAIRED
    await rig.driver.until(lambda s: s["driver"] is None and s["reason"] == "released")
    await rig.driver.ask("take")
    await rig.driver.until(lambda s: s["you"] == "driver")


def _garage(rig: Rig) -> dict[str, str]:
    """Pair a garage, and return its headers."""
    store = AccessStore(rig.car.folder / "state" / "picar")
    token = store.credential(store.pair("Room 3", "garage"))
    return {**JSON, "Authorization": f"Bearer {token}"}


async def cut_on_the_ramp(rig: Rig) -> None:
    """Cut the link. The hold counts as the fault: no command after it makes the ramp longer."""
    rig.link.cut()


def held_and(end: Act) -> Act:
    """Return an act: the car is held, and on its ramp the end comes."""

    async def act(rig: Rig) -> None:
        await held(rig)
        assert rig.driver.states[-1]["state"] == "armed", "the ramp was over already"
        await end(rig)

    return act
