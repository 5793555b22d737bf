"""The radio, through the programs `nmcli` (NetworkManager) and `iw`: its facts and the actions of the watcher.

Law: a password is never an argument of a program; `nmcli` reads it from its standard input (`passwd-file`).
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from picar.network import addresses
from picar.network.hotspot import OWN, Action, Code, Facts, Outcome
from picar.system import child

_WIFI, _CABLE = "802-11-wireless", "802-3-ethernet"
# Parts of the sentences of nmcli (libnmc-base/nm-client-utils.c); the last one is Bookworm's for no DHCP server.
_CODES: dict[str, Code] = {
    "ecrets were": "wrong_password",
    "supplicant": "wrong_password",
    "could not be found": "not_seen",
    "IP configuration": "no_address",
    "DHCP": "no_address",
}
_TEXTS: dict[Code, str] = {
    "wrong_password": "The password is wrong.",
    "not_seen": "The network is not in sight.",
    "no_address": "The network gave the car no address.",
}
MOST_SEEN = 20  # networks for the page: the answer is one line
# After this time nmcli answers no question of NetworkManager: it would repeat a wrong password until the end.
ANSWERS_S = 15.0


class Network(NamedTuple):
    """A network in sight; `signal` in percent, `security` empty if it is open."""

    signal: int
    channel: int
    ssid: str
    security: str


def interface(configured: str = "", root: Path = Path("/")) -> str:
    """Return the WiFi interface to use; empty if there is none."""
    found = sorted(path.parent.name for path in root.glob("sys/class/net/*/phy80211"))
    return configured or next(iter(found), "")


def fields(line: str) -> list[str]:
    r"""Return the fields of a line of `nmcli --terse`, in which a backslash escapes `:` and itself."""
    return [re.sub(r"\\(.)", r"\1", field[:-1]) for field in re.findall(r"(?:\\.|[^:\\])*:", f"{line}:")]


def password_line(password: str) -> str:
    """Return a line for nmcli's `passwd-file`, whose reader strips spaces and undoes backslashes."""
    escaped = re.sub(r"([\\ ])", r"\\\1", password)
    return f"{_WIFI}-security.psk:{escaped}\n"


def emptiest(networks: list[Network]) -> int:
    """Return 6, 1 or 11: the channel with the least signal around it."""
    return min((6, 1, 11), key=lambda c: sum(one.signal for one in networks if abs(one.channel - c) < 5))


def keyfile_ssid(ssid: str) -> str:
    """Return the name of a network for a keyfile, as numbers if it has other characters than these."""
    plain = re.fullmatch(r"[A-Za-z][\w.-]*", ssid, re.ASCII)
    return ssid if plain else "".join(f"{octet};" for octet in ssid.encode())


