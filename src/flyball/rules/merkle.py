"""The Merkle tree of the log: roots, proofs, and the checks of both (RFC 6962 and RFC 9162, section 2.1).

The log's store appends through `Frontier` and keeps every `Node` it is given; the proof maker looks nodes up again;
whoever holds a signed checkpoint (a witness, an auditor, `flyball audit verify`) calls the `verify_` functions, which need
nothing but hashes. What is wrong with a damaged log is named in `backends/store/damage.py`.

Nodes are named by (level, index): level 0 holds leaf hashes, node (l, i) covers leaves i * 2**l up to (i + 1) * 2**l.
Only perfect subtrees are nodes; the ragged right edge is always computed. All hashes are 32 bytes of SHA-256.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

HASH_BYTES = 32
"""Length of every hash in the tree."""

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves (RFC 9162, section 2.1.1)."""

NodeAt = Callable[[int, int], bytes]
"""Looks up the hash of one perfect subtree: (level, index) -> 32 bytes. It raises its own error when it has none."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry: SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Node:
    """One perfect subtree: `hash` covers the leaves [index * 2**level, (index + 1) * 2**level)."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A tree by its size (number of leaves) and root: what a checkpoint signs."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Subtree:
    """The leaves [start, end) of a larger tree, and the hash claimed for them."""

    start: int
    end: int
    hash: bytes

    def is_valid(self) -> bool:
        """Whether the range can stand in a tree: start is a multiple of the width, rounded up to a power of two."""
        if not 0 <= self.start <= self.end:
            return False
        width = self.end - self.start
        return width == 0 or self.start % (1 << (width - 1).bit_length()) == 0


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a growing tree: all that appending needs, however long the log is.

    `hashes` are the roots of the perfect subtrees that make up the tree, widest first: one for each set bit of `size`.
    A new log starts with `Frontier()`. Raises ValueError when the hashes do not fit the size.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an edge that no tree has, so that a damaged store is noticed before it grows."""
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} leaves does not have {len(self.hashes)} subtrees at its edge")
        if any(len(one) != HASH_BYTES for one in self.hashes):
            raise ValueError(f"a hash at the edge of the tree is not {HASH_BYTES} bytes long")

    @classmethod
    def at(cls, size: int, node: NodeAt) -> Self:
        """The edge of the tree of the first `size` leaves, looked up from kept nodes."""
        return cls(size, tuple(node(level, index) for level, index in perfect(0, size)))

    def append(self, leaf: bytes) -> tuple[Self, tuple[Node, ...]]:
        """Add one leaf hash. Gives the new edge and every node this leaf completed, level 0 first."""
        nodes = [Node(0, self.size, leaf)]
        hashes = list(self.hashes)
        while self.size >> nodes[-1].level & 1:
            last = nodes[-1]
            nodes.append(Node(last.level + 1, last.index >> 1, node_hash(hashes.pop(), last.hash)))
        return type(self)(self.size + 1, (*hashes, nodes[-1].hash)), tuple(nodes)

    def extend(self, leaves: Iterable[bytes]) -> tuple[Self, list[tuple[int, int, bytes]]]:
        """Add leaf hashes in order: what `append` gives for each, with nodes as plain (level, index, hash) for a store to keep."""
        size, edge = self.size, list(self.hashes)
        nodes: list[tuple[int, int, bytes]] = []
        for leaf in leaves:
            level, index, found = 0, size, leaf
            nodes.append((level, index, found))
            while index & 1:
                level, index, found = level + 1, index >> 1, node_hash(edge.pop(), found)
                nodes.append((level, index, found))
            edge.append(found)
            size += 1
        return type(self)(size, tuple(edge)), nodes

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        return fold(self.hashes)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes in order; `EMPTY_ROOT` where there are none."""
    row = list(leaves)
    if not row:
        return EMPTY_ROOT
    while len(row) > 1:
        # An odd last subtree rises unchanged: the same as splitting at the largest power of two below the size.
        above = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)]
        row = above + row[len(above) * 2 :]
    return row[0]


