"""Sessions and what opens them: `sessions`, `run`, `signals`, `output`, `undo`, `settle`, `dlq`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from flyball.errors import BadInput, Denied, NotFound, Waits
from flyball.faces.cli import show
from flyball.faces.cli.client import part
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd, Nouns
from flyball.views.thought import hypotheses, thoughts

LISTED: list[show.Column] = [
    ("session", "id"),
    ("phase", lambda row: f"waits: {row['waiting']}" if row["waiting"] else row["phase"]),
    ("zone", "zone"),
    ("outcome", "outcome"),
    ("target", "target"),
    ("opened", lambda row: show.when(row["opened_at"])),
    ("title", "title"),
]
STEPS: list[show.Column] = [
    ("step", "number"),
    ("action", "action"),
    ("kind", "kind"),
    ("purpose", "purpose"),
    ("zone", "zone"),
    ("status", "status"),
    ("what", "what"),
]
MARKS = {"confirmed": "+", "chosen": ">", "ruled_out": "-", "refuted": "x", "open": "?"}
TWICE = 2
WAIT_S = 10.0  # below the client's own limit
UNDO_CODES = {"undone": 0, "denied": Denied.exit_code, "held": Waits.exit_code}
reason = click.option("--reason", required=True, help="Why; it goes into the log.")


@click.group(cls=Nouns)
def sessions() -> None:
    """List, show and steer sessions."""


@sessions.command("list")
@click.option("--phase", type=click.Choice(["open", "parked", "closed"]), help="Only these.")
@click.option("--limit", default=50, show_default=True, help="At most so many.")
@click.option("--watch", is_flag=True, help="Again at every change.")
@pass_desk
def list_(desk: Desk, phase: str | None, limit: int, watch: bool) -> None:
    """List sessions, newest first."""
    show.watched(
        desk,
        watch,
        lambda: desk.api.get("/v1/sessions", phase=phase, limit=limit)["sessions"],
        lambda rows: show.table(desk, LISTED, rows, "no sessions yet; an alert or `flyball run` opens one"),
    )


@sessions.command("show")
@click.argument("session")
@click.option("--watch", is_flag=True, help="Again at every change.")
@pass_desk
def show_(desk: Desk, session: str, watch: bool) -> None:
    """Show a session: signals, hypotheses, actions, what waits."""
    show.watched(desk, watch, lambda: desk.api.get(f"/v1/sessions/{part(session)}"), lambda doc: _session(desk, doc))


def _session(desk: Desk, doc: dict[str, Any]) -> None:
    if show.dumped(desk, doc):
        return
    head = doc["session"]
    show.fields(
        desk,
        head,
        [
            ("session", "id"),
            ("title", "title"),
            ("target", "target"),
            ("agent", "agent"),
            ("phase", "phase"),
            ("waiting", "waiting"),
            ("zone", "zone"),
            ("opened", lambda row: show.when(row["opened_at"])),
            ("closed", lambda row: show.when(row["closed_at"])),
            ("outcome", "outcome"),
            ("summary", "summary"),
            ("cost", lambda row: f"{row['cost_micros'] / 1e6:.4f}" if row["cost_micros"] else ""),
        ],
    )
    for line in tree(doc):
        click.echo(line)
    click.echo("")
    show.table(desk, STEPS, step_rows(doc), "no action yet")
    for one in doc["approvals"]:
        if one.get("state") == "waiting":
            show.say(f"next: flyball approvals show {one['id']}")
    if head["waiting"] == "answer":
        _question(head["id"], doc["steps"][-1]["answer"])


def _question(session: str, answer: dict[str, Any]) -> None:
    """Show what a session asks, and how it is answered."""
    click.echo(f"asks\t{show.plain(answer['question'])}")
    for one in answer["options"]:
        click.echo(f"  - {show.plain(one)}")
    show.say(f'next: flyball sessions answer {session} "..."')


def step_row(deed: dict[str, Any]) -> dict[str, Any]:
    """Give an action as one row: what it was, and what became of it in few words."""
    action, outcome = deed["action"], deed.get("outcome") or {}
    said = deed.get("verify_note") or outcome.get("error") or deed.get("why") or ""
    args = action.get("args") or {}
    what = str(args.get("command") or args.get("url") or action.get("why") or "")
    return {
        "number": action["step"],
        "action": action["id"],
        "kind": action["kind"],
        "purpose": action["purpose"],
        "zone": deed["zone"],
        "status": deed["status"],
        "what": f"{what}: {said}" if said and (deed["status"] != "done" or deed["verified"] is False) else what,
    }


def step_rows(doc: dict[str, Any]) -> list[dict[str, Any]]:
    """Give a session's actions as rows; of the observer's repeated looks at one action only the last, with their number."""
    rows: dict[str, dict[str, Any]] = {}
    looks: dict[str, int] = {}
    for deed in doc["deeds"]:
        action = deed["action"]
        key = str(action["id"])
        if action["purpose"] == "verify":
            key = f"{key.rpartition('.v')[0]} {action['kind']} {action.get('args')}"
            looks[key] = looks.get(key, 0) + 1
        row = step_row(deed)
        rows[key] = row if looks.get(key, 0) < TWICE else row | {"what": f"{row['what']} (look {looks[key]})"}
    return list(rows.values())


def tree(doc: dict[str, Any]) -> list[str]:
    """Give what a session holds of its hypotheses as lines: ranked, chosen or ruled out, and why."""
    summary = next((one["summary"] for one in reversed(list(thoughts(doc))) if one.get("hypotheses")), "")
    lines = [f"\n{show.plain(summary)}"] if summary else []
    for one in hypotheses(doc):
        record = f"{one.get('worked', 0)} of {one.get('tried', 0)} times" if one.get("tried") else "no record yet"
        lines.append(
            f"  {MARKS.get(one.get('state', ''), ' ')} {float(one.get('confidence') or 0):.2f}  {show.plain(one.get('name'))}: "
            f"{show.plain(one.get('state')).replace('_', ' ')} ({record}) {show.plain(one.get('because'))}".rstrip()
        )
    return lines


@sessions.command("tree")
@click.argument("session")
@pass_desk
def tree_(desk: Desk, session: str) -> None:
    """Show a session's decision tree: what was suspected, chosen, ruled out."""
    doc = desk.api.get(f"/v1/sessions/{part(session)}")
    if show.dumped(desk, doc.get("tree") or [one.get("answer", {}).get("thought") for one in doc["steps"]]):
        return
    for line in _nodes(doc["tree"]) if doc.get("tree") else tree(doc) or ["no hypothesis yet"]:
        click.echo(line.lstrip("\n"))


