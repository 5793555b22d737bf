"""Hypothesis without deadlines: how long an example takes says more about the machine than about picar."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
