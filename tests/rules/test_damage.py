"""Every sort of damage is done to a small log and must be named, with the place where it begins."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.backends.store.damage import Break, Damage, first_break
from flyball.rules.merkle import Frontier, Head, NodeAt, leaf_hash, root_of


def log_of(size: int) -> tuple[list[bytes], list[bytes], Head, NodeAt]:
    entries = [b"entry %d" % i for i in range(size)]
    leaves = [leaf_hash(one) for one in entries]
    kept: dict[tuple[int, int], bytes] = {}
    edge = Frontier()
    for leaf in leaves:
        edge, nodes = edge.append(leaf)
        kept.update({(one.level, one.index): one.hash for one in nodes})
    return entries, leaves, Head(size, edge.root()), lambda level, index: kept.get((level, index), b"")


def named(found: Break | None) -> tuple[int, Damage] | None:
    return None if found is None else (found.index, found.what)


SIZES_AND_PLACES = st.integers(2, 60).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 2)))


@given(st.integers(0, 60), st.data())
def test_an_honest_log_has_no_break_and_may_be_longer_than_its_checkpoint(size: int, data: st.DataObject) -> None:
    entries, leaves, head, node = log_of(size)
    signed = data.draw(st.integers(0, size))
    assert first_break(entries, leaves, head) is None
    assert first_break(entries, leaves, Head(signed, root_of(leaves[:signed])), node) is None


@given(SIZES_AND_PLACES)
def test_edited(drawn: tuple[int, int]) -> None:
    size, at = drawn
    entries, leaves, head, _ = log_of(size)
    entries[at] += b"!"
    assert named(first_break(entries, leaves, head)) == (at, Damage.EDITED)


@given(SIZES_AND_PLACES, st.data())
def test_removed(drawn: tuple[int, int], data: st.DataObject) -> None:
    size, at = drawn
    entries, leaves, head, _ = log_of(size)
    many = data.draw(st.integers(1, size - at - 1))
    del entries[at : at + many]
    assert named(first_break(entries, leaves, head)) == (at, Damage.REMOVED)


@given(SIZES_AND_PLACES, st.data())
def test_swapped(drawn: tuple[int, int], data: st.DataObject) -> None:
    size, at = drawn
    entries, leaves, head, _ = log_of(size)
    other = data.draw(st.integers(at + 1, size - 1))
    entries[at], entries[other] = entries[other], entries[at]
    assert named(first_break(entries, leaves, head)) == (at, Damage.SWAPPED)


@given(SIZES_AND_PLACES)
def test_inserted(drawn: tuple[int, int]) -> None:
    size, at = drawn
    entries, leaves, head, _ = log_of(size)
    entries.insert(at, b"never recorded")
    assert named(first_break(entries, leaves, head)) == (at, Damage.INSERTED)


def test_inserted_at_the_end() -> None:
    entries, leaves, head, _ = log_of(7)
    assert named(first_break([*entries, b"late"], leaves, head)) == (7, Damage.INSERTED)


@given(SIZES_AND_PLACES)
def test_last_removed(drawn: tuple[int, int]) -> None:
    size, at = drawn
    entries, leaves, head, _ = log_of(size)
    assert named(first_break(entries[: at + 1], leaves, head)) == (at + 1, Damage.LAST_REMOVED)


@given(SIZES_AND_PLACES)
def test_rolled_back(drawn: tuple[int, int]) -> None:
    size, at = drawn
    entries, leaves, head, _ = log_of(size)
    assert named(first_break(entries[: at + 1], leaves[: at + 1], head)) == (at + 1, Damage.ROLLED_BACK)


@given(SIZES_AND_PLACES)
def test_leaf_hash_edited(drawn: tuple[int, int]) -> None:
    size, at = drawn
    entries, leaves, head, _ = log_of(size)
    leaves[at] = leaf_hash(b"something else")
    assert named(first_break(entries, leaves, head)) == (at, Damage.HASH_EDITED)


@given(SIZES_AND_PLACES)
def test_rewritten_with_its_leaf_hash_is_found_through_the_nodes_above(drawn: tuple[int, int]) -> None:
    size, at = drawn
    entries, leaves, head, node = log_of(size)
    entries[at] += b"!"
    leaves[at] = leaf_hash(entries[at])
    assert named(first_break(entries, leaves, head, node)) == (at, Damage.REWRITTEN)
    assert named(first_break(entries, leaves, head)) == (0, Damage.REWRITTEN)
    assert named(first_break(entries, leaves, head, lambda _level, _index: b"")) == (0, Damage.REWRITTEN)


@given(SIZES_AND_PLACES, st.data())
def test_removed_with_its_leaf_hash_is_found_through_the_nodes_above(drawn: tuple[int, int], data: st.DataObject) -> None:
    size, at = drawn
    entries, leaves, head, node = log_of(size)
    many = data.draw(st.integers(1, size - at - 1))
    del entries[at : at + many], leaves[at : at + many]
    assert named(first_break(entries, leaves, head, node)) == (at, Damage.REMOVED)
    assert named(first_break(entries, leaves, head)) == (size - many, Damage.ROLLED_BACK)


@given(SIZES_AND_PLACES, st.integers(0, 3))
def test_rolled_back_is_not_mistaken_for_a_removal(drawn: tuple[int, int], gone: int) -> None:
    size, at = drawn
    entries, leaves, head, node = log_of(size)

    def without_the_end(level: int, index: int) -> bytes:
        return b"" if level < gone and (index + 1) << level > at + 1 else node(level, index)

    assert named(first_break(entries[: at + 1], leaves[: at + 1], head, without_the_end)) == (at + 1, Damage.ROLLED_BACK)


def test_removed_where_the_kept_leaf_hash_is_gone_too() -> None:
    entries, leaves, head, _ = log_of(9)
    del entries[4]
    leaves[4] = b""
    assert named(first_break(entries, leaves, head)) == (4, Damage.REMOVED)


def test_rewritten_up_to_a_kept_node_is_narrowed_to_that_node() -> None:
    entries, leaves, head, node = log_of(16)
    entries[13] += b"!"
    leaves[13] = leaf_hash(entries[13])

    def partly(level: int, index: int) -> bytes:
        return b"" if level < 2 else node(level, index)

    assert named(first_break(entries, leaves, head, partly)) == (12, Damage.REWRITTEN)


def test_damage_past_the_checkpoint_is_named_too() -> None:
    entries, leaves, _, _ = log_of(9)
    entries[8] += b"!"
    assert named(first_break(entries, leaves, Head(5, root_of(leaves[:5])))) == (8, Damage.EDITED)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ((0, 2, 3, 4), "1 entry gone from here: what follows stands 1 too early"),
        ((0, 3, 4), "2 entries gone from here: what follows stands 2 too early"),
        ((0, 1, 2), "2 entries gone from the end; the leaf hashes remain"),
        ((0, 1, 3, 2, 4), "entry 2 holds the bytes that belong at 3"),
        ((0, 1, 1, 2, 3, 4), "1 entry too many here: what belongs here stands 1 too late"),
    ],
)
def test_the_reason_is_a_sentence(entries: Sequence[int], words: str) -> None:
    whole, leaves, head, _ = log_of(5)
    found = first_break([whole[i] for i in entries], leaves, head)
    assert found is not None
    assert found.why == words
