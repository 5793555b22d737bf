"""The unit as systemd's own tools see it, and the scripts that install it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service.cars import CARS, I2C

ROOT = Path(__file__).parents[2]
UNIT, HOTSPOT = (ROOT / "systemd" / name for name in ("picar.service", "picar-hotspot.service"))
MQTT = UNIT.with_name("picar-mqtt.service")
EARLY = UNIT.with_name("picar-pins-low.service")
UNITS = (UNIT, EARLY, UNIT.with_name("picar-board.service"), HOTSPOT, MQTT)
SCRIPTS = ("install", "uninstall")
PLACES = (Path("/opt/picar"), Path("/etc/picar"), Path("/etc/systemd/system/picar.service"))
EXPOSURE = 18  # tenths; most of it are the network and the devices that a car needs


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if not shutil.which("systemd-analyze"):
        assert "CI" not in os.environ, "CI needs systemd-analyze"
        pytest.skip("no systemd-analyze; to run this too: sudo apt install systemd")
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def settings(key: str, unit: Path = UNIT) -> list[str]:
    lines = unit.read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def script(name: str, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / name, *arguments],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PATH": path + os.environ["PATH"]},
    )


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_nothing_to_say_about_a_unit(unit: Path, tmp_path: Path) -> None:
    program = shutil.which("true")
    assert program
    for each in UNITS:
        text = each.read_text(encoding="utf-8").replace("/opt/picar/venv/bin/picar-board", program)
        (tmp_path / each.name).write_text(text.replace("/opt/picar/venv/bin/picar", program))
    done = analyze("verify", "--recursive-errors=no", tmp_path / unit.name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_sandbox_of_the_hotspot_is_tight() -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", HOTSPOT)
    assert done.returncode == 0, done.stdout


def test_the_sandbox_of_the_bridge_is_tight_and_it_takes_what_the_car_leaves_over() -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", MQTT)
    assert done.returncode == 0, done.stdout
    lines = set(MQTT.read_text(encoding="utf-8").splitlines())
    assert {"User=picar", "Restart=on-failure", "RestartSec=5", "MemoryMax=96M", "Nice=5"} <= lines
    assert {"PartOf=picar.service", "RestartPreventExitStatus=2"} <= lines


@pytest.mark.parametrize("needs", dict.fromkeys(needs for _, needs in CARS.values()))
@pytest.mark.parametrize("unit", [UNIT, EARLY], ids=lambda unit: unit.stem)
def test_the_sandbox_is_tight_for_every_board(unit: Path, needs: tuple[str, ...], tmp_path: Path) -> None:
    here = Path(shutil.copy(unit, tmp_path))
    drop_in = tmp_path / f"{unit.name}.d" / "picar-board.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("\n".join(["[Service]", *needs]))
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", here)
    assert done.returncode == 0, done.stdout
    assert ("char-i2c:rw" in done.stdout) == (I2C[-1] in needs), "systemd has not read the drop-in"


def test_the_pins_are_made_low_with_the_configuration_that_drove_them() -> None:
    (left, put_aside), (start,), (after,) = map(settings, ("ExecStartPre", "ExecStart", "ExecStopPost"))
    source, target = put_aside.rstrip("'").split()[-2:]
    assert start.endswith(f"/picar serve --config {source}")
    assert left.endswith(f"/picar pins-low --config {target}'")
    assert after.endswith(f"/picar pins-low --config {target} && rm {target}'")
    assert left.startswith("-"), "pins that cannot be made low must not keep the car from its next start"
    assert not put_aside.startswith("-"), "nobody may drive with a configuration that was not put aside"


def test_the_hotspot_has_a_user_of_its_own_and_the_group_of_the_server_may_ask_it() -> None:
    lines = HOTSPOT.read_text(encoding="utf-8").splitlines()
    assert {"User=picar-net", "Group=picar", "RuntimeDirectory=picar-hotspot"} <= set(lines)
    assert {"RuntimeDirectoryMode=0750", "CapabilityBoundingSet="} <= set(lines)


def test_the_unit_for_the_boot_is_confined_like_the_main_one_and_comes_before_the_network() -> None:
    def confinement(unit: Path) -> set[str]:
        lines = unit.read_text(encoding="utf-8").partition("\nUser=")[2].splitlines()
        return {line for line in lines if "=" in line and not line.startswith("#")}

    for_less = {"CapabilityBoundingSet=", "PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX"}
    assert confinement(EARLY) - confinement(UNIT) == for_less | {"SupplementaryGroups=gpio"}
    assert "network-pre.target" in settings("Before", EARLY)[0].split()
    assert settings("Wants", EARLY) == ["network-pre.target"], "without it, nothing waits"
    assert "picar.service" in settings("Before", EARLY)[0].split()
    assert not settings("Restart", EARLY), "a later try could stop a car that is driven"


def test_whom_the_sandbox_must_not_shut_out() -> None:
    assert not settings("IPAddressDeny")
    assert "char-gpiochip rw" in settings("DeviceAllow")
    assert "/dev/gpiomem rw" in settings("DeviceAllow")


def test_a_camera_process_may_open_cameras_yield_to_the_motor_process_and_die_alone() -> None:
    allowed = settings("DeviceAllow")
    assert {"char-video4linux rw", "char-media rw", "char-dma_heap rw"} <= set(allowed)
    assert settings("SupplementaryGroups") == ["gpio video"]
    assert settings("SystemCallFilter")[-1] == "setpriority"  # after the line that forbids its group
    assert settings("OOMPolicy") == ["continue"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_installing_script_is_executable_and_plain_sh(name: str) -> None:
    path = ROOT / "scripts" / name
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", path], check=False).returncode == 0


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("install", "--dry-run"), ["/opt/picar/venv", "/etc/picar/picar.toml", "user picar", "start"]),
        (("install", "--dry-run", "--mqtt"), ["aiomqtt", "picar-mqtt.service", "start the bridge"]),
        (("install", "--dry-run", "--hotspot"), ["the car's own WiFi", "picar-hotspot.service"]),
        (("uninstall", "--dry-run"), ["the car's own WiFi", "stop", "/opt/picar", "leave /etc/picar"]),
        (
            ("uninstall", "--dry-run", "--purge"),
            ["stop", "/opt/picar", "remove /etc/picar", "remove the user"],
        ),
    ],
)
def test_a_dry_run_shows_each_step_and_does_none(command: tuple[str, ...], words: list[str]) -> None:
    before = [place.exists() and place.stat().st_mtime_ns for place in PLACES]
    done = script(*command)
    assert (done.returncode, done.stderr) == (0, "")
    first = done.stdout.partition("\n")[0]
    assert first.startswith("A dry run: nothing is changed. ")
    assert first.endswith("t would")
    if command[0] == "install":
        assert ("so the script would refuse" in first) == (not Path("/run/systemd/system").is_dir())
    assert not [word for word in words if word not in done.stdout], done.stdout
    assert [place.exists() and place.stat().st_mtime_ns for place in PLACES] == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root and a mount namespace: sudo scripts/test")
@pytest.mark.parametrize(
    ("node", "option", "installs"),
    [
        ("unicam-image", "--gpio", True),  # up to the Pi 4
        ("rp1-cfe-csi2_ch0", "--gpio", True),  # Pi 5
        ("bcm2835-codec-decode", "--gpio", False),  # there without a camera
        ("Logitech Webcam C270", "--gpio", False),
        ("unicam-image", "--no-power", False),  # an environment that would not see apt's packages
    ],
)
def test_the_library_of_the_connector_s_camera_is_installed_where_the_kernel_has_found_one(
    node: str, option: str, installs: bool
) -> None:
    if not shutil.which("apt-get"):
        pytest.skip("no apt")
    name = "/sys/class/video4linux/video0/name"
    mount = (
        f"mount -t tmpfs none /sys/class && mkdir -p {name.removesuffix('/name')} && echo '{node}' >{name}"
    )
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    done = subprocess.run(
        [*command, f"{mount} || exit 99; scripts/install --dry-run {option}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode == 99:
        pytest.skip("no mount namespace")
    assert (done.returncode, done.stderr) == (0, "")
    assert ("install from apt: python3-picamera2" in done.stdout) == installs


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_it_does_not_know_is_one_sentence(name: str) -> None:
    done = script(name, "--faster")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("picar: unknown argument '--faster'. Usage: sudo scripts/")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_without_root_it_is_one_sentence(name: str, tmp_path: Path) -> None:
    nobody = tmp_path / "id"
    nobody.write_text("#!/bin/sh\necho 1000\n")
    nobody.chmod(0o755)
    done = script(name, path=f"{tmp_path}:")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"picar: needs root: sudo scripts/{name}")
    assert len(done.stderr.splitlines()) == 1
