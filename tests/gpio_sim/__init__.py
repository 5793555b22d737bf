"""The real lgpio on a real kernel without hardware: user-mode Linux with the kernel's GPIO simulator, gpio-sim."""
