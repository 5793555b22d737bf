"""The configuration: every option declared once, with its default, range, unit and sentence.

`configfile.py` makes the reference table (`picar config-reference`), the checks and their messages from these declarations.

Law: no option switches a safety off; ranges end where safety would.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import Any, Literal, get_type_hints

from picar.options import AnyPin, EnablePin, SignalPin, option, pin

BackendName = Literal["auto", "sim", "mock", "lgpio", "gpiozero", "rpigpio"]
TERMINALS = ("ena", "enb", "in1", "in2", "in3", "in4")  # of the L298N, enables first
KindName = Literal["l298n", "l293d", "tb6612", "drv8833", "l9110s", "bts7960", "phase-enable", "esc"]
ChipName = Literal["header", "pca9685"]
LayoutName = Literal["sides", "four", "steer-motor", "steer-servo"]
PairingName = Literal["auto", "on", "local", "off"]
SourceName = Literal["auto", "picamera2", "usb", "sim", "test", "off"]
WhenName = Literal["never", "fallback", "always"]
SizeName = Literal["320x240", "480x360", "640x480", "800x600", "1280x720"]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The address of the page, and the limits of its connections."""

    host: str = option(
        "all",
        "Address to listen on: all (IPv4 and IPv6), 0.0.0.0 (IPv4 only), :: (IPv6 only), 127.0.0.1 (this machine only), or one "
        "address of this machine.",
    )
    port: int = option(8000, "TCP port; 0 takes any free one.", lo=0, hi=65535)
    name: str = option("picar", "The car's name, shown on the page.")
    allowed_hosts: tuple[str, ...] = option((), "Further host names under which browsers may open the page.")
    max_clients: int = option(1200, "Maximum number of connections.", lo=10, hi=10000)
    max_clients_per_address: int = option(
        64,
        "Maximum number of connections from one address, except from this machine. A page with the picture has two.",
        lo=4,
        hi=10000,
    )


@dataclass(frozen=True, slots=True)
class AccessConfig:
    """Pairing of new browsers."""

    pairing: PairingName = option(
        "auto",
        "Browsers that need the PIN: all (on), all but those of this machine (local), or no browser (off, for a car on its own "
        "hotspot). auto is on on a Pi and local elsewhere.",
    )


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """https on a second port, beside http. `picar tls` writes this section; docs/https.md."""

    mode: Literal["off", "own", "files"] = option(
        "off", "The certificate: none (off), one of the car's own CA (own), or that of cert and key (files)."
    )
    port: int = option(8443, "TCP port of https; 0 takes any free one.", lo=0, hi=65535)
    cert: str = option("", "File with the certificate and those above it, PEM.")
    key: str = option("", "File with its key, PEM without a password.")
    hosts: tuple[str, ...] = option(
        (), "Further names in the car's own certificate, in a local zone like .lan."
    )
    http_drives: bool = option(
        True,
        "Whether http drives too. With false, http serves the help page and STOP alone: only then does https protect the car.",
    )


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """Timeouts of the driver's commands, and of the wheel."""

    command_timeout_s: float = option(
        0.5,
        "Time without a fresh command after which the car stops, counted from the state that the driver saw last.",
        unit="s",
        lo=0.2,
        hi=1.0,
    )
    rearm_s: float = option(
        1.0,
        "Longest failsafe after which the car drives on without a neutral stick.",
        unit="s",
        lo=0.0,
        hi=3.0,
    )
    idle_s: float = option(
        5.0, "Time at neutral after which the oldest request gets the wheel.", unit="s", lo=0.2, hi=600.0
    )
    slow_from_s: float = option(
        0.2,
        "Age of commands above which a late link makes the car slow: 60 % of its speed, and 30 % above 1.5 times this age. It "
        "counts if a tenth of the commands of 2 s is older; 0 for never.",
        unit="s",
        lo=0.0,
        hi=1.0,
    )
    grace_s: float = option(
        2.0, "Time for which the wheel is kept for a driver who reloads the page.", unit="s", lo=0.0, hi=30.0
    )