def _nodes(node: dict[str, Any], lead: str = "", under: str = "") -> Iterator[str]:
    """Draw a node and all below it; `under` is what stands before the lines of its children."""
    sure = f" {float(node['confidence']):.2f}" if node.get("confidence") is not None else ""
    state = f" [{show.plain(node['state']).replace('_', ' ')}]" if node.get("state") else ""
    note = f": {show.plain(node['note'])}" if node.get("note") else ""
    yield f"{lead}{show.plain(node['title'])}{sure}{state}{note}"
    nodes = node.get("nodes") or []
    for number, one in enumerate(nodes, 1):
        last = number == len(nodes)
        yield from _nodes(one, f"{under}{'└─ ' if last else '├─ '}", f"{under}{'   ' if last else '│  '}")


@sessions.command("steps")
@click.argument("session")
@pass_desk
def steps(desk: Desk, session: str) -> None:
    """List a session's actions, one per line.

    In json or yaml: one row per step of the brain, with agent_id, input_context, reasoning_summary, action, result, confidence, feedback.
    """
    if desk.output in ("json", "yaml"):
        show.dumped(desk, desk.api.get(f"/v1/sessions/{part(session)}/steps"))
        return
    doc = desk.api.get(f"/v1/sessions/{part(session)}")
    show.table(desk, STEPS, step_rows(doc), "no action yet")


def _steer(verb: str, text: str) -> None:
    @sessions.command(verb, help=text)
    @click.argument("session")
    @reason
    @pass_desk
    def steer(desk: Desk, session: str, reason: str) -> None:
        doc = desk.api.post(f"/v1/sessions/{part(session)}/{verb}", {"reason": reason})
        if not show.dumped(desk, doc):
            click.echo(f"{session}\t{'paused' if doc['paused'] else doc['phase']}")


_steer("pause", "Pause a session: nothing new is done in it.")
_steer("resume", "Let a paused session go on.")
_steer("cancel", "End a session; what it holds is not done.")


@sessions.command("answer")
@click.argument("session")
@click.argument("text")
@pass_desk
def answer(desk: Desk, session: str, text: str) -> None:
    """Answer the question that a session waits with."""
    doc = desk.api.post(f"/v1/sessions/{part(session)}/answer", {"text": text})
    if not show.dumped(desk, doc):
        click.echo(f"{session}\tanswered")


def bytes_of(path: Path) -> bytes:
    """Read a file that somebody named. Raises NotFound."""
    try:
        return path.read_bytes()
    except OSError as fault:
        raise NotFound(f"{path} cannot be read", fault.strerror or str(fault), "name a file that is there") from fault


@click.command(cls=Cmd)
@click.argument("spec", type=click.Path(path_type=Path), metavar="SPEC.yaml")
@pass_desk
def run(desk: Desk, spec: Path) -> None:
    """Open a session from a task spec.

    The spec says what shall be true afterwards, and of which service: flyball schema Task.
    """
    _delivered(desk, "spec", bytes_of(spec))


