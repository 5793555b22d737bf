"""Admission to the car: the PIN, the list of paired phones and scripts, and its files. `web/auth.py` applies it to requests."""
