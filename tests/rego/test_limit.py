"""The limits of an evaluation: each ends it with its own words, whatever the policy does, and nothing else ever comes out."""

import contextlib
import json
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball import rego
from flyball.rego import UNDEFINED, Fault, Limits, OverLimit, Refused, compile_plan
from flyball.rego.limit import Meter
from flyball.rego.policy import Policy
from flyball.rego.read import STMTS
from flyball.rego.run import paid
from flyball.rego.value import Set, equal
from rego.oracle import Oracle

BOUND_S = 10.0  # of the wall, on a machine that does other things; the limit itself is a second


def ask(text: str, given: Any = UNDEFINED, limits: Limits | None = None) -> Any:
    return rego.compile({"a.rego": f"package a\n{text}"}, entrypoints=["a/p"], limits=limits or Limits()).eval("a/p", given)


def doubled(result: str, levels: int = 40) -> str:
    """A value of 2^40 members that is written in 40 lines."""
    lines = [f"{name}{at + 1} := [{name}{at}, {name}{at}]" for name in "ab" for at in range(levels)]
    return "\n".join(("a0 := [1]", "b0 := [1]", *lines, f"p := {result.format(f'a{levels}', f'b{levels}')}"))


def chain(step: str, first: str, levels: int = 40) -> str:
    return "\n".join((f"p0 := {first}", *(f"p{at + 1} := {step.format(f'p{at}')}" for at in range(levels)), f"p := p{levels}"))


CROSS = "p := count([1 | some a in numbers.range(1, 1000); some b in numbers.range(1, 1000); some c in numbers.range(1, 1000)])"
CALLS = "\n".join(("f0(x) := x", *(f"f{at + 1}(x) := f{at}(x) + f{at}(x)" for at in range(40)), "p := f40(1)"))
WITHS = "\n".join(
    (
        "f0 := input.x",
        *(
            f"f{at + 1} := x if {{ a := f{at} with input.x as {at}; b := f{at} with input.x as {at + 100}; x := a + b }}"
            for at in range(30)
        ),
        "p := f30",
    )
)


@pytest.mark.parametrize(
    "text",
    [
        CROSS,
        CALLS,
        WITHS,
        *(
            doubled(one)
            for one in (
                "{{{0}}}",
                "{0} == {1}",
                "{0} < {1}",
                "{0} in {{1, 2}}",
                "json.marshal({0})",
                "yaml.marshal({0})",
                'sprintf("%v", [{0}])',
                '$"{{{0}}}"',
                "count([1 | walk({0})])",
                "{{{0}: 1}}",
                "max([{0}, {1}])",
                'object.subset({{"a": {0}}}, {{"a": {1}}})',
            )
        ),
    ],
)
def test_what_would_take_for_ever_is_ended(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(OverLimit, match=r"took (more than .* steps|longer than .* ms)"):
        ask(text, limits=Limits(wall_ms=300))
    assert time.monotonic() - began < BOUND_S


def test_the_steps_are_counted_and_named() -> None:
    text = "p := count([1 | some x in input])"
    assert ask(text, [0] * 1_000, Limits(steps=1_000)) == 1_000
    with pytest.raises(OverLimit, match="more than 1000 steps"):
        ask(text, [0] * 1_001, Limits(steps=1_000))


def test_a_rule_that_asks_little_costs_no_steps() -> None:
    assert ask("p if { input.a == 1; q }\nq if input.b", {"a": 1, "b": 2}, Limits(steps=0)) is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (doubled("{0}"), "more than 1000000 members"),
        (chain('concat("", [{0}, {0}])', '"xxxxxxxx"'), "characters"),
        (chain("array.concat({0}, {0})", "[1]"), "numbers|members|steps|ms"),
        (chain("{0} * {0}", "3"), "bits"),
        ("p := bits.lsh(1, 100000000)", "bits"),
        ("p := numbers.range(1, 1000000000)", "numbers"),
        ("p := [x | some x in numbers.range(1, 100000)]", "more than 1000 members"),
        ('p := sprintf("%1000000000d", [1])', ""),
    ],
)
def test_what_would_be_too_large_is_ended(text: str, words: str) -> None:
    limits = Limits(size=1_000) if "1000 members" in words else Limits()
    if not words:
        assert len(ask(text)) < 1_000
        return
    with pytest.raises(OverLimit, match=words):
        ask(text, limits=limits)


