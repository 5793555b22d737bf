"""The configuration: every option declared once, with its default, range, unit and sentence.

`configfile.py` makes the reference table (`picar config-reference`), the checks and their messages from these declarations.

Law: no option switches a safety off; ranges end where safety would.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from dataclasses import field
from typing import Any, Literal

from picar.options import AnyPin, EnablePin, SignalPin, option, pin
from picar.values import Value

BackendName = Literal["auto", "sim", "mock", "lgpio", "gpiozero", "rpigpio"]
TERMINALS = ("ena", "enb", "in1", "in2", "in3", "in4")  # of the L298N, enables first
KindName = Literal["l298n", "l293d", "tb6612", "drv8833", "l9110s", "bts7960", "phase-enable", "esc"]
ChipName = Literal["header", "pca9685"]
LayoutName = Literal["sides", "four", "steer-motor", "steer-servo"]
PairingName = Literal["auto", "on", "local", "off"]
SourceName = Literal["auto", "picamera2", "usb", "sim", "test", "off"]
WhenName = Literal["never", "fallback", "always"]
RangeName = Literal["none", "hcsr04", "vl53l0x", "switch", "sim"]
MeterName = Literal["none", "ina219", "ina226", "ads1115", "max17048"]
ChemistryName = Literal["li-ion", "nimh", "alkaline", "power-bank"]
SizeName = Literal["320x240", "480x360", "640x480", "800x600", "1280x720"]


class ServerConfig(Value):
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


class AccessConfig(Value):
    """Pairing of new browsers."""

    pairing: PairingName = option(
        "auto",
        "Browsers that need the PIN: all (on), all but those of this machine (local), or no browser (off, for a car on its own "
        "hotspot). auto is on on a Pi and local elsewhere.",
    )


class TlsConfig(Value):
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


class SessionConfig(Value):
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


class DriveConfig(Value):
    """The way from sticks to wheel speeds. Speeds are shares of full power."""

    max_speed: float = option(1.0, "Fastest wheel speed.", lo=0.1, hi=1.0)
    accel: float = option(2.5, "Maximum acceleration of a wheel per second.", unit="per s", lo=0.2, hi=20.0)
    decel: float = option(6.0, "Maximum deceleration of a wheel per second.", unit="per s", lo=1.0, hi=50.0)
    deadband: float = option(0.05, "Stick travel around the middle that counts as neutral.", lo=0.01, hi=0.3)
    expo: float = option(0.3, "0 is linear; towards 1 the stick is softer around the middle.", lo=0.0, hi=1.0)
    reverse_pause_s: float = option(
        0.1, "Pause at zero between forward and reverse; it spares the gears.", unit="s", lo=0.1, hi=2.0
    )


class MotorsConfig(Value):
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


class L298NConfig(Value):
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


class BoardConfig(Value):
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


class LayoutConfig(Value):
    """The motors of the car."""

    kind: LayoutName = option(
        "sides",
        "sides: motor.left and motor.right. four: a motor for each wheel, motor.front_left to motor.rear_right. steer-motor: "
        "motor.drive drives, and motor.steer turns the front wheels. steer-servo: motor.drive drives, and a servo steers.",
    )


class MotorConfig(Value):
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


class MotorSections(Value):
    """The sections `[motor.*]`; a layout uses its own motors only."""

    left: MotorConfig = field(default_factory=MotorConfig)
    right: MotorConfig = field(default_factory=MotorConfig)
    front_left: MotorConfig = field(default_factory=MotorConfig)
    rear_left: MotorConfig = field(default_factory=MotorConfig)
    front_right: MotorConfig = field(default_factory=MotorConfig)
    rear_right: MotorConfig = field(default_factory=MotorConfig)
    drive: MotorConfig = field(default_factory=MotorConfig)
    steer: MotorConfig = field(default_factory=MotorConfig)


class SteeringConfig(Value):
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


class EscConfig(Value):
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


class SideConfig(Value):
    """One side's motor."""

    invert: bool = option(False, "Set it if the motor turns the wrong way.")
    trim: float = option(
        1.0,
        "Share of its speed that this side keeps; lower it on the faster side until the car drives straight.",
        lo=0.5,
        hi=1.0,
    )


class CameraConfig(Value):
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


class HotspotConfig(Value):
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


class BatteryConfig(Value):
    """The battery, and the meter that measures its voltage; docs/battery.md."""

    source: MeterName = option("none", "Chip of the meter, on an I2C bus. A max17043 counts as a max17048.")
    address: int = option(0, "I2C address of the meter; 0 for the default of its chip.", lo=0, hi=0x77)
    bus: int = option(1, "I2C bus of the meter; 1 is the one on GPIO 2 and 3.", lo=0, hi=63)
    channel: int = option(0, "Input of the ads1115: 0 to 3 for A0 to A3.", lo=0, hi=3)
    divider: float = option(
        1.0, "Voltage of the battery, divided by the voltage at the input of the meter.", lo=1.0, hi=20.0
    )
    cells: int = option(0, "Number of cells in series; with 0, only the voltage is shown.", lo=0, hi=12)
    chemistry: ChemistryName = option("li-ion", "Kind of the cells. A power bank cannot be measured.")
    shutdown: bool = option(
        False, "Switch the Pi off before an empty li-ion battery is destroyed, after a countdown of 60 s."
    )


