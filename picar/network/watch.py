"""The watcher's process: it connects the state machine with the radio, and answers at a socket. `wifi.py` has the other end.

Law: only root, the watcher's own user and processes of its group (the server's) are answered (SO_PEERCRED, unix(7)).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

from picar.config import HotspotConfig
from picar.network import wifi
from picar.network.hotspot import ANNOUNCED_S, FIRST_S, JOIN_S, REHEARSAL_S, Action, Outcome, Watcher
from picar.network.networkmanager import Radio, of_profile

log = logging.getLogger(__name__)

POLL_S = 3.0
SCAN_S = 30.0  # between two scans for a page. A scan disturbs phones in the hotspot, and a driver
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_REFUSALS = {
    "driving": wifi.DRIVEN,
    "busy": "The network is changing already. Try again in a minute.",
    "known": "The car knows this network. Send replace to use another password for it.",
    "bad_request": "The verbs are status, on, off and join; ssid and password are texts, for_s is a number.",
}


class Control:
    """The watcher's end of the socket, and its loop.

    Args:
        config: when to switch.
        radio: the WiFi interface.
        driving: returns whether a client drives.
    """

    def __init__(self, config: HotspotConfig, radio: Radio, driving: Callable[[], Awaitable[bool]]) -> None:
        self._watcher = Watcher(config, time.monotonic())
        self._radio, self._driving, self._wake = radio, driving, asyncio.Event()
        self._is_shown = False  # a page asked for the status

    async def run(self) -> None:
        """Watch without end."""
        server = await asyncio.start_unix_server(self._answer, wifi.CTL, limit=wifi.LINE_BYTES)
        wifi.CTL.chmod(0o660)
        outcome, mode = None, ""
        async with server:
            while True:
                with contextlib.suppress(OSError):  # of NetworkManager, which may be starting
                    shown, self._is_shown = self._is_shown, False
                    driving = (shown or self._watcher.is_watching) and await self._driving()
                    facts = await self._radio.facts(driving)
                    if facts.mode != mode:
                        mode = facts.mode
                        log.info("network: %s %s %s", mode, facts.ssid, facts.address)
                    action = self._watcher.step(facts, time.monotonic(), outcome)
                    outcome = await self._do(action) if action else None
                    if action:
                        continue
                    old = time.monotonic() - self._radio.scanned_at > SCAN_S
                    if shown and old and facts.mode != "hotspot" and not driving:
                        await self._radio.scan()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_S)
                self._wake.clear()

    async def _do(self, action: Action) -> Outcome:
        log.info("%s %s", action.kind, action.ssid or action.profile)
        try:
            outcome = await self._radio.do(action)
        except (OSError, ValueError) as error:  # ValueError: a name that no argument can have
            outcome = Outcome((), "other", str(error))
        if outcome.code:
            log.warning("%s failed: %s", action.kind, outcome.text)
        return outcome

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, ValueError, RecursionError):
            if not _may_ask(writer.get_extra_info("socket")):
                return
            async with asyncio.timeout(wifi.ANSWER_S):
                asked = json.loads(await reader.readline())
                answer = await self._obey(asked if isinstance(asked, dict) else {})
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()

    async def _obey(self, asked: dict[str, Any]) -> dict[str, Any]:
        watcher, now = self._watcher, time.monotonic  # called last: the questions before a request take time
        refusal, text = "bad_request", ""
        match {"for_s": 0, "rehearsal": False, "replace": False} | asked:
            case {"verb": "status"}:
                self._is_shown = True
                return watcher.status() | {"seen": self._radio.seen}
            case {"verb": "on", "for_s": int() | float() as for_s, "rehearsal": rehearsal} if (
                0 <= for_s <= 1e10
            ):
                name = await of_profile(".ssid")
                refusal = watcher.request(watcher.on(for_s, rehearsal is True), now())
                end = f"if nobody comes within {FIRST_S / 60:g} minutes"
                if rehearsal:
                    end = f"after {REHEARSAL_S:g} s"
                text = f"join {name}; {end} it goes back."
            case {"verb": "off"}:
                driving = await self._driving()
                refusal = watcher.request(watcher.off(), now(), driving)
                text = "the car joins a known WiFi; if there is none, its own WiFi comes back."
            case {"verb": "join", "ssid": str(ssid), "password": str(password), "replace": replace}:
                if replace is not True and ssid in (await self._radio.known()).values():
                    refusal = "known"
                else:
                    driving = await self._driving()
                    refusal = watcher.request(watcher.join(ssid, password), now(), driving)
                text = f"the car tries {ssid} for {JOIN_S:g} s. If that fails, its present WiFi comes back: join it again."
        if refusal:
            return {"error": refusal, "text": _REFUSALS[refusal]}
        self._wake.set()
        return {"text": f"The network goes in {ANNOUNCED_S:g} s; {text}"}


def _may_ask(connection: socket.socket) -> bool:
    """Return whether the process at the other end may ask."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, group = _CREDENTIALS.unpack(found)
    return user in (0, os.getuid()) or group == os.getgid()
