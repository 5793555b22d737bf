"""`scripts/emulate-pi`: an emulated Raspberry Pi, from its image to its pins."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Callable

from tests.emulator import image, project, show
from tests.emulator.machine import BOOT_S, CONSOLE, Machine, Settings
from tests.emulator.needs import Lacking

_WEB_PORT, _SSH_PORT = 8090, 8022


def main() -> int:
    """Return the exit code: 1 with a sentence when something is lacking."""
    arguments = _parser().parse_args()
    act: Callable[[argparse.Namespace], int] = arguments.act
    try:
        return act(arguments)
    except Lacking as lacking:
        print(f"picar: {lacking}", file=sys.stderr)
    except subprocess.CalledProcessError as failed:
        print(
            f"picar: {failed.cmd[0]} failed with exit code {failed.returncode}.{_last_line(failed)}",
            file=sys.stderr,
        )
    # A command in there that failed or took too long, or a disk out here that is full.
    except (AssertionError, subprocess.TimeoutExpired, OSError) as failed:
        print(f"picar: {failed}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1


def port(text: str) -> int:
    port = int(text)
    if not 0 < port < 1 << 16:
        raise ValueError(text)
    return port


def _last_line(failed: subprocess.CalledProcessError) -> str:
    said = failed.stderr or ""
    lines = (said if isinstance(said, str) else said.decode(errors="replace")).strip().splitlines()
    return f" It said: {lines[-1]}" if lines else " What it said is above."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/emulate-pi",
        description="An emulated Raspberry Pi 3, to try picar on. See docs/emulated-pi.md.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, act: Callable[[argparse.Namespace], int], what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=what)
        added.set_defaults(act=act)
        return added

    command(
        "build",
        _build,
        f"Make its image from Debian's packages, in {image.cache()}; nothing to do when it is there.",
    )
    boot = command("boot", _boot, "Switch it on, and wait until its ssh answers (one to five minutes).")
    boot.add_argument(
        "--web-port",
        type=port,
        default=_WEB_PORT,
        metavar="PORT",
        help=f"of this machine, leads to its port 80 ({_WEB_PORT})",
    )
    boot.add_argument(
        "--ssh-port",
        type=port,
        default=_SSH_PORT,
        metavar="PORT",
        help=f"of this machine, leads to its ssh ({_SSH_PORT})",
    )
    boot.add_argument(
        "--fresh", action="store_true", help="with a newly written card; else with what was left on it"
    )
    boot.add_argument(
        "--strict-gpiod",
        action="store_true",
        help="released pins become inputs, as with dtparam=strict_gpiod on Raspberry Pi OS",
    )
    boot.add_argument(
        "--wait", type=float, default=BOOT_S, metavar="SECONDS", help=f"how long it may take ({BOOT_S:.0f})"
    )
    command("install", _install, "Install this checkout in it by its own scripts/install, as a service.")
    run = command("run", _run, "Run a command in it as root, with its exit code; without one, a shell.")
    run.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="CMD",
        help="one word is a line of shell, several are one command",
    )
    pins = command(
        "pins", _pins, "Read functions and levels of its header's pins through QEMU, from outside."
    )
    pins.add_argument(
        "--watch", action="store_true", help="twice a second, with the share of time that a pin was high"
    )
    stop = command("stop", _stop, "Shut it down.")
    stop.add_argument("--now", action="store_true", help="pull the plug")
    return parser


def _build(_: argparse.Namespace) -> int:
    began = time.monotonic()
    if image.is_built():
        print(f"It is there already: {image.folder()}")
        return 0
    print("Making the image (ten minutes, more on a busy machine)…", flush=True)
    made = image.build()
    print(f"Made in {time.monotonic() - began:.0f} s: {made}")
    return 0


def _boot(arguments: argparse.Namespace) -> int:
    machine = Machine()
    settings = Settings(arguments.web_port, arguments.ssh_port, persist=not arguments.strict_gpiod)
    machine.start(settings, fresh=arguments.fresh)
    print(f"Booting; its console is in {machine.folder / CONSOLE}", flush=True)
    took = machine.wait_until_up(arguments.wait)
    print(f"Up after {took:.0f} s. The page, once picar is installed: http://127.0.0.1:{settings.web_port}")
    return 0


def _install(_: argparse.Namespace) -> int:
    guest = Machine().guest
    print("Fetching wheels, then installing (five minutes or more)…", flush=True)
    project.send(guest)
    print(project.install(guest))
    return 0


def _run(arguments: argparse.Namespace) -> int:
    words = arguments.command
    if words[:1] == ["--"]:
        words = words[1:]
    return Machine().guest.attach(words[0] if len(words) == 1 else shlex.join(words))


def _pins(arguments: argparse.Namespace) -> int:
    with Machine().monitor() as monitor:
        (show.watch if arguments.watch else show.show_once)(monitor)
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    machine = Machine()
    if not machine.pid():
        print("It is off already.")
        return 0
    machine.stop(politely=not arguments.now)
    return 0


if __name__ == "__main__":
    sys.exit(main())
