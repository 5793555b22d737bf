"""The port, the car's name, and the WiFi that carries the driver's commands."""

from __future__ import annotations

import errno
import json
import re
import socket
import time
from collections.abc import Iterator

from picar.access.locations import resting
from picar.config import ServerConfig, TlsConfig
from picar.doctor.machine import Finding, Machine
from picar.errors import ServeError
from picar.files import UNIT_FILE
from picar.network import addresses
from picar.program import command
from picar.sensors.host import wifi_dbm

_PATIENCE_S = 2.0
_MOST_BYTES = 16 * 1024
_MONTH_S = 30 * 24 * 3600
_MANY_LOSSES = 3  # a router that restarted is no fault of the car's
_WEAK_DBM, _TOO_WEAK_DBM = -70, -80
_CLOSER = (
    "bring car and router closer, use 2.4 GHz, or let the car be its own hotspot (docs/troubleshooting.md)"
)


def port(machine: Machine, server: ServerConfig) -> Finding:
    """Try to listen as `picar serve` does."""
    where = "" if server.host == addresses.EVERYWHERE else f"{server.host} "
    try:
        sockets = machine.listen(server)
    except ServeError as error:
        return _refused(machine, server, error)
    for each in sockets:
        each.close()
    return Finding("port", "ok", f"{where}port {server.port} is free")


def _refused(machine: Machine, server: ServerConfig, error: ServeError) -> Finding:
    cause = error.__context__
    number = cause.errno if isinstance(cause, OSError) else None
    if number == errno.EADDRINUSE and _picar_answers(server):
        return Finding("port", "ok", f"a running picar answers on port {server.port}")
    if number == errno.EACCES and machine.has(UNIT_FILE):
        return Finding(
            "port", "ok", f"port {server.port} is for the service; by hand: {command('serve --port 8000')}"
        )
    message, _, fix = str(error).partition(". ")
    if number == errno.EADDRINUSE:
        fix = f"see who has it: sudo ss -ltnp 'sport = :{server.port}'; or set another port under [server]"
    return Finding(
        "port",
        "problem",
        message,
        fix or f"mend host or port under [server], or {command('serve --host H --port N')}",
    )


def _picar_answers(server: ServerConfig) -> bool:
    """Request `/healthz` from the server on that port; only picar's answer names a motor process, or that only https drives."""
    host = addresses.loopback_of(server.host)
    give_up_at = time.monotonic() + _PATIENCE_S
    told = b""
    try:
        with socket.create_connection((host, server.port), _PATIENCE_S) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            while len(told) < _MOST_BYTES and (left := give_up_at - time.monotonic()) > 0:
                connection.settimeout(left)
                if not (part := connection.recv(4096)):
                    break
                told += part
    except OSError:
        return False
    return any(word in told for word in (b'"motor"', b'"motor_silent"', b'"https_only"'))


def name(machine: Machine, server: ServerConfig) -> Finding:
    """Examine whether a phone can find the car by its name instead of its IP address."""
    host = (machine.text("etc/hostname") or "").split(".")[0]
    answer = machine.ask("systemctl", "is-active", "avahi-daemon")
    if host and answer and answer.out == "active":
        return Finding("name", "ok", addresses.url(f"{host}.local", server.port))
    fix = "sudo apt install avahi-daemon && sudo systemctl enable --now avahi-daemon"
    return Finding("name", "warning", "phones find the car by its IP address only", fix)


def certificate(machine: Machine, tls: TlsConfig) -> Iterator[Finding]:
    """Examine whether the certificate of https is there, and lasts."""
    if tls.mode == "off":
        return
    file = tls.cert if tls.mode == "files" else str(resting() / "tls" / "leaf.pem")
    answer = machine.ask("openssl", "x509", "-noout", "-enddate", "-checkend", str(_MONTH_S), "-in", file)
    fix = "renew it where it came from" if tls.mode == "files" else command("tls renew", sudo=True)
    if answer is None:
        yield Finding("https", "problem", "the command openssl is missing", "sudo apt install openssl")
    elif "Permission denied" in answer.err and tls.mode == "own":
        yield Finding(
            "https", "ok", f"only root may look at the certificate: {command('tls status', sudo=True)}"
        )
    elif "notAfter=" not in answer.out:
        yield Finding("https", "warning", f"{file} cannot be read here", command("tls status", sudo=True))
    else:
        until = answer.out.partition("notAfter=")[2].splitlines()[0]
        good = answer.code == 0
        yield Finding("https", "ok" if good else "problem", f"valid until {until}", "" if good else fix)


