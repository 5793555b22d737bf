"""Switching this machine off or starting it again, through logind over D-Bus.

Laws:
- Only picar's service, as `scripts/install` makes it, does this. A desktop's user may switch the machine off without a
  password, so a picar that is started by hand never does.
- picar has no such right of its own: a polkit rule allows the service's user these actions, and logind decides.

See org.freedesktop.login1(5).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from picar.errors import PowerError
from picar.files import SERVICE_RUNTIME, UNIT
from picar.system import child

log = logging.getLogger(__name__)

Action = Literal["off", "reboot"]
METHODS: dict[Action, str] = {"off": "PowerOff", "reboot": "Reboot"}
ASK_AGAIN_S = 60.0
ANSWER_TIMEOUT_S = 5.0  # D-Bus may have to start polkit first, which is slow on a small Pi
_LOGIND = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
NOT_THE_SERVICE = (
    "This car does not run as a service, so its machine is not switched off from here. "
    "To have it do so, run sudo scripts/install in the folder of picar's source."
)
_NO_RIGHT = (
    "This machine does not let picar switch it off or start it again. To allow it, run sudo scripts/install --power "
    "in the folder that picar was installed from."
)


def runs_as_service(env: Mapping[str, str] = os.environ, cgroup: str | None = None) -> bool:
    """Return whether systemd started this process for picar's own unit.

    Args:
        env: systemd's variables; not sufficient, because a terminal passes on some of them.
        cgroup: the text of `/proc/self/cgroup`, read if `None`: systemd puts each unit into a group of its name.
    """
    if cgroup is None:
        try:
            cgroup = Path("/proc/self/cgroup").read_text(encoding="utf-8")
        except OSError:
            return False
    ours = any(line.endswith(f"/system.slice/{UNIT}") for line in cgroup.splitlines())
    return ours and bool(env.get("INVOCATION_ID")) and env.get("RUNTIME_DIRECTORY") == str(SERVICE_RUNTIME)


class Power:
    """This machine's power switch.

    Args:
        is_service: whether picar runs as the service here; if not, logind is never called.
        busctl: the D-Bus client program.
    """

    def __init__(self, is_service: bool, busctl: str = "busctl") -> None:
        self.is_service, self._busctl = is_service, busctl
        self._looking, self._one_at_a_time = asyncio.Lock(), asyncio.Lock()
        self._available, self._ask_again_at = False, 0.0

    async def is_available(self) -> bool:
        """Return whether all actions are possible; the answer is kept for a minute, to spare a car that drives."""
        async with self._looking:
            if asyncio.get_running_loop().time() >= self._ask_again_at:
                self._available = await self._ask_for_all()
                self._ask_again_at = asyncio.get_running_loop().time() + ASK_AGAIN_S
        return self._available

    async def _ask_for_all(self) -> bool:
        try:
            for action in METHODS:
                await self.check(action)
        except PowerError as error:
            if self.is_service:
                log.info("the page offers no switch: %s", error)
            return False
        return True

    async def check(self, action: Action) -> None:
        """Check that this action is possible now.

        Raises:
            PowerError: it is not; the message is the reason.
        """
        if not self.is_service:
            raise PowerError(NOT_THE_SERVICE)
        answer = await self._call(f"Can{METHODS[action]}")
        if answer != 's "yes"':
            raise PowerError(_NO_RIGHT)

    async def do(self, action: Action) -> None:
        """Do it. systemd then ends every program, also this one.

        Raises:
            PowerError: logind refuses, for example during an update of the system; the message is the reason.
        """
        if not self.is_service:
            raise PowerError(NOT_THE_SERVICE)
        await self._call(METHODS[action], "b", "false")

    async def _call(self, method: str, *arguments: str) -> str:
        """Call a method of logind, and return its answer as busctl prints it. The event loop continues meanwhile."""
        options = ("--system", "--allow-interactive-authorization=no", f"--timeout={ANSWER_TIMEOUT_S:g}")
        command = [self._busctl, *options, "call", *_LOGIND, method, *arguments]
        try:
            async with self._one_at_a_time:
                ended = await child.run(command, ANSWER_TIMEOUT_S)
        except TimeoutError:
            raise PowerError("systemd does not answer.") from None
        except OSError as error:
            raise PowerError(f"Cannot ask systemd: {self._busctl}: {error.strerror}.") from None
        if ended.code not in (0, -signal.SIGTERM):  # a shutdown ends busctl too, at times before its answer
            complaint = ended.err.decode(errors="replace").strip()
            last = (complaint.splitlines() or ["no reason given"])[-1].removeprefix("Call failed: ")
            raise PowerError(f"systemd refuses: {last.rstrip('.')}.")
        return ended.out.decode(errors="replace").strip()
