"""`keys`: create, list and revoke. A key's text is printed once and is nowhere stored."""

from __future__ import annotations

import click

from flyball.faces.cli import show
from flyball.faces.cli.client import part
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd, Nouns

SCOPES = ("read", "signal", "act", "approve", "review", "operate", "admin")


@click.group(cls=Nouns)
def keys() -> None:
    """Create, list and revoke keys."""


@keys.command()
@click.argument("principal")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="What it may do; may be given again.")
@click.option("--ttl", default="1h", show_default=True, metavar="TIME", help="How long it counts: 15m, 8h, 30d; at most 90d.")
@pass_desk
def create(desk: Desk, principal: str, scopes: tuple[str, ...], ttl: str) -> None:
    """Make a key for PRINCIPAL, which is person:NAME or service:NAME.

    The key is printed on stdout, alone, so that it can go straight into a file.
    """
    doc = desk.api.post("/v1/keys", {"principal": principal, "scopes": list(scopes), "ttl_s": show.seconds(ttl)})
    if not show.dumped(desk, doc):
        click.echo(doc["key"])
        show.say(f"key {doc['id']} counts until {show.when(doc['expires_at'])}; it is shown only now")


@keys.command("list")
@pass_desk
def list_(desk: Desk) -> None:
    """List the keys that count; never their texts."""
    columns: list[show.Column] = [
        ("key", "id"),
        ("principal", "principal"),
        ("until", lambda row: show.when(row["expires_at"])),
        ("session", "session"),
        ("scopes", lambda row: ", ".join(row["scopes"])),
    ]
    show.table(desk, columns, desk.api.get("/v1/keys")["keys"], "no keys")


@keys.command()
@click.argument("key")
@pass_desk
def revoke(desk: Desk, key: str) -> None:
    """End a key at once; KEY is its id, not its text."""
    doc = desk.api.delete(f"/v1/keys/{part(key)}")
    if not show.dumped(desk, doc):
        click.echo(f"{key}\trevoked")


@click.command(cls=Cmd)
@click.argument("principal", default="")
@pass_desk
def login(desk: Desk, principal: str) -> None:
    """Print a one-time link to the console.

    It is for yourself, or as an admin for PRINCIPAL, which is person:NAME.
    """
    doc = desk.api.post("/v1/links", {"principal": principal} if principal else {})
    if not show.dumped(desk, doc):
        click.echo(f"{desk.api.url}{doc['path']}")
        show.say(f"it signs {doc['principal']} in once, until {show.when(doc['expires_at'])}")
