"""The modules that a car at rest does not load: each one loaded early costs memory and time at every start.

`-X importtime` lists import statements, and no call of `importlib.import_module`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

AT_REST_NOT = {
    "_curses",
    "decimal",
    "picar.doctor",
    "picar.motor.__main__",
    "picar.motor.loop",
    "picar.network.qr",
    "picar.network.tls",
    "picar.core.guest",
    "picar.core.posts",
    "picar.web.bridges",
    "picar.web.tls",
    "picar.wiring.page",
    "picar.wiring.plan",
    "picar.wiring.presets",
    "picar.wiring.svg",
    "picar.wiring.text",
    "platform",
    "segno",
    "shutil",
    "statistics",
    "tempfile",
    "tomllib",
    "urllib.request",
    "xml",
}


def test_a_server_that_has_sent_its_page_has_not_loaded_what_draws_and_diagnoses(tmp_path: Path) -> None:
    folders = {"XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [sys.executable, "-X", "importtime", "-m", "picar", "serve", "--host", "127.0.0.1"]
    with (
        (tmp_path / "imports").open("w+") as imports,
        subprocess.Popen(
            [*command, "--port", "0", "--pins", "mock"],
            env={k: v for k, v in os.environ.items() if not k.startswith(("COV", "PICAR_"))} | folders,
            stdout=subprocess.PIPE,
            stderr=imports,
            text=True,
        ) as server,
    ):
        assert server.stdout
        try:
            url = next(line.split()[1] for line in server.stdout if line.startswith("  open"))
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
                assert answer.read()
        finally:
            server.terminate()
        assert server.wait(30) == 0
        imports.seek(0)
        loaded = {
            re.split(r"[| ]+", line.rstrip())[-1] for line in imports if line.startswith("import time:")
        }
    assert {"picar.web.server", "picar.motor.channel", "tornado.websocket"} <= loaded
    assert not loaded & AT_REST_NOT
