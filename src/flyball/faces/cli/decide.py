"""What people decide: `approvals`, `approve`, `reject`, `edit`, `changes`, `reviews`, `grants`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from flyball.errors import BadInput, Waits
from flyball.faces.cli import show
from flyball.faces.cli.card import card
from flyball.faces.cli.client import part
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd, Nouns

STATES = ("waiting", "approved", "rejected", "edited", "changes", "expired", "used", "void")
reason = click.option("--reason", required=True, help="Why, in 12 characters or more; it goes into the log.")
digest_ = click.option("--digest", metavar="SHA256", help="The digest that you were shown; the answer counts for nothing else.")
yes_ = click.option("--yes", is_flag=True, help="Do not ask again: answer for the digest that is fetched now.")


@click.group(cls=Nouns)
def approvals() -> None:
    """List and show what waits for a yes."""


@approvals.command("list")
@click.option("--state", type=click.Choice(STATES), default="waiting", show_default=True, help="Only these.")
@click.option("--watch", is_flag=True, help="Again at every change.")
@pass_desk
def waiting(desk: Desk, state: str, watch: bool) -> None:
    """List approvals, the one that ends first at the top."""
    columns: list[show.Column] = [
        ("approval", "id"),
        ("zone", "zone"),
        ("ends in", lambda row: show.span(row["expires_at"] - desk.api.now) if row["expires_at"] > desk.api.now else "ended"),
        ("has", lambda row: f"{row['quorum']['got']}/{row['quorum']['need']}"),
        ("agent", "agent"),
        ("title", "title"),
        ("why", "why"),
    ]
    show.watched(
        desk,
        watch,
        lambda: desk.api.get("/v1/approvals", state=state)["approvals"],
        lambda rows: show.table(desk, columns, rows, f"no approval is {state}"),
    )


@approvals.command("show")
@click.argument("approval")
@pass_desk
def shown(desk: Desk, approval: str) -> None:
    """Show an approval: why, what exactly, how far it reaches, how it is undone."""
    doc = _card(desk, approval)
    if not show.dumped(desk, doc):
        click.echo(card(doc, desk.api.now))
        if doc["state"] == "waiting":
            show.say(f'\nnext: flyball approve {approval} --digest {doc["digest"]} --reason "..." (or reject, edit, changes)')


def _card(desk: Desk, approval: str) -> dict[str, Any]:
    doc: dict[str, Any] = desk.api.get(f"/v1/approvals/{part(approval)}")
    return doc


def _digest(desk: Desk, approval: str, verb: str, digest: str | None, yes: bool) -> str:
    """Give the digest that an answer binds to: the one named, or the one just shown and confirmed."""
    if digest:
        return digest
    doc = _card(desk, approval)
    if yes or doc["state"] != "waiting":  # the server says best why an ended one cannot be answered
        return str(doc["digest"])
    if not (show.is_tty() and sys.stdin.isatty()):
        raise BadInput(
            f"nobody is here to look at approval {approval}",
            "an answer binds to the digest of what was shown",
            f"flyball approvals show {approval}, then add --digest {doc['digest']} (or --yes)",
        )
    click.echo(card(doc, desk.api.now), color=show.colour(desk))
    click.confirm(f"\n{verb} exactly this?", abort=True)
    return str(doc["digest"])


def answering(run: Callable[..., int | None]) -> click.Command:
    """Make a command of an answer to an approval: they all take the same, as `said`."""
    for given in (pass_desk, yes_, digest_, reason, click.argument("approval")):
        run = given(run)
    return click.command(cls=Cmd)(run)


def _answered(desk: Desk, approval: str, verb: str, said: dict[str, Any], **more: Any) -> str:
    """Send an answer, write what it led to, and give the approval's state."""
    digest = _digest(desk, approval, verb, said["digest"], said["yes"])
    answer = desk.api.post(f"/v1/approvals/{part(approval)}/{verb}", {"digest": digest, "reason": said["reason"], **more})
    state = str(answer["state"])
    if show.dumped(desk, answer):
        return state
    click.echo(f"{approval}\t{state}")
    if state == "waiting":
        show.say(f"recorded; {len(answer['votes'])} of {answer['quorum']} have said yes")
    elif verb == "edit":
        show.say(f"the new action is {answer['action']}; it is judged anew")
    else:
        show.say(f"next: flyball sessions show {answer['session']}")
    return state


@answering
def approve(desk: Desk, approval: str, **said: Any) -> int:
    """Say yes to exactly one action.

    Without --digest the card is shown first: why, what exactly, how far it reaches, how it is undone, and until when.
    Exit code 6 where more people must say yes.
    """
    state = _answered(desk, approval, "approve", said)
    return Waits.exit_code if state == "waiting" else 0


