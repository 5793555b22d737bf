"""The radio, through the programs `nmcli` (NetworkManager) and `iw`: its facts, the actions of the watcher, the hotspot's profile.

Law: a password is never an argument of a program; `nmcli` reads it from its standard input (`passwd-file`).
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from pathlib import Path

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


def emptiest(networks: list[list[str]]) -> int:
    """Return 6, 1 or 11: the channel with the least signal around it, by channel and signal (percent) of each network."""
    known = [(int(channel), int(signal)) for channel, signal in networks]
    return min((6, 1, 11), key=lambda c: sum(signal for channel, signal in known if abs(channel - c) < 5))


def profile(ssid: str, password: str, channel: int, address: str, device: str, identity: str) -> str:
    """Return the hotspot's profile as a keyfile (nm-settings-keyfile(5)).

    PMF is off, and CCMP the only cipher: brcmfmac has no IGTK in AP mode, and WPA3's hotspots fail on it.
    """
    octets = "".join(f"{octet};" for octet in ssid.encode())
    name = ssid if re.fullmatch(r"[A-Za-z][\w.-]*", ssid, re.ASCII) else octets
    return (
        f"[connection]\nid={OWN}\nuuid={identity}\ntype=wifi\ninterface-name={device}\nautoconnect=false\n\n"
        f"[wifi]\nmode=ap\nssid={name}\nband=bg\nchannel={channel}\npowersave=2\n\n"
        f"[wifi-security]\nkey-mgmt=wpa-psk\npsk={password}\nproto=rsn;\npairwise=ccmp;\ngroup=ccmp;\npmf=1\n\n"
        f"[ipv4]\nmethod=shared\naddress1={address}\n\n[ipv6]\nmethod=disabled\n"
    )


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
    return [
        row for row in map(fields, ended.out.decode(errors="replace").split("\n")[:-1]) if len(row) == count
    ]


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

    async def facts(self, driving: bool = False) -> Facts:
        """Return the facts of this moment; raises OSError if NetworkManager does not answer.

        An answer of iw that fails counts as an access point with a station, so that none is disturbed.
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
        return Facts(
            active,
            self._named[1],
            next((a for a in here if not addresses.is_loopback(a)), ""),
            wired,
            info.code != 0 or b"type AP" in info.out,
            stations,
            driving,
        )

    async def known(self) -> dict[str, str]:
        """Return the profiles of networks that NetworkManager joins by itself: the SSID by UUID."""
        found = await rows("-f", "UUID,TYPE,AUTOCONNECT", "connection", "show", count=3)
        auto = [identity for identity, *kind in found if kind == [_WIFI, "yes"]]
        ours = [one for one in auto if await of_profile(".mode", one) in ("", "infrastructure")]
        return {one: await of_profile(".ssid", one) for one in ours}

    async def visible(self, columns: str) -> list[list[str]]:
        """Return these columns of each network in sight, the strongest first."""
        scan = ("device", "wifi", "list", "ifname", self.device, "--rescan", "yes")
        count = columns.count(",") + 2
        found = await rows("-f", f"SIGNAL,{columns}", *scan, count=count, timeout_s=30.0)
        heard = [(int(signal), more) for signal, *more in found if signal.isdecimal()]
        return [more for _, more in sorted(heard, key=lambda one: -one[0])]

    async def do(self, action: Action) -> Outcome:
        """Carry out an action of the watcher."""
        try:
            return await self._do(action)
        except OSError as error:
            return Outcome((), "other", str(error))

    async def _do(self, action: Action) -> Outcome:
        if action.kind == "scan":
            known, seen = await self.known(), [ssid for (ssid,) in await self.visible("SSID")]
            here = [identity for identity, ssid in known.items() if ssid in seen]
            return Outcome(tuple(sorted(here, key=lambda identity: seen.index(known[identity]))))
        if action.kind == "add":
            return await self._add(action.ssid, action.password)
        which = ("id" if action.profile == OWN else "uuid", action.profile)
        words: tuple[str, ...] = ("connection", str(action.kind), *which)
        question = ""
        if action.kind == "keep":
            words = ("connection", "modify", *which, "connection.autoconnect", "yes")
        elif action.password:
            words, question = (*words, "passwd-file", "/proc/self/fd/0"), password_line(action.password)
        wait = ("--wait", f"{action.timeout_s:.0f}")
        ended = await run("nmcli", *wait, *words, timeout_s=action.timeout_s + 5, question=question)
        # nmcli answers each question of NetworkManager with the same wrong password, until its time is up.
        if action.password and "Timeout expired" in _said(ended) and await self._is_without_key():
            return Outcome((), "wrong_password", _TEXTS["wrong_password"])
        return _outcome(ended)

    async def _is_without_key(self) -> bool:
        """Return whether an activation is before its addresses (NMDeviceState 40 to 60): the radio is not associated."""
        ((state,),) = await rows("-g", "GENERAL.STATE", "device", "show", self.device)
        return state[:2] in ("40", "50", "60")

    async def _add(self, ssid: str, password: str) -> Outcome:
        """Make a profile for a network in sight, without its password."""
        seen = dict(reversed(await self.visible("SSID,SECURITY")))
        if ssid not in seen:
            return Outcome((), "not_seen", _TEXTS["not_seen"])
        security = {
            "wifi-sec.key-mgmt": "sae" if seen[ssid] == "WPA3" else "wpa-psk",
            "wifi-sec.psk-flags": "0",
        }
        if seen[ssid] and not password:
            return Outcome((), "wrong_password", _TEXTS["wrong_password"])
        identity = str(uuid.uuid4())
        options = {"connection.uuid": identity, "con-name": f"picar-wifi {ssid}", "ifname": self.device}
        options |= {"ssid": ssid, "connection.autoconnect": "no"} | (security if seen[ssid] else {})
        words = [word for option in options.items() for word in option]
        ended = await run("nmcli", "connection", "add", "type", "wifi", *words)
        return _outcome(ended) if ended.code else Outcome((identity,))


def _outcome(ended: child.Ended) -> Outcome:
    if ended.code == 0:
        return Outcome()
    said = _said(ended)
    code: Code = next((code for part, code in _CODES.items() if part in said), "other")
    return Outcome((), code, _TEXTS.get(code, said.partition("\n")[0]))


def _said(ended: child.Ended) -> str:
    return (ended.err or ended.out).decode(errors="replace").strip()
