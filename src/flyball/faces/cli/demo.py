"""`demo`: the tour. A real estate, a real server, three real incidents from alert to proof, and a table of what became of them.

Everything that the tour knows of the incidents it asks the server's API for, as any other client would.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flyball.errors import NotReady, ProofFailed, Unreachable
from flyball.faces.cli import show
from flyball.faces.cli.client import Api
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd

if TYPE_CHECKING:
    from flyball.faces.cli.tour import Tour
    from flyball.lab.child import Born

HOME = Path(".demo")
FIRST_PORT, LAST_PORT = 7070, 7099
START_S = 60.0
KEY_S = 7 * 86_400.0
ADDRESS = "127.0.0.1"


@dataclass(slots=True)
class Stage:
    """Where the tour takes place: its folders, its server, what must be ended at its end."""

    home: Path
    port: int
    prometheus: bool
    kept: bool  # whether there is something to look back at when the tour has ended
    doc: dict[str, Any] = field(default_factory=dict)  # what `up` printed: url, console
    born: Born | None = None

    @property
    def lab(self) -> Path:
        """The estate's folder."""
        return self.home / "lab"

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.home / "project"

    @property
    def receiver(self) -> str:
        """Where the estate's alerts go."""
        return f"http://{ADDRESS}:{self.port}/v1/signals/alertmanager"

    @property
    def server(self) -> Path:
        """Where the server's output and pid file are."""
        return self.home / "server"


@click.command(cls=Cmd)
@click.option("--yes", is_flag=True, help="Answer the approval through the API, as a second person, and end at the end.")
@click.option("--port", type=click.IntRange(1, 65_535), help="The server's port; else the first free one from 7070.")
@click.option("--home", type=click.Path(path_type=Path), default=HOME, show_default=True, metavar="DIR", help="The tour's folder.")
@click.option("--prometheus", is_flag=True, help="Use the real Prometheus and Alertmanager instead of the lab's prober.")
@click.option("--keep/--no-keep", default=True, show_default=True, help="Keep the folder afterwards, for a look back.")
@click.option("--only", multiple=True, type=click.Choice(["disk", "kill", "config"]), help="Only these incidents.")
@pass_desk
def demo(desk: Desk, yes: bool, port: int | None, home: Path, prometheus: bool, keep: bool, only: tuple[str, ...]) -> int:
    """Three real incidents on this machine, from alert to proof.

    Starts a small estate and a server, breaks the estate for real three times, and shows how each is understood, gated, fixed and
    verified. The third one waits for a yes: give it in the browser or with `flyball approve`.
    """
    from flyball.faces.cli.tour import incidents
    from flyball.lab import child

    child.enter_namespace(sys.argv[1:])
    stage = Stage(home=home.absolute(), port=_free(port), prometheus=prometheus, kept=keep or not yes)
    well = False
    try:
        with staged(stage):
            tour = _tour(desk, stage, yes=yes)
            results = [tour.play(one) for one in incidents(only)]
            well = _ended(desk, stage, results)
            if not yes:
                _stay(stage)
    finally:
        if not keep:
            shutil.rmtree(stage.home, ignore_errors=True)
    return 0 if well else 1


def _free(port: int | None) -> int:
    """Give the port that was asked for, or the first free one. Raises NotReady where it is taken."""
    import socket

    for one in (port,) if port else range(FIRST_PORT, LAST_PORT + 1):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((ADDRESS, one))
            except OSError:
                continue
            return one
    taken = f"port {port} is taken" if port else f"the ports {FIRST_PORT} to {LAST_PORT} are taken"
    raise NotReady(taken, "another program listens there", "name a free one: flyball demo --port 8010 (make demo PORT=8010)")


@contextmanager
def staged(stage: Stage) -> Iterator[None]:
    """Start everything, and end everything, however the tour ends."""
    from flyball.lab import child, estate

    _clean(stage)
    stage.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _stop)
    try:
        show.say("starting the estate: a web service, the store it depends on, a load generator, a prober")
        first = stage.receiver if stage.prometheus else ""  # the lab's own prober can be silent until there is a key, Alertmanager cannot
        estate.start(stage.lab, first, "", prometheus=stage.prometheus)
        _project(stage)
        show.say("starting the server on SQLite")
        _serve(stage)
        yield
    finally:
        child.end(stage.server, "server", stage.born)
        estate.stop(stage.lab)


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _clean(stage: Stage) -> None:
    """End what an earlier tour left behind and start with empty folders."""
    from flyball.lab import child, estate

    if stage.home.exists() and any(stage.home.iterdir()) and not (stage.lab / "lab.json").exists():
        raise NotReady(f"{stage.home} holds other things and is no tour", "nothing was removed", "name an empty folder: --home DIR")
    child.end(stage.server, "server")
    estate.stop(stage.lab)
    for folder in (stage.project, stage.server, stage.home / "quarantine", stage.lab):
        shutil.rmtree(folder, ignore_errors=True)


