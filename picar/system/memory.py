"""The end of a program whose event loop has no memory left: at once, with one line.

An orderly end would run the loop again, with the requests that took the memory. The kernel closes the pipe to the motor
process, which then makes its pins low.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from picar.errors import OUT_OF_MEMORY, is_out_of_memory

T = TypeVar("T")
_LINE = f"picar: {OUT_OF_MEMORY}\n".encode()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine, as `asyncio.run` does; end the process with exit code 1 when the loop has no memory."""
    sys.unraisablehook = _report
    with asyncio.Runner() as runner:
        try:
            return runner.run(main)
        except (MemoryError, SystemError) as error:
            if not is_out_of_memory(error):
                raise
            with contextlib.suppress(OSError):  # of a closed output
                os.write(2, _LINE)
            os._exit(1)


def _report(failed: sys.UnraisableHookArgs) -> None:
    """Report an error in a `__del__`, unless memory was missing."""
    if failed.exc_type is not MemoryError and not is_out_of_memory(failed.exc_value):
        sys.__unraisablehook__(failed)
