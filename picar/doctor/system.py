"""The machine and its system: model, operating system, behaviour of the pins, watchdog, power, service, clock."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Iterator

from picar.access.content import Content
from picar.access.identity import board
from picar.access.locations import resting
from picar.access.store import FILE
from picar.config import Config
from picar.doctor import bootconfig
from picar.doctor.machine import Finding, Machine
from picar.files import read_small
from picar.program import command
from picar.sensors.host import SINCE_BOOT, THROTTLED, UNDER_VOLTAGE, Sources, throttle_bits, voltage_is_low
from picar.wiring.plan import plan
from picar.wiring.text import WORDS, needs

_PARAMETERS = "sys/module/pinctrl_*/parameters/persist_gpio_outputs"
_SHORT_HEADER = re.compile(r"Raspberry Pi Model [AB] Rev")  # the first ones: 26 pins
_WATCHDOG_FILE = "/etc/systemd/system.conf.d/watchdog.conf"
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "Result")
_LOG = "journalctl -u picar -n 20 --no-pager"
_MANY_RESTARTS = 3
_MORE_POWER = (
    "give the Pi a supply of its own (5 V, 3 A; 5 A for a Pi 5) with a short thick cable, the motors another; "
    "a lower accel under [drive] draws less at once"
)


def model(name: str | None) -> Finding:
    """Return the model."""
    if name is None:
        return Finding("machine", "ok", f"{platform.system()} on {platform.machine()}, no Raspberry Pi")
    if _SHORT_HEADER.match(name):
        fix = "use a Pi with 40 pins (any since 2014)"
        return Finding("machine", "problem", f"{name}: its header has 26 pins, not 40", fix)
    return Finding("machine", "ok", name)


def system(machine: Machine, name: str | None) -> Finding:
    """Examine the operating system."""
    text = machine.text("etc/os-release", "usr/lib/os-release")
    if text is None:
        return Finding("system", "ok", f"{platform.system()} {platform.release()}")
    words = dict(_assignments(text))
    told = words.get("PRETTY_NAME", "a Linux without a name")
    debian = words.get("ID") in ("debian", "raspbian")
    version = words.get("VERSION_ID", "")
    if debian and version.isdecimal() and int(version) < 12:
        fix = "write a new SD card with Raspberry Pi Imager: Raspberry Pi OS (Bookworm or newer)"
        return Finding("system", "problem" if name else "warning", f"{told}: older than picar supports", fix)
    if name and not debian:
        message, fix = f"{told}: picar was made for Raspberry Pi OS", "if the pins do not work, use that"
        return Finding("system", "warning", message, fix)
    return Finding("system", "ok", told)


def card(machine: Machine) -> Iterator[Finding]:
    """Examine whether the car's card was first used in another Pi; nothing if its list cannot be read here."""
    pi = board(machine.root)
    try:
        content = Content.parse(read_small(resting() / FILE))
    except (OSError, ValueError):
        return
    if content.is_moved_to(pi):
        fix = f"nothing, if the card was moved; if it is a copy: {command('pair --new-identity', sudo=True)}"
        told = "This card was used in another Pi. Phones stay paired, and the car has another id"
        yield Finding("card", "warning", told, f"{fix} (then all must pair again)")
    announced = re.search(r"id=(\w+)", machine.text("etc/avahi/services/picar.service") or "")
    if announced and announced[1] != content.id_in(pi):
        told = "the network announces another id of the car"
        yield Finding("card", "warning", told, "sudo scripts/install")


def what_a_pi_needs(settings: Config) -> Finding:
    """Return the list of everything that a Pi would need with this configuration."""
    drawn = plan(settings)
    resistors = drawn.all_of("resistors")
    each = "each of " if len(resistors) > 1 else ""
    wired = f"10 kOhm from {each}{', '.join(resistors)} to ground, and " if resistors else ""
    return Finding(
        "on a Pi",
        "ok",
        "not checked here; a Raspberry Pi would need\n"
        "Raspberry Pi OS, Bookworm or newer: sudo apt install git python3-venv python3-lgpio\n"
        "dtparam=strict_gpiod in /boot/firmware/config.txt, and RuntimeWatchdogSec=10 in /etc/systemd/system.conf\n"
        + "".join(f"{need}\n" for need in needs(drawn, WORDS["en"]))
        + f"{wired}WiFi power saving off",
    )


def strict_gpiod(machine: Machine, name: str) -> Finding:
    """Examine whether pins fall when the program that drove them is gone (raspberrypi/linux PR 6117)."""
    state = machine.text(*machine.find(_PARAMETERS))
    wanted = bootconfig.has_parameter(
        bootconfig.lines(machine.text(*bootconfig.PATHS) or "", name), "strict_gpiod"
    ) or "persist_gpio_outputs=n" in (machine.text("boot/firmware/cmdline.txt", "boot/cmdline.txt") or "")
    if state in ("N", "0"):
        return Finding("strict_gpiod", "ok", "on: a pin falls when the program that drove it is gone")
    if wanted and state in ("Y", "1"):
        return Finding("strict_gpiod", "warning", "set, but not in force until the next start", "sudo reboot")
    if wanted:
        return Finding(
            "strict_gpiod", "ok", "set in config.txt; whether the kernel knows it cannot be seen here"
        )
    file = bootconfig.file_of(machine)
    message = "off: a pin stays as it was when both of picar's processes are killed at once"
    fix = rf"printf '\n[all]\ndtparam=strict_gpiod\n' | sudo tee -a {file} && sudo reboot"
    return Finding("strict_gpiod", "warning", message, fix)


