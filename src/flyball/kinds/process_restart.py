"""`process.restart`: restarts one service of the catalogue through its own control program. Called by the door.

What the control program prints for `status` is one JSON object with `state`, `pid` and `started_at`, or the KEY=VALUE lines of
`systemctl show`. A process has been restarted when its pid or its start differs from the pre-state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from flyball.errors import BadInput, Unreachable, UserError
from flyball.model.action import Outcome, Reach, Recipe, Seen
from flyball.model.box import Mount, Ran, Run
from flyball.model.ids import Doc, Json
from flyball.model.kind import KindSpec
from flyball.ports import Hands

_ENV = (("LC_ALL", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"))
_SYSTEMD = {"active": "running", "reloading": "running", "activating": "starting", "inactive": "stopped", "failed": "crashed"}
_DOWN = {"stopped", "crashed", "crashlooping"}  # stays down until somebody starts it
_RESTLESS = {"backoff", "starting", "unknown"}  # may start by itself, so a new pid does not say that it was us


class ProcessRestart:
    """Restart a service; undo stops it again where it was down before."""

    spec = KindSpec(
        name="process.restart",
        title="Restart one service",
        reach=Reach.WRITE,
        args={
            "type": "object",
            "properties": {"service": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$", "maxLength": 64}},
            "required": ["service"],
            "additionalProperties": False,
        },
        result={
            "type": "object",
            "properties": {
                "state": {"type": "string"},
                "pid": {"type": ["integer", "null"]},
                "started_at": {"type": ["number", "null"]},
                "already": {"type": "boolean"},
            },
            "required": ["state", "pid", "started_at", "already"],
            "additionalProperties": False,
        },
        sinks=("/service",),
        endorse={"/service": "catalogue:service"},
        reversible=True,
        destructive=False,
        idempotent=True,
        timeout_s=40.0,
        errors=(
            "not this service: the argument is not the action's target",
            "fact missing: the catalogue entry has no control.status, control.stop or control.restart",
            "the control program failed, or took too long",
            "its status is not understood",
        ),
    )

    async def plan(self, hands: Hands) -> Recipe:
        """Write down state, pid and start of the process. Raises BadInput for a wrong service, Unreachable where its state is not known."""
        argv = _argv(hands, "restart")
        stop = _argv(hands, "stop")
        before = await _status(hands)
        undo: Doc = {"do": "stop", "argv": stop} if before["state"] in _DOWN else {"do": "nothing"}
        blast: Doc = {"service": hands.target.name, "interrupts": before["state"] not in _DOWN, "depends_on": hands.target.depends_on}
        return Recipe(before=before, undo=undo, argv=(argv,), blast=blast, keep_until=hands.now + hands.keep_s)

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome:
        """Restart, unless the pre-state shows that this was done already."""
        try:
            argv = _argv(hands, "restart")
            now = await _status(hands)
            if _restarted(recipe.before, now) is Seen.HAPPENED:
                return Outcome(ok=True, result={**now, "already": True}, level=hands.box.level)
            fault, ran = await _control(hands, argv)
            if fault:
                return Outcome(ok=False, error=fault, took_s=ran.took_s, level=ran.level)
            return Outcome(ok=True, result={**await _status(hands), "already": False}, took_s=ran.took_s, level=ran.level)
        except UserError as e:
            return Outcome(ok=False, error=f"{e.what}: {e.why}", level=hands.box.level)

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen:
        """Compare pid and start with the pre-state."""
        try:
            return _restarted(recipe.before, await _status(hands))
        except UserError:
            return Seen.UNSURE

    async def undo(self, hands: Hands, recipe: Recipe) -> Outcome:
        """Stop the service where it was down before; else its run-state is what it was."""
        try:
            now = await _status(hands)
            if recipe.before.get("state") not in _DOWN or now["state"] in _DOWN:
                return Outcome(ok=True, result={**now, "already": True}, level=hands.box.level)
            fault, ran = await _control(hands, _argv(hands, "stop"))
            if fault:
                return Outcome(ok=False, error=fault, took_s=ran.took_s, level=ran.level)
            return Outcome(ok=True, result={**await _status(hands), "already": False}, took_s=ran.took_s, level=ran.level)
        except UserError as e:
            return Outcome(ok=False, error=f"{e.what}: {e.why}", level=hands.box.level)

    async def undone(self, hands: Hands, recipe: Recipe) -> Seen:
        """Look whether the service is down again where it was down before."""
        if recipe.before.get("state") not in _DOWN:
            return Seen.HAPPENED
        try:
            return Seen.HAPPENED if (await _status(hands))["state"] in _DOWN else Seen.ABSENT
        except UserError:
            return Seen.UNSURE


def _restarted(before: Doc, now: Doc) -> Seen:
    """Say whether the process is another one than before."""
    if now["pid"] is None and before.get("started_at") == now["started_at"]:
        return Seen.ABSENT
    if (before.get("pid"), before.get("started_at")) == (now["pid"], now["started_at"]):
        return Seen.ABSENT
    return Seen.UNSURE if before.get("state") in _RESTLESS else Seen.HAPPENED


def _argv(hands: Hands, verb: str) -> tuple[str, ...]:
    """Give a control argv of the target. Raises BadInput where the argument names another service or the catalogue has no such verb."""
    if hands.action.args.get("service") != hands.target.name:
        raise BadInput(f"the service is not {hands.target.name}", "the argument and the target differ", "name the target itself")
    control = hands.target.facts.get("control")
    argv = control.get(verb) if isinstance(control, Mapping) else None
    if not isinstance(argv, list | tuple) or not argv:
        raise BadInput(f"the catalogue entry names no control.{verb}", "it is needed to restart", f"add facts.control.{verb} to the target")
    return tuple(str(part) for part in argv)


async def _control(hands: Hands, argv: tuple[str, ...], *, write: bool = True) -> tuple[str, Ran]:
    """Run a control argv with the mounts that the catalogue gives it; the first part is a line on what failed, or empty."""
    binds = hands.target.facts.get("control_mounts")
    mounts = tuple(
        Mount(str(m["source"]), str(m.get("target") or m["source"]), write=m.get("write") is True)
        for m in (binds if isinstance(binds, list | tuple) else ())
        if isinstance(m, Mapping)
    )
    ran = await hands.box.run(Run(argv, mounts=mounts, env=_ENV, timeout_s=30.0 if write else 10.0, write=write))
    if ran.timed_out:
        return f"{argv[0]} took too long", ran
    said = ran.err.decode("utf-8", "backslashreplace").strip().split("\n")[0][:300]
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in said)
    return ("" if ran.code == 0 else f"{argv[0]} ended with {ran.code if ran.code is not None else f'signal {ran.signal}'}: {shown}"), ran


async def _status(hands: Hands) -> dict[str, Json]:
    """Give {state, pid, started_at}. Raises Unreachable where the control program does not say."""
    fault, ran = await _control(hands, _argv(hands, "status"), write=False)
    if fault:
        raise Unreachable(fault, "its status is needed before and after a change", "see that the service's control program answers")
    text = ran.out.decode("utf-8", "backslashreplace")
    try:
        said = json.loads(text) if text.lstrip().startswith("{") else _said_by_systemd(text)
        state, pid, started = str(said["state"]), said.get("pid"), said.get("started_at")
    except (ValueError, KeyError, TypeError):
        raise Unreachable(
            "the status is not understood", "it is neither a JSON object nor KEY=VALUE lines", "mend facts.control.status"
        ) from None
    return {
        "state": state,
        "pid": pid if isinstance(pid, int) and pid > 0 else None,
        "started_at": float(started) if isinstance(started, int | float) else None,
    }


def _said_by_systemd(text: str) -> dict[str, Json]:
    rows = dict(row.split("=", 1) for row in text.splitlines() if "=" in row)
    started = int(rows.get("ExecMainStartTimestampMonotonic") or 0)
    return {"state": _SYSTEMD.get(rows["ActiveState"], "unknown"), "pid": int(rows.get("MainPID") or 0), "started_at": started / 1e6}


KIND = ProcessRestart()
