"""Start the motor process: `serve` does so before most of its imports, so that both Pythons start at the same time.

Law: a motor process claims no pin before its order arrives; if the pipe closes instead, it ends.
"""

from __future__ import annotations

import os
import subprocess

from picar.errors import ChannelError
from picar.program import python, python_environment


class MotorProcess:
    """A started motor process: its `popen`, and the descriptors `commands` to write, and `status` and `bell` to read.

    `bell_out` is the number that the other end of the bell has in the motor process, for its order.

    Args:
        descriptors: that the process inherits, of the flight recorder and the pin trace.

    Raises:
        ChannelError: the system starts no process.
    """

    def __init__(self, *descriptors: int | None) -> None:
        commands_in, self.commands = os.pipe()
        self.status, status_out = os.pipe()
        self.bell, self.bell_out = os.pipe()
        try:
            self.popen = subprocess.Popen(
                python("picar.motor"),
                stdin=commands_in,
                stdout=status_out,
                pass_fds=[fd for fd in (*descriptors, self.bell_out) if fd is not None],
                env=python_environment(),
                start_new_session=True,  # a key like Ctrl-Z must not stop both watchers at once
            )
        except OSError as error:
            for fd in (self.commands, self.status, self.bell):
                os.close(fd)
            raise ChannelError(f"The motor process could not be started: {error.strerror}.") from None
        finally:
            for fd in (commands_in, status_out, self.bell_out):
                os.close(fd)
