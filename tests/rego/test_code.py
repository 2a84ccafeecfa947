"""From plan to Python: what generated code must keep whatever the plan looks like, and that no text of a policy becomes code."""

import ast
import builtins
import contextlib
import gc
import json
import threading
import weakref
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flyball import rego
from flyball.rego import UNDEFINED, Limits, OverLimit, RegoError, World, code, compile_plan, compile_query, ir
from flyball.rego.code import nest
from flyball.rego.policy import Policy
from flyball.rego.value import Set, equal, plain

MODULE = "a.rego"


def ask(text: str, given: Any = UNDEFINED, data: Any = None, *, rule: str = "p", strict: bool = False) -> Any:
    policy = rego.compile({MODULE: f"package a\n{text}"}, entrypoints=[f"a/{rule}"], strict=strict)
    found = policy.eval(f"a/{rule}", given, data or {})
    assert equal(found, policy.explain(f"a/{rule}", given, data or {}).result) or found is UNDEFINED
    return found


# ---- what Python's own limits must not show


@pytest.mark.parametrize("loops", [14, 15, 16, 21, 45])
def test_any_number_of_loops_stands_in_each_other(loops: int) -> None:
    body = "\n".join(f"  some x{number} in input.n{number}" for number in range(loops))
    given = {f"n{number}": [0, number] if number < 3 else [number] for number in range(loops)}
    pair = f"[x0, x1, x{loops - 1}]"
    assert plain(ask(f"p contains {pair} if {{\n{body}\n}}", given)) == [[a, b, loops - 1] for a in (0,) for b in (0, 1)]
    assert ask(f"p if {{\n{body}\n  x1 == 1\n  x{loops - 1} == {loops - 1}\n}}", given) is True
    assert ask(f"p := [x{loops - 1} |\n{body}\n]", given) == [loops - 1] * 4 * 2 if loops > 3 else True
    assert ask(f"p if {{\n{body}\n  x1 == 2\n}}", given) is UNDEFINED


@pytest.mark.parametrize("count", [29, 30, 31, 65, 300])
def test_any_number_of_conditions_holds_together(count: int) -> None:
    body = "\n".join(f"  input.a{number} == {number}" for number in range(count))
    given = {f"a{number}": number for number in range(count)}
    text = f"default p := false\np if {{\n{body}\n}}"
    assert ask(text, given) is True
    assert ask(text, given | {f"a{count - 1}": -1}) is False
    assert ask(text, given | {"a0": -1}) is False
    assert ask(f"p contains x if {{\n some x in [1, 2]\n{body}\n x > 1\n}}", given) == Set([2])


def test_negation_and_with_stand_where_a_function_goes_on_within() -> None:
    many = "\n".join(f"  input.a{number} == {number}" for number in range(40))
    given = {f"a{number}": number for number in range(40)}
    text = f"q := input.x\np := y if {{\n{many}\n  not input.none\n  y := q with input.x as 5\n{many}\n}}"
    assert ask(text, given) == 5
    assert ask(text, given | {"none": 1}) is UNDEFINED


def test_hundreds_of_bodies() -> None:
    text = "\n".join(f"p contains {number} if input.a{number}" for number in range(700))
    assert ask(text, {"a3": 1, "a699": True, "a5": False}) == Set([3, 699])


def test_a_chain_of_rules_deeper_than_pythons_stack_is_a_limit_and_no_crash() -> None:
    text = "\n".join(f"p{number} := p{number + 1}" for number in range(1_500))
    with pytest.raises(OverLimit, match="nested too deeply"):
        ask(f"{text}\np1500 := 1", rule="p0")


# ---- plans by hand: every way that blocks can be left


def place(stmts: tuple[ir.Stmt, ...]) -> Any:
    """What a function of these statements leaves in local 2."""
    func = ir.Func("f", (0, 1), 2, (stmts, (ir.ReturnLocal(2),)), ("f",))
    plan = ir.Plan("p", ((ir.Call("f", (0, 1), 2), ir.MakeObject(3), ir.ObjectInsert(3, ir.Const("result"), 2), ir.ResultAdd(3)),))
    policies = Policy(ir.Program((plan,), (func,)), "", strict=False, limits=Limits())
    found = policies.eval("p", {"xs": [1, 2, 3]})
    assert equal(found, policies.explain("p", {"xs": [1, 2, 3]}).result) or found is UNDEFINED
    return found


def put(text: str) -> ir.Stmt:
    return ir.Assign(ir.Const(text), 2)


FAIL = ir.Equal(ir.Const(1), ir.Const(2))
XS = ir.Dot(0, ir.Const("xs"), 4)


