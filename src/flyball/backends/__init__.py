"""One file per way to meet a port."""
