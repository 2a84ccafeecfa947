"""The tree against its definition in RFC 9162, written here a second time and recursively."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.rules.merkle import (
    EMPTY_ROOT,
    Frontier,
    Head,
    Node,
    NodeAt,
    Subtree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)

MOST = 70
LEAVES = [leaf_hash(b"entry %d" % i) for i in range(MOST)]


def split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def mth(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def subtree_proof(start: int, end: int, leaves: list[bytes], *, known: bool = True) -> list[bytes]:
    size = len(leaves)
    if (start, end) == (0, size):
        return [] if known else [mth(leaves)]
    k = split(size)
    if end <= k:
        return [*subtree_proof(start, end, leaves[:k], known=known), mth(leaves[k:])]
    if k <= start:
        return [*subtree_proof(start - k, end - k, leaves[k:], known=known), mth(leaves[:k])]
    return [*subtree_proof(0, end - k, leaves[k:], known=False), mth(leaves[:k])]


def grow(leaves: list[bytes]) -> tuple[Frontier, NodeAt]:
    kept: dict[tuple[int, int], bytes] = {}
    edge = Frontier()
    for leaf in leaves:
        edge, nodes = edge.append(leaf)
        for one in nodes:
            assert (one.level, one.index) not in kept
            kept[one.level, one.index] = one.hash
    return edge, lambda level, index: kept[level, index]


_, NODE = grow(LEAVES)
ROOTS = [root_of(LEAVES[:n]) for n in range(MOST + 1)]


def flips(value: bytes) -> list[bytes]:
    return [value[:at] + bytes([value[at] ^ 1 << bit]) + value[at + 1 :] for at, bit in ((0, 0), (13, 3), (31, 7))]


def test_hashes_of_the_rfc_6962_reference_code() -> None:
    # transparency-dev/merkle, rfc6962/rfc6962_test.go: the empty tree, the empty leaf, a leaf and a node.
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


@given(st.lists(st.binary(max_size=40), max_size=MOST))
def test_append_and_root_of_agree_with_the_definition(entries: list[bytes]) -> None:
    leaves = [leaf_hash(one) for one in entries]
    edge, node = grow(leaves)
    assert edge.size == len(leaves)
    assert edge.root() == root_of(leaves) == mth(leaves)
    assert Frontier.at(len(leaves), node) == edge


def test_every_completed_subtree_is_given_once_and_is_right() -> None:
    edge = Frontier()
    given_nodes: list[Node] = []
    for leaf in LEAVES[:64]:
        edge, nodes = edge.append(leaf)
        given_nodes += nodes
    assert len(given_nodes) == 127
    for one in given_nodes:
        assert one.hash == mth(LEAVES[one.index << one.level : (one.index + 1) << one.level])


def test_an_edge_that_no_tree_has_is_refused() -> None:
    with pytest.raises(ValueError, match="a tree of 3 leaves does not have 1"):
        Frontier(3, (LEAVES[0],))
    with pytest.raises(ValueError, match="a tree of -1 leaves"):
        Frontier(-1, (LEAVES[0],))
    with pytest.raises(ValueError, match="not 32 bytes"):
        Frontier(1, (b"short",))


def test_every_inclusion_proof_verifies_and_nothing_near_it_does() -> None:
    for size in range(1, MOST + 1):
        head = Head(size, ROOTS[size])
        for index in range(size):
            proof = inclusion_proof(index, size, NODE)
            assert verify_inclusion(LEAVES[index], index, head, proof)
            assert not verify_inclusion(LEAVES[index - 1], index, head, proof) or size == 1
            assert not verify_inclusion(LEAVES[index], index, head, [*proof, LEAVES[0]])
            assert not verify_inclusion(LEAVES[index], index, head, proof[:-1]) or size == 1
            for wrong in (index - 1, index + 1, index ^ 1):
                assert not verify_inclusion(LEAVES[index], wrong, head, proof)


@given(st.data())
def test_any_one_bit_of_an_inclusion_proof_breaks_it(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, MOST))
    index = data.draw(st.integers(0, size - 1))
    proof = list(inclusion_proof(index, size, NODE))
    at = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    proof[at] = (int.from_bytes(proof[at]) ^ 1 << bit).to_bytes(32)
    assert not verify_inclusion(LEAVES[index], index, Head(size, ROOTS[size]), proof)


def test_a_wrong_leaf_or_root_breaks_inclusion() -> None:
    proof = inclusion_proof(5, 13, NODE)
    for leaf in flips(LEAVES[5]):
        assert not verify_inclusion(leaf, 5, Head(13, ROOTS[13]), proof)
    for root in flips(ROOTS[13]):
        assert not verify_inclusion(LEAVES[5], 5, Head(13, root), proof)
    assert not verify_inclusion(LEAVES[5], 5, Head(-13, ROOTS[13]), proof)


def test_hashes_of_another_length_are_no_proof() -> None:
    # Bytes moved from one element to its neighbour would otherwise hash alike.
    left, right = LEAVES[0], LEAVES[1]
    assert not verify_inclusion(left + right[:1], 0, Head(2, ROOTS[2]), [right[1:]])
    assert not verify_consistency(Head(1, left), Head(2, ROOTS[2]), [right + b""[:0], b""])


def test_proofs_that_cannot_be_made_are_errors_of_the_caller() -> None:
    for index, size in ((-1, 4), (4, 4), (0, 0)):
        with pytest.raises(ValueError, match="is not in a tree of"):
            inclusion_proof(index, size, NODE)
    for size1, size2 in ((-1, 4), (5, 4)):
        with pytest.raises(ValueError, match="cannot be the start"):
            consistency_proof(size1, size2, NODE)


def test_consistency_of_every_pair_of_sizes() -> None:
    for size2 in range(1, MOST + 1):
        new = Head(size2, ROOTS[size2])
        for size1 in range(1, size2 + 1):
            old = Head(size1, ROOTS[size1])
            proof = consistency_proof(size1, size2, NODE)
            assert list(proof) == subtree_proof(0, size1, LEAVES[:size2])
            assert verify_consistency(old, new, proof)
            assert not verify_consistency(old, new, [*proof, LEAVES[0]])
            assert not verify_consistency(Head(size1, flips(old.root)[0]), new, proof)
            assert not verify_consistency(old, Head(size2, flips(new.root)[1]), proof)
            for at in range(len(proof)):
                for changed in flips(proof[at]):
                    assert not verify_consistency(old, new, [*proof[:at], changed, *proof[at + 1 :]])
                assert not verify_consistency(old, new, [*proof[:at], *proof[at + 1 :]])


def test_history_rewritten_before_the_old_size_has_no_proof() -> None:
    other = [*LEAVES[:9], leaf_hash(b"rewritten"), *LEAVES[10:]]
    _, node = grow(other)
    for size1 in range(10, MOST):
        proof = consistency_proof(size1, MOST, node)
        assert not verify_consistency(Head(size1, ROOTS[size1]), Head(MOST, root_of(other)), proof)
    assert verify_consistency(Head(9, ROOTS[9]), Head(MOST, root_of(other)), consistency_proof(9, MOST, node))


def test_an_empty_tree_proves_nothing() -> None:
    assert consistency_proof(0, 5, NODE) == ()
    assert not verify_consistency(Head(0, EMPTY_ROOT), Head(5, ROOTS[5]), ())
    assert not verify_consistency(Head(0, EMPTY_ROOT), Head(0, EMPTY_ROOT), ())


def each_subtree(size: int, see: Callable[[Subtree], None]) -> None:
    for start in range(size):
        for end in range(start + 1, size + 1):
            see(Subtree(start, end, mth(LEAVES[start:end])))


def test_subtrees_of_a_tree() -> None:
    seen = 0

    def see(one: Subtree) -> None:
        nonlocal seen
        head = Head(21, ROOTS[21])
        if not one.is_valid():
            assert not verify_subtree_consistency(one, head, [])
            assert not verify_subtree_inclusion(LEAVES[one.start], one.start, one, [])
            return
        seen += 1
        proof = subtree_proof(one.start, one.end, LEAVES[:21])
        assert verify_subtree_consistency(one, head, proof)
        assert not verify_subtree_consistency(Subtree(one.start, one.end, ROOTS[3]), head, proof) or one.end == 3
        assert not verify_subtree_consistency(one, Head(21, ROOTS[20]), proof)
        width = one.end - one.start
        _, node = grow(LEAVES[one.start : one.end])
        for index in range(one.start, one.end):
            inside = inclusion_proof(index - one.start, width, node)
            assert verify_subtree_inclusion(LEAVES[index], index, one, inside)
            assert not verify_subtree_inclusion(LEAVES[index], index + width, one, inside)

    each_subtree(21, see)
    assert seen > 21


def test_an_empty_subtree_is_part_of_every_tree() -> None:
    head = Head(5, ROOTS[5])
    assert verify_subtree_consistency(Subtree(2, 2, EMPTY_ROOT), head, [])
    assert not verify_subtree_consistency(Subtree(2, 2, EMPTY_ROOT), head, [LEAVES[0]])
    assert not verify_subtree_consistency(Subtree(2, 2, ROOTS[5]), head, [])
    assert not verify_subtree_consistency(Subtree(6, 6, EMPTY_ROOT), head, [])
    assert not verify_subtree_inclusion(LEAVES[2], 2, Subtree(2, 2, EMPTY_ROOT), [])
    assert not Subtree(3, 2, EMPTY_ROOT).is_valid()


def test_a_leaf_that_is_no_hash_is_in_no_tree() -> None:
    assert not verify_inclusion(b"", 0, Head(1, b""), [])


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70), st.integers(0, 70))
def test_extend_gives_what_append_gives_for_each_leaf(leaves: list[bytes], at: int) -> None:
    edge, nodes = Frontier(), list[Node]()
    for leaf in leaves[:at]:
        edge, _ = edge.append(leaf)
    start = edge
    for leaf in leaves[at:]:
        edge, more = edge.append(leaf)
        nodes += more
    found, plain = start.extend(leaves[at:])
    assert found == edge
    assert plain == [(node.level, node.index, node.hash) for node in nodes]


def test_a_ragged_subtree_is_not_proven_by_nothing() -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(8)]
    head = Head(8, root_of(leaves))
    ragged = Subtree(4, 7, root_of(leaves[4:7]))
    assert not verify_subtree_consistency(ragged, head, ())
