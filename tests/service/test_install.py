"""scripts/install and scripts/uninstall on a real systemd: installed, upgraded, interrupted, refused, removed.

Run them as root with `scripts/test tests/service -m systemd`; what they need is in machine.py.
"""

from __future__ import annotations

import socket

import pytest

from tests.service.installed import CONFIG, PATIENCE_S, PICAR, UNIT, Service
from tests.service.machine import CHECKOUT
from tests.support.waiting import until

pytestmark = pytest.mark.systemd


async def test_one_command_installs_it_and_it_runs(service: Service) -> None:
    code, *lines = service.installed.splitlines()
    assert code == "0", service.installed
    port = service.free_port
    assert f"port = {port}\n" in service.first_config
    url = "http://127.0.0.1" if port == 80 else "http://127.0.0.1:8000"
    assert [line for line in lines if line.split() == ["open", url]], lines
    assert [line for line in lines if "journalctl -u picar -f" in line]
    assert url in service.first_answer
    assert service.show("UnitFileState") == "enabled"


async def test_an_upgrade_keeps_the_configuration_and_takes_over_whole(service: Service) -> None:
    await service.start()
    config, server = service.machine.path(CONFIG).read_text(), service.pids()["server"]
    before = service.machine.run("readlink", "/opt/picar/venv").stdout
    assert service.install().startswith("0\n")
    assert service.machine.path(CONFIG).read_text() == config
    assert service.pids()["server"] != server
    after = service.machine.run("readlink", "/opt/picar/venv").stdout
    assert before != after
    assert service.machine.run("ls", "/opt/picar").stdout.split() == [
        "venv",
        after.strip().rpartition("/")[2],
    ]


async def test_a_checkout_may_have_any_name_and_hold_anything(service: Service) -> None:
    odd = "/root/a;b@c [1] ü"
    service.machine.run("cp", "-r", CHECKOUT, odd)
    for name in ("json", "socket", "venv", "ensurepip", "pip"):
        service.machine.write(f"{odd}/{name}.py", "raise SystemExit('picar imported a file of somebody')\n")
    try:
        command = f'cd "{odd}" && scripts/install'
        said = service.machine.run("sh", "-c", command).stdout
        assert "picar is ready" in said
    finally:
        service.machine.run("rm", "-r", odd)


async def test_the_environment_of_a_running_car_survives_an_interrupted_upgrade(service: Service) -> None:
    await service.start()
    machine, link = service.machine, "/opt/picar/venv"
    used = machine.run("readlink", link).stdout.strip()
    other = "/opt/picar/venv-b" if used != "/opt/picar/venv-b" else "/opt/picar/venv-a"
    machine.run("cp", "-r", used, other)
    machine.run("ln", "-sfn", other, link)  # interrupted here, before the restart
    server = service.pids()["server"]
    assert service.install("PIP_FIND_LINKS=/nowhere").startswith("1\n")
    assert service.pids()["server"] == server
    for kept in (used, other):
        assert machine.run(f"{kept}/bin/python", "-c", "import picar.web.server", check=False).returncode == 0
    assert (
        len(machine.run("ls", "/opt/picar").stdout.split()) == 3
    )  # the link and these two: nothing half-made
    assert service.install().startswith("0\n")
    assert len(machine.run("ls", "/opt/picar").stdout.split()) == 2


async def test_an_install_that_is_interrupted_leaves_nothing(service: Service) -> None:
    machine = service.machine
    before = machine.run("ls", "/opt/picar", "/etc/picar", "/etc/systemd/system").stdout
    count = "ls -d /opt/picar/venv-? | wc -l"
    wait = f'{CHECKOUT}/scripts/install & install=$!; until [ "$({count})" = 2 ]; do sleep 0.05; done'
    done = machine.run("sh", "-c", f"{wait}; kill $install; wait $install", check=False)
    assert done.returncode == 1
    assert machine.run("ls", "/opt/picar", "/etc/picar", "/etc/systemd/system").stdout == before


