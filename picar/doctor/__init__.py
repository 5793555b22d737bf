"""`picar doctor`: what is wrong with this machine, and the exact fix. It changes nothing that lasts.

One module for each area; each check is a function of a `Machine` that returns findings. It reads files,
and asks programs that may be missing: what it cannot find out it says, and goes on.

Laws:
- It works without root and never hangs: every program that it asks has a deadline.
- It never claims a pin that another picar has: trying them takes the lock that picar itself takes.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping

from picar import __version__, config
from picar.config import Config
from picar.doctor import gpio, network, pi, service, wiring
from picar.doctor.findings import Finding
from picar.doctor.machine import Machine
from picar.errors import ConfigError
from picar.motor.boards import board_of
from picar.program import command
from picar.raspberrypi import MODEL_FILE, raspberry_pi_model


def examine(
    machine: Machine, config_flag: str | None = None, env: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """Look at everything that must be right before the first drive.

    Args:
        machine: the one to look at.
        config_flag: `--config`, as for `picar serve`.
        env: where `PICAR_…` is looked up.
    """
    model = raspberry_pi_model(machine.root / MODEL_FILE)
    settings, faults = _load(config_flag, env)
    hazards = [] if faults else list(wiring.hazards(machine, model, board_of(settings)))
    ill = any(finding.status == "problem" for finding in (*faults, *hazards))
    yield Finding("picar", "ok", f"{__version__} on Python {machine.python}")
    yield pi.model(model)
    yield pi.system(machine, model)
    yield from faults or [Finding("configuration", "ok", settings.source)]
    for warning in settings.warnings:
        if warning.startswith(config.UNNAMED):  # the others are hazards of the wiring, below
            message, _, fix = warning.rstrip(".").rpartition(". ")
            yield Finding("configuration", "warning", message, fix)
    yield from hazards or ([] if faults else [wiring.WELL])
    yield from gpio.libraries(machine, model, settings, may_claim=not ill)
    yield service.service(machine)
    yield from _kernel(machine, model)
    yield from network.wifi(machine, model)
    if not faults:
        yield network.port(machine, settings.server)
        if model is not None:
            yield network.name(machine, settings.server)
    yield service.clock(machine)


def _load(flag: str | None, env: Mapping[str, str]) -> tuple[Config, list[Finding]]:
    """Return the configuration, or the defaults and what is wrong with it."""
    try:
        return config.load(config.find_file(flag, env), env), []
    except ConfigError as error:
        fix = f"mend it, then: {command('check-config' + (f' {shlex.quote(flag)}' if flag else ''))}"
        return Config(), [Finding("configuration", "problem", problem, fix) for problem in error.problems]


def _kernel(machine: Machine, model: str | None) -> Iterator[Finding]:
    if model is None:
        yield pi.what_a_pi_needs()
        return
    yield pi.strict_gpiod(machine, model)
    yield pi.watchdog(machine)
    yield pi.power(machine)
