"""`picar doctor`: the faults of this machine, each with its exact fix. It makes no lasting change.

One module for each area; each check is a function of a `Machine` that returns findings. The checks read files, and
run programs that may be missing: a fact that cannot be read becomes a finding too, and the next check follows.

Laws:
- It works without root and never hangs: every program that it runs has a deadline.
- It never claims a pin that another picar has: trying them takes the same lock as driving.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping

from picar import __version__, configfile, wirecheck
from picar.config import Config
from picar.doctor import battery, camera, chip, network, obstacle, pins, system
from picar.doctor.machine import Finding, Machine
from picar.errors import ConfigError
from picar.motor.boards import Board
from picar.network import wifi
from picar.program import command
from picar.raspberrypi import MODEL_FILE, raspberry_pi_model


def examine(
    machine: Machine, config_flag: str | None = None, env: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """Examine everything that must be right before the first drive.

    Args:
        machine: the machine to examine.
        config_flag: `--config`, as for `picar serve`.
        env: the environment with the `PICAR_…` variables.
    """
    model = raspberry_pi_model(machine.root / MODEL_FILE)
    settings, faults = _load(config_flag, env)
    board = Board(settings)
    hazards = [] if faults else list(pins.hazards(machine, model, board))
    parts = [] if faults else list(chip.examine(machine, model, board))
    ill = any(finding.status == "problem" for finding in (*faults, *hazards, *parts))
    yield Finding("picar", "ok", f"{__version__} on Python {machine.python}")
    yield system.model(model)
    yield system.system(machine, model)
    yield from system.card(machine)
    yield from faults or [Finding("configuration", "ok", settings.source)]
    for warning in settings.warnings:
        if warning.startswith(wirecheck.UNNAMED):  # the others are hazards of the wiring, below
            message, _, fix = warning.rstrip(".").rpartition(". ")
            yield Finding("configuration", "warning", message, fix)
    yield from hazards or ([] if faults else [pins.WELL])
    yield from parts
    yield from () if faults else battery.examine(machine, settings.battery)
    yield from pins.libraries(machine, model, settings, board, may_claim=not ill)
    yield from obstacle.examine(machine, model, settings, may_claim=not ill)
    yield from camera.cameras(machine, model, settings, config_flag)
    yield system.service(machine)
    yield from _kernel(machine, model, settings)
    yield from network.wifi(machine, model)
    if machine.has(str(wifi.UNIT.relative_to("/"))):
        yield from network.hotspot(machine)
    if not faults:
        yield network.port(machine, settings.server)
        if model is not None:
            yield network.name(machine, settings.server)
        yield from network.certificate(machine, settings.tls)
        yield from network.funnel(machine, settings.server)
    yield system.clock(machine)


def settings_of(flag: str | None, env: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration, or the defaults if it has problems."""
    return _load(flag, env)[0]


def _load(flag: str | None, env: Mapping[str, str]) -> tuple[Config, list[Finding]]:
    """Return the configuration and no finding, or the defaults and the problems of the configuration."""
    try:
        return configfile.load(configfile.find_file(flag, env), env), []
    except ConfigError as error:
        fix = f"mend it, then: {command('check-config' + (f' {shlex.quote(flag)}' if flag else ''))}"
        return Config(), [Finding("configuration", "problem", problem, fix) for problem in error.problems]


def _kernel(machine: Machine, model: str | None, settings: Config) -> Iterator[Finding]:
    if model is None:
        yield system.what_a_pi_needs(settings)
        return
    yield system.strict_gpiod(machine, model)
    yield system.watchdog(machine)
    yield system.power(machine)