async def test_two_installs_at_once_do_not_meet(service: Service) -> None:
    said = service.machine.run("flock", "/etc/systemd/system", f"{CHECKOUT}/scripts/install", check=False)
    assert (said.returncode, said.stderr) == (
        1,
        "picar: another scripts/install is at work; let it finish.\n",
    )


async def test_a_group_that_cannot_be_made_is_said(service: Service) -> None:
    await service.start()
    machine, server = service.machine, service.pids()["server"]
    machine.write(
        "/usr/local/sbin/groupadd", "#!/bin/sh\necho groupadd: cannot lock /etc/group >&2\nexit 10\n"
    )
    machine.run("chmod", "755", "/usr/local/sbin/groupadd")
    machine.run("groupmod", "--new-name", "moved", "gpio")
    try:
        said = service.install()
        assert said.startswith("1\n")
        assert (
            "picar: that failed; mend it and run this again. The last line was: groupadd: cannot lock" in said
        )
        assert service.pids()["server"] == server
    finally:
        machine.run("groupmod", "--new-name", "gpio", "moved")
        machine.path("/usr/local/sbin/groupadd").unlink()


@pytest.mark.parametrize(
    ("environment", "config", "words"),
    [
        ("PIP_FIND_LINKS=/nowhere", "", "picar: no network: connect once, then run this again."),
        ("PICAR_PYTHON=/nowhere", "", "picar: needs Python 3.11 or newer."),
        ("LANG=C", "[drive]\nexpo = 2\n", "[drive] expo = 2 is not"),
    ],
)
async def test_an_upgrade_that_fails_leaves_the_car_running(
    service: Service, environment: str, config: str, words: str
) -> None:
    await service.start()
    server, good = service.pids()["server"], service.machine.path(CONFIG).read_text()
    service.machine.write(CONFIG, good + config)
    try:
        said = service.install(environment)
    finally:
        service.machine.write(CONFIG, good)
    assert said.startswith("1\n")
    assert words in said
    assert service.pids()["server"] == server
    assert service.machine.run(PICAR, "--version").stdout.startswith("picar ")


async def test_a_car_that_does_not_start_is_said_with_the_reason(service: Service) -> None:
    service.machine.run("systemctl", "stop", UNIT)
    with socket.create_server(("127.0.0.1", service.port)):
        said = service.install()
    assert said.startswith("1\n")
    assert f"Port {service.port} is in use" in said
    assert "installed, but it does not start" in said
    await until(lambda: service.show("ActiveState") == "active", "a start by itself", PATIENCE_S)


async def test_it_is_removed_but_for_what_is_its_owners_and_then_that_too(service: Service) -> None:
    await service.start()
    machine = service.machine
    said = machine.run(f"{CHECKOUT}/scripts/uninstall").stdout
    assert "leave /etc/picar" in said
    assert machine.path(CONFIG).exists()
    assert not machine.path("/opt/picar").exists()
    assert machine.show(UNIT, "ActiveState") == "inactive", machine.run(
        "journalctl", "-o", "short-precise", "-u", UNIT, "-n", "40"
    ).stdout
    assert "0 unit files" in machine.run("systemctl", "list-unit-files", UNIT, check=False).stdout
    for _ in range(2):  # a second purge is no error
        machine.run(f"{CHECKOUT}/scripts/uninstall", "--purge")
    assert service.install().startswith("0\n")
    machine.write("/opt/picar/README.md", "somebody's checkout")
    machine.run("rm", f"/etc/systemd/system/{UNIT}")
    machine.run("systemctl", "daemon-reload")
    assert machine.show(UNIT, "ActiveState") == "active"  # a service without its unit
    machine.run(f"{CHECKOUT}/scripts/uninstall", "--purge")
    assert machine.show(UNIT, "ActiveState") == "inactive"
    assert machine.run("ls", "/opt/picar").stdout == "README.md\n"
    machine.run("rm", "-r", "/opt/picar")
    left = machine.run("find", "/", "-xdev", "-name", "picar*", "-not", "-path", "/root/*").stdout
    assert left == ""
    assert machine.run("getent", "passwd", "picar", check=False).returncode
