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
    from flyball.rego.error import Refused
    from flyball.rego.trace import Body, Trace

PLUMBING = (".", "!=", "assign", "assignonce", "arrayappend", "each", "objectinsert", "setadd")  # they say little where a body fired
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
@click.option("--with", "paths", type=click.Path(path_type=Path), multiple=True, metavar="PATH", help="A folder, a .rego or a data file.")
@click.option("--input", "file", type=click.Path(path_type=Path), metavar="FILE", help="The input, as JSON; - is standard input.")
def evaluate(query: str, paths: tuple[Path, ...], file: Path | None) -> None:
    """Ask any policies anything and print the answer as JSON.

    QUERY is a path such as data.finance.allow, or any line of Rego: then each answer is an object of its variables. Where a path is
    undefined the exit code is 3.
    """
    from flyball import rego
    from flyball.rego.value import plain

    modules, data = _sources(paths)
    question = rego.UNDEFINED if file is None else json_file(file)
    try:
        if PATH.fullmatch(query):
            found = rego.compile(modules, entrypoints=[query]).eval(query, question, data)
        else:
            found = rego.compile_query(modules, query).results("eval", question, data)
    except rego.Refused as fault:
        raise _refused(fault, modules) from fault
    except rego.Fault as fault:
        raise BadInput(f"{query} has no answer", f"{fault.code}: {fault.what}", "correct the policy or the input") from fault
    if found is rego.UNDEFINED:
        raise NotFound(f"{query} is undefined", "no rule gives it a value for this input", "flyball policy explain says why")
    click.echo(json.dumps(plain(found), indent=2, sort_keys=True))


def _refused(fault: Refused, sources: Mapping[str, str]) -> BadInput:
    from flyball.backends.policy_native import refused

    return bad(refused(fault.mistakes, sources))


def _sources(paths: tuple[Path, ...]) -> tuple[dict[str, str], dict[str, Any]]:
    """Give the modules and the data below the paths."""
    from flyball import rego
    from flyball.rego.folder import read_document, read_folder

    modules: dict[str, str] = {}
    data: dict[str, Any] = {}
    for path in paths:
        try:
            if path.is_dir():
                held = read_folder(path)
                modules |= held.modules
                data |= held.data
            elif path.suffix == ".rego":
                modules[str(path)] = path.read_text()
            else:
                data |= read_document(path.name, path.read_bytes())
        except rego.Refused as fault:
            raise _refused(fault, modules) from fault
        except (OSError, TypeError, ValueError) as fault:
            why = getattr(fault, "strerror", "") or "it is no folder, no .rego file and no mapping of data"
            raise NotFound(f"{path} cannot be used", why, "name a folder, a .rego file or a YAML or JSON file") from fault
    return modules, data


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
    from flyball.backends.policy_answer import ENTRYPOINT, Asked, Questions
    from flyball.backends.policy_native import world_of

    policies = loaded(folder_of(desk, folder, "policies"), cases=False)
    question = json_file(file) if file else _kept(desk, decision) if decision else _base(policies)
    asked = Questions().check(question)
    if not isinstance(asked, Asked):
        raise BadInput("the question is malformed", asked.reason, "flyball schema PolicyInput")
    trace = policies.engine.explain(ENTRYPOINT, asked.doc, policies.folder.data, world_of(asked))
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
    for asked in trace.rules:
        name = asked.rule.removeprefix("data.")
        if rule and rule not in (name, name.rpartition(".")[2]):
            continue
        for body in asked.bodies:
            if body.fired or rule:
                at = f"{body.place.file}:{body.place.row}"
                yield {"rule": name, "at": at, "came": "fired" if body.fired else "not", "because": _because(body)}


def _because(body: Body) -> str:
    from flyball.rego.trace import brief

    seen = body.values if body.missed else [one for one in body.values if one[1] not in PLUMBING]
    said = [f"{place.row}: {what} {', '.join(json.dumps(brief(one)) for one in values)}" for place, what, values in seen]
    return "; ".join(([body.missed] if body.missed else []) + said)


# ---- coverage


@click.command("coverage", cls=Cmd)
@folder_
@click.option("--least", type=click.FloatRange(0, 100), default=0.0, metavar="PERCENT", help="Fail below this.")
@pass_desk
def coverage(desk: Desk, folder: Path | None, least: float) -> None:
    """List the lines of policies that no case and no test reaches."""
    policies = loaded(folder_of(desk, folder, "policies"), cases=False)
    lines, reached = _reached(policies)
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


def _reached(policies: Loaded) -> tuple[frozenset[tuple[str, int]], frozenset[tuple[str, int]]]:
    """Every line, and those that the cases and the tests reach."""
    from flyball import rego
    from flyball.backends.policy_answer import ENTRYPOINT, Questions
    from flyball.backends.policy_native import CHANGE, world_of
    from flyball.rego import cases, suite
    from flyball.rego.policy import parse

    checks, traces = Questions(), []

    def ask(question: Any, of: str) -> dict[str, Any]:
        asked = checks.check(question)
        if isinstance(asked, tuple):
            traces.append(policies.engine.explain(CHANGE if of else ENTRYPOINT, asked.doc, policies.folder.data, world_of(asked)))
        return {}

    for _ in cases.run(policies.folder.cases, ask):
        pass
    tests = suite.tests_of(parse(policies.folder.modules))
    engine = rego.compile(policies.folder.modules, entrypoints=tests, strict=True) if tests else None
    traces += [engine.explain(name, rego.UNDEFINED, policies.folder.data) for name in tests] if engine else []
    lines = frozenset[tuple[str, int]]().union(*(one.lines for one in traces))
    return lines, frozenset[tuple[str, int]]().union(*(one.reached for one in traces))


def _spans(rows: list[int]) -> str:
    """Give rows as `3, 7-9`."""
    spans: list[list[int]] = []
    for row in rows:
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
