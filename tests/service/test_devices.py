"""What the service may open, seen from inside its unit, for boards with and without a PCA9685 and the kernel's PWM.

The machine has nodes of I2C buses without a bus: to open one fails with ENXIO where the unit allows it. Its folder of PWM
chips is a stand-in, with the owner and the mode that the udev rules of Raspberry Pi OS give.
Run them as root with `scripts/test tests/service -m systemd`; what they need is in machine.py.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.service.cars import CARS
from tests.service.installed import CONFIG, DRIVEN, PATIENCE_S, UNIT, Service
from tests.support.waiting import until

pytestmark = pytest.mark.systemd

EARLY = "picar-pins-low.service"
LOOK = "/usr/local/bin/look"
OPENED = "ENXIO"
NODES = {"/dev/i2c-1": "0660", "/dev/i2c-2": "0666"}
_LOOK = f"""#!/usr/bin/python3
import errno, grp, json, os, sys
def tried(path, flags):
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "opened"
print(json.dumps({{
    "when": sys.argv[1],
    "groups": [grp.getgrgid(group).gr_name for group in os.getgroups()],
    "buses": [tried(node, os.O_RDWR) for node in {list(NODES)}],
    "export": tried("/sys/class/pwm/pwmchip0/export", os.O_WRONLY),
    "read-only": [path for path in ("/sys/devices/platform", "/sys/kernel", "/sys/devices/system")
                  if os.statvfs(path).f_flag & os.ST_RDONLY],
}}))
"""
_DEVICES = "\n".join(
    [
        *(f"mknod -m {mode} {node} c 89 {node[-1]} && chgrp i2c {node}" for node, mode in NODES.items()),
        "sed 's/^Character.*/&\\n 89 i2c/' /proc/devices >/root/devices && mount --bind /root/devices /proc/devices",
        "mount -t tmpfs none /sys/class && mkdir -p /sys/class/pwm/pwmchip0",
        "mount -o remount,bind,rw /sys",  # as on a Pi; systemd-nspawn has it read-only
        "cd /sys/class/pwm/pwmchip0 && touch export && chgrp gpio export && chmod 0660 export",
    ]
)


@pytest.fixture(scope="module")
def inside(service: Service) -> Service:
    """The service on a machine with these devices; its unit looks at them after each start and after each end."""
    machine = service.machine
    machine.run("groupadd", "--system", "--force", "i2c")
    machine.run("sh", "-euc", _DEVICES)
    machine.write(LOOK, _LOOK)
    machine.run("chmod", "755", LOOK)
    probe = f"[Service]\nExecStartPost={LOOK} start\nExecStopPost={LOOK} end\n"
    machine.write(f"/etc/systemd/system/{UNIT}.d/probe.conf", probe)
    machine.run("systemctl", "daemon-reload")
    return service


def configure(service: Service, car: str) -> None:
    server = f'[server]\nport = {service.port}\nhost = "127.0.0.1"\n'
    service.machine.write(CONFIG, server + CARS[car][0])


async def seen(service: Service, verb: str, when: str) -> dict[str, Any]:
    """Start, restart or stop the service. Returns what its unit has seen then."""
    since = time.time()
    await service.run("systemctl", verb, UNIT)
    found: list[dict[str, Any]] = []

    def look() -> bool:
        lines = [json.loads(line) for line in service.journal(since) if line.startswith('{"when"')]
        found[:] = [line for line in lines if line["when"] == when]
        return bool(found)

    await until(look, "a look from inside")
    return found[-1]


@pytest.mark.parametrize("verb", ["restart", "start"])
@pytest.mark.parametrize("car", ["hat", "default", "servo", "servo-beside-a-chip", "esc"])
async def test_a_board_may_open_what_it_needs_and_nothing_else(inside: Service, car: str, verb: str) -> None:
    if verb == "start":
        await inside.run("systemctl", "stop", UNIT)
    configure(inside, car)
    what, needs = await seen(inside, verb, "start"), " ".join(CARS[car][1])
    bus, pwm = "i2c" in needs, "/sys/class/pwm" in needs
    assert ("i2c" in what["groups"]) == bus
    assert what["buses"] == ([OPENED, OPENED] if bus else ["EACCES", "EPERM"]), "no group, no device"
    assert what["read-only"] == ["/sys/devices/platform"] * (not pwm) + ["/sys/kernel", "/sys/devices/system"]
    assert (what["export"] == "opened") == pwm
    state = inside.machine.run("systemctl", "is-enabled", EARLY, check=False).stdout.strip()
    assert state == ("enabled" if bus else "disabled")
    assert inside.show("NRestarts") == "0"


async def test_after_the_end_the_pins_are_made_low_with_the_devices_of_the_board_that_drove(
    inside: Service,
) -> None:
    configure(inside, "hat")
    await inside.start()
    configure(inside, "default")
    assert (await seen(inside, "stop", "end"))["buses"] == [OPENED, OPENED]
    assert not inside.machine.path(DRIVEN).exists()


async def test_an_upgrade_leaves_the_devices_of_the_car_that_runs(inside: Service) -> None:
    configure(inside, "hat")
    await inside.start()
    since = time.time()
    assert inside.install().startswith("0\n")
    looks = [json.loads(line) for line in inside.journal(since) if line.startswith('{"when"')]
    assert [(look["when"], look["buses"]) for look in looks] == [
        (when, [OPENED] * 2) for when in ("end", "start")
    ]


async def test_motors_that_ran_through_a_restart_are_stopped_before_the_network(inside: Service) -> None:
    configure(inside, "hat")
    await inside.start()
    machine = inside.machine
    machine.run("systemctl", "reboot", check=False)
    await until(lambda: machine.ended() == "reboot", "a reboot", PATIENCE_S)
    machine.boot()
    await until(lambda: inside.show("ActiveState") == "active", "the service by itself", PATIENCE_S)
    assert machine.show(EARLY, "Result") == "success"

    def at(unit: str, key: str) -> int:
        return int(machine.show(unit, f"{key}TimestampMonotonic"))

    began, ended = at(EARLY, "InactiveExit"), at(EARLY, "InactiveEnter")
    said = machine.run("journalctl", "--unit", EARLY, "--output", "cat").stdout
    print(f"{EARLY}: began {began / 1e6:.2f} s after the kernel, took {(ended - began) / 1e6:.2f} s\n{said}")
    assert "Every motor pin is low." in said
    assert 0 < ended <= at("network-pre.target", "ActiveEnter")
    assert ended <= at(UNIT, "InactiveExit")


async def test_what_a_board_needed_is_removed_with_the_service(inside: Service) -> None:
    configure(inside, "servo-beside-a-chip")
    await inside.start()
    machine = inside.machine
    own = machine.path(f"/etc/systemd/system/{UNIT}.d")
    machine.run("/root/picar/scripts/uninstall")
    assert {file.name for file in own.iterdir()} == {"mock.conf", "probe.conf"}, "drop-ins of the owner"
    machine.run("/root/picar/scripts/uninstall", "--purge")
    left = machine.run("find", "/", "-xdev", "-name", "picar*", "-not", "-path", "/root/*").stdout
    assert left == ""