class RangeConfig(Value):
    """The distance sensor at the front: it makes the car slow, and stops it in front of an obstacle. docs/obstacle.md."""

    source: RangeName = option(
        "none",
        "The sensor: an HC-SR04, a VL53L0X with the kernel's driver, a switch (bumper, cliff sensor), or the simulated car's.",
    )
    trigger: SignalPin = pin("none", "Pin at TRIG of an HC-SR04.")
    echo: SignalPin = pin("none", "Pin at ECHO of an HC-SR04, behind a voltage divider.")
    switch: SignalPin = pin("none", "Pin of a switch to GND; picar switches its pull-up on.")
    when: Literal["closed", "open"] = option(
        "closed", "When the switch means an obstacle: closed, or open (a broken wire stops the car too)."
    )
    stop_m: float = option(
        0.25, "Distance at which the car stops driving forward.", unit="m", lo=0.05, hi=2.0
    )
    slow_m: float = option(0.8, "Distance from which the car becomes slower.", unit="m", lo=0.1, hi=3.9)
    override: bool = option(True, "Whether the driver may drive past the sensor, slowly and for 10 s.")


class AuxConfig(Value):
    """One light, horn or servo, for example `[aux.horn]`; at most 8. docs/extras.md.

    The pin of a servo is one that `[steering]` allows.
    """

    kind: Literal["toggle", "momentary", "dimmer", "servo"] = option(
        "toggle",
        "On and off (toggle), on while its button is held (momentary), a share of full power (dimmer), or a servo.",
    )
    pin: SignalPin = pin("none", "Its pin.")
    label: str = option("", "Text on its button; empty for the name of the section.")
    icon: Literal["", "light", "horn", "lamp", "servo", "power"] = option("", "Picture on its button.")
    key: str = option("", "Key of a keyboard, like h.")
    button: int = option(-1, "Button of a gamepad, counted from 0; -1 for none.", lo=-1, hi=31)
    safe: Literal["off", "hold"] = option(
        "hold", "What a toggle or a dimmer does when its driver is gone: off, or hold its state."
    )
    max_on_s: float = option(
        5.0, "Longest time for which a momentary output is on.", unit="s", lo=0.1, hi=30.0
    )
    tone_hz: int = option(0, "Tone of a passive buzzer; 0 for a level.", unit="Hz", lo=0, hi=5000)
    follow: Literal["", "reverse", "brake"] = option(
        "", "Switched by the car: on while it drives backwards, or while it brakes. It has no button then."
    )
    axis: Literal["", "pan", "tilt"] = option("", "A servo with an axis is moved by the second stick.")
    left_us: int = option(1000, "Pulse of a servo at -1: left, or down.", unit="µs", lo=500, hi=2500)
    right_us: int = option(2000, "Pulse of a servo at 1: right, or up.", unit="µs", lo=500, hi=2500)
    relax: bool = option(False, "Whether a servo gets no pulses after 1 s at rest: it does not tremble then.")


class LampConfig(Value):
    """A lamp that shows the state of the car: a blink each second at rest, steady while it is driven, fast after a stop."""

    pin: SignalPin = pin("none", "Its pin.")


class RecordingConfig(Value):
    """Recordings of drives, which the driver starts; docs/recording.md."""

    enabled: bool = option(True, "Whether the driver may record.")
    folder: str = option("", "Folder of the recordings; empty for recordings in picar's state directory.")
    max_minutes: int = option(30, "Length at which a recording ends.", unit="min", lo=1, hi=600)
    keep_free_mb: int = option(
        500,
        "Free space below which no recording begins, and a running one ends.",
        unit="MB",
        lo=0,
        hi=1_000_000,
    )
    keep_mb: int = option(
        4000, "Size of all recordings above which the oldest is deleted.", unit="MB", lo=10, hi=1_000_000
    )
    images: bool = option(True, "Whether recordings have the pictures of the camera.")


def _origins() -> Any:
    sentence = "Other pages that may connect, with the address from which the browser loads them."
    return option((), sentence, unit="origin")


