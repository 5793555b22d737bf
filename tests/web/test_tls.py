"""https beside http: sessions of their own, the rules for Host and Origin on both ports, and renewal without a lost socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from picar.access.store import AccessStore
from picar.car.hub import CLOSED_UNPAIRED
from picar.config import Config, TlsConfig
from picar.network import tls
from picar.web.tls import Https
from tests.support.household import Household, cookie_of
from tests.support.peer import PING, frame
from tests.support.raw import UPGRADE, Answer
from tests.support.secure import OWN, SecureHousehold
from tests.support.waiting import DEADLINE_S, until

pytestmark = pytest.mark.slow

EVIL = "evil.example"


def cookies_of(answer: Answer) -> list[dict[str, str]]:
    """Return the headers for each cookie of an answer."""
    assert answer.status == 200, answer
    return [{"Cookie": one.partition(";")[0]} for one in answer.headers["set-cookie"].split("\n")]


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[SecureHousehold]:
    async with SecureHousehold() as household:
        yield household
        await household.terminate()
        assert "Traceback" not in household.log()


async def test_the_page_and_the_car_are_there_over_https(house: SecureHousehold) -> None:
    page = await house.ask_securely("GET", "/")
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    assert f"wss://127.0.0.1:{house.secure_port}" in policy
    assert "ws://" not in policy.replace("wss://", "")
    assert (await house.ask_securely("GET", "/healthz")).json["status"] == "ok"


async def test_the_cookie_of_http_is_worth_nothing_on_https(
    house: SecureHousehold, mia: dict[str, str]
) -> None:
    assert (await house.ask("GET", "/api/v1/state", headers=mia)).status == 200
    assert (await house.ask_securely("GET", "/api/v1/state", headers=mia)).code == "not_paired"
    name, value = mia["Cookie"].split("=", 1)
    for stolen in (
        {"Cookie": f"__Host-{name}={value}"},
        {"Authorization": f"Bearer {value}"},
        {"Cookie": f"{name}={value}; __Host-{name}={value}"},
    ):
        assert (await house.ask_securely("GET", "/api/v1/state", headers=stolen)).code == "not_paired"
        assert (await house.ask_securely("POST", "/api/v1/stop", {}, stolen)).code == "not_paired"


async def test_the_cookie_of_https_is_of_its_own_kind_and_worth_nothing_on_http(
    house: SecureHousehold,
) -> None:
    answer = await house.ask_securely("POST", "/api/v1/pair", {"pin": house.pin, "name": "Zoe"})
    cookie, other = answer.headers["set-cookie"].split("\n")
    assert cookie.startswith("__Host-picar_")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    ours = cookie_of(answer)
    assert (await house.ask_securely("GET", "/api/v1/session", headers=ours)).json["name"] == "Zoe"
    assert "Zoe" in house.names()
    name, value = ours["Cookie"].split("=", 1)
    plain = name.removeprefix("__Host-")
    hint = other.partition(";")[0].partition("=")[2]
    assert other.startswith(f"{plain}=")
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(other.split("; "))
    assert "Secure" not in other
    for secret in (value, hint):
        for stolen in (
            {"Cookie": f"{plain}={secret}"},
            {"Cookie": f"__Host-{plain}={secret}"},
            {"Authorization": f"Bearer {secret}"},
        ):
            assert (await house.ask("GET", "/api/v1/state", headers=stolen)).code == "not_paired"
            assert (await house.ask("POST", "/api/v1/stop", {}, stolen)).code == "not_paired"
            if secret == hint:
                assert (await house.ask_securely("GET", "/api/v1/state", headers=stolen)).code == "not_paired"


async def test_a_script_s_token_is_good_on_both_ports(house: SecureHousehold) -> None:
    script = {"Authorization": f"Bearer {house.token('script')}"}
    assert (await house.ask("GET", "/api/v1/state", headers=script)).status == 200
    assert (await house.ask_securely("GET", "/api/v1/state", headers=script)).status == 200


@pytest.mark.parametrize("https_first", [False, True])
async def test_a_phone_of_both_ports_is_one_entry_and_one_driver_and_is_revoked_as_one(
    https_first: bool,
) -> None:
    async with SecureHousehold(config="[session]\nidle_s = 600.0\n") as house:
        if https_first:
            secure, hint = cookies_of(await house.pair_securely("Mia"))
            answer = await house.ask("POST", "/api/v1/pair", {"pin": house.pin, "name": "another name"}, hint)
            (plain,) = cookies_of(answer)
            assert plain["Cookie"].split("=")[0] == hint["Cookie"].split("=")[0]  # it replaces the hint
            assert answer.json["name"] == "Mia"
        else:
            plain = await house.phone("Mia")
            answer = await house.pair_securely("another name", plain)
            (secure,) = cookies_of(answer)
        await house.ask_securely("GET", "/api/v1/session", headers=secure)
        assert house.names() == ["Mia"]
        assert (await house.ask_securely("GET", "/api/v1/session", headers=secure)).json["name"] == "Mia"
        async with house.secure_client(secure) as driver, house.client(plain) as other:
            await driver.take()
            driver.hold(0.8)
            await house.until_driving()
            assert driver.state["names"] == {driver.id: "Mia"}
            assert (await house.cli("pair", "--revoke", "Mia")).code == 0
            await driver.until_closed()
            await other.until_closed()
            assert driver.close_code == other.close_code == CLOSED_UNPAIRED
            await house.until_low()
        assert (await house.ask("GET", "/api/v1/state", headers=plain)).code == "not_paired"
        assert (await house.ask_securely("GET", "/api/v1/state", headers=secure)).code == "not_paired"


async def test_a_driver_who_changes_to_https_within_the_grace_keeps_the_wheel() -> None:
    async with SecureHousehold(config="[session]\ngrace_s = 30.0\n") as house:
        plain = await house.phone("Mia")
        secure = await house.secure_phone("Mia", plain)
        async with house.client(plain) as driver:
            await driver.take()
        async with house.secure_client(secure) as again:
            await again.until(lambda s: s["you"] == "driver")


async def test_a_wrong_pin_gives_nothing_to_who_has_overheard_a_cookie(
    house: SecureHousehold, mia: dict[str, str]
) -> None:
    _, hint = cookies_of(await house.pair_securely("Ada"))
    for answer in (
        await house.ask_securely("POST", "/api/v1/pair", {"pin": house.wrong_pin}, mia),
        await house.ask_securely("POST", "/api/v1/pair", {"pin": house.wrong_pin}, hint),
        await house.ask("POST", "/api/v1/pair", {"pin": house.wrong_pin}, hint),
    ):
        assert answer.code == "wrong_pin"
        assert "set-cookie" not in answer.headers


async def test_a_guest_of_a_phone_does_not_become_the_phone_whose_cookie_was_overheard() -> None:
    async with SecureHousehold() as house:
        mia, _zoe = await house.phone("Mia"), await house.phone("Zoe")
        store = AccessStore(house.state)
        (zoe,) = (one.id for one in store.paired if one.name == "Zoe")
        body = {"token": store.invitation(time.monotonic(), zoe), "name": "guest"}
        guest = await house.ask_securely("POST", "/api/v1/pair", body, mia)
        assert guest.json["name"] == "guest"
        await house.ask_securely("GET", "/api/v1/session", headers=cookie_of(guest))
        assert (await house.cli("pair", "--revoke", "Zoe", "--with-invited")).code == 0
        assert house.names() == ["Mia"]
        assert (
            await house.ask_securely("GET", "/api/v1/state", headers=cookie_of(guest))
        ).code == "not_paired"


async def test_a_script_s_token_names_no_phone(house: SecureHousehold, mia: dict[str, str]) -> None:
    name = mia["Cookie"].partition("=")[0]
    cookie = {"Cookie": f"{name}={house.token('a token as a cookie')}"}
    assert (await house.pair_securely("Bea", cookie)).json["name"] == "Bea"


async def test_a_phone_that_pairs_again_on_https_has_its_entry_again(house: SecureHousehold) -> None:
    secure, hint = cookies_of(await house.pair_securely("Lea"))
    await house.ask_securely("GET", "/api/v1/session", headers=secure)
    again = await house.pair_securely("somebody", hint)
    assert again.json["name"] == "Lea"
    assert cookies_of(again)[0] == secure


@pytest.mark.parametrize("host", [EVIL, f"{EVIL}:8443", "[::1", "-"])
async def test_a_foreign_host_is_refused_on_https_too(house: SecureHousehold, host: str) -> None:
    assert (await house.ask_securely("GET", "/", headers={"Host": host})).code == "wrong_host"


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("https://{host}", "127.0.0.1:{secure}", 200),
        ("http://{host}", "127.0.0.1:{secure}", 403),  # somebody in the middle can write such a page
        ("http://127.0.0.1:{plain}", "127.0.0.1:{secure}", 403),
        ("https://evil.example", "127.0.0.1:{secure}", 403),
        ("https://localhost", "localhost", 200),
        ("https://localhost:443", "localhost", 200),
        ("http://localhost", "localhost", 403),
        ("http://localhost:443", "localhost", 403),
    ],
)
async def test_the_origin_of_a_request_over_https_is_https(
    house: SecureHousehold, mia: dict[str, str], origin: str, host: str, status: int
) -> None:
    secure = await house.secure_phone("origins", mia)
    host = host.format(secure=house.secure_port)
    headers = {"Host": host, "Origin": origin.format(host=host, plain=house.port), **secure}
    assert (await house.ask_securely("GET", "/api/v1/state", headers=headers)).status == status


async def test_the_origin_of_https_is_foreign_to_the_port_of_http(
    house: SecureHousehold, mia: dict[str, str]
) -> None:
    headers = {"Origin": house.secure_url, **mia}
    assert (await house.ask("POST", "/api/v1/stop", {}, headers)).code == "foreign_origin"


async def test_plain_http_on_the_port_of_https_gets_no_answer(house: SecureHousehold) -> None:
    with socket.create_connection(("127.0.0.1", house.secure_port), timeout=10) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP" not in stranger.recv(100)
    assert (await house.ask_securely("GET", "/healthz")).status == 200


@pytest.mark.parametrize(
    "record",
    [
        *(b"\x17\x03\x03\0\x20" + bytes(32), b"\x17\x03\x03\xff\xff" + bytes(99), b"\x15\x03\x03\0\2\2\x28"),
        *(b"\x14\x03\x03\0\1\1", b"GET / HTTP/1.1\r\n\r\n"),
    ],
)
@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]
)
async def test_a_broken_record_ends_its_connection_without_a_line(
    house: SecureHousehold, begun: bytes, record: bytes
) -> None:
    before = house.log()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.secure_port, ssl=house.trust)
    writer.write(begun)
    plain = os.dup(writer.get_extra_info("socket").fileno())
    os.write(plain, record)
    os.close(plain)
    with contextlib.suppress(OSError):
        await reader.read()
    writer.close()
    assert (await house.ask_securely("GET", "/healthz")).status == 200
    assert house.log() == before


async def test_a_big_message_and_a_big_answer_pass_whole(house: SecureHousehold) -> None:
    secure = await house.secure_phone("big")
    async with house.secure_client(secure) as phone:
        for _ in range(20):
            await phone.write("x" * 4000)
            await phone.until_error("bad_message")
            phone.errors.clear()
            await phone.send(type="release")  # a message in between is no strike
    script = await house.ask_securely("GET", "/static/style.css")
    assert len(script.body) == int(script.headers["content-length"])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_that_stalls_receives_whole_frames(house: SecureHousehold, version: ssl.TLSVersion) -> None:
    script = f"Authorization: Bearer {house.token(f'stalls {version.name}')}"
    lines = [*(f"{name}: {value}" for name, value in UPGRADE.items()), f"Host: 127.0.0.1:{house.secure_port}"]
    head = "\r\n".join(["GET /ws HTTP/1.1", *lines, script, "", ""])
    trust = house.trust
    trust.maximum_version = version
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect(("127.0.0.1", house.secure_port))
        with trust.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            client.settimeout(DEADLINE_S)
            client.sendall(head.encode())
            for _ in range(4):  # answers of 40 kB each, more than all buffers hold
                client.sendall(frame(b'{"type":"release"}') * 400)
            client.sendall(frame(b"", PING))
            data = client.recv(65536).partition(b"\r\n\r\n")[2]
            frames: list[bytes] = []
            while b"\x8a\x00" not in frames:
                data += client.recv(65536)
                while len(data) > 4 and len(data) >= (size := _size_of(data)):
                    frames.append(data[:size])
                    data = data[size:]
            assert {json.loads(one[one.index(b"{") :])["type"] for one in frames if one[:1] == b"\x81"} <= {
                "hello",
                "state",
                "error",
            }


def _size_of(data: bytes) -> int:
    """Return the size of the server's first frame in these bytes."""
    return 2 + data[1] if data[1] < 126 else 4 + int.from_bytes(data[2:4])