@pytest.mark.parametrize(("value", "steps"), [("x" * 640, 10), ([1] * 7, 7), ({"a": 1}, 1), (Set([1, 2]), 2), (5, 0), (None, 0)])
def test_what_a_builtin_gives_is_paid_for(value: Any, steps: int) -> None:
    meter = Meter(Limits())
    before = meter.left
    assert paid(meter, value) is value
    assert before - meter.left == steps


def deep(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    "text", ["p if input == [input]", "p := {input}", "p := input", "p := json.marshal(input)", 'p := sprintf("%v", [input])']
)
def test_what_is_nested_too_deeply_is_ended(text: str) -> None:
    with pytest.raises(OverLimit, match=r"nested|too deep"):
        ask(text.replace("input ==", "input[0] =="), deep(5_000))


def test_a_deep_result_is_ended_by_the_limit() -> None:
    assert ask("p := input", deep(20), Limits(depth=20)) == deep(20)
    with pytest.raises(OverLimit, match="nested more than 20 deep"):
        ask("p := input", deep(21), Limits(depth=20))


def test_an_evaluation_within_limits_leaves_no_trace_in_the_next() -> None:
    policy = rego.compile({"a.rego": "package a\np := count([1 | some x in numbers.range(1, 900)])"}, limits=Limits(steps=2_000))
    assert [policy.eval("a/p") for _ in range(5)] == [900] * 5


# ---- fuzz: whatever is handed in, only the documented errors come out

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)
DOCUMENTS = [{"type": "local", "value": 0}, {"type": "local", "value": 1}]
CALLS_TO = {"f0": 2, "f1": 3, "count": 1, "plus": 2, "gt": 2, "array.concat": 2, "internal.member_2": 2, "sprintf": 2, "walk": 1}
CALLS_TO |= {"object.union": 2, "json.marshal": 1}
SCALARS = ("source", "a", "b", "value", "key")  # fields that are an operand in most statements, a bare local in these:
BARE = {"IsDefinedStmt", "IsUndefinedStmt", "ReturnLocalStmt", "ScanStmt", "ObjectMergeStmt", "ResultSetAddStmt"}


