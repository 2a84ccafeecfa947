"""The kill switch: `freeze` and `thaw`. A freeze is a file in `<state>/freeze`, so that it works with the server down."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from flyball.errors import BadInput, UserError
from flyball.faces.cli import show
from flyball.faces.cli.client import part
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd

if TYPE_CHECKING:
    from flyball.model.grant import Freeze

MOST_RUNS = 100_000
PATIENCE_S = 2.0  # how long a server that hangs is waited for: the freeze is in force already
COLUMNS: list[show.Column] = [
    ("freeze", "id"),
    ("scope", "scope"),
    ("stops", lambda row: "doing and undoing" if row["undoing"] else "doing"),
    ("since", lambda row: show.when(row["at"])),
    ("thawed until", lambda row: show.when(row["thawed_until"])),
    ("by", "by"),
    ("reason", "reason"),
]


@click.command(cls=Cmd)
@click.argument("scope")
@click.option("--reason", help="Why; everybody whose work stops is shown it.")
@click.option("--undoing", is_flag=True, help="Stop roll-backs as well.")
@pass_desk
def freeze(desk: Desk, scope: str, reason: str | None, undoing: bool) -> None:
    """Stop all work, an agent, a target or a kind; works with the server down.

    SCOPE is all, agent:NAME, target:NAME or kind:NAME; `flyball freeze list` lists what is frozen. What is approved but has
    not run does not run.
    """
    from flyball.rules.checks.freeze import is_scope

    if scope == "list":
        _list(desk)
        return
    if not is_scope(scope):
        raise BadInput(
            f"{scope!r} is no scope", "a scope is all, agent:NAME, target:NAME or kind:NAME", 'flyball freeze all --reason "..."'
        )
    # A terminal of another character set must not keep anybody from freezing.
    reason = os.fsencode(reason or "").decode(errors="replace").strip()
    if not reason:
        raise BadInput("a reason is missing", "it is shown to everybody whose work stops", 'add --reason "..."')
    if desk.url or desk.settings.url:
        doc = desk.api.post("/v1/freezes", {"scope": scope, "reason": reason, "undoing": undoing})
        if not show.dumped(desk, doc):
            click.echo(f"{doc['id']}\t{doc['scope']}\tin force")
        return
    _freeze_here(desk, scope, reason, undoing)


def _freeze_here(desk: Desk, scope: str, reason: str, undoing: bool) -> None:
    """Write the file, then see whether a server answers that has seen it."""
    from flyball.backends.clock import SystemClock
    from flyball.backends.freezer_file import FileFreezer
    from flyball.model.grant import Freeze

    clock = SystemClock()
    start = clock.mono()
    made = Freeze(id=clock.new_id("f"), scope=scope, reason=reason, by=f"terminal:{_account()}", at=clock.now(), undoing=undoing)
    FileFreezer(desk.state).freeze(made)
    took_s = clock.mono() - start
    if desk.output not in {"json", "yaml"}:
        click.echo(f"{made.id}\t{made.scope}\tin force after {took_s:.3f} s")
    ended, faults = _end_runs(desk, made.scope)
    seen = False
    with suppress(UserError):
        desk.api.patience_s = PATIENCE_S
        seen = any(one["id"] == made.id for one in desk.api.get("/v1/freezes")["freezes"])
    _told(desk, made, took_s, (seen, ended, faults))


def _account() -> str:
    """Give the name of this user, or the number of one that has no name, as in many containers."""
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return str(os.getuid())


def _end_runs(desk: Desk, scope: str) -> tuple[list[str], list[str]]:
    """End the long commands under a scope: the server does so as well, but it may hang or be down. Gives those that ended, and faults."""
    import asyncio

    from flyball.backends.sandbox.keep import end_by_hand, going

    folder = desk.state / "runs"
    ended: list[str] = []
    faults: list[str] = []
    try:
        names = _under(desk, scope, going(folder))
    except (UserError, OSError) as fault:
        return [], [f"nobody can tell what goes on under {scope}: {fault}; flyball freeze all ends every command"]
    for name in names:
        try:
            (ended if asyncio.run(end_by_hand(folder, name)) else faults).append(name)
        except PermissionError:
            faults.append(f"{name} belongs to another user")
    return ended, faults


def _under(desk: Desk, scope: str, names: list[str]) -> list[str]:
    """Choose the runs that a scope covers; what an action is for, its row says."""
    if scope == "all" or not names:
        return names
    from flyball.backends.store.query import query

    column, _, value = scope.partition(":")
    found = query(desk.state, f"SELECT action, {column} FROM calls WHERE status = 'running'", MOST_RUNS)  # noqa: S608 - one of the sorts
    covered = {action for action, said in found.rows if said == value}
    return [one for one in names if one in covered]


def _told(desk: Desk, made: Freeze, took_s: float, seen: tuple[bool, list[str], list[str]]) -> None:
    """Say what else came of it; `seen` is whether the server answers, which commands were ended, and which could not be."""
    answers, ended, faults = seen
    doc: dict[str, Any] = {"id": made.id, "scope": made.scope, "reason": made.reason, "by": made.by, "at": made.at, "undoing": made.undoing}
    effect = {"in_force_after_s": round(took_s, 4), "ended": ended, "not_ended": faults}
    if show.dumped(desk, {**doc, **effect, "server": "sees it" if answers else "does not answer"}):
        return
    server = "the server sees it" if answers else "no server answers; one that starts on this state obeys it from its first moment"
    show.say(f'{server}\nnext: flyball thaw {made.id} --reason "..." --for 30m')
    for name in ended:
        show.say(f"ended {name}")
    for fault in faults:
        show.say(f"NOT ended: {fault}")


def _list(desk: Desk) -> None:
    """List freezes: from the server, or from the files where none answers."""
    try:
        rows = desk.api.get("/v1/freezes")["freezes"]
    except UserError:
        if desk.url or desk.settings.url:
            raise
        from flyball import wire
        from flyball.backends.freezer_file import FileFreezer

        rows = [wire.dump(one) for one in FileFreezer(desk.state).freezes()]
    show.table(desk, COLUMNS, rows, "nothing is frozen")


@click.command(cls=Cmd)
@click.argument("freeze")
@click.option("--reason", required=True, help="Why; it goes into the log.")
@click.option("--for", "for_", metavar="TIME", help="For how long: 30m, 2h. After it the freeze is in force again.")
@click.option("--lift", is_flag=True, help="Lift it for good instead.")
@pass_desk
def thaw(desk: Desk, freeze: str, reason: str, for_: str | None, lift: bool) -> None:
    """Lift a freeze for a while.

    Needs the server, because a thaw counts only with a person's key.
    """
    if lift:
        doc = desk.api.delete(f"/v1/freezes/{part(freeze)}", {"reason": reason})
        if not show.dumped(desk, doc):
            click.echo(f"{freeze}\tlifted")
        return
    if not for_:
        raise BadInput("a thaw needs an end", "it holds for a while and then ends", "add --for 30m, or --lift to lift it for good")
    doc = desk.api.post(f"/v1/freezes/{part(freeze)}/thaw", {"reason": reason, "for_s": show.seconds(for_)})
    if not show.dumped(desk, doc):
        click.echo(f"{freeze}\tthawed until {show.when(doc['thawed_until'])}")