async def test_without_http_drives_http_has_the_help_and_stop_alone() -> None:
    async with SecureHousehold(config="http_drives = false\n") as house:
        paired = {"Cookie": ""}
        for path in ("/", "/healthz", "/api/v1/session", "/api/v1/state", "/static/style.css", "/nothing"):
            answer = await house.ask("GET", path)
            assert (answer.status, answer.code) == (403, "https_only"), path
        assert (await house.ask("POST", "/api/v1/pair", {"pin": house.pin})).code == "https_only"
        script = {"Authorization": f"Bearer {house.token('a script')}"}
        assert (await house.ask("GET", "/api/v1/state", headers=script)).code == "https_only"
        assert (await house.ask("POST", "/api/v1/stop", {}, paired)).code == "not_paired"
        assert (await house.ask("POST", "/api/v1/stop", {}, script)).json["state"] == "stopped"
        assert (await house.ask("GET", "/help/https")).status == 200
        page = await house.ask("GET", "/", headers={"Accept": "text/html"})
        assert b'href="/help/https"' in page.body
        secure = await house.secure_phone("Mia")
        invitation = await house.ask_securely("POST", "/api/v1/invite", {}, secure)
        assert invitation.json["url"] is None  # it listens on loopback alone
        shown = await house.cli("pair")
        assert "http://" not in shown.out.replace(house.url, "")


