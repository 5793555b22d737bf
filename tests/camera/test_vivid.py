"""The USB source with a driver of the kernel: `vivid`, a virtual camera, in a small virtual PC.

The guest is a kernel of Debian with an initramfs, and sees the files of this machine, read-only: it runs this Python.
Run it with `scripts/test tests/camera -m vivid`. It takes a minute: QEMU emulates the processor, because /dev/kvm does not work everywhere.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.vivid

ROOT = Path(__file__).parents[2]
TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "cpio": "cpio",
    "modprobe": "kmod",
    "setpriv": "util-linux",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}
MODULES = (
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "vivid",
)  # vivid is the last, for its option: one node, which captures
PATIENCE_S = 280.0
INIT = """#!/bin/busybox sh
busybox mkdir -p /proc /sys /host
{insmods}
busybox mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000 host /host
busybox mount -t proc none /host/proc
busybox mount -t sysfs none /host/sys
busybox mount -t devtmpfs none /host/dev
busybox mount -t tmpfs none /host/tmp
busybox mkdir /host/tmp/out
busybox mount -t 9p -o rw,trans=virtio,version=9p2000.L out /host/tmp/out
cd /host && busybox chroot /host /bin/sh -c 'cd "$0" && exec "$1" -m tests.camera.vivid_guest /tmp/out' "{root}" "{python}"
busybox poweroff -f
"""


def kernel(folder: Path) -> Path:
    """Fetch this Debian's kernel and a static busybox, unless they are there. Returns the tree of both."""
    depends = subprocess.run(
        ["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True, check=True
    )
    name = next((word for word in depends.stdout.split() if word.startswith("linux-image-6")), "")
    if not name:
        pytest.skip("apt has no linux-image-amd64; to run this: sudo apt update, on Debian")
    tree = folder / name
    if not tree.exists():
        half = tree.with_name("half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        subprocess.run(["apt-get", "download", "-qq", name, "busybox-static"], cwd=half, check=True)
        for package in half.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, half], check=True)
            package.unlink()
        (version,) = (path.name for path in (half / "lib/modules").iterdir())
        subprocess.run(["depmod", "--basedir", half, version], check=True)
        half.rename(tree)
    return tree


def initramfs(tree: Path, folder: Path) -> Path:
    """Make the guest's first file system: busybox, the modules in the order of their needs, and the script above."""
    (version,) = (path.name for path in (tree / "lib/modules").iterdir())
    (folder / "bin").mkdir(parents=True)
    shutil.copy(tree / "bin/busybox", folder / "bin/busybox")
    show = ["modprobe", "--dirname", str(tree), "--set-version", version, "--show-depends", "--all"]
    needs = subprocess.run([*show, *MODULES], capture_output=True, text=True, check=True).stdout.split()
    paths = dict.fromkeys(path for path in needs if path.startswith("/"))  # in the order of loading
    for path in paths:
        shutil.copy(path, folder)
    insmods = "\n".join(f"busybox insmod /{Path(path).name}" for path in paths)
    script = folder / "init"
    script.write_text(INIT.format(insmods=f"{insmods} node_types=0x1", root=ROOT, python=sys.executable))
    script.chmod(0o755)
    packed = folder.with_suffix(".cpio")
    files = subprocess.run(["find", "."], cwd=folder, capture_output=True, check=True).stdout
    with packed.open("wb") as archive:
        subprocess.run(
            ["cpio", "--create", "--format=newc", "--quiet"],
            cwd=folder,
            input=files,
            stdout=archive,
            check=True,
        )
    return packed


def share(tag: str, path: Path, more: str = "") -> str:
    """Return the option of QEMU that lets the guest see a folder."""
    return f"local,path={path},mount_tag={tag},security_model=none{more}"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Boot the guest once. Returns the folder with its findings."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if lacking := sorted({package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)}):
        pytest.skip(f"no {', '.join(lacking)}; to run this: sudo apt install {' '.join(lacking)}")
    if platform.machine() != "x86_64" or os.geteuid() != 0:
        pytest.skip("the guest is an x86-64 PC, and reads all files of this machine: root only")
    os.environ["PATH"] = path
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "picar/vivid")
    tree, folder = kernel(cache), tmp_path_factory.mktemp("vivid")
    out = folder / "out"
    out.mkdir()
    (image,) = (tree / "boot").glob("vmlinuz-*")
    command = "qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 1024 -nographic -nodefaults -no-reboot -serial stdio"
    console = subprocess.run(
        [
            *command.split(),
            *("-kernel", image, "-initrd", initramfs(tree, folder / "root")),
            *("-append", "console=ttyS0 quiet panic=-1"),
            *("-virtfs", share("host", Path("/"), ",readonly=on,multidevs=remap")),
            *("-virtfs", share("out", out)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (out / "findings.json").exists(), console.stdout + console.stderr
    return out


def test_a_camera_of_the_kernel_gives_pictures_and_each_of_its_errors_has_its_code(out: Path) -> None:
    found = json.loads((out / "findings.json").read_text())
    print(f"Linux {found['kernel']}")
    assert found["list"] == [["/dev/video0", "vivid", None]]
    code, said = found["snapshot"]
    assert (code, said) == (0, "vivid: the picture is in /tmp/out/picture.jpg.\n")
    assert (found["size"], found["start"]) == ([640, 480], "ffd8")
    assert found["forbidden"] == [["/dev/video0", "vivid-000-vid-cap", "permission"]]
    assert found["busy"] == [["/dev/video0", "vivid-000-vid-cap", "busy"]]
    code, said = found["second"]
    assert code == 1
    assert "/dev/video0 is in use by another program" in said
    assert found["unplugged"] == "unplugged"
    assert found["gone"] == [["/dev/video0", "vivid-000-vid-cap", "missing"]]
    assert found["again"] == found["list"]


def test_its_picture_has_the_colours_of_the_test_card(out: Path) -> None:
    with Image.open(out / "picture.jpg") as picture:
        assert (picture.format, picture.size) == ("JPEG", (640, 480))
        row = picture.convert("RGB").resize((8, 1), box=(0, 200, 640, 280), resample=Image.Resampling.BOX)
    levels = row.tobytes()
    bars = ["".join("rgb"[band] for band in range(3) if levels[3 * x + band] > 96) for x in range(8)]
    assert bars == ["rgb", "rg", "gb", "g", "rb", "r", "b", ""]
