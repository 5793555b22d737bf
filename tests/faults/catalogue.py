"""Every fault: its name, its bound, and what it does to a car at full throttle.

A fault calls `rig.hit()` at the moment it strikes, returns when it has done all it does, and leaves the judging to others.
The bounds are those of the ladder in docs/safety.md.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from tests.faults import brokers, buses, deaths, guests, hats, links
from tests.faults.boards import TITLES
from tests.faults.bridges import bridged
from tests.faults.cameras import OUT_OF_MEMORY, Act, watched
from tests.faults.garages import HANG, shown
from tests.faults.lessons import cut_on_the_ramp, guest_time_over, held, held_and
from tests.faults.recordings import motor_killed_on_a_frozen_disk, recorded
from tests.faults.sensed import sensed

LINK_S = 0.5 + 0.05  # from the last command that was sent before the fault
DEATH_S = buses.DEATH_S  # from the fault
STUCK_S = 0.5 + 0.1
SILENT_PAD_S = 4.0 + LINK_S  # from the gamepad's last report
HELD_LINK_S = (
    LINK_S + buses.CALL_S
)  # where the motors are on the bus that is held: one call fails before OE goes high
CHECKED_S = (
    buses.CHECK_S + buses.CALL_S + DEATH_S
)  # where nothing is written, and the chip is read once a second
BOTH_DEAD_S = 1.0  # the ladder says "time to start Python"; a pins-low that took longer would be broken

QUICK, SLOW = 20.0, 1.0  # per s: from full speed to zero in 0.05 s, and in 1 s
HOLD_S = 1.0 / QUICK + DEATH_S

Since = Literal["command", "fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    `bound_s` counts from the last command before the fault, or from the fault itself. None: the car is at rest already
    and must never move. `oddity` is a patch of `odd.py`; `full_disk` puts the trace onto /dev/full,
    `hanging_disk` onto a disk that can be frozen; `browser` needs Chromium;
    `secure`: the car has https too; `rosbridge`: it admits guests; `only_switch`: nothing but the switch of the battery stops the motors, which the fault itself checks;
    `may_stop_early`: what is done before it counts as struck may stop the car already; `board` is a car of `boards.py` or `hats.py`;
    `horn`: the driver holds a horn too, which must be silent within the same bound;
    `decel`: of the ramps, per s;
    `records`: where recordings are written, if not in the state directory: onto a disk that can be frozen, or nowhere;
    `broker`: the kind of MQTT broker that the car has, see `brokers.py`.
    """

    name: str
    what: str
    act: Act
    bound_s: float | None = LINK_S
    since: Since = "command"
    oddity: str = ""
    full_disk: bool = False
    hanging_disk: bool = False
    browser: bool = False
    may_stop_early: bool = False
    secure: bool = False
    rosbridge: bool = False
    board: str = ""
    only_switch: bool = False
    horn: bool = False
    records: Literal["", "disk", "nowhere"] = ""
    decel: float = QUICK
    broker: str = ""


