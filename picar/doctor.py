"""`picar doctor`: what is wrong with this machine, and the exact fix. It changes nothing."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from picar import __version__, config
from picar.config import Config
from picar.errors import BackendError, ConfigError, ServeError
from picar.motor import pins

Grade = Literal["ok", "warning", "problem"]

_INDENT = " " * 26


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `fix` is a command or an edit, empty where there is nothing to mend."""

    check: str
    status: Grade
    message: str
    fix: str = ""


def examine(config_flag: str | None) -> Iterator[Finding]:
    """Look at everything that must be right before the first drive."""
    model = pins.raspberry_pi_model()
    yield Finding("picar", "ok", f"{__version__} on Python {platform.python_version()}")
    yield Finding("machine", "ok", model or f"{platform.system()} on {platform.machine()}, no Raspberry Pi")
    try:
        settings = config.load(config.find_file(config_flag))
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("configuration", "problem", problem, "mend it, then: picar check-config")
        return
    yield Finding("configuration", "ok", settings.source)
    for warning in settings.warnings:
        yield Finding("wiring", "warning", warning, "move the wire, then change the number under [l298n]")
    yield _pins(settings, model)
    yield _port(settings)


def report(findings: Iterable[Finding]) -> tuple[list[str], bool]:
    """Return the lines to print, and whether there is no problem."""
    lines, well = [], True
    for finding in findings:
        well = well and finding.status != "problem"
        first, *more = finding.message.splitlines()
        lines.append(f"  {finding.status:<8} {finding.check:<14} {first}")
        lines += [_INDENT + line.strip() for line in more]
        if finding.fix:
            lines.append(f"{_INDENT}fix: {finding.fix}")
    return lines, well


def _pins(settings: Config, model: str | None) -> Finding:
    try:
        name = pins.choose(settings.motors.backend, model)
    except BackendError as error:
        return Finding("pins", "problem", str(error))
    if model is None and name == "sim":
        return Finding("pins", "ok", "sim: a simulated car, for this is no Raspberry Pi")
    return Finding("pins", "ok", name)


def _port(settings: Config) -> Finding:
    from picar.web.server import listen

    where = f"{settings.server.host} port {settings.server.port}"
    try:
        sockets = listen(settings.server)
    except ServeError as error:
        return Finding(
            "port",
            "problem",
            str(error),
            "mend host or port under [server], or picar serve --host H --port N",
        )
    for each in sockets:
        each.close()
    return Finding("port", "ok", f"{where} is free")
