"""The calibration of the two motors: its values, and the file that keeps it."""
