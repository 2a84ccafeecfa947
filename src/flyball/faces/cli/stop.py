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

PREFIXES = ("agent:", "target:", "kind:")
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
    if scope == "list":
        _list(desk)
        return
    known = scope == "all" or any(scope.startswith(one) and len(scope) > len(one) for one in PREFIXES)
    if not known or not scope.isprintable():
        raise BadInput(
            f"{scope!r} is no scope", "a scope is all, agent:NAME, target:NAME or kind:NAME", 'flyball freeze all --reason "..."'
        )
    reason = (
        os.fsencode(reason or "").decode(errors="replace").strip()
    )  # a terminal of another character set must not keep it from freezing
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
    seen = False
    with suppress(UserError):
        seen = any(one["id"] == made.id for one in desk.api.get("/v1/freezes")["freezes"])
    _told(desk, made, took_s, seen)


def _account() -> str:
    """Give the name of this user, or the number of one that has no name, as in many containers."""
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return str(os.getuid())


def _told(desk: Desk, made: Freeze, took_s: float, seen: bool) -> None:
    doc: dict[str, Any] = {"id": made.id, "scope": made.scope, "reason": made.reason, "by": made.by, "at": made.at, "undoing": made.undoing}
    if show.dumped(desk, {**doc, "in_force_after_s": round(took_s, 4), "server": "sees it" if seen else "does not answer"}):
        return
    click.echo(f"{made.id}\t{made.scope}\tin force after {took_s:.3f} s")
    server = "the server sees it" if seen else "no server answers; one that starts on this state obeys it from its first moment"
    show.say(f'{server}\nnext: flyball thaw {made.id} --reason "..." --for 30m')


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
