"""The log: `audit verify`, `query`, `tail`, `export`, `prove`. All but `tail` read the files alone and need no server."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from flyball.errors import BadInput, NotReady, ProofFailed
from flyball.faces.cli import show
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Nouns

TAIL: list[show.Column] = [
    ("entry", "index"),
    ("at", lambda row: show.when(row["at"])),
    ("name", "name"),
    ("who", "who"),
    ("about", lambda row: row["action"] or row["session"]),
    ("body", "body"),
]
DATABASE = "flyball.db"


@click.group(cls=Nouns)
def audit() -> None:
    """Verify, follow, export and prove the log."""


@audit.command()
@click.option("--offline", type=click.Path(path_type=Path), metavar="FILE|DIR", help="A copy: a state folder, its database, or an export.")
@click.option("--checkpoint", type=click.Path(path_type=Path), metavar="FILE", help="A checkpoint kept elsewhere; the log must contain it.")
@click.option("--vkey", default="", metavar="KEY", help="The log's public key, kept elsewhere; else the one in the folder.")
@pass_desk
def verify(desk: Desk, offline: Path | None, checkpoint: Path | None, vkey: str) -> None:
    """Verify the whole log against its signed checkpoints.

    Names the first entry that was edited, removed, swapped or inserted, also where the last one was removed. A server may run.
    """
    from flyball.backends.store import audit as log

    folder = offline or desk.state
    if folder.is_file():
        if folder.name != DATABASE:
            raise BadInput(f"{folder} is no log", f"a log is a folder, or a file {DATABASE} with its key beside it", "name one of them")
        folder = folder.parent
    report = log.verify(folder, checkpoint=checkpoint, vkey=vkey)
    if not show.dumped(desk, asdict(report)):
        for line in report.lines if report.ok else report.lines[1:]:
            click.echo(show.plain(line))
    if not report.ok:
        first = show.plain(report.lines[0]).removeprefix("FAILED ").removeprefix("FAILED: ")
        raise ProofFailed(f"the log in {folder} does not verify", first, "keep the folder as it is; compare with a backup or a witness")


@audit.command()
@click.argument("sql")
@click.option("--limit", default=1000, show_default=True, help="So many rows at most.")
@pass_desk
def query(desk: Desk, sql: str, limit: int) -> None:
    """Ask the record in SQL, read-only; a server may run.

    Tables: entries (the log), calls (every action: input, result, how long it took), steps (what the brain thought), sessions, approvals,
    reviews, signals.
    """
    from flyball.backends.store.query import query as ask

    found = ask(desk.state, sql, limit)
    columns: list[show.Column] = [(name, name) for name in found.columns]
    show.table(desk, columns, [dict(zip(found.columns, row, strict=True)) for row in found.rows])
    if found.more:
        show.say(f"only the first {limit} rows are shown: --limit")


@audit.command()
@click.option("-n", "count", default=20, show_default=True, help="So many of the newest entries.")
@click.option("--session", metavar="ID", help="Only entries of this session.")
@click.option("--watch", is_flag=True, help="Go on with every new entry.")
@pass_desk
def tail(desk: Desk, count: int, session: str | None, watch: bool) -> None:
    """Show the newest entries."""
    last = _tail(desk, count, session or "")
    if watch:
        for _size in desk.api.pointers():
            last = _page(desk, session or "", last)


def _tail(desk: Desk, count: int, session: str) -> int:
    size = int(desk.api.get("/v1/log", limit=1)["size"])
    if session:
        doc = desk.api.get("/v1/log", session=session, limit=1000)
        _write(desk, doc["entries"][-count:])
    elif size:
        _write(desk, desk.api.get("/v1/log", after=size - 1 - count, limit=count)["entries"])
    return size - 1


def _page(desk: Desk, session: str, after: int) -> int:
    entries: list[dict[str, Any]] = desk.api.get("/v1/log", after=after, session=session, limit=1000)["entries"]
    _write(desk, entries)
    return int(entries[-1]["index"]) if entries else after


def _write(desk: Desk, entries: list[dict[str, Any]]) -> None:
    if entries:
        show.table(desk, TAIL, entries)


@audit.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@pass_desk
def export(desk: Desk, folder: Path) -> None:
    """Write the log as static files that other tools verify too (C2SP tlog-tiles)."""
    from flyball.backends.store import audit as log

    try:
        size = log.export(desk.state, folder)
    except OSError as fault:
        raise NotReady(f"{folder} cannot be written to", fault.strerror or str(fault), "name a folder that you may write to") from fault
    if not show.dumped(desk, {"folder": str(folder), "entries": size}):
        click.echo(f"{folder}\t{size} entries")
        show.say(f"next: flyball audit verify --offline {folder}")


@audit.command()
@click.argument("index", type=int)
@pass_desk
def prove(desk: Desk, index: int) -> None:
    """Prove that one entry is in the log (C2SP tlog-proof)."""
    from flyball.backends.store import audit as log

    proof = log.proof(desk.state, index)
    doc = {"index": proof.index, "entry": proof.entry.decode("utf-8", "replace"), "proof": proof.text()}
    if not show.dumped(desk, doc):
        click.echo(proof.text().rstrip("\n"))
