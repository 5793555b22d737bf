"""`picar hotspot`: the car's own WiFi. It shows, switches, prints a label, watches (the service), and sets everything up."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import subprocess
import time
import uuid
import zlib
from pathlib import Path
from typing import Any, get_args

from picar import configfile
from picar.access.locations import become_owner, resting, running
from picar.access.store import AccessStore
from picar.config import Config, WhenName
from picar.errors import AccessError, NetworkError, UsageError
from picar.files import folder_in_memory, replace
from picar.network import addresses, watch, wifi
from picar.network.hotspot import OWN
from picar.network.networkmanager import Radio, emptiest, interface, of_profile, profile
from picar.program import command

KEYFILE = Path(f"/etc/NetworkManager/system-connections/{OWN}.nmconnection")
NAMES = Path("/etc/NetworkManager/dnsmasq-shared.d/picar.conf")
RULE = Path("/etc/polkit-1/rules.d/60-picar-hotspot.rules")
UNIT = Path("/etc/systemd/system/picar-hotspot.service")
SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
USER = "picar-net"
ALPHABET = "abcdefghjkmnpqrstvwxyz23456789"  # without 0 1 i l o u
_RIGHTS = ("network-control", "wifi.scan", "wifi.share.protected", "settings.modify.system")
_RULE = """// Lets picar's hotspot service switch the WiFi, and nothing else. Made by picar hotspot setup.
polkit.addRule(function (action, subject) {{
    if (subject.user == "{user}" && {rights}.indexOf(action.id) >= 0) return polkit.Result.YES;
}});
"""
_STAY = "Stay connected? Yes. If the page does not open: mobile data off."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    tasks, setup = ("show", "on", "off", "try", "label", "watch", "setup"), "with setup: "
    parser.add_argument("task", nargs="?", default="show", choices=tasks, help="default: show")
    parser.add_argument("file", nargs="?", metavar="FILE.svg", help="with label: the file to write")
    parser.add_argument("--config", metavar="FILE", help="the car's configuration; default as for serve")
    parser.add_argument("--json", action="store_true", help="with show: the state alone, as JSON")
    parser.add_argument("--for", dest="for_", default="0s", metavar="30m", help="with on: time to stay up")
    when = setup + "when to switch; default fallback"
    parser.add_argument("--when", default="fallback", choices=get_args(WhenName), help=when)
    parser.add_argument("--name", help=setup + "the name of the WiFi")
    parser.add_argument("--new-password", action="store_true", help=setup + "make a new password")
    parser.add_argument("--country", metavar="DE", help=setup + "the country whose radio rules apply")
    parser.add_argument("--channel", type=int, choices=(1, 6, 11), help=setup + "default the emptiest")


def run(options: argparse.Namespace) -> int:
    """Show the car's own WiFi and its QR codes; switch it, print a label, or set it up."""
    if (options.task == "label") != (options.file is not None):
        options.parser.error("label needs the name of a file, and no other task has one")
    if options.task in ("on", "off", "try"):
        verb = "off" if options.task == "off" else "on"
        print(_ask(verb, for_s=seconds(options.for_), rehearsal=options.task == "try")["text"])
    elif options.task == "show" and options.json:
        print(json.dumps(_ask("status")))
    else:
        tasks = {"watch": _watch, "setup": _setup, "label": _label, "show": _show}
        tasks[options.task](configfile.load(configfile.find_file(options.config)), options)
    return 0


def wifi_text(name: str, password: str) -> str:
    """Return the text of a QR code by which a phone joins a WiFi."""
    name, password = (re.sub(r'([\\;,:"])', r"\\\1", text) for text in (name, password))
    return f"WIFI:T:WPA;S:{name};P:{password};;"