@dataclass(frozen=True, slots=True)
class DriveConfig:
    """The way from sticks to wheel speeds. Speeds are shares of full power."""

    max_speed: float = option(1.0, "Fastest wheel speed.", lo=0.1, hi=1.0)
    accel: float = option(2.5, "Maximum acceleration of a wheel per second.", unit="per s", lo=0.2, hi=20.0)
    decel: float = option(6.0, "Maximum deceleration of a wheel per second.", unit="per s", lo=1.0, hi=50.0)
    deadband: float = option(0.05, "Stick travel around the middle that counts as neutral.", lo=0.01, hi=0.3)
    expo: float = option(0.3, "0 is linear; towards 1 the stick is softer around the middle.", lo=0.0, hi=1.0)
    reverse_pause_s: float = option(
        0.1, "Pause at zero between forward and reverse; it spares the gears.", unit="s", lo=0.1, hi=2.0
    )


@dataclass(frozen=True, slots=True)
class MotorsConfig:
    """The library of the pins, and the signal for the motors."""

    backend: BackendName = option(
        "auto", "Library that sets the pins; auto uses the best on a Pi and the simulator elsewhere."
    )
    pwm_hz: int = option(
        200,
        "PWM frequency of the motors. A PCA9685 has 24 to 1526, and always 50 with a servo or an ESC.",
        unit="Hz",
        lo=20,
        hi=2000,
    )
    min_duty: float = option(0.25, "Duty cycle at which the motors just begin to turn.", lo=0.0, hi=0.8)
    brake_hold_s: float = option(
        0.3,
        "Time for which STOP brakes; then the car rolls or brakes, as its board does at rest.",
        unit="s",
        lo=0.0,
        hi=0.3,
    )


@dataclass(frozen=True, slots=True)
class L298NConfig:
    """The pins of the L298N board: ENA, IN1, IN2 are the left side.

    A pin is a BCM number (`12`), or a text: `"GPIO12"`, or its place on the header, `"BOARD32"`. ENA and ENB may share one pin.
    """

    ena: EnablePin = pin(12, 'Enable of the left side; "jumper" where the ENA jumper is left on.')
    in1: int = pin(23, "Left side, high for forward.")
    in2: int = pin(24, "Left side, high for reverse.")
    enb: EnablePin = pin(13, 'Enable of the right side; "jumper" where the ENB jumper is left on.')
    in3: int = pin(27, "Right side, high for forward.")
    in4: int = pin(22, "Right side, high for reverse.")
    swap: bool = option(False, "Exchange the sides.")

    def wired(self) -> dict[str, int]:
        """Return the BCM number of each terminal that has a wire, enables first."""
        return {name: getattr(self, name) for name in TERMINALS if getattr(self, name) != "jumper"}


@dataclass(frozen=True, slots=True)
class BoardConfig:
    """The motor board, for every board and every layout. A configuration has either this section or `[l298n]`.

    `[motor.*]` names the pins of each motor. The modules MX1508 and TC1508 are of the kind drv8833.
    """

    kind: KindName = option("l298n", "The chip on the board; docs/boards.md compares them.")
    standby: SignalPin = pin(
        "none",
        'Standby, sleep or enable line of the whole board: STBY, nSLEEP, EN; "none" if it has no wire.',
    )
    swap: bool = option(False, "Exchange the left and right motors, or the drive and steering motors.")
    chip: ChipName = option(
        "header",
        "Where the pins are: on the Pi's header, or the channels of a PCA9685. With pca9685, a pin is a channel, 0 to 15; a pin "
        'of the header is then a text like "GPIO17".',
    )
    bus: int = option(1, "I2C bus of the PCA9685; 1 is the one on GPIO 2 and 3.", lo=0, hi=63)
    address: int = option(0x40, "I2C address of the PCA9685: 0x40 (64) to 0x7F (127).", lo=0x40, hi=0x7F)
    oe: SignalPin = pin(
        "none", 'Pin at OE of the PCA9685, high for off: GPIO 5 or 6; "none" if it has no wire.'
    )


@dataclass(frozen=True, slots=True)
class LayoutConfig:
    """The motors of the car."""

    kind: LayoutName = option(
        "sides",
        "sides: motor.left and motor.right. four: a motor for each wheel, motor.front_left to motor.rear_right. steer-motor: "
        "motor.drive drives, and motor.steer turns the front wheels. steer-servo: motor.drive drives, and a servo steers.",
    )


