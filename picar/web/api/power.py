"""Switching the machine off: pulling the plug of a machine that writes can destroy its SD card."""

from __future__ import annotations

import logging
from http import HTTPStatus

from picar.car.hub import Hub
from picar.errors import PowerError
from picar.motor.channel import Channel
from picar.system.logind import METHODS, Action, Power, runs_as_service
from picar.web.api.car import wait_for_answer
from picar.web.handler import JsonHandler, Refused, Route

log = logging.getLogger(__name__)

_ACTIONS: dict[str, Action] = {"off": "off", "reboot": "reboot"}
_PINS_LOW_S = 1.0  # from the end of the brake until its status arrives, on a busy Pi


class PowerSwitch(JsonHandler):
    """`GET /api/v1/power`: whether the machine can be switched off from here; `POST`: do it, or start it again."""

    hub: Hub
    channel: Channel
    power: Power

    async def get(self) -> None:
        """Answer."""
        self.write({"available": await self.power.is_available()})

    head = get

    async def post(self) -> None:
        """Make the pins low, then have the machine switched off or started again."""
        action = self._action()
        if self.power.is_service:
            _see_that_it_stands(self.channel)
        try:
            await _switch(self.hub, self.channel, self.power, action)
        except PowerError as error:
            raise _not_available(self.power, error) from None
        who = self.visitor.name if self.visitor else None
        log.info("%s, asked for by %s at %s", METHODS[action], who or "somebody", self.request.remote_ip)
        self.set_status(HTTPStatus.ACCEPTED)
        self.write({"action": action})

    def _action(self) -> Action:
        action = _ACTIONS.get(self.members(action=(str,)).get("action", ""))
        if action is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "bad_request", "action is off or reboot.")
        return action


def is_service() -> bool:
    """Return whether picar runs as the service, which alone switches the machine off."""
    return runs_as_service()


async def switch_off_empty(hub: Hub, channel: Channel) -> None:
    """Switch the machine off because its battery is empty; log why if that is not possible."""
    log.warning("the battery is empty: switching the machine off")
    try:
        await _switch(hub, channel, Power(runs_as_service()), "off")
    except (PowerError, Refused) as error:
        log.warning("the machine stays on: %s", getattr(error, "sentence", error))


async def _switch(hub: Hub, channel: Channel, power: Power, action: Action) -> None:
    """Stop the car, which stands, wait until every pin is low (a stop begins with the brake), and do it.

    Raises:
        PowerError: logind refuses.
        Refused: the car moves.
    """
    await power.check(action)
    _see_that_it_stands(channel)  # the request to logind took some time
    await wait_for_answer(channel, hub.stop())
    await channel.standstill(hub.config.motors.brake_hold_s + _PINS_LOW_S)
    _see_that_it_stands(channel)
    await power.do(action)


def _see_that_it_stands(channel: Channel) -> None:
    if not channel.stands_still:
        raise Refused(HTTPStatus.CONFLICT, "moving", "The car moves. Let it come to a standstill first.")


def _not_available(power: Power, error: PowerError) -> Refused:
    """Not now, or not with these rights (503); never as it was started (501)."""
    if power.is_service:
        return Refused(HTTPStatus.SERVICE_UNAVAILABLE, "not_available", str(error))
    return Refused(HTTPStatus.NOT_IMPLEMENTED, "not_available", str(error))


def routes(hub: Hub, channel: Channel) -> list[Route]:
    """Return the address of the power switch."""
    return [
        (r"/api/v1/power", PowerSwitch, {"hub": hub, "channel": channel, "power": Power(runs_as_service())})
    ]
