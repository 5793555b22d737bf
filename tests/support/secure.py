"""A car with https, its phones, and a client's trust in its CA."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Mapping

from picar.network import tls
from tests.support.client import Client
from tests.support.household import JSON, Household, cookie_of
from tests.support.raw import Answer, ask
from tests.support.waiting import DEADLINE_S

OWN = '[tls]\nmode = "own"\nport = 0\n'


class SecureHousehold(Household):
    """A household whose car has both ports.

    Args:
        pairing: which clients need the PIN.
        config: more text of the configuration, after the section [tls].
        host: the address to listen on.
    """

    def __init__(self, pairing: str = "on", config: str = "", host: str = "127.0.0.1") -> None:
        super().__init__(pairing, config=f"{OWN}{config}", host=host)
        self.secure_port = 0

    async def start(self) -> None:
        """Start it, and wait for both URLs."""
        await super().start()
        assert self.process.stdout
        async with asyncio.timeout(DEADLINE_S):
            while line := await self.process.stdout.readline():
                if found := re.search(rb"open +https://127\.0\.0\.1:(\d+)", line):
                    self.secure_port = int(found[1])
                    return
        raise AssertionError(f"no https:\n{self.log()}")

    @property
    def folder_of_tls(self) -> str:
        """The folder of the certificates."""
        return str(self.state / "tls")

    @property
    def secure_url(self) -> str:
        """The URL of the page over https."""
        return f"https://127.0.0.1:{self.secure_port}"

    @property
    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts the car's CA and nothing else."""
        ca = tls.ca_certificate(self.state / "tls")
        assert ca
        return ssl.create_default_context(cadata=ca)

    async def ask_securely(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request over https with a JSON body, or none."""
        address, headers = ("127.0.0.1", self.secure_port), dict(headers or {})
        if body is None:
            return await ask(address, method, path, headers, secure=self.trust)
        data = json.dumps(body).encode()
        return await ask(address, method, path, JSON | headers, data, secure=self.trust)

    async def pair_securely(self, name: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Pair a phone over https by the PIN, and return the answer."""
        return await self.ask_securely("POST", "/api/v1/pair", {"pin": self.pin, "name": name}, headers)

    async def secure_phone(self, name: str, headers: Mapping[str, str] | None = None) -> dict[str, str]:
        """Pair a phone over https, and return the headers with its cookie for https."""
        answer = await self.pair_securely(name, headers)
        assert answer.status == 200, answer
        await self.ask_securely("GET", "/api/v1/session", headers=cookie_of(answer))
        return cookie_of(answer)

    def secure_client(self, headers: Mapping[str, str]) -> Client:
        """Return a client over wss."""
        return Client(self.secure_url, headers=dict(headers), secure=self.trust)