@pytest.mark.parametrize(
    ("stmts", "wanted"),
    [
        ((put("a"), ir.Break(0), put("b")), "a"),
        ((put("a"), FAIL, put("b")), "a"),
        ((ir.Blocks(((put("a"), ir.Break(0)), (put("b"),))),), "b"),
        ((ir.Blocks(((put("a"), ir.Break(1)), (put("b"),))), put("c")), "a"),
        ((ir.Blocks(((FAIL, ir.Break(1)), (put("b"),))), put("c")), "c"),
        ((ir.Blocks(((ir.Blocks(((FAIL, ir.Break(1)), (put("x"), ir.Break(2)))), put("y")),)), put("z")), "x"),
        ((ir.Blocks(((ir.Blocks(((FAIL, ir.Break(1)), (put("x"), ir.Break(1)))), put("y")),)), put("z")), "z"),
        ((ir.Blocks(((ir.Blocks(((ir.Break(1),), (put("x"),))), put("y")), (ir.IsUndefined(2), put("w")))),), "w"),
        ((put("a"), ir.Not((put("b"),)), put("c")), "b"),
        ((put("a"), ir.Not((FAIL,)), put("c")), "c"),
        ((put("a"), ir.Not((ir.Break(0),)), put("c")), "c"),
        ((put("a"), ir.Not((ir.Break(1),)), put("c")), "a"),
        ((put("a"), ir.Blocks(((ir.Not((ir.Break(2),)), put("b")), (put("d"),))), put("c")), "a"),
        ((XS, ir.Scan(4, 5, 6, (ir.Assign(6, 2),))), 3),
        ((XS, ir.Scan(4, 5, 6, (ir.Assign(6, 2), ir.Break(1))), put("c")), 1),
        ((XS, ir.Scan(4, 5, 6, (ir.Equal(6, ir.Const(2)), ir.Assign(6, 2), ir.Break(1))), put("c")), 2),
        ((XS, ir.Scan(4, 5, 6, (ir.Equal(6, ir.Const(9)), ir.Break(1))), put("c")), "c"),
        ((XS, ir.Scan(4, 5, 6, (ir.Scan(4, 7, 8, (ir.Assign(8, 2), ir.Equal(8, ir.Const(2)), ir.Break(2))),)), put("c")), 2),
        ((XS, ir.Scan(4, 5, 6, (ir.Scan(4, 7, 8, (ir.Equal(8, ir.Const(2)), ir.Assign(5, 2), ir.Break(2))),)), put("c")), 0),
        ((XS, ir.Scan(4, 5, 6, (ir.Scan(4, 7, 8, (ir.Equal(8, ir.Const(2)), ir.Break(1))), put("d"))), ir.IsUndefined(2), put("c")), "c"),
        ((XS, ir.Blocks(((ir.Scan(4, 5, 6, (ir.Blocks(((ir.Equal(6, ir.Const(2)), ir.Break(2)),)),)), put("d")), (put("e"),)))), "e"),
        ((XS, ir.MakeArray(7), ir.Scan(4, 5, 6, (ir.ArrayAppend(7, 6), ir.Assign(ir.Const(1), 8))), ir.Len(7, 2)), 3),
        ((XS, ir.Scan(4, 5, 6, (ir.Assign(6, 9), ir.Assign(ir.Const(1), 8))), ir.Assign(9, 2)), 3),
        (
            (
                XS,
                ir.Scan(4, 5, 6, (ir.Equal(6, ir.Const(2)), ir.Assign(ir.Const("found"), 2))),
            ),
            "found",
        ),
        ((ir.Scan(0, 5, 6, (ir.Assign(5, 2),)),), "xs"),
        ((ir.Assign(ir.Const(7), 4), ir.Scan(4, 5, 6, (put("b"),)), put("c")), UNDEFINED),
        ((put("a"), ir.With(0, ("xs",), ir.Const(1), (XS, ir.Assign(4, 2))), XS, ir.Len(4, 2)), 3),
        ((put("a"), ir.With(0, (), ir.Const(1), (ir.Break(0),)), put("c")), "a"),
        ((put("a"), ir.With(0, (), ir.Const(1), (FAIL,)), put("c")), "a"),
        ((put("a"), ir.Blocks(((ir.With(0, (), ir.Const(1), (ir.Break(1),)), put("b")),)), put("c")), "c"),
        ((put("a"), ir.Reset(2), ir.IsDefined(2), put("b")), UNDEFINED),
        ((ir.IsDefined(9), put("b")), UNDEFINED),
        ((ir.AssignOnce(ir.Const(1), 2), ir.AssignOnce(ir.Const(1.0), 2)), 1),
        ((ir.Equal(ir.Const(1), ir.Const(1.0)), put("same")), "same"),
        ((ir.NotEqual(ir.Const(1), ir.Const(value=True)), put("other")), "other"),
    ],
)
@pytest.mark.parametrize(("deep", "loops"), [(nest.DEEP, nest.LOOPS), (2, 1), (1, 2)])
def test_every_way_out_of_blocks(monkeypatch: pytest.MonkeyPatch, deep: int, loops: int, stmts: tuple[ir.Stmt, ...], wanted: Any) -> None:
    """Also where nearly everything goes on in a function within the function, as only long bodies do."""
    monkeypatch.setattr(nest, "DEEP", deep)
    monkeypatch.setattr(nest, "LOOPS", loops)
    assert place(stmts) == wanted or place(stmts) is wanted


