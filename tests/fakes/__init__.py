"""GPIO libraries without a Pi: put this folder on PYTHONPATH, and name a board in PICAR_FAKE_BOARD."""