@answering
def reject(desk: Desk, approval: str, **said: Any) -> None:
    """Say no to an action.

    One no is enough; the agent is told the reason.
    """
    _answered(desk, approval, "reject", said)


@answering
@click.option("--args", "args_", required=True, metavar="JSON|@FILE", help="All arguments of the new action, as one JSON object.")
def edit(desk: Desk, approval: str, args_: str, **said: Any) -> None:
    """Replace an action's arguments: a new action, judged anew.

    The new action has a digest of its own and needs its own yes.
    """
    args = _object(args_)
    _answered(desk, approval, "edit", said, args=args)


def _object(text: str) -> dict[str, Any]:
    """Read a JSON object, from the line itself or from a file after @. Raises BadInput."""
    try:
        doc = json.loads(Path(text[1:]).read_bytes() if text.startswith("@") else text)
    except (OSError, ValueError) as fault:
        raise BadInput("--args is not JSON", str(fault), "give one JSON object, or @ and a file that holds one") from fault
    if not isinstance(doc, dict):
        raise BadInput("--args is not an object", f"it is {type(doc).__name__}", "give one JSON object")
    return doc


@answering
def changes(desk: Desk, approval: str, **said: Any) -> None:
    """Send an action back with what should be different.

    The agent plans again with the reason in front of it.
    """
    _answered(desk, approval, "changes", said)


@click.group(cls=Nouns)
def reviews() -> None:
    """Look at what ran without asking."""


@reviews.command("list")
@click.option("--state", type=click.Choice(["waiting", "fine", "wrong"]), default="waiting", show_default=True, help="Only these.")
@click.option("--watch", is_flag=True, help="Again at every change.")
@pass_desk
def reviews_list(desk: Desk, state: str, watch: bool) -> None:
    """List yellow actions, the one that is due first at the top."""
    columns: list[show.Column] = [
        ("review", "id"),
        ("session", "session"),
        ("agent", "agent"),
        ("due", lambda row: show.when(row["due_at"])),
        ("state", "state"),
        ("by", "by"),
        ("reason", "reason"),
    ]
    show.watched(
        desk,
        watch,
        lambda: desk.api.get("/v1/reviews", state=state)["reviews"],
        lambda rows: show.table(desk, columns, rows, f"no review is {state}"),
    )


@reviews.command("answer")
@click.argument("review")
@click.argument("verdict", type=click.Choice(["fine", "wrong"]))
@reason
@click.option("--correction", default="", help="What would have been right.")
@pass_desk
def reviews_answer(desk: Desk, review: str, verdict: str, reason: str, correction: str) -> None:
    """Say whether an action that ran was right."""
    doc = desk.api.post(f"/v1/reviews/{part(review)}", {"verdict": verdict, "reason": reason, "correction": correction})
    if not show.dumped(desk, doc):
        click.echo(f"{review}\t{doc['state']}")


@click.group(cls=Nouns)
def grants() -> None:
    """Give, list and revoke standing grants."""


@grants.command("list")
@pass_desk
def grants_list(desk: Desk) -> None:
    """List standing grants with what is left of them."""
    columns: list[show.Column] = [
        ("grant", "id"),
        ("agent", "agent"),
        ("kind", "kind"),
        ("target", "target"),
        ("used", lambda row: f"{plain_number(row.get('used'))}/{row['uses']}"),
        ("until", lambda row: "revoked" if row["revoked"] else show.when(row["expires_at"])),
        ("by", "by"),
        ("reason", "reason"),
    ]
    show.table(desk, columns, desk.api.get("/v1/standing")["standing"], "no standing grants")


def plain_number(value: object) -> int:
    """Give a count, 0 where there is none."""
    return int(value) if isinstance(value, int | float) else 0


@grants.command("give")
@click.argument("agent")
@click.argument("kind")
@click.argument("target")
@click.option("--uses", type=int, required=True, help="How often.")
@click.option("--for", "for_", required=True, metavar="TIME", help="For how long: 30m, 2h; at most 8h.")
@click.option("--reason", required=True, help="Why; it goes into the log.")
@pass_desk
def give(desk: Desk, agent: str, kind: str, target: str, uses: int, for_: str, reason: str) -> None:
    """Say yes beforehand to one kind on one target, bounded by time and count."""
    doc = {"agent": agent, "kind": kind, "target": target, "uses": uses, "for_s": show.seconds(for_), "reason": reason}
    answer = desk.api.post("/v1/standing", doc)
    if not show.dumped(desk, answer):
        click.echo(f"{answer['id']}\tuntil {show.when(answer['expires_at'])}")


@grants.command("revoke")
@click.argument("grant")
@pass_desk
def revoke(desk: Desk, grant: str) -> None:
    """Take a standing grant back."""
    doc = desk.api.delete(f"/v1/standing/{part(grant)}")
    if not show.dumped(desk, doc):
        click.echo(f"{grant}\trevoked")