async def test_an_invitation_leads_to_http_while_http_drives_and_to_https_otherwise() -> None:
    for more, scheme in (("", "http"), ("http_drives = false\n", "https")):
        async with SecureHousehold(config=more, host="0.0.0.0") as house:
            secure = await house.secure_phone("Mia")
            url = (await house.ask_securely("POST", "/api/v1/invite", {}, secure)).json["url"]
            port = house.port if scheme == "http" else house.secure_port
            assert url is None or (url.startswith(f"{scheme}://") and url.endswith(f":{port}"))
            assert url in (await house.cli("pair")).out if url else True


async def test_a_renewed_certificate_is_in_the_next_handshake_and_no_socket_is_lost() -> None:
    async with SecureHousehold() as house:
        secure = await house.secure_phone("Mia")
        before = ssl.get_server_certificate(("127.0.0.1", house.secure_port))
        async with house.secure_client(secure) as phone:
            config = str(house.folder / "picar.toml")
            assert (await house.cli("tls", "renew", "--config", config)).code == 0
            await until(
                lambda: ssl.get_server_certificate(("127.0.0.1", house.secure_port)) != before,
                "the new certificate",
            )
            await phone.hears(3)
            assert not phone.closed
        assert (await house.ask_securely("GET", "/healthz")).status == 200


