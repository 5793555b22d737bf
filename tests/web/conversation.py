"""How the three clients of test_protocol_fuzz.py speak, and how the car is compared with the model after each message."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine

from tests.support.peer import Peer, frame
from tests.support.product import Product
from tests.support.waiting import DEADLINE_S
from tests.web.pin_watch import PinWatch
from tests.web.wheel_model import ACCEPTED, WheelModel

SLOT_S, SLOT_MESSAGES = 0.1, 8  # below the car's rate cap
COUNTS: Counter[str] = Counter()
SESSIONS = itertools.count()


class Stage:
    """The car that all examples share, and what is seen of it from outside."""

    def __init__(self, car: Product, grace_s: float) -> None:
        self.car, self.grace_s = car, grace_s
        self.address = ("127.0.0.1", car.port)
        self.pins = PinWatch(car.trace_file, car.let_it_write)
        self.speed_limit = 1.0
        self._http = http.client.HTTPConnection(*self.address, timeout=DEADLINE_S)

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """Ask over HTTP."""
        headers = {"Content-Type": "application/json"} if method == "POST" else {}
        for _ in range(2):  # an idle connection may have been closed
            try:
                self._http.request(method, path, headers=headers)
                answer: dict[str, Any] = json.loads(self._http.getresponse().read())
            except (http.client.HTTPException, OSError):
                self._http.close()
            else:
                return answer
        raise AssertionError("the car answers no more")

    def snapshot(self) -> dict[str, Any]:
        """Return the newest state."""
        return self.ask("GET", "/api/v1/state")

    def close(self) -> None:
        """Leave."""
        self._http.close()
        self.pins.close()


class Conversation(RuleBasedStateMachine):
    """Three clients, and what is known of each."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.model = WheelModel(keeps_seat=self.stage.grace_s > 0, speed_limit=self.stage.speed_limit)
        self.peers: list[Peer] = []
        self.expected: dict[Peer, Counter[str]] = {}
        self.strikes: Counter[Peer] = Counter()
        self.sent_at: dict[Peer, list[float]] = {}
        self.resettable: dict[
            Peer, int
        ] = {}  # after so many states, the newest is newer than the newest stop
        self.may_turn: set[str] = set()
        self.told: dict[int, str] = {}

    def teardown(self) -> None:
        seat = self.model.seat
        if seat and not seat.here:  # else it would be kept into the next example
            self._connect(seat.session)
        for peer in sorted(self.peers, key=lambda peer: peer.id == self.model.driver):  # the driver last
            peer.send(type="release")
            name = peer.id
            self._wait(lambda: not self._has_or_wants(name), "a wheel that nobody wants")  # noqa: B023
        for peer in self.peers:
            peer.close()
        self._wait(lambda: self.stage.snapshot()["clients"] == 0, "everybody gone")

    def _has_or_wants(self, name: str) -> bool:
        state = self.stage.snapshot()
        return name in (*state["requests"], *([state["driver"]] if name == self.model.driver else []))

    def _connect(self, session: str) -> Peer:
        peer = Peer(self.stage.address, session)
        COUNTS["connections"] += 1
        self.peers.append(peer)
        self.expected[peer] = Counter()
        self.model.join(peer.id, session)
        return peer

    def _reconnect(self, i: int, session: str, politely: bool) -> None:
        old = self.peers[i]
        self.model.leave(old.id)
        old.close(politely)
        self._settle(but=old)
        peer = self._connect(session)
        self.peers.remove(peer)
        self.peers[i] = peer
        self._settle()

    def _driver_or(self, i: int) -> Peer:
        """Return the driver where there is one and `i` is not 2: else most messages would come from the wrong one."""
        drivers = [peer for peer in self.peers if self.model.drives(peer.id)]
        return drivers[0] if drivers and i != 2 else self.peers[i]

    def _asker_or(self, i: int) -> str:
        asking = list(self.model.asking)
        return asking[i % len(asking)] if asking and i != 2 else self.peers[i].id

    def _tick(self, peer: Peer, fresh: bool) -> int:
        return peer.tick if fresh else peer.tick + 1 if peer.tick % 2 else 0

    def _take(self, peer: Peer) -> None:
        self._send(peer, self.model.take(peer.id, peer.browser, fresh=True), type="take", tick=peer.tick)

    def _stop(self, peer: Peer) -> None:
        again = self.model.state == "stopped"
        self.model.stop()
        self._send(peer, ACCEPTED, type="stop")
        self._note_stop(again)

    def _note_stop(self, again: bool) -> None:
        """Note after which state a reset is newer than the stop; a first stop is news, and sent at once."""
        self._pump()
        self.resettable = {peer: len(peer.states) + 2 for peer in self.peers} if again else {}

    def _reset(self, peer: Peer, fresh: bool = True) -> None:
        if fresh and self.model.drives(peer.id):
            state = self.model.state
            self._wait(
                lambda: (
                    self._pump()
                    or (
                        len(peer.states) >= self.resettable.get(peer, 0) and peer.states[-1]["state"] == state
                    )
                ),
                "a state after the stop",
            )
        self._send(peer, self.model.reset(peer.id, fresh), type="reset", tick=self._tick(peer, fresh))

    def _sticks(
        self, peer: Peer, throttle: float, tank: bool, fresh: bool = True, in_order: bool = True
    ) -> str:
        in_order = in_order or peer.session.seq == 0
        code = self.model.drive(peer.id, neutral=throttle == 0.0, fresh=fresh, in_order=in_order)
        seq = peer.session.seq + 1 if in_order else peer.session.seq
        if code == ACCEPTED:
            peer.session.seq = seq
            if throttle:
                self.may_turn.add("forward")
        sticks = {"left": throttle, "right": throttle} if tank else {"throttle": throttle, "steering": 0.0}
        kind = "tank" if tank else "drive"
        self._send(peer, code, type=kind, seq=seq, tick=self._tick(peer, fresh), **sticks)
        if code == ACCEPTED:
            self._wait(lambda: self._is_followed(throttle), f"{throttle} followed")
        return code

    def _jog(self, peer: Peer, side: str, duty: float, fresh: bool = True, in_order: bool = True) -> str:
        in_order = in_order or peer.session.seq == 0
        code = self.model.drive(peer.id, neutral=duty == 0.0, fresh=fresh, in_order=in_order)
        seq = peer.session.seq + 1 if in_order else peer.session.seq
        if code == ACCEPTED:
            peer.session.seq = seq
            if duty:
                self.may_turn.add("forward")
        self._send(peer, code, type="jog", seq=seq, tick=self._tick(peer, fresh), side=side, duty=duty)
        if code == ACCEPTED:
            self._wait(lambda: self._is_jogged(side, duty), f"{side} jogged by {duty}")
        return code

    def _is_jogged(self, side: str, duty: float) -> bool:
        state = self.stage.snapshot()
        if duty == 0.0:
            return not any(state["applied"].values())
        return bool(state["applied"][side] > 0) or state["state"] == "failsafe"

    def _calibrate(self, peer: Peer, code: str, fresh: bool, trim: float | None) -> None:
        """Send a calibration, or with None the way back; it is one that still drives forward."""
        tick = self._tick(peer, fresh)
        if trim is None:
            self._send(peer, code, type="uncalibrate", tick=tick)
            return
        sides = {"swap": False, "left_invert": False, "right_invert": False}
        self._send(
            peer, code, type="calibrate", tick=tick, **sides, left_trim=trim, right_trim=1.0, min_duty=0.25
        )
        if code == ACCEPTED:
            found = self.stage.ask("GET", "/api/v1/calibration")
            assert (found["calibration"]["left_trim"], found["origin"]) == (trim, "page")

    def _is_followed(self, throttle: float) -> bool:
        state = self.stage.snapshot()
        if throttle == 0.0:
            return not any(state["applied"].values())
        moves = state["applied"]["left"] > 0 and state["wanted"]["throttle"] == throttle
        return bool(moves) or state["state"] == "failsafe"  # this machine was too slow for a second

    def _send(self, peer: Peer, code: str, **message: object) -> None:
        """Send a message, and wait until everything is as the model says."""
        self.strikes[peer] = 0
        if code != ACCEPTED:
            self.expected[peer][code] += 1
            COUNTS["refused"] += 1
        self._post(peer, frame(json.dumps(message).encode()), str(message["type"]))
        if code == ACCEPTED:  # this is answered once that is handled
            self.expected[peer]["unknown_type"] += 1
            self._post(peer, frame(b'{"type":"fly"}'), "barrier")
        self._settle()

    def _say(self, peer: Peer, **message: object) -> None:
        self._post(peer, frame(json.dumps(message).encode()), str(message["type"]))

    def _post(self, peer: Peer, data: bytes, kind: str) -> None:
        now = time.monotonic()
        recent = [at for at in self.sent_at.get(peer, []) if now - at < SLOT_S]
        if len(recent) >= SLOT_MESSAGES:
            time.sleep(SLOT_S)
        self.sent_at[peer] = [*recent, time.monotonic()]
        COUNTS["messages"] += 1
        COUNTS[kind] += 1
        peer.send_bytes(data)

    def _pump(self) -> bool:
        for peer in self.peers:
            peer.pump()
        return False

    def _settle(self, but: Peer | None = None) -> None:
        """Wait until the car, and what every client was told, are as the model says."""
        here = [peer for peer in self.peers if peer is not but and not peer.closed]
        self._wait(lambda: not self._differences(here), lambda: "; ".join(self._differences(here)))

    def _differences(self, here: list[Peer]) -> list[str]:
        self._pump()
        model, found = self.model, self.stage.snapshot()
        wanted = {
            "driver": model.driver,
            "requests": list(model.asking),
            "speed_limit": model.speed_limit,
            "clients": len(model.connected),
        }
        differences = [
            f"{key}: {found[key]}, not {value}" for key, value in wanted.items() if found[key] != value
        ]
        states = {model.state} | ({"failsafe"} if self.may_turn and model.state == "armed" else set())
        if found["state"] not in states:
            differences.append(f"state: {found['state']}, not {model.state}")
        for peer in here:
            if Counter(peer.errors) != self.expected[peer]:
                differences.append(
                    f"{peer.id} was told {Counter(peer.errors) - self.expected[peer]}, "
                    f"not {self.expected[peer] - Counter(peer.errors)}"
                )
            if peer.states[-1]["driver"] != model.driver:
                differences.append(f"{peer.id} takes {peer.states[-1]['driver']} for the driver")
        return differences

    def _wait(self, condition: Callable[[], bool], what: str | Callable[[], str]) -> None:
        give_up_at = time.monotonic() + DEADLINE_S / 4
        while not condition():
            if time.monotonic() > give_up_at:
                sentence = what if isinstance(what, str) else what()
                print(sentence, self.model)  # Hypothesis may call it flaky, and say no more
                raise AssertionError(sentence)
            time.sleep(0.002)
