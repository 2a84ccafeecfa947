"""Policies and inputs made by hypothesis: this engine against regopy's own virtual machine. `--rego-differ N` asks for N examples."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

from flyball.rego import Fault, Refused, compile  # noqa: A004 - it is what people call
from flyball.rego.value import Set, plain
from rego.maker import OBJECTS, Policy, policies
from rego.rival import Rival

EXAMPLES = 30  # of every day, the same ones; more and other ones by --rego-differ

# Where regopy does not say what OPA says. What the maker never writes stands with its reason; what it writes is excused by `EXCUSED`.
AVOIDED = {
    "negated operands": "OPA computes calls and references inside a negated line before it (compile.go, expandExpr): undefined, not true",
    "every over a scalar": "OPA: undefined; regopy fails, or loses what stands after it",
    "order of types": "OPA: sets stand after objects; for regopy before arrays",
    "unused variables": "OPA: a builtin that fails makes its line undefined; regopy passes over one whose answer nobody uses",
    "escapes": "regopy keeps the escapes of texts",
}
# What regopy says instead of an answer, where it gives up on policies that OPA takes.
EXCUSED = {
    "Invalid collection": "a scan of what is no collection, in some plans only",
    "the child died or took too long": "it crashes",
    "<error>": "it gives no reason",
    "Invalid literal": "a value that its own planner made",
    "Invalid comma": "a set that is a line of its own",
    "Syntax error": "a layout that OPA's parser takes",
    "Function not found: input": "it forgets what `input` is where a rule's name is also a function's",
}


@pytest.fixture(scope="module")
def rival() -> Iterator[Rival]:
    pytest.importorskip("regopy")
    found = Rival()
    yield found
    found.close()


def same(ours: Any, theirs: Any) -> bool:
    """Whether a value is the one that JSON shows: sets are arrays in any order, keys are text."""
    kind = type(ours)
    if kind is Set:
        return type(theirs) is list and len(theirs) == len(ours) and all(any(same(one, other) for other in theirs) for one in ours)
    if kind is list:
        return type(theirs) is list and len(theirs) == len(ours) and all(map(same, ours, theirs))
    if kind is dict:
        text = {name if type(name) is str else plain({name: 0}).popitem()[0]: held for name, held in ours.items()}
        return type(theirs) is dict and text.keys() == theirs.keys() and all(same(held, theirs[name]) for name, held in text.items())
    return bool(ours is theirs if kind is bool or type(theirs) is bool else ours == theirs)


def differs(rival: Rival, text: str, documents: tuple[Any, Any]) -> str:
    """How the answers differ; empty where they do not, or where one of the two gives none for a reason that is known."""
    given_, base = documents
    try:
        policy = compile({"made.rego": text}, entrypoints=["test"])
    except Refused as refused:
        wrong = [one for one in refused.mistakes if one.code != "rego_type_error"]  # regopy has no types
        return f"refused: {wrong}" if wrong else ""
    theirs = rival.ask({"made.rego": text}, "data.test", given_, {"base": base})
    fault = str(theirs.get("fault", ""))
    try:
        ours = policy.eval("test", given_, {"base": base})
    except Fault as ended:
        return "" if fault else f"{ended.code}, where regopy says {theirs}"
    if fault:
        return "" if any(fault.startswith(one) for one in EXCUSED) else f"{plain(ours)}, where regopy fails: {fault}"
    return "" if len(theirs["found"]) == 1 and same(ours, theirs["found"][0]) else f"{plain(ours)}, where regopy says {theirs['found']}"


def test_the_answers_are_those_of_regopy(rival: Rival, pytestconfig: pytest.Config) -> None:
    count = pytestconfig.getoption("--rego-differ", EXAMPLES)  # without tests/conftest.py there is no option

    @settings(
        max_examples=count,
        derandomize=count == EXAMPLES,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(policies(), OBJECTS, OBJECTS)
    def ask(made: Policy, given_: Any, base: Any) -> None:
        note(made.text())
        assert not differs(rival, made.text(), (given_, base))

    ask()


def test_a_difference_is_seen(rival: Rival) -> None:
    known = "package test\nr := 1 if not input.a[true] > input.b\n"  # `negated operands`
    assert "where regopy says" in differs(rival, known, ({}, {}))
    assert not differs(rival, 'package test\nr := {1, true, "1"}\n', ({}, {}))
    assert not same([1], [True])
    assert not same(Set([1, 2]), [1, 3])
