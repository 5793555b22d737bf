"""The kernel's PWM chips as a tree of plain files, which any number of processes write, and which outlives them.

Unlike the kernel it refuses no value, and a write to `export` does nothing: `exporting` is the kernel and udev.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

PI5, PI4 = "1f00098000.pwm", "fe20c000.pwm"
OTHERS = ("1f0009c000.pwm", "107d517a80.pwm", "fe20c800.pwm")  # of the fan, and of the analogue audio
_FILES = {"period": "0", "duty_cycle": "0", "enable": "0", "polarity": "normal"}


class PwmTree:
    """The folder in the place of /sys/class/pwm.

    Args:
        folder: of the tree; created.
        devices: of the chips, by their numbers.
    """

    def __init__(self, folder: Path, devices: dict[int, str]) -> None:
        self.root = folder / "class"
        self._devices = devices
        self.root.mkdir(parents=True)
        for number, device in devices.items():
            chip = folder / "devices" / device / "pwm" / f"pwmchip{number}"
            chip.mkdir(parents=True)
            (chip / "export").touch()
            (chip / "device").symlink_to("../..")
            (self.root / chip.name).symlink_to(chip)

    def channel(self, number: int) -> Path:
        """Return the folder of a channel of the header's chip."""
        chip = next(chip for chip, device in self._devices.items() if device not in OTHERS)
        return self.root / f"pwmchip{chip}" / f"pwm{number}"

    def export(self, number: int, **values: int | str) -> None:
        """Show the files of a channel, as the kernel does after a write to `export`."""
        folder = self.channel(number)
        folder.mkdir()
        for name, value in (_FILES | values).items():
            (folder / name).write_text(f"{value}\n")

    def value(self, number: int, name: str) -> int:
        """Return the value of a file of a channel."""
        return int((self.channel(number) / name).read_text().split()[0])

    def pulse_us(self, number: int) -> float:
        """Return the length of the pulses of a channel, 0 if it has none."""
        return self.value(number, "duty_cycle") / 1000 if self.value(number, "enable") else 0.0

    @contextlib.contextmanager
    def exporting(self, udev_s: float = 0.0) -> Iterator[None]:
        """Obey writes to `export` in this block; udev takes so long, until when the files cannot be opened."""
        ended = threading.Event()
        thread = threading.Thread(target=self._obey, args=(ended, udev_s))
        thread.start()
        yield
        ended.set()
        thread.join()

    def _obey(self, ended: threading.Event, udev_s: float) -> None:
        file = self.channel(0).parent / "export"
        while not ended.wait(0.001):
            if not (word := file.read_text().strip()):
                continue
            os.truncate(file, 0)
            folder = self.channel(int(word))
            folder.mkdir()
            time.sleep(udev_s)
            folder.rmdir()
            self.export(int(word))
