"""What the planner makes of policies: what they answer, how they answer it, where each statement comes from."""

from typing import Any

import pytest

from flyball.rego import ir, planner
from flyball.rego.error import Conflict, Refused
from flyball.rego.front import parse_body, parse_module
from flyball.rego.policy import compile, compile_query  # noqa: A004 - it is what people call
from flyball.rego.value import UNDEFINED, plain


def answer(source: str, entrypoint: str = "test/p", given: Any = UNDEFINED, data: Any = None) -> Any:
    return plain(compile({"a.rego": f"package test\n\n{source}\n"}, entrypoints=[entrypoint]).eval(entrypoint, given, data or {}))


def planned(source: str, entrypoint: str = "test/p") -> tuple[dict[str, ir.Func], ir.Program]:
    program = planner.build([parse_module("a.rego", f"package test\n\n{source}\n")], [entrypoint])
    return {func.name: func for func in program.funcs}, program


def statements(func: ir.Func) -> list[type[ir.Stmt]]:
    return [type(stmt) for stmt in ir.walk(func.blocks)]


ANSWERS = [
    ("a default", "default p := 1\np := 2 if input.x", {"x": False}, 1),
    ("a default of a function", "default f(_) := 1\nf(x) := 2 if x > 1\np := [f(1), f(2)]", UNDEFINED, [1, 2]),
    ("else", "p := 1 if input.x == 1\nelse := 2 if input.x == 2\nelse := 3", {"x": 2}, 2),
    ("else at the end", "p := 1 if input.x == 1\nelse := 2 if input.x == 2\nelse := 3", {"x": 5}, 3),
    ("else of a function", "f(x) := 1 if x > 1\nelse := 2\np := [f(0), f(2)]", UNDEFINED, [2, 1]),
    ("two chains that agree", "p := 1 if input.x\nelse := 2 if input.y\np := 2 if input.z\nelse := 1", {"y": 1, "z": 1}, 2),
    ("not", "p if not input.x", {"y": 1}, True),
    ("not of what is there", "p if not input.x", {"x": 1}, UNDEFINED),
    ("not with an operand that is undefined", 'p if not startswith(input.x, "a")', {}, UNDEFINED),
    ("every", "p if { every x in input.xs { x > 1 } }", {"xs": [2, 3]}, True),
    ("every that fails", "p if { every x in input.xs { x > 1 } }", {"xs": [2, 1]}, UNDEFINED),
    ("every that goes through two", "p if { every x in input.xs { some y in input.ys; x == y } }", {"xs": [1], "ys": [2, 1]}, True),
    ("every that never finds", "p if { every x in input.xs { some y in input.ys; x == y } }", {"xs": [1, 3], "ys": [2, 1]}, UNDEFINED),
    ("every of nothing that can be gone through", "p if { every x in input.xs { x > 1 } }", {"xs": 1}, UNDEFINED),
    ("every with keys", "p if { every k, v in input.xs { k == v } }", {"xs": [0, 1]}, True),
    ("not every", "p if { not q }\nq if { every x in input.xs { x > 1 } }", {"xs": [1]}, True),
    ("unification of arrays", "p := [x, y] if { [x, 2] = [1, y] }", UNDEFINED, [1, 2]),
    ("unification across", "p := [x, y] if { [x, y] = [y, 1] }", UNDEFINED, [1, 1]),
    ("unification of objects", 'p := [x, y] if { {"a": x, "b": [y, 3]} = input }', {"a": 1, "b": [2, 3]}, [1, 2]),
    ("an object of another size", 'p if { {"a": _} = input }', {"a": 1, "b": 2}, UNDEFINED),
    ("true is not one", "p if { {true: input} == {input: 1} }", 1, UNDEFINED),
    ("a variable bound by its own document", "p := x if { x = input.xs[x] }", {"xs": [3, 1, 3]}, 1),
    ("operands that need each other", "p := z if { z := input.xs[i] + i }", {"xs": [7]}, 7),
    ("nested documents", "p := [i, j] if { input.xs[i][j] == 3 }", {"xs": [[1], [2, 3]]}, [1, 1]),
    ("a set of pairs", "p contains [i, x] if { some i, x in input.xs }", {"xs": ["a", "b"]}, [[0, "a"], [1, "b"]]),
    ("a partial object", "p[k] := v if { some k, v in input.xs; v > 1 }", {"xs": {"a": 1, "b": 2}}, {"b": 2}),
    ("a deep head", 'p[x].name := y if { some x, y in {"a": 1, "b": 2} }', UNDEFINED, {"a": {"name": 1}, "b": {"name": 2}}),
    ("sets in a head", "p[x] contains y if { some x in [1, 2]; some y in [3, x] }", UNDEFINED, {"1": [1, 3], "2": [2, 3]}),
    ("heads of different lengths", 'p.a.b := 1\np[x] := 2 if { x := "c" }', UNDEFINED, {"a": {"b": 1}, "c": 2}),
    ("a false value", "p := false", UNDEFINED, False),
    ("a condition that is false", "q := false\np if q", UNDEFINED, UNDEFINED),
    ("a captured result", "p if { count(input.xs, 2) }", {"xs": [1, 2]}, True),
    ("walk", "p := [path | walk(input, [path, 1])]", {"a": 1, "b": [1]}, [["a"], ["b", 0]]),
    ("walk as a value", "p if { walk(input)[1] == 3 }", {"a": {"b": 3}}, True),
    ("a template", 'p := $"{input.x} and {input.y}"', {"x": "a"}, "a and <undefined>"),
    ("a template with `with`", 'p := $"{input.x with input as {"x": 1}}"', {"x": "a"}, "1"),
    ("a comprehension over what is around", "p := [y | some x in input.xs; y := x + n] if { n := 1 }", {"xs": [1, 2]}, [2, 3]),
    ("an object comprehension", "p := {k: v | some k, v in input.xs}", {"xs": {"a": 1}}, {"a": 1}),
    ("a computed parameter", "f(input.x) := 1\np := f(3)", {"x": 3}, 1),
    ("a composite parameter", 'f([x, {"a": y}]) := x + y\np := f([1, {"a": 2}])', UNDEFINED, 3),
    ("a parameter twice", "f(x, x) := 1\np := f(1, 2)", UNDEFINED, UNDEFINED),
    ("with on input", "q := input.x\np := x if { x := q with input.x as 2 }", {"x": 1}, 2),
    ("with that ends where its line ends", "p := [a, b] if { a := input.x with input.x as 2; b := input.x }", {"x": 1}, [2, 1]),
    ("with that goes through many", "p := [[x, y] | x := input[_] with input as [1, 2]; y := input.z]", {"z": 0}, [[1, 0], [2, 0]]),
    (
        "with of one document by another",
        "p := x if { x := [input.a, input.b] with input.a as input.b with input.b as input.a }",
        {"a": 1, "b": 2},
        [2, 1],
    ),
    ("with on a rule", "q := 1\nr := q + 1\np := x if { x := r with data.test.q as 5 }", UNDEFINED, 6),
    ("with on data", "p := x if { x := data.x.y with data.x.y as 5 }", UNDEFINED, 5),
    ("with on a builtin by a constant", "q := count(input)\np := x if { x := q with count as 7 }", [1], 7),
    ("with on a builtin by a function", "f(x) := x\nq := count(input)\np := x if { x := q with count as f }", [1], [1]),
    ("with on a function by a builtin", "f(x) := x\nq := f(input)\np := x if { x := q with f as count }", [1], 1),
    ("with on a function by a rule", "f(x) := x\ng := input\nq := f(1)\np := x if { x := q with f as g }", 8, 8),
    ("with by a value that running tells", "f(x) := x\nq := f(1)\np := [y | some v in input; y := q with f as v]", [8, 9], [8, 9]),
    ("what took a function's place calls it", "f(x) := x + 1\ng(x) := f(x) * 10\np := x if { x := f(1) with f as g }", UNDEFINED, 20),
    ("what was bound before with stays", "p := y if { x := input; y := x + 1 with input as 1 }", 9, 10),
    ("with by all of input", "p := y if { y := [input.a, data.x] with input.a as 1 with data.x as input }", {"a": 0}, [1, {"a": 0}]),
    ("with under not", "p if not input.x with input as {}", {"x": 1}, True),
    ("membership", "p if input.x in {1, 2}", {"x": 2}, True),
    ("membership of a pair", "p if 1, 2 in input", [1, 2], True),
    ("some that takes apart", "p contains x if { some [x, 1] in input }", [[3, 1], [4, 2]], [3]),
    ("a rule that needs no input", "p := x if { x := 1 }", UNDEFINED, 1),
    ("all of input", "p := input", {"a": 1}, {"a": 1}),
    ("a test", "test_x if q with input as 1\nq if input == 1\np if test_x", UNDEFINED, True),
]


