"""Makes the guest's disk, with Debian's packages only, and keeps it outside the repository."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.emulator import needs

SUITE = "trixie"
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "cpio": "cpio",
    "modprobe": "kmod",
    "qemu-system-x86_64": "qemu-system-x86",
}
PACKAGES = """busybox-static dbus dnsmasq-base hostapd iproute2 iw kmod network-manager nftables openssl passwd polkitd procps
python3 systemd-sysv udev wireless-regdb wpasupplicant"""
EARLY_MODULES = ("virtio_pci", "virtio_blk", "ext4")
INIT = """#!/bin/busybox sh
busybox mkdir -p /proc /dev /root
{insmods}
busybox mount -t devtmpfs none /dev
until [ -b /dev/vda ]; do busybox usleep 50000; done
busybox mount -t ext4 -o noatime /dev/vda /root
exec busybox switch_root /root /lib/systemd/systemd
"""
FILES = {
    "etc/hostname": "picar\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 picar\n",
    "etc/fstab": "/dev/vdb /opt/picar ext4 noatime 0 0\n",
    "etc/NetworkManager/conf.d/lab.conf": "[main]\nno-auto-default=*\n[logging]\nlevel=INFO\n",
    "etc/systemd/system/agent.service": """[Unit]
RequiresMountsFor=/opt/picar
[Service]
Environment=PYTHONPATH=/opt/picar/venv/lib PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
ExecStart=/usr/bin/python3 -m tests.wifi_vm.agent /dev/ttyS1
StandardError=journal+console
[Install]
WantedBy=multi-user.target
""",
}
# Nothing starts NetworkManager but a test: the radios come first. The rest would only take time.
UNWANTED_UNITS = """NetworkManager-wait-online apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
e2scrub_reap fstrim.timer getty@tty1 serial-getty@ttyS0 hostapd systemd-timesyncd ModemManager"""
_ROOM_BYTES = 3 << 30
_DISK_MB = 1200
_KERNEL = "linux-image-amd64"
# A kernel package would bring initramfs-tools, whose file system is large and slow to load.
_CUSTOMIZE = f"""set -e
cd "$1/tmp"
name=$(chroot "$1" apt-cache depends {_KERNEL} | sed -n 's/.*Depends: \\(linux-image-[0-9].*\\)/\\1/p' | head -n 1)
chroot "$1" sh -c "cd /tmp && apt-get download -qq -o APT::Sandbox::User=root $name && dpkg-deb -x $name*.deb /tmp/kernel"
cp -r kernel/usr/lib/modules "$1/usr/lib/" && cp kernel/boot/vmlinuz-* "$1/boot/vmlinuz"
rm -rf kernel "$1"/tmp/*.deb
cd "$1/usr/lib/modules"/*/kernel
find drivers sound -name '*.ko*' | grep -vE 'net/wireless/virtual|drivers/(virtio|block/virtio|char/hw_random)' | xargs rm -f
chroot "$1" sh -c 'depmod "$(ls /usr/lib/modules)"'
chroot "$1" useradd --system --user-group --no-create-home --home-dir /var/lib/picar --shell /usr/sbin/nologin picar
chroot "$1" sh -c 'for group in gpio video; do getent group $group || groupadd --system $group; done' >/dev/null
chroot "$1" systemctl --quiet enable agent
chroot "$1" systemctl --quiet mask {" ".join(UNWANTED_UNITS.split())}
chroot "$1" systemctl --quiet disable NetworkManager wpa_supplicant
ln -sf /etc/machine-id "$1/var/lib/dbus/machine-id"; echo d41d8cd98f00b204e9800998ecf8427e >"$1/etc/machine-id"
mkdir -p "$1/opt/picar"
rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*"""


def cache() -> Path:
    """Return the folder that keeps the disk: `${XDG_CACHE_HOME:-~/.cache}/picar/wifi-vm`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "picar/wifi-vm")


def _fingerprint() -> str:
    """Return a hash of everything that the disk is made of."""
    recipe = repr((SUITE, PACKAGES, EARLY_MODULES, INIT, FILES, _CUSTOMIZE, _DISK_MB))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def build() -> Path:
    """Make the guest's disk and kernel unless they are there; return their folder.

    Raises:
        needs.Lacking: a package, room on the disk or root's rights are missing.
    """
    target = cache() / f"image-{_fingerprint()}"
    if target.exists():
        return target
    if platform.machine() != "x86_64" or os.geteuid():
        raise needs.Lacking("the guest is a PC made by root: run it as root, on x86-64.")
    cache().mkdir(parents=True, exist_ok=True)
    needs.check_room(cache(), _ROOM_BYTES)
    for old in cache().glob("image-*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache()) as folder:
        half = Path(folder) / "image"
        half.mkdir()
        _make(half, Path(folder) / "root")
        half.rename(target)
    return target


def _make(where: Path, root: Path) -> None:
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", "--format=directory"]
    command += [f"--include={','.join(PACKAGES.split())}", f"--customize-hook={_CUSTOMIZE}"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{kind}/*" for kind in ("man", "doc", "locale")]
    with tempfile.TemporaryDirectory() as files:
        for name, text in FILES.items():
            path = Path(files, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        command += [f'--essential-hook=cp -r {files}/. "$1"', SUITE, str(root)]
        Path(files).chmod(0o755)
        run(*command)
    shutil.copy(root / "boot/vmlinuz", where / "vmlinuz")
    _initramfs(root, where / "initrd")
    ext4(root, where / "disk", _DISK_MB)


def _initramfs(root: Path, packed: Path) -> None:
    """Make the guest's first file system: busybox, the modules for the disk in the order of their needs, and `INIT`."""
    (version,) = (path.name for path in (root / "usr/lib/modules").iterdir())
    show: list[str | Path] = [
        "modprobe",
        "--dirname",
        root / "usr",
        "--set-version",
        version,
        "--show-depends",
        "--all",
    ]
    needed = subprocess.run(
        [*show, *EARLY_MODULES], capture_output=True, text=True, check=True, env=needs.surroundings()
    ).stdout.split()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bin").mkdir()
        shutil.copy(root / "usr/bin/busybox", folder / "bin/busybox")
        paths = [Path(path) for path in dict.fromkeys(needed) if path.startswith("/")]
        for path in paths:
            shutil.copy(path, folder)
        init = folder / "init"
        init.write_text(INIT.format(insmods="\n".join(f"busybox insmod /{path.name}" for path in paths)))
        init.chmod(0o755)
        run("sh", "-c", f"cd {folder} && find . | cpio --create --format=newc --quiet >{packed}")


def ext4(folder: Path, image: Path, size_mb: int) -> None:
    """Make a file system with the content of a folder."""
    run("mke2fs", "-q", "-t", "ext4", "-d", str(folder), str(image), f"{size_mb}M")


def run(*command: str) -> None:
    """Run a program; its output is shown if it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, env=needs.surroundings(),
    )  # fmt: skip
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}"


if __name__ == "__main__":
    print(build())
