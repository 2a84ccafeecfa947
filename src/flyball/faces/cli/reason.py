"""The commands that say why: `policy eval`, `policy explain`, `policy coverage`. Hung below `policy` by `faces/cli/policy`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flyball.errors import BadInput, NotFound
from flyball.faces.cli import show
from flyball.faces.cli.check import folder_, folder_of
from flyball.faces.cli.desk import Desk, pass_desk
from flyball.faces.cli.lazy import Cmd

if TYPE_CHECKING:
    from flyball.backends.policy_answer import PolicyError
    from flyball.backends.policy_native import Loaded
    from flyball.rego.trace import Trace

PATH = re.compile(r"data(\.[A-Za-z_][A-Za-z0-9_]*)+")


def loaded(place: Path, *, cases: bool) -> Loaded:
    """Load policies. Every mistake is said, with its line; raises BadInput."""
    from flyball.backends import policy_native
    from flyball.backends.policy_answer import PolicyError

    try:
        held = policy_native.read(place)
        return policy_native.gated(held) if cases else policy_native.compiled(held)
    except PolicyError as fault:
        raise bad(fault) from fault


def bad(fault: PolicyError) -> BadInput:
    """Say every mistake; give the error that ends the command."""
    for one in fault.shown:
        show.say(show.plain(one, lines=True))
    return BadInput(fault.what, fault.why, fault.fix)


def json_file(path: Path) -> Any:
    """Read a file of JSON, or standard input. Raises NotFound or BadInput."""
    try:
        return json.loads(sys.stdin.read() if str(path) == "-" else path.read_text())
    except OSError as fault:
        raise NotFound(f"{path} cannot be read", fault.strerror or str(fault), "name a file, or - for standard input") from fault
    except ValueError as fault:
        raise BadInput(f"{path} is no JSON", str(fault), "correct the file") from fault


# ---- eval


@click.command("eval", cls=Cmd)
@click.argument("query")
@click.option(
    "--with", "paths", type=click.Path(path_type=Path), multiple=True, metavar="PATH", help="A folder, a bundle, a .rego or a data file."
)
@click.option("--input", "file", type=click.Path(path_type=Path), metavar="FILE", help="The input, as JSON; - is standard input.")
def evaluate(query: str, paths: tuple[Path, ...], file: Path | None) -> None:
    """Ask any policies anything and print the answer as JSON.

    QUERY is a path such as data.finance.allow, or any line of Rego: then each answer is an object of its variables. Where a path is
    undefined the exit code is 3. A bundle that was built with a plan (`opa build -t plan`) is asked for one of its entrypoints.
    """
    from flyball.backends import policy_study
    from flyball.backends.policy_answer import PolicyError

    given = {} if file is None else {"input": json_file(file)}
    try:
        found = policy_study.evaluate(query, paths, given, whole=PATH.fullmatch(query) is not None)
    except PolicyError as fault:
        raise bad(fault) from fault
    click.echo(json.dumps(found, indent=2, sort_keys=True))


# ---- explain


@click.command("explain", cls=Cmd)
@folder_
@click.option("--input", "file", type=click.Path(path_type=Path), metavar="FILE", help="The question, as JSON; - is standard input.")
@click.option("--decision", default="", metavar="ID", help="A decision that the server has kept, by its id or by the session's.")
@click.option("--rule", default="", metavar="NAME", help="Only this rule, also where it did not fire.")
@pass_desk
def explain(desk: Desk, folder: Path | None, file: Path | None, decision: str, rule: str) -> None:
    """Say which rules fired for a question, where and with which values; with --rule also why one did not.

    The question is a file, or one that the running server was asked; without either the base of the cases.
    """
    from flyball.backends import policy_study

    policies = loaded(folder_of(desk, folder, "policies"), cases=False)
    question = json_file(file) if file else _kept(desk, decision) if decision else _base(policies)
    trace = policy_study.explain(policies, question)
    if show.dumped(desk, trace.record()):
        return
    rows = list(_rows(trace, rule))
    show.table(desk, [("rule", "rule"), ("at", "at"), ("", "came"), ("because", "because")], rows, "no rule was asked")
    click.echo(show.TAB.join(filter(None, ["answer", json.dumps(trace.record()["result"]), trace.fault])))
    if rule and not rows:
        raise NotFound(
            f"no rule {rule!r} was asked", "it does not exist, or nothing that was asked reads it", "leave --rule away to see all"
        )


def _base(policies: Loaded) -> Any:
    found = policies.folder.cases.get("cases/base.yaml", {})
    return found.get("base", {}) if isinstance(found, Mapping) else {}


def _kept(desk: Desk, name: str) -> Any:
    """Give the newest question that was kept under a name."""
    from flyball.backends import policy_kept

    found = None
    for one in policy_kept.read(desk.state / "decisions"):
        if name in (one.get("decision_id"), one["input"].get("session", {}).get("id")):
            found = one["input"]
    if found is None:
        raise NotFound(
            f"no decision {name!r} is kept", "only the last ones are, and only with `policy.keep`", "flyball policy simulate lists them"
        )
    return found


def _rows(trace: Trace, rule: str) -> Iterator[dict[str, str]]:
    from flyball.backends import policy_study

    for asked in trace.rules:
        name = asked.rule.removeprefix("data.")
        if rule and rule not in (name, name.rpartition(".")[2]):
            continue
        for body in asked.bodies:
            if body.fired or rule:
                at = f"{body.place.file}:{body.place.row}"
                yield {"rule": name, "at": at, "came": "fired" if body.fired else "not", "because": "; ".join(policy_study.because(body))}


# ---- coverage


@click.command("coverage", cls=Cmd)
@folder_
@click.option("--least", type=click.FloatRange(0, 100), default=0.0, metavar="PERCENT", help="Fail below this.")
@pass_desk
def coverage(desk: Desk, folder: Path | None, least: float) -> None:
    """List the lines of policies that no case and no test reaches."""
    from flyball.backends import policy_study

    lines, reached = policy_study.coverage(loaded(folder_of(desk, folder, "policies"), cases=False))
    rows = []
    for file in sorted({file for file, _ in lines}):
        all_ = {row for name, row in lines if name == file}
        missed = sorted(all_ - {row for name, row in reached if name == file})
        percent = round(100 * (1 - len(missed) / len(all_)), 1)
        rows.append({"file": file, "lines": len(all_), "percent": percent, "missed": missed})
    columns: list[show.Column] = [
        ("file", "file"),
        ("lines", "lines"),
        ("%", "percent"),
        ("not reached", lambda row: _spans(row["missed"])),
    ]
    show.table(desk, columns, rows, "no lines")
    whole = round(100 * len(reached & lines) / max(1, len(lines)), 1)
    show.say(f"{whole} % of {len(lines)} lines")
    if whole < least:
        raise BadInput(f"{whole} % of the lines are reached", f"at least {least:g} % are wanted", "add a case for each line that is listed")


def _spans(rows: list[int]) -> str:
    """Give rows as `3, 7-9`."""
    spans: list[list[int]] = []
    for row in rows:
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
