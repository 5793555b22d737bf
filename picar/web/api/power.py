"""The switch: a headless machine that is unplugged while it writes loses its SD card one day."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus

from picar.car.hub import Hub
from picar.errors import PowerError
from picar.system.logind import METHODS, Action, Power, runs_as_service
from picar.web.api.car import answer_of
from picar.web.handler import JsonHandler, Refused, Route

log = logging.getLogger(__name__)

_ACTIONS: dict[str, Action] = {"off": "off", "reboot": "reboot"}
_PINS_LOW_S = 1.0  # from the end of the brake until this process has heard of it, on a busy Pi
_POLL_S = 0.01


class PowerSwitch(JsonHandler):
    """`GET /api/v1/power`: whether the machine can be switched off from here; `POST`: do it, or start it again."""

    def initialize(self, hub: Hub, power: Power) -> None:
        """Take the car and its machine's switch."""
        self._hub, self._power = hub, power

    async def get(self) -> None:
        """Answer."""
        self.write({"available": await self._power.is_available()})

    head = get

    async def post(self) -> None:
        """Make the pins low, then have the machine switched off or started again."""
        action = self._action()
        if self._power.is_service:
            self._see_that_it_stands()
        try:
            await self._power.check(action)
            await self._hold_still()
            await self._power.do(action)
        except PowerError as error:
            raise _not_available(self._power, error) from None
        who = self.visitor.name if self.visitor else None
        log.info("%s, asked for by %s at %s", METHODS[action], who or "somebody", self.request.remote_ip)
        self.set_status(HTTPStatus.ACCEPTED)
        self.write({"action": action})

    async def _hold_still(self) -> None:
        """Stop the car, which stands, and wait until every pin is low: a stop brakes first, and that is with pins high."""
        self._see_that_it_stands()  # again: logind was asked since
        await answer_of(self._hub, self._hub.stop())
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._hub.config.motors.brake_hold_s + _PINS_LOW_S
        while not self._hub.stands_still:
            if loop.time() > give_up_at:
                self._see_that_it_stands()
            await asyncio.sleep(_POLL_S)

    def _see_that_it_stands(self) -> None:
        if not self._hub.stands_still:
            raise Refused(HTTPStatus.CONFLICT, "moving", "The car moves. Let it come to a standstill first.")

    def _action(self) -> Action:
        action = _ACTIONS.get(self.asked(action=(str,)).get("action", ""))
        if action is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "bad_request", "action is off or reboot.")
        return action


def _not_available(power: Power, error: PowerError) -> Refused:
    """Not now, or not with these rights (503); never as it was started (501)."""
    if power.is_service:
        return Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not_available", str(error))
    return Refused(HTTPStatus.NOT_IMPLEMENTED, "not_available", str(error))


def routes(hub: Hub) -> list[Route]:
    """Return the address of the power switch."""
    return [(r"/api/v1/power", PowerSwitch, {"hub": hub, "power": Power(runs_as_service())})]
