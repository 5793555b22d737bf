"""https beside http: a second port with the same application, and its certificate, renewed while the server runs.

Laws:
- While a client drives, no file is read, and no certificate is made or exchanged.
- A certificate is exchanged in the live context: open connections stay, and the next handshake has the new one.
- Without a usable certificate, http goes on: the owner can always reach the car.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from picar.config import Config, ServerConfig
from picar.errors import ServeError, TlsError
from picar.network import tls
from picar.system import child

log = logging.getLogger(__name__)

LOOK_S = 5.0  # between two looks at files and addresses
RETRY_S = 60.0  # between two renewals, also after a failure


class Https:
    """The second port of one car.

    Args:
        settings: the configuration; [tls] is not off.
        state: the state directory.
    """

    def __init__(self, settings: Config, state: Path) -> None:
        self.config, self._settings, self._state = settings.tls, settings, state
        self._folder = state / tls.FOLDER
        self._own = self.config.mode == "own"
        self._cert, self._key = Path(self.config.cert), Path(self.config.key)
        if self._own:
            self._cert = self._key = self._folder / tls.LEAF
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["http/1.1"])
        self.sockets: list[socket.socket] = []  # empty without a certificate, or if the port is in use
        self.ca: bytes | None = None  # the car's own, for the phones, if https works
        self.fingerprint = ""  # of the CA, in groups
        self._leaf: tls.Leaf | None = None
        self._loaded: list[tuple[int, int]] = []
        self._heard = self._renewed_at = self._looked_at = float("-inf")
        self._phones_until = 0.0
        self._fault = ""
        self._renewing: asyncio.Future[bytes | None] | None = None

    @property
    def port(self) -> int:
        """The TCP port; 0 if https does not work."""
        return int(self.sockets[0].getsockname()[1]) if self.sockets else 0

    @property
    def only_port(self) -> int:
        """The port if http does not drive, else 0: the address for phones is then that of http."""
        return 0 if self.config.http_drives else self.port

    @property
    def hands_out_ca(self) -> bool:
        """Whether a phone may have the CA now, as `look` has found it."""
        return self.ca is not None and time.monotonic() < self._phones_until

    def open(self, server: ServerConfig, listen: Callable[[ServerConfig], list[socket.socket]]) -> None:
        """Make the certificate if needed, load it, and open the port.

        Raises:
            TlsError: that is not possible.
        """
        try:
            if self._own:
                tls.ensure(self._folder, tls.names_of(self._settings), self._today())
            self._load()
            self.sockets = listen(dataclasses.replace(server, port=self.config.port))
        except ServeError:
            busy = f"Port {self.config.port} for https is not free. Set another port under [tls]."
            raise TlsError("tls_port_busy", busy) from None
        except OSError as error:
            raise TlsError("cert_unreadable", f"The certificate cannot be made: {error}.") from None
        if self._own and (ca := tls.ca_certificate(self._folder)):
            self.ca, self.fingerprint = ca, tls.fingerprint(ca)

    def hear(self, unix_s: float) -> None:
        """Take the date of a paired phone: a bound for certificates, in memory alone."""
        if unix_s <= tls.RELEASED + tls.HEARD_S:
            self._heard = max(self._heard, unix_s)

    def wants_clock(self) -> bool:
        """Return whether the date of a phone helps."""
        return self._own and not tls.clock_is_trusted()

    def look(self, now: float) -> None:
        """Load changed files, and have a certificate renewed that is due, every `LOOK_S`. Only while no client drives."""
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        self._phones_until = tls.phones_until(self._folder)
        try:
            if self._loaded != self._stamps():
                self._load()
                log.info("https has another certificate")
            if self._own and now - self._renewed_at >= RETRY_S:
                self._renew_if_due(now)
        except (OSError, TlsError) as error:
            self._renewed_at = now
            if self._fault != str(error):
                self._fault = str(error)
                log.warning("https keeps its certificate: %s", error)

    def _renew_if_due(self, now: float) -> None:
        names, today = tls.names_of(self._settings), self._today()
        if self._leaf is None or self._leaf.is_due(names, today):
            self._renewed_at = now
            question = json.dumps([str(self._folder), names, today])
            self._renewing = asyncio.ensure_future(child.answer_of("picar.network.tls", question))

    def _load(self) -> None:
        self._loaded = self._stamps()
        tls.load_certificate(self._cert, self._key, self.context)
        self._leaf = tls.leaf(self._folder) if self._own else None

    def _today(self) -> float:
        return tls.today(self._state, self._heard)

    def _stamps(self) -> list[tuple[int, int]]:
        found = [file.stat() for file in (self._cert, self._key)]
        return [(one.st_mtime_ns, one.st_ino) for one in found]
