"""OPA's own compliance suite, from source: parsed, checked, planned and run here. The vectors are not part of this repository."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from flyball.rego import World
from flyball.rego.error import Fault, Refused
from flyball.rego.front import parse_body
from flyball.rego.planner.term import ground
from flyball.rego.policy import compile_query
from flyball.rego.value import UNDEFINED, Set, equal, ordered, plain

HERE = [folder / "shared" / "conformance" / "rego" / "cases.jsonl.gz" for folder in Path(__file__).resolve().parents[3:]]
VECTORS = next((path for path in HERE if path.exists()), HERE[0])
NOW = World(now_ns=1_750_000_000_000_000_000, seed=1)

# What this engine refuses on purpose: name of the case -> what its refusal says.
REFUSED = {
    "invalidkeyerror/missing keys": "unsafe built-in function calls in expression: http.send",
    "net.lookup_ip_addr/simple ip4 returns that ip4": "unsafe built-in function calls in expression: net.lookup_ip_addr",
    "net.lookup_ip_addr/simple ip6 returns that ip6": "unsafe built-in function calls in expression: net.lookup_ip_addr",
    "net.lookup_ip_addr/localhost": "unsafe built-in function calls in expression: net.lookup_ip_addr",
    "regoparsemodule/ok": "undefined function rego.parse_module",  # it gives OPA's own syntax tree
    "regoparsemodule/error": "undefined function rego.parse_module",
    "time/time caching": "undefined function test.sleep",  # a builtin of OPA's own tests
}


def cases() -> list[dict[str, Any]]:
    if not VECTORS.exists():
        return []
    with gzip.open(VECTORS, "rt") as lines:
        return [json.loads(line) for line in lines]


def given(case: dict[str, Any]) -> Any:
    return ground(parse_body("input", case["input_term"])[0].what) if "input_term" in case else case.get("input", UNDEFINED)


def ask(case: dict[str, Any]) -> list[Any]:
    modules = {f"{place}.rego": text for place, text in enumerate(case.get("modules") or [])}
    policy = compile_query(modules, case["query"], strict=bool(case.get("strict_error")))
    world = World(NOW.now_ns, NOW.seed)
    return [plain(one) for one in policy.results("eval", given(case), case.get("data") or {}, world)]


def arranged(case: dict[str, Any], results: Any) -> list[Any]:
    """Results in an order that does not matter; arrays inside too where the case says so."""
    return ordered(map(_sorted, results) if case.get("sort_bindings") else results)


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        return ordered(map(_sorted, value))
    return {name: _sorted(held) for name, held in value.items()} if isinstance(value, dict) else value


@pytest.mark.skipif(not VECTORS.exists(), reason="the vectors are handed over beside the repository")
@pytest.mark.parametrize("case", cases(), ids=lambda case: case["note"])
def test_case(case: dict[str, Any]) -> None:
    if case["note"] in REFUSED:
        with pytest.raises(Refused, match=REFUSED[case["note"]]):
            ask(case)
        return
    if case.get("want_error_code") or case.get("want_error"):
        with pytest.raises(Fault) as fault:
            ask(case)
        assert fault.value.code == case.get("want_error_code", fault.value.code)
        return
    got, want = arranged(case, ask(case)), arranged(case, case["want_result"])
    assert equal(got, want), (got, want)


def test_sets_do_not_equal_arrays() -> None:
    """The comparison above would hide nothing: values are plain JSON before they are compared."""
    assert not equal(Set([1]), [1])
    assert equal(plain(Set([1])), [1])