def seconds(text: str) -> int:
    """Return a time like 90s, 30m or 2h in seconds; raises UsageError."""
    found = re.fullmatch(r"(\d{1,6})([smh])", text, re.ASCII)
    if not found:
        raise UsageError(f"--for {text}: write a time like 90s, 30m or 2h.")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def _ask(verb: str, **more: Any) -> dict[str, Any]:
    """Return the watcher's answer; raises NetworkError if it refuses, or does not answer."""
    try:
        answer = asyncio.run(wifi.ask(verb, **more))
    except PermissionError:
        raise NetworkError(f"Only root may ask for it: {command('hotspot', sudo=True)}") from None
    except (OSError, ValueError):
        fix = f"Set it up: {command('hotspot setup', sudo=True)}"
        raise NetworkError(f"The hotspot's service picar-hotspot does not answer. {fix}") from None
    if "error" in answer:
        raise NetworkError(answer["text"])
    return answer


def _watch(settings: Config, _options: argparse.Namespace) -> None:
    from picar import log

    log.to_stderr()
    device = interface(settings.hotspot.interface)
    if not device:
        raise NetworkError(
            "This machine has no WiFi, or no driver for it. Use a Pi with WiFi, or a USB stick."
        )
    asyncio.run(watch.Control(settings.hotspot, Radio(device), _is_driven).run())


async def _is_driven() -> bool:
    serving = running(folder_in_memory())
    return serving is not None and await watch.is_driven(addresses.loopback_of(serving.host), serving.port)


def _secrets() -> tuple[str, str]:
    """Return name and password of the hotspot; raises NetworkError."""
    name, password = (asyncio.run(of_profile(option)) for option in (".ssid", "-security.psk"))
    if not name:
        raise NetworkError(f"This car has no WiFi of its own. Make it: {command('hotspot setup', sudo=True)}")
    if not password:
        raise NetworkError(f"Only root may read its password: {command('hotspot', sudo=True)}")
    return name, password


def _store() -> AccessStore:
    serving = running(folder_in_memory())
    folder = Path(serving.state) if serving else resting()
    become_owner(folder)
    return AccessStore(folder, create=False)


def _url(settings: Config) -> str:
    here, tls = settings.hotspot.address.partition("/")[0], settings.tls
    only_https = tls.mode != "off" and not tls.http_drives
    return addresses.url(here, tls.port, "https") if only_https else addresses.url(here, 80)


def _show(settings: Config, _options: argparse.Namespace) -> None:
    from picar.commands.pair import drawing

    (name, password), state, url = _secrets(), _ask("status"), _url(settings)
    left = state["next_look_s"]
    look = "" if left is None else f", looks for other WiFi in {left} s"
    since = f"{state['mode']} {state['ssid']} for {state['since_s']} s, {state['stations']} phones"
    lines = [f"  state     {since}{look}", f"  name      {name}", f"  password  {password}", ""]
    lines += [
        *drawing(wifi_text(name, password)),
        f"Then open {url}/ or scan this within 10 minutes. {_STAY}",
        "",
    ]
    lines += drawing(addresses.pairing_link(url, _store().invitation(time.monotonic())))
    print("\n".join(lines))


def _label(settings: Config, options: argparse.Namespace) -> None:
    from html import escape

    from picar.network.qr import qr_image

    (name, password), path, url = _secrets(), Path(options.file).absolute(), _url(settings)
    parts = []
    for x, title, text in ((2, "1. WiFi", wifi_text(name, password)), (36, "2. Page", f"{url}/")):
        parts.append(f'<image x="{x}" y="12" width="30" height="30" href="{qr_image(text)}"/>')
        parts.append(f'<text x="{x + 3}" y="12" font-size="3.4">{title}</text>')
    try:
        with path.open("w", encoding="utf-8") as file:  # before root becomes the owner of the state
            store = _store()
            words = (f"WiFi: {name}", f"Password: {password}", f"Page: {url}", f"PIN: {store.pin}")
            colour = f"hsl({zlib.crc32(store.car.encode()) % 360},70%,45%)"
            parts += [
                f'<rect width="130" height="8" fill="{colour}"/><text x="5" y="47" font-size="3.4">{_STAY}</text>'
            ]
            parts += [f'<text x="70" y="{18 + 6 * i}">{escape(text)}</text>' for i, text in enumerate(words)]
            size = 'width="130mm" height="50mm" viewBox="0 0 130 50" font-family="sans-serif" font-size="4"'
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>\n')
    except OSError as error:
        raise NetworkError(f"{path} cannot be written ({error.strerror}). Name another file.") from None
    print(f"{path} is written. Print it, and stick it to the car.")


