"""The fault campaign, `scripts/faults`: break one thing while the car drives, and read from the pins when it stopped."""
