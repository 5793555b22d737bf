#!/usr/bin/env python3
"""`nmcli` and `iw` in one program, for the processes of a test: a network in a JSON file, and every call written down.

The outputs have the form of NetworkManager 1.52 and iw 6.9. It is strict: an unknown call ends with code 2, and a password
among the arguments with code 99.
"""

from __future__ import annotations

import configparser
import fcntl
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(os.environ.get("FAKE_NETWORK", "."))
STATE = HERE / "state.json"


def main(program: str, words: list[str]) -> int:
    with (HERE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return answer(program, words)


def answer(program: str, words: list[str]) -> int:
    state: dict[str, Any] = json.loads(STATE.read_text())
    with (HERE / "calls").open("a") as calls:
        calls.write(" ".join([program, *words]) + "\n")
    secrets = {network["psk"] for network in state["networks"].values() if network["psk"]}
    if secrets & set(words):
        return 99
    code, out, err = iw(state, words) if program == "iw" else nmcli(state, words)
    STATE.with_suffix(".new").write_text(json.dumps(state, indent=1))
    STATE.with_suffix(".new").replace(STATE)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code


def iw(state: dict[str, Any], words: list[str]) -> tuple[int, str, str]:
    profile = state["profiles"].get(state["active"])
    is_ap = bool(profile) and profile["mode"] == "ap" and not state["dead"]
    if words == ["dev", "wlan0", "info"]:
        return 0, f"Interface wlan0\n\tifindex 3\n\ttype {'AP' if is_ap else 'managed'}\n", ""
    if words == ["dev", "wlan0", "station", "dump"]:
        one = "Station 02:00:00:00:02:00 (on wlan0)\n\tauthorized:\tyes\n"
        return 0, one * state["stations"] if is_ap else "", ""
    if words == ["list"]:
        modes = "\t\t * managed\n" + "\t\t * AP\n" * state["can_be_ap"]
        return 0, f"Wiphy phy0\n\tSupported interface modes:\n{modes}\tBand 1:\n", ""
    if words == ["reg", "get"]:
        return (
            0,
            f"global\ncountry {state['country']}: DFS-ETSI\n\t(2400 - 2483 @ 40), (N/A, 20), (N/A)\n",
            "",
        )
    return 2, "", f"iw: {words}\n"


def nmcli(state: dict[str, Any], words: list[str]) -> tuple[int, str, str]:
    if state["fails"]:
        return 8, "", "Error: NetworkManager is not running.\n"
    line = " ".join(words)
    fixed = {
        "-t general": "connected:full:enabled:enabled:enabled:enabled\n",
        "-g 802-11-wireless-security.pmf connection show picar-hotspot": "1 (disable)\n",
        "--terse -f NAME,UUID,TYPE,DEVICE,STATE connection show --active": "".join(
            map(terse, running(state))
        ),
        "--terse -f UUID,TYPE,AUTOCONNECT connection show": "".join(map(terse, known(state))),
    }
    if line in fixed:
        return 0, fixed[line], ""
    if words[:2] == ["connection", "load"]:
        return load(state["profiles"], Path(words[2]))
    if line.startswith("connection add type wifi "):
        return add(state["profiles"], words[4:])
    if found := re.fullmatch(r"--terse --show-secrets -g (\S+) connection show (\S+)", line):
        return values(state["profiles"], found[1], found[2])
    if line == "--terse -f SIGNAL,CHAN,SSID,SECURITY device wifi list ifname wlan0 --rescan yes":
        here = {ssid: one for ssid, one in state["networks"].items() if not one.get("hidden")}
        return 0, "".join(terse(seen(*one)) for one in here.items()), ""
    if found := re.fullmatch(r"--wait \d+ connection (\w+) (?:id|uuid) (\S+)(.*)", line):
        return change(state, found[1], found[2], found[3].strip())
    return 2, "", f"Error: {line}\n"


def running(state: dict[str, Any]) -> list[tuple[str, ...]]:
    active = state["active"]
    rows = [("lo", "u-lo", "loopback", "lo", "activated")]
    rows += [("Wired: 1", "u-eth", "802-3-ethernet", "eth0", "activated")] if state["wired"] else []
    wifi = "802-11-wireless", "wlan0", "activated"
    return [*rows, (state["profiles"][active]["name"], active, *wifi)] if active else [*rows]


def known(state: dict[str, Any]) -> list[tuple[str, ...]]:
    auto = {True: "yes", False: "no"}
    rows = [(uuid, "802-11-wireless", auto[one["auto"]]) for uuid, one in state["profiles"].items()]
    return [*rows, ("u-eth", "802-3-ethernet", "yes")]


def load(profiles: dict[str, Any], file: Path) -> tuple[int, str, str]:
    """Read a keyfile, which must belong to its owner alone."""
    if file.stat().st_mode & 0o777 != 0o600:
        return 2, "", f"Could not load file '{file}'\n"
    keys = configparser.ConfigParser(interpolation=None)
    keys.read(file)
    ssid = keys["wifi"]["ssid"]
    profiles[keys["connection"]["uuid"]] = {
        "name": keys["connection"]["id"],
        "ssid": bytes(map(int, ssid.split(";")[:-1])).decode() if ssid.endswith(";") else ssid,
        "mode": keys["wifi"]["mode"],
        "auto": keys["connection"]["autoconnect"] == "true",
        "psk": keys["wifi-security"]["psk"],
    }
    return 0, "", ""


def terse(row: tuple[str, ...]) -> str:
    return ":".join(re.sub(r"([\\:])", r"\\\1", field) for field in row) + "\n"


def values(profiles: dict[str, Any], names: str, which: str) -> tuple[int, str, str]:
    found = [one for uuid, one in profiles.items() if which in (uuid, one["name"])]
    if not found:
        return 10, "", f"Error: {which} - no such connection profile.\n"
    keys = [
        name.removeprefix("802-11-wireless").lstrip(".-").removeprefix("security.")
        for name in names.split(",")
    ]
    return 0, "".join(terse((found[0].get(key, ""),)) for key in keys), ""


def seen(ssid: str, network: dict[str, Any]) -> tuple[str, ...]:
    return str(network["signal"]), "1", ssid, "WPA2" if network["psk"] else ""


def add(profiles: dict[str, Any], words: list[str]) -> tuple[int, str, str]:
    given = dict(zip(words[::2], words[1::2], strict=True))
    profiles[given["connection.uuid"]] = {
        "name": given["con-name"],
        "ssid": given["ssid"],
        "mode": "infrastructure",
        "auto": given["connection.autoconnect"] == "yes",
        "psk": "",
        "hidden": given.get("802-11-wireless.hidden") == "yes",
    }
    return 0, f"Connection '{given['con-name']}' ({given['connection.uuid']}) successfully added.\n", ""


def change(state: dict[str, Any], verb: str, which: str, more: str) -> tuple[int, str, str]:
    profiles = state["profiles"]
    uuid = next((uuid for uuid, one in profiles.items() if which in (uuid, one["name"])), "")
    if not uuid:
        return 10, "", f"Error: unknown connection '{which}'.\n"
    if verb == "up":
        return up(state, uuid, more)
    if verb == "modify" and more == "connection.autoconnect yes":
        profiles[uuid]["auto"] = True
    elif verb in ("down", "delete"):
        state["active"] = "" if state["active"] == uuid else state["active"]
        if verb == "delete":
            del profiles[uuid]
    else:
        return 2, "", f"Error: {verb} {more}\n"
    return 0, "", ""


def up(state: dict[str, Any], uuid: str, more: str) -> tuple[int, str, str]:
    profile = state["profiles"][uuid]
    if more == "passwd-file /proc/self/fd/0":
        line = Path("/proc/self/fd/0").read_text()
        name, _, escaped = line.rstrip("\n").partition(":")
        assert name == "802-11-wireless-security.psk"
        profile["psk"] = re.sub(r"\\(.)", r"\1", escaped)
    network = state["networks"].get(profile["ssid"])
    state["active"], state["dead"] = "", False
    problem = ""
    if profile["mode"] == "ap":
        problem = "802.1X supplicant took too long to authenticate" * state["refuses"]
    else:
        if network is None or (network.get("hidden") and not profile.get("hidden")):
            problem = "The Wi-Fi network could not be found"
        elif network["psk"] != profile["psk"] and more:  # it gave the same password again and again
            return 3, "", "Error: Timeout expired (15 seconds)\n"
        elif network["psk"] != profile["psk"]:
            problem = "Secrets were required, but not provided"
        elif network.get("deaf"):
            problem = "IP configuration could not be reserved (no available address, timeout, etc.)"
    if problem:
        return 4, "", f"Error: Connection activation failed: {problem}.\nHint: use 'journalctl -xe'.\n"
    state["active"] = uuid
    return 0, "Connection successfully activated\n", ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[0]).name, sys.argv[1:]))
