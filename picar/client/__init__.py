"""Programs that drive a car as a client of picar.v1."""
