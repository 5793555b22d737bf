"""https in Chromium, whose trust is a store of its own, made by NSS's certutil as the help page says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright, expect

from picar.network import tls
from tests.browser.conftest import LANDSCAPE, find_chromium
from tests.browser.phone import diary_of, tell
from tests.support import chromium
from tests.support.secure import SecureHousehold
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.slow

NAME, OUTSIDE = "toy.lan", "evil.example"
CONFIG = f'hosts = ["{NAME}"]\n[server]\nallowed_hosts = ["{NAME}"]\n'
RESOLVE = f"--host-resolver-rules=MAP {NAME} 127.0.0.1,MAP {OUTSIDE} 127.0.0.1"
LOADED = "() => [...document.images].some((image) => image.complete && image.naturalWidth > 0)"
IDLE = "() => [...document.images].every((image) => image.complete)"


@pytest.fixture(scope="module")
async def car() -> AsyncIterator[SecureHousehold]:
    async with SecureHousehold(config=CONFIG) as household:
        yield household


@contextlib.asynccontextmanager
async def chromium_of(home: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(),
            args=[*chromium.ARGUMENTS, RESOLVE],
            env={**{k: v for k, v in os.environ.items() if k != "XDG_DATA_HOME"}, "HOME": str(home)},
        )
        yield browser
        await browser.close()


async def certutil(*arguments: str) -> None:
    if shutil.which("certutil") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "no certutil here: apt-get install libnss3-tools"
        )
    process = await asyncio.create_subprocess_exec("certutil", *arguments)
    assert await process.wait() == 0


@pytest.fixture(scope="module")
async def home(car: SecureHousehold, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a user who has installed the car's CA."""
    folder = tmp_path_factory.mktemp("home")
    store, ca = folder / ".pki/nssdb", tls.ca_certificate(car.state / "tls")
    assert ca
    store.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(ca)
    await certutil("-d", f"sql:{store}", "-N", "--empty-password")
    await certutil("-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "picar", "-i", str(folder / "ca.crt"))
    return folder


@pytest.fixture(scope="module")
async def trusting(home: Path) -> AsyncIterator[Browser]:
    async with chromium_of(home) as browser:
        yield browser


@pytest.fixture
async def phone(trusting: Browser) -> AsyncIterator[tuple[Page, BrowserContext]]:
    context = await trusting.new_context(viewport=LANDSCAPE, has_touch=True, locale="en-GB")  # type: ignore[arg-type]
    page = await context.new_page()
    diary = diary_of(page)
    yield page, context
    await tell(page, diary)
    await context.close()


async def paired(page: Page, url: str, pin: str) -> None:
    """Pair in the page's own dialog."""
    await page.goto(url)
    await page.fill("#pin", pin)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("body[data-you=spectator]", state="attached", timeout=DEADLINE_S * 1000)


async def test_a_browser_without_the_ca_shows_not_yet_and_refuses(
    car: SecureHousehold, tmp_path: Path
) -> None:
    async with chromium_of(tmp_path) as browser:
        page = await browser.new_page()
        await page.goto(f"http://{NAME}:{car.port}/help/https")
        await page.wait_for_function(IDLE)
        assert not await page.evaluate(LOADED)
        await expect(page.get_by_alt_text("not yet")).to_be_visible()
        with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            await page.goto(f"https://{NAME}:{car.secure_port}/")


async def test_the_help_page_says_trusted_and_leads_to_https(
    car: SecureHousehold, phone: tuple[Page, BrowserContext]
) -> None:
    page, _ = phone
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    await page.goto(f"http://{NAME}:{car.port}/help/https")
    await page.wait_for_function(LOADED)
    assert complaints == []
    await page.click(f"text=Open https://{NAME}:{car.secure_port}")
    await page.wait_for_selector("#stop span:not(:empty)", state="attached")
    assert await page.evaluate("location.origin") == f"https://{NAME}:{car.secure_port}"


async def test_over_https_the_page_drives_and_what_needs_it_works(
    car: SecureHousehold, phone: tuple[Page, BrowserContext]
) -> None:
    page, context = phone
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await paired(page, f"https://{NAME}:{car.secure_port}/", car.pin)
    cookies: list[Any] = await context.cookies()
    assert [one["secure"] for one in cookies if one["name"].startswith("__Host-picar_")] == [True]
    assert await page.evaluate("isSecureContext")
    lock = "navigator.wakeLock.request('screen').then((lock) => lock.release()).then(() => 'kept awake')"
    assert await page.evaluate(lock) == "kept awake"
    await page.keyboard.down("w")
    await car.until_driving()
    await page.keyboard.up("w")
    await car.until_low()
    await page.click("#menu")
    await page.click("#settings-phone")
    for line in ("Driving by tilting", "Screen kept on by the system", "Installing as an app"):
        await expect(page.locator("#secure")).to_contain_text(f"{line}: works")
    await page.click("#settings-back")
    await page.click("#settings label:has([value=tilt])")
    await page.keyboard.press("Escape")
    cdp = await context.new_cdp_session(page)
    for beta in range(20):  # a reading that stays the same is left out
        await cdp.send(
            "DeviceOrientation.setDeviceOrientationOverride", {"alpha": 0, "beta": beta, "gamma": 0}
        )
    await page.wait_for_selector("#tilt[data-sensor=live]", state="attached", timeout=DEADLINE_S * 1000)
    assert complaints == []


async def test_on_http_the_settings_lead_to_the_help(
    car: SecureHousehold, phone: tuple[Page, BrowserContext]
) -> None:
    page, context = phone
    await paired(page, f"http://{NAME}:{car.port}/", car.pin)
    assert not await page.evaluate("isSecureContext")
    await page.click("#menu")
    tile = page.locator("#settings label:has([value=tilt])")
    await expect(tile.get_by_role("link", name="needs https")).to_have_attribute("href", "/help/https")
    await page.click("#settings-phone")
    await expect(page.locator("#secure")).to_contain_text("Driving by tilting: not on this link")
    async with context.expect_page() as opened:
        await page.click("text=How to get https")
    help_page = await opened.value
    await expect(help_page.get_by_role("heading", name="A secure link to the car")).to_be_visible()


async def test_a_pairing_over_http_opens_nothing_on_https(
    car: SecureHousehold, phone: tuple[Page, BrowserContext]
) -> None:
    page, context = phone
    before = len(car.names())
    await paired(page, f"http://{NAME}:{car.port}/", car.pin)
    await page.goto(f"https://{NAME}:{car.secure_port}/")
    await expect(page.locator("#pin")).to_be_visible()
    await paired(page, f"https://{NAME}:{car.secure_port}/", car.pin)
    assert len(car.names()) == before + 1  # both are one entry
    assert len([one for one in await context.cookies() if "picar_" in one["name"]]) >= 2


async def test_a_phone_that_was_on_https_first_has_one_entry_too(
    car: SecureHousehold, phone: tuple[Page, BrowserContext]
) -> None:
    page, _ = phone
    before = len(car.names())
    await paired(page, f"https://{NAME}:{car.secure_port}/", car.pin)
    await page.goto(f"http://{NAME}:{car.port}/")
    await expect(page.locator("#pin")).to_be_visible()
    await paired(page, f"http://{NAME}:{car.port}/", car.pin)
    assert len(car.names()) == before + 1


async def test_the_ca_is_worth_nothing_for_another_site(
    car: SecureHousehold, phone: tuple[Page, BrowserContext]
) -> None:
    file, ca = car.folder / tls.LEAF, car.folder / tls.CA
    shutil.copy(car.state / "tls" / tls.CA, ca)
    tls._make(file, "evil", f"DNS:{OUTSIDE}", "20260101000000Z", "20280101000000Z", ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_certificate(file, file, context)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Error, match="ERR_CERT_INVALID"):
        await phone[0].goto(f"https://{OUTSIDE}:{port}/")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        await asyncio.open_connection("127.0.0.1", port, ssl=car.trust, server_hostname=OUTSIDE)
    server.close()