FAULTS = (
    Fault("link-cut", "the link is cut, without a FIN", links.link_cut),
    Fault("half-open", "the driver's end closes, and the car gets no notice", links.link_half_open),
    Fault("stall-burst", "the link stalls for 5 s, then delivers it all in one burst", links.stall_and_burst),
    Fault(
        "stall-rearm",
        "the link stalls, and delivers while a new command would move the car",
        links.stall_in_rearm,
    ),
    Fault("slow-cut", "a link with a round-trip time of 0.24 s is cut", links.slow_and_cut),
    Fault("replay", "full throttle is delivered again after a zero", links.replayed, None),
    Fault("late-reset", "a reset arrives after a newer stop", links.late_reset, None),
    Fault("late-take", "a request for the wheel arrives after a newer stop", links.late_take, None),
    Fault(
        "guessed-ticks",
        "5 s of commands with guessed ticks are on the way, and no more follow",
        links.guessed_ticks,
    ),
    Fault("page-hung", "the page hangs: sends nothing, answers pings", links.page_hung),
    Fault(
        "pad-out-of-reach",
        "the gamepad reports nothing more, its stick held, in Chromium",
        links.pad_out_of_reach,
        SILENT_PAD_S,
        "fault",
        browser=True,
    ),
    Fault("jog-half-open", "one motor is jogged, and the client vanishes", links.jog_half_open),
    Fault("client-killed", "the client is killed (SIGKILL)", links.client_killed),
    Fault("clean-close", "the driver's connection is closed", links.clean_close, DEATH_S, "fault"),
    Fault("turn-over", "the driver's turn is over", links.turn_over, DEATH_S, "fault", oddity="hasty"),
    Fault("guest-link-cut", "the link of a rosbridge guest is cut", guests.link_cut, rosbridge=True),
    Fault(
        "guest-pongs",
        "a rosbridge guest dies with pongs and commands written in advance",
        guests.pongs_in_advance,
        LINK_S,
        "fault",
        rosbridge=True,
    ),
    Fault(
        "guest-closed",
        "the connection of a rosbridge guest is closed",
        guests.closed,
        DEATH_S,
        "fault",
        rosbridge=True,
    ),
    Fault(
        "python-stopped",
        "a program with `picar.client` is stopped (SIGSTOP)",
        guests.program_stopped,
        LINK_S,
        "fault",
    ),
    Fault("flood", "another client floods the server, and the driver's link is cut", links.flooded),
    Fault(
        "big-heads",
        "32 unpaired clients send the costliest heads, and the link is cut",
        links.big_heads,
    ),
    Fault(
        "handshakes",
        "32 unpaired clients shake hands with https, whole and half, and the link is cut",
        links.handshakes,
        secure=True,
    ),
    Fault("loop-blocked", "server: its event loop is blocked for 2 s", deaths.server_hung, oddity="blocks"),
    Fault("gil-held", "server: a C call holds the GIL for 2 s", deaths.server_hung, oddity="gil"),
    Fault("server-stopped", "server: SIGSTOP, SIGCONT after 2 s", deaths.server_stopped),
    Fault("server-killed", "server: SIGKILL", deaths.server_killed, DEATH_S, "fault"),
    Fault("no-fds", "server: out of descriptors, and the link is cut", deaths.no_descriptors),
    Fault(
        "crowded",
        "server: others take all descriptors, and the motor process is killed",
        deaths.crowded_no_motor,
        DEATH_S,
        "fault",
        oddity="needy",
    ),
    Fault("no-memory", "server: out of memory, and the link is cut", deaths.no_memory, may_stop_early=True),
    Fault("motor-killed", "motor process: SIGKILL", deaths.motor_killed, DEATH_S, "fault"),
    Fault("motor-stopped", "motor process: SIGSTOP, no SIGCONT", deaths.motor_stopped, STUCK_S, "fault"),
    Fault(
        "motor-stopped-cut",
        "motor process: SIGSTOP, and the link is cut",
        deaths.motor_stopped_and_cut,
        STUCK_S,
        "fault",
    ),
    Fault("motor-paused", "motor process: SIGSTOP, SIGCONT after 2 s", deaths.motor_paused, STUCK_S, "fault"),
    Fault("both-killed", "both: SIGKILL, then `picar pins-low`", deaths.both_killed, BOTH_DEAD_S, "fault"),
    Fault("sigterm", "SIGTERM", deaths.terminated, DEATH_S, "fault"),
    Fault("sigint", "SIGINT to the process group", deaths.interrupted, DEATH_S, "fault"),
    Fault("sighup", "SIGHUP", deaths.hung_up, DEATH_S, "fault"),
    Fault(
        "clock-forward",
        "the wall clock steps an hour forward, then the link is cut",
        deaths.clock_stepped,
        oddity="forward",
    ),
    Fault(
        "clock-back",
        "the wall clock steps an hour back, then the link is cut",
        deaths.clock_stepped,
        oddity="back",
    ),
    Fault(
        "pin-raises",
        "the link is cut, and writing a pin low raises an error",
        deaths.pin_raises,
        oddity="stuck",
    ),
    Fault("trace-full", "the trace is on a full disk, and the link is cut", links.link_cut, full_disk=True),
    Fault(
        "trace-frozen",
        "the trace is on a disk that hangs, and the link is cut",
        deaths.trace_frozen,
        hanging_disk=True,
    ),
    Fault(
        "trace-frozen-dead",
        "the trace is on a disk that hangs; motor process: SIGKILL",
        deaths.trace_frozen_no_motor,
        DEATH_S,
        "fault",
        hanging_disk=True,
    ),
    Fault("camera-cut", "two clients watch the camera, and the link is cut", watched(links.link_cut)),
    Fault(
        "camera-stopped",
        "camera process: SIGSTOP, and the link is cut",
        watched(links.link_cut, number=signal.SIGSTOP),
    ),
    Fault(
        "camera-killed",
        "camera process: SIGKILL, and the link is cut",
        watched(links.link_cut, number=signal.SIGKILL, logged=OUT_OF_MEMORY),
    ),
    Fault(
        "camera-garbage",
        "the camera process sends garbage, and the link is cut",
        watched(links.link_cut, logged="sent something that is no picture"),
        oddity="camera-garbage",
    ),
    Fault(
        "camera-eater",
        "the camera process takes a whole processor, and the link is cut",
        watched(links.link_cut, logged="an odd camera: eater"),
        oddity="camera-eater",
    ),
    Fault(
        "camera-leak",
        "the camera process leaks memory up to its limit, and the link is cut",
        watched(links.link_cut, logged=OUT_OF_MEMORY),
        oddity="camera-leak",
    ),
    Fault(
        "camera-server-dead",
        "two clients watch the camera; server: SIGKILL",
        watched(deaths.server_killed),
        DEATH_S,
        "fault",
    ),
    Fault(
        "camera-hung-dead",
        "camera process: SIGSTOP; server: SIGKILL",
        watched(deaths.server_killed, number=signal.SIGSTOP),
        DEATH_S,
        "fault",
    ),
    Fault(
        "camera-deaf",
        "the camera process ignores end-of-file and SIGTERM; server: SIGKILL",
        watched(deaths.server_killed),
        DEATH_S,
        "fault",
        oddity="camera-deaf",
    ),
    Fault(
        "camera-motor-dead",
        "two clients watch the camera; motor process: SIGKILL",
        watched(deaths.motor_killed),
        DEATH_S,
        "fault",
    ),
    Fault(
        "camera-floods",
        "50 pictures of 1 MiB a second; motor process: SIGKILL",
        watched(deaths.motor_killed),
        DEATH_S,
        "fault",
        oddity="camera-big",
    ),
    Fault(
        "range-dead-cut",
        "the distance sensor is silent, and the link is cut",
        sensed(links.link_cut),
        oddity="range-dead",
    ),
    Fault(
        "range-high-cut",
        "ECHO of the distance sensor stays high, and the link is cut",
        sensed(links.link_cut),
        oddity="range-high",
    ),
    Fault(
        "range-noisy-cut",
        "ECHO of the distance sensor is noise, and the link is cut",
        sensed(links.link_cut),
        oddity="range-noisy",
    ),
    Fault(
        "range-noisy-server-dead",
        "ECHO of the distance sensor is noise; server: SIGKILL",
        sensed(deaths.server_killed),
        DEATH_S,
        "fault",
        oddity="range-noisy",
    ),
    Fault(
        "range-noisy-motor-dead",
        "ECHO of the distance sensor is noise; motor process: SIGKILL",
        sensed(deaths.motor_killed),
        DEATH_S,
        "fault",
        oddity="range-noisy",
    ),
    Fault(
        "laser-hung-cut",
        "the process that reads a VL53L0X: SIGSTOP, and the link is cut",
        sensed(links.link_cut, number=signal.SIGSTOP),
        oddity="range-laser-hung",
    ),
    Fault(
        "laser-hung-motor-dead",
        "the process that reads a VL53L0X: SIGSTOP; motor process: SIGKILL",
        sensed(deaths.motor_killed, number=signal.SIGSTOP),
        DEATH_S,
        "fault",
        oddity="range-laser-hung",
    ),
    Fault(
        "laser-killed-server-dead",
        "the process that reads a VL53L0X: SIGKILL; server: SIGKILL",
        sensed(deaths.server_killed, number=signal.SIGKILL),
        DEATH_S,
        "fault",
        oddity="range-laser-killed",
    ),
    Fault("record-cut", "the driver records, and the link is cut", recorded(links.link_cut)),
    Fault(
        "record-server-dead",
        "the driver records; server: SIGKILL",
        recorded(deaths.server_killed),
        DEATH_S,
        "fault",
    ),
    Fault(
        "record-motor-dead",
        "the driver records; motor process: SIGKILL",
        recorded(deaths.motor_killed),
        DEATH_S,
        "fault",
    ),
    Fault(
        "recorder-killed",
        "recorder: SIGKILL, and the link is cut",
        recorded(links.link_cut, number=signal.SIGKILL),
    ),
    Fault(
        "recorder-stopped",
        "recorder: SIGSTOP; server: SIGKILL",
        recorded(deaths.server_killed, number=signal.SIGSTOP),
        DEATH_S,
        "fault",
    ),
    Fault(
        "record-frozen",
        "the recording is on a disk that hangs, and the link is cut",
        recorded(links.link_cut, "frozen"),
        records="disk",
    ),
    Fault(
        "record-frozen-dead",
        "the recording is on a disk that hangs; motor process: SIGKILL",
        recorded(motor_killed_on_a_frozen_disk, "frozen"),
        DEATH_S,
        "fault",
        records="disk",
    ),
    Fault(
        "record-full",
        "the disk of the recording is full, and the link is cut",
        recorded(links.link_cut, "full"),
        records="disk",
    ),
    Fault(
        "record-nowhere",
        "the recording cannot be written, and the link is cut",
        recorded(links.link_cut, "unwritable"),
        records="nowhere",
    ),
    Fault("held", "a garage holds the car, and its driver keeps the stick", held, HOLD_S, "fault"),
    Fault("held-slow", "a garage holds a car with a ramp of 1 s: the deadline ends it", held, decel=SLOW),
    Fault(
        "held-cut",
        "a garage holds the car, and on its ramp the link is cut",
        held_and(cut_on_the_ramp),
        decel=SLOW,
    ),
    Fault(
        "held-server-dead",
        "a garage holds the car; on its ramp server: SIGKILL",
        held_and(deaths.server_killed),
        DEATH_S,
        "fault",
        decel=SLOW,
    ),
    Fault(
        "held-motor-dead",
        "a garage holds the car; on its ramp motor process: SIGKILL",
        held_and(deaths.motor_killed),
        DEATH_S,
        "fault",
        decel=SLOW,
    ),
    Fault(
        "guest-time-over",
        "the time of a garage's guest is over, who drives",
        guest_time_over,
        LINK_S,
        "fault",
        oddity="hasty",
    ),
    Fault("restart", "server: SIGKILL, and started again within 100 ms", deaths.restarted, DEATH_S, "fault"),
)
WITH_A_HORN = (
    *("link-cut", "stall-burst", "page-hung", "server-stopped", "server-killed"),
    *("motor-killed", "motor-stopped", "motor-stopped-cut", "both-killed", "sigterm"),
)
HORN_FAULTS = tuple(
    replace(fault, name=f"horn/{fault.name}", what=f"with a held horn; {fault.what}", horn=True)
    for fault in FAULTS
    if fault.name in WITH_A_HORN
)
ON_OTHER_BOARDS = ("link-cut", "server-killed", "motor-killed", "motor-stopped-cut", "both-killed")
BOARD_FAULTS = tuple(
    replace(fault, name=f"{board}/{fault.name}", what=f"{title}; {fault.what}", board=board)
    for board, title in TITLES.items()
    for fault in FAULTS
    if fault.name in ON_OTHER_BOARDS
)


