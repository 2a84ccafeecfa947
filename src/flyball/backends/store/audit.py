"""The log without the server: verify a state folder or an export, export, and prove single entries. Read-only on the state.

`flyball audit verify`, `flyball audit export` and the HTTP face's proof call it, and so may an auditor who has only a copy. An export is
what c2sp.org/tlog-tiles lays down (checkpoint, tile/..., tile/entries/...), so other people's tools can check it as well.
"""

from __future__ import annotations

import os
import sqlite3
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flyball.backends.store import schema
from flyball.backends.store.check import (
    Flaw,
    Mark,
    find_column_flaw,
    find_flaw,
    inside_mark,
    node_at,
    outside_mark,
    read_marks,
)
from flyball.backends.store.seal import CHECKPOINT_FILE, VKEY_FILE
from flyball.errors import BadInput, NotFound, NotReady, ProofFailed
from flyball.rules.damage import first_break
from flyball.rules.merkle import EMPTY_ROOT, Head, inclusion_proof, leaf_hash, node_hash, root_of
from flyball.rules.note import BadNote, VerifierKey, parse_checkpoint, parse_note, parse_vkey
from flyball.rules.tile import WIDTH, entries_bundle, entries_path, parse_bundle, parse_tile, tile_bytes, tiles_of

PROOF_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a verification found: `size` entries with `root` (base64); where it is not ok, the first break and its name."""

    ok: bool
    size: int
    root: str
    first_break: int | None = None
    what: str = ""  # edited, removed, swapped, inserted, last removed, rolled back, bad signature, unsigned, ...
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That one entry is in the log: everything a stranger needs beside the public key."""

    index: int
    entry: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str

    def text(self) -> str:
        """The proof as a file (c2sp.org/tlog-proof)."""
        lines = (PROOF_HEADER, f"index {self.index}", *(b64encode(one).decode() for one in self.hashes))
        return "\n".join(lines) + f"\n\n{self.checkpoint}"


def verify(state: Path, *, checkpoint: Path | None = None, vkey: str = "") -> Report:
    """Verify a state folder, or an exported one, offline.

    Args:
        state: the folder. A server may be running on it.
        checkpoint: a checkpoint that was kept elsewhere; the log must contain what it signs.
        vkey: the log's public key. Without it the one in the folder is taken, which whoever rewrote the log may have replaced.

    Raises NotFound where there is no log, BadInput for a malformed key, NotReady where the folder cannot be read.
    """
    given = [Mark(place=str(checkpoint), raw=_bytes_of(checkpoint))] if checkpoint is not None else []
    if not (state / schema.FILE).exists() and (state / "tile").is_dir():
        return verify_export(state, vkey, given)
    key, notes = _key(state, vkey)
    outside = outside_mark(state)  # before the database is read: a running server may only be ahead of it
    try:
        with reading(state) as conn:
            hashes = [leaf_hash(raw) for (raw,) in conn.execute("SELECT CAST(raw AS BLOB) FROM entry ORDER BY idx")]
            marks = [mark for mark in (inside_mark(conn), outside, *given) if mark is not None]
            flaw = find_flaw(conn, marks, key) or find_column_flaw(conn)
    except sqlite3.Error as error:
        return Report(ok=False, size=0, root="", what="unreadable", lines=(f"FAILED: the database cannot be read: {error}",))
    if flaw is None and hashes and outside is None and not given:
        why = f"{state / CHECKPOINT_FILE} is missing or empty, so a database put back from an older copy would not be noticed"
        flaw = Flaw(index=len(hashes), what="no checkpoint outside", why=why)
    return _report(Head(len(hashes), root_of(hashes)), flaw, [*_covered(marks), *notes])


def verify_export(folder: Path, vkey: str, given: Sequence[Mark] = ()) -> Report:
    """Verify an export against a public key (empty: the one in the folder). Raises as `verify`."""
    key, notes = _key(folder, vkey)
    mark = Mark(place=str(folder / CHECKPOINT_FILE), raw=_bytes_of(folder / CHECKPOINT_FILE))
    heads = read_marks([mark, *given], key, 0)
    if isinstance(heads, Flaw):
        return _report(Head(0, EMPTY_ROOT), heads, notes)
    head = heads[0]
    entries, leaves, flaw = _read_tiles(folder, head.size)
    hashes = [leaf_hash(one) for one in entries]
    for one in heads:
        broken = first_break(entries, leaves, one) if flaw is None else None
        if broken is not None:
            flaw = Flaw(index=broken.index, what=str(broken.what), why=broken.why)
    flaw = flaw or _upper_flaw(folder, head.size, hashes)
    return _report(Head(len(hashes), root_of(hashes)), flaw, [*_covered([mark, *given]), *notes])


