"""`lab`: a small real estate to break and heal, for the tour and for trying out runbooks."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from flyball.errors import BadInput, UserError
from flyball.faces.cli import show
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Nouns

HOME = Path(".demo/lab")
KEY_S = 30 * 86_400.0
home_ = click.option("--home", type=click.Path(path_type=Path), default=HOME, show_default=True, metavar="DIR", help="The lab's folder.")


@click.group(cls=Nouns)
def lab() -> None:
    """A small real estate to break and heal."""


@lab.command()
@home_
@click.option("--prometheus", is_flag=True, help="Use the real Prometheus and Alertmanager instead of the lab's prober.")
@click.option("--alert-url", metavar="URL", help="Where alerts go; else the project's server, if it answers.")
@click.option("--token", metavar="KEY", default="", help="The key that the alerts carry; it needs the scope signal.")
@pass_desk
def start(desk: Desk, home: Path, prometheus: bool, alert_url: str | None, token: str) -> None:
    """Start it, or point a running one at another receiver."""
    from flyball.lab import child, estate

    child.enter_namespace(sys.argv[1:])
    url = alert_url
    if url is None:
        url, token = _receiver(desk, token)
    _status(desk, estate.start(home, url, token, prometheus=prometheus))


def _receiver(desk: Desk, token: str) -> tuple[str, str]:
    """Give the project's server as receiver, with a key minted for the prober; nothing where no server answers."""
    try:
        key = token or desk.api.post("/v1/keys", {"principal": "service:prober", "scopes": ["signal"], "ttl_s": KEY_S})["key"]
    except UserError as fault:
        show.say(f"the lab stays silent: {fault.what}")
        return "", ""
    return f"{desk.api.url}/v1/signals/alertmanager", str(key)


@lab.command("break")
@click.argument("fault", required=False)
@home_
@pass_desk
def break_(desk: Desk, fault: str | None, home: Path) -> None:
    """Break one thing for real; without a name, list what can be broken."""
    from flyball.lab import estate, faults

    if fault is None:
        rows = [{"fault": name, "what": (faults.load(name).__doc__ or "").strip().splitlines()[0]} for name in faults.names()]
        show.table(desk, [("fault", "fault"), ("what", "what")], rows)
        return
    doc = estate.break_(home, fault)
    if not show.dumped(desk, doc):
        click.echo(doc["story"])
        show.say("alerts to expect: " + ", ".join(f"{alert} on {service}" for alert, service in doc["alerts"]))


@lab.command()
@click.argument("fault", required=False)
@home_
@pass_desk
def heal(desk: Desk, fault: str | None, home: Path) -> None:
    """Heal one fault, or all."""
    from flyball.lab import estate

    healed = estate.heal(home, fault)
    if not show.dumped(desk, healed):
        for name in healed:
            click.echo(name)
        if not healed:
            show.say("nothing was broken")


@lab.command()
@click.argument("fault", nargs=-1)
@home_
@click.option("--yes", is_flag=True, help="Answer approvals with yes; else a person does, elsewhere.")
@click.option("--open-s", type=float, default=90.0, show_default=True, help="Seconds until a session must have opened.")
@click.option("--close-s", type=float, default=300.0, show_default=True, help="Seconds that a session may take.")
@pass_desk
def drill(desk: Desk, fault: tuple[str, ...], home: Path, *, yes: bool, open_s: float, close_s: float) -> int:
    """Break one fault after the other and report when each was detected, contained and recovered.

    Needs the lab and the project's server, both running. Ends with exit status 1 if anything failed silently: no session opened,
    or a fix was claimed while the fault was still there.
    """
    from flyball.faces.cli.drill import Drill
    from flyball.lab import faults

    for name in fault:
        if name not in faults.names():
            raise BadInput(f"there is no fault {name!r}", f"known are {', '.join(faults.names())}", "flyball lab break lists them")
    rows = []
    for row in Drill(desk.api, home, yes, open_s, close_s).run(fault or faults.names()):
        show.say(f"{row['fault']}: {row['verdict']}")
        rows.append(row)
    times: list[show.Column] = [(word, partial(_span, f"{word}_s")) for word in ("detected", "contained", "recovered")]
    columns: list[show.Column] = [("fault", "fault"), *times, ("outcome", "outcome"), ("verdict", "verdict"), ("session", "session")]
    show.table(desk, columns, rows)
    return int(any(row["verdict"] == "silent" for row in rows))


def _span(name: str, row: dict[str, Any]) -> str:
    return "" if row[name] is None else f"{row[name]:.1f} s"


@lab.command()
@home_
@pass_desk
def status(desk: Desk, home: Path) -> None:
    """Look at its services and what is broken."""
    from flyball.lab import estate

    _status(desk, estate.status(home))


def _status(desk: Desk, doc: dict[str, Any]) -> None:
    if show.dumped(desk, doc):
        return
    logs = doc["logfs"]
    show.fields(
        desk,
        doc,
        [
            ("home", "home"),
            ("running", "running"),
            ("web", "web_url"),
            ("log files", lambda _: f"{logs['used']} of {logs['size']} bytes on {logs['sort']} {logs['path']}"),
            ("broken", lambda _: ", ".join(doc["broken"]) or "nothing"),
        ],
    )
    columns: list[show.Column] = [("unit", "name"), ("state", "state"), ("pid", "pid"), ("exit", "exit")]
    show.table(desk, columns, [{"name": name, **one} for name, one in doc["units"].items()], "no unit runs")


@lab.command()
@home_
@pass_desk
def stop(desk: Desk, home: Path) -> None:
    """End all of it; its logs stay for a look."""
    from flyball.lab import estate

    if not home.exists():
        raise BadInput(f"there is no lab in {home}", "the folder is not there", "name its folder with --home")
    estate.stop(home)
    if not show.dumped(desk, {"home": str(home), "running": False}):
        click.echo(f"{home}\tstopped")
