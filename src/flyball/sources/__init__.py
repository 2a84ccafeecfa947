"""One file per way that work is opened."""
