"""Three clients say anything at any time to the real car; a model knows what must come of it.

What is always so, whatever was said: at most one client is told that it drives; only the driver's sticks reach a pin
(all others' point backwards, and the wheels never turn that way); nothing turns while stopped.
`PICAR_FUZZ=long` tries for an hour; the default takes half a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from tests.support.peer import frame
from tests.support.product import Product
from tests.web.conversation import COUNTS, SESSIONS, Conversation, Stage
from tests.web.wheel_model import ACCEPTED

pytestmark = pytest.mark.slow

LONG = os.environ.get("PICAR_FUZZ") == "long"
EXAMPLES, STEPS = (4000, 80) if LONG else (16, 45)
CONFIG = """
[session]
command_timeout_s = 1.0
rearm_s = 3.0
idle_s = 600.0
grace_s = {grace_s}
slow_from_s = 0
[drive]
accel = 20.0
decel = 50.0
"""

who = st.integers(0, 2)
mostly = st.sampled_from([True, True, True, False])
forward = st.floats(0.2, 1.0).map(lambda x: round(x, 3))
backward = st.floats(-1.0, -0.2).map(lambda x: round(x, 3))
NONSENSE: dict[str, tuple[bytes, str]] = {
    "no JSON": (frame(b"forward!"), "bad_message"),
    "no object": (frame(b"[1]"), "bad_message"),
    "no type": (frame(b"{}"), "bad_message"),
    "a key too few": (frame(b'{"type":"take"}'), "bad_message"),
    "a key too many": (frame(b'{"type":"stop","now":true}'), "bad_message"),
    "a binary frame": (frame(b'{"type":"stop"}', opcode=2), "bad_message"),
    "an unknown type": (frame(b'{"type":"fly"}'), "unknown_type"),
    "too much": (frame(b'{"type":"drive","seq":9,"tick":1,"throttle":-2,"steering":0}'), "bad_value"),
    "a jog out of range": (frame(b'{"type":"jog","seq":9,"tick":1,"side":"left","duty":0.6}'), "bad_value"),
    "half a calibration": (frame(b'{"type":"calibrate","tick":1,"swap":true}'), "bad_message"),
    "NaN": (frame(b'{"type":"tank","seq":9,"tick":1,"left":NaN,"right":0}'), "bad_value"),
}


class AnythingGoes(Conversation):
    """One example."""

    @initialize(first=st.sampled_from([None, 0, 1, 2, 2]))
    def three_connect(self, first: int | None) -> None:
        COUNTS["examples"] += 1
        self.stage.pins.turned()
        for _ in range(3):
            self._connect(f"browser-{next(SESSIONS)}")
        resting = ("disarmed", "stopped")
        self._wait(lambda: self.stage.snapshot()["state"] in resting, "the last example is over")
        snapshot = self.stage.snapshot()
        self.model.state, self.model.turns = snapshot["state"], snapshot["turn"] is not None
        if self.model.state == "stopped":
            self._take(self.peers[0])
            self._reset(self.peers[0])
            self._say(self.peers[0], type="release")
            self.model.release(self.peers[0].id)
        self._settle()
        if first is not None:
            self._take(self.peers[first])
            self._sticks(self.peers[first], 0.0, tank=False)

    # ---- what a client may say

    @rule(i=who, fresh=mostly)
    def take(self, i: int, fresh: bool) -> None:
        peer = self.peers[i]
        self._send(
            peer, self.model.take(peer.id, peer.browser, fresh), type="take", tick=self._tick(peer, fresh)
        )

    @rule(i=who)
    def release(self, i: int) -> None:
        peer = self.peers[i]
        self._send(peer, self.model.release(peer.id), type="release")

    @rule(i=who, j=who, fresh=mostly)
    def grant(self, i: int, j: int, fresh: bool) -> None:
        peer, other = self._driver_or(i), self._asker_or(j)
        code = self.model.grant(peer.id, other, fresh)
        self._send(peer, code, type="grant", client=other, tick=self._tick(peer, fresh))

    @rule(i=who, j=who)
    def deny(self, i: int, j: int) -> None:
        peer, other = self._driver_or(i), self._asker_or(j)
        self._send(peer, self.model.deny(peer.id, other), type="deny", client=other)

    @rule(i=who)
    def neutral(self, i: int) -> None:
        self._sticks(self.peers[i], 0.0, tank=False)

    @rule(i=who, x=forward, y=backward, tank=st.booleans(), fresh=mostly, in_order=mostly)
    def drive(self, i: int, x: float, y: float, tank: bool, fresh: bool, in_order: bool) -> None:
        peer = self._driver_or(i)
        throttle = x if self.model.drives(peer.id) else y
        if self._sticks(peer, throttle, tank, fresh=fresh, in_order=in_order) == ACCEPTED:
            self._sticks(peer, 0.0, tank)

    @rule(
        i=who, x=st.floats(0.2, 0.5), side=st.sampled_from(["left", "right"]), fresh=mostly, in_order=mostly
    )
    def jog(self, i: int, x: float, side: str, fresh: bool, in_order: bool) -> None:
        peer = self._driver_or(i)
        duty = x if self.model.drives(peer.id) else -x
        if self._jog(peer, side, duty, fresh=fresh, in_order=in_order) == ACCEPTED:
            self._jog(peer, side, 0.0)

    @precondition(lambda self: self.model.state != "stopped")  # while the brake is on it would be "moving"
    @rule(i=who, trim=st.floats(0.5, 1.0), fresh=mostly, back=st.booleans())
    def calibrate(self, i: int, trim: float, fresh: bool, back: bool) -> None:
        peer = self._driver_or(i)
        self._calibrate(peer, self.model.calibrate(peer.id, fresh), fresh, None if back else trim)

    @precondition(lambda self: self.model.state == "armed" and self.model.seat and self.model.seat.here)
    @rule(
        x=forward,
        y=backward,
        i=who,
        what=st.sampled_from(["stop", "release", "grant", "leave", "others drive"]),
    )
    def while_the_car_moves(self, x: float, y: float, i: int, what: str) -> None:
        driver, other = self._driver_or(0), self.peers[i]
        self._sticks(driver, x, tank=False)
        if what == "stop":
            self._stop(other)
        elif what == "release":
            self._send(driver, self.model.release(driver.id), type="release")
        elif what == "grant":
            asker = self._asker_or(i)
            code = self.model.grant(driver.id, asker, fresh=True)
            self._send(driver, code, type="grant", client=asker, tick=driver.tick)
            if code != ACCEPTED:
                self._sticks(driver, 0.0, tank=False)
        elif what == "leave":
            self._reconnect(self.peers.index(driver), driver.browser, politely=False)
        else:
            for peer in self.peers:
                if peer is not driver:
                    self._sticks(peer, y, tank=False)
            self._sticks(driver, 0.0, tank=True)

    @precondition(lambda self: self.model.seat and self.model.seat.here)
    @rule(i=who)
    def both_others_ask_and_one_gets_it(self, i: int) -> None:
        driver = self._driver_or(0)
        for peer in self.peers:
            if peer is not driver:
                self._take(peer)
        asker = list(self.model.asking)[-1] if i else self._asker_or(i)
        code = self.model.grant(driver.id, asker, fresh=True)
        self._send(driver, code, type="grant", client=asker, tick=driver.tick)

    @rule(i=who, over_http=st.booleans())
    def stop(self, i: int, over_http: bool) -> None:
        if over_http:
            again = self.model.state == "stopped"
            self.model.stop()
            assert self.stage.ask("POST", "/api/v1/stop")["state"] == "stopped"
            COUNTS["POST stop"] += 1
            self._settle()
            self._note_stop(again)
        else:
            self._stop(self.peers[i])

    @rule(i=who, fresh=mostly)
    def reset(self, i: int, fresh: bool) -> None:
        self._reset(self._driver_or(i), fresh)

    @rule(
        i=who,
        speed=st.floats(0.3, 1.0).map(lambda x: round(x, 2)),
        fresh=mostly,
    )
    def limit(self, i: int, speed: float, fresh: bool) -> None:
        peer = self._driver_or(i)
        code = self.model.limit(peer.id, speed, fresh)
        self.stage.speed_limit = self.model.speed_limit
        self._send(peer, code, type="limit", speed=speed, tick=self._tick(peer, fresh))

    @rule(i=who, for_s=st.sampled_from([0, 300]), fresh=mostly)
    def turn(self, i: int, for_s: int, fresh: bool) -> None:
        peer = self._driver_or(i)
        code = self.model.turn(peer.id, for_s, fresh)
        self._send(peer, code, type="turn", for_s=for_s, tick=self._tick(peer, fresh))

    @rule(i=who, what=st.sampled_from(sorted(NONSENSE)))
    def nonsense(self, i: int, what: str) -> None:
        peer = self.peers[i]
        data, code = NONSENSE[what]
        self.strikes[peer] = self.strikes[peer] + 1 if code == "bad_message" else 0
        self.expected[peer][code] += 1
        self._post(peer, data, "nonsense")
        if self.strikes[peer] == 3:
            self._wait(lambda: self._pump() or peer.closed, "the connection closed")
            assert peer.close_code == 1008
            self._reconnect(i, f"browser-{next(SESSIONS)}", politely=True)
        self._settle()

    @rule(i=who, same=st.booleans(), politely=st.booleans())
    def reconnect(self, i: int, same: bool, politely: bool) -> None:
        session = self.peers[i].browser if same else f"browser-{next(SESSIONS)}"
        self._reconnect(i, session, politely)

    @rule(i=who, j=who)
    def a_second_tab(self, i: int, j: int) -> None:
        self._reconnect(i, self.peers[j].browser, politely=True)

    @precondition(lambda self: self.model.seat is not None and not self.model.seat.here)
    @rule(i=who)
    def the_driver_comes_back(self, i: int) -> None:
        self._reconnect(i, self.model.seat.session, politely=True)  # type: ignore[union-attr]

    # ---- what is always so

    @invariant()
    def only_the_drivers_sticks_reach_a_pin(self) -> None:
        assert self.stage.pins.turned() <= self.may_turn
        assert not self.stage.pins.turns()
        self.may_turn = set()

    @invariant()
    def at_most_one_is_told_that_it_drives(self) -> None:
        for peer in self.peers:
            for state in peer.states:
                assert (state["you"] == "driver") == (state["driver"] == peer.id)
                if state["you"] == "driver":
                    assert self.told.setdefault(state["tick"], peer.id) == peer.id
            del peer.states[:-1]


@contextlib.contextmanager
def staged(grace_s: float) -> Iterator[Stage]:
    """Start the car for all examples; Hypothesis has no event loop, so this has one of its own."""
    with asyncio.Runner() as runner:
        car = Product(config=CONFIG.format(grace_s=grace_s))
        runner.run(car.__aenter__())
        stage = Stage(car, grace_s)
        try:
            yield stage
            assert runner.run(car.terminate()) == 0
            assert car.is_low()
            assert "Traceback" not in car.log()
        finally:
            stage.close()
            runner.run(car.__aexit__(None, None, None))


@pytest.mark.parametrize("grace_s", [0.0, 30.0])
def test_whatever_is_said_the_car_does_what_the_protocol_says(
    grace_s: float, capsys: pytest.CaptureFixture[str]
) -> None:
    COUNTS.clear()
    with staged(grace_s) as stage:

        class OnThisStage(AnythingGoes):
            pass

        OnThisStage.stage = stage
        run_state_machine_as_test(
            OnThisStage,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                print_blob=True,
                phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert COUNTS["messages"] > EXAMPLES * 5
        with capsys.disabled():
            print(f"\ngrace {grace_s:g} s: {dict(COUNTS.most_common())}, pin writes {stage.pins.writes}")
