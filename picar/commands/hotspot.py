"""`picar hotspot`: the car's own WiFi. It shows, switches, prints a label, watches (the service), and sets everything up."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import secrets
import subprocess
import time
import uuid
import zlib
from pathlib import Path
from string import Template
from typing import Any, get_args

from picar import configfile
from picar.access.locations import become_owner, resting, running
from picar.access.store import AccessStore
from picar.config import Config, HotspotConfig, WhenName
from picar.errors import AccessError, NetworkError, UsageError
from picar.files import folder_in_memory, replace
from picar.network import addresses, watch, wifi
from picar.network.hotspot import OWN
from picar.network.networkmanager import Radio, emptiest, interface, keyfile_ssid, of_profile
from picar.program import command
from picar.system import memory

KEYFILE = Path(f"/etc/NetworkManager/system-connections/{OWN}.nmconnection")
NAMES = Path("/etc/NetworkManager/dnsmasq-shared.d/picar.conf")
RULE = Path("/etc/polkit-1/rules.d/60-picar-hotspot.rules")
SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
USER = "picar-net"
ALPHABET = "abcdefghjkmnpqrstvwxyz23456789"  # without 0 1 i l o u
_STAY = "Stay connected? Yes. If the page does not open: mobile data off."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    tasks, setup = ("show", "on", "off", "try", "label", "watch", "setup"), "with setup: "
    parser.add_argument("task", nargs="?", default="show", choices=tasks, help="default: show")
    parser.add_argument("file", nargs="?", metavar="FILE.svg", help="with label: the file to write")
    parser.add_argument("--config", metavar="FILE", help="the car's configuration; default as for serve")
    parser.add_argument("--json", action="store_true", help="with show: the state alone, as JSON")
    parser.add_argument("--for", dest="for_", default="0s", metavar="30m", help="with on: time to stay up")
    when = setup + "when to switch; at the first setup fallback"
    parser.add_argument("--when", choices=get_args(WhenName), help=when)
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
        if not wifi.UNIT.exists():
            raise _missing() from None
        fix = f"See: systemctl status {wifi.UNIT.stem}"
        raise NetworkError(f"The service {wifi.UNIT.stem} does not answer. {fix}") from None
    if "error" in answer:
        raise NetworkError(answer["text"])
    return answer


def _missing() -> NetworkError:
    return NetworkError(
        f"This car has no WiFi of its own yet. Make it: {command('hotspot setup', sudo=True)}"
    )


def _watch(settings: Config, _options: argparse.Namespace) -> None:
    from picar import log

    log.to_stderr()
    device = interface(settings.hotspot.interface)
    if not device:
        fix = "Use a Pi with WiFi, or a USB stick."
        raise NetworkError(f"This machine has no WiFi, or no driver for it. {fix}")
    memory.run(watch.Control(settings.hotspot, Radio(device), _is_driven).run())


async def _is_driven() -> bool:
    """Return whether a client of the server drives; a server that does not answer may be driving."""
    try:
        async with asyncio.timeout(2.0):
            if not (serving := running(folder_in_memory())):
                return False
            host, secure = addresses.loopback_of(serving.host), None
            if serving.https:  # http does not answer then
                import ssl

                secure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE  # on this machine
            reader, writer = await asyncio.open_connection(host, serving.https or serving.port, ssl=secure)
            with contextlib.closing(writer):
                writer.write(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
                return b'"driving": false' not in await reader.read()
    except OSError as error:
        return not isinstance(error, ConnectionRefusedError)


def _secrets() -> tuple[str, str]:
    """Return name and password of the hotspot; raises NetworkError."""
    name, password = (asyncio.run(of_profile(option)) for option in (".ssid", "-security.psk"))
    if not name:
        raise _missing()
    if not password:
        raise NetworkError(f"Only root may read its password: {command('hotspot', sudo=True)}")
    return name, password


def _store() -> AccessStore:
    serving = running(folder_in_memory())
    folder = Path(serving.state) if serving else resting()
    become_owner(folder)
    return AccessStore(folder, create=False)


def _url(settings: Config) -> str:
    here, tls = wifi.address_of(settings.hotspot), settings.tls
    only_https = tls.mode != "off" and not tls.http_drives
    return addresses.url(here, tls.port, "https") if only_https else addresses.url(here, 80)


def _show(settings: Config, _options: argparse.Namespace) -> None:
    from picar.commands.pair import drawing

    (name, password), state, url = _secrets(), _ask("status"), _url(settings)
    left = state["next_look_s"]
    look = "" if left is None else f", looks for other WiFi in {left} s"
    shown = "{mode} {ssid} for {since_s} s, {stations} phones".format(**state)
    print(f"  state     {shown}{look}\n  name      {name}\n  password  {password}\n")
    print(*drawing(wifi_text(name, password)), sep="\n")
    print(f"Then open {url}/ or scan this within 10 minutes. {_STAY}\n")
    print(*drawing(addresses.pairing_link(url, _store().invitation(time.monotonic()))), sep="\n")


def _label(settings: Config, options: argparse.Namespace) -> None:
    from html import escape

    from picar.network.qr import qr_image

    (name, password), path, url = _secrets(), Path(options.file).absolute(), _url(settings)
    card = _shipped("templates/label.svg")
    words = {"name": escape(name), "password": password, "url": url, "stay": _STAY}
    words |= {"wifi_code": qr_image(wifi_text(name, password)), "page_code": qr_image(f"{url}/")}
    try:
        with path.open("w", encoding="utf-8") as file:  # before root becomes the owner of the state
            os.fchmod(file.fileno(), 0o600)  # the PIN and the password are in it
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            store = _store()
            hue = zlib.crc32(store.car.encode()) % 360
            file.write(card.substitute(words, pin=store.pin, hue=hue))
    except OSError as error:
        raise NetworkError(f"{path} cannot be written ({error.strerror}). Name another file.") from None
    print(f"{path} is written. Print it, and stick it to the car.")


def _setup(settings: Config, options: argparse.Namespace) -> None:
    if os.geteuid():
        raise NetworkError(f"The setup needs root: {command('hotspot setup', sudo=True)}")
    try:
        name, channel = _write(settings, options)
    except NetworkError:
        raise
    except OSError as error:
        raise NetworkError(f"The setup stopped: {error}. Mend that, and run it again.") from None
    show, rehearse = command("hotspot", sudo=True), command("hotspot try", sudo=True)
    print(f"The car's own WiFi is {name}, on channel {channel}.")
    print("So that the page answers in this WiFi: sudo systemctl restart picar")
    print(f"Then show the password and the QR codes: {show}, and rehearse: {rehearse}")


def _write(settings: Config, options: argparse.Namespace) -> tuple[str, int]:
    """Write everything, unless the machine is not fit for it; return the name and the channel."""
    from picar.doctor.machine import this_machine
    from picar.doctor.network import hotspot

    if options.country:
        _call("raspi-config", "nonint", "do_wifi_country", options.country)
    for finding in hotspot(this_machine()):
        if finding.status == "problem":
            raise NetworkError(f"{finding.message[0].upper()}{finding.message[1:]}. Fix: {finding.fix}")
    path = configfile.find_file(options.config) or configfile.SYSTEM_FILE
    when = options.when or (settings.hotspot.when if KEYFILE.exists() else "fallback")
    given = {"when": when, "name": options.name, "channel": options.channel}
    written = asyncio.run(_write_profile(settings.hotspot, options))
    configfile.write_options(path, "hotspot", {key: value for key, value in given.items() if value})
    _write_surroundings(wifi.address_of(settings.hotspot))
    return written


async def _write_profile(hotspot: HotspotConfig, options: argparse.Namespace) -> tuple[str, int]:
    """Write the profile and load it; return the name and the channel."""
    device = interface(hotspot.interface)
    name = options.name or hotspot.name or await of_profile(".ssid") or f"picar-{_car()[:4]}"
    if not (name.isprintable() and len(name.encode()) <= 32):
        raise UsageError(f"--name {name!r}: the name of a WiFi has 1 to 32 bytes.")
    channel = options.channel or hotspot.channel or emptiest(await Radio(device).visible())
    password = "" if options.new_password else await of_profile("-security.psk")
    password = password or "-".join("".join(map(secrets.choice, [ALPHABET] * 4)) for _ in range(3))
    words = {"ssid": keyfile_ssid(name), "password": password, "channel": channel, "device": device}
    words |= {"address": hotspot.address, "uuid": uuid.uuid5(uuid.NAMESPACE_URL, OWN)}
    _put(KEYFILE, _shipped(f"systemd/{KEYFILE.name}").substitute(words), 0o600)
    _call("nmcli", "connection", "load", str(KEYFILE))
    return name, channel


def _car() -> str:
    """Return the car's id, or at the first installation a random one."""
    try:
        return AccessStore(resting(), create=False).car
    except AccessError:
        return secrets.token_hex(2)


def _write_surroundings(address: str) -> None:
    """Write the names for phones, the rights and the unit, and start the service."""
    from picar.web.captive import PROBES

    names = (*PROBES, "car", f"{os.uname().nodename.split('.')[0]}.local")
    _put(NAMES, "".join(f"address=/{name}/{address}\n" for name in names))
    for path in (RULE, wifi.UNIT):
        _put(path, _shipped(f"systemd/{path.name}").template)
    _call("sh", "-c", f"getent passwd {USER} || useradd -r -U -M -s /usr/sbin/nologin {USER}")
    unit = wifi.UNIT.name
    for words in ("daemon-reload", f"enable {unit}", f"restart {unit}") if SYSTEMD.is_dir() else ():
        _call("systemctl", *words.split())


def _shipped(name: str) -> Template:
    """Return a file of the folders `systemd` and `templates`."""
    from picar.web.site import folder

    place, _, file = name.partition("/")
    return Template((folder(place) / file).read_text(encoding="utf-8"))


def _put(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, text, mode)


def _call(*words: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
