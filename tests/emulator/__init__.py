"""An emulated Raspberry Pi 3 in QEMU, whose pin registers are read from outside. Used by `scripts/emulate-pi` and tests/pi."""