class Planner:
    """Makes a plan by chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.kinds = sorted(set(STMTS) - {"ResultSetAddStmt"})

    def operand(self) -> Any:
        pick = self.chance.randrange(6)
        if pick > 1:
            return {"type": "local", "value": self.chance.randrange(8)}
        return (
            {"type": "string_index", "value": self.chance.randrange(4)} if pick else {"type": "bool", "value": self.chance.random() < 0.5}
        )

    def stmt(self, depth: int) -> Any:
        kind = self.chance.choice(self.kinds)
        fields = {name: self.chance.randrange(2, 8) for name in ("target", "local", "array", "object", "set", "result")}
        fields |= {name: self.chance.randrange(8) if kind in BARE else self.operand() for name in SCALARS}
        if kind == "ScanStmt":
            fields |= {"key": self.chance.randrange(2, 8), "value": self.chance.randrange(2, 8)}
        if kind in {"AssignIntStmt", "MakeNumberIntStmt"}:
            fields["value"] = self.chance.randrange(-5, 5)
        fields |= {
            "index": self.chance.randrange(depth + 1),
            "Index": 4,
            "row": 1,
            "path": [self.chance.randrange(4)] * self.chance.randrange(2),
        }
        if kind in {"ScanStmt", "NotStmt", "WithStmt"}:
            fields |= {"block": self.block(depth + 1), "local": self.chance.randrange(2) if kind == "WithStmt" else 2}
        if kind == "BlockStmt":
            fields["blocks"] = [self.block(depth + 1) for _ in range(self.chance.randrange(3))]
        if kind == "CallStmt":
            func = self.chance.choice(sorted(CALLS_TO))
            operands = [self.operand() for _ in range(3)]
            fields |= {"func": func, "args": ([*DOCUMENTS, *operands] if func in {"f0", "f1"} else operands)[: CALLS_TO[func]]}
        if kind == "CallDynamicStmt":
            fields |= {"path": [self.operand()], "args": [0, 1]}
        return {"type": kind, "stmt": fields}

    def block(self, depth: int) -> Any:
        most = max(0, 7 - 2 * depth)
        return {"stmts": [self.stmt(depth) for _ in range(self.chance.randrange(most + 1))]}

    def plan(self) -> Any:
        funcs = [
            {"name": f"f{at}", "params": [0, 1, 2][: 2 + at], "return": 2, "path": [f"f{at}"], "blocks": [self.block(0) for _ in range(2)]}
            for at in range(2)
        ]
        strings = [{"value": one} for one in ("a", "f0", "", "x", "7")]
        self.kinds = sorted(STMTS)  # only a plan has results
        entry = {"name": "p", "blocks": [self.block(0) for _ in range(2)]}
        return {"static": {"strings": strings}, "funcs": {"funcs": funcs}, "plans": {"plans": [entry]}}


def read_plainly(policy: Policy, given: Any, data: Any) -> Any:
    """What the plan says, read word by word; the code of the fault where it ends in one."""
    try:
        return Oracle(policy.program).results("p", given, data)
    except Fault as fault:
        return fault.code


@given(st.integers(0, 1 << 40), JSON, st.dictionaries(st.sampled_from(["a", "f0", "x"]), JSON, max_size=3))
@settings(max_examples=300, deadline=None)
def test_any_plan_gives_an_answer_or_a_documented_error(seed: int, given: Any, data: Any) -> None:
    before = json.dumps([given, data])
    try:
        policy = compile_plan(Planner(seed).plan(), limits=Limits(steps=20_000, wall_ms=2_000))
    except Refused:
        return
    answer: Any = None
    fault = ""
    try:
        answer = policy.results("p", given, data)
    except Fault as ended:
        fault = f"{ended.code}: {ended}"
    if "limit" not in fault:
        assert equal(read_plainly(policy, given, data), answer if answer is not None else fault.split(":")[0])
    told = policy.explain("p", given, data)
    assert json.dumps([given, data]) == before
    assert told.fault == fault
    if answer and type(answer[0]) is dict:
        assert equal(told.result, answer[0].get("result", UNDEFINED)) or told.result is UNDEFINED


@given(JSON | st.binary(max_size=20))
@settings(max_examples=200, deadline=None)
def test_what_is_no_plan_is_refused(plan: Any) -> None:
    with contextlib.suppress(Refused):  # nothing else
        compile_plan(plan)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (b"{", "no JSON"),
        ([], "no object"),
        ({"funcs": 1}, "funcs is no object"),
        (
            {"plans": {"plans": [{"name": "p", "blocks": [{"stmts": [{"type": "Evil", "stmt": {}}]}]}]}},
            "no statement that this version knows",
        ),
        ({"plans": {"plans": [{"name": "p"}, {"name": "p"}]}}, "the same name"),
        ({"funcs": {"funcs": [{"name": "f", "params": [0], "return": 2}]}}, "input, data"),
    ],
)
def test_a_malformed_plan_is_refused_in_words(plan: Any, words: str) -> None:
    with pytest.raises(Refused, match=words):
        compile_plan(plan)


def one(kind: str, **fields: Any) -> Any:
    return {"plans": {"plans": [{"name": "p", "blocks": [{"stmts": [{"type": kind, "stmt": fields}]}]}]}}


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (one("BreakStmt", index=1), "index is no whole number below 1"),
        (one("MakeArrayStmt", target=1), "target is input or data"),
        (one("MakeArrayStmt", target=-1), "target"),
        (one("MakeArrayStmt", target=True), "target"),
        (one("CallStmt", func="http.send", args=[DOCUMENTS[0]], result=2), "http.send is not available here"),
        (one("CallStmt", func="nothing", args=[], result=2), "no function nothing"),
        (one("CallStmt", func="count", args=[], result=2), "takes 1 operands and is given 0"),
        (one("DotStmt", source={"type": "string_index", "value": 3}, key=DOCUMENTS[0], target=2), "source is no whole number below 0"),
        (one("WithStmt", local=2, path=[], value=DOCUMENTS[0], block={"stmts": []}), "local is no whole number below 2"),
    ],
)
def test_every_index_and_operand_of_a_plan_is_checked(plan: Any, words: str) -> None:
    with pytest.raises(Refused, match=words):
        compile_plan(plan)


def test_a_plan_that_calls_itself_is_refused() -> None:
    def func(name: str, callee: str) -> Any:
        called = {"type": "CallStmt", "stmt": {"func": callee, "args": DOCUMENTS, "result": 3}}
        return {"name": name, "params": [0, 1], "return": 2, "blocks": [{"stmts": [called]}]}

    with pytest.raises(Refused, match=r"rego_recursion_error: . calls itself"):
        compile_plan({"funcs": {"funcs": [func("a", "b"), func("b", "c"), func("c", "b")]}})