def export(state: Path, out: Path) -> int:
    """Write the log as static files into `out`, the checkpoint last; give the number of entries.

    Files that stand there already with the right content are left alone. Raises ProofFailed where the log does not verify.
    """
    key, _notes = _key(state, "")
    with reading(state) as conn:
        inside = inside_mark(conn)
        if inside is None:
            raise NotFound(f"the log in {state} has no entries yet", "there is nothing to export")
        flaw = find_flaw(conn, [inside], key)
        if flaw is not None:
            raise ProofFailed(f"the log in {state} does not verify: {flaw.what} at entry {flaw.index}", flaw.why, "flyball audit verify")
        size = parse_checkpoint(parse_note(inside.raw).text).size
        for tile in tiles_of(size):
            _put(out / tile.path, tile_bytes(tile, node_at(conn)))
        for first in range(0, size, WIDTH):
            last = min(first + WIDTH, size)
            rows = conn.execute("SELECT raw FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (first, last))
            _put(out / entries_path(first // WIDTH, last - first), entries_bundle([raw for (raw,) in rows]))
    _put(out / VKEY_FILE, f"{key.text}\n".encode())
    _put(out / CHECKPOINT_FILE, inside.raw)
    return size


def proof(state: Path, index: int) -> Proof:
    """Prove that an entry is in the log at its newest checkpoint. Raises NotFound where there is no such entry."""
    with reading(state) as conn:
        return prove(conn, index)


def prove(conn: sqlite3.Connection, index: int) -> Proof:
    """As `proof`, over a connection; the caller sees to it that all is read in one transaction."""
    inside = inside_mark(conn)
    found = conn.execute("SELECT raw FROM entry WHERE idx = ?", (index,)).fetchone()
    if inside is None or found is None:
        raise NotFound(f"there is no entry {index} in the log")
    size = parse_checkpoint(parse_note(inside.raw).text).size
    return Proof(index=index, entry=found[0], hashes=inclusion_proof(index, size, node_at(conn)), checkpoint=inside.raw.decode())


@contextmanager
def reading(state: Path) -> Iterator[sqlite3.Connection]:
    """A snapshot of the database, read-only. Without a WAL beside it nobody has it open, and nothing may be written, not even -shm."""
    path = (state / schema.FILE).absolute()
    if not path.exists():
        raise NotFound(f"there is no log in {state}", f"{path.name} is not there", "name the state folder or an export")
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    conn = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=5.0, isolation_level=None)
    try:
        schema.refuse_newer(conn, path)
        conn.execute("BEGIN")
        yield conn
    finally:
        conn.close()


def _key(folder: Path, vkey: str) -> tuple[VerifierKey, list[str]]:
    """The public key to verify with, and what there is to say about where it came from."""
    notes = []
    text = vkey.strip()
    if not text:
        text = _bytes_of(folder / VKEY_FILE).decode("ascii", "replace").strip()
        notes.append(f"note: the key was taken from {folder / VKEY_FILE}; compare it with a copy that you trust: {text}")
    try:
        return parse_vkey(text), notes
    except BadNote as error:
        raise BadInput("the log's public key is malformed", str(error), "give it as name+hash+key, as in log.vkey") from None


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no {path}") from None
    except OSError as error:
        raise NotReady(f"{path} cannot be read", str(error)) from None


def _covered(marks: Sequence[Mark]) -> list[str]:
    """A line for each checkpoint that was believed, so that it can be seen what the verdict rests on."""
    lines = []
    for mark in marks:
        try:
            note = parse_note(mark.raw)
            lines.append(f"checkpoint {mark.place}: {parse_checkpoint(note.text).size} entries, {len(note.signatures)} signature(s)")
        except BadNote as error:
            lines.append(f"checkpoint {mark.place}: {error}")
    return lines


def _report(head: Head, flaw: Flaw | None, lines: Sequence[str]) -> Report:
    root = b64encode(head.root).decode()
    if flaw is None:
        return Report(ok=True, size=head.size, root=root, lines=(f"ok: {head.size} entries, root {root}", *lines))
    first = f"FAILED at entry {flaw.index}: {flaw.what}: {flaw.why}"
    return Report(ok=False, size=head.size, root=root, first_break=flaw.index, what=flaw.what, lines=(first, *lines))


def _read_tiles(folder: Path, size: int) -> tuple[list[bytes], list[bytes], Flaw | None]:
    """The entries and leaf hashes of an export, up to the first file that is missing or malformed."""
    entries: list[bytes] = []
    leaves: list[bytes] = []
    for tile in tiles_of(size):
        if tile.level:
            break
        for path, parse, into in (
            (folder / tile.path, parse_tile, leaves),
            (folder / entries_path(tile.index, tile.width), parse_bundle, entries),
        ):
            try:
                into.extend(parse(path.read_bytes()))
            except OSError:
                return entries, leaves, Flaw(index=tile.index * WIDTH, what="removed", why=f"{path} cannot be read")
            except ValueError as error:
                return entries, leaves, Flaw(index=tile.index * WIDTH, what="edited", why=f"{path} is malformed: {error}")
    return entries, leaves, None


def _upper_flaw(folder: Path, size: int, hashes: Sequence[bytes]) -> Flaw | None:
    """The first tile above the leaves that is not what the entries give."""
    rows = [list(hashes)]
    while len(rows[-1]) > 1:
        below = rows[-1]
        rows.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    for tile in tiles_of(size):
        path = folder / tile.path
        want = tile_bytes(tile, lambda level, index: rows[level][index])
        if not path.exists() or path.read_bytes() != want:
            at = (tile.index * WIDTH) << (8 * tile.level)
            return Flaw(index=at, what="tile edited", why=f"{path} is not what the entries give; the entries are as signed")
    return None


def _put(path: Path, content: bytes) -> None:
    """Write a file as a whole unless it has that content already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_bytes() == content:
        return
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
