"""One file per way to choose the next step. A brain reaches the world only through the door."""