def _delivered(desk: Desk, source: str, raw: bytes) -> None:
    doc = desk.api.post(f"/v1/signals/{part(source)}", raw)
    if not show.dumped(desk, doc):
        click.echo(f"{doc['inbox']}\t{'taken in' if doc['new'] else 'was there already'}")
        show.say("next: flyball sessions list (or flyball dlq list, where it cannot be read)")


@click.group(cls=Nouns)
def signals() -> None:
    """Send a signal by hand."""


@signals.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--source", default="alertmanager", show_default=True, help="How the file is to be read.")
@click.option("--alert", metavar="NAME", help="Send an alert of this name instead of a file.")
@click.option("--service", metavar="NAME", help="The service that the alert is about.")
@click.option("--resolved", is_flag=True, help="The alert has cleared.")
@pass_desk
def send(desk: Desk, file: Path | None, source: str, alert: str | None, service: str | None, resolved: bool) -> None:
    """Send a file as a source would, or an alert made from a name and a service."""
    if file is not None:
        _delivered(desk, source, bytes_of(file))
        return
    if not alert or not service:
        raise BadInput("there is nothing to send", "a file is missing, or --alert with --service", "flyball signals send --help")
    _delivered(desk, "alertmanager", json.dumps(_alert(alert, service, resolved)).encode())


def _alert(name: str, service: str, resolved: bool) -> dict[str, Any]:
    """Give an alert as Alertmanager 0.27 posts it (webhook version 4)."""
    status = "resolved" if resolved else "firing"
    labels = {"alertname": name, "service": service}
    one = {
        "status": status,
        "labels": labels,
        "annotations": {"summary": f"{name} on {service}, sent by hand"},
        "fingerprint": f"hand-{name}-{service}",
    }
    return {
        "version": "4",
        "groupKey": f"hand/{name}/{service}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "flyball",
        "alerts": [one],
    }


@click.command(cls=Cmd)
@click.argument("action")
@reason
@pass_desk
def undo(desk: Desk, action: str, reason: str) -> int:
    """Roll one action back.

    Possible while its undo is kept; the undo goes through the same door as everything else. Exit code 0 where it is undone, 5 where
    it was denied, 6 where it waits for approval, 1 where it did not work.
    """
    status = _deed(desk, desk.api.post(f"/v1/actions/{part(action)}/undo", {"reason": reason}))
    if status == "done":
        show.say("it was not undone: a freeze that stops undoing is in force, see flyball freeze list")
    return UNDO_CODES.get(status, 1)


@click.command(cls=Cmd)
@click.argument("action")
@click.option("--watch", is_flag=True, help="Go on until it has ended.")
@pass_desk
def output(desk: Desk, action: str, watch: bool) -> None:
    """Print what a long action has said so far."""
    doc: dict[str, Any] = {"next": 0, "going": watch, "text": "-"}
    while doc["text"] or (watch and doc["going"]):
        doc = desk.api.get(f"/v1/actions/{part(action)}/output", after=doc["next"], wait_s=WAIT_S if watch else None)
        if not show.dumped(desk, doc):
            click.echo(show.plain(doc["text"], lines=True), nl=False)


@click.command(cls=Cmd)
@click.argument("action")
@click.argument("outcome", type=click.Choice(["done", "failed"]))
@reason
@pass_desk
def settle(desk: Desk, action: str, outcome: str, reason: str) -> None:
    """Record what became of a stuck action.

    A stuck action is one of which nobody knows whether it happened: look at the target first.
    """
    _deed(desk, desk.api.post(f"/v1/actions/{part(action)}/settle", {"outcome": outcome, "reason": reason}))


def _deed(desk: Desk, doc: dict[str, Any]) -> str:
    """Write what became of an action; give its status."""
    if not show.dumped(desk, doc):
        click.echo(show.TAB.join(show.plain(one) for one in (doc["action"]["id"], doc["status"], doc["why"])))
    return str(doc["status"])


@click.group(cls=Nouns)
def dlq() -> None:
    """List and replay signals that could not be read."""


@dlq.command("list")
@click.option("--watch", is_flag=True, help="Again at every change.")
@pass_desk
def letters(desk: Desk, watch: bool) -> None:
    """List dead letters."""
    columns: list[show.Column] = [
        ("letter", "id"),
        ("source", "source"),
        ("at", lambda row: show.when(row["at"])),
        ("tries", "tries"),
        ("error", "error"),
    ]
    show.watched(desk, watch, lambda: desk.api.get("/v1/dlq")["letters"], lambda rows: show.table(desk, columns, rows, "no dead letters"))


@dlq.command()
@click.argument("letter")
@pass_desk
def replay(desk: Desk, letter: str) -> None:
    """Put a dead letter back in line."""
    doc = desk.api.post(f"/v1/dlq/{part(letter)}/replay")
    if not show.dumped(desk, doc):
        click.echo(f"{letter}\tback in line")
