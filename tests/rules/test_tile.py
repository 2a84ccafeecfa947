"""Tiles and bundles against the examples in the specification, and against the tree they are cut from."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.rules.merkle import Frontier, leaf_hash, root_of
from flyball.rules.tile import (
    Tile,
    entries_bundle,
    entries_path,
    parse_bundle,
    parse_tile,
    tile_bytes,
    tile_path,
    tiles_of,
)


@pytest.mark.parametrize(
    ("level", "n", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),  # the index that c2sp.org/tlog-tiles spells out
        (1, 999, 17, "tile/1/999.p/17"),
        (63, 1000, 1, "tile/63/x001/000.p/1"),
        (2, 5_000_000, 255, "tile/2/x005/x000/000.p/255"),
    ],
)
def test_paths(level: int, n: int, width: int, path: str) -> None:
    assert tile_path(level, n, width) == path == Tile(level, n, width).path
    assert entries_path(n, width) == path.replace(f"tile/{level}/", "tile/entries/")


@pytest.mark.parametrize(
    ("level", "n", "width", "words"),
    [
        (64, 0, 256, "level 64"),
        (-1, 0, 256, "level -1"),
        (0, -1, 256, "index -1"),
        (0, 0, 0, "width 0"),
        (0, 0, 257, "width 257"),
    ],
)
def test_paths_that_no_log_has(level: int, n: int, width: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tile_path(level, n, width)


def test_the_tree_of_seventy_thousand_that_the_specification_counts() -> None:
    found = tiles_of(70_000)
    assert [one for one in found if one.level == 0] == [*(Tile(0, i, 256) for i in range(273)), Tile(0, 273, 112)]
    assert [one for one in found if one.level > 0] == [Tile(1, 0, 256), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert tiles_of(256) == (Tile(0, 0, 256), Tile(1, 0, 1))
    assert tiles_of(1) == (Tile(0, 0, 1),)
    assert tiles_of(0) == ()


@settings(max_examples=40)
@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_growth_lists_exactly_the_tiles_that_were_not_there(one: int, other: int) -> None:
    since, size = sorted((one, other))
    there = set(tiles_of(since))
    assert tiles_of(size, since) == tuple(tile for tile in tiles_of(size) if tile not in there)


def test_growth_is_forward_only() -> None:
    for size, since in ((3, 4), (3, -1)):
        with pytest.raises(ValueError, match="did not grow"):
            tiles_of(size, since)


def test_tiles_hold_the_hashes_of_the_tree() -> None:
    leaves = [leaf_hash(b"%d" % i) for i in range(600)]
    kept: dict[tuple[int, int], bytes] = {}
    edge = Frontier()
    for leaf in leaves:
        edge, nodes = edge.append(leaf)
        kept.update({(node.level, node.index): node.hash for node in nodes})

    def read(tile: Tile) -> tuple[bytes, ...]:
        return parse_tile(tile_bytes(tile, lambda level, index: kept[level, index]))

    tiles = {(tile.level, tile.index): read(tile) for tile in tiles_of(600)}
    assert [one for index in range(3) for one in tiles[0, index]] == leaves
    assert tiles[1, 0] == (root_of(leaves[:256]), root_of(leaves[256:512]))
    assert len(tiles) == 4


@pytest.mark.parametrize("raw", [b"", b"x" * 31, b"x" * 33, b"x" * 32 * 257])
def test_bytes_that_are_no_tile(raw: bytes) -> None:
    with pytest.raises(ValueError, match="does not hold 1 to 256 hashes"):
        parse_tile(raw)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_read_back(entries: list[bytes]) -> None:
    assert parse_bundle(entries_bundle(entries)) == tuple(entries)


def test_bundle_bytes() -> None:
    assert entries_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    assert parse_bundle(entries_bundle([b"x" * 65535]))[0] == b"x" * 65535
    with pytest.raises(ValueError, match="entry 1 of the bundle has 65536 bytes"):
        entries_bundle([b"", b"x" * 65536])
    for entries in ([], [b""] * 257):
        with pytest.raises(ValueError, match="holds 1 to 256 entries"):
            entries_bundle(entries)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\x00", "ends within its entry 0"),
        (b"\x00\x01", "ends within its entry 0"),
        (b"\x00\x01a\x00\x02b", "ends within its entry 1"),
        (b"\x00\x00\x00", "ends within its entry 1"),
        (b"", "not 0"),
        (b"\x00\x00" * 257, "not 257"),
    ],
)
def test_bytes_that_are_no_bundle(raw: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_bundle(raw)