class RosbridgeConfig(Value):
    """Programs and pages that speak rosbridge v2, the WebSocket protocol of ROS; docs/clients.md."""

    enabled: bool = option(False, "Whether they may connect: at /rosbridge, and at the port.")
    port: int = option(9090, "TCP port of its own, on the addresses of the page; 0 for none.", lo=0, hi=65535)
    max_linear: float = option(
        0.5,
        "linear.x that is full throttle; the car does not measure its speed.",
        unit="m/s",
        lo=0.01,
        hi=100.0,
    )
    max_angular: float = option(
        2.0, "angular.z that is full steering; the car does not measure it.", unit="rad/s", lo=0.01, hi=100.0
    )
    allowed_origins: tuple[str, ...] = _origins()


class ClassicConfig(Value):
    """Programs that drive like those of the tutorials, by a POST of k=w to the page's address; docs/clients.md."""

    enabled: bool = option(False, "Whether they may drive.")
    speed: float = option(0.6, "Speed of the wheels, a share of max_speed.", lo=0.05, hi=0.6)


class FoxgloveConfig(Value):
    """Foxglove and Lichtblick, which show the car's data live and cannot drive; docs/clients.md."""

    enabled: bool = option(False, "Whether they may connect, at /foxglove.")
    allowed_origins: tuple[str, ...] = _origins()


class FleetConfig(Value):
    """How people tell this car from others."""

    colour: str = option("", "Six hex digits, like ee8866; empty for one of 12 by the car's id.", unit="hex")
    number: int = option(0, "Number on the car; 0 for one by the car's id.", lo=0, hi=99)


class MqttConfig(Value):
    """The MQTT broker of a fleet and of Home Assistant; docs/mqtt.md."""

    url: str = option("", "Address of the broker, like mqtts://broker.lan:8883; empty for none.")
    user: str = option("", "User name at the broker; empty for the car's id.")
    password_file: str = option("", "File with the password; only its owner may read it.")
    ca: str = option("", "File with the CA of the broker's certificate, PEM; empty for the system's CAs.")
    base: str = option("picar", "First part of all topics.")
    home_assistant: bool = option(True, "Whether Home Assistant finds the car.")
    insecure: bool = option(False, "Whether mqtt:// may lead to an address that is not private.")
    allow_raise: bool = option(False, "Whether a command may raise the fleet's speed cap, not only lower it.")


class GarageConfig(Value):
    """The garage page, picar garage; docs/classroom.md. `[mqtt]` of the same file is its broker."""

    port: int = option(8100, "TCP port of the page; 0 takes any free one.", lo=0, hi=65535)
    name: str = option("garage", "Name of the garage; cars list it as Garage: NAME.")
    cars: tuple[str, ...] = option((), "Addresses of cars that mDNS does not find.", unit="car")
    mdns: bool = option(True, "Whether the garage looks for cars by mDNS; it needs the package zeroconf.")


class Config(Value):
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
    battery: BatteryConfig = field(default_factory=BatteryConfig)
    range: RangeConfig = field(default_factory=RangeConfig)
    lamp: LampConfig = field(default_factory=LampConfig)
    recording: RecordingConfig = field(default_factory=RecordingConfig)
    rosbridge: RosbridgeConfig = field(default_factory=RosbridgeConfig)
    classic: ClassicConfig = field(default_factory=ClassicConfig)
    foxglove: FoxgloveConfig = field(default_factory=FoxgloveConfig)
    fleet: FleetConfig = field(default_factory=FleetConfig)
    mqtt: MqttConfig = field(default_factory=MqttConfig)
    garage: GarageConfig = field(default_factory=GarageConfig)
    aux: dict[str, AuxConfig] = field(default_factory=dict)
    source: str = "defaults"
    warnings: tuple[str, ...] = ()

    def section(self, name: str) -> Any:
        """Return a section by its name in the file, for example `motor.left`; `aux.NAME` may be missing."""
        outer, _, inner = name.partition(".")
        if outer == "aux":
            return self.aux.get(inner, AuxConfig())
        return functools.reduce(getattr, name.split("."), self)

    def having(self, name: str, /, **values: Any) -> Config:
        """Return the configuration with other values in a section."""
        *outer, inner = name.split(".")
        changed: Any = dataclasses.replace(self.section(name), **values)
        if outer == ["aux"]:
            changed = self.aux | {inner: changed}
        elif outer:
            changed = dataclasses.replace(self.motor, **{inner: changed})
        return dataclasses.replace(self, **{(outer or [inner])[0]: changed})


MOST_AUX = 8
_AUX_NAME = re.compile(r"aux\.[a-z][a-z0-9_-]{0,15}", re.ASCII)
SECTIONS: dict[str, type] = {}  # without [aux.NAME]
for _name, _section in vars(Config(board=BoardConfig())).items():
    if _name == "motor":
        SECTIONS |= {f"motor.{motor}": MotorConfig for motor in vars(_section)}
    elif isinstance(_section, Value):
        SECTIONS[_name] = type(_section)


def section_type(name: str) -> type | None:
    """Return the declaration of a section by its name in the file, None for an unknown name."""
    return AuxConfig if _AUX_NAME.fullmatch(name) else SECTIONS.get(name)
