"""What the server tells a new motor process, as the first line of its input."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from picar.calibration import Calibration
from picar.config import (
    Config,
    DriveConfig,
    L298NConfig,
    MotorsConfig,
    SessionConfig,
    SideConfig,
)


@dataclass(frozen=True, slots=True)
class Order:
    """The backend to open, where to write things down, and the sections that concern the motors.

    `trace` is the descriptor of the pin trace's pipe; `flight` that of the server's flight recorder; `speed_cap` the
    owner's, in [0.05, 1]. `configured` is the configuration's calibration, which a speed cap is measured by; the sections
    hold the one in force.
    """

    backend: str
    trace: int | None
    flight: int | None
    speed_cap: float
    configured: Calibration
    session: SessionConfig
    drive: DriveConfig
    motors: MotorsConfig
    l298n: L298NConfig
    left: SideConfig
    right: SideConfig

    @classmethod
    def of(
        cls,
        config: Config,
        backend: str,
        trace: int | None = None,
        flight: int | None = None,
        speed_cap: float = 1.0,
        calibrated: Calibration | None = None,
    ) -> Order:
        """Return the order for a configuration; `calibrated` is in force instead of its calibration, if given."""
        in_force = calibrated.applied_to(config) if calibrated else config
        sections = {f.name: getattr(in_force, f.name) for f in dataclasses.fields(cls)[5:]}
        return cls(backend, trace, flight, speed_cap, Calibration.of(config), **sections)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the motor process inherits."""
        return tuple(fd for fd in (self.trace, self.flight) if fd is not None)

    def encode(self) -> bytes:
        """Return the line to send."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Order:
        """Read the line."""
        f = json.loads(line)
        return cls(
            backend=f["backend"],
            trace=f["trace"],
            flight=f["flight"],
            speed_cap=f["speed_cap"],
            configured=Calibration(**f["configured"]),
            session=SessionConfig(**f["session"]),
            drive=DriveConfig(**f["drive"]),
            motors=MotorsConfig(**f["motors"]),
            l298n=L298NConfig(**f["l298n"]),
            left=SideConfig(**f["left"]),
            right=SideConfig(**f["right"]),
        )