def funnel(machine: Machine, server: ServerConfig) -> Iterator[Finding]:
    """Examine whether Tailscale Funnel opens a port of this machine to the internet (ServeConfig of tailscale/ipn/serve.go)."""
    answer = machine.ask("tailscale", "funnel", "status", "--json")
    if answer and re.search(r'"AllowFunnel": *{[^}]*true', answer.out):
        serve = f"sudo tailscale serve --bg --https=443 http://127.0.0.1:{server.port}"
        message = "tailscale funnel is on: everybody on the internet may try PINs (docs/far-away.md)"
        yield Finding("tailscale", "warning", message, f"sudo tailscale funnel reset && {serve}")
    elif answer and answer.code == 0:
        yield Finding("tailscale", "ok", "tailscale funnel is off")


def hotspot(machine: Machine) -> Iterator[Finding]:
    """Examine the needs of the car's own WiFi, and what its watcher has counted."""
    answer, radio = machine.ask("nmcli", "-t", "general"), machine.ask("iw", "list")
    rules = machine.ask("iw", "reg", "get")
    country = re.search(r"^country (\w\w):", rules.out if rules else "", re.MULTILINE)
    if answer is None or answer.code:
        fix = "sudo apt install network-manager, or sudo raspi-config, Advanced Options, Network Config"
        yield Finding("hotspot", "problem", "NetworkManager does not run; the car's own WiFi needs it", fix)
    elif radio is None or rules is None or machine.ask("dnsmasq", "--version") is None:
        fix = "sudo apt install iw dnsmasq-base"
        yield Finding("hotspot", "problem", "the program iw or dnsmasq is missing", fix)
    elif not re.search(r"^\s+\* AP$", radio.out, re.MULTILINE):
        fix = "use the WiFi of a Pi, or a USB stick whose driver can be an access point"
        yield Finding("hotspot", "problem", "this machine's WiFi cannot be an access point", fix)
    elif not country or country[1] == "00" or _is_blocked(machine):
        fix = "sudo raspi-config nonint do_wifi_country DE (your own country)"
        yield Finding("hotspot", "problem", "no country is set, so the WiFi must not send", fix)
    else:
        yield _own_wifi(machine)


def _own_wifi(machine: Machine) -> Finding:
    """Examine the profile, with which the Pi's own radio (brcmfmac) is strict, and the watcher's counts."""
    again = command("hotspot setup", sudo=True)
    pmf = _nmcli(machine, "802-11-wireless-security.pmf", "connection", "show", "picar-hotspot")
    if pmf[:1] not in ("", "1", "d"):
        return Finding(
            "hotspot", "warning", "its profile has PMF, and a Pi's radio then lets no phone in", again
        )
    asked = machine.ask(machine.interpreter, "-m", "picar", "hotspot", "--json")
    if asked is None or asked.code:
        why = asked.err.removeprefix("picar: ") if asked else "its service does not answer"
        return Finding("hotspot", "ok" if why.startswith("Only root") else "warning", why)
    state = json.loads(asked.out)
    counts = f"{state['mode']}; WiFi lost {state['lost']} times, hotspot died {state['restarts']} times since the start"
    if state["restarts"]:
        fix = "see journalctl -u NetworkManager -u wpa_supplicant; sudo apt full-upgrade"
        return Finding("hotspot", "warning", counts, fix)
    return Finding("hotspot", "ok", counts)