def _setup(settings: Config, options: argparse.Namespace) -> None:
    from picar.doctor.machine import this_machine
    from picar.doctor.network import hotspot

    if os.geteuid():
        raise NetworkError(f"The setup needs root: {command('hotspot setup', sudo=True)}")
    if options.country:
        _call("raspi-config", "nonint", "do_wifi_country", options.country)
    for finding in hotspot(this_machine()):
        if finding.status == "problem":
            raise NetworkError(f"{finding.message[0].upper()}{finding.message[1:]}. Fix: {finding.fix}")
    path = configfile.find_file(options.config) or configfile.SYSTEM_FILE
    name, channel = asyncio.run(_write_profile(settings, options))
    given = {"when": options.when, "name": options.name, "channel": options.channel}
    configfile.write_options(path, "hotspot", {key: value for key, value in given.items() if value})
    _write_surroundings(settings)
    rehearse = command("hotspot try", sudo=True)
    print(f"The car's own WiFi is {name}, on channel {channel}. Rehearse it: {rehearse}")
    print("The page answers in it after: sudo systemctl restart picar")


async def _write_profile(settings: Config, options: argparse.Namespace) -> tuple[str, int]:
    """Write the profile and load it; return the name and the channel."""
    device = interface(settings.hotspot.interface)
    name = options.name or settings.hotspot.name or await of_profile(".ssid") or f"picar-{_car()[:4]}"
    if not (name.isprintable() and len(name.encode()) <= 32):
        raise UsageError(f"--name {name!r}: the name of a WiFi has 1 to 32 bytes.")
    channel = options.channel or settings.hotspot.channel
    channel = channel or emptiest(await Radio(device).visible("CHAN,SIGNAL"))
    password = "" if options.new_password else await of_profile("-security.psk")
    password = password or "-".join("".join(map(secrets.choice, [ALPHABET] * 4)) for _ in range(3))
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, OWN))
    _put(KEYFILE, profile(name, password, channel, settings.hotspot.address, device, identity), 0o600)
    _call("nmcli", "connection", "load", str(KEYFILE))
    return name, channel


def _car() -> str:
    """Return the car's id, or at the first installation a random one."""
    try:
        return AccessStore(resting(), create=False).car
    except AccessError:
        return secrets.token_hex(2)


def _write_surroundings(settings: Config) -> None:
    """Write the names for phones, the rights and the unit, and start the service."""
    from picar.web.captive import PROBES
    from picar.web.site import folder

    here = settings.hotspot.address.partition("/")[0]
    names = (*PROBES, "car", f"{os.uname().nodename.split('.')[0]}.local")
    rights = json.dumps([f"org.freedesktop.NetworkManager.{right}" for right in _RIGHTS])
    _put(NAMES, "".join(f"address=/{name}/{here}\n" for name in names), 0o644)
    _put(RULE, _RULE.format(user=USER, rights=rights), 0o644)
    _put(UNIT, (folder("systemd") / UNIT.name).read_text(encoding="utf-8"), 0o644)
    _call("sh", "-c", f"getent passwd {USER} || useradd -r -U -M -s /usr/sbin/nologin {USER}")
    for words in ("daemon-reload", f"enable {UNIT.name}", f"restart {UNIT.name}") if SYSTEMD.is_dir() else ():
        _call("systemctl", *words.split())


def _put(path: Path, text: str, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, text, mode)
    except OSError as error:
        why = f"{path} cannot be written ({error.strerror})"
        raise NetworkError(f"{why}. Mend that, and run this again.") from None


def _call(*words: str) -> None:
    try:
        subprocess.run(words, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().partition("\n")[0]
        raise NetworkError(f"This failed: {' '.join(words)} ({said}). Mend it, and run this again.") from None
