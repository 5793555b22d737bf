"""Errors that picar raises on purpose: a sentence with a remedy, and an exit code. Each one is also a fitting builtin error."""

from __future__ import annotations

import os
import sys

# Of the extras in pyproject.toml. fleet/connection.py uses internals of version 2 of aiomqtt.
PACKAGES = {"aiomqtt": "aiomqtt>=2.5,<3", "zeroconf": "zeroconf>=0.140"}

OUT_OF_MEMORY = "out of memory. End other programs, or give this machine more memory or swap."


class PicarError(Exception):
    """An error that ends picar with one sentence instead of a traceback."""

    exit_code = 1


class ConfigError(PicarError, ValueError):
    """The configuration is wrong; `problems` holds one sentence for each fault found."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UsageError(PicarError, ValueError):
    """Options of the command line contradict each other."""

    exit_code = 2


class FileError(PicarError, OSError):
    """A requested file cannot be written."""


class BackendError(PicarError, RuntimeError):
    """A GPIO backend cannot be used on this machine."""


class PinsBusy(BackendError):
    """Another process holds a motor pin."""


class PinError(PicarError, ValueError):
    """A pin was misused: unclaimed, closed, claimed twice, or given a value that it cannot have."""


class ChannelError(PicarError, ConnectionError):
    """The motor process did not start, or is gone."""


class ServeError(PicarError, OSError):
    """The server cannot listen at its configured address."""


class AccessError(PicarError, RuntimeError):
    """The list of paired phones cannot be read or changed."""


class TooManyPaired(AccessError):
    """The list of paired phones is full."""


class PowerError(PicarError, RuntimeError):
    """This machine cannot be switched off or started again from here."""


class TlsError(PicarError, RuntimeError):
    """https is not possible; `code` is a stable word."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{sentence} ({code})")
        self.code = code


class RecordingError(PicarError, OSError):
    """A recording cannot be written or read."""


class NetworkError(PicarError, OSError):
    """The car's own WiFi cannot be set up, or its watcher does not answer."""


class FleetError(PicarError, OSError):
    """The broker of a fleet cannot be used; `code` is a stable word."""

    def __init__(self, code: str, sentence: str, exit_code: int = 1) -> None:
        super().__init__(f"{sentence} ({code})")
        self.code, self.exit_code = code, exit_code


def missing(package: str) -> FleetError:
    """Return the error that a package of `PACKAGES` is missing, with the command that installs it."""
    pip = f"{sys.prefix}/bin/pip install '{PACKAGES[package]}'"
    return FleetError(f"no_{package}", f"The package {package} is missing. Run: {pip}", 2)


def may_use(group: str) -> str:
    """Return the sentence how a user gets permission for the devices of a group."""
    if os.geteuid() == 0:  # root needs no group
        return "Root may not use it either. Allow the device where picar runs: DeviceAllow= of the unit, or the container."
    return f"Join the group that may use it: sudo usermod -aG {group} $USER, then log in again."


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an error is a lack of memory. Without the memory for a MemoryError, Python raises a SystemError."""
    lost = isinstance(error, SystemError) and "without exception set" in str(error)
    return lost or isinstance(error, MemoryError)
