"""The service that starts the car with the machine, and the machine's clock."""

from __future__ import annotations

from picar.doctor.findings import Finding
from picar.doctor.machine import Machine

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "Result")
_LOG = "journalctl -u picar -n 20 --no-pager"
_MANY_RESTARTS = 3


def service(machine: Machine) -> Finding:
    """Ask systemd how the service is."""
    if not machine.has("run/systemd/system"):
        return Finding("service", "ok", "not looked at: this machine does not run systemd")
    answer = machine.ask("systemctl", "show", "picar", *(f"--property={name}" for name in _PROPERTIES))
    if answer is None or answer.code != 0:
        return Finding("service", "warning", "systemctl does not answer", "systemctl status picar")
    state = dict(line.partition("=")[::2] for line in answer.out.splitlines())
    if state.get("LoadState") == "not-found":
        return Finding(
            "service", "ok", "not installed; sudo scripts/install makes the car start with the machine"
        )
    return _installed(state)


def _installed(state: dict[str, str]) -> Finding:
    active, enabled = state.get("ActiveState"), state.get("UnitFileState")
    restarts = state.get("NRestarts", "0")
    if state.get("LoadState") == "masked":
        return Finding("service", "problem", "it is masked: it cannot start", "sudo systemctl unmask picar")
    if active == "failed" or state.get("SubState") == "auto-restart":
        why = state.get("Result", "unknown")
        return Finding(
            "service", "problem", f"it does not run ({why}, restarted {restarts} times)", f"read why: {_LOG}"
        )
    if active != "active":
        return Finding("service", "warning", f"installed, and {active}", "sudo systemctl enable --now picar")
    if enabled not in ("enabled", "enabled-runtime"):
        return Finding(
            "service", "warning", "runs, but does not start with the machine", "sudo systemctl enable picar"
        )
    if restarts.isdecimal() and int(restarts) >= _MANY_RESTARTS:
        return Finding(
            "service", "warning", f"runs, and had to be restarted {restarts} times", f"read why: {_LOG}"
        )
    return Finding("service", "ok", "runs, and starts with the machine")


def clock(machine: Machine) -> Finding:
    """Ask whether the clock is set. Nothing that drives looks at it; the times in the log are its."""
    answer = machine.ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    told = answer.out if answer and answer.code == 0 else ""
    if told == "yes" or machine.has("run/systemd/timesync/synchronized"):
        return Finding("clock", "ok", "set by the network")
    if told == "no":
        message = "not set by the network: the times in the log may be wrong (the car does not mind)"
        return Finding(
            "clock", "warning", message, "connect to the Internet once, then: sudo timedatectl set-ntp true"
        )
    return Finding("clock", "ok", "whether it is set cannot be seen here; only the times in the log are its")