async def test_a_certificate_that_is_due_is_made_by_a_child_while_the_car_runs() -> None:
    async with SecureHousehold() as house:
        folder = house.state / "tls"
        found = tls.leaf(folder)
        assert found
        text = (folder / tls.LEAF).read_text()
        old = text.replace('"127.0.0.1"', '"127.0.0.9"', 1)  # an address is new
        assert old != text
        (folder / tls.LEAF).write_text(old)
        await until(lambda: "127.0.0.1" in (tls.leaf(folder) or found._replace(names=[])).names, "a renewal")
        await until(lambda: house.log().count("another certificate") == 2, "both are loaded")
        assert (await house.ask_securely("GET", "/healthz")).status == 200


async def test_a_broken_certificate_does_not_end_the_one_in_use() -> None:
    async with SecureHousehold() as house:
        file = house.state / "tls" / tls.LEAF
        before = file.read_text()
        file.write_text("nonsense")
        await until(lambda: "https keeps its certificate" in house.log(), "a warning")
        assert (await house.ask_securely("GET", "/healthz")).status == 200
        file.write_text(before)
        await until(lambda: "another certificate" in house.log(), "the old one again")


async def test_without_a_certificate_http_goes_on() -> None:
    broken = '[tls]\nmode = "files"\nport = 0\ncert = "/nowhere/cert.pem"\nkey = "/nowhere/key.pem"\n'
    async with Household(config=broken) as house:
        assert "(cert_unreadable)" in house.log()
        assert (await house.ask("GET", "/healthz")).status == 200
        page = await house.ask("GET", "/help/https")
        assert b'data-ca="off"' in page.body


