"""What commands do with policies beyond asking them: tests of rules, free queries, reasons, coverage. Called by `faces/cli`.

It stands here because nothing but `backends/policy_*` knows the engine.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from flyball import rego
from flyball.backends import bundle
from flyball.backends.policy_answer import ENTRYPOINT, Asked, Questions
from flyball.backends.policy_native import CHANGE, Loaded, refused, world_of
from flyball.errors import BadInput, NotFound
from flyball.rego import Fault, Refused, cases, suite
from flyball.rego.folder import Folder, read_document, read_folder, without_nulls
from flyball.rego.policy import parse
from flyball.rego.suite import Result
from flyball.rego.trace import Body, Trace, brief
from flyball.rego.value import plain

# Statements whose values say little where a body fired.
PLUMBING: Final = frozenset({".", "!=", "assign", "assignonce", "arrayappend", "each", "objectinsert", "setadd"})
Lines = frozenset[tuple[str, int]]
BUNDLE: Final = ".tar.gz"


def rule_results(held: Folder) -> list[Result]:
    """Runs every `test_*` rule of a set, with the errors of builtins as the door has them."""
    tests = suite.tests_of(parse(held.modules))
    if not tests:
        return []
    return list(suite.run(rego.compile(held.modules, entrypoints=tests, strict=True), tests, held.data))


def sources(paths: Iterable[Path]) -> tuple[dict[str, str], dict[str, Any], bytes]:
    """The modules and the data below folders, bundles, `.rego` files and files of data; the plan where one of them is a bundle with one.

    Raises:
        PolicyError, BadInput, NotFound: what is wrong with which.
    """
    modules: dict[str, str] = {}
    data: dict[str, Any] = {}
    plan = b""
    for path in paths:
        try:
            if path.is_dir():
                held = read_folder(path)
                modules |= held.modules
                data |= held.data
            elif path.name.endswith(BUNDLE):
                packed = bundle.read(path.read_bytes())
                modules |= packed.modules
                data |= packed.data
                plan = packed.plan or plan
            elif path.suffix == ".rego":
                modules[str(path)] = path.read_text()
            else:
                data |= read_document(path.name, path.read_bytes())
        except Refused as fault:
            raise refused(fault.mistakes, modules) from fault
        except (OSError, TypeError, ValueError) as fault:
            why = getattr(fault, "strerror", "") or "it is no folder, no .rego file and no mapping of data"
            raise NotFound(f"{path} cannot be used", why, "name a folder, a .rego file, a bundle or a YAML or JSON file") from fault
    return modules, data, plan


def evaluate(query: str, paths: Iterable[Path], given: dict[str, Any], *, whole: bool) -> Any:
    """The value of a path (`whole`), or every answer of a query as an object of its variables. `given` may hold `input`.

    A plan is asked for its entrypoints and nothing else; the modules beside it do not count.

    Raises:
        PolicyError: the policies or the query have mistakes.
        NotFound: the path is undefined, or a file cannot be used.
        BadInput: the evaluation has no answer.
    """
    modules, data, plan = sources(paths)
    question = given.get("input", rego.UNDEFINED)
    try:
        if plan:
            found = _planned(plan, query).eval(query, question, data)
        elif whole:
            found = rego.compile(modules, entrypoints=[query]).eval(query, question, data)
        else:
            found = rego.compile_query(modules, query).results("eval", question, data)
    except Refused as fault:
        raise refused(fault.mistakes, {**modules, "query": query}) from fault
    except Fault as fault:
        raise BadInput(f"{query} has no answer", f"{fault.code}: {fault.what}", "correct the policy or the input") from fault
    if found is rego.UNDEFINED:
        raise NotFound(f"{query} is undefined", "no rule gives it a value for this input", "look at its rules with --input and other paths")
    return plain(found)


def _planned(plan: bytes, query: str) -> rego.Policy:
    made = rego.compile_plan(plan)
    if query.removeprefix("data.").replace(".", "/") not in made.entrypoints:
        known = ", ".join(f"data.{name.replace('/', '.')}" for name in made.entrypoints) or "none"
        raise NotFound(f"the plan has no entrypoint {query}", f"it has {known}", "ask one of them, or build the plan with this one: -e")
    return made


def explain(loaded: Loaded, question: Any) -> Trace:
    """One decision with its reasons. Raises BadInput for a question that is none."""
    asked = Questions().check(question)
    if not isinstance(asked, Asked):
        raise BadInput("the question is malformed", asked.reason, "flyball schema PolicyInput")
    return loaded.engine.explain(ENTRYPOINT, asked.doc, loaded.folder.data, world_of(asked))


def because(body: Body) -> Iterator[str]:
    """What a body came to, statement by statement."""
    if body.missed:
        yield body.missed
    for place, what, values in body.values:
        if body.missed or what not in PLUMBING:
            yield f"{place.row}: {what} {', '.join(json.dumps(brief(one)) for one in values)}"


def coverage(loaded: Loaded) -> tuple[Lines, Lines]:
    """Every line of a set that can be reached, and those that its cases and tests reach."""
    checks, traces = Questions(), []

    def ask(question: Any, of: str) -> dict[str, Any]:
        asked = checks.check(question)
        if isinstance(asked, Asked):
            traces.append(loaded.engine.explain(CHANGE if of else ENTRYPOINT, asked.doc, loaded.folder.data, world_of(asked)))
        return {}

    for _ in cases.run(loaded.folder.cases, ask):
        pass
    tests = suite.tests_of(parse(loaded.folder.modules))
    engine = rego.compile(loaded.folder.modules, entrypoints=tests, strict=True) if tests else None
    traces += [engine.explain(name, rego.UNDEFINED, loaded.folder.data) for name in tests] if engine else []
    return Lines().union(*(one.lines for one in traces)), Lines().union(*(one.reached for one in traces))


def document(name: str, raw: bytes) -> Any:
    """A file of YAML as plain values without nulls. Raises PolicyError."""
    try:
        return read_document(name, raw)
    except Refused as fault:
        raise refused(fault.mistakes, {}) from fault


__all__ = ["because", "coverage", "document", "evaluate", "explain", "rule_results", "sources", "without_nulls"]
