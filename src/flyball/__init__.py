"""Flyball lets AI agents run infrastructure without wrecking it: every action goes through one door."""

__version__ = "0.1.0"
