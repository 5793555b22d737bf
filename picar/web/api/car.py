"""The car over HTTP: health of both processes, newest state, stop, and the owner's speed cap. No GET changes anything."""

from __future__ import annotations

from http import HTTPStatus

from tornado.web import stream_request_body

from picar.access.tokens import PinGuard
from picar.car.hub import Hub
from picar.core.shaping import LEAST_SPEED
from picar.motor.channel import Channel
from picar.web.api.access import check_pin, saving
from picar.web.auth import Gate
from picar.web.handler import Handler, JsonHandler, Refused, Route, bad_request

ANSWER_TIMEOUT_S = 0.5


class Health(Handler):
    """`GET /healthz`: 200 only while both processes are fresh."""

    public = True
    hub: Hub
    channel: Channel

    def get(self) -> None:
        """Send the age of the motor process's newest status, and whether a client drives."""
        if not self.channel.fresh():
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "motor_silent",
                f"The motor process was last heard of {self.channel.silence_s:.1f} s ago.",
            )
        motor = {"pid": self.channel.pid, "age_s": round(self.channel.silence_s, 3)}
        self.write({"status": "ok", "motor": motor, "driving": self.hub.is_driving})

    head = get


class State(Handler):
    """`GET /api/v1/state`: the newest state."""

    fleet = guest = True
    hub: Hub

    def get(self) -> None:
        """Send the state."""
        self.write(self.hub.snapshot())

    head = get


@stream_request_body
class Stop(Handler):
    """`POST /api/v1/stop`: the latched stop, carried out when the request's head has arrived, with any body."""

    immediate = always_on_http = fleet = guest = True
    hub: Hub
    channel: Channel

    async def prepare(self) -> None:
        """Stop the car."""
        await super().prepare()
        if self.request.method == "POST":
            self._number = self.hub.stop()

    def data_received(self, chunk: bytes) -> None:
        """Ignore the body."""

    async def post(self) -> None:
        """Answer after the motor process."""
        await wait_for_answer(self.channel, self._number)
        self.write(self.hub.snapshot())


class SpeedCap(JsonHandler):
    """`POST /api/v1/speed-cap`: the owner's cap. Every paired client may lower it; raising it takes the PIN."""

    gate: Gate
    guard: PinGuard
    hub: Hub

    def post(self) -> None:
        """Set it, also for the next start."""
        body = self.members(speed=(int, float), pin=(str,))
        speed = body.get("speed", 0.0)
        if not LEAST_SPEED <= speed <= 1.0:
            raise bad_request(f"speed is a number from {LEAST_SPEED:g} to 1")
        # The lower of both: a disk that is full keeps the old one, and what a parent lowered stays so till a restart.
        if speed > min(self.gate.store.speed_cap, self.hub.speed_cap):
            if "pin" not in body:
                raise Refused(
                    HTTPStatus.FORBIDDEN, "pin_needed", "Only the car's PIN raises the owner's speed cap."
                )
            check_pin(self, self.gate, self.guard, body["pin"])
        else:
            self.hub.cap(float(speed))  # at once: the disk may be slow or full
        with saving():
            self.gate.store.set_speed_cap(float(speed))
        self.hub.cap(float(speed), kept=True)
        self.write({"speed_cap": float(speed)})


async def wait_for_answer(channel: Channel, number: int) -> None:
    """Wait until the motor process has handled this command.

    Raises:
        Refused: it takes longer than `ANSWER_TIMEOUT_S`.
    """
    if not await channel.answer(number, ANSWER_TIMEOUT_S):
        raise Refused(
            HTTPStatus.SERVICE_UNAVAILABLE, "motor_silent", "The motor process has not answered yet."
        )


def routes(hub: Hub, channel: Channel, gate: Gate, guard: PinGuard) -> list[Route]:
    """Return the addresses of the car."""
    return [
        (r"/healthz", Health, {"hub": hub, "channel": channel}),
        (r"/api/v1/state", State, {"hub": hub}),
        (r"/api/v1/stop", Stop, {"hub": hub, "channel": channel}),
        (r"/api/v1/speed-cap", SpeedCap, {"gate": gate, "guard": guard, "hub": hub}),
    ]
