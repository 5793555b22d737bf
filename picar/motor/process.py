"""Start the motor process and hold this end of its pipes.

`serve` starts it before it imports most modules, so that both Pythons start at the same time.

Law: a motor process claims no pin before its order arrives; if the pipe closes instead, it ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import picar
from picar.errors import ChannelError


class MotorProcess:
    """A started motor process: its `popen`, and the descriptors `commands` to write and `status` to read.

    Args:
        descriptors: that the process inherits.

    Raises:
        ChannelError: the system starts no process.
    """

    def __init__(self, descriptors: Sequence[int]) -> None:
        commands_in, self.commands = os.pipe()
        self.status, status_out = os.pipe()
        try:
            self.popen = subprocess.Popen(
                [sys.executable, "-P", "-m", "picar.motor"],
                stdin=commands_in,
                stdout=status_out,
                pass_fds=descriptors,
                env=os.environ | {"PYTHONPATH": _python_path()},
                start_new_session=True,  # a key like Ctrl-Z must not stop both watchers at once
            )
        except OSError as error:
            os.close(self.status)
            os.close(self.commands)
            raise ChannelError(f"The motor process could not be started: {error.strerror}.") from None
        finally:
            os.close(commands_in)
            os.close(status_out)


def _python_path() -> str:
    """Return a search path with this picar and without the current folder."""
    here = str(Path(picar.__file__).parents[1])
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
