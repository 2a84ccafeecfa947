"""A real small estate and its faults."""
