"""The log as static files: where each tile and bundle lies and what is in it (c2sp.org/tlog-tiles).

The exporter writes these files, the HTTP face serves them, and an outside verifier reads them with its own tools. A
tile holds up to 256 neighbouring hashes of one level in steps of 8: tile level l holds nodes of tree level 8 * l. A
bundle holds up to 256 entries, each after its length as a big-endian uint16.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flyball.rules.merkle import HASH_BYTES, NodeAt

WIDTH = 256
"""Hashes in a full tile, entries in a full bundle."""

MOST_ENTRY_BYTES = 0xFFFF
"""The longest entry that a bundle can hold."""

_LEVELS = 64
_HEIGHT = 8


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: its level (0..63), its index within the level, and its width (1..256; under 256 it is partial)."""

    level: int
    index: int
    width: int

    @property
    def path(self) -> str:
        """Where it lies below the log's prefix."""
        return tile_path(self.level, self.index, self.width)


def tile_path(level: int, n: int, width: int = WIDTH) -> str:
    """Where tile `n` of a level lies: "tile/0/x001/x234/067", and ".p/<width>" behind it when it is partial.

    Raises ValueError for a level outside 0..63, a negative index or a width outside 1..256.
    """
    if not 0 <= level < _LEVELS:
        raise ValueError(f"tile level {level} is not within 0..{_LEVELS - 1}")
    return f"tile/{level}/{_place(n, width)}"


def entries_path(n: int, width: int = WIDTH) -> str:
    """Where bundle `n` lies: "tile/entries/x001/x234/067", with ".p/<width>" as for tiles. Raises as `tile_path`."""
    return f"tile/entries/{_place(n, width)}"


def tiles_of(size: int, since: int = 0) -> tuple[Tile, ...]:
    """The tiles of a tree of `size` leaves, lowest level first; with `since`, only those that one of that size lacks.

    The bundles of a tree are its tiles of level 0. Raises ValueError unless 0 <= since <= size.
    """
    if not 0 <= since <= size:
        raise ValueError(f"a tree of {size} leaves did not grow from one of {since}")
    found = []
    level = 0
    while after := size >> _HEIGHT * level:
        before = since >> _HEIGHT * level
        found += [Tile(level, at, WIDTH) for at in range(before // WIDTH, after // WIDTH)]
        if after % WIDTH and after != before:
            found.append(Tile(level, after // WIDTH, after % WIDTH))
        level += 1
    return tuple(found)


def tile_bytes(tile: Tile, node: NodeAt) -> bytes:
    """The content of a tile: `width` hashes of 32 bytes, looked up as nodes of the tree."""
    first = tile.index * WIDTH
    return b"".join(node(tile.level * _HEIGHT, first + at) for at in range(tile.width))


def parse_tile(raw: bytes) -> tuple[bytes, ...]:
    """The hashes in a tile. Raises ValueError where it is empty, too long, or ends within a hash."""
    if not raw or len(raw) > WIDTH * HASH_BYTES or len(raw) % HASH_BYTES:
        raise ValueError(f"a tile of {len(raw)} bytes does not hold 1 to {WIDTH} hashes")
    return tuple(raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES))


def entries_bundle(entries: Sequence[bytes]) -> bytes:
    """The content of a bundle of 1 to 256 entries. Raises ValueError for others and for an entry over 65,535 bytes."""
    if not 1 <= len(entries) <= WIDTH:
        raise ValueError(f"a bundle holds 1 to {WIDTH} entries, not {len(entries)}")
    return b"".join(_prefixed(entries))


def parse_bundle(raw: bytes) -> tuple[bytes, ...]:
    """The entries in a bundle. Raises ValueError where it is empty, holds over 256, or ends within an entry."""
    entries: list[bytes] = []
    at = 0
    while at < len(raw):
        start = at + 2
        end = start + int.from_bytes(raw[at:start])
        if end > len(raw):
            raise ValueError(f"the bundle ends within its entry {len(entries)}")
        entries.append(raw[start:end])
        at = end
    if not 1 <= len(entries) <= WIDTH:
        raise ValueError(f"a bundle holds 1 to {WIDTH} entries, not {len(entries)}")
    return tuple(entries)


def _prefixed(entries: Iterable[bytes]) -> Iterable[bytes]:
    """Each entry behind its length."""
    for at, entry in enumerate(entries):
        if len(entry) > MOST_ENTRY_BYTES:
            raise ValueError(f"entry {at} of the bundle has {len(entry)} bytes, over the {MOST_ENTRY_BYTES} that fit")
        yield len(entry).to_bytes(2)
        yield entry


def _place(n: int, width: int) -> str:
    """An index in groups of three digits, all but the last marked by x, with the suffix of a partial tile."""
    if n < 0:
        raise ValueError(f"tile index {n} is negative")
    if not 1 <= width <= WIDTH:
        raise ValueError(f"tile width {width} is not within 1..{WIDTH}")
    groups = [f"{n % 1000:03d}"]
    while n := n // 1000:
        groups.insert(0, f"x{n % 1000:03d}")
    return "/".join(groups) + ("" if width == WIDTH else f".p/{width}")