@dataclass(frozen=True, slots=True)
class MotorConfig:
    """One motor of a car with a `[board]`, for example `[motor.left]`. Each terminal that the board has needs a pin.

    A pin is a BCM number or a text, as in `[l298n]`. With `chip = "pca9685"`, a number is a channel, 0 to 15, and so is a text
    like `"CH8"`.
    """

    pwm: AnyPin = pin("none", 'Speed: EN or PWM; "jumper" where the board keeps it high.')
    in1: SignalPin = pin("none", "High for forward: IN1, RPWM, PH.")
    in2: SignalPin = pin("none", "High for reverse: IN2, LPWM.")
    invert: bool = option(False, "Set it if the motor turns the wrong way.")
    trim: float = option(
        1.0,
        "Share of its speed that this motor keeps; of a steering motor, its share of the range above min_duty.",
        lo=0.5,
        hi=1.0,
    )


@dataclass(frozen=True, slots=True)
class MotorSections:
    """The sections `[motor.*]`; a layout uses its own motors only."""

    left: MotorConfig = field(default_factory=MotorConfig)
    right: MotorConfig = field(default_factory=MotorConfig)
    front_left: MotorConfig = field(default_factory=MotorConfig)
    rear_left: MotorConfig = field(default_factory=MotorConfig)
    front_right: MotorConfig = field(default_factory=MotorConfig)
    rear_right: MotorConfig = field(default_factory=MotorConfig)
    drive: MotorConfig = field(default_factory=MotorConfig)
    steer: MotorConfig = field(default_factory=MotorConfig)


@dataclass(frozen=True, slots=True)
class SteeringConfig:
    """The servo of the layout steer-servo. Its pin is GPIO 12, 13, 18 or 19 (the kernel's PWM), or a channel of a PCA9685.

    12 and 18 share one PWM, and so do 13 and 19.
    """

    pin: SignalPin = pin("none", "Signal of the servo.")
    trim: float = option(
        0.0, "Correction of the middle, a share of the way to the right (+) or left (-) end.", lo=-0.3, hi=0.3
    )
    left_us: int = option(1000, "Pulse for full left.", unit="µs", lo=500, hi=2500)
    center_us: int = option(1500, "Pulse for straight ahead.", unit="µs", lo=1000, hi=2000)
    right_us: int = option(2000, "Pulse for full right.", unit="µs", lo=500, hi=2500)


@dataclass(frozen=True, slots=True)
class EscConfig:
    """The electronic speed controller of a board of the kind esc. `pwm` under `[motor.drive]` is its pin, as `[steering]` allows."""

    neutral_us: int = option(1500, "Pulse at which the motor stands.", unit="µs", lo=1400, hi=1600)
    start_us: int = option(
        40, "Distance from neutral at which the motor just begins to turn, each way.", unit="µs", lo=0, hi=140
    )
    max_throttle: float = option(
        0.3,
        "Share of the 500 µs between neutral and full throttle that picar uses at most; above 0.3, a PCA9685 needs its OE wire.",
        lo=0.05,
        hi=1.0,
    )
    reverse: Literal["double", "direct", "none"] = option(
        "double",
        "How the ESC goes backwards: after a brake and neutral, as most ESCs of cars (double), at once (direct), or never (none).",
    )


