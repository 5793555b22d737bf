"""What goes wrong has a screen of its own, says why and what helps, in both languages."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from playwright.async_api import Route, WebSocketRoute

from tests.browser.conftest import NewPhone
from tests.browser.phone import Phone
from tests.support.product import Product
from tests.support.waiting import until

pytestmark = pytest.mark.browser

LOST = {"en-GB": "Signal lost", "zh-CN": "信号中断"}
RESTARTED = {"en-GB": "The car was restarted", "zh-CN": "小车已重新启动"}
FULL = {"en-GB": "Too many pages open", "zh-CN": "小车连接数已满"}
DRIVES = {"en-GB": " is driving", "zh-CN": "正在驾驶"}
PASSES = {"en-GB": "Changing drivers", "zh-CN": "正在交接驾驶权"}
LOCALES = ["en-GB", "zh-CN"]


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_server_that_is_gone_and_comes_back_is_told_apart(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await new_phone(car.url, locale=locale)
    await phone.take_the_wheel()
    await phone.hold_until("throttle", y=0.5)
    await phone.in_state("armed")
    await phone.lift("throttle")
    await phone.tap("ask")
    await phone.seen("body[data-you=spectator]")
    await car.terminate()
    await phone.reads("title", LOST[locale])
    assert await phone.covered("retry", "stop") == []
    await car.start()
    with contextlib.suppress(
        AssertionError
    ):  # by now the page may have come back by itself, and the button gone
        await phone.tap("retry")
    await phone.reads("title", RESTARTED[locale])


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_car_that_takes_no_more_connections_says_so(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await new_phone(locale=locale)
    await phone.page.route_web_socket("**/ws", lambda socket: socket.close())
    await phone.page.goto(car.url)
    await phone.reads("title", FULL[locale])


async def talked(phone: Phone, change: dict[str, Any]) -> list[WebSocketRoute]:
    """Change what the car says to a phone that is not open yet. Returns its connections, those to come included."""
    sockets: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        talk(socket, change)

    await phone.page.route_web_socket("**/ws", connect)
    return sockets


def talk(socket: WebSocketRoute, change: dict[str, Any]) -> None:
    """Change what the car says on its way."""
    server = socket.connect_to_server()
    socket.on_message(server.send)

    def pass_on(text: str | bytes) -> None:
        message = json.loads(text)
        for key, value in change.get(message["type"], {}).items():
            message[key] = (message.get(key) or {}) | value if isinstance(value, dict) else value
        socket.send(json.dumps(message))

    server.on_message(pass_on)


async def test_a_new_version_under_an_open_page_reloads_it_and_a_dialog_is_finished_first(
    car: Product, new_phone: NewPhone
) -> None:
    phone = await new_phone()
    change: dict[str, Any] = {}
    sockets = await talked(phone, change)
    await phone.open(car.url)
    loads: list[str] = []
    phone.page.on("domcontentloaded", lambda page: loads.append(page.url))
    await phone.tap("menu")
    await phone.seen("#settings[open]")
    change["hello"] = {"car": {"version": "99"}}
    await sockets[-1].close()
    await phone.reads("title", "The car was updated")
    assert loads == []
    change.clear()
    await phone.page.click("#settings .done")
    await until(lambda: len(loads) == 1, "the page reloads")
    await phone.seen("body[data-link=good]")
    change["hello"] = {"car": {"version": "99"}}
    await sockets[-1].close()
    await until(lambda: len(loads) == 2, "the page reloads by itself")


@pytest.mark.parametrize("locale", LOCALES)
async def test_who_watches_reads_who_drives_who_asks_and_what_happens_next(
    car: Product, new_phone: NewPhone, locale: str
) -> None:
    phone = await new_phone(locale=locale)
    change: dict[str, Any] = {
        "state": {
            "driver": "other9",
            "you": "spectator",
            "names": {"other9": "Mia", "other8": "Ben"},
            "requests": ["other8"],
        }
    }
    await talked(phone, change)
    await phone.open(car.url)
    await phone.reads("title", f"Mia{DRIVES[locale]}")
    change["state"] |= {"requests": ["other8", phone.client], "requests_total": 2, "waiting": True}
    await phone.reads("why", "Ben")
    change["state"] |= {"requests": ["other8"], "requests_total": 31}
    await phone.reads("why", "31")
    await phone.seen("#ask[data-does=waiting]")
    change["state"] |= {"you": "driver", "driver": phone.client, "waiting": False}
    await phone.reads("asks", "30")
    change["state"] |= {"you": "spectator", "driver": "other9"}
    change["state"]["driver"] = None
    await phone.reads("title", PASSES[locale])


async def test_a_revoked_phone_is_asked_to_pair_again(car: Product, new_phone: NewPhone) -> None:
    phone = await new_phone()
    sockets: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        talk(socket, {})

    async def not_allowed(route: Route) -> None:
        await route.fulfill(json={"allowed": False, "pairing": "on", "name": None, "car": "picar"})

    await phone.page.route_web_socket("**/ws", connect)
    await phone.page.route("**/api/v1/session", not_allowed)
    await phone.open(car.url)
    await sockets[-1].close(code=4401, reason="unpaired")
    await phone.seen("#pair[open]")
    await phone.reads("pair-error", "This phone is no longer paired.")
    await phone.page.click("#pair .done")
    await phone.reads("title", "This phone is not paired")
    assert len(sockets) == 1, "it does not try again by itself"


async def test_facts_about_the_machine_are_shown_as_far_as_there_are_words(
    car: Product, new_phone: NewPhone
) -> None:
    phone: Phone = await new_phone()
    facts = {"under_voltage": True, "cpu_percent": 12.34, "odd": 1, "battery_v": None}
    change = {"state": {"host": facts | dict.fromkeys(("temperature_c", "wifi_dbm", "throttled"))}}
    await talked(phone, change)
    await phone.open(car.url)
    await phone.reads("host", "low voltage")
    await phone.reads("facts", "CPU 12.3%")