@pytest.mark.parametrize(("name", "source", "given", "wanted"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_answer(name: str, source: str, given: Any, wanted: Any) -> None:
    assert answer(source, given=given) == wanted


def test_two_values_of_one_rule_are_a_conflict() -> None:
    for source in ("p := x if { some x in [1, 2] }", "p := 1 if input\np := 2 if input", 'p[x] := y if { x := "a"; some y in [1, 2] }'):
        with pytest.raises(Conflict):
            answer(source, given=1)


def test_a_deep_value_is_not_changed_by_another_rule() -> None:
    for other in ("p.q.r.s.t := 42", "p.q.r.s.u := 42", "p.q.r contains 1"):
        with pytest.raises(Conflict):
            answer(f'p[q].r := v if {{ q := "q"; v := {{"s": {{"t": 1}}}} }}\n{other}')


def test_a_set_does_not_grow_in_an_object() -> None:
    with pytest.raises(Conflict):
        answer('p.q contains 1\np[x][y] := 2 if { x := "q"; y := "z" }')


def test_rules_and_data_are_one_document() -> None:
    modules = {
        "a.rego": "package a.b\n\nx := 1\ny := 2 if false\nf(_) := 1",
        "b.rego": "package a.c.empty",
        "q.rego": "package q\n\np := data.a",
    }
    data = {"a": {"b": {"x": "given", "z": 3}, "d": 4}}
    assert compile(modules, entrypoints=["q/p"]).eval("q/p", data=data) == {"b": {"x": "given", "z": 3}, "c": {"empty": {}}, "d": 4}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("data.a[x].v = y", [{"x": "one", "y": 1}, {"x": "two", "y": 2}, {"x": "given", "y": 3}]),
        ('x = "two"; data.a[x].v = y', [{"x": "two", "y": 2}]),
        ('x = "given"; data.a[x].v = y', [{"x": "given", "y": 3}]),
        ('x = "nothing"; data.a[x].v = y', []),
        ('x = "one"; y = "w"; data.a[x][y] = z', []),
        ("data.a[x][x] = y", []),
        ("data.a[_].v > 2", [{}]),
        ("data.a.three[x][y] = z", [{"x": "k", "y": 0, "z": "m"}]),
        ("data[x].one.v = 1", [{"x": "a"}]),
        ("data.a[x].besides = y", [{"x": "one", "y": 9}]),
        ('x = "one"; data.a[x].v = y', [{"x": "one", "y": 1}]),
        ('x = "one"; data.a[x].besides = y', [{"x": "one", "y": 9}]),
        ('x = "one"; data.a[x] = y', [{"x": "one", "y": {"v": 8, "besides": 9}}]),
    ],
)
def test_a_path_that_only_running_tells(query: str, wanted: Any) -> None:
    modules = {
        "one.rego": "package a.one\n\nv := 1",
        "two.rego": "package a.two\n\nv := 2\n\nw := 3 if false",
        "three.rego": 'package a.three\n\nk := ["m"]\n\nf(_) := 1',
    }
    found = compile_query(modules, query).results("eval", data={"a": {"given": {"v": 3}, "one": {"v": 8, "besides": 9}}})
    assert sorted(found, key=str) == sorted(wanted, key=str)


