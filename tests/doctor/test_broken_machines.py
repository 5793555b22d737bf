"""Machines with one thing wrong: the doctor names it, grades it, and gives the fix."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from picar.doctor.machine import Answer, Finding, is_well
from picar.wiring.presets import PRESETS, as_toml
from tests.doctor.trees import NOT_INSTALLED, PI_5, SERVICE_UP, TEST_CARD, WELL_CONFIG, Case, laptop, refuse

CONFIG_TXT = "boot/firmware/config.txt"
PROBE = "PYTHON -m picar.doctor.probe"
PINS_LOW = "PYTHON -m picar pins-low"
BUSY = "picar: Another picar has the motor pins, process 812. Stop it first: sudo systemctl stop picar, or kill 812."
CAMERAS = "PYTHON -m picar camera --list --json"
BUSY_CAMERA = {
    "source": "usb", "device": "/dev/video0", "card": "Acme Cam", "code": "busy",
    "message": "/dev/video0 is in use by another program. End it; this names it: fuser -v /dev/video0",
}  # fmt: skip
NO_PICAMERA2 = {
    "source": "picamera2", "device": "", "card": "", "code": "no_library",
    "message": "picamera2 is not installed. Run: sudo apt install --no-install-recommends python3-picamera2",
}  # fmt: skip
NO_PERMISSION = "no permission for /dev/gpiochip0. Join the group that may use it: sudo usermod -aG gpio $USER, then log in again."
PERSIST = "sys/module/pinctrl_rp1/parameters/persist_gpio_outputs"
NO_LIBRARY = {
    f"{PROBE} lgpio": Answer(1, err=NOT_INSTALLED.format("python3-lgpio")),
    f"{PROBE} gpiozero": Answer(1, err="gpiozero finds no pins."),
}

# what is wrong, with what, and then: check, grade, words of the message, words of the fix
LOST = """\
wlan0: CTRL-EVENT-DISCONNECTED bssid=60:38:e0:01:02:03 reason=16
wlan0: CTRL-EVENT-DISCONNECTED bssid=60:38:e0:01:02:03 reason=3 locally_generated=1
wlan0: CTRL-EVENT-DISCONNECTED bssid=60:38:e0:01:02:03 reason=4
wlan1: CTRL-EVENT-DISCONNECTED bssid=60:38:e0:01:02:03 reason=4
wlan0: CTRL-EVENT-DISCONNECTED bssid=60:38:e0:01:02:03 reason=0"""
BROKEN = {
    "no GPIO library": (
        Case(answers=NO_LIBRARY), "lgpio", "problem", "its library is not installed", "sudo apt install python3-lgpio",
    ),
    "not in the group gpio": (
        Case(answers={f"{PROBE} lgpio": Answer(1, err=NO_PERMISSION)}), "lgpio", "problem", "no permission", "usermod -aG gpio",
    ),
    "a library that crashes": (
        Case(answers={f"{PROBE} lgpio": Answer(-11, err="")}), "lgpio", "problem", "it crashes (-11)", "full-upgrade",
    ),
    "a library that hangs": (
        Case(answers={f"{PROBE} lgpio": Answer(None)}), "lgpio", "problem", "it does not answer", "sudo reboot",
    ),
    "another program has a pin": (
        Case(answers={PINS_LOW: Answer(1, err="picar: GPIO 23 is in use by another program. Find it: sudo fuser -v /dev/gpiochip*")}),
        "pins", "problem", "GPIO 23 is in use by another program", "sudo fuser -v /dev/gpiochip*",
    ),
    "a Pi that is told to simulate": (
        Case(config='[motors]\nbackend = "sim"\n'), "pins", "warning", "no real pin will be touched", "[motors]",
    ),
    "an operating system of 2021": (
        Case(files={"etc/os-release": 'PRETTY_NAME="Raspbian GNU/Linux 11 (bullseye)"\nID=raspbian\nVERSION_ID="11"\n'}),
        "system", "problem", "bullseye", "Raspberry Pi Imager",
    ),
    "a system that is not Raspberry Pi's": (
        Case(files={"etc/os-release": 'PRETTY_NAME="Ubuntu 24.04 LTS"\nID=ubuntu\nVERSION_ID="24.04"\n'}),
        "system", "warning", "Ubuntu", "use that",
    ),
    "a header of 26 pins": (
        Case(files={"proc/device-tree/model": "Raspberry Pi Model B Rev 2\0"}), "machine", "problem", "26 pins", "40 pins",
    ),
    "SPI on a motor pin": (
        Case(files={CONFIG_TXT: WELL_CONFIG + "dtparam=spi=on\n"}, config="[l298n]\nin1 = 9\n"),
        "wiring", "problem", "in1 = 9: this pin is used by SPI (dtparam=spi=on)", "set in1 = 25 under [l298n]; or delete that line",
    ),
    "I2C on a motor pin": (
        Case(files={CONFIG_TXT: "dtparam=i2c_arm=on,i2c_arm_baudrate=400000\n"}, config="[l298n]\nenb = 3\n"),
        "wiring", "problem", "used by I2C", "enb = 25",
    ),
    "the serial port on a motor pin": (
        Case(files={CONFIG_TXT: "enable_uart=1\n"}, config="[l298n]\nin4 = 14\n"), "wiring", "problem", "used by the serial port", "in4 = 25",
    ),
    "1-Wire on a motor pin": (
        Case(files={CONFIG_TXT: "dtoverlay=w1-gpio,gpiopin=22\n"}), "wiring", "problem", "in4 = 22: this pin is used by the overlay w1-gpio", "in4 = 25",
    ),
    "a fan on the default ENA": (
        Case(files={CONFIG_TXT: "dtoverlay=gpio-fan\n"}), "wiring", "problem", "ena = 12: this pin is used by the overlay gpio-fan", "ena = 25",
    ),
    "a pin that config.txt makes high": (
        Case(files={CONFIG_TXT: "gpio=12,13=op,dh\n"}), "wiring", "problem", "a motor may run before picar does", "ena = 25",
    ),
    "a pulled-up pin": (
        Case(config="[l298n]\nena = 5\n"), "wiring", "warning", "ena = 5: this pin is pulled up at power-on", "set ena = 25",
    ),
    "a pin that pulses while booting": (
        Case(config="[l298n]\nin2 = 15\n"), "wiring", "warning", "pulsed by the serial port", "in2 = 25",
    ),
    "a broken configuration": (
        Case(config="[l298n]\nin1 = 99\n"), "configuration", "problem", "in1 = 99", "picar check-config",
    ),
    "pins that stay": (
        Case(files={PERSIST: "Y", CONFIG_TXT: ""}), "strict_gpiod", "warning", "stays as it was", "tee -a /boot/firmware/config.txt",
    ),
    "pins that stay until the next start": (
        Case(files={PERSIST: "Y"}), "strict_gpiod", "warning", "not in force", "sudo reboot",
    ),
    "no watchdog": (
        Case(files={"dev/watchdog0": None}), "watchdog", "warning", "has none", "plug",
    ),
    "a watchdog that nobody feeds": (
        Case(answers={"systemctl show --property=RuntimeWatchdogUSec": Answer(0, "0")}),
        "watchdog", "warning", "off", "RuntimeWatchdogSec=10",
    ),
    "under-voltage right now": (
        Case(answers={"vcgencmd get_throttled": Answer(0, "throttled=0x50005")}), "power", "problem", "right now", "supply of its own",
    ),
    "under-voltage some time ago": (
        Case(answers={"vcgencmd get_throttled": Answer(0, "throttled=0x50000")}), "power", "warning", "since it started", "accel",
    ),
    "under-voltage, told by the kernel alone": (
        Case(
            files={"sys/class/hwmon/hwmon1/name": "rpi_volt", "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1"},
            answers={"vcgencmd get_throttled": None},
        ),
        "power", "problem", "right now", "supply of its own",
    ),
    "heat": (
        Case(answers={"vcgencmd get_throttled": Answer(0, "throttled=0xe0008")}), "power", "warning", "hot", "heat sink",
    ),
    "a voltage that this user may not read": (
        Case(answers={"vcgencmd get_throttled": Answer(255, err="VCHI initialization failed")}), "power", "warning", "cannot be read", "-aG video",
    ),
    "a voltage that not even root may read": (
        Case(answers={"vcgencmd get_throttled": Answer(255, err="VCHI initialization failed")}, is_root=True),
        "power", "warning", "cannot be read", "kernel of Raspberry Pi OS",
    ),
    "a voltage that no program reads": (
        Case(answers={"vcgencmd get_throttled": None}), "power", "warning", "cannot be read", "apt install raspi-utils",
    ),
    "a camera that another program has": (
        Case(answers={CAMERAS: Answer(0, json.dumps([BUSY_CAMERA, TEST_CARD]))}),
        "camera", "warning", "Acme Cam (usb, /dev/video0): /dev/video0 is in use", "fuser -v /dev/video0",
    ),
    "a camera whose library is missing": (
        Case(config='[camera]\nsource = "picamera2"\n', answers={CAMERAS: Answer(0, json.dumps([NO_PICAMERA2, TEST_CARD]))}),
        "camera", "warning", "picamera2 is not installed", "sudo apt install --no-install-recommends python3-picamera2",
    ),
    "a camera that is not plugged in": (
        Case(config='[camera]\nsource = "usb"\n'), "camera", "warning", "wants a usb camera, and none was found", "plug it in",
    ),
    "a list of cameras that hangs": (
        Case(answers={CAMERAS: Answer(None)}), "camera", "warning", "cannot be listed", "camera --list",
    ),
    "a service that fails": (
        Case(answers={"systemctl show picar": Answer(0, "LoadState=loaded\nActiveState=failed\nResult=exit-code\nNRestarts=0")}),
        "service", "problem", "does not run (exit-code", "journalctl -u picar",
    ),
    "a service that starts again and again": (
        Case(answers={"systemctl show picar": Answer(0, "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nNRestarts=41\nResult=exit-code")}),
        "service", "problem", "restarted 41 times", "journalctl -u picar",
    ),
    "a service that is not enabled": (
        Case(answers={"systemctl show picar": Answer(0, SERVICE_UP.replace("=enabled", "=disabled"))}),
        "service", "warning", "does not start with the machine", "sudo systemctl enable picar",
    ),
    "a service that was stopped": (
        Case(answers={"systemctl show picar": Answer(0, SERVICE_UP.replace("=active", "=inactive"))}),
        "service", "warning", "inactive", "enable --now picar",
    ),
    "a service that needed help": (
        Case(answers={"systemctl show picar": Answer(0, SERVICE_UP.replace("NRestarts=0", "NRestarts=5"))}),
        "service", "warning", "restarted 5 times", "journalctl",
    ),
    "a masked service": (
        Case(answers={"systemctl show picar": Answer(0, "LoadState=masked\nActiveState=inactive")}),
        "service", "problem", "masked", "sudo systemctl unmask picar",
    ),
    "a systemd that hangs": (
        Case(answers={"systemctl show picar": Answer(None)}), "service", "warning", "does not answer", "systemctl status picar",
    ),
    "a radio without a country": (
        Case(files={"sys/class/rfkill/rfkill0/soft": "1\n"}), "wifi", "problem", "no country was chosen", "do_wifi_country",
    ),
    "no radio": (
        Case(files={"sys/class/net/wlan0/phy80211/index": None}), "wifi", "warning", "none on this machine", "USB stick",
    ),
    "a radio that sleeps": (
        Case(answers={"iw dev wlan0 get power_save": Answer(0, "Power save: on")}),
        "wifi power", "warning", "50 to 300 ms late", r"sudo nmcli connection modify 'Tom'\''s home' wifi.powersave 2",
    ),
    "a radio that sleeps, told by NetworkManager": (
        Case(answers={"iw": None, "iw dev wlan0 get power_save": None, "nmcli -g 802-11-wireless.powersave": Answer(0, "3 (enable)")}),
        "wifi power", "warning", "saves power", "wifi.powersave 2",
    ),
    "a radio that nothing can be asked about": (
        Case(answers={"iw dev wlan0 get power_save": None, "nmcli -g GENERAL.CONNECTION": None}),
        "wifi power", "warning", "cannot be seen", "sudo apt install iw",
    ),
    "a weak signal": (
        Case(answers={"iw dev wlan0 link": Answer(0, "Connected\n\tsignal: -83 dBm")}), "wifi signal", "warning", "-83 dBm, far too weak", "hotspot",
    ),
    "a weak signal, told by the kernel alone": (
        Case(
            files={"proc/net/wireless": "Inter-| sta-|\n face | tus | link level\n wlan0: 0000   40.  -72.  -256        0\n"},
            answers={"iw dev wlan0 link": None},
        ),
        "wifi signal", "warning", "-72 dBm, weak", "hotspot",
    ),
    "a WiFi that is lost again and again": (
        Case(answers={"journalctl --no-pager --quiet -b -u wpa_supplicant": Answer(0, LOST)}),
        "wifi lost", "warning", "since the start: 3;", "bring car and router closer",
    ),
    "a WiFi that was lost once": (
        Case(answers={"journalctl --no-pager --quiet -b -u wpa_supplicant": Answer(0, LOST.splitlines()[0])}),
        "wifi lost", "ok", "since the start: 1;", "",
    ),
    "nobody who tells its name": (
        Case(answers={"systemctl is-active avahi-daemon": Answer(3, "inactive")}), "name", "warning", "IP address only", "avahi-daemon",
    ),
    "a clock that is not set": (
        Case(answers={"timedatectl show": Answer(0, "no")}), "clock", "warning", "not set by the network", "set-ntp true",
    ),
}  # fmt: skip


def the(findings: list[Finding], check: str) -> Finding:
    found = [finding for finding in findings if finding.check == check]
    assert found, [finding.check for finding in findings]
    return max(found, key=lambda finding: finding.status != "ok")


def test_a_healthy_pi_is_well(tmp_path: Path) -> None:
    findings = Case().examine(tmp_path)
    assert [finding for finding in findings if finding.status != "ok"] == []
    assert the(findings, "machine").message == PI_5
    assert the(findings, "name").message == "http://car.local:8000"
    assert the(findings, "pins").message == "lgpio drives GPIO 12, 13, 22, 23, 24, 27 (now low)"


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_machine_is_told_with_its_fix(tmp_path: Path, name: str) -> None:
    case, check, grade, message, fix = BROKEN[name]
    findings = case.examine(tmp_path)
    found = the(findings, check)
    assert (found.status, message in found.message, fix in found.fix) == (grade, True, True), found
    assert is_well(findings) == (grade != "problem")


def test_every_problem_and_every_warning_has_a_fix(tmp_path: Path) -> None:
    for number, (case, *_) in enumerate(BROKEN.values()):
        for finding in case.examine(tmp_path / str(number)):
            assert finding.status == "ok" or finding.fix or finding.check == "pins", finding


def test_pins_that_a_running_picar_has_are_not_a_problem(tmp_path: Path) -> None:
    found = the(Case(answers={PINS_LOW: Answer(1, err=BUSY)}).examine(tmp_path), "pins")
    assert (found.status, "process 812" in found.message) == ("ok", True)


@pytest.mark.parametrize("config", ["[l298n]\nin1 = 99\n", "[l298n]\nin1 = 10\n"])
def test_no_pin_is_claimed_while_something_else_may_use_it(tmp_path: Path, config: str) -> None:
    case = Case(files={CONFIG_TXT: "dtparam=spi=on\n"}, config=config)
    findings = case.examine(tmp_path)
    assert "not tried" in the(findings, "pins").message
    assert not [line for line in case.asked if PINS_LOW in line]


def test_rpi_gpio_is_taken_where_lgpio_fails(tmp_path: Path) -> None:
    findings = Case(answers=NO_LIBRARY | {f"{PROBE} rpigpio": Answer(0)}).examine(tmp_path)
    assert the(findings, "pins").message.startswith("rpigpio drives")
    assert is_well(findings)


def test_what_only_the_service_may_use_is_a_warning(tmp_path: Path) -> None:
    unit = {"etc/systemd/system/picar.service": ""}
    case = Case(files=unit, answers={f"{PROBE} lgpio": Answer(1, err=NO_PERMISSION)})
    found = the(case.examine(tmp_path), "lgpio")
    assert (found.status, "the service may use it" in found.message) == ("warning", True)


@pytest.mark.parametrize(("unit", "status"), [(True, "ok"), (False, "problem")])
def test_port_80_is_the_services(tmp_path: Path, unit: bool, status: str) -> None:
    case = Case(
        files={"etc/systemd/system/picar.service": ""} if unit else {}, config="[server]\nport = 80\n"
    )
    found = the(case.examine(tmp_path, refuse(PermissionError(errno.EACCES, "no"))), "port")
    assert found.status == status


def test_a_laptop_is_well_and_is_told_what_a_pi_would_need(tmp_path: Path) -> None:
    findings = laptop().examine(tmp_path)
    assert is_well(findings)
    assert "python3-lgpio" in the(findings, "on a Pi").message
    assert "strict_gpiod" in the(findings, "on a Pi").message
    assert "no Raspberry Pi" in the(findings, "pins").message


@pytest.mark.parametrize(
    ("preset", "needed"),
    [
        ("picar", set()),
        ("waveshare-hat", {"raspi-config nonint do_i2c 0"}),
        ("donkeycar-gpio", {"dtoverlay=pwm-2chan,pin=18,func=2,pin2=13,func2=4"}),
    ],
)
def test_a_laptop_is_told_what_a_pi_with_this_car_would_need(
    preset: str, needed: set[str], tmp_path: Path
) -> None:
    case = laptop()
    case.config = as_toml(PRESETS[preset])
    message = the(case.examine(tmp_path), "on a Pi").message
    assert {
        word
        for word in ("raspi-config nonint do_i2c 0", "dtoverlay=pwm-2chan,pin=18,func=2,pin2=13,func2=4")
        if word in message
    } == needed


def test_a_laptop_that_is_told_to_use_real_pins_has_a_problem(tmp_path: Path) -> None:
    case = laptop()
    case.config = '[motors]\nbackend = "lgpio"\n'
    case.answers = NO_LIBRARY
    findings = case.examine(tmp_path)
    assert the(findings, "pins").status == "problem"
    assert "--pins sim" in the(findings, "pins").fix


def test_a_machine_of_which_nothing_is_known_is_told_so_and_nothing_raises(tmp_path: Path) -> None:
    case = Case()
    case.answers = dict.fromkeys(["PYTHON", "systemctl", "vcgencmd", "iw", "nmcli", "timedatectl"])
    (tmp_path / "picar.toml").write_text("")
    findings = case.examine(tmp_path)
    assert the(findings, "machine")


def test_a_machine_without_a_camera_is_well(tmp_path: Path) -> None:
    finding = the(
        Case(answers={CAMERAS: Answer(0, json.dumps([NO_PICAMERA2, TEST_CARD]))}).examine(tmp_path), "camera"
    )
    assert (finding.status, finding.message) == ("ok", "none found; the car drives without one")
    assert (
        finding.fix
        == "for a camera at the Pi's connector: sudo apt install --no-install-recommends python3-picamera2"
    )
    none_at_all = [{**NO_PICAMERA2, "code": "missing", "message": "No camera was found."}]
    finding = the(Case(answers={CAMERAS: Answer(0, json.dumps(none_at_all))}).examine(tmp_path), "camera")
    assert (finding.message, finding.fix) == ("none found; the car drives without one", "")


def test_a_laptop_has_the_simulated_camera_or_the_reason_why_not(tmp_path: Path) -> None:
    sim: dict[str, str | None]
    sim = {"source": "sim", "device": "", "card": "simulated camera", "code": None, "message": None}
    finding = on_a_laptop(tmp_path / "well", sim)
    assert (finding.status, finding.message) == ("ok", "simulated camera")
    sim |= {"card": "", "code": "no_pillow", "message": "The picture needs Pillow. Run: pip install pillow"}
    finding = on_a_laptop(tmp_path / "ill", sim)
    assert (finding.status, finding.message) == ("warning", "The picture needs Pillow")
    assert finding.fix == "Run: pip install pillow"


def on_a_laptop(folder: Path, sim: dict[str, str | None]) -> Finding:
    """Return the finding about the camera."""
    case = laptop()
    case.answers = {CAMERAS: Answer(0, json.dumps([NO_PICAMERA2, sim, TEST_CARD]))}
    return the(case.examine(folder), "camera")


def test_a_camera_that_is_switched_off_is_not_looked_for(tmp_path: Path) -> None:
    case = Case(config='[camera]\nsource = "off"\n')
    assert the(case.examine(tmp_path), "camera").message == "switched off under [camera]"
    assert CAMERAS not in case.asked
