"""The command line: the list of the commands, and their exit codes.

A command is one file here: `arguments` declares its options, `run` carries it out, and the first line of the docstring of
`run` is its help. It imports most modules in `run`, so that `pins-low` starts fast and without Tornado.
"""

from __future__ import annotations

import argparse
import errno
import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from picar import __version__
from picar.errors import OUT_OF_MEMORY, ConfigError, PicarError
from picar.linewriter import say

COMMANDS = (
    "serve",
    "setup",
    "pins-low",
    "check-config",
    "config-reference",
    "pair",
    "recording",
    "tls",
    "doctor",
    "wiring",
    "camera",
    "backup",
    "restore",
    "hotspot",
    "garage",
    "mqtt",
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code: 0 fine, 1 failure, 2 usage or configuration."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser(arguments)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if options.command is None:
        parser.print_help()
        return 0
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        code = command(options)
        sys.stdout.flush()
    except PicarError as error:
        for problem in error.problems if isinstance(error, ConfigError) else [error]:
            print(f"picar: {problem}", file=sys.stderr)
        return error.exit_code
    except MemoryError:
        say(f"picar: {OUT_OF_MEMORY}")
        return 1
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        # Otherwise Python flushes again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return 0  # `picar … | head` is no failure
        print("picar: there is no room for the output. Send it somewhere else.", file=sys.stderr)
        return 1
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser, with only the command that the arguments name, or with all commands."""
    columns = os.get_terminal_size().columns if os.isatty(1) else 0
    # Without a width it loads `shutil` and with it two compression libraries, half a MiB.
    formatter = functools.partial(argparse.HelpFormatter, width=(columns or 80) - 2)
    parser = argparse.ArgumentParser(
        prog="picar",
        description="A WiFi remote-control car that stops when the link is lost.",
        formatter_class=formatter,
    )
    parser.add_argument("--version", action="version", version=f"picar {__version__}")
    parser.set_defaults(command=None, parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in set(arguments[:1]).intersection(COMMANDS) or COMMANDS:
        module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
        sentence = module.run.__doc__.splitlines()[0]
        command = commands.add_parser(name, help=sentence, description=sentence, formatter_class=formatter)
        command.set_defaults(command=module.run, parser=command)
        module.arguments(command)
    return parser
