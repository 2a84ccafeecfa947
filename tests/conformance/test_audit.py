"""Whatever is done to a log behind the server's back is found and named, with the entry at which it starts."""

import asyncio
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flyball.backends.store import audit
from flyball.backends.store.sqlite import SqliteStore
from flyball.errors import BadInput, NotFound, NotReady, ProofFailed
from flyball.model.log import Change, Entry
from flyball.rules.merkle import leaf_hash, verify_inclusion
from flyball.rules.note import parse_checkpoint, parse_note

SIZE = 20


async def grow(state: Path, count: int, at: str = "") -> str:
    """Open, write `count` entries in batches of their own, close; give the public key."""
    store = SqliteStore.open(state, now=time.time)
    for number in range(count):
        await store.commit(Change(entries=(Entry(name="action.done", who="agent:x", session=f"s-{number}", body={"n": number, "at": at}),)))
    store.close()
    return store.vkey


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A log of SIZE entries, its server stopped."""
    asyncio.run(grow(tmp_path / "state", SIZE))
    return tmp_path / "state"


def tamper(state: Path, *statements: str) -> None:
    conn = sqlite3.connect(state / "flyball.db")
    for statement in statements:
        conn.execute(statement)
    conn.commit()
    conn.close()


def test_an_honest_log_verifies_and_its_copy_does_too(state: Path, tmp_path: Path) -> None:
    vkey = (state / "log.vkey").read_text().strip()
    report = audit.verify(state, vkey=vkey)
    assert report.ok
    assert report.first_break is None
    assert report.size == SIZE
    assert parse_checkpoint(parse_note((state / "checkpoint").read_bytes()).text).size == SIZE
    shutil.copytree(state, tmp_path / "copy")
    (tmp_path / "copy" / "log.key").unlink()
    before = {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()}
    assert audit.verify(tmp_path / "copy").ok
    assert {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()} == before


SWAP = (
    "CREATE TEMP TABLE kept AS SELECT * FROM entry WHERE idx IN (4, 9)",
    """UPDATE entry SET (at, name, session, action, who, raw) =
       (SELECT at, name, session, action, who, raw FROM kept WHERE kept.idx = 13 - entry.idx) WHERE idx IN (4, 9)""",
)
RENUMBERED = (
    "DELETE FROM entry WHERE idx = 7",
    "UPDATE entry SET idx = idx - 1 - 1000 WHERE idx > 7",
    "UPDATE entry SET idx = idx + 1000 WHERE idx < 0",
)
DAMAGE: dict[str, tuple[tuple[str, ...], str, int]] = {
    "an entry's body": (("UPDATE entry SET raw = replace(CAST(raw AS TEXT), '\"n\":5', '\"n\":6') WHERE idx = 5",), "edited", 5),
    "a column beside it": (("UPDATE entry SET session = 's-other' WHERE idx = 6",), "edited", 6),
    "one in the middle is gone": (("DELETE FROM entry WHERE idx = 7",), "removed", 7),
    "one is gone and the rest renumbered": (RENUMBERED, "removed", 7),
    "the last one is gone": (("DELETE FROM entry WHERE idx = 19",), "last removed", SIZE - 1),
    "the last three are gone": (("DELETE FROM entry WHERE idx >= 17",), "last removed", SIZE - 3),
    "two are swapped": (SWAP, "swapped", 4),
    "one is added": (("INSERT INTO entry SELECT 20, at, name, session, action, who, raw FROM entry WHERE idx = 1",), "unsigned", SIZE),
    "the number of the last one": (("UPDATE entry SET idx = 25 WHERE idx = 19",), "edited", 19),
    "a kept node": (("UPDATE node SET hash = zeroblob(32) WHERE place = 12",), "tree edited", 6),
    "the checkpoint's signature": (
        ("UPDATE meta SET value = replace(value, char(10) || char(10), '=' || char(10))",),
        "bad signature",
        SIZE,
    ),
    "a checkpoint of another key": (
        ("UPDATE meta SET value = replace(value, 'flyball.local', 'flyball.other') WHERE key = 'checkpoint'",),
        "bad signature",
        SIZE,
    ),
}


@pytest.mark.parametrize("name", sorted(DAMAGE))
def test_damage_is_named_with_its_index_and_stops_the_server(state: Path, name: str) -> None:
    statements, what, index = DAMAGE[name]
    tamper(state, *statements)
    report = audit.verify(state)
    assert (report.ok, report.what, report.first_break) == (False, what, index)
    assert f"entry {index}" in report.lines[0]
    if name == "a column beside it":
        return  # found by an audit; the start of a server reads only what is hashed
    with pytest.raises(ProofFailed) as met:
        SqliteStore.open(state, now=time.time)
    assert f"{what} at entry {index}" in met.value.what
    tamper(state)  # the refused start has let go of the files


async def test_a_database_put_back_from_an_older_copy_is_named_rolled_back(tmp_path: Path) -> None:
    state, older = tmp_path / "state", tmp_path / "older.db"
    await grow(state, 5)
    shutil.copy(state / "flyball.db", older)
    await grow(state, 3)
    shutil.copy(older, state / "flyball.db")
    report = audit.verify(state)
    assert (report.ok, report.what, report.first_break) == (False, "rolled back", 5)
    with pytest.raises(ProofFailed, match="rolled back at entry 5"):
        SqliteStore.open(state, now=time.time)


async def test_a_checkpoint_kept_elsewhere_finds_what_a_full_restore_hides(tmp_path: Path) -> None:
    state, backup, kept = tmp_path / "state", tmp_path / "backup", tmp_path / "kept"
    await grow(state, 5)
    shutil.copytree(state, backup)
    await grow(state, 3)
    shutil.copy(state / "checkpoint", kept)
    assert audit.verify(state, checkpoint=kept).ok
    shutil.rmtree(state)
    shutil.copytree(backup, state)
    assert audit.verify(state).ok
    report = audit.verify(state, checkpoint=kept)
    assert (report.ok, report.what, report.first_break) == (False, "rolled back", 5)
    await grow(state, 4, at="another history")
    report = audit.verify(state, checkpoint=kept)
    assert (report.ok, report.what) == (False, "rewritten")


async def test_a_missing_checkpoint_outside_is_refused_unless_accepted(state: Path) -> None:
    (state / "checkpoint").unlink()
    assert audit.verify(state).what == "no checkpoint outside"
    with pytest.raises(ProofFailed, match="missing"):
        SqliteStore.open(state, now=time.time)
    store = SqliteStore.open(state, now=time.time, accept=("checkpoint",))
    await store.commit(Change(entries=(Entry(name="x", who="y"),)))
    store.close()
    assert audit.verify(state).ok


def test_a_missing_checkpoint_inside_is_signed_anew_from_the_one_outside(state: Path) -> None:
    tamper(state, "DELETE FROM meta WHERE key = 'checkpoint'")
    assert audit.verify(state).ok
    store = SqliteStore.open(state, now=time.time)
    assert f"\n{SIZE}\n" in store.checkpoint()
    store.close()
    assert audit.verify(state).ok


def test_a_log_put_back_without_its_database_is_rolled_back_to_nothing(state: Path) -> None:
    (state / "flyball.db").unlink()
    with pytest.raises(ProofFailed, match="rolled back at entry 0"):
        SqliteStore.open(state, now=time.time)


def test_the_key_is_private_and_not_replaced_silently(state: Path) -> None:
    assert stat.S_IMODE((state / "log.key").stat().st_mode) == 0o600
    (state / "log.key").chmod(0o644)
    with pytest.raises(NotReady, match="open to others"):
        SqliteStore.open(state, now=time.time)
    (state / "log.key").unlink()
    with pytest.raises(NotReady, match="cannot be read"):
        SqliteStore.open(state, now=time.time)


def test_a_log_of_another_key_does_not_verify(state: Path, tmp_path: Path) -> None:
    vkey = asyncio.run(grow(tmp_path / "other", 1))
    assert audit.verify(state, vkey=vkey).what == "bad signature"
    with pytest.raises(BadInput):
        audit.verify(state, vkey="nonsense")
    with pytest.raises(NotFound):
        audit.verify(tmp_path / "nowhere")


async def test_a_log_verifies_while_its_server_runs(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, now=time.time, origin="flyball.example.com/ops")
    assert audit.verify(tmp_path).size == 0
    for size in range(1, 4):
        await store.commit(Change(entries=(Entry(name="x", who="y"),)))
        assert audit.verify(tmp_path, vkey=store.vkey).size == size
    assert store.vkey.startswith("flyball.example.com/ops+")
    assert "flyball.example.com/ops\n3\n" in store.checkpoint()
    store.close()


async def test_every_entry_has_a_proof_at_every_size(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, now=time.time)
    for size in range(1, 12):
        await store.commit(Change(entries=(Entry(name="x", who="y", body={"n": size}),)))
        head = parse_checkpoint(parse_note(store.checkpoint().encode()).text).head
        assert head.size == size
        for index in range(size):
            proof = store.proof(index)
            assert verify_inclusion(leaf_hash(proof.entry), index, head, proof.hashes)
            assert proof.entry == store.entries(after=index - 1, limit=1)[0].raw
    with pytest.raises(NotFound):
        store.proof(11)
    store.close()
    again = audit.proof(tmp_path, 3)
    assert again.text().startswith("c2sp.org/tlog-proof@v1\nindex 3\n")
    assert again.text().endswith("\n\n" + (tmp_path / "checkpoint").read_text())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An export of 600 entries (three bundles, a partial one, two levels of tiles), and its public key."""
    place = tmp_path_factory.mktemp("export")

    async def fill() -> str:
        store = SqliteStore.open(place / "state", now=time.time)
        entries = tuple(Entry(name="x", who="y", body={"n": number}) for number in range(600))
        await store.commit(Change(entries=entries))
        store.close()
        return store.vkey

    vkey = asyncio.run(fill())
    assert audit.export(place / "state", place / "out") == 600
    return place / "out", vkey


