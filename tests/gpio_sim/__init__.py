"""The real lgpio and the real I2C calls on a real kernel without hardware: user-mode Linux with gpio-sim and i2c-stub."""
