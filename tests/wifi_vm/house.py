"""The virtual PC, and the house in it: the car's radio, the home's router and a phone, each in a network namespace of its own."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Any, Self

import segno
import tornado
from PIL import Image

from tests.wifi_vm.image import ext4

PC = """-accel tcg,thread=multi -cpu max -M q35 -m 768 -smp 2 -display none -no-reboot -nodefaults -nic none
-device virtio-rng-pci"""
ROOT = Path(__file__).parents[2]
BOOT_S = 240.0
PATIENCE_S = 60.0
HOME, PASSWORD = "Home Net", "homepassword"
PROFILES = "/etc/NetworkManager/system-connections"
OWN_FILES = {f"{PROFILES}/picar-hotspot.nmconnection", "/etc/NetworkManager/dnsmasq-shared.d/picar.conf"}
CONFIG = """[server]
port = 80
[access]
pairing = "on"
[session]
command_timeout_s = {deadline_s}
slow_from_s = 0.0  # the guest is slow, and the wanted speed is full
[drive]
accel = 20.0
[hotspot]
{hotspot}
"""
# picar.service with mock pins; the limits are those of docs/emulated-pi.md, for the same reason.
DROP_IN = """[Service]
ExecStartPre=
ExecStopPost=
ExecStart=
ExecStart=/opt/picar/venv/bin/picar serve --config /etc/picar/picar.toml --pins mock --pin-trace /run/picar/trace
WatchdogSec=30
TimeoutAbortSec=20
TimeoutStopSec=60
TimeoutStartSec=300
"""
SHIM = """#!/bin/sh
unset PYTHONDONTWRITEBYTECODE  # root's runs compile the modules for the services, which may not write
PYTHONPATH=/opt/picar/venv/lib LC_ALL=C.UTF-8 exec /usr/bin/python3 -m picar "$@"
"""
RADIOS = """set -e
modprobe mac80211_hwsim radios=3
udevadm settle
ip netns add home; ip netns add phone
iw phy phy1 set netns name home; iw phy phy2 set netns name phone
ip -n home link set lo up; ip -n phone link set lo up
systemctl start NetworkManager
until nmcli -t -f DEVICE,STATE dev | grep -q '^wlan0:disconnected'; do sleep 0.2; done
"""
ROUTER = """interface=wlan1
driver=nl80211
ssid={ssid}
hw_mode=g
channel=1
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase={password}
"""
LEASE = """#!/bin/sh
[ "$1" != bound ] || { ip addr replace "$ip/24" dev "$interface"; echo "$ip $router" >/run/lease
mkdir -p /etc/netns/phone; echo "nameserver $dns" >/etc/netns/phone/resolv.conf; }
"""
PHONE = """ctrl_interface=/run/wpa-phone
network={{
 ssid="{S}"
 psk="{P}"
 key_mgmt=WPA-PSK
 scan_ssid=1
}}
"""
ACTIVE = "nmcli -t -f NAME con show --active"


def drive_image(folder: Path) -> Path:
    """Make the file system of /opt/picar: this checkout, and the libraries of its environment."""
    lib = folder / "opt/venv/lib"
    for name in ("picar", "static", "templates", "systemd", "tests/support", "tests/wifi_vm"):
        shutil.copytree(ROOT / name, lib / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests/__init__.py", lib / "tests")
    for library in (tornado, segno):
        source = Path(library.__path__[0])
        shutil.copytree(source, lib / source.name, ignore=shutil.ignore_patterns("__pycache__", "test"))
    shim = folder / "opt/venv/bin/picar"
    shim.parent.mkdir()
    shim.write_text(SHIM)
    shim.chmod(0o755)
    ext4(folder / "opt", folder / "opt.img", 64)
    return folder / "opt.img"


class House:
    """`with House(image, folder) as house:` boots the guest.

    Args:
        image: the folder of `image.build`.
        folder: for what this guest needs; `console` in it is the guest's log.
    """

    def __init__(self, image: Path, folder: Path) -> None:
        self._image, self.folder = image, folder
        self._socket, self._console = folder / "agent", folder / "console"
        self._received = b""
        self.cookie = ""

    def __enter__(self) -> Self:
        words = "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off net.ifnames=0 modprobe.blacklist=kvm,kvm_amd,kvm_intel"
        words += " systemd.condition_needs_update=0 systemd.mask=systemd-binfmt.service"
        disks = [self._image / "disk", drive_image(self.folder)]
        command: list[str | Path] = ["qemu-system-x86_64", *PC.split()]
        command += ["-kernel", self._image / "vmlinuz", "-initrd", self._image / "initrd", "-append", words]
        for disk in disks:
            command += ["-drive", f"file={disk},if=virtio,format=raw,snapshot=on"]
        command += ["-serial", f"file:{self._console}"]
        command += [
            "-chardev",
            f"socket,id=agent,path={self._socket},server=on,wait=off",
            "-serial",
            "chardev:agent",
        ]
        self._qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._line = socket.socket(socket.AF_UNIX)
        try:
            self._wait_for(self._connects, 10.0, "QEMU's socket")
            assert self._answer(BOOT_S) == {"ready": True}
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()
        self._qemu.kill()
        self._qemu.wait()

    def _connects(self) -> bool:
        with contextlib.suppress(OSError):
            self._line.connect(str(self._socket))
            return True
        return False

    def _wait_for(self, look: Callable[[], object], within_s: float, what: str) -> None:
        give_up_at = time.monotonic() + within_s
        while not look():
            assert time.monotonic() < give_up_at, f"waited {within_s:g} s in vain: {what}"
            time.sleep(0.1)

    def _answer(self, within_s: float) -> dict[str, Any]:
        self._line.settimeout(within_s)
        while b"\n" not in self._received:
            part = self._line.recv(65536)
            assert part, f"the guest ended:\n{self._console.read_text(errors='replace')[-3000:]}"
            self._received += part
        line, _, self._received = self._received.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ask(self, within_s: float, **asked: Any) -> dict[str, Any]:
        self._line.sendall(json.dumps(asked).encode() + b"\n")
        return self._answer(within_s)

    # --- the guest

    def sh(self, script: str, timeout_s: float = PATIENCE_S, code: int | None = 0) -> str:
        """Run a script as root in the guest. Returns its output, once its exit code is checked."""
        answer = self._ask(timeout_s + 30.0, sh=script, timeout_s=timeout_s)
        assert code in (None, answer["code"]), f"{script}\nended with {answer['code']}:\n{answer['out']}"
        return str(answer["out"])

    def now(self) -> float:
        """Return the guest's monotonic time."""
        return float(self._ask(30.0, sh="", timeout_s=10.0)["ended"])

    def write(self, path: str, text: str) -> None:
        """Write a file in the guest."""
        self.sh(f"mkdir -p $(dirname {path}); printf %s {quote(text)} >{path}")

    def until(self, script: str, within_s: float = PATIENCE_S) -> float:
        """Wait until a script ends well. Returns the guest's time."""
        give_up_at = time.monotonic() + within_s
        while (answer := self._ask(90.0, sh=script, timeout_s=30.0))["code"]:
            assert time.monotonic() < give_up_at, f"waited {within_s:g} s in vain: {script}\n{answer['out']}"
            time.sleep(0.7)  # each look takes processor time, which the car needs
        return float(answer["ended"])

    def status(self) -> dict[str, Any]:
        """Return the watcher's facts, empty without a watcher."""
        status: dict[str, Any] = self._ask(60.0, status=True)["status"]
        return status

    def becomes(self, within_s: float = PATIENCE_S, **wanted: Any) -> dict[str, Any]:
        """Wait until the watcher's facts have these values, and return them."""
        give_up_at = time.monotonic() + within_s
        while (status := self.status()) | wanted != status or not status:
            assert time.monotonic() < give_up_at, f"waited {within_s:g} s in vain for {wanted}: {status}"
            time.sleep(0.7)  # each look takes processor time, which the car needs
        return status

    def active(self, profile: str, within_s: float = PATIENCE_S) -> float:
        """Wait until a profile is active in NetworkManager, and return the guest's time."""
        return self.until(f"{ACTIVE} | grep -qxF {quote(profile)}", within_s)

    def log(self) -> str:
        """Return the last lines of the services' logs."""
        units = "-u picar-hotspot -u picar -u NetworkManager -u wpa_supplicant -u agent"
        return self.sh(f"journalctl -b --no-pager -o short-monotonic -n 300 {units}", code=None)

    def files(self) -> dict[str, str]:
        """Return a hash and the rights of each file of NetworkManager's configuration."""
        places = "/etc/NetworkManager /run/NetworkManager/system-connections /usr/lib/NetworkManager"
        found = self.sh(
            f"find {places} -type f -exec sha256sum {{}} + -exec stat -c '%a:%U  %n' {{}} +; true"
        )
        files: dict[str, str] = {}
        for line in found.splitlines():
            value, _, name = line.partition("  ")
            files[name] = files.get(name, "") + value
        return files

    # --- the car

    def furnish(self, hotspot: str = "", deadline_s: float = 0.5, known: bool = True) -> None:
        """Start the radios and NetworkManager, with two profiles of the owner's; install picar's service."""
        self.sh(RADIOS, 120.0)
        owners = {"holiday": ("Far Away", "otherpassword")} | ({"home": (HOME, PASSWORD)} if known else {})
        for name, (ssid, password) in owners.items():
            security = f"wifi-sec.key-mgmt wpa-psk wifi-sec.psk {password}"
            self.sh(f"nmcli con add type wifi con-name {name} ifname wlan0 ssid {quote(ssid)} {security}")
        self.write("/etc/picar/picar.toml", CONFIG.format(hotspot=hotspot, deadline_s=deadline_s))
        self.write("/etc/systemd/system/picar.service.d/lab.conf", DROP_IN)
        self.write("/run/udhcpc.sh", LEASE)
        units = "cp /opt/picar/venv/lib/systemd/picar.service /etc/systemd/system/ && systemctl daemon-reload"
        self.sh(f"chmod 755 /run/udhcpc.sh /etc/picar; chmod 644 /etc/picar/picar.toml; {units}")

    def setup(self) -> str:
        """Run `picar hotspot setup`, and wait for the watcher."""
        said = self.picar("hotspot setup --config /etc/picar/picar.toml", 180.0)
        self._wait_for(self.status, PATIENCE_S, "the watcher's answer")
        return said

    def serve(self) -> None:
        """Start `picar serve`."""
        self.sh("systemctl start picar", 300.0)

    def picar(self, words: str, timeout_s: float = PATIENCE_S, code: int | None = 0) -> str:
        """Run a command of picar as root."""
        return self.sh(f"/opt/picar/venv/bin/picar {words}", timeout_s, code)

    def trace(self) -> list[dict[str, Any]]:
        """Return every pin write so far."""
        return [json.loads(line) for line in self.sh("cat /run/picar/trace").splitlines()]

    # --- the home's router

    def router_on(self, password: str = PASSWORD) -> float:
        """Switch the router on, and return the guest's time."""
        self.write("/run/router.conf", ROUTER.format(ssid=HOME, password=password))
        dhcp = "--interface=wlan1 --bind-interfaces --dhcp-range=192.168.50.10,192.168.50.50,1h --port=0"
        self.sh(f"""set -e
ip netns exec home hostapd -B -P /run/router.pid /run/router.conf
ip -n home addr replace 192.168.50.1/24 dev wlan1
ip netns exec home dnsmasq --conf-file=/dev/null {dhcp} --pid-file=/run/router-dhcp.pid""")
        return self.now()

    def router_off(self) -> float:
        """Switch the router off, and return the guest's time before."""
        before = self.now()
        self.sh(
            "kill $(cat /run/router.pid /run/router-dhcp.pid); while [ -e /run/router.pid ]; do sleep 0.1; done"
        )
        return before

    # --- the phone

    def phone_joins(self, text: str) -> None:
        """Let the phone join by the text of a QR code, and get an address."""
        found = re.findall(r"([TSP]):((?:\\.|[^;\\])*);", text.removeprefix("WIFI:"))
        fields = {key: re.sub(r"\\(.)", r"\1", value) for key, value in found}
        assert fields["T"] == "WPA"
        self.write("/run/phone.conf", PHONE.format(**fields))
        self.sh("ip -n phone link set wlan2 up")
        self.sh("ip netns exec phone wpa_supplicant -B -i wlan2 -c /run/phone.conf -P /run/phone.pid")
        self.until("ip netns exec phone iw dev wlan2 link | grep -q Connected")
        self.sh("ip netns exec phone busybox udhcpc -i wlan2 -n -q -t 10 -T 2 -s /run/udhcpc.sh")
        assert self.sh("cat /run/lease").split()[1] == "10.42.0.1"

    def phone_leaves(self) -> None:
        """Switch the phone's WiFi off."""
        self.sh("kill $(cat /run/phone.pid); ip -n phone link set wlan2 down")

    def fetch(self, path: str, body: object = None, url: str = "http://10.42.0.1") -> dict[str, Any]:
        """Send a request from the phone; with a body it is a POST. Returns status, cookie and text."""
        words = [url + path, json.dumps(body) if body is not None else "", self.cookie]
        told = self.sh(
            f"ip netns exec phone python3 -m tests.wifi_vm.phone fetch {' '.join(map(quote, words))}"
        )
        answer: dict[str, Any] = json.loads(told)
        return answer

    def phone_pairs(self, link: str) -> None:
        """Open the page by the link of a QR code, and pair."""
        url, _, token = link.partition("/#pair=")
        assert url == "http://10.42.0.1"
        page = self.fetch("/")
        assert page["status"] == 200
        assert "<html" in page["text"]
        answer = self.fetch("/api/v1/pair", {"token": token, "name": "phone"})
        assert answer["status"] == 200, answer
        self.cookie = answer["cookie"]

    def phone_drives(self) -> None:
        """Drive at full throttle, until `phone_is_cut_off`."""
        drive = f"python3 -m tests.wifi_vm.phone drive http://10.42.0.1 {quote(self.cookie)}"
        self.sh(f"ip netns exec phone {drive} >/run/drive.log 2>&1 & echo $! >/run/drive.pid")
        self.until("cat /run/drive.log; grep -q drives /run/drive.log")

    def phone_is_cut_off(self) -> float:
        """Cut the phone's radio. Returns the guest's time just before."""
        self.sh("kill -USR1 $(cat /run/drive.pid)")
        self.until("cat /run/drive.log; grep -q cut /run/drive.log")
        return float(json.loads(self.sh("tail -n 1 /run/drive.log"))["cut"])


def qr_texts(printed: str, folder: Path) -> list[str]:
    """Read each QR code that a command has drawn in half blocks, with zbar as a phone's camera would."""
    texts = []
    lines = [line[2:] for line in printed.splitlines()]
    for block in re.split(r"\n[^█▀▄]*\n", "\n".join(lines)):
        rows = [row for row in block.split("\n") if row and not set(row) - set("█▀▄ ") and len(row) > 20]
        if rows:
            texts.append(_read(rows, folder / "qr.png"))
    return texts


def _read(rows: list[str], file: Path) -> str:
    light = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0)}
    width = max(map(len, rows))
    picture = Image.new("L", (width, 2 * len(rows)), 255)
    for y, row in enumerate(rows):
        for x, block in enumerate(row.ljust(width)):
            for half in (0, 1):
                picture.putpixel((x, 2 * y + half), light[block][half])
    picture.resize((8 * width, 16 * len(rows)), Image.Resampling.NEAREST).save(file)
    done = subprocess.run(["zbarimg", "--quiet", "--raw", file], capture_output=True, text=True, check=True)
    return done.stdout.strip()
