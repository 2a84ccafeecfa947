"""Folded from the log, rebuildable."""
