"""Whether the log in a database is as it was signed. The store asks before it opens, `audit` when somebody verifies.

Checkpoints come from inside the database, from the file beside it, and from whoever kept one; each must be signed by the log's
key and fit the entries. Damage is named by `damage`; this file reads, and adds what only a database can have wrong.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flyball.backends.store.damage import first_break
from flyball.backends.store.leaf import parse_leaf
from flyball.backends.store.schema import node_place
from flyball.backends.store.seal import CHECKPOINT_FILE, read_checkpoint
from flyball.rules.merkle import Frontier, Head, NodeAt, leaf_hash, root_of
from flyball.rules.note import BadNote, VerifierKey

_CHUNK = 10_000  # leaves whose nodes are compared at a time: bounds the memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """The first thing wrong with a log: at which entry (from 0), what in one or two words, and a sentence for a person."""

    index: int
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A checkpoint to hold the log against: where it was found, and its bytes."""

    place: str
    raw: bytes


def inside_mark(conn: sqlite3.Connection) -> Mark | None:
    """The checkpoint kept in the database, or None for a log that was never signed."""
    found = conn.execute("SELECT value FROM meta WHERE key = 'checkpoint'").fetchone()
    return None if found is None else Mark(place="inside the database", raw=str(found[0]).encode())


def outside_mark(state: Path) -> Mark | None:
    """The checkpoint in the file beside the database, or None where there is no such file or nothing in it."""
    path = state / CHECKPOINT_FILE
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    return Mark(place=str(path), raw=raw) if raw else None


def node_at(conn: sqlite3.Connection) -> NodeAt:
    """Look up kept nodes; b"" for one that is gone."""

    def look(level: int, index: int) -> bytes:
        found = conn.execute("SELECT hash FROM node WHERE place = ?", (node_place(level, index),)).fetchone()
        return b"" if found is None else bytes(found[0])

    return look


def find_flaw(conn: sqlite3.Connection, marks: Sequence[Mark], key: VerifierKey) -> Flaw | None:
    """The first thing wrong, or None where the log fits every mark and has no entry past the first (the newest, inside) mark."""
    hashes = [leaf_hash(raw) for (raw,) in _raws(conn)]
    heads = read_marks(marks, key, len(hashes))
    if isinstance(heads, Flaw):
        return heads
    first_marks = dict(zip(reversed(heads), reversed(marks), strict=True))  # the same head twice is held against the entries once
    for head, mark in reversed(first_marks.items()):
        if len(hashes) < head.size or root_of(hashes[: head.size]) != head.root or not _is_dense(conn, len(hashes)):
            return _name(conn, mark, head)
    covered = heads[0].size if heads else 0
    if len(hashes) > covered:
        return Flaw(index=covered, what="unsigned", why=f"entry {covered} and what follows it was never signed")
    return _kept_nodes(conn, hashes)


def read_marks(marks: Sequence[Mark], key: VerifierKey, size: int) -> list[Head] | Flaw:
    """The heads that the marks sign; a flaw, at entry `size`, where one of them cannot be believed."""
    heads = []
    for mark in marks:
        try:
            heads.append(read_checkpoint(mark.raw, key).head)
        except BadNote as error:
            return Flaw(index=size, what="bad signature", why=f"the checkpoint {mark.place} cannot be believed: {error}")
    return heads


def find_column_flaw(conn: sqlite3.Connection) -> Flaw | None:
    """The first entry whose columns, by which it is found, say otherwise than its bytes."""
    for index, at, name, session, action, who, raw in conn.execute(
        "SELECT idx, at, name, session, action, who, raw FROM entry ORDER BY idx"
    ):
        try:
            leaf = parse_leaf(raw)
        except (ValueError, KeyError, TypeError):
            return Flaw(index=index, what="edited", why=f"entry {index} is not an entry of this log")
        one = leaf.entry
        if (leaf.index, leaf.at, one.name, one.session, one.action, one.who) != (index, at, name, session, action, who):
            return Flaw(index=index, what="edited", why=f"the columns beside entry {index} say otherwise than its bytes")
    return None


def _raws(conn: sqlite3.Connection) -> Iterator[tuple[bytes]]:
    return conn.execute("SELECT CAST(raw AS BLOB) FROM entry ORDER BY idx")


def _is_dense(conn: sqlite3.Connection, size: int) -> bool:
    """Whether the entries are numbered 0 to size - 1."""
    found = conn.execute("SELECT coalesce(min(idx), 0), coalesce(max(idx), -1) FROM entry").fetchone()
    return tuple(found) == (0, size - 1)


def _name(conn: sqlite3.Connection, mark: Mark, head: Head) -> Flaw:
    """Name the damage that keeps the log from fitting a head."""
    entries = [raw for (raw,) in _raws(conn)]
    found = first_break(entries, _kept_leaves(conn), head, node_at(conn))
    if found is not None:
        return Flaw(index=found.index, what=str(found.what), why=f"{found.why} (checkpoint {mark.place})")
    numbers = conn.execute("SELECT idx FROM entry ORDER BY idx")
    at = next(place for place, (number,) in enumerate(numbers) if place != number)
    return Flaw(index=at, what="edited", why=f"the entries are as they were signed, but entry {at} has another number")


def _kept_leaves(conn: sqlite3.Connection) -> list[bytes]:
    """The leaf hashes kept beside the entries, up to the first that is gone."""
    look, leaves = node_at(conn), list[bytes]()
    while one := look(0, len(leaves)):
        leaves.append(one)
    return leaves


def _kept_nodes(conn: sqlite3.Connection, hashes: Sequence[bytes]) -> Flaw | None:
    """Whether the kept nodes, which proofs are made of and the next entry builds on, belong to the entries."""
    kept = conn.execute("SELECT place, CAST(hash AS BLOB) FROM node ORDER BY place")
    frontier, place = Frontier(), 0
    for start in range(0, len(hashes), _CHUNK):
        frontier, nodes = frontier.extend(hashes[start : start + _CHUNK])
        found = kept.fetchmany(len(nodes))
        if found != list(enumerate((one for _level, _index, one in nodes), place)):
            return _node_flaw(dict(found), nodes, place)
        place += len(nodes)
    if kept.fetchone() is None:
        return None
    return Flaw(index=len(hashes), what="tree edited", why="the tree has nodes over entries that are not there")


def _node_flaw(found: dict[int, bytes], nodes: Sequence[tuple[int, int, bytes]], first: int) -> Flaw:
    level, index, _one = next(node for place, node in enumerate(nodes, first) if found.get(place) != node[2])
    why = f"node {index} of level {level} of the tree is not what the entries give; the entries themselves are as signed"
    return Flaw(index=index << level, what="tree edited", why=why)


def edge(conn: sqlite3.Connection) -> Frontier:
    """The edge of the tree, from kept nodes. Raises ValueError where they do not make one."""
    size = int(conn.execute("SELECT coalesce(max(idx) + 1, 0) FROM entry").fetchone()[0])
    return Frontier.at(size, node_at(conn))
