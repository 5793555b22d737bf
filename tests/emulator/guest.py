"""The shell of the emulated Pi: commands over ssh, one connection for all of them."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from tests.emulator.needs import Lacking

_CONTROL = "ssh"  # relative: the path of its own may be too long for a socket
_NO_CONNECTION = 255


class Guest:
    """A running guest.

    Args:
        folder: of the run, where ssh keeps its connection.
        key: the private key of its root.
        port: of this machine, forwarded to its ssh.
    """

    def __init__(self, folder: Path, key: Path, port: int) -> None:
        self._folder = folder
        options = (
            f"ControlPath={_CONTROL}",
            "ControlMaster=auto",
            "ControlPersist=600",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "ConnectTimeout=60",
        )
        self._ssh = ["ssh", "-F", "none", "-i", str(key), "-p", str(port)]
        self._ssh += [word for option in options for word in ("-o", option)]
        self._ssh.append("root@127.0.0.1")

    def run(
        self, *command: str, check: bool = True, timeout_s: float = 600.0, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in there as root, and return what it said.

        Raises:
            AssertionError: it failed, and `check` is true.
            subprocess.TimeoutExpired: it took longer.
        """
        done = subprocess.run(
            [*self._ssh, shlex.join(command)],
            cwd=self._folder,
            input=stdin or b"",
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert done.returncode == 0 or not check, f"{command}: exit code {done.returncode}\n{out}{err}"
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def begin(self, *command: str) -> subprocess.Popen[bytes]:
        """Begin a command in there as root, which can be talked to."""
        pipe = subprocess.PIPE
        return subprocess.Popen([*self._ssh, shlex.join(command)], cwd=self._folder, stdin=pipe, stdout=pipe)

    def shell(self, line: str, **options: object) -> str:
        """Run a line of shell in there as root, and return its standard output."""
        return self.run("sh", "-c", line, **options).stdout  # type: ignore[arg-type]

    def attach(self, line: str) -> int:
        """Run a line of shell on this terminal, and return its exit code.

        Raises:
            Lacking: there is no connection.
        """
        import sys

        terminal = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
        ssh = [self._ssh[0], *terminal, *self._ssh[1:]]
        code = subprocess.run([*ssh, line], cwd=self._folder, check=False).returncode
        if code == _NO_CONNECTION and not self.answers():
            raise Lacking("the emulated Pi does not answer: scripts/emulate-pi stop, then boot it again.")
        return code

    def answers(self, timeout_s: float = 60.0) -> bool:
        """Tell whether its ssh answers."""
        try:
            return self.run("true", check=False, timeout_s=timeout_s).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def write(self, path: str, text: str) -> None:
        """Write a file in there."""
        quoted = shlex.quote(path)
        self.run("sh", "-c", f"mkdir -p $(dirname {quoted}) && cat >{quoted}", stdin=text.encode())

    def read(self, path: str) -> str:
        """Return a file of there."""
        return self.run("cat", path).stdout

    def send(self, files: dict[str, Path], target: str) -> None:
        """Copy files and folders into a folder of there; keys are their names there."""
        pack = ["tar", "-C", "/", "-cz", "--exclude=__pycache__", "--owner=0", "--group=0"]
        for name, source in files.items():
            pack.append(f"--transform=s,^{str(source.resolve()).lstrip('/')},{name},")
        sources = [str(source.resolve()).lstrip("/") for source in files.values()]
        packed = subprocess.run([*pack, *sources], check=True, capture_output=True).stdout
        quoted = shlex.quote(target)
        self.run("sh", "-c", f"rm -rf {quoted} && mkdir -p {quoted} && tar -C {quoted} -xz", stdin=packed)

    def disconnect(self) -> None:
        """Forget the connection; the guest has gone, or will."""
        subprocess.run(
            [*self._ssh[:-1], "-O", "exit", self._ssh[-1]], cwd=self._folder, check=False, capture_output=True
        )
        (self._folder / _CONTROL).unlink(missing_ok=True)