def test_loops_without_a_condition_between_them() -> None:
    stmts: tuple[ir.Stmt, ...] = (ir.Assign(4, 2),)
    for _ in range(40):
        stmts = (ir.Scan(4, 5, 6, stmts),)
    assert place((ir.Assign(ir.Const([7]), 4), *stmts)) == [7]


@pytest.mark.parametrize("one", [True, False, None, 0, 1, 1.0, 0.5, "1", "", [], [1], [True], {}, {"a": 1}, {"a": True}, Set(), Set([1])])
@pytest.mark.parametrize("other", [True, False, None, 0, 1, 1.0, 0.5, "1", "", [], [1], [True], {}, {"a": 1}, {"a": True}, Set(), Set([1])])
def test_a_comparison_with_a_constant_says_what_equality_says(one: Any, other: Any) -> None:
    given = ir.Dot(0, ir.Const("x"), 4)
    func = ir.Func("f", (0, 1), 2, ((given, ir.Equal(4, ir.Const(other)), put("same")), (ir.ReturnLocal(2),)), ("f",))
    unlike = ir.Func("g", (0, 1), 2, ((given, ir.NotEqual(ir.Const(other), 4), put("other")), (ir.ReturnLocal(2),)), ("g",))
    results = [[ir.Call(name, (0, 1), 2), ir.MakeObject(3), ir.ObjectInsert(3, ir.Const("x"), 2), ir.ResultAdd(3)] for name in "fg"]
    policy = Policy(ir.Program((ir.Plan("p", tuple(map(tuple, results))),), (func, unlike)), "", strict=False, limits=Limits())
    assert policy.results("p", {"x": one}) == [{"x": "same" if equal(one, other) else "other"}]


# ---- nothing that was handed in is changed


def test_a_plan_cannot_change_what_it_did_not_make() -> None:
    given = {"xs": [1], "o": {}, "s": Set([1])}
    for stmts in (
        (ir.Dot(0, ir.Const("xs"), 4), ir.ArrayAppend(4, ir.Const(2))),
        (ir.Dot(0, ir.Const("o"), 4), ir.ObjectInsert(4, ir.Const("k"), ir.Const(2))),
        (ir.Dot(0, ir.Const("o"), 4), ir.ObjectInsertOnce(4, ir.Const("k"), ir.Const(2))),
        (ir.Dot(0, ir.Const("s"), 4), ir.SetAdd(4, ir.Const(2))),
        (ir.Assign(ir.Const("text"), 4), ir.ArrayAppend(4, ir.Const(2))),
        (ir.MakeArray(4), ir.Assign(ir.Const({}), 4), ir.ObjectInsert(4, ir.Const("k"), ir.Const(2))),
    ):
        policy = Policy(ir.Program((ir.Plan("p", (stmts,)),), ()), "", strict=False, limits=Limits())
        with pytest.raises(RegoError):
            policy.results("p", given)
        assert given == {"xs": [1], "o": {}, "s": Set([1])}


def test_a_loop_that_adds_to_what_it_goes_through_ends() -> None:
    grow = (ir.MakeArray(4), ir.ArrayAppend(4, ir.Const(1)), ir.Assign(4, 5), ir.Scan(5, 6, 7, (ir.ArrayAppend(4, 7),)), ir.Len(4, 2))
    assert place(grow) == 2
    keys = (ir.MakeObject(4), ir.ObjectInsert(4, ir.Const("a"), ir.Const("b")), ir.Scan(4, 6, 7, (ir.ObjectInsert(4, 7, 7),)), ir.Len(4, 2))
    assert place(keys) == 2