def inclusion_proof(index: int, size: int, node: NodeAt) -> tuple[bytes, ...]:
    """The hashes that lead from leaf `index` to the root of the first `size` leaves, lowest first.

    RFC 9162, section 2.1.3.1. Raises ValueError when the leaf is not in that tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    path = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_hash(middle, high, node))
            high = middle
        else:
            path.append(_range_hash(low, middle, node))
            low = middle
    return tuple(reversed(path))


def consistency_proof(size1: int, size2: int, node: NodeAt) -> tuple[bytes, ...]:
    """The hashes that show the first `size1` leaves to be a prefix of the first `size2`.

    RFC 9162, section 2.1.4.1. Empty when the sizes are equal, and when `size1` is 0 (nothing is there to show).
    Raises ValueError when `size1` is negative or larger than `size2`.
    """
    if not 0 <= size1 <= size2:
        raise ValueError(f"a tree of {size1} leaves cannot be the start of one of {size2}")
    if size1 == 0:
        return ()
    path = []
    low, high = 0, size2
    while high != size1:
        middle = low + _split(high - low)
        if size1 <= middle:
            path.append(_range_hash(middle, high, node))
            high = middle
        else:
            path.append(_range_hash(low, middle, node))
            low = middle
    if low > 0:
        path.append(_range_hash(low, high, node))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, head: Head, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows the leaf hash `leaf` at `index` of the tree `head` (RFC 9162, section 2.1.3.2).

    A proof that is malformed in any way is simply not a proof: False, never an error.
    """
    return verify_subtree_inclusion(leaf, index, Subtree(0, head.size, head.root), proof)


def verify_consistency(old: Head, new: Head, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows `old` to be a prefix of `new` (RFC 9162, section 2.1.4.2).

    An old size of 0 is refused, as the published vectors ask: an empty tree is the start of every tree, so such a
    check proves nothing, and a yes could be mistaken for one that does. A caller that has seen nothing yet (a witness
    meeting a log) has nothing to verify and decides that for itself.
    """
    return old.size > 0 and verify_subtree_consistency(Subtree(0, old.size, old.root), new, proof)


def verify_subtree_inclusion(leaf: bytes, index: int, subtree: Subtree, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows the leaf hash at `index` (counted in the whole log) inside the subtree.

    Merkle Tree Certificates (draft-ietf-plants-merkle-tree-certs), "Subtree Inclusion Proofs".
    """
    if not subtree.is_valid() or not subtree.start <= index < subtree.end or not _all_hashes((leaf, *proof)):
        return False
    at, last = index - subtree.start, subtree.end - subtree.start - 1
    found = leaf
    for beside in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(beside, found)
            # At the ragged right edge, a level on which this path has no neighbour has no hash in the proof.
            up = _trailing_zeros(at)
            at, last = at >> up, last >> up
        else:
            found = node_hash(found, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and found == subtree.hash


def verify_subtree_consistency(subtree: Subtree, head: Head, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows the subtree to be part of the tree `head`.

    Merkle Tree Certificates, "Subtree Consistency Proofs"; RFC 9162's consistency is the case start = 0. An empty
    subtree is part of every tree: its hash must be `EMPTY_ROOT` and the proof empty.
    """
    if not subtree.is_valid() or subtree.end > head.size or not _all_hashes(proof):
        return False
    if subtree.start == subtree.end:
        return subtree.hash == EMPTY_ROOT and not proof
    first, last, end = subtree.start, subtree.end - 1, head.size - 1
    # Below this, the subtree's right edge is whole or is the tree's own: both trees share what is there.
    while first != last and (last == end or last & 1):
        first, last, end = first >> 1, last >> 1, end >> 1
    rest = list(proof)
    if first != last and not rest:
        return False
    part = whole = subtree.hash if first == last else rest.pop(0)
    for beside in rest:
        if end == 0:
            return False
        if last & 1 or last == end:
            if first < last:
                part = node_hash(beside, part)
            whole = node_hash(beside, whole)
            up = _trailing_zeros(last)
            first, last, end = first >> up, last >> up, end >> up
        else:
            whole = node_hash(whole, beside)
        first, last, end = first >> 1, last >> 1, end >> 1
    return end == 0 and part == subtree.hash and whole == head.root


def _all_hashes(proof: Sequence[bytes]) -> bool:
    """Whether every element is as long as a hash: else bytes could move from one side of a node to the other."""
    return all(len(one) == HASH_BYTES for one in proof)


def _trailing_zeros(number: int) -> int:
    """How many of the lowest bits of a positive number are zero."""
    return (number & -number).bit_length() - 1


def _split(size: int) -> int:
    """The largest power of two smaller than `size` (at least 2): where RFC 9162 divides a tree."""
    return 1 << (size - 1).bit_length() - 1


def perfect(start: int, end: int) -> list[tuple[int, int]]:
    """The perfect subtrees (level, index) that make up [start, end), widest first.

    `start` must be a multiple of a power of two at least as large as the width, as it is wherever a tree divides.
    """
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def _range_hash(start: int, end: int, node: NodeAt) -> bytes:
    """The hash of the leaves [start, end), from the perfect subtrees that make it up."""
    return fold([node(level, index) for level, index in perfect(start, end)])


def fold(hashes: Sequence[bytes]) -> bytes:
    """One hash over subtrees that stand side by side, widest first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root