@dataclass(frozen=True, slots=True)
class SideConfig:
    """One side's motor."""

    invert: bool = option(False, "Set it if the motor turns the wrong way.")
    trim: float = option(
        1.0,
        "Share of its speed that this side keeps; lower it on the faster side until the car drives straight.",
        lo=0.5,
        hi=1.0,
    )


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """The picture. It is optional: the car drives without a camera, and no fault of a camera stops it.

    On a Pi Zero or Zero W, the default `size` and `fps` mean 320x240 and 15.
    """

    source: SourceName = option(
        "auto",
        "Where the picture comes from: the Pi's camera (picamera2), a USB camera, the simulated car, a test card, or nowhere. "
        "auto takes the first camera that works, and with simulated pins the simulated car.",
    )
    device: str = option(
        "auto", "The camera, if there are several; picar camera --list prints the value for each."
    )
    size: SizeName = option("640x480", "Largest picture. On a slow link the pictures become smaller.")
    fps: int = option(30, "Most pictures a second; the simulated car makes at most 20.", lo=5, hi=60)
    quality: int = option(50, "Best JPEG quality. On a slow link the quality falls.", lo=10, hi=90)
    rotation: Literal[0, 180] = option(0, "Set it to 180 if the camera is upside down.")
    mirror: bool = option(False, "Exchange left and right.")
    night: bool = option(
        False, "Allow exposures of 66.7 ms: brighter in the dark, at most 15 pictures a second."
    )
    late: Literal["slow", "stop"] = option(
        "slow",
        "What an old picture does to a driver whose screen the picture fills: half speed (slow), or a stop.",
    )
    max_viewers: int = option(8, "Most viewers at a time.", lo=1, hi=100)
    spectator_fps: int = option(10, "Most pictures a second for a viewer who does not drive.", lo=1, hi=30)


@dataclass(frozen=True, slots=True)
class HotspotConfig:
    """The car's own WiFi. `sudo picar hotspot setup` makes it, and sets `when`; its password is in NetworkManager's profile only."""

    when: WhenName = option(
        "never",
        "When the car makes its own WiFi: only on request, when there is no other network (fallback), or always.",
    )
    name: str = option(
        "", "Name of the WiFi; empty for picar- and the first four characters of the car's id."
    )
    channel: Literal[0, 1, 6, 11] = option(0, "Channel; 0 for the emptiest at the time of the setup.")
    fallback_s: float = option(45.0, "Time without a network before fallback.", unit="s", lo=5.0, hi=3600.0)
    empty_s: float = option(
        60.0, "Time without a phone before the car looks for other WiFi.", unit="s", lo=5.0, hi=3600.0
    )
    look_s: float = option(
        120.0, "Time to the first look for other WiFi; it doubles up to 900 s.", unit="s", lo=10.0, hi=900.0
    )
    address: str = option(
        "10.42.0.1/24", "The car's address in its own WiFi, with the length of its network."
    )
    interface: str = option("", "The WiFi interface; empty for the first one.")


@dataclass(frozen=True, slots=True)
class Config:
    """All sections. `source` is the file; `warnings` are about legal but unwise values.

    `board` is None for a car with the section `[l298n]`; `l298n`, `left` and `right` then describe its motors, and `motor`
    otherwise.
    """

    server: ServerConfig = field(default_factory=ServerConfig)
    access: AccessConfig = field(default_factory=AccessConfig)
    session: SessionConfig = field(default_factory=SessionConfig)
    drive: DriveConfig = field(default_factory=DriveConfig)
    motors: MotorsConfig = field(default_factory=MotorsConfig)
    l298n: L298NConfig = field(default_factory=L298NConfig)
    left: SideConfig = field(default_factory=SideConfig)
    right: SideConfig = field(default_factory=SideConfig)
    board: BoardConfig | None = None
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    motor: MotorSections = field(default_factory=MotorSections)
    steering: SteeringConfig = field(default_factory=SteeringConfig)
    esc: EscConfig = field(default_factory=EscConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    hotspot: HotspotConfig = field(default_factory=HotspotConfig)
    tls: TlsConfig = field(default_factory=TlsConfig)
    source: str = "defaults"
    warnings: tuple[str, ...] = ()

    def section(self, name: str) -> Any:
        """Return a section by its name in the file, for example `motor.left`."""
        return functools.reduce(getattr, name.split("."), self)

    def having(self, name: str, /, **values: Any) -> Config:
        """Return the configuration with other values in a section."""
        *outer, inner = name.split(".")
        changed: Any = dataclasses.replace(self.section(name), **values)
        if outer:
            changed = dataclasses.replace(self.motor, **{inner: changed})
        return dataclasses.replace(self, **{(outer or [inner])[0]: changed})


SECTIONS: dict[str, type] = {}
for _name, _kind in get_type_hints(Config).items():
    if _name == "motor":
        SECTIONS |= {f"motor.{motor}": MotorConfig for motor in get_type_hints(MotorSections)}
    elif dataclasses.is_dataclass(_kind := BoardConfig if _name == "board" else _kind):
        SECTIONS[_name] = _kind
