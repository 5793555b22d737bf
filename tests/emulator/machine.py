"""The emulated Pi itself: QEMU, its card, and the ports of this machine that lead into it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.emulator import image, needs, recipe
from tests.emulator.guest import Guest
from tests.emulator.monitor import Monitor
from tests.emulator.needs import Lacking

BOOT_S = 600.0  # it takes 70 to 90 s on two idle cores
OFF_S = 120.0
_ROOM_BYTES = 1 << 30
_CARD, _SETTINGS, _PID, _SOCKET = "card.qcow2", "settings.json", "qemu.pid", "monitor"
CONSOLE = "console.log"
_PANIC = b"Kernel panic"


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is started.

    Args:
        web_port: of this machine, leads to its port 80.
        ssh_port: of this machine, leads to its ssh.
        persist: whether the kernel leaves a pin as it was when its program is gone, as on Raspberry Pi OS; else it
            becomes an input, as `dtparam=strict_gpiod` does there.
    """

    web_port: int
    ssh_port: int
    persist: bool = True


class Machine:
    """One emulated Pi, running or not.

    Args:
        folder: where its card, its console and its sockets are kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or image.cache() / "run"

    @property
    def settings(self) -> Settings:
        """How it was started.

        Raises:
            Lacking: it does not run.
        """
        self.must_run()
        return Settings(**json.loads((self.folder / _SETTINGS).read_text(encoding="utf-8")))

    @property
    def guest(self) -> Guest:
        """Its shell; `Lacking` when it does not run."""
        port = self.settings.ssh_port
        return Guest(self.folder, self._image() / "ssh-key", port)

    def monitor(self) -> Monitor:
        """Return a connection to QEMU's monitor; `Lacking` when it does not run."""
        self.must_run()
        return Monitor(self.folder / _SOCKET)

    def pid(self) -> int:
        """Return QEMU's process id, 0 when it does not run."""
        try:
            pid = int((self.folder / _PID).read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return 0
        return pid if command.startswith(b"qemu-system-aarch64\0") else 0

    def must_run(self) -> None:
        """Raise `Lacking` unless it runs."""
        if not self.pid():
            raise Lacking("the emulated Pi is not running: scripts/emulate-pi boot")

    def start(self, settings: Settings, *, fresh: bool = False) -> None:
        """Switch it on, without waiting.

        Args:
            settings: how.
            fresh: with a newly written card; else with what was left on it.

        Raises:
            Lacking: no image, a port that is in use, no room, or it runs already.
        """
        if self.pid():
            raise Lacking("the emulated Pi is running already: scripts/emulate-pi stop")
        if not image.is_built():
            raise Lacking("there is no image of this recipe yet: scripts/emulate-pi build")
        needs.check_tools(needs.TO_RUN)
        needs.check_port(settings.web_port, "--web-port")
        needs.check_port(settings.ssh_port, "--ssh-port")
        self.folder.mkdir(parents=True, exist_ok=True)
        needs.check_room(self.folder, _ROOM_BYTES)
        self._put_card_in(fresh=fresh)
        for name in (_SOCKET, _PID, "ssh"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / _SETTINGS).write_text(json.dumps(asdict(settings)), encoding="utf-8")
        done = subprocess.run(
            self._qemu(settings), cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise Lacking(f"QEMU did not start: {said[-1]}")

    def wait_until_up(self, boot_s: float = BOOT_S) -> float:
        """Wait until its ssh answers. Returns the seconds that it took.

        Raises:
            Lacking: it does not, or was switched off.
        """
        began, guest = time.monotonic(), self.guest
        while not guest.answers():
            self.must_run()
            if _PANIC in (self.folder / CONSOLE).read_bytes():
                raise Lacking(
                    "its kernel has panicked, perhaps because its card was spoilt when its plug was pulled: "
                    f"scripts/emulate-pi stop --now, then boot --fresh; its console: {self.folder / CONSOLE}"
                )
            if time.monotonic() - began > boot_s:
                raise Lacking(f"it has not booted in {boot_s:.0f} s; its console: {self.folder / CONSOLE}")
            time.sleep(1.0)
        return time.monotonic() - began

    def stop(self, *, politely: bool = True) -> None:
        """Switch it off: shut it down first, or pull its plug. Nothing happens when it is off."""
        pid = self.pid()
        if not pid:
            return
        guest = self.guest
        if politely:
            with contextlib.suppress(subprocess.TimeoutExpired):
                guest.run("systemctl", "poweroff", check=False, timeout_s=60)
                _wait_for_end(pid, OFF_S)
        guest.disconnect()
        if self.pid() == pid:
            with contextlib.suppress(Lacking), self.monitor() as monitor:
                monitor.quit()
            _wait_for_end(pid, 10)
        if self.pid() == pid:
            os.kill(pid, signal.SIGKILL)
            _wait_for_end(pid, 10)

    def throw_away(self) -> None:
        """Remove its card and all else that it left."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _image(self) -> Path:
        """Return the folder of the image that its card lies on, which may be of an older recipe than now."""
        return Path((self.folder / "image").read_text(encoding="utf-8"))

    def _put_card_in(self, *, fresh: bool) -> None:
        card, mark = self.folder / _CARD, self.folder / "image"
        same = mark.exists() and mark.read_text(encoding="utf-8") == str(image.folder())
        if card.exists() and same and not fresh:
            return
        card.unlink(missing_ok=True)
        base = image.folder() / "card.img"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(card)], check=True
        )
        mark.write_text(str(image.folder()), encoding="utf-8")

    def _qemu(self, settings: Settings) -> list[str]:
        made = image.folder()
        forward = (
            f"hostfwd=tcp:127.0.0.1:{settings.web_port}-:80,hostfwd=tcp:127.0.0.1:{settings.ssh_port}-:22"
        )
        kernel = (
            "console=ttyAMA0,115200 root=/dev/mmcblk0 rootfstype=ext4 rw rootwait fsck.mode=skip quiet loglevel=4 "
            # All four cores: one that Linux leaves alone spins in QEMU for ever. /dev/mem is for RPi.GPIO.
            f"iomem=relaxed pinctrl_bcm2835.persist_gpio_outputs={settings.persist:d}"
        )
        return [
            *("qemu-system-aarch64", "-machine", "raspi3b", "-m", str(recipe.MEMORY_MB)),
            *(
                "-kernel",
                str(made / "kernel"),
                "-initrd",
                str(made / "initrd"),
                "-dtb",
                str(made / "board.dtb"),
            ),
            *("-append", kernel),
            *("-drive", f"if=sd,format=qcow2,cache=unsafe,file={_CARD}"),
            *("-netdev", f"user,id=net,{forward}", "-device", "usb-net,netdev=net"),
            *("-qmp", f"unix:{_SOCKET},server=on,wait=off", "-serial", f"file:{CONSOLE}"),
            *("-display", "none", "-daemonize", "-pidfile", _PID),
        ]


def _wait_for_end(pid: int, limit_s: float) -> None:
    give_up_at = time.monotonic() + limit_s
    while Path(f"/proc/{pid}").exists() and time.monotonic() < give_up_at:
        time.sleep(0.1)