def test_an_answer_holds_the_variables_of_the_query() -> None:
    assert compile_query({}, "x := 1; y = [x, _z]; _z = 2; some w in [3]; [_, 4] = [5, 4]").results("eval") == [
        {"x": 1, "y": [1, 2], "_z": 2, "w": 3}
    ]


def test_a_query_with_a_mistake_is_refused() -> None:
    with pytest.raises(Refused, match=r"query:1:1: rego_unsafe_var_error: var x is unsafe"):
        planner.build([], query=parse_body("query", "x > 1"))


# ---------------------------------------------------------------- how


def test_a_condition_is_one_statement() -> None:
    funcs, _ = planned('p if { input.kind == "vm"; input.n != 3; input.region in {"eu", "us"} }')
    assert statements(funcs["g0.data.test.p"]) == [
        *(ir.Dot, ir.Equal),
        *(ir.Dot, ir.NotEqual),
        *(ir.Dot, ir.Call, ir.NotEqual),
        *(ir.Assign, ir.ReturnLocal, ir.ReturnLocal),
    ]
    call = next(stmt for stmt in ir.walk(funcs["g0.data.test.p"].blocks) if isinstance(stmt, ir.Call))
    assert call.func == "internal.member_2"
    assert isinstance(call.args[1], ir.Const)


