"""Policies and inputs made by hypothesis: this engine against regopy's own virtual machine. `--rego-differ N` asks for N examples.

Of other examples than those of every day about 1 in 3,000 differs because regopy gives a value that no rule of the policy can give (a slice
of nothing is 1.5, a rule whose every branch is an array is false), always where a body has `with` beside comprehensions or `every`.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isclose
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from flyball.rego import Fault, Refused, compile  # noqa: A004 - it is what people call
from flyball.rego.value import Set, plain, unkey
from rego.maker import HELPERS, Policy, samples
from rego.rival import Rival

EXAMPLES = 400  # of every day, the same ones; more and other ones by --rego-differ
COMPARED = 0.95  # of the policies, at least, have a value or a fault on both sides


INPUT = {"a": {"b": [1, 2]}, "b": [1, 2]}
BASE = {"b": {"a": 2}, "c": [5]}
CONFLICT = "<error>"  # it says no more of several values where only one may be
DIED = "the child died or took too long"


class Known(NamedTuple):
    """Where regopy does not say what OPA says: the maker spells it otherwise for regopy, or never writes it.

    `ours` is the document of a small policy that shows it; `theirs` is what regopy says, where it is a text the start of its fault.
    """

    why: str
    source: str
    ours: dict[str, Any]
    theirs: dict[str, Any] | str


KNOWN = {
    # What it cannot read
    "commas in comprehensions": Known(
        "a comma outside of brackets makes an array or set comprehension an array or set of its parts (rego-cpp, file_to_rego.cc, groups)",
        "r := [v | some k, v in [4]; k == 0]",
        {"r": [4]},
        "Invalid collection",
    ),
    "a set as a line": Known("braces at the start of a line are taken for a query", "r if { {1, 2}; true }", {"r": True}, "Invalid comma"),
    "a set before a line": Known("the same, of one member", "r if {\n  {1}\n  true\n}", {"r": True}, "Syntax error"),
    "a set in a set": Known("nor where they are nested", "r := {{{1, 2}, 3}, 4}", {"r": [4, [3, [1, 2]]]}, "Invalid collection"),
    "lines that go on": Known(
        "OPA: a call has no space before its parenthesis; regopy takes a line that starts with one for the operands of the line before",
        "f(x) if {\n  x\n  (x == 1)\n}",
        {},
        DIED,
    ),
    "parentheses in a head": Known(
        "a term in parentheses is left over after `contains`", "s contains (1 == 2)", {"s": [False]}, "Invalid literal"
    ),
    "keys in a head": Known(
        "of the parts of a head only the last may be a constant that is no text",
        "o[true][true] := 1",
        {"o": {"true": {"true": 1}}},
        "<error>",
    ),
    # What its planner gets wrong
    "trees of rules": Known(
        "rules of constant parts are packages for it, and those no values",
        "o.a := 1\nr if { x = any(o); x }",
        {"o": {"a": 1}, "r": True},
        "<error>",
    ),
    "trees in with": Known(
        "the same, where a document is replaced by them",
        "o.a := 1\nr := x if { x := 1 with input as o }",
        {"o": {"a": 1}, "r": 1},
        DIED,
    ),
    "trees of both sorts": Known(
        "where one head has a variable, all of them are one partial object (planner.go, ruletrie): there are no branches without values",
        "o.a.b := 2 if { false }\no[x].b := 2 if { x := [][_] }",
        {"o": {}},
        {"o": {"a": {}}},
    ),
    "references in with": Known(
        "a reference that stands for a document is not planned", "r := v if { v := input with input as input.a }", {"r": INPUT["a"]}, DIED
    ),
    "references in with, a part": Known(
        "the same, of a part of a document: nothing is replaced",
        "r := v if { v := input with input.b as data.base.b }",
        {"r": INPUT | {"b": {"a": 2}}},
        {"r": INPUT},
    ),
    "operands in comprehensions": Known(
        "a comprehension that unifies loses the operands of the function around it",
        "f(x) := {m | [m] = [x]}\nr := f(1)",
        {"r": [1]},
        {"r": []},
    ),
    "unification in comprehensions": Known(
        "a pattern that is unified in a comprehension with a variable from outside",
        'r if { x := {"a": 1}; {1 | {"a": m} = any(x); [m]} }',
        {"r": True},
        "<error>",
    ),
    "comprehensions in every": Known(
        "a comprehension in the body of `every` loses the variables of that body",
        "r if { every e in [1] { c := [v | v := e]; c == [1] } }",
        {"r": True},
        {},
    ),
    "negations in every": Known(
        "a negated line in the body of `every` is true whatever a variable of that body is",
        "r if { every e in [1] { not e == 1 } }",
        {},
        {"r": True},
    ),
    "comparisons in some": Known(
        "a comparison in the collection that `some` goes through: where it is false, the line is undefined",
        "r if { some v in [3, any(1) == 2]; [v] }",
        {"r": True},
        {},
    ),
    "scanned variables in a head": Known(
        "a comprehension whose head alone has a variable that a scan gave",
        "r := v if { some n in [7]; v := [n | any(2)] }",
        {"r": [7]},
        {"r": []},
    ),
    "scanned keys": Known(
        "a variable that a scan by reference gave, as a key of another reference",
        "r if { some i; v := input.b[i]; input.b[v] }",
        {"r": True},
        DIED,
    ),
    "scanned members": Known(
        "a scan by reference inside of the collection that `some` goes through",
        "r := [[i, v] | some i; some v in [input.b[i]]]",
        {"r": [[0, 1], [1, 2]]},
        {"r": []},
    ),
    "calls under with": Known(
        "a rule that calls a builtin, asked under `with`",
        "s := v if { v := (any(1) == 1) }\nr := v if { v := s with input as 1 }",
        {"r": True, "s": True},
        DIED,
    ),
    "walks under with": Known(
        "the same, of a walk",
        "s if { walk(1, [p, v]); [p, v] }\nr if { s with input as 1 }",
        {"r": True, "s": True},
        DIED,
    ),
    # What a builtin's fault does: OPA makes the line undefined (Policy Language, "Errors")
    "unused variables": Known("a fault is passed over where nobody uses the answer", "r if { v := upper(any(1)) }", {}, {"r": True}),
    "faults in comparisons": Known("a fault compares as a value", "r := count(any(1)) >= 1", {}, {"r": False}),
    "faults in objects": Known("a fault becomes a value of an object", "r := {1: upper(any(2))}", {}, "Not a term"),
    "faults in keyed rules": Known(
        "a fault given twice at a key that is read from a document is a conflict",
        "o[input.b[0]] := intersection(input.b) if { some x in [1, 2]; [x] }",
        {"o": {}},
        CONFLICT,
    ),
    "slices of no array": Known("no fault, where there is nothing to take", "r := array.slice(any(1), 1, 1)", {}, {"r": []}),
    "slices by no number": Known("an error of C++", "r := array.slice([1], any(true), 1)", {}, "stoll"),
    # What it computes otherwise
    "negated operands": Known(
        "OPA computes calls and references inside a negated line before it (compile.go; its issue 8387): undefined, not true",
        "r := 1 if not input.a[true] > input.b",
        {},
        {"r": 1},
    ),
    "order of a scan": Known(
        "OPA goes through sets and objects in the order of their members and keys",
        'r := [v | some v in {"b", "a"}]',
        {"r": ["a", "b"]},
        {"r": ["b", "a"]},
    ),
    "order of a walk": Known(
        "OPA walks into a member before it goes on to the next",
        "r := [v | walk([[1], 2], [_, v])]",
        {"r": [[[1], 2], [1], 1, 2]},
        {"r": [[[1], 2], [1], 2, 1]},
    ),
    "texts as indexes": Known(
        "OPA reads the data by paths of texts (storage), where an index is one too",
        'r := data.base.c["0"]',
        {"r": 5},
        {},
    ),
    "order of types": Known("OPA: null, booleans, numbers, texts, arrays, objects, sets", 'r := 1 < "a"', {"r": True}, {"r": False}),
    "order of types, sorted": Known("the same", 'r := sort([null, "a"])', {"r": [None, "a"]}, {"r": ["a", None]}),
    "order of types, sets": Known("the same: sets stand after arrays", "r := {1} < [1]", {"r": False}, {"r": True}),
    "escapes": Known("it keeps the escapes of texts", 'r := count("\\u0041")', {"r": 1}, {"r": 6}),
    "keys in texts": Known(
        "Go's %v tells a key as the value that it is", 'r := sprintf("%v", [{true: 0}])', {"r": "{true: 0}"}, {"r": '{"true": 0}'}
    ),
    "verbs of other types": Known("Go's fmt tells what does not fit", 'r := sprintf("%d", [any("a")])', {"r": "%!d(string=a)"}, {}),
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
        return type(theirs) is dict and same_object(ours, theirs)
    if kind is float and type(theirs) is float:
        return isclose(ours, theirs, rel_tol=1e-12)  # regopy divides less exactly
    return bool(ours is theirs if kind is bool or type(theirs) is bool else ours == theirs)


def same_object(ours: dict[Any, Any], theirs: dict[str, Any]) -> bool:
    """Of several keys that are the same text in JSON only one is told, any one."""
    found = all(any(is_key(one, name) and same(held, shown) for one, held in ours.items()) for name, shown in theirs.items())
    return found and all(any(is_key(one, name) for name in theirs) for one in ours)


def is_key(ours: Any, name: str) -> bool:
    if type(ours) is str:
        return ours == name
    try:
        return same(unkey(ours), json.loads(name))
    except ValueError:
        return False


@dataclass
class Asked:
    """What came of a number of policies: both gave a value, both a fault, one of them nothing that could be compared."""

    rival: Rival
    outcomes: Counter[str] = field(default_factory=Counter)

    def difference(self, texts: tuple[str, str], given_: Any, base: Any) -> str:
        """How the answers differ; empty where they do not, or where regopy or the type checker gives up."""
        ours, theirs = ask_ours(texts[0], given_, base), self.rival.ask({"made.rego": texts[1]}, "data.test", given_, {"base": base})
        fault = theirs.get("fault")
        if isinstance(ours, Refused):
            wrong = [one for one in ours.mistakes if one.code != "rego_type_error"]  # regopy has no types
            return self.told("refused by the type checker", f"refused: {wrong}" if wrong else "")
        if isinstance(ours, Fault):
            return self.told("two faults", "" if fault else f"{ours.code}, where regopy says {theirs}")
        if fault == CONFLICT:
            return self.told("a conflict of regopy", f"{plain(ours)}, where regopy has a conflict")
        if fault is not None:
            return self.told(f"regopy: {fault[:40]}", "")
        found = theirs["found"]
        return self.told("two values", "" if len(found) == 1 and same(ours, found[0]) else f"{plain(ours)}, where regopy says {found}")

    def told(self, outcome: str, difference: str) -> str:
        self.outcomes[outcome] += 1
        return difference

    def smaller(self, made: Policy, given_: Any, base: Any) -> str:
        """The policy of a difference without the rules that it does not need."""
        for rule in reversed(made.rules[:]):
            place = made.rules.index(rule)
            del made.rules[place]
            if not self.difference((made.text(), made.rival()), given_, base):
                made.rules.insert(place, rule)
        return made.text()

    @property
    def share(self) -> float:
        return (self.outcomes["two values"] + self.outcomes["two faults"]) / self.outcomes.total()


def ask_ours(text: str, given_: Any, base: Any) -> Any:
    try:
        return compile({"made.rego": text}, entrypoints=["test"]).eval("test", given_, {"base": base})
    except (Fault, Refused) as ended:
        return ended


def test_the_answers_are_those_of_regopy(rival: Rival, pytestconfig: pytest.Config) -> None:
    count = pytestconfig.getoption("--rego-differ", EXAMPLES)  # without tests/conftest.py there is no option
    asked, seen, differences = Asked(rival), set[str](), list[str]()

    @settings(
        max_examples=count,
        derandomize=count == EXAMPLES,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(samples())
    def ask(sample: tuple[Policy, Any, Any]) -> None:
        made, given_, base = sample
        text = made.text()
        assume(text not in seen)
        seen.add(text)
        if difference := asked.difference((text, made.rival()), given_, base):
            differences.append(f"{difference}\n{Asked(rival).smaller(made, given_, base)}\nfor regopy:\n{made.rival()}\n{given_}\n{base}")

    ask()
    print(f"{asked.share:.1%} compared:", dict(asked.outcomes))
    assert not differences, "\n\n".join(differences)
    assert asked.outcomes.total() == count
    assert asked.share >= COMPARED, asked.outcomes


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_difference_is_still_one(rival: Rival, name: str) -> None:
    known = KNOWN[name]
    text = f"package test\n\n{HELPERS}\n{known.source}\n"
    assert plain(ask_ours(text, INPUT, BASE)) == known.ours
    theirs = rival.ask({"made.rego": text}, "data.test", INPUT, {"base": BASE})
    if isinstance(known.theirs, str):
        assert theirs.get("fault", "").startswith(known.theirs), theirs
    else:
        assert theirs == {"found": [known.theirs]}


def test_a_difference_is_seen(rival: Rival) -> None:
    asked = Asked(rival)
    known = f"package test\n{KNOWN['negated operands'].source}\n"
    assert "where regopy says" in asked.difference((known, known), INPUT, {})
    equal = 'package test\nr := {1, true, "1"}\n'
    assert not asked.difference((equal, equal), {}, {})
    assert not same([1], [True])
    assert not same(Set([1, 2]), [1, 3])
    assert not same({"a": 1}, {"a": 1, "b": 1})
    assert not same({"a": 1, 2: 1}, {"a": 1})
    assert same({2: 1, "2": 3}, {"2": 3})


def test_a_refused_policy_counts_against_the_share(rival: Rival) -> None:
    asked = Asked(rival)
    asked.difference(("package test\nr := 1 + true\n",) * 2, {}, {})
    asked.difference(("package test\nr := 1\n",) * 2, {}, {})
    assert asked.share == 0.5
    assert "refused" in asked.difference(("package test\nr := x\n",) * 2, {}, {})
