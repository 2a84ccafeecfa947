"""`init`, `status`, `version`, `completion`: the first commands that somebody types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flyball import __version__
from flyball.errors import Moved, NotReady
from flyball.faces.cli import show
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd


@click.command(cls=Cmd)
@click.argument("folder", type=click.Path(path_type=Path), default=Path(), metavar="[DIR]")
@pass_desk
def init(desk: Desk, folder: Path) -> None:
    """Write a commented project.

    It holds configuration, one agent, a service catalogue, policies with their cases, runbooks, and JSON Schemas for the editor.
    """
    from flyball import project

    here = folder if folder != Path() else desk.project
    try:
        here.mkdir(parents=True, exist_ok=True)
        taken = [name for name in ("policies", "runbooks") if (here / name).exists()]
        if taken and not (here / "flyball.yaml").exists():
            raise Moved(f"{here} holds a folder {taken[0]} already", "nothing was written over", "name an empty folder")
        files = project.write(here)
    except OSError as fault:
        raise NotReady(f"{here} cannot be written to", fault.strerror or str(fault), "name a folder that you may write to") from fault
    if show.dumped(desk, [str(one) for one in files]):
        return
    for one in files:
        click.echo(str(one))
    show.say(f"next: edit {here / 'catalogue.yaml'}, then: flyball doctor --project {here}; flyball up --project {here}")


@click.command(cls=Cmd)
@click.option("--watch", is_flag=True, help="Again at every change.")
@pass_desk
def status(desk: Desk, watch: bool) -> None:
    """Show what the server has loaded and what waits."""
    show.watched(desk, watch, lambda: desk.api.get("/v1/status"), lambda doc: _status(desk, doc))


def _status(desk: Desk, doc: dict[str, Any]) -> None:
    layers, sessions = doc["layers"], doc["sessions"]
    frozen = [one for one in doc["freezes"] if one["thawed_until"] < doc["now"]]
    show.fields(
        desk,
        doc,
        [
            ("server", lambda _: f"{desk.api.url}, version {doc['version']}"),
            ("ready", lambda _: "yes" if doc["ready"] else "no: " + "; ".join(doc["faults"])),
            ("mode", lambda _: "shadow: nothing is carried out" if doc["shadow"] else "live"),
            ("sandbox", lambda _: layers["sandbox"]),
            ("policy", lambda _: f"{layers['policy']['rules']} rules, {layers['policy']['digest']}"),
            ("sources", lambda _: ", ".join(layers["sources"])),
            ("brains", lambda _: ", ".join(layers["brains"])),
            ("kinds", lambda _: ", ".join(layers["kinds"])),
            ("agents", lambda _: ", ".join(layers["agents"])),
            ("log", lambda _: f"{layers['log']['entries']} entries"),
            ("sessions", lambda _: ", ".join(f"{count} {phase}" for phase, count in sessions.items())),
            ("approvals", lambda _: f"{doc['approvals']} waiting"),
            ("reviews", lambda _: f"{doc['reviews']} waiting"),
            ("left to people", lambda _: ", ".join(doc["handed_over"]) or "nothing"),
            ("stuck", lambda _: ", ".join(doc["stuck"]) or "nothing"),
            ("dead letters", lambda _: doc["dead_letters"]),
            ("frozen", lambda _: "; ".join(f"{one['scope']} ({one['reason']})" for one in frozen) or "nothing"),
        ],
    )


@click.command(cls=Cmd)
@pass_desk
def version(desk: Desk) -> None:
    """Show the version."""
    if not show.dumped(desk, {"version": __version__}):
        click.echo(__version__)


@click.command(cls=Cmd)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    For bash: flyball completion bash > ~/.local/share/bash-completion/completions/flyball
    """
    from click.shell_completion import get_completion_class

    cls = get_completion_class(shell)
    if cls is not None:
        click.echo(cls(ctx.find_root().command, {}, "flyball", "_FLYBALL_COMPLETE").source())
