"""One file per sort of action. Found by a sorted scan, enabled by name."""
