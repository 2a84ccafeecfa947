"""The nouns. Frozen, slotted dataclasses and enums; nothing here reads a clock, a file or a socket."""
