"""The life of the car's own WiFi: `picar hotspot setup` and `watch` as the real services, `picar serve`, and a phone.

All times are the guest's. QEMU emulates its processor, so that everything takes longer than on a Pi.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from picar.network.hotspot import AGAIN_S, FIRST_S, JOIN_S, REHEARSAL_S
from tests.support.product import ALL_PINS, EN_PINS
from tests.wifi_vm.house import HOME, PASSWORD, PROFILES, House, qr_texts

pytestmark = pytest.mark.wifi
QUICK = "fallback_s = 10\nempty_s = 10\nlook_s = 15"
FALLBACK_S, RAISE_S, DEADLINE_S = 45.0, 30.0, 1.0
Untouched = Callable[..., None]


def joined(house: House, folder: Path) -> None:
    """Let a phone join by the QR codes that `picar hotspot` prints, pair, and fetch the page."""
    network, page = qr_texts(house.picar("hotspot"), folder)
    house.phone_joins(network)
    house.phone_pairs(page)


def own_wifi(house: House, untouched: Untouched, *more: str, known: bool = True) -> None:
    """Set the car up where there is no WiFi; its own comes."""
    house.furnish(QUICK, known=known)
    untouched(*more)
    house.sh("iw reg set DE")
    house.setup()
    house.serve()
    house.becomes(mode="hotspot")


def stays(house: House, seconds: float, profile: str = "picar-hotspot") -> None:
    """Look for so long whether the profile stays active."""
    end = house.now() + seconds
    while house.now() < end:
        house.active(profile, 1.0)
        time.sleep(2.0)


def attempt_s(house: House) -> float:
    """Return the duration of the watcher's first attempt to join `HOME`, which failed, from its log."""
    log = house.sh("journalctl -b --no-pager -o short-monotonic -u picar-hotspot")
    times = [
        re.search(rf"^\[ *([\d.]+)\].* {line}", log, re.MULTILINE) for line in (f"up {HOME}$", "up failed:")
    ]
    began, ended = (float(found[1]) for found in times if found)
    return ended - began


def test_the_wifi_goes_a_phone_comes_and_drives_and_the_radio_is_cut_at_full_speed(
    house: House, untouched: Untouched, tmp_path: Path
) -> None:
    house.furnish(f"fallback_s = {FALLBACK_S}", DEADLINE_S)
    untouched()
    house.router_on()
    house.active("home")
    assert "No country is set" in house.picar("hotspot setup --config /etc/picar/picar.toml", 180.0, code=1)
    house.sh("iw reg set DE")
    said = house.setup()
    assert "The car's own WiFi is picar-" in said
    house.serve()
    house.becomes(mode="wifi", ssid=HOME)
    gone = house.router_off()
    up = house.active("picar-hotspot", 120.0)
    print(f"hotspot up {up - gone:.1f} s after the WiFi went, of which fallback_s is {FALLBACK_S:g}")
    assert FALLBACK_S - 5.0 < up - gone <= FALLBACK_S + RAISE_S
    joined(house, tmp_path)
    answer = house.fetch("/generate_204", url="http://connectivitycheck.gstatic.com")
    assert answer["status"] == 204
    state = json.loads(house.fetch("/api/v1/wifi")["text"])
    assert (state["mode"], state["stations"], state["address"]) == ("hotspot", 1, "10.42.0.1")
    house.phone_drives()
    house.until(
        "tail -n 40 /run/picar/trace | grep -E '\"pin\": ?12\\b' | tail -n 1 | grep -qE '\"value\": ?1'"
    )
    refused = house.picar("hotspot off", code=1)
    assert "A client drives" in refused
    cut = house.phone_is_cut_off()
    house.until("sleep 3")
    writes = house.trace()
    before = {write["pin"]: write["value"] for write in writes if write["t"] <= cut}
    assert [before[pin] for pin in EN_PINS] == [1, 1], "full speed at the cut"
    levels = {write["pin"]: write["value"] for write in writes}
    assert levels == dict.fromkeys(ALL_PINS, 0)
    last = max(write["t"] for write in writes if write["t"] > cut)
    print(f"all pins low {1000 * (last - cut):.0f} ms after the cut, deadline {1000 * DEADLINE_S:.0f} ms")
    assert last - cut <= DEADLINE_S + 0.1


def test_the_wifi_is_back_and_nobody_is_there_so_the_car_returns(house: House, untouched: Untouched) -> None:
    own_wifi(house, untouched)
    up = house.now()
    house.router_on()
    back = house.active("home", FIRST_S + 60.0)
    print(f"back in the WiFi {back - up:.0f} s after its own came up; never before {FIRST_S:g} s")
    assert back - up >= FIRST_S - 20.0
    house.becomes(mode="wifi", ssid=HOME)


