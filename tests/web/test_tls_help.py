"""`/help/https` and the CA: over http, without a login, in two languages; and `picar tls`, which opens the download."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from picar.network import tls
from tests.support.household import Ended, Household
from tests.support.secure import SecureHousehold
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[SecureHousehold]:
    async with SecureHousehold() as household:
        yield household


async def run(house: Household, *arguments: str) -> Ended:
    """Run `picar tls` for this car."""
    return await house.cli("tls", *arguments, "--config", str(house.folder / "picar.toml"))


def section(house: Household) -> dict[str, object]:
    """Return [tls] of the configuration."""
    found: dict[str, object] = tomllib.loads((house.folder / "picar.toml").read_text()).get("tls", {})
    return found


async def test_the_ca_is_handed_out_after_the_command_and_not_before(house: SecureHousehold) -> None:
    page = await house.ask("GET", "/help/https")
    assert b'data-ca="closed"' in page.body
    assert (await house.ask("GET", "/help/ca.crt")).code == "closed"
    shown = await run(house, "phone")
    assert (shown.code, shown.err) == (0, "")
    give_up_at = time.monotonic() + DEADLINE_S
    while (
        answer := await house.ask("GET", "/help/ca.crt")
    ).code == "closed":  # the server looks every few seconds
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.1)
    assert answer.headers["content-type"] == "application/x-x509-ca-cert"
    assert answer.body == tls.ca_certificate(house.state / "tls")
    assert ssl.create_default_context(cadata=answer.body)
    page = await house.ask("GET", "/help/https")
    assert b'data-ca="open"' in page.body
    digits = tls.fingerprint(answer.body)
    assert digits in page.body.decode()
    assert digits in shown.out
    assert f":{house.port}/help/https" in shown.out


async def test_the_printed_command_names_the_configuration_and_needs_root_only_for_the_services() -> None:
    async with Household() as plain:
        own = await run(plain, "phone")
        assert own.err.endswith(f"picar tls init --config {plain.folder / 'picar.toml'} (no_ca)\n")
        assert "sudo" not in own.err
        of_the_service = await plain.cli("tls", "phone")
        assert re.search(r"First: sudo .*picar tls init \(no_ca\)", of_the_service.err)


async def test_the_page_has_the_steps_in_both_languages_and_no_script(house: SecureHousehold) -> None:
    page = await house.ask("GET", "/help/https", headers={"Host": f"toy.local:{house.port}"})
    if page.status == 421:  # this machine has another name
        page = await house.ask("GET", "/help/https")
    text = page.body.decode()
    for words in (
        *("Certificate Trust Settings", "Install anyway", "may be monitored", "Secret Settings"),
        *(
            "third party CA certificates",
            "Trusted Root Certification Authorities",
            "Keychain Access",
            "certutil",
        ),
        *("证书信任设置", "仍然安装", "受信任的根证书颁发机构", "钥匙串访问"),
    ):
        assert words in text, words
    assert "<script" not in text
    assert not re.search(r"\{\w+\}", text)
    policy = page.headers["content-security-policy"]
    assert f"img-src data: {house.secure_url}; " in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy


async def test_the_image_of_https_may_be_shown_by_the_page_of_http(house: SecureHousehold) -> None:
    image = await house.ask_securely("GET", "/help/trusted.svg", headers={"Sec-Fetch-Site": "cross-site"})
    assert (image.status, image.headers["content-type"]) == (200, "image/svg+xml")
    assert image.headers["cross-origin-resource-policy"] == "cross-origin"


async def test_a_host_that_is_not_the_car_s_gets_no_page(house: SecureHousehold) -> None:
    assert (await house.ask("GET", "/help/https", headers={"Host": "evil.example"})).code == "wrong_host"


async def test_without_https_the_page_says_how_to_get_it() -> None:
    async with Household() as house:
        page = await house.ask("GET", "/help/https")
        assert b'data-ca="off"' in page.body
        assert b"sudo picar tls init" in page.body
        assert (await house.ask("GET", "/help/ca.crt")).code == "closed"


async def test_init_switches_https_on_and_remove_switches_it_off() -> None:
    rest = '[server]\nname = "toy" # mine\n\n[drive]\nexpo = 0.2\n'
    async with Household(config=rest) as house:
        before = (house.folder / "picar.toml").read_text()
        assert (await run(house, "status")).out == "  mode     off\n"
        assert (await run(house, "renew")).code == (await run(house, "phone")).code == 1
        done = await run(house, "init", "--host", "toy.lan", "--port", "9443")
        assert (done.code, done.err) == (0, "")
        assert section(house) == {"mode": "own", "port": 9443, "hosts": ["toy.lan"]}
        assert (house.folder / "picar.toml").read_text().startswith(before.rstrip())
        assert "toy.lan" in done.out
        ca = tls.ca_certificate(house.state / "tls")
        assert ca
        assert tls.fingerprint(ca) in (await run(house, "status")).out
        assert (await run(house, "init")).code == 0  # once more: CA and names stay
        assert tls.ca_certificate(house.state / "tls") == ca
        assert section(house)["hosts"] == ["toy.lan"]
        assert (await run(house, "remove")).code == 0
        assert section(house)["mode"] == "off"
        assert not (house.state / "tls").exists()


async def test_a_certificate_from_elsewhere_is_used_and_read_again(tmp_path: Path) -> None:
    names, now = ["toy.local", "127.0.0.1"], tls.RELEASED
    tls.ensure(tmp_path / "one", names, now)
    tls.ensure(tmp_path / "two", names, now)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text((tmp_path / "one" / tls.LEAF).read_text())
    key.write_text((tmp_path / "two" / tls.LEAF).read_text())
    async with Household() as house:
        refused = await run(house, "use", str(cert), str(key))
        assert (refused.code, section(house)) == (1, {})
        assert "(key_mismatch)" in refused.err
        assert "(cert_unreadable)" in (await run(house, "use", str(tmp_path / "no"), str(key))).err
        key.write_text(cert.read_text())
        assert (await run(house, "use", str(cert), str(key))).code == 0
        assert section(house) == {"mode": "files", "cert": str(cert), "key": str(key)}


async def test_a_name_outside_the_ca_is_refused_before_anything_is_changed() -> None:
    async with Household() as house:
        refused = await run(house, "init", "--host", "toy.example")
        assert refused.code == 1
        assert "toy.example" in refused.err
        assert "(name_not_allowed)" in refused.err
        assert section(house) == {}
        assert not (house.state / "tls").exists()


async def test_an_unusual_section_is_left_to_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "picar.toml"
    for text in ('[tls] # mine\nmode = "off"\n', "tls.port = 8443\n", "[tls]\nhosts = [\n]\n"):
        file.write_text(text)
        async with Household() as house:
            done = await house.cli("tls", "init", "--config", str(file))
            assert done.code == 1 or tomllib.loads(file.read_text())["tls"]["mode"] == "own"
            if done.code:
                assert "by hand" in done.err
                assert file.read_text() == text