def test_a_rule_with_one_constant_ends_at_the_first_clause_that_holds() -> None:
    source = "default p := false\np if { some x in input.xs; x > 1 }\np if input.y"
    funcs, _ = planned(source)
    scan = next(stmt for stmt in ir.walk(funcs["g0.data.test.p"].blocks) if isinstance(stmt, ir.Scan))
    assert isinstance(scan.block[-1], ir.ReturnLocal)
    assert answer(source, given={"xs": [2, "not a number"]}) is True
    assert answer(source, given={"xs": [1]}) is False


def test_ground_terms_are_made_once() -> None:
    funcs, _ = planned('p := {"a": [1, {2}], "b": {"c": null}}')
    assert statements(funcs["g0.data.test.p"]) == [ir.Assign, ir.ReturnLocal, ir.ReturnLocal]


def test_every_statement_says_where_it_comes_from() -> None:
    funcs, _ = planned("p contains x if {\n  some x in input.xs\n  x > 1\n}")
    places = {(stmt.place.file, stmt.place.row) for stmt in ir.walk(funcs["g0.data.test.p"].blocks)}
    assert places == {("a.rego", 3), ("a.rego", 4), ("a.rego", 5)}


def test_only_what_is_needed_is_planned() -> None:
    funcs, program = planned("p if q\nq if input.x\nr if startswith(input.x, input.y)")
    assert set(funcs) == {"g0.data.test.p", "g0.data.test.q"}
    assert program.builtins == frozenset()


def test_a_rule_is_planned_once_for_each_world_that_it_is_asked_in() -> None:
    funcs, _ = planned("q := count(input)\np if { q; q with count as 1; q with count as 1; q with input as [] }")
    assert set(funcs) == {"g0.data.test.p", "g0.data.test.q", "g1.data.test.q"}


def test_names_that_would_be_the_same_are_told_apart() -> None:
    source = 'p := [q["a.b"], q.a.b]\nq["a.b"] := 1\nq.a.b := 2'
    assert answer(source) == [1, 2]


def test_long_chains_and_long_bodies_need_no_deep_stack() -> None:
    chain = "\n".join(f"r{number} if r{number + 1}" for number in range(600))
    assert len(planned(f"{chain}\nr600 := true\np if r0")[0]) == 602
    body = "; ".join(f"x{number} := input.x + {number}; x{number} > 0" for number in range(200))
    assert answer(f"p if {{ {body} }}", given={"x": 1}) is True


# ---------------------------------------------------------------- what is refused


def test_a_refused_builtin_may_stand_where_tests_replace_it() -> None:
    source = 'fetch := http.send({}).body\nmock(_) := {"body": 1}\ntest_p := x if { x := fetch with http.send as mock }'
    assert answer(source, "test/test_p") == 1
    with pytest.raises(Refused, match=r"a\.rego:3:1: rego_type_error: unsafe built-in function calls in expression: http\.send"):
        answer(source, "test/fetch")


@pytest.mark.parametrize(
    ("entrypoint", "told"),
    [
        ("test/q", "rego_compile_error: entrypoint test/q is no rule and no package"),
        ("tst/p", "rego_compile_error: entrypoint tst/p is no rule and no package"),
        ("test/f", "rego_compile_error: entrypoint test/f is no rule and no package"),
    ],
)
def test_an_entrypoint_that_is_not_there_is_refused(entrypoint: str, told: Any) -> None:
    with pytest.raises(Refused) as refused:
        planned("p := 1\nf(x) := x", entrypoint)
    assert [one.line() for one in refused.value.mistakes] == [told]


def test_an_entrypoint_may_be_a_package() -> None:
    assert answer("p := 1\nq contains 2\nf(x) := x", "test") == {"p": 1, "q": [2]}