@pytest.mark.parametrize("constant", ["[]", "[1, 2]", '{"a": 1}', "{1}"])
def test_a_loop_that_sets_a_flag_may_go_through_a_constant(constant: str) -> None:
    rule = f"p if every x in [1] {{ some y in {constant}; y == x }}"
    assert rego.compile({MODULE: f"package a\n{rule}"}).eval("a/p") is (UNDEFINED if constant == "[]" else True)


def test_data_changes_without_a_reload() -> None:
    policy = rego.compile({MODULE: "package a\np if data.on"})
    data: dict[str, Any] = {"on": False}
    assert policy.eval("a/p", data=data) is UNDEFINED
    data["on"] = True
    assert policy.eval("data.a.p", data=data) is True


def test_threads_share_a_policy() -> None:
    policy = rego.compile({MODULE: "package a\np := sum([x | some x in numbers.range(1, input.n)])"})
    found: dict[int, Any] = {}

    def run(number: int) -> None:
        found[number] = [policy.eval("a/p", {"n": number}) for _ in range(50)]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [number * (number + 1) // 2] * 50 for number in range(1, 9)}


def test_a_policy_that_nobody_holds_leaves_nothing_for_the_garbage_collector() -> None:
    policy = rego.compile({MODULE: "package a\n\nimport rego.v1\n\np := [1, input.n]\n"})
    assert policy.eval("a/p", {"n": 2}) == [1, 2]
    seen = weakref.ref(policy.compiled.plans["a/p"])
    gc.disable()
    try:
        del policy
        assert seen() is None
    finally:
        gc.enable()


# ---- injection


NASTY = [
    "__import__('os').system('true')",
    "');import os;('",
    "l0",
    "m",
    "U",
    '"""',
    "\\",
    "\n\n  raise SystemExit",
    "\x00",
    "\ud800",
    "{x}",
    "%s%n",
    "lambda: 0",
    "é" * 300,
    "NEVER",
    "a" * 100_000,
]


def names_in(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for one in ast.walk(tree):
        found |= {getattr(one, field) for field in ("id", "attr", "arg", "name") if isinstance(getattr(one, field, None), str)}
        found |= set(getattr(one, "names", ())) if isinstance(one, ast.Nonlocal) else set()
        assert not isinstance(one, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Lambda | ast.Await)
    return found


def generated(monkeypatch: pytest.MonkeyPatch, make: Any) -> set[str]:
    """The names in the code that is made."""
    seen: list[ast.AST] = []
    plainly = builtins.compile

    def watched(tree: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(tree)
        return plainly(tree, *args, **kwargs)

    monkeypatch.setattr(code, "compile", watched, raising=False)
    with contextlib.suppress(RegoError):
        make()
    return set().union(*map(names_in, seen))


FIXED = {*code.RUNTIME, "append", "add", "get", "refill", "left", "value", "held", "enter", "leave", "startswith", "endswith"}


def is_ours(name: str) -> bool:
    letters = name.rstrip("0123456789")
    return name in FIXED or (len(letters) == 1 and letters.isascii() and letters.isalpha())


@pytest.mark.parametrize("text", NASTY)
def test_no_text_of_a_policy_becomes_code(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    quoted = json.dumps(text)
    packaged = (
        f"package a[{quoted}]\np[{quoted}] := {quoted}\nq contains {quoted} if input[{quoted}] == {quoted}\nr := {{{quoted}: 1}}[{quoted}]"
    )
    names = generated(monkeypatch, lambda: rego.compile({text: packaged}, entrypoints=[f"a/{text}/q"]).explain(f"a/{text}/q", {text: text}))
    assert all(map(is_ours, names)), names
    strings = [{"value": text}, {"value": "result"}]
    func = {"name": text, "params": [0, 1], "return": 2, "path": [text], "blocks": [{"stmts": [dot(0), returned()]}]}
    call = {"type": "CallStmt", "stmt": {"func": text, "args": [local(0), local(1)], "result": 2}}
    entry = {"name": text, "blocks": [{"stmts": [call, made(), inserted(), {"type": "ResultSetAddStmt", "stmt": {"value": 3}}]}]}
    plan = {"static": {"strings": strings, "files": [{"value": text}]}, "funcs": {"funcs": [func]}, "plans": {"plans": [entry]}}
    names = generated(monkeypatch, lambda: asserted(compile_plan(plan), text))
    assert {"l2", "q", "leave"} <= names
    assert all(map(is_ours, names)), names


def asserted(policy: Policy, text: str) -> None:
    assert policy.eval(text, {text: text}) == text
    assert policy.explain(text, {text: text}).result == text


def local(number: int) -> dict[str, Any]:
    return {"type": "local", "value": number}


def dot(string: int) -> dict[str, Any]:
    return {"type": "DotStmt", "stmt": {"source": local(0), "key": {"type": "string_index", "value": string}, "target": 2}}


def returned() -> dict[str, Any]:
    return {"type": "ReturnLocalStmt", "stmt": {"source": 2}}


def made() -> dict[str, Any]:
    return {"type": "MakeObjectStmt", "stmt": {"target": 3}}


def inserted() -> dict[str, Any]:
    key = {"type": "string_index", "value": 1}
    return {"type": "ObjectInsertStmt", "stmt": {"object": 3, "key": key, "value": local(2)}}


def test_generated_code_has_no_builtins_of_python() -> None:
    assert code.RUNTIME["__builtins__"] == {}


# ---- the interface


def test_entrypoints_have_two_spellings_and_an_unknown_one_is_said() -> None:
    policy = rego.compile({MODULE: "package a.b\np := 1\nf(x) := x"})
    assert policy.entrypoints == ("a/b", "a/b/p")
    assert policy.eval("a/b/p") == policy.eval("data.a.b.p") == 1
    with pytest.raises(RegoError, match="no entrypoint a/b/q"):
        policy.eval("a/b/q")


def test_the_digest_tells_what_decides() -> None:
    one = rego.compile({MODULE: "package a\np := 1"})
    assert one.digest == rego.compile({MODULE: "package a\np := 1"}).digest
    assert (
        len(
            {
                one.digest,
                rego.compile({MODULE: "package a\np := 2"}).digest,
                rego.compile({MODULE: "package a\np := 1"}, strict=True).digest,
            }
        )
        == 3
    )


def test_a_query_gives_its_variables() -> None:
    policy = compile_query({MODULE: "package a\np := {1, 2}"}, "some x in data.a.p; y := x + 1")
    assert policy.eval("eval") == policy.results("eval") == [{"x": 1, "y": 2}, {"x": 2, "y": 3}]
    assert policy.explain("eval").result == policy.eval("eval")


def test_an_error_of_a_builtin_is_undefined_unless_strict() -> None:
    assert ask("p := 1 / input.x", {"x": 0}) is UNDEFINED
    with pytest.raises(RegoError, match="divide by zero"):
        ask("p := 1 / input.x", {"x": 0}, strict=True)


@example(1 << 70)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
        max_leaves=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_what_is_written_in_place_says_what_the_builtin_says(value: Any) -> None:
    found = ONE.eval("a/p", {"x": value})
    wanted = OTHER.results("eval", {"x": value})[0]["y"]
    assert equal(found, wanted), (found, wanted)


CALLS = [
    *("lt(input.x, 3)", "lte(input.x, 0.5)", "gt(input.x, input.x)", "gte(3, input.x)", "input.x == 1", "input.x != true"),
    *("input.x + 1", "input.x - input.x", "count(input.x)", 'startswith(input.x, "a")', 'endswith("a", input.x)'),
    *("contains(input.x, input.x)", 'input.x in ["a", "", "b"]', 'input.x in {"a", 1}', '"a" in input.x', "input.x in input.x"),
    *('object.get(input.x, "a", 7)', "is_string(input.x)", "is_boolean(input.x)", "is_number(input.x)", "is_array(input.x)"),
    *("is_object(input.x)", "is_set(input.x)", "is_null(input.x)", 'sprintf("%v%%", [input.x])'),
    'sprintf("%s-%v-%d", [input.x, input.x, input.x])',
]
# The same calls once as the code generator writes them, once by a name that it does not know: `with` puts the builtin itself there.
WRITTEN = "package a\np := {" + ", ".join(f"{number}: x{number}" for number in range(len(CALLS))) + "}\n"
WRITTEN += "\n".join(f"default x{number} := null\nx{number} := {call}" for number, call in enumerate(CALLS))
ONE = rego.compile({MODULE: WRITTEN}, entrypoints=["a/p"])


def unwritten() -> Policy:
    """The same, every builtin called."""
    quick, code.quick.QUICK = code.quick.QUICK, {}
    try:
        return compile_query({MODULE: WRITTEN}, "y := data.a.p")
    finally:
        code.quick.QUICK = quick


OTHER = unwritten()


def test_the_world_is_given() -> None:
    policy = rego.compile({MODULE: 'package a\np := [time.now_ns(), rand.intn("x", 1000), uuid.rfc4122("k")]'})
    one, again = (policy.eval("a/p", world=World(now_ns=5, seed=6)) for _ in range(2))
    assert one == again
    assert one[0] == 5
    assert policy.eval("a/p", world=World(now_ns=5, seed=7)) != one
