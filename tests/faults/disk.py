"""A small disk that can hang: ext4 in an image file, frozen by `fsfreeze`; Linux, root, a loop device.

Whoever writes to it sleeps then, and not even SIGKILL ends that sleep. A shell keeps it and thaws it at the end of its
input: so also when the campaign is killed.
"""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

BYTES = 16 << 20
_KEEPER = r"""
trap '' INT TERM HUP
export PATH="$PATH:/usr/sbin:/sbin"
mkfs.ext4 -q "$1" 2>&1 && mount -o loop "$1" "$2" 2>&1 || exit 1
echo done
while read -r word; do
    case $word in
        freeze) fsfreeze -f "$2" 2>&1 && echo done ;;
        thaw) fsfreeze -u "$2" 2>&1 && echo done ;;
    esac
done
fsfreeze -u "$2" 2>/dev/null
tries=0
until umount "$2" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || exec umount -l "$2"
    sleep 0.05
done
"""


class NoDisk(Exception):
    """This machine has no such disk to give; the text says why."""


class Disk:
    """`with Disk() as disk:` makes it, thaws it and takes it away. `folder` is its root.

    Raises:
        NoDisk: not here.
    """

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="picar-disk-")
        self.folder = Path(self._folder.name) / "mounted"
        self.folder.mkdir()
        image = Path(self._folder.name) / "image"
        with image.open("wb") as file:
            file.truncate(BYTES)
        self._keeper = subprocess.Popen(
            ["sh", "-c", _KEEPER, "sh", str(image), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            self._answered()
        except NoDisk:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keeper.communicate()
        self._folder.cleanup()

    def freeze(self) -> None:
        """Let all writes hang from now on."""
        self._do("freeze")

    def thaw(self) -> None:
        """Let them go on."""
        self._do("thaw")

    def _do(self, word: str) -> None:
        assert self._keeper.stdin is not None
        print(word, file=self._keeper.stdin, flush=True)
        self._answered()

    def _answered(self) -> None:
        assert self._keeper.stdout is not None
        if (answer := self._keeper.stdout.readline().strip()) != "done":
            raise NoDisk(answer)


@functools.cache
def obstacle() -> str:
    """Return why there is no such disk here, empty where there is."""
    try:
        with Disk() as disk:
            disk.freeze()
            disk.thaw()
    except NoDisk as error:
        return f"no disk that can be frozen: {error}"
    return ""
