"""The obstacle stop: approaches of the simulated car to walls, and the readers of the sensors."""
