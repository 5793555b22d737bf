"""Build user-mode Linux with gpio-sim and i2c-stub, once; boot it, and run pytest in it. Usage: python -m tests.gpio_sim PYTEST ARGUMENTS

The guest is an ordinary process. Its root is the root of this machine, read-only, so that it has this Python and this checkout.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[2]
ARGUMENTS, EXIT_CODE = "arguments.json", "exit-code"
SOURCE = "linux-source-6.12"  # Debian 13, and the security updates of Debian 12
CONFIG = """64BIT PRINTK CC_OPTIMIZE_FOR_PERFORMANCE HIGH_RES_TIMERS NO_HZ_IDLE BINFMT_ELF BINFMT_SCRIPT MULTIUSER
POSIX_TIMERS FUTEX EPOLL SIGNALFD TIMERFD EVENTFD AIO SHMEM ADVISE_SYSCALLS MEMBARRIER FILE_LOCKING INOTIFY_USER SYSVIPC
POSIX_MQUEUE PROC_FS PROC_SYSCTL PROC_CHILDREN SYSFS TMPFS HOSTFS CONFIGFS_FS DEVTMPFS DEVTMPFS_MOUNT NET UNIX INET TTY
STDERR_CONSOLE NULL_CHAN HW_RANDOM UML_RANDOM GPIOLIB GPIO_CDEV GPIO_CDEV_V1 GPIO_SIM I2C
I2C_CHARDEV I2C_STUB"""
STUB_ADDRESS = 0x40  # of the first chip on the only I2C bus, number 0
STUB_ADDRESSES = (STUB_ADDRESS, 0x48, 0x36)  # a PCA9685, INA219 or INA226; an ADS1115; a MAX17048
_STUB = '"I2C/SMBus Test Stub"\n'
LGPIO = "lgpio==0.2.2.0"
TOOLS = ("gcc", "make", "flex", "bison", "bc", "apt-get", "dpkg-deb")


def skip(why: str) -> NoReturn:
    """Print why the tests cannot run here, and end without a failure."""
    print(f"picar: skipping the tests on gpio-sim: {why}", file=sys.stderr)
    sys.exit(0)


def cache() -> Path:
    """Return the folder that keeps the kernel and lgpio: `${XDG_CACHE_HOME:-~/.cache}/picar/gpio-sim`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "picar/gpio-sim")


def kernel() -> Path:
    """Return the kernel; build it unless it is in the cache."""
    built = cache() / f"{SOURCE}-{hashlib.sha256(CONFIG.encode()).hexdigest()[:12]}"
    if not built.exists():
        if platform.machine() != "x86_64" or not all(map(shutil.which, TOOLS)):
            skip(f"they need Debian on x86-64 with {', '.join(TOOLS)}")
        print("picar: building a kernel, once (5 minutes of processor time, 2 GB)…", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="build-", dir=cache()) as folder:
            build(Path(folder)).replace(built)
    return built


def build(folder: Path) -> Path:
    """Fetch Debian's source of the kernel and build it, in this folder. Returns the kernel."""
    fetch = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", SOURCE]
    if subprocess.run(fetch, cwd=folder, check=False).returncode:
        skip(f"apt does not have {SOURCE}; on Debian 12 or newer: sudo apt update")
    (package,) = folder.glob("*.deb")
    unpack = f'dpkg-deb --fsys-tarfile "$0" | tar --extract --to-stdout ./usr/src/{SOURCE}.tar.xz | tar --extract --xz'
    subprocess.run(["sh", "-c", unpack, package], cwd=folder, check=True)
    config, source = folder / "config", folder / SOURCE
    options = (
        source / "drivers/i2c/Kconfig"
    )  # it offers i2c-stub as a module only; this kernel has no modules
    options.write_text(options.read_text().replace(f"{_STUB}\tdepends on m\n", _STUB))
    config.write_text("".join(f"CONFIG_{option}=y\n" for option in CONFIG.split()))
    make = ["nice", "make", "--silent", f"--jobs={os.cpu_count()}", "ARCH=um", f"KCONFIG_ALLCONFIG={config}"]
    for target in ("allnoconfig", "linux"):
        subprocess.run([*make, target], cwd=source, stdout=subprocess.DEVNULL, check=True)
    return source / "linux"


def lgpio() -> Path:
    """Return a folder with lgpio for this Python; outside .venv, where other tests have a fake."""
    folder = cache() / f"{LGPIO}-python{sys.version_info.major}.{sys.version_info.minor}"
    if not folder.exists():
        half = folder.with_suffix(".half")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--only-binary=:all:"]
        if subprocess.run([*pip, "--target", half, LGPIO], check=False).returncode:
            skip(f"pip has no {LGPIO}")
        half.rename(folder)
    return folder


def boot(linux: Path, libraries: Path, arguments: list[str]) -> int:
    """Boot the guest and run pytest in it. Returns pytest's exit code."""
    with tempfile.TemporaryDirectory(prefix="picar-gpio-sim-") as folder:
        (Path(folder) / ARGUMENTS).write_text(json.dumps(arguments))
        machine = [
            "mem=512M",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            "quiet",
            "con=null",
            "con0=null,fd:1",
            f"i2c_stub.chip_addr={','.join(map(str, STUB_ADDRESSES))}",
        ]
        environment = [f"uml_dir={folder}", f"OUT={folder}", f"PYTHONPATH={ROOT}:{libraries}"]
        init = [f"init={sys.executable}", "--", "-B", "-m", "tests.gpio_sim.guest"]
        piped = ["sh", "-c", '"$0" "$@" </dev/null 2>&1 | cat']  # it refuses a file as its console
        subprocess.run([*piped, linux, *machine, *environment, *init], check=False)
        code = Path(folder) / EXIT_CODE
        return int(code.read_text()) if code.exists() else 1


if __name__ == "__main__":
    cache().mkdir(parents=True, exist_ok=True)
    sys.exit(boot(kernel(), lgpio(), sys.argv[1:]))
