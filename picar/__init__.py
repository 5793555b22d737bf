"""A WiFi remote-control car server for the Raspberry Pi: lose the link, and the car stops."""

__version__ = "0.1.0"
__released__ = "2026-11-26"  # the day of this version: without a clock, the earliest that today can be