def _project(stage: Stage) -> None:
    from flyball import project
    from flyball.lab import estate

    quarantine = stage.home / "quarantine"
    quarantine.mkdir(parents=True)
    services = project.of_lab(estate.catalogue(stage.lab), quarantine)
    project.write(stage.project, services=services, told={"listen": f"{ADDRESS}:{stage.port}"})


def _serve(stage: Stage) -> None:
    """Start the server as a process of its own and wait until it has printed its addresses. Raises NotReady with its own words."""
    from flyball.lab import child

    argv = [sys.executable, "-m", "flyball", "up", "--project", str(stage.project), "-o", "json"]
    stage.born = child.start(stage.server, "server", argv)
    out, err = stage.server / "server.out", stage.server / "server.err"

    def answered() -> bool:
        try:
            stage.doc = json.loads(out.read_bytes())
        except ValueError:
            return stage.born is not None and stage.born.poll() is not None
        return True

    if not child.wait_until(answered, START_S, 0.1) or not stage.doc:
        said = err.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise NotReady("the server did not start", "; ".join(said)[-400:], f"look at {err}")


def _tour(desk: Desk, stage: Stage, *, yes: bool) -> Tour:
    """Mint the keys, point the estate's alerts at the server, and say where to look."""
    from flyball.faces.cli.tour import Tour
    from flyball.lab import estate

    inner = Desk(settings=desk.settings, project=stage.project, url=str(stage.doc["url"]))
    token = (stage.project / "state" / "keys" / "admin").read_text().strip()
    api = Api(inner.url, token, "the tour's own key", "flyball demo")
    prober = api.post("/v1/keys", {"principal": "service:prober", "scopes": ["signal"], "ttl_s": KEY_S})["key"]
    second = api.post("/v1/keys", {"principal": "person:second", "scopes": ["read", "approve", "review"], "ttl_s": KEY_S})["key"]
    estate.start(stage.lab, stage.receiver, str(prober), prometheus=stage.prometheus)
    click.echo(f"\nconsole: {stage.doc['console']}  (signs you in once, within 15 minutes)")
    click.echo(f"terminal: flyball status --project {_near(stage.project)}\n")
    answer = Api(inner.url, str(second), "the tour's second key", "flyball demo") if yes else None
    return Tour(api=api, second=answer, lab=stage.lab, project=_near(stage.project))


def _near(path: Path) -> Path:
    """Give a path as a person types it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _ended(desk: Desk, stage: Stage, results: list[dict[str, Any]]) -> bool:
    """Verify the log, write the table and the commands for a look back. Says whether all is well."""
    from flyball.backends.store import audit

    report = audit.verify(stage.project / "state")
    click.echo("")
    columns: list[show.Column] = [
        ("incident", "incident"),
        ("zone", "zone"),
        ("outcome", "outcome"),
        ("detect", lambda row: _span(row["detect_s"])),
        ("decide", lambda row: _span(row["decide_s"])),
        ("fix", lambda row: _span(row["fix_s"])),
        ("people", "people"),
        ("session", "session"),
    ]
    show.table(replace(desk, output="table"), columns, results)
    click.echo(show.plain(report.lines[0]))
    near = _near(stage.project)
    last = next((one["session"] for one in reversed(results) if one["session"]), "SESSION")
    if stage.kept:
        click.echo("\nA look back:")
    if stage.kept:
        click.echo(f"  flyball up --project {near}   (where the server has ended: explain, report and reviews ask it)")
    for line in (f"explain {last}", "audit verify", f"report {last}", "reviews list") if stage.kept else ():
        click.echo(f"  flyball {line} --project {near}")
    if not report.ok:
        raise ProofFailed("the log of the tour does not verify", report.lines[0], f"flyball audit verify --project {near}")
    return bool(results) and all(one["outcome"] == "fixed" and one["well"] for one in results)


def _span(found: float | None) -> str:
    return "" if found is None else f"{found:.1f} s"


def _stay(stage: Stage) -> None:
    """Leave the server up until Ctrl-C, or until it ends by itself."""
    if stage.born is None:
        return
    again = f"flyball lab break hang --home {_near(stage.lab)}"
    show.say(f"\nThe server goes on at {stage.doc['url']}, and so does the estate; try: {again}. Ctrl-C ends both.")
    try:
        stage.born.wait()
    except KeyboardInterrupt:
        show.say("ending the server and the estate")
        return
    raise Unreachable("the server has ended by itself", "", f"look at {stage.server / 'server.err'}")