def wifi(machine: Machine, model: str | None) -> Iterator[Finding]:
    """Examine each WiFi interface: blocked, asleep, weak."""
    if _is_blocked(machine):
        fix = "sudo raspi-config nonint do_wifi_country GB (your own country), then: sudo rfkill unblock wifi"
        yield Finding("wifi", "problem", "switched off: no country was chosen, or somebody blocked it", fix)
        return
    names = sorted({path.split("/")[3] for path in machine.find("sys/class/net/*/phy80211")})
    names = names or sorted({path.split("/")[3] for path in machine.find("sys/class/net/*/wireless")})
    if not names:
        grade, fix = ("warning", "use a Pi with WiFi, or a USB stick") if model else ("ok", "")
        yield Finding("wifi", "warning" if grade == "warning" else "ok", "none on this machine", fix)
    for name in names:
        yield _power_save(machine, name)
        yield _signal(machine, name)
        yield from _lost(machine, name)


def _is_blocked(machine: Machine) -> bool:
    """Return whether the kernel keeps a WiFi switched off (rfkill)."""
    return any(
        machine.text(path) == "wlan" and machine.text(path.replace("/type", "/soft")) == "1"
        for path in machine.find("sys/class/rfkill/rfkill*/type")
    )


def _power_save(machine: Machine, name: str) -> Finding:
    """Examine whether the radio sleeps: that delays commands by 50 to 300 ms, and the car stops without a visible reason."""
    connection = _nmcli(machine, "GENERAL.CONNECTION", "device", "show", name)
    answer = machine.ask("iw", "dev", name, "get", "power_save")
    told = answer.out.rpartition(":")[2].strip() if answer and answer.code == 0 else ""
    if not told and connection:
        setting = _nmcli(machine, "802-11-wireless.powersave", "connection", "show", connection)
        told = {"2": "off", "disable": "off", "3": "on", "enable": "on"}.get(setting.split(" ")[0], "")
    if told == "off":
        return Finding("wifi power", "ok", f"{name} does not sleep")
    if connection:
        quoted = "'" + connection.replace("'", "'\\''") + "'"
        fix = f"sudo nmcli connection modify {quoted} wifi.powersave 2 && sudo nmcli connection up {quoted}"
    else:
        fix = f"sudo apt install iw && sudo iw dev {name} set power_save off (until the next start)"
    if told == "on":
        return Finding(
            "wifi power", "warning", f"{name} saves power: commands may come 50 to 300 ms late", fix
        )
    return Finding("wifi power", "warning", f"whether {name} saves power cannot be seen here", fix)


def _signal(machine: Machine, name: str) -> Finding:
    dbm = _dbm(machine, name)
    if dbm is None:
        return Finding(
            "wifi signal", "ok", f"{name}: not known; it is not connected, or the car's own hotspot"
        )
    if dbm <= _WEAK_DBM:
        how = "far too weak" if dbm <= _TOO_WEAK_DBM else "weak"
        return Finding(
            "wifi signal", "warning", f"{name}: {dbm} dBm, {how}: the car will stop now and then", _CLOSER
        )
    return Finding("wifi signal", "ok", f"{name}: {dbm} dBm")


def _lost(machine: Machine, name: str) -> Iterator[Finding]:
    """Count in the log of wpa_supplicant how often the router or the radio has ended the connection since the start."""
    event = f"{name}: CTRL-EVENT-DISCONNECTED"
    log = ("journalctl", "--no-pager", "--quiet", "-b", "-u", "wpa_supplicant", "-o", "cat", "-g", event)
    answer = machine.ask(*log)
    lines = answer.out.splitlines() if answer else []
    times = sum(event in line and "locally_generated=1" not in line for line in lines)
    if times:
        message = f"{name}: connections lost since the start: {times}; see journalctl -b -u wpa_supplicant"
        many = times >= _MANY_LOSSES
        yield Finding("wifi lost", "warning" if many else "ok", message, _CLOSER if many else "")


def _dbm(machine: Machine, name: str) -> int | None:
    answer = machine.ask("iw", "dev", name, "link")
    if answer and answer.code == 0 and (found := re.search(r"signal:\s*(-\d+)", answer.out)):
        return int(found[1])
    return wifi_dbm(machine, name)


def _nmcli(machine: Machine, field: str, *what: str) -> str:
    """Return one field from NetworkManager, empty if it is not set."""
    answer = machine.ask("nmcli", "-g", field, *what)
    return answer.out.splitlines()[0].strip() if answer and answer.code == 0 and answer.out else ""
