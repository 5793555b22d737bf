"""Every error that picar raises on purpose: a sentence a person can act on, and an exit code.

Errors are also the builtin that fits, so that code which knows nothing of picar can catch them.
"""


class PicarError(Exception):
    """Anything that ends picar with one sentence instead of a traceback."""

    exit_code = 1


class ConfigError(PicarError, ValueError):
    """The configuration is wrong; `problems` holds one sentence for each fault found."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UsageError(PicarError, ValueError):
    """The command line asks for what does not go together."""

    exit_code = 2


class FileError(PicarError, OSError):
    """A file that somebody asked for cannot be written."""


class BackendError(PicarError, RuntimeError):
    """A GPIO backend cannot be used on this machine."""


class PinsBusy(BackendError):
    """Another process holds a motor pin."""


class PinError(PicarError, ValueError):
    """A pin was misused: unclaimed, closed, claimed twice, or given a value that it cannot have."""


class ChannelError(PicarError, ConnectionError):
    """The motor process did not start, or is gone."""


class ServeError(PicarError, OSError):
    """The server cannot listen where it was told to."""


class AccessError(PicarError, RuntimeError):
    """The list of who may drive cannot be read, written or added to."""


class TooManyPaired(AccessError):
    """There is no room for another phone."""


class PowerError(PicarError, RuntimeError):
    """This machine cannot be switched off or started again from here."""