def test_an_export_lies_as_tiles_do_and_verifies_without_the_state(exported: tuple[Path, str], tmp_path: Path) -> None:
    out, vkey = exported
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    bundles = {"000", "001", "002.p/88"}
    tiles = {f"tile/{level}/{name}" for level in ("0", "entries") for name in bundles}
    assert files == {"checkpoint", "log.vkey", "tile/1/000.p/2"} | tiles
    report = audit.verify_export(out, vkey)
    assert (report.ok, report.size) == (True, 600)
    assert audit.verify(out, vkey=vkey, checkpoint=out / "checkpoint").ok


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def swap_entries(path: Path) -> None:
    """Change the places of the first two entries of a bundle."""
    raw = path.read_bytes()
    one = 2 + int.from_bytes(raw[:2])
    two = 2 + int.from_bytes(raw[one : one + 2])
    path.write_bytes(raw[one : one + two] + raw[:one] + raw[one + two :])


EXPORT_DAMAGE: dict[str, tuple[Callable[[Path], None], str, int]] = {
    "an entry": (lambda out: flip(out / "tile/entries/001", 12), "edited", 256),
    "two entries": (lambda out: swap_entries(out / "tile/entries/001"), "swapped", 256),
    "a bundle is gone": (lambda out: (out / "tile/entries/001").unlink(), "removed", 256),
    "a leaf hash": (lambda out: flip(out / "tile/0/001", 33), "leaf hash edited", 257),
    "an upper tile": (lambda out: flip(out / "tile/1/000.p/2", 0), "tile edited", 0),
    "the checkpoint": (lambda out: flip(out / "checkpoint", 30), "bad signature", 0),
}


@pytest.mark.parametrize("name", sorted(EXPORT_DAMAGE))
def test_a_tampered_export_is_named(exported: tuple[Path, str], tmp_path: Path, name: str) -> None:
    out, vkey = exported
    harm, what, index = EXPORT_DAMAGE[name]
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    harm(copy)
    report = audit.verify_export(copy, vkey)
    assert (report.ok, report.what, report.first_break) == (False, what, index)


def test_a_damaged_log_is_not_exported(state: Path, tmp_path: Path) -> None:
    tamper(state, "DELETE FROM entry WHERE idx = 3")
    with pytest.raises(ProofFailed):
        audit.export(state, tmp_path / "out")
    assert not (tmp_path / "out").exists()
