"""OPA's v1 compliance suite as the judge of this engine: from source, and from OPA's own plans. Used by tests and `tools/conformance`.

The cases are not part of this repository: the archive is looked for in `shared/conformance/rego/` beside it (JSON lines: modules, data,
input, query, OPA's plan, what is wanted).
"""

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from flyball.rego import UNDEFINED, Fault, Policy, Refused, World, compile_plan, compile_query
from flyball.rego.builtin import REFUSED
from flyball.rego.front import parse_body
from flyball.rego.pack import packed, unpacked
from flyball.rego.piece import Builder, cut
from flyball.rego.planner.term import ground
from flyball.rego.value import equal, ordered, plain

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "rego.md"
START, END = "<!-- conformance -->\n", "<!-- /conformance -->\n"
WHERE = Path("shared", "conformance", "rego", "cases.jsonl.gz")
Case = dict[str, Any]
PASSED = "passed"
NOT_APPLICABLE = "not applicable"


def find_archive() -> Path | None:
    return next((up / WHERE for up in Path(__file__).resolve().parents if (up / WHERE).is_file()), None)


def read_cases(archive: Path) -> Iterator[Case]:
    with gzip.open(archive, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def from_plan(case: Case) -> Policy:
    return compile_plan(case["plan"], strict=bool(case.get("strict_error")))


def from_source(case: Case) -> Policy:
    modules = {f"module-{number}.rego": text for number, text in enumerate(case.get("modules", ()))}
    return compile_query(modules, case["query"], strict=bool(case.get("strict_error")))


def from_code(case: Case) -> Policy:
    """From source, handed over as another process would get it."""
    made = from_source(case)
    builder = Builder()
    for piece in cut(packed(made)):
        builder.take(piece)
    *_, policy = unpacked(builder.whole(), made.limits)
    assert policy is not None
    return policy


HOW = {"source": from_source, "plan": from_plan, "code": from_code}


def judge(case: Case, how: str) -> str:
    """`passed`, `not applicable`, or what was given instead of what was wanted."""
    try:
        policy = HOW[how](case)
    except Refused as refused:
        return NOT_APPLICABLE if any(name in str(refused) for name in (*REFUSED, "test.sleep")) else f"refused: {refused}"
    given = ground(parse_body("input", case["input_term"])[0].what) if "input_term" in case else case.get("input", UNDEFINED)
    try:
        found = plain(policy.results("eval", given, case.get("data") or {}, World(now_ns=time.time_ns())))
    except Fault as fault:
        wanted = case.get("want_error_code") or (fault.code if case.get("want_error") else "")
        return PASSED if fault.code == wanted else f"{fault.code}: {fault}"
    if case.get("want_error_code") or case.get("want_error"):
        return f"{found} and no error"
    return PASSED if equal(_comparable(found, case), _comparable(case["want_plan_result"], case)) else f"{found}"


def _comparable(bindings: list[Any], case: Case) -> list[Any]:
    """The answers in order; their own members too, where the case says that their order does not matter."""
    if case.get("sort_bindings"):
        bindings = [{name: ordered(held) if isinstance(held, list) else held for name, held in one.items()} for one in bindings]
    return ordered(bindings)


@cache
def judged(how: str) -> dict[str, list[str]]:
    """Every case by its file and number: category, name, verdict. In a process of its own: this one may have loaded other extensions."""
    root = Path(__file__).resolve().parents[2]
    env = os.environ | {"PYTHONPATH": os.pathsep.join((str(root / "src"), str(root / "tests")))}
    ran = subprocess.run([sys.executable, "-m", "rego.suite", how], capture_output=True, text=True, env=env, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found


def table() -> str:
    """A page's table: category, cases, passed from source, passed from plans, not applicable."""
    rows: dict[str, list[int]] = {}
    for source, plan in zip(judged("source").values(), judged("plan").values(), strict=True):
        row = rows.setdefault(source[0], [0, 0, 0, 0])
        counted = (True, source[-1] == PASSED, plan[-1] == PASSED, plan[-1] == NOT_APPLICABLE)
        row[:] = [one + more for one, more in zip(row, counted, strict=True)]
    rows = {**dict(sorted(rows.items())), "**all**": [sum(column) for column in zip(*rows.values(), strict=True)]}
    lines = ["| category | cases | from source | from OPA's plans | not applicable |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(map(str, row))} |" for name, row in rows.items())])


def paged(page: str, made: str) -> str:
    """The page with this table in it."""
    before, _, rest = page.partition(START)
    return f"{before}{START}{made}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    archive = find_archive()
    assert archive is not None, "OPA's cases are not there"
    print(json.dumps({case["source"]: [case["category"], case["note"], judge(case, sys.argv[1])] for case in read_cases(archive)}))