def _on(
    cars: str, name: str, what: str, act: Act, bound_s: float | None, since: Since = "fault"
) -> list[Fault]:
    return [
        Fault(
            f"{board}/{name}",
            f"{hats.TITLES[board]}; {what}",
            act,
            bound_s,
            since,
            board=board,
            only_switch=bound_s is None,
        )
        for board in cars.split()
    ]


_BOTH = next(fault.what for fault in FAULTS if fault.name == "both-killed")
_HELD = "the bus is held"
_HELD_CUT, _HELD_DEAD = f"{_HELD}, and the link is cut", f"{_HELD}; motor process: SIGKILL"
_HELD_LATE = f"{_HELD_CUT}: a call waits for the bus at the deadline"
_HELD_ORPHAN = f"{_HELD}; server: SIGKILL while a call waits for the bus"
_HELD_GONE = f"{_HELD}; both: SIGKILL, then `picar pins-low`"
_BOOT = "the Pi restarts, then `picar pins-low`"
HAT_FAULTS = (
    *(
        replace(fault, name=f"{board}/{fault.name}", what=f"{title}; {fault.what}", board=board)
        for board, title in hats.TITLES.items()
        for fault in FAULTS
        if fault.name in ON_OTHER_BOARDS[:-1]
    ),
    *_on("hat-oe hat esc-oe", "both-killed", _BOTH, buses.both_killed_drives_on, BOTH_DEAD_S),
    *_on("servo-chip servo-pwm", "both-killed", _BOTH, deaths.both_killed, BOTH_DEAD_S),
    *_on("esc", "pwm-left-on", _BOTH, buses.pwm_left_on, BOTH_DEAD_S),
    *_on("hat-oe servo-chip esc-oe", "bus-held", _HELD, buses.bus_held, CHECKED_S),
    *_on("hat-oe esc-oe", "bus-held-cut", _HELD_CUT, buses.bus_held_cut, HELD_LINK_S, "command"),
    *_on("servo-chip", "bus-held-cut", _HELD_CUT, buses.bus_held_cut, LINK_S, "command"),
    *_on("servo-chip", "bus-held-late", _HELD_LATE, buses.bus_held_late, LINK_S, "command"),
    *_on("hat-oe servo-chip esc-oe", "bus-held-dead", _HELD_DEAD, buses.bus_held_motor_killed, DEATH_S),
    *_on(
        "hat-oe servo-chip esc-oe", "bus-held-orphan", _HELD_ORPHAN, buses.bus_held_server_killed, buses.OFF_S
    ),
    *_on("hat-oe servo-chip esc-oe", "bus-held-gone", _HELD_GONE, buses.bus_held_all_dead, BOTH_DEAD_S),
    *_on("hat", "bus-held", _HELD, buses.bus_held_switch, None),
    *_on("hat", "bus-held-cut", _HELD_CUT, buses.bus_held_cut_switch, None),
    *_on("hat", "bus-held-dead", _HELD_DEAD, buses.bus_held_motor_killed_switch, None),
    *_on("hat", "bus-held-gone", _HELD_GONE, buses.bus_held_all_dead_switch, None),
    *_on("hat-oe hat esc-oe", "brown-out", "the chip restarts", buses.browned_out, DEATH_S),
    *_on("servo-chip", "brown-out", "the chip restarts", buses.browned_out, CHECKED_S),
    *_on("hat-oe hat esc-oe", "boot", _BOOT, buses.boot, BOTH_DEAD_S),
)


