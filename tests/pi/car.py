"""picar on the emulated Pi: as its own service and user, driven from out here, its pins read from out here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from picar.config import DriveConfig
from picar.core.shaping import soften
from tests.emulator import image, project
from tests.emulator.machine import BOOT_S, Machine, Settings
from tests.emulator.reader import Reader
from tests.support.client import Client
from tests.support.product import ALL_PINS
from tests.support.waiting import until

CONFIG = "/etc/picar/picar.toml"
PICAR = "/opt/picar/venv/bin/picar"
LIBRARIES = (
    "/opt/other-gpio"  # rpi-lgpio, which has the name of RPi.GPIO and would hide it in the environment itself
)
FAULT = "/root/fault.py"
UNIT = project.UNIT
DROP_IN = f"/etc/systemd/system/{UNIT}.d/backend.conf"
WEB_PORT, SSH_PORT = 8190, 8122  # not those of a Pi that somebody else plays with
PATIENCE_S = 300.0
_DRIVE = DriveConfig()
REPEAT_S = 0.1  # how often the stick is sent: its Python takes 10 ms and more for each
SETTINGS = """[server]
port = 80
[access]
pairing = "off"
[session]
command_timeout_s = 1.0
[motors]
backend = "{backend}"
"""


class Car:
    """The car.

    Args:
        machine: runs, with picar installed.
        installed: the output of scripts/install.
    """

    def __init__(self, machine: Machine, installed: str) -> None:
        self.machine, self.installed = machine, installed
        self.guest = machine.guest
        self.pins_after_installation = self.pins()
        self.state_after_installation = self.guest.run(
            "systemctl", "show", "--value", "--property", "ActiveState", UNIT
        ).stdout.strip()
        self.persist = machine.settings.persist
        self.backend = "lgpio"
        self.url = f"http://127.0.0.1:{WEB_PORT}"

    def pins(self) -> set[tuple[str, int]]:
        """Return which functions and levels its pins have now."""
        with self.machine.monitor() as monitor:
            pins = monitor.pins()
        return {(pins.function(bcm), pins.level(bcm)) for bcm in ALL_PINS}

    async def run(self, *command: str, check: bool = True) -> str:
        """Run a command in it, while the driver out here goes on holding the stick."""
        return (await asyncio.to_thread(self.guest.run, *command, check=check)).stdout

    def use(self, backend: str, name: str = "", drop_in: str = "") -> None:
        """Start it afresh with a backend, called `name` in the table, and more lines for its unit."""
        self.backend = name or backend
        self.guest.run("systemctl", "stop", UNIT)
        self.guest.write(CONFIG, SETTINGS.format(backend=backend))
        self.guest.write(DROP_IN, f"[Service]\n{drop_in}\n")
        self.guest.run("systemctl", "daemon-reload")
        self.guest.run("systemctl", "start", UNIT)

    async def start(self) -> None:
        """Start it, unless it runs."""
        await self.run("systemctl", "start", UNIT)

    async def ready(self) -> None:
        """Start it, unless it runs, and wait until it is ready."""
        await self.start()
        await self.until_active()

    async def power_cycle(self, *, persist: bool | None = None) -> None:
        """Shut it down, and switch it on again; released pins persist, or do not, or as before."""
        self.persist = self.persist if persist is None else persist
        await asyncio.to_thread(self.machine.stop)
        self.machine.start(Settings(WEB_PORT, SSH_PORT, self.persist))
        await asyncio.to_thread(self.machine.wait_until_up)

    async def pids(self) -> dict[str, int]:
        """Return the ids of the server and of the motor process, in there."""
        server = await self.show("MainPID")
        children = (await self.run("cat", f"/proc/{server}/task/{server}/children")).split()
        assert len(children) == 1, children
        return {"server": int(server), "motor": int(children[0])}

    async def show(self, key: str) -> str:
        """Return one property of the unit."""
        return (await self.run("systemctl", "show", "--value", "--property", key, UNIT)).strip()

    async def until_active(self, but: int = 0) -> int:
        """Wait until it is ready, as another process than this one. Returns its id."""
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            shown = await self.run("systemctl", "show", "--property=MainPID,ActiveState", UNIT)
            state = dict(line.split("=", 1) for line in shown.splitlines())
            if state["ActiveState"] == "active" and state["MainPID"] not in ("0", str(but)):
                return int(state["MainPID"])
            assert time.monotonic() < give_up_at, f"not ready in {PATIENCE_S:.0f} s:\n{await self.journal()}"
            await asyncio.sleep(1.0)

    async def until_inactive(self) -> None:
        """Wait until it has ended, and what runs after its end has too."""
        give_up_at = time.monotonic() + PATIENCE_S
        while await self.show("ActiveState") not in ("inactive", "failed"):
            assert time.monotonic() < give_up_at, f"not over in {PATIENCE_S:.0f} s:\n{await self.journal()}"
            await asyncio.sleep(1.0)

    def until_rebooted(self, boot_id: str) -> None:
        """Wait until it has booted once more."""
        give_up_at = time.monotonic() + BOOT_S
        while True:
            self.guest.disconnect()
            with contextlib.suppress(subprocess.TimeoutExpired):  # the old one may answer, and go
                now = self.guest.run(
                    "cat", "/proc/sys/kernel/random/boot_id", check=False, timeout_s=60
                ).stdout
                if now not in ("", boot_id):
                    return
            assert time.monotonic() < give_up_at, f"not up again in {BOOT_S:.0f} s"
            time.sleep(2.0)

    async def journal(self, lines: int = 30) -> str:
        """Return the newest lines of its journal."""
        return await self.run(
            "journalctl", "--unit", UNIT, "--output", "short-monotonic", "--lines", str(lines)
        )

    async def doctor(self) -> list[dict[str, str]]:
        """Return what the doctor finds, as a program reads it."""
        report: list[dict[str, str]] = json.loads(
            await self.run(PICAR, "doctor", "--json", "--config", CONFIG, check=False)
        )
        return report

    @contextlib.asynccontextmanager
    async def driven(self, throttle: float = 1.0, url: str = "") -> AsyncIterator[tuple[Reader, Client]]:
        """Drive it by a stick that is held, and read its pins; both go on until the end of the block.

        It has its speed when the block begins: on the ramp even full throttle is a wave, which may die in its low half.
        """
        speed = soften(throttle, _DRIVE.deadband, _DRIVE.expo)
        with Reader(self.machine) as reader:
            async with Client(url or self.url) as phone:
                await phone.take()
                phone.hold(throttle, repeat_s=REPEAT_S)
                await until(reader.drives, "an enable pin high", PATIENCE_S)
                await until(
                    lambda: abs(phone.state["applied"]["left"] - speed) < 0.01, "its speed", PATIENCE_S
                )
                yield reader, phone
                await phone.let_go(zero=False)

    @contextlib.asynccontextmanager
    async def fault(self, *words: str) -> AsyncIterator[Callable[[], None]]:
        """Have fault.py ready in there; what this gives lets it act."""
        process = self.guest.begin("python3", "-IS", FAULT, *words)
        assert process.stdin
        assert process.stdout
        try:
            assert await asyncio.to_thread(process.stdout.readline) == b"ready\n"

            def go() -> None:
                assert process.stdin
                process.stdin.write(b"go\n")
                process.stdin.flush()

            yield go
        finally:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def emulated_car() -> Iterator[Car]:
    """Make, boot and furnish an emulated Pi, with a fresh card; at the end nothing of it is left."""
    image.build()
    machine = Machine(image.cache() / "test")
    machine.stop(politely=False)  # of a run that was killed
    began = time.monotonic()
    machine.start(Settings(WEB_PORT, SSH_PORT), fresh=True)
    try:
        machine.wait_until_up()
        print(f"\nboot to ssh: {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        car = Car(machine, _furnish(machine))
        car.use("lgpio")
        yield car
    finally:
        machine.stop(politely=False)
        machine.throw_away()


def _furnish(machine: Machine) -> str:
    guest, began = machine.guest, time.monotonic()
    project.send(guest, libraries=True)
    guest.send({"fault.py": Path(__file__).with_name("fault.py")}, "/root/tools")
    guest.run("mv", "/root/tools/fault.py", FAULT)
    said = project.install(guest)
    print(f"scripts/install: {time.monotonic() - began:.0f} s")
    pip = f"PIP_NO_INDEX=1 PIP_FIND_LINKS={project.WHEELS} /opt/picar/venv/bin/pip -q --disable-pip-version-check install --no-compile"
    guest.shell(
        f"{pip} 'gpiozero>=2.0.1.post3' && {pip} --no-deps --target {LIBRARIES} rpi-lgpio", timeout_s=1200
    )
    return said
