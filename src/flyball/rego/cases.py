"""Cases that a set of policies must answer: an input made from a base, and the answer expected. Called by `backends/policy_*`.

`cases/base.yaml` holds named inputs; each but `base` is merged over `base`. Every other file is a list of
`{name, like, change, expect}`: `change` is merged over the input named by `like`; a key whose value is `DROP` is removed.
`of: change` asks the rules about changes alone, as they are asked about a file.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DROP = "<drop>"
Ask = Callable[[Mapping[str, Any], str], Mapping[str, object]]
"""Gives the answer to a question; the second operand is what the case is `of`, empty where it does not say."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case went. `got` holds what differs from `expected`; both are empty when it passed."""

    name: str
    file: str
    passed: bool
    expected: Mapping[str, object]
    got: Mapping[str, object]


def run(files: Mapping[str, Any], ask: Ask) -> Iterator[CaseResult]:
    """Asks every case of the parsed files, in order. A malformed case is one that fails."""
    named = files.get("cases/base.yaml")
    base = named if isinstance(named, Mapping) else {}
    for file, held in files.items():
        if file == "cases/base.yaml":
            continue
        for place, case in enumerate(held if isinstance(held, list) else [held], 1):
            if _well_formed(case, base):
                yield _run_one(file, case, base, ask)
            else:
                wanted = {"form": "name, like (a name of base.yaml), change, expect"}
                yield CaseResult(f"case {place}", file, passed=False, expected=wanted, got={"form": str(case)[:80]})


def _well_formed(case: Any, base: Mapping[str, Any]) -> bool:
    keys = {"name", "like", "expect"}
    if not isinstance(case, Mapping) or not keys <= case.keys() <= {*keys, "change", "of"}:
        return False
    return case.get("of", "change") == "change" and case["like"] in base and isinstance(case["expect"], Mapping) and bool(case["expect"])


def _run_one(file: str, case: Mapping[str, Any], base: Mapping[str, Any], ask: Ask) -> CaseResult:
    question = merge(merge(base.get("base", {}), base.get(case["like"], {})), case.get("change", {}))
    answer, expect = ask(question, case.get("of", "")), case["expect"]
    wrong = [key for key in expect if key not in answer or answer[key] != expect[key]]
    expected = {key: expect[key] for key in wrong}
    got = {key: answer.get(key) for key in {*wrong, "reason"}} if wrong else {}
    return CaseResult(str(case["name"]), file, passed=not wrong, expected=expected, got=got)


def merge(under: Any, over: Any) -> Any:
    """`over` laid on `under`: mappings are merged key by key, everything else is replaced."""
    if not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return over
    kept = {key: value for key, value in under.items() if over.get(key) != DROP}
    return kept | {key: merge(kept.get(key), value) for key, value in over.items() if value != DROP}
