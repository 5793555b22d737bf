"""The car's own WiFi: phones that check for the internet stay, and the Host rule stays as it is everywhere else."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from picar.config import HotspotConfig
from picar.network import wifi
from picar.web import captive
from tests.support.household import Household
from tests.support.raw import Answer, ask
from tests.support.watcher import AT_THIS_SOCKET, FakeWatcher

HERE, ELSEWHERE = "127.0.0.2", "127.0.0.1"
CONFIG = (
    f'[hotspot]\naddress = "{HERE}/8"\n'  # `when` is "never": `picar hotspot on` still raises the hotspot
)
APPLE = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
FIREFOX = '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>'
ANSWERS = [
    *(
        (host, path, 204, "")
        for host in ("connectivitycheck.gstatic.com", "clients3.google.com", "connectivitycheck.android.com")
        for path in ("/generate_204", "/gen_204")
    ),
    ("captive.apple.com", "/", 200, APPLE),
    ("captive.apple.com", "/hotspot-detect.html", 200, APPLE),
    ("www.msftconnecttest.com", "/connecttest.txt", 200, "Microsoft Connect Test"),
    ("www.msftncsi.com", "/ncsi.txt", 200, "Microsoft NCSI"),
    ("detectportal.firefox.com", "/success.txt?ipv4", 200, "success\n"),
    ("detectportal.firefox.com", "/canonical.html", 200, FIREFOX),
    ("nmcheck.gnome.org", "/check_network_status.txt", 200, "NetworkManager is online\n"),
    ("network-test.debian.org", "/nm", 200, "NetworkManager is online\n"),
]


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Household]:
    watcher = FakeWatcher(tmp_path_factory.mktemp("run") / "ctl")
    car = Household(host="all", config=CONFIG, env=watcher.env, program=("-c", AT_THIS_SOCKET))
    async with watcher, car as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


async def get(house: Household, host: str, path: str, method: str = "GET", at: str = HERE) -> Answer:
    return await ask((at, house.port), method, path, {"Host": host})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("host", "path", "status", "body"), ANSWERS)
async def test_a_check_gets_what_it_expects(
    house: Household, method: str, host: str, path: str, status: int, body: str
) -> None:
    answer = await get(house, host, path, method)
    assert answer.status == status
    assert answer.body.decode() == (body if method == "GET" else "")
    assert "set-cookie" not in answer.headers
    assert len(body) <= 200


@pytest.mark.parametrize("host", ["example.com", "CAPTIVE.example", "a b", "example.com:8443"])
@pytest.mark.parametrize("path", ["/", "/ws", "/api/v1/state", "/healthz", "/static/style.css"])
async def test_any_other_name_is_sent_to_the_page(house: Household, host: str, path: str) -> None:
    answer = await get(house, host, path)
    if host == "a b" and answer.status == 400:  # refused before the lookup
        return
    assert (answer.status, answer.headers["location"]) == (302, f"http://{HERE}/")
    assert (answer.body, "set-cookie" in answer.headers) == (b"", False)


async def test_names_ignore_case_a_port_and_a_last_dot(house: Household) -> None:
    answer = await get(house, "Captive.Apple.COM.:80", "/")
    assert answer.body.decode() == APPLE
    absolute = await get(house, "anything.example", "http://captive.apple.com/hotspot-detect.html")
    assert absolute.body.decode() == APPLE


@pytest.mark.parametrize("host", [HERE, "localhost", "[::1]", socket.gethostname()])
async def test_the_car_s_own_names_reach_the_car(house: Household, host: str) -> None:
    assert (await get(house, host, "/healthz")).status == 200
    assert (await get(house, host, "/generate_204")).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
async def test_other_methods_are_refused_as_everywhere(house: Household, method: str) -> None:
    assert (await get(house, "captive.apple.com", "/", method)).status == 421
    assert (await get(house, "example.com", "/api/v1/stop", method)).status == 421


@pytest.mark.parametrize(("host", "path"), [(host, path) for host, path, *_ in ANSWERS])
async def test_on_another_network_the_host_rule_is_as_it_was(house: Household, host: str, path: str) -> None:
    answer = await get(house, host, path, at=ELSEWHERE)
    assert (answer.status, answer.code) == (421, "wrong_host")


async def test_the_service_of_the_hotspot_decides_not_the_option(tmp_path: Path) -> None:
    watcher, always = FakeWatcher(tmp_path / "ctl"), f'{CONFIG}when = "always"\n'
    program = ("-c", AT_THIS_SOCKET)
    async with Household("off", host="all", config=always, env=watcher.env, program=program) as car:
        assert (await get(car, "captive.apple.com", "/")).status == 421
        async with car.client({}) as phone:
            assert phone.hello["car"]["hotspot"] is False
        async with watcher:  # it comes later than the server
            assert (await get(car, "captive.apple.com", "/")).body.decode() == APPLE
            async with car.client({}) as phone:
                assert phone.hello["car"]["hotspot"] is True
        await car.terminate()


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wifi, "UNIT", tmp_path)


def test_the_socket_is_there_before_its_address_and_the_service_are(
    monkeypatch: pytest.MonkeyPatch, set_up: None
) -> None:
    monkeypatch.setattr(captive, "PORT", 0)
    hotspot = HotspotConfig(address="198.51.100.7/24")
    (found,) = captive.listen(hotspot, "all", 8000)
    with found:
        assert found.getsockname()[0] == "198.51.100.7"


@pytest.mark.parametrize(("host", "port"), [("all", 80), ("0.0.0.0", 80), ("10.42.0.1", 80)])
def test_no_socket_where_the_server_has_it_already(set_up: None, host: str, port: int) -> None:
    assert captive.listen(HotspotConfig(), host, port) == []


def test_no_socket_without_a_setup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wifi, "UNIT", tmp_path / "gone")
    monkeypatch.setattr(wifi, "CTL", tmp_path / "gone")
    assert captive.listen(HotspotConfig(when="always"), "all", 8000) == []


def test_a_socket_that_cannot_be_had_is_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, set_up: None
) -> None:
    with socket.create_server((HERE, 0)) as taken:
        monkeypatch.setattr(captive, "PORT", taken.getsockname()[1])
        assert captive.listen(HotspotConfig(when="always", address=f"{HERE}/8"), "all", 8000) == []
    assert [record.message for record in caplog.records] == [
        f"no page at http://{HERE}/ in the car's own WiFi: Address already in use; use port 8000"
    ]