def _beside(name: str, what: str, kind: str = brokers.GOOD, **faults: Any) -> list[Fault]:
    """Return the faults in which the car has a bridge to a broker."""
    return _with_ends(name, what, lambda end: bridged(end, kind, **faults), kind)


def _shown(name: str, what: str, number: signal.Signals | None = None) -> list[Fault]:
    """Return the faults in which a garage shows the car, by a broker too."""
    return _with_ends(name, what, lambda end: shown(end, number), brokers.GOOD)


def _with_ends(name: str, what: str, act: Callable[[Act], Act], kind: str) -> list[Fault]:
    cut, dead = act(links.link_cut), act(deaths.server_killed)
    return [
        Fault(f"{name}-cut", f"{what}, and the link is cut", cut, broker=kind),
        Fault(f"{name}-dead", f"{what}; server: SIGKILL", dead, DEATH_S, "fault", broker=kind),
    ]


FLEET_FAULTS = (
    *_beside("bridge", "a bridge reports to an MQTT broker"),
    *_beside("bridge-stopped", "bridge: SIGSTOP", bridge=signal.SIGSTOP),
    *_beside("bridge-killed", "bridge: SIGKILL", bridge=signal.SIGKILL),
    *_beside("bridge-leaks", "the bridge leaks memory up to its limit", leaks=True),
    *_beside("broker-stopped", "broker: SIGSTOP", broker=signal.SIGSTOP),
    *_beside("broker-killed", "broker: SIGKILL", broker=signal.SIGKILL),
    *_beside("broker-full", "the broker's disk is full", brokers.FULL),
    *_beside("broker-password", "the broker refuses the bridge's password", brokers.PASSWORD),
    *_beside("broker-expired", "the broker's certificate has expired", brokers.EXPIRED),
    *_shown("garage", "a garage shows the car by both ways"),
    *_shown("garage-stopped", "garage: SIGSTOP", signal.SIGSTOP),
    *_shown("garage-killed", "garage: SIGKILL", signal.SIGKILL),
    *_shown("garage-hung", "the garage hangs in a loop", HANG),
)