async def test_without_openssl_http_goes_on() -> None:
    async with Household(config=OWN, env={"PATH": "/nowhere"}) as house:
        assert "sudo apt install openssl (no_openssl)" in house.log()
        assert (await house.ask("GET", "/healthz")).status == 200


async def test_without_a_certificate_http_still_does_not_drive_if_it_must_not() -> None:
    async with Household(config=f"{OWN}http_drives = false\n", env={"PATH": "/nowhere"}) as house:
        assert (await house.ask("GET", "/")).code == "https_only"
        assert (await house.ask("GET", "/help/https")).status == 200


async def test_a_port_in_use_leaves_http_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        config = OWN.replace("port = 0", f"port = {other.getsockname()[1]}")
        async with Household(config=config) as house:
            assert "(tls_port_busy)" in house.log()
            page = await house.ask("GET", "/help/https")
            assert b'data-ca="off"' in page.body  # and no link to nowhere
            assert (await house.ask("GET", "/healthz")).status == 200


def test_of_the_dates_of_phones_the_latest_counts_up_to_a_bound(tmp_path: Path) -> None:
    https = Https(Config(tls=TlsConfig(mode="own")), tmp_path)
    for days in (5, 399, 20, 401):
        https.hear(tls.RELEASED + days * tls.DAY_S)
    assert https._heard == tls.RELEASED + 399 * tls.DAY_S


async def test_the_date_of_a_paired_phone_is_taken_and_a_guest_s_is_not() -> None:
    if tls.clock_is_trusted():
        pytest.skip("this machine's clock is set by the network")
    later = tls.RELEASED + 390 * tls.DAY_S
    async with SecureHousehold() as house:
        found = tls.leaf(house.state / "tls")
        assert found
        secure = await house.secure_phone("Mia")
        async with house.secure_client(secure) as phone:
            assert phone.hello["car"]["wants_clock"] is True
            await phone.send(type="clock", unix_s=later)
            await phone.send(type="clock", unix_s=later + 11 * tls.DAY_S)  # too far: ignored
            await phone.send(type="clock", unix_s=-1)
            await phone.until_error("bad_value")
            assert phone.codes == ["bad_value"]
    async with SecureHousehold("off") as house, house.secure_client({}) as guest:
        assert "wants_clock" not in guest.hello["car"]
        await guest.send(type="clock", unix_s=later)
        await guest.hears(2)
        assert guest.codes == []


async def test_root_s_umask_opens_no_key(house: SecureHousehold) -> None:
    for file in (house.state / "tls").iterdir():
        assert file.stat().st_mode & 0o077 == 0
    assert (house.state / "tls").stat().st_mode & 0o077 == 0
