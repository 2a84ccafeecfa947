"""`doctor`: look at this machine and the project, and give a fix for every finding. Needs no server; changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flyball.errors import NotFound, UserError
from flyball.faces.cli import show
from flyball.faces.cli.check import known_kinds, runbook_findings
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd

if TYPE_CHECKING:
    from flyball.config import Whole

PYTHON = (3, 11)
DISK_LEAST = 200 * 1024 * 1024
BEHIND_S = 5.0
COLUMNS: list[show.Column] = [
    ("", lambda row: "FAIL" if not row["ok"] else "WARN" if row["warn"] else "ok"),
    ("check", "check"),
    ("found", "detail"),
]


@dataclass(frozen=True, slots=True)
class Found:
    """One line: what was looked at, whether it is well, and what to do where it is not. `warn`: it may be meant so."""

    check: str
    ok: bool
    detail: str
    fix: str = ""
    warn: bool = False


@click.command(cls=Cmd)
@pass_desk
def doctor(desk: Desk) -> int:
    """Check this machine and the project, with a fix for each finding.

    Exit code 0 where everything is well or only warned about, 1 where something needs a fix.
    """
    found = list(findings(desk))
    rows = [asdict(one) for one in found]
    if not show.dumped(desk, rows):
        show.table(desk, COLUMNS, rows)
        for one in found:
            if one.fix and (one.warn or not one.ok):
                show.say(f"{one.check}: {one.fix}")
    return 0 if all(one.ok for one in found) else 1


def findings(desk: Desk) -> Iterator[Found]:
    """Give every finding, the machine's first."""
    yield _python()
    yield _sqlite()
    yield _git(desk)
    yield from _sandbox()
    try:
        from flyball.config import Whole

        whole = Whole(desk.project)
    except UserError as fault:
        yield Found("project", ok=False, detail=_line(fault), fix=fault.fix)
        return
    yield Found("project", ok=True, detail=f"{len(whole.agents)} agents, {len(whole.catalogue)} services in {desk.project.absolute()}")
    for look in (_brains, _services, _commands, _tails, _policy, _runbooks, _state, _disk, _log, _port):
        yield _safely(look, whole)


def _safely(look: Callable[[Whole], Found], whole: Whole) -> Found:
    try:
        return look(whole)
    except UserError as fault:
        return Found(look.__name__.lstrip("_"), ok=False, detail=_line(fault), fix=fault.fix)


def _line(fault: UserError) -> str:
    return f"{fault.what}: {fault.why}" if fault.why else fault.what


def _python() -> Found:
    here = ".".join(str(one) for one in sys.version_info[:3])
    return Found("python", ok=sys.version_info >= PYTHON, detail=f"{here} at {sys.executable}", fix="install Python 3.11 or later")


def _sqlite() -> Found:
    from flyball.backends.store import schema

    version, least = schema.SQLITE, schema.SQLITE_LEAST
    words = ".".join(str(one) for one in least)
    return Found("sqlite", ok=version >= least, detail=".".join(str(one) for one in version), fix=f"a Python with SQLite {words} or later")


def _git(desk: Desk) -> Found:
    where = shutil.which("git", path=desk.settings.path)
    return Found("git", ok=where is not None, detail=where or "not found", fix="install git: git.revert and the lab need it")


def _sandbox() -> Iterator[Found]:
    """Name each isolation level; one that holds is enough."""
    from flyball.backends.sandbox import findings as levels

    found = asyncio.run(levels())
    held = [one for one in found if one.ok and one.check != "identity"]
    for one in found:
        well = one.ok or bool(held)
        detail = one.detail if one.ok or not held else f"not used, {held[0].check} holds: {one.detail}"
        yield Found(f"sandbox {one.check}", ok=well, detail=detail, fix=one.fix)


def _brains(whole: Whole) -> Found:
    """Name what reasons for each agent."""
    told = {"runbook": "runbook (no model, no key)", "remote": "remote (a caller of the API)"}
    found = [f"{name} by {told.get(agent.brain, agent.brain)}" for name, agent in sorted(whole.agents.items())]
    return Found("brain", ok=bool(found), detail=", ".join(found) or "no agents", fix="flyball init writes one")


def _services(whole: Whole) -> Found:
    """See whether what the catalogue names is on this machine: a look that fails tells a runbook nothing, and it escalates."""
    from flyball.config import places

    found: dict[str, list[str]] = {}
    for name, one in sorted(whole.catalogue.items()):
        if missing := [f"{key} {path}" for path, key in places(one).items() if not os.access(path, os.F_OK)]:
            found[name] = missing
    told = [f"{name}: not there, or not to be seen: {', '.join(missing)}" for name, missing in found.items()]
    fix = "correct the catalogue; what a runbook cannot look at it leaves to a person"
    detail = "; ".join(told) or "every program and path of the catalogue is there"
    return Found("services", ok=True, detail=detail, fix=fix, warn=bool(told))


