"""Tests of `picar doctor`."""
