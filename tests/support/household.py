"""A car that asks for its PIN, and the phones of the house."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picar.access.content import Kind
from picar.access.store import FILE, AccessStore
from tests.support.client import Client
from tests.support.product import Product
from tests.support.raw import Answer, ask
from tests.support.waiting import DEADLINE_S

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


class Household(Product):
    """A product with a state directory of its own.

    Args:
        pairing: which clients need the PIN.
        config: more text of the configuration.
        env: more environment.
        host: the loopback address to listen on.
        program: arguments of Python that start it.
    """

    def __init__(
        self,
        pairing: str = "on",
        config: str = "",
        env: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        program: tuple[str, ...] = ("-m", "picar"),
    ) -> None:
        super().__init__(
            config=f'[access]\npairing = "{pairing}"\n{config}', env=env, host=host, program=program
        )
        self.state = self.folder / "state"
        self._env |= {"STATE_DIRECTORY": str(self.state), "XDG_RUNTIME_DIR": str(self.folder)}

    @property
    def address(self) -> tuple[str, int]:
        """Where to reach it."""
        return "127.0.0.1" if self.host in ("all", "0.0.0.0") else self.host, self.port

    @property
    def file(self) -> Path:
        """The file of its state directory."""
        return self.state / FILE

    def content(self) -> dict[str, Any]:
        """Return the content of that file."""
        content: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return content

    @property
    def pin(self) -> str:
        """Its PIN."""
        return str(self.content()["pin"])

    @property
    def wrong_pin(self) -> str:
        """Another PIN than that."""
        return f"{(int(self.pin) + 1) % 10**6:06d}"

    def names(self) -> list[str]:
        """Return the names of the paired devices."""
        return [one["name"] for one in self.content()["paired"]]

    def token(self, name: str, kind: Kind = "script") -> str:
        """Pair a script, as `picar pair --token` does, or another program, and return its token."""
        store = AccessStore(self.state)
        return store.credential(store.pair(name, kind))

    async def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request with a JSON body, or none."""
        if body is None:
            return await ask(self.address, method, path, headers)
        return await ask(self.address, method, path, {**JSON, **(headers or {})}, json.dumps(body).encode())

    async def pair(self, headers: Mapping[str, str] | None = None, **body: str) -> Answer:
        """Ask to be let in, and come back with the cookie as a browser does; the PIN is right where none is given."""
        answer = await self.ask("POST", "/api/v1/pair", body or {"pin": self.pin}, headers)
        if answer.status == 200:
            await self.ask("GET", "/api/v1/session", headers=cookie_of(answer))
        return answer

    async def phone(self, name: str) -> dict[str, str]:
        """Pair a phone, and return the headers with its cookie."""
        answer = await self.pair(pin=self.pin, name=name)
        assert answer.status == 200, answer
        return cookie_of(answer)

    def client(self, headers: Mapping[str, str], *, quiet: bool = False) -> Client:
        """Return a client with these headers."""
        return Client(self.url, headers=dict(headers), quiet=quiet)

    async def cli(self, *arguments: str, **env: str) -> Ended:
        """Run `picar ARGUMENTS` in the same environment."""
        return await run([sys.executable, "-m", "picar", *arguments], self._env | env)


async def run(command: list[str], env: Mapping[str, str]) -> Ended:
    """Run a command to its end, with more environment."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | env,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def cookie_of(answer: Answer) -> dict[str, str]:
    """Return the headers that a browser sends after this answer."""
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