def _commands(whole: Whole) -> Found:
    """See whether every long command fits into the sessions of those who may run it."""
    from flyball.config import overlong

    found = overlong(whole.agents, whole.catalogue)
    fix = "raise max_s in the agent's manifest, or lower timeout_s in the catalogue"
    return Found("commands", ok=not found, detail="; ".join(found) or "each fits into a session of its agents", fix=fix)


def _tails(whole: Whole) -> Found:
    """See whether what logs are followed for can be read."""
    from flyball.backends.tail_file import FileTail

    FileTail(whole.state, whole.project.tails, lambda: 0.0)
    return Found("tails", ok=True, detail=f"{len(whole.project.tails)} logs are followed", fix="")


def _policy(whole: Whole) -> Found:
    from flyball.backends.clock import SystemClock
    from flyball.compose import shelved

    shelf = shelved(whole, SystemClock().mono)
    try:
        if shelf.opa is not None:
            shelf.opa.refresh()
            fix = "start it, or mend policy.url in flyball.yaml"
            detail = shelf.opa.fault or f"{shelf.opa.count} modules in OPA"
            return Found("policy", ok=shelf.opa.count > 0, detail=detail, fix="" if shelf.opa.count else fix)
        return Found("policy", ok=shelf.native.count > 0, detail=f"{shelf.native.count} rules, all cases pass")
    finally:
        shelf.close()


def _runbooks(whole: Whole) -> Found:
    found = runbook_findings(whole.folder / whole.project.runbooks, known_kinds())
    if found:
        return Found("runbooks", ok=False, detail=f"{found[0].file}: {found[0].pointer}: {found[0].what}", fix=found[0].fix)
    count = len(whole.runbooks())
    return Found("runbooks", ok=count > 0, detail=f"{count} checked", fix="flyball init writes some")


def _state(whole: Whole) -> Found:
    here = whole.state
    while not here.exists():
        here = here.parent
    writable = here.is_dir() and os.access(here, os.W_OK | os.X_OK)
    return Found(
        "state",
        ok=writable,
        detail=f"{whole.state} {'may' if writable else 'may not'} be written",
        fix=f"give this user write access to {here}",
    )


def _disk(whole: Whole) -> Found:
    here = whole.state
    while not here.exists():
        here = here.parent
    free = shutil.disk_usage(here).free
    return Found(
        "disk", ok=free >= DISK_LEAST, detail=f"{free // 2**20} MiB free under the log", fix="make room: with a full disk nothing may run"
    )


def _log(whole: Whole) -> Found:
    """Verify the log, and hold the clock against its last entry."""
    from flyball.backends.clock import SystemClock
    from flyball.backends.store import audit

    try:
        report = audit.verify(whole.state)
    except NotFound:
        return Found("log", ok=True, detail="none yet")
    if not report.ok:
        return Found("log", ok=False, detail=report.lines[0], fix="flyball audit verify; keep the folder as it is")
    if not report.size:
        return Found("log", ok=True, detail="no entries yet")
    at = json.loads(audit.proof(whole.state, report.size - 1).entry).get("at", 0)
    behind = float(at) - SystemClock().now()
    if behind > BEHIND_S:
        return Found(
            "log",
            ok=False,
            detail=f"the clock stands {show.span(behind)} behind the last entry",
            fix="set the clock, or: flyball up --accept clock",
        )
    return Found("log", ok=True, detail=f"{report.size} entries verify; the clock is not behind them")


def _port(whole: Whole) -> Found:
    """See whether the address is free, or taken by this project's own server."""
    import socket

    host, _, port = whole.project.listen.rpartition(":")
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, int(port)))
        except OSError as fault:
            own = _runs(whole.state)
            detail = "this project's server runs there" if own else (fault.strerror or str(fault)).lower()
            return Found(
                "port", ok=own, detail=f"{whole.project.listen}: {detail}", fix="set `listen` in flyball.yaml, or flyball up --listen"
            )
    return Found("port", ok=True, detail=f"{whole.project.listen} is free")


def _runs(state: Path) -> bool:
    """Say whether a living process holds the state's lock."""
    try:
        pid = int((state / "lock").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return False
    return (Path("/proc") / str(pid)).exists()