def watchdog(machine: Machine) -> Finding:
    """Examine whether a Pi whose kernel hangs is restarted."""
    if not machine.find("dev/watchdog*"):
        message = "this machine has none: a kernel that hangs hangs for good"
        return Finding("watchdog", "warning", message, "pull its plug when it does")
    answer = machine.ask("systemctl", "show", "--property=RuntimeWatchdogUSec", "--value")
    told = answer.out if answer and answer.code == 0 else ""
    if told and told not in ("0", "infinity"):
        return Finding("watchdog", "ok", f"restarts a Pi that hangs (systemd feeds it, {told})")
    setting = shlex.quote(r"[Manager]\nRuntimeWatchdogSec=10\n")
    return Finding(
        "watchdog",
        "warning",
        "off: a Pi whose kernel hangs is not restarted, and its pins stay as they are",
        f"sudo mkdir -p {_WATCHDOG_FILE.rpartition('/')[0]} && printf {setting} | sudo tee {_WATCHDOG_FILE} "
        "&& sudo systemctl daemon-reexec",
    )


def power(machine: Machine) -> Finding:
    """Examine under-voltage, now and since the last start: it resets a Pi when its motors start."""
    sources = Sources.of(machine)
    bits = _told_by_vcgencmd(machine)
    bits = throttle_bits(machine, sources) if bits is None else bits
    low = voltage_is_low(machine, sources, bits)
    if low is None:
        return Finding("power", "warning", "cannot be read here", _way_to_read_power(machine))
    if low:
        return Finding("power", "problem", "the Pi gets too little voltage right now", _MORE_POWER)
    if bits is None:
        return Finding("power", "ok", "no under-voltage now; what was before is not known")
    if bits & UNDER_VOLTAGE << SINCE_BOOT:
        return Finding("power", "warning", "the Pi got too little voltage since it started", _MORE_POWER)
    if bits & (THROTTLED | THROTTLED << SINCE_BOOT):
        when = "is" if bits & THROTTLED else "was"
        return Finding(
            "power", "warning", f"the Pi {when} slowed down because it is hot", "give it air, or a heat sink"
        )
    return Finding("power", "ok", "no under-voltage since the last start")


def _way_to_read_power(machine: Machine) -> str:
    if machine.ask("vcgencmd", "get_throttled") is None:
        return "sudo apt install raspi-utils, which has vcgencmd"
    if machine.is_root:  # root needs no group
        return "start the kernel of Raspberry Pi OS; in a container, allow it /dev/vcio"
    return "sudo usermod -aG video $USER, then log in again"


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator:
            yield name, value.strip("\"'")


def _told_by_vcgencmd(machine: Machine) -> int | None:
    answer = machine.ask("vcgencmd", "get_throttled")
    found = re.search(r"throttled=0x([0-9a-fA-F]+)", answer.out) if answer and answer.code == 0 else None
    return int(found[1], 16) if found else None


def service(machine: Machine) -> Finding:
    """Examine the state of the service in systemd."""
    if not machine.has("run/systemd/system"):
        return Finding("service", "ok", "not looked at: this machine does not run systemd")
    answer = machine.ask("systemctl", "show", "picar", *(f"--property={name}" for name in _PROPERTIES))
    if answer is None or answer.code != 0:
        return Finding("service", "warning", "systemctl does not answer", "systemctl status picar")
    state = dict(line.partition("=")[::2] for line in answer.out.splitlines())
    if state.get("LoadState") == "not-found":
        return Finding(
            "service", "ok", "not installed; sudo scripts/install makes the car start with the machine"
        )
    return _installed(state)


def _installed(state: dict[str, str]) -> Finding:
    active, enabled = state.get("ActiveState"), state.get("UnitFileState")
    restarts = state.get("NRestarts", "0")
    if state.get("LoadState") == "masked":
        return Finding("service", "problem", "it is masked: it cannot start", "sudo systemctl unmask picar")
    if active == "failed" or state.get("SubState") == "auto-restart":
        why = state.get("Result", "unknown")
        return Finding(
            "service", "problem", f"it does not run ({why}, restarted {restarts} times)", f"read why: {_LOG}"
        )
    if active != "active":
        return Finding("service", "warning", f"installed, and {active}", "sudo systemctl enable --now picar")
    if enabled not in ("enabled", "enabled-runtime"):
        return Finding(
            "service", "warning", "runs, but does not start with the machine", "sudo systemctl enable picar"
        )
    if restarts.isdecimal() and int(restarts) >= _MANY_RESTARTS:
        return Finding(
            "service", "warning", f"runs, and had to be restarted {restarts} times", f"read why: {_LOG}"
        )
    return Finding("service", "ok", "runs, and starts with the machine")


def clock(machine: Machine) -> Finding:
    """Examine whether the clock is set. It matters for the times in the log, and for certificates; driving does not use it."""
    answer = machine.ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    told = answer.out if answer and answer.code == 0 else ""
    if told == "yes" or machine.has("run/systemd/timesync/synchronized"):
        return Finding("clock", "ok", "set by the network")
    if told == "no":
        message = "not set by the network: the times in the log may be wrong (the car does not mind), and https goes by the phones' clocks"
        return Finding(
            "clock", "warning", message, "connect to the Internet once, then: sudo timedatectl set-ntp true"
        )
    return Finding("clock", "ok", "its setting cannot be seen here; only the log and https use it")
