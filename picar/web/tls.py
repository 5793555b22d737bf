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

from picar.config import ServerConfig, TlsConfig
from picar.errors import ServeError, TlsError
from picar.network import addresses, tls
from picar.system import child

log = logging.getLogger(__name__)

LOOK_S = 5.0  # between two looks at files and addresses
RETRY_S = 60.0  # between two renewals, also after a failure


class Https:
    """The second port of one car.

    Args:
        config: the section [tls], not off.
        state: the state directory.
    """

    def __init__(self, config: TlsConfig, state: Path) -> None:
        self.config, self.folder = config, state / "tls"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.sockets: list[socket.socket] = []  # empty without a certificate, or if the port is in use
        self._own = config.mode == "own"
        cert, key = Path(config.cert), Path(config.key)
        self._files = (self.folder / tls.LEAF, None) if self._own else (cert, key)
        self._heard = self._renewed_at = self._looked_at = float("-inf")
        self._phones_until = 0.0
        self._stamp: list[tuple[int, int]] = []
        self._leaf: tls.Leaf | None = None
        self.ca: bytes | None = None  # the car's own, for the phones
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
    def fingerprint(self) -> str:
        """The SHA-256 of the car's CA in groups, empty without one."""
        return tls.fingerprint(self.ca) if self.ca else ""

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
                tls.ensure(self.folder, self._names(), self._today())
            self.context = tls.context_of(*self._files)
            self._note_files()
            self.ca = tls.ca_certificate(self.folder) if self._own else None
            self.sockets = listen(dataclasses.replace(server, port=self.config.port))
        except ServeError:
            busy = f"Port {self.config.port} for https is not free. Set another port under [tls]."
            raise TlsError("tls_port_busy", busy) from None
        except OSError as error:
            raise TlsError("cert_unreadable", f"The certificate cannot be made: {error}.") from None

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
        self._phones_until = tls.phones_until(self.folder)
        try:
            if self._stamp != self._stamp_of_files():
                self._note_files()
                tls.context_of(*self._files)  # a pair that does not match would spoil the live context
                cert, key = self._files
                self.context.load_cert_chain(cert, key, password="")
                log.info("https has another certificate")
            names = self._names() if self._own and now - self._renewed_at >= RETRY_S else None
            if names and (self._leaf is None or self._leaf.is_due(names, self._today())):
                self._renewed_at = now
                question = json.dumps([str(self.folder), names, self._today()])
                self._renewing = asyncio.ensure_future(child.answer_of("picar.network.tls", question))
        except (OSError, TlsError) as error:
            self._renewed_at = now
            if self._fault != str(error):
                self._fault = str(error)
                log.warning("https keeps its certificate: %s", error)

    def _names(self) -> list[str]:
        present = (address for _, address in addresses.interfaces())
        return tls.names_of(socket.gethostname(), present, self.config.hosts)

    def _today(self) -> float:
        return tls.today(self.folder.parent, self._heard)

    def _stamp_of_files(self) -> list[tuple[int, int]]:
        found = [file.stat() for file in self._files if file]
        return [(one.st_mtime_ns, one.st_ino) for one in found]

    def _note_files(self) -> None:
        self._stamp = self._stamp_of_files()
        self._leaf = tls.leaf(self.folder) if self._own else None
