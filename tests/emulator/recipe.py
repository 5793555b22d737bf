"""What the image of the emulated Pi is made of. A change in here makes a new image at the next `build`."""

from __future__ import annotations

import hashlib
from pathlib import Path

SUITE = "bookworm"  # its Python 3.11 is one that PyPI has an arm64 wheel of lgpio for
ARCHITECTURE = "arm64"
# From the backports: `persist_gpio_outputs=`, how Raspberry Pi OS treats a released pin, came with Linux 6.10.
KERNEL = "linux-image-arm64/bookworm-backports"
MODEL = "bcm2837-rpi-3-b.dtb"
REVISION = 0xA02082  # a Pi 3 B; gpiozero and RPi.GPIO ask for it
CARD_BYTES = 2 << 30  # QEMU wants a power of two
MEMORY_MB = 1024
HOST_NAME = "picar-emulated"

PACKAGES = (
    "avahi-daemon",
    "ca-certificates",
    "dbus",
    "dbus-user-session",
    "gpiod",
    "initramfs-tools",
    "iproute2",
    "openssh-server",
    "passwd",
    "polkitd",
    "procps",
    "python3",
    "python3-rpi.gpio",
    "python3-venv",
    "systemd-sysv",
    "udev",
)
# What mounts the card and brings up the network, before and beside what udev loads.
EARLY_MODULES = ("bcm2835", "bcm2835_dma", "sdhci_iproc", "mmc_block", "ext4", "dwc2", "cdc_ether")

FILES = {
    "/usr/share/initramfs-tools/modules.d/picar": "\n".join(EARLY_MODULES) + "\n",
    "/etc/initramfs-tools/conf.d/picar": "MODULES=list\nCOMPRESS=gzip\nFSTYPE=ext4\nRESUME=none\n",
    "/etc/fstab": "/dev/mmcblk0 / ext4 noatime 0 0\n",
    "/etc/hostname": HOST_NAME + "\n",
    "/etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {HOST_NAME}\n",
    "/etc/systemd/network/80-usb.network": "[Match]\nType=ether\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n",
    # As Raspberry Pi OS has it: the group gpio may use the pins.
    "/etc/udev/rules.d/99-gpio.rules": 'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"\n',
    "/etc/ssh/sshd_config.d/picar.conf": "UseDNS no\nPasswordAuthentication no\nGSSAPIAuthentication no\n",
    # The console belongs to no human: a getty less to start.
    "/etc/systemd/system/serial-getty@ttyAMA0.service.d/none.conf": "[Unit]\nConditionPathExists=/nowhere\n",
    # What the packages of the image do every night is of no use here, and would be at any time.
    "/etc/systemd/journald.conf.d/picar.conf": "[Journal]\nStorage=volatile\n",
}
UNWANTED_UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
)


def fingerprint() -> str:
    """Return what names the image: a hash of this file and of what carries it out."""
    here = Path(__file__)
    digest = hashlib.sha256()
    for name in ("recipe.py", "image.py"):
        digest.update(here.with_name(name).read_bytes())
    return digest.hexdigest()[:12]
