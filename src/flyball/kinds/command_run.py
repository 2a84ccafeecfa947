"""`command.run`: runs a command that the operator has written into the catalogue, for minutes or hours. Called by the door.

The target's entry in the catalogue says what there is (`config.Command`):

    commands:
      reindex:
        argv: [/usr/local/bin/reindex, "--table={table}", "{rows}"]
        args: {table: {enum: [users, orders]}, rows: {min: 1, max: 1000}}
        timeout_s: 7200

An agent chooses a name and values that fit; it never writes a word of the argv. A value stays within the word that names it, and one
that a pattern lets in never begins with a dash. The command outlives the server: `do` begins it, `probe` says how it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flyball.errors import BadInput, UserError
from flyball.model.action import Outcome, Reach, Recipe, Seen
from flyball.model.box import Mount, Net, Ran, Run
from flyball.model.ids import Doc
from flyball.model.kind import KindSpec
from flyball.ports import Hands
from flyball.rego.error import OverLimit
from flyball.rego.expression.machine import Budget, Regex, compiled

_GAP = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_TAIL = 4_000  # characters of its output that the result holds


class CommandRun:
    """Run a command of the catalogue; what it did cannot be put back."""

    spec = KindSpec(
        name="command.run",
        title="Run a command of the catalogue, for minutes or hours",
        reach=Reach.WRITE,
        args={
            "type": "object",
            "properties": {
                "command": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,63}$", "maxLength": 64},
                "args": {
                    "type": "object",
                    "maxProperties": 16,
                    "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,31}$"},
                    "additionalProperties": {"type": ["string", "integer"], "maxLength": 256},
                },
            },
            "required": ["command", "args"],
            "additionalProperties": False,
        },
        result={
            "type": "object",
            "properties": {
                "code": {"type": ["integer", "null"]},
                "signal": {"type": ["integer", "null"]},
                "timed_out": {"type": "boolean"},
                "tail": {"type": "string"},
                "cut": {"type": "boolean"},
            },
            "required": ["code", "signal", "timed_out", "tail", "cut"],
            "additionalProperties": False,
        },
        sinks=("/command", "/args"),
        endorse={"/command": "target:choice", "/args": "target:choice"},
        reversible=False,
        destructive=False,
        idempotent=True,
        timeout_s=30.0,
        errors=(
            "no such command: the target's catalogue entry does not name it",
            "an argument is missing, not known or does not fit its rule",
            "it ended with another exit status than those of `ok` (0 where none is named)",
            "it took longer than its timeout_s",
            "it was called off: a freeze came, or its session was cancelled",
        ),
    )

    async def plan(self, hands: Hands) -> Recipe:
        """Write down the exact argv, the targets that it touches and what it costs. Raises BadInput."""
        entry = _entry(hands)
        run = _run(hands, entry)
        targets = sorted({hands.target.name, *entry["targets"]})
        blast: Doc = {"targets": targets, "cost_micros": entry["cost_micros"], "timeout_s": run.timeout_s}
        return Recipe(before={}, undo={}, argv=(run.argv,), blast=blast)

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome | None:
        """Begin it, once for this action. None: it goes on."""
        del recipe
        try:
            await hands.box.begin(hands.key, _run(hands, _entry(hands)))
        except UserError as e:
            return Outcome(ok=False, error=f"{e.what}: {e.why}", level=hands.box.level)
        return None

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen | Outcome:
        """Give how it stands; its Outcome once it has ended."""
        del recipe
        found = hands.box.find(hands.action.id)
        return found if isinstance(found, Seen) else _outcome(hands, found)

    async def end(self, hands: Hands, recipe: Recipe) -> None:
        """End it."""
        del recipe
        await hands.box.end(hands.action.id)

    async def undo(self, hands: Hands, recipe: Recipe) -> Outcome:
        """Say that nobody can: its recipe offers no undo."""
        del hands, recipe
        return Outcome(ok=False, error="a command cannot be put back")

    async def undone(self, hands: Hands, recipe: Recipe) -> Seen:
        """Say that nobody can tell."""
        del hands, recipe
        return Seen.UNSURE


def _entry(hands: Hands) -> Mapping[str, Any]:
    """Give the catalogue's entry of the command. Raises BadInput."""
    name = hands.action.args.get("command")
    entry = _commands(hands).get(name)
    if entry is None:
        raise BadInput(f"{hands.target.name} has no command {name}", "its catalogue entry does not name it", "add it to its commands")
    return entry


