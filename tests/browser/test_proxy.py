"""The page behind a proxy that changes the Host: its scripts run, and it says what is wrong."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.browser.conftest import NewPhone
from tests.support.product import Product

pytestmark = pytest.mark.slow


async def test_the_page_behind_a_proxy_that_drops_the_port_names_the_proxy(
    car: Product, new_phone: NewPhone
) -> None:
    open_ends: list[asyncio.StreamWriter] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drop: bytes = b"") -> None:
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65536):
                writer.write(part.replace(b"Host: 127.0.0.1" + drop, b"Host: 127.0.0.1") if drop else part)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_car, to_car = await asyncio.open_connection("127.0.0.1", car.port)
        port = writer.get_extra_info("sockname")[1]
        open_ends.extend((to_car, writer))
        await asyncio.gather(carry(reader, to_car, f":{port}".encode()), carry(from_car, writer))

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    phone = await new_phone()
    await phone.page.goto(f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    await phone.seen("body[data-card=proxy]")
    await phone.reads("title", "A proxy is in the way")
    await phone.reads("why", "must pass it on, with the port")
    proxy.close()
    for end in open_ends:
        end.close()
        with contextlib.suppress(ConnectionError):
            await end.wait_closed()