def test_the_wifi_is_back_but_a_phone_is_there_so_the_car_stays(
    house: House, untouched: Untouched, tmp_path: Path
) -> None:
    own_wifi(house, untouched)
    up = house.now()
    joined(house, tmp_path)
    house.router_on()
    stays(house, up + FIRST_S + 30.0 - house.now())
    assert house.fetch("/")["status"] == 200
    left = house.now()
    house.phone_leaves()
    back = house.active("home", 120.0)
    print(f"back in the WiFi {back - left:.0f} s after the phone left, of which empty_s is 10")


def test_a_phone_has_the_car_join_a_network_by_a_wrong_and_a_right_password(
    house: House, untouched: Untouched, tmp_path: Path
) -> None:
    own_wifi(house, untouched, f"{PROFILES}/picar-wifi {HOME}.nmconnection", known=False)
    joined(house, tmp_path)
    house.router_on()
    pin = json.loads(house.sh("cat /var/lib/picar/access.json"))["pin"]
    assert house.fetch("/api/v1/wifi", {"ssid": HOME, "password": "wrongpassword"})["status"] == 403
    wrong = {"ssid": HOME, "password": "wrongpassword", "pin": pin}
    assert house.fetch("/api/v1/wifi", wrong)["status"] == 202
    gone = house.until("! nmcli -t -f NAME con show --active | grep -qx picar-hotspot")
    house.becomes(
        150.0, mode="hotspot", last={"ssid": HOME, "code": "wrong_password", "text": "The password is wrong."}
    )
    again, tried = house.now() - gone, attempt_s(house)
    print(f"hotspot up again {again:.0f} s after it went; the wrong password was tried for {tried:.0f} s")
    assert tried < JOIN_S
    assert house.sh("nmcli -t -f NAME con show | grep -c picar-wifi; true").strip() == "0"
    house.until("ip netns exec phone iw dev wlan2 link | grep -q Connected")
    last = json.loads(house.fetch("/api/v1/wifi")["text"])["last"]
    assert last["code"] == "wrong_password"
    assert house.fetch("/api/v1/wifi", wrong | {"password": PASSWORD})["status"] == 202
    house.becomes(120.0, mode="wifi", ssid=HOME, last=None)
    auto = house.sh(f"nmcli -g connection.autoconnect con show {f'picar-wifi {HOME}'!r}")
    assert auto.strip() == "yes"


def test_the_router_has_another_password_so_the_owner_is_not_locked_out(
    house: House, untouched: Untouched, tmp_path: Path
) -> None:
    house.furnish(QUICK)
    untouched()
    house.sh("iw reg set DE")
    house.router_on()
    house.active("home")
    house.setup()
    house.serve()
    gone = house.router_off()
    house.router_on("anotherpassword")
    up = house.active("picar-hotspot", 150.0)
    print(f"hotspot up {up - gone:.0f} s after the router had another password; fallback_s is 10")
    joined(house, tmp_path)


@pytest.mark.parametrize("network", ["hotspot", "wifi"])
def test_the_supplicant_is_killed(network: str, house: House, untouched: Untouched, tmp_path: Path) -> None:
    if network == "hotspot":
        own_wifi(house, untouched)
    else:
        house.furnish(QUICK)
        untouched()
        house.sh("iw reg set DE")
        house.router_on()
        house.active("home")
        house.setup()
        house.serve()
        house.becomes(mode="wifi", ssid=HOME)
    killed = house.now()
    house.sh("systemctl kill -s KILL wpa_supplicant")
    house.until("! nmcli -t -f NAME con show --active | grep -qx -e picar-hotspot -e home", 90.0)
    again = house.active("home" if network == "wifi" else "picar-hotspot", AGAIN_S + RAISE_S + 60.0)
    print(f"{network} again {again - killed:.0f} s after the supplicant's death")
    if network == "hotspot":
        joined(house, tmp_path)


def test_the_rehearsal_returns(house: House, untouched: Untouched, tmp_path: Path) -> None:
    house.furnish(QUICK)
    untouched()
    house.sh("iw reg set DE")
    house.router_on()
    house.active("home")
    house.setup()
    house.serve()
    house.becomes(mode="wifi", ssid=HOME)
    said = house.picar("hotspot try")
    assert f"after {REHEARSAL_S:g} s it goes back" in said
    up = house.active("picar-hotspot")
    joined(house, tmp_path)
    back = house.active("home", REHEARSAL_S + 60.0)
    print(
        f"back in the WiFi after {back - up:.0f} s, although a phone was there; a rehearsal has {REHEARSAL_S:g} s"
    )
    assert back - up >= REHEARSAL_S - 20.0
