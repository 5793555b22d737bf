"""Makes the image of the emulated Pi, with Debian's packages only, and keeps it outside the repository."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.emulator import needs, recipe

_NEEDED_BYTES = 3 << 30  # the image has half of it, its making the other half
_DUMPED = {"kernel": "/boot/picar-kernel", "initrd": "/boot/picar-initrd", "board.dtb": "/boot/picar.dtb"}


def cache() -> Path:
    """Return the folder that keeps images: `${XDG_CACHE_HOME:-~/.cache}/picar/pi-emulator`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "picar" / "pi-emulator"


def folder() -> Path:
    """Return the folder of the image of this recipe, whether it is made or not."""
    return cache() / f"image-{recipe.fingerprint()}"


def is_built() -> bool:
    """Tell whether the image of this recipe is there."""
    return (folder() / "card.img").exists()


def build() -> Path:
    """Make the image unless it is there, throw older ones away, and return its folder.

    Raises:
        needs.Lacking: a package or room on the disk is missing.
    """
    target = folder()
    if is_built():
        return target
    cache().mkdir(parents=True, exist_ok=True)
    needs.check_tools(needs.TO_BUILD)
    needs.check_arm64()
    needs.check_room(cache(), _NEEDED_BYTES)
    half = target.with_suffix(".half")  # interrupted, it is not taken for a whole one
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    try:
        _make(half)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    half.rename(target)
    _throw_older_away()
    return target


def _throw_older_away() -> None:
    """Remove other images, but for those that a card lies on (`Machine` says so in a file named image)."""
    kept = {str(folder()), *(mark.read_text(encoding="utf-8") for mark in cache().glob("*/image"))}
    for old in cache().glob("image-*"):
        if str(old) not in kept:
            shutil.rmtree(old)


def _make(where: Path) -> None:
    key, card = where / "ssh-key", where / "card.img"
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "picar-emulated-pi", "-f", key)
    _debian(card, key.with_suffix(".pub").read_text(encoding="utf-8"))
    for name, inside in _DUMPED.items():
        _run("debugfs", "-R", f"dump {inside} {where / name}", card)
        if not (where / name).stat().st_size:
            raise needs.Lacking(
                f"the image has no {inside}: Debian's kernel package has changed; see {__file__}."
            )
    _fit(card)
    _edit_board(where / "board.dtb")


def _debian(card: Path, public_key: str) -> None:
    """Run mmdebstrap, which makes a file system in a file without being root."""
    files = recipe.FILES | {"/root/.ssh/authorized_keys": public_key}
    hooks = [f"--essential-hook={_write(path, text)}" for path, text in files.items()]
    command = [
        *(
            "mmdebstrap",
            "--quiet",
            "--variant=apt",
            "--format=ext2",
            f"--architectures={recipe.ARCHITECTURE}",
        ),
        f"--include={','.join((*recipe.PACKAGES, recipe.KERNEL))}",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        f"--setup-hook={_BACKPORTS}",
        *hooks,
        f"--customize-hook={_customize()}",
        *(recipe.SUITE, str(card)),
    ]
    with _without_stdin() as nothing:
        subprocess.run(command, check=True, stdin=nothing, env=needs.surroundings())


_BACKPORTS = (  # from wherever this machine's mmdebstrap takes Debian
    f"sed -n 's/ {recipe.SUITE} / {recipe.SUITE}-backports /p' \"$1/etc/apt/sources.list\" "
    '>"$1/etc/apt/sources.list.d/backports.list"'
)


def _write(path: str, text: str) -> str:
    parent = str(Path(path).parent)
    return f'mkdir -p "$1"{shlex.quote(parent)} && printf %s {shlex.quote(text)} >"$1"{shlex.quote(path)}'


def _customize() -> str:
    units = " ".join(recipe.UNWANTED_UNITS)
    return "\n".join(
        (
            "set -e",
            'chroot "$1" groupadd --system gpio',
            'chroot "$1" systemctl --quiet enable systemd-networkd ssh',
            f'chroot "$1" systemctl --quiet mask {units}',
            'chmod 700 "$1/root/.ssh"; chmod 600 "$1/root/.ssh/authorized_keys"',
            f'cp "$1"/boot/vmlinuz-* "$1{_DUMPED["kernel"]}"',
            f'cp "$1"/boot/initrd.img-* "$1{_DUMPED["initrd"]}"',
            f'cp "$1"/usr/lib/linux-image-*/broadcom/{recipe.MODEL} "$1{_DUMPED["board.dtb"]}"',
            # Nothing is fetched in there: no sources, so that `apt-get update` takes a second and not minutes.
            'rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/*',
            'printf "nameserver 10.0.2.3\\n" >"$1/etc/resolv.conf"',
        )
    )


def _fit(card: Path) -> None:
    """Make it as large as a card, with a journal."""
    os.truncate(card, recipe.CARD_BYTES)
    subprocess.run(
        ["e2fsck", "-fy", str(card)],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=needs.surroundings(),
    )
    _run("resize2fs", card)
    _run("tune2fs", "-O", "dir_index", "-j", card)


def _edit_board(board: Path) -> None:
    """Have the console on the real UART, and the revision where the libraries look for it."""
    names = subprocess.run(
        ["fdtget", "-l", board, "/soc/serial@7e201000"], capture_output=True, text=True, check=False
    )
    if "bluetooth" in names.stdout.split():
        _run("fdtput", "-r", board, "/soc/serial@7e201000/bluetooth")
    _run("fdtput", "-c", board, "/system")
    _run("fdtput", "-t", "x", board, "/system", "linux,revision", f"{recipe.REVISION:x}")


def _run(*command: str | Path) -> None:
    subprocess.run(
        [str(part) for part in command],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=needs.surroundings(),
    )


@contextlib.contextmanager
def _without_stdin() -> Iterator[int]:
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        yield nothing
    finally:
        os.close(nothing)
