"""A WiFi remote-control car server for the Raspberry Pi: lose the link, and the car stops."""

__version__ = "0.1.0"
