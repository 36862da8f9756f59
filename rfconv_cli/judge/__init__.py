"""Honest numbers: metrics with intervals, controls, and the verdict."""
