"""Looking back and around: `explain`, `report`, `agents`, `kinds`, `shadow`, `openapi`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, cast

import click

from flyball.errors import NotFound
from flyball.faces.cli import show
from flyball.faces.cli.client import part
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd, Nouns


@click.command(cls=Cmd)
@click.argument("what", metavar="SESSION|ACTION")
@pass_desk
def explain(desk: Desk, what: str) -> None:
    """Say what happened, why, and on whose word."""
    session, dot, _ = what.partition(".")
    doc = desk.api.get(f"/v1/sessions/{part(session)}/explain", action=what if dot else "")
    if show.dumped(desk, doc):
        return
    for name in ("what", "why", "who", "trace"):
        click.echo(f"{name:<5} {show.plain(doc.get(name))}")
    for head, lines in _sections(doc):
        if lines:
            click.echo(f"\n{head}")
        for line in lines:
            click.echo(f"  {line}")


def _sections(doc: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Give what the three sentences stand on, by heading."""
    yield "Evidence", [line for one in doc.get("evidence") or () for line in _evidence(one)]
    yield "Left open", grouped(doc.get("open") or ())
    yield "Ruled out", grouped(doc.get("ruled_out") or ())
    yield "Policy", [_words(one, "action", "zone", "effect", "rule", "because", "digest") for one in doc.get("policy") or ()]
    yield "Changes", [_change(one) for one in doc.get("changes") or ()]
    yield "Runbook", [_words(doc.get("runbook") or {}, "name", "digest")] if doc.get("runbook") else []
    yield "People", [_words(one, "by", "verb", "reason", "about") for one in doc.get("people") or ()]
    yield "Log", [show.plain(one) for one in doc.get("chain") or ()]


def grouped(found: Sequence[dict[str, Any]]) -> list[str]:
    """Give hypotheses with their reason, those of one reason on one line."""
    names: dict[tuple[str, str], list[str]] = {}
    for one in found:
        word = "tried and refuted: " if one["state"] == "refuted" else ""
        names.setdefault((word, show.plain(one["because"])), []).append(show.plain(one["name"]))
    return [f"{', '.join(said)}: {word}{because}" for (word, because), said in names.items()]


def _evidence(one: dict[str, Any]) -> Iterator[str]:
    """Give one look: what was asked, what was seen in few words, and below it where from and under which digest."""
    yield f"{show.plain(one['id'])}  {show.plain(one['asked'])}: {show.gist(one['body'])}"
    yield f"  {_words(one, 'origin', 'digest')}"


def _change(one: dict[str, Any]) -> str:
    """Give how one change is put back: `flyball undo` does it as long as it is offered."""
    undo = show.plain(one["undo"]) if one["undo"] else "cannot be put back"
    until = f", offered until {show.when(one['until'])}" if one["until"] else ""
    ran = f"; ran in {one['level']} for {one['took_s']:.2f} s" if one["level"] else ""
    return f"{_words(one, 'action', 'kind', 'status')}  undo {undo}{until}{ran}"


def _words(one: dict[str, Any], *names: str) -> str:
    return "  ".join(show.plain(one[name]) for name in names if one.get(name) not in (None, ""))


@click.command(cls=Cmd)
@click.argument("session")
@pass_desk
def report(desk: Desk, session: str) -> None:
    """Print a session's post-mortem in Markdown.

    Time to detect, to decide and to fix, interventions, cost, and the path that led there.
    """
    doc = desk.api.get(f"/v1/sessions/{part(session)}/report")
    if not show.dumped(desk, doc):
        click.echo(show.plain(doc["markdown"], lines=True))


def _one(rows: Sequence[dict[str, Any]], name: str, sort: str) -> dict[str, Any]:
    for row in rows:
        if row["name"] == name:
            return row
    raise NotFound(f"there is no {sort} {name!r}", f"known are {', '.join(row['name'] for row in rows) or 'none'}", f"flyball {sort}s list")


def _fields(doc: dict[str, Any]) -> Iterator[show.Column]:
    for name, value in doc.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        yield name.replace("_", " "), partial(_given, text)


def _given(value: object, _row: object) -> object:
    return value


@click.group(cls=Nouns)
def agents() -> None:
    """List and show agents."""


@agents.command("list")
@pass_desk
def agents_list(desk: Desk) -> None:
    """List agents with their owners and bounds."""
    columns: list[show.Column] = [
        ("agent", "name"),
        ("role", "role"),
        ("brain", "brain"),
        ("owner", "owner"),
        ("ceiling", "ceiling"),
        ("enabled", "enabled"),
        ("targets", lambda row: ", ".join(row["targets"])),
    ]
    show.table(desk, columns, desk.api.get("/v1/agents")["agents"], "no agents")


@agents.command("show")
@click.argument("agent")
@pass_desk
def agents_show(desk: Desk, agent: str) -> None:
    """Show what an agent may do, and who answers for it."""
    doc = _one(desk.api.get("/v1/agents")["agents"], agent, "agent")
    show.fields(desk, doc, _fields(doc))


@click.group(cls=Nouns)
def kinds() -> None:
    """List and show kinds of actions."""


@kinds.command("list")
@pass_desk
def kinds_list(desk: Desk) -> None:
    """List the kinds that are enabled."""
    columns: list[show.Column] = [
        ("kind", "name"),
        ("reach", "reach"),
        ("undo", lambda row: "none needed" if row["reach"] == "read" else "yes" if row["reversible"] else "no"),
        ("destroys", "destructive"),
        ("digest", "digest"),
    ]
    show.table(desk, columns, desk.api.get("/v1/kinds")["kinds"], "no kinds are enabled")


@kinds.command("show")
@click.argument("kind")
@pass_desk
def kinds_show(desk: Desk, kind: str) -> None:
    """Show a kind's contract."""
    doc = _one(desk.api.get("/v1/kinds")["kinds"], kind, "kind")
    show.fields(desk, doc, _fields(doc))


@click.group(cls=Nouns)
def shadow() -> None:
    """Show what shadow mode would have done."""


@shadow.command("report")
@pass_desk
def shadow_report(desk: Desk) -> None:
    """Count what would have been fixed, and what would have been denied."""
    doc = desk.api.get("/v1/shadow")
    if not show.dumped(desk, doc):
        click.echo(f"would have fixed {doc['would_fix']} of {doc['of']}, would have been denied {doc['would_deny']}")
        for one in doc.get("denied") or ():
            click.echo(f"  {_words(one, 'action', 'check', 'why')}")


@click.command(cls=Cmd)
@pass_desk
def openapi(desk: Desk) -> None:
    """Print the API's description."""
    from flyball.core.house import House
    from flyball.faces.http.app import create

    doc = create(cast("House", None), str).openapi()  # a description needs no house
    if not desk.output or not show.dumped(desk, doc):
        click.echo(json.dumps(doc, indent=2))
