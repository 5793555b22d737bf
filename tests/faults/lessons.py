"""What a garage does: it holds the car at full throttle, and then another fault may come. See `catalogue.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picar.access.store import AccessStore
from tests.support.household import JSON
from tests.support.raw import ask

if TYPE_CHECKING:
    from tests.faults.cameras import Act
    from tests.faults.rig import Rig

HOLD = b'{"scope":"all","mode":"hold","seq":1,"text":"Look here"}'


async def held(rig: Rig) -> None:
    """Hold the car. Its driver keeps the stick where it is."""
    store = AccessStore(rig.car.folder / "state" / "picar")
    token = store.credential(store.pair("Room 3", "garage"))
    rig.hit()
    headers = {**JSON, "Authorization": f"Bearer {token}"}
    answer = await ask((rig.car.host, rig.car.port), "PUT", "/api/v1/lesson", headers, HOLD)
    assert answer.json["mode"] == "hold", answer
    await rig.driver.until_error("held")


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