def _commands(hands: Hands) -> Mapping[Any, Mapping[str, Any]]:
    named: Any = hands.target.facts.get("commands", {})
    found: Mapping[Any, Mapping[str, Any]] = named  # as `config` has checked it
    return found


def _run(hands: Hands, entry: Mapping[str, Any]) -> Run:
    """Give what will run: the operator's argv with the values in their places. Raises BadInput."""
    values = _values(hands.action.args["args"], entry["args"])
    return Run(
        tuple(_GAP.sub(lambda gap: values[gap[1]], word) for word in entry["argv"]),
        mounts=tuple(Mount(one["source"], one["target"] or one["source"], write=one["write"]) for one in entry["mounts"]),
        net=Net(entry["net"]),
        timeout_s=entry["timeout_s"],
        cpu_s=int(entry["timeout_s"]) + 1,
        max_output=entry["max_output"],
        memory_bytes=entry["memory_bytes"],
        write=True,
    )


def _values(given: Any, rules: Mapping[str, Any]) -> dict[str, str]:
    """Give every argument as text. Raises BadInput for one that is missing, not known or does not fit."""
    for name in sorted({*given, *rules}):
        if name not in rules or name not in given:
            fault = "missing" if name in rules else "not known"
            raise BadInput(f"the argument {name} is {fault}", f"it takes {', '.join(sorted(rules)) or 'none'}", "give exactly these")
        if not _fits(given[name], rules[name]):
            raise BadInput(f"the argument {name} does not fit", f"its rule is {_told(rules[name])}", "give a value that fits")
    return {name: str(value) for name, value in given.items()}


def _told(rule: Mapping[str, Any]) -> str:
    return f"one of {rule['enum']}" if rule["enum"] else f"{rule['min']} to {rule['max']}" if not rule["pattern"] else rule["pattern"]


def _fits(value: Any, rule: Mapping[str, Any]) -> bool:
    if rule["enum"]:
        return value in rule["enum"]
    if isinstance(value, int) or not rule["pattern"]:
        return isinstance(value, int) and rule["max"] is not None and rule["min"] <= value <= rule["max"]
    return not value.startswith("-") and _is_whole(rule["pattern"], value)


def _is_whole(pattern: str, value: str) -> bool:
    """Say whether a pattern matches all of a value, within a number of steps: it is an agent's word. What takes more does not fit."""
    found = compiled(rf"\A(?:{pattern})\z")
    try:
        return isinstance(found, Regex) and found.matches(value, Budget("pattern"))
    except OverLimit:
        return False


def _outcome(hands: Hands, ran: Ran) -> Outcome:
    name = hands.action.args.get("command")
    good = _commands(hands).get(name, {}).get("ok", (0,))  # it may be gone from the catalogue by now
    text = ran.out.decode("utf-8", "backslashreplace")
    result: Doc = {"code": ran.code, "signal": ran.signal, "timed_out": ran.timed_out, "tail": text[-_TAIL:], "cut": ran.out_truncated}
    if ran.code in good:
        return Outcome(ok=True, result=result, took_s=ran.took_s, level=ran.level)
    how = "took too long" if ran.timed_out else f"ended with signal {ran.signal}" if ran.code is None else f"ended with {ran.code}"
    return Outcome(ok=False, result=result, error=f"{name} {how}", took_s=ran.took_s, level=ran.level)


KIND = CommandRun()
