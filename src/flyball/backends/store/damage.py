"""Names what was done to a damaged log: which entry, and whether it was edited, removed, swapped or rolled back.

`flyball audit verify` and the store's check at start call `first_break` once a root does not match. A root alone says only
that something is wrong; the stored leaf hashes, where they still fold to the signed root, say where.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from flyball.rules.merkle import Head, NodeAt, fold, leaf_hash, node_hash, perfect, root_of


class Damage(StrEnum):
    """The sorts of damage that can be told apart."""

    EDITED = "edited"
    """An entry's bytes are no longer those that were hashed."""
    REMOVED = "removed"
    """One or more entries are gone from before the end."""
    SWAPPED = "swapped"
    """An entry stands where another belongs."""
    INSERTED = "inserted"
    """An entry stands where none was recorded."""
    LAST_REMOVED = "last removed"
    """The last entries are gone, but their leaf hashes are still there."""
    ROLLED_BACK = "rolled back"
    """The store ends before the checkpoint and does not contradict itself: an older copy, or a clean cut."""
    HASH_EDITED = "leaf hash edited"
    """The entry is as it was signed; the hash kept beside it is not."""
    REWRITTEN = "rewritten"
    """Entries and their leaf hashes agree with each other, but not with what was signed."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first thing wrong with a log. `index` counts entries from 0; `why` is one sentence for a person."""

    index: int
    what: Damage
    why: str


def first_break(entries: Sequence[bytes], leaves: Sequence[bytes], head: Head, node: NodeAt | None = None) -> Break | None:
    """The first damage to a log, or None where everything up to `head` is as it was signed.

    Args:
        entries: the stored entry bytes, in order, as they are now.
        leaves: the leaf hashes kept when the entries were written, in order (b"" for one that is gone).
        head: size and root of a checkpoint whose signature has been verified. Entries past its size are compared
            with their leaf hashes only, as nothing signed speaks of them yet.
        node: looks up kept nodes (b"" for one that is gone); finds what was removed or rewritten together with its leaf
            hash, where the nodes above were left alone. Without it, or where these were rewritten too, a rewrite is
            given the lowest index that nothing vouches for, and a removal is not told from a store rolled back.
    """
    found = [leaf_hash(entry) for entry in entries]
    at = next((i for i, (now, then) in enumerate(zip(found, leaves, strict=False)) if now != then), None)
    if at is not None:
        return _differing(at, found, leaves, head)
    if len(found) < len(leaves):
        why = f"{_count(len(leaves) - len(found))} gone from the end; the leaf hashes remain"
        return Break(len(found), Damage.LAST_REMOVED, why)
    if len(found) > len(leaves):
        return Break(len(leaves), Damage.INSERTED, f"entry {len(leaves)} was never given a leaf hash")
    return _contradicting(leaves, head, node)


def _contradicting(leaves: Sequence[bytes], head: Head, node: NodeAt | None) -> Break | None:
    """Names the damage where entries and leaf hashes agree, from what was signed and what is kept above them."""
    signed = leaves[: head.size]
    if len(signed) == head.size and root_of(signed) == head.root:
        return None
    start, end = (0, head.size) if node is None else _doubtful(signed, head, node)
    if end <= len(leaves) < head.size:
        why = f"from entry {start} on, neither entries nor leaf hashes are those signed, and {_count(head.size - len(leaves))} missing"
        return Break(start, Damage.REMOVED, why)
    if len(leaves) < head.size:
        why = f"the checkpoint signs {head.size} entries and the store holds {len(leaves)}: an older copy or a clean cut"
        return Break(len(leaves), Damage.ROLLED_BACK, why)
    why = f"entries and leaf hashes agree, but from entry {start} on they do not give the root that was signed"
    return Break(start, Damage.REWRITTEN, why)


def _differing(at: int, found: Sequence[bytes], leaves: Sequence[bytes], head: Head) -> Break:
    """Names the damage at the first entry whose bytes do not give its leaf hash."""
    now, then = found[at], leaves[at]
    missing = len(leaves) - len(found)
    if at < head.size and root_of(found[: head.size]) == head.root:
        return Break(at, Damage.HASH_EDITED, f"entry {at} gives the signed root; the leaf hash kept for it does not")
    if missing > 0 and now in leaves[at + 1 : at + 1 + missing]:
        gone = leaves.index(now, at + 1) - at
        return Break(at, Damage.REMOVED, f"{_count(gone)} gone from here: what follows stands {gone} too early")
    if missing < 0 and then in found[at + 1 : at + 1 - missing]:
        more = list(found).index(then, at + 1) - at
        return Break(at, Damage.INSERTED, f"{_count(more)} too many here: what belongs here stands {more} too late")
    if now in leaves:
        return Break(at, Damage.SWAPPED, f"entry {at} holds the bytes that belong at {leaves.index(now)}")
    return Break(at, Damage.EDITED, f"the bytes of entry {at} do not give the leaf hash that was kept for it")


def _doubtful(leaves: Sequence[bytes], head: Head, node: NodeAt) -> tuple[int, int]:
    """The first leaves [start, end) that are not as they were signed, as narrow as the kept nodes allow.

    Where the kept nodes do not give the signed root themselves, that is the whole tree.
    """
    tops = perfect(0, head.size)
    if fold([node(level, index) for level, index in tops]) != head.root:
        return 0, head.size
    level, index = next((level, index) for level, index in tops if _root_at(leaves, level, index) != node(level, index))
    want = node(level, index)
    while level > 0:
        left, right = node(level - 1, 2 * index), node(level - 1, 2 * index + 1)
        if node_hash(left, right) != want:
            break
        level, index, want = level - 1, 2 * index, left
        if _root_at(leaves, level, index) == left:
            index, want = index + 1, right
    return index << level, (index + 1) << level


def _root_at(leaves: Sequence[bytes], level: int, index: int) -> bytes:
    """The root over the leaves that node (level, index) covers."""
    return root_of(leaves[index << level : (index + 1) << level])


def _count(number: int) -> str:
    """The number of entries, as a person says it."""
    return "1 entry" if number == 1 else f"{number} entries"
