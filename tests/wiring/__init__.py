"""Tests of the wiring: plan, drawing, text, page."""