async def run(program: str, *words: str, timeout_s: float = 10.0, question: str = "") -> child.Ended:
    """Run a program to its end; a program that is missing or too slow has failed, with the reason as its error."""
    env = os.environ | {"LC_ALL": "C.UTF-8", "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}
    try:
        return await child.run([program, *words], timeout_s, question, env)
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror
        return child.Ended(1, b"", f"{program}: {why}".encode())


async def rows(*words: str, count: int = 1, timeout_s: float = 10.0) -> list[list[str]]:
    """Return the lines of nmcli with so many fields: the name of a network may contain line breaks.

    Raises:
        OSError: nmcli failed.
    """
    ended = await run("nmcli", "--terse", *words, timeout_s=timeout_s)
    if ended.code:
        raise OSError(_said(ended))
    lines = ended.out.decode(errors="replace").split("\n")[:-1]
    return [row for row in map(fields, lines) if len(row) == count]


async def of_profile(option: str, which: str = OWN) -> str:
    """Return an option of a profile, empty if it is not set, or there is none, or this user may not read it."""
    with contextlib.suppress(OSError):
        for (value,) in await rows("--show-secrets", "-g", f"{_WIFI}{option}", "connection", "show", which):
            return value
    return ""


class Radio:
    """One WiFi interface."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._named = "", ""  # a profile and its SSID, which iw does not tell of every driver
        self._networks: dict[str, Network] = {}  # of the last scan, by SSID, the strongest first
        self.seen: list[dict[str, Any]] = []  # the same for the page
        self.scanned_at = float("-inf")

    async def facts(self, driving: bool = False) -> Facts:
        """Return the facts of this moment; raises OSError if NetworkManager does not answer.

        If iw fails, the radio counts as an access point with a station, so that no phone is disturbed.
        """
        active, wired = "", False
        show = ("-f", "NAME,UUID,TYPE,DEVICE,STATE", "connection", "show", "--active")
        for name, identity, kind, device, state in await rows(*show, count=5):
            if (kind, device, state) == (_WIFI, self.device, "activated"):
                active = OWN if name == OWN else identity
            wired |= (kind, state) == (_CABLE, "activated")
        if active != self._named[0] or not self._named[1]:
            self._named = active, await of_profile(".ssid", active) if active else ""
        info = await run("iw", "dev", self.device, "info")
        stations = 0
        if active == OWN:
            heard = await run("iw", "dev", self.device, "station", "dump")
            stations = 1 if heard.code else heard.out.count(b"Station ")
        here = [a for name, a in addresses.interfaces() if name == self.device or (wired and not active)]
        address = next((a for a in here if not addresses.is_loopback(a)), "")
        is_ap = info.code != 0 or b"type AP" in info.out
        return Facts(active, self._named[1], address, wired, is_ap, stations, driving)

    async def known(self) -> dict[str, str]:
        """Return the profiles of networks that NetworkManager joins by itself: the SSID by UUID."""
        found = await rows("-f", "UUID,TYPE,AUTOCONNECT", "connection", "show", count=3)
        auto = [identity for identity, *kind in found if kind == [_WIFI, "yes"]]
        ours = [one for one in auto if await of_profile(".mode", one) in ("", "infrastructure")]
        return {one: await of_profile(".ssid", one) for one in ours}

    async def visible(self) -> list[Network]:
        """Scan; return the networks in sight, the strongest first."""
        show = ("-f", "SIGNAL,CHAN,SSID,SECURITY", "device", "wifi", "list", "ifname", self.device)
        found = await rows(*show, "--rescan", "yes", count=4, timeout_s=30.0)
        numbers = (row for row in found if row[0].isdecimal() and row[1].isdecimal())
        return sorted((Network(int(s), int(c), *more) for s, c, *more in numbers), reverse=True)

    async def scan(self) -> tuple[str, ...]:
        """Scan; return the profiles of known networks in sight, the strongest first."""
        self.scanned_at = time.monotonic()
        known, found = await self.known(), await self.visible()
        self._networks = {}
        for network in found:
            self._networks.setdefault(network.ssid, network)
        self.seen = [
            {
                "ssid": ssid,
                "signal": one.signal,
                "secured": one.security != "",
                "known": ssid in known.values(),
            }
            for ssid, one in self._networks.items()
            if ssid and ssid.isprintable()
        ][:MOST_SEEN]
        return tuple(one for ssid in self._networks for one, name in known.items() if name == ssid)

    async def do(self, action: Action) -> Outcome:
        """Carry out an action of the watcher; raises OSError if nmcli does not answer."""
        if action.kind == "scan":
            return Outcome(await self.scan())
        if action.kind == "add":
            return await self._add(action.ssid, action.password)
        which = ("id" if action.profile == OWN else "uuid", action.profile)
        if action.kind == "keep":
            return await _change(action.timeout_s, "modify", *which, "connection.autoconnect", "yes")
        if not action.password:
            return await _change(action.timeout_s, action.kind, *which)
        # NetworkManager asks for the password, and stores it in the profile before it is tried.
        answer = ("passwd-file", "/proc/self/fd/0")
        first = await _change(ANSWERS_S, "up", *which, *answer, question=password_line(action.password))
        if "Timeout expired" not in first.text:
            return first
        return await _change(action.timeout_s - ANSWERS_S, "up", *which)

    async def _add(self, ssid: str, password: str) -> Outcome:
        """Make a profile for a network, without its password. A network that is not in sight may be hidden."""
        await self.scan()
        network = self._networks.get(ssid)
        security = network.security if network else password and "WPA2"
        identity = str(uuid.uuid4())
        words = ["con-name", f"picar-wifi {ssid}", "ssid", ssid, "ifname", self.device]
        words += ["connection.uuid", identity, "connection.autoconnect", "no"]
        if security:
            kind = "sae" if security == "WPA3" else "wpa-psk"
            words += ["wifi-sec.key-mgmt", kind, "wifi-sec.psk-flags", "0"]
        if not network:
            words += ["802-11-wireless.hidden", "yes"]
        ended = await run("nmcli", "connection", "add", "type", "wifi", *words)
        return _outcome(ended) if ended.code else Outcome((identity,))


async def _change(timeout_s: float, *words: str, question: str = "") -> Outcome:
    """Have nmcli change a profile or its state, and wait for the end of that."""
    command = ("--wait", f"{timeout_s:.0f}", "connection", *words)
    return _outcome(await run("nmcli", *command, timeout_s=timeout_s + 10, question=question))


def _outcome(ended: child.Ended) -> Outcome:
    if ended.code == 0:
        return Outcome()
    said = _said(ended)
    code: Code = next((code for part, code in _CODES.items() if part in said), "other")
    return Outcome((), code, _TEXTS.get(code, said.partition("\n")[0]))


def _said(ended: child.Ended) -> str:
    return (ended.err or ended.out).decode(errors="replace").strip()
