"""Mistakes that the gate refuses: one module each, the exact line that people read, and what it tells them to do."""

from collections.abc import Mapping
from typing import Any

import pytest

from flyball import rego
from flyball.rego import gate
from flyball.rego.error import Refused
from flyball.rego.front import parse_module
from flyball.rego.gate import show
from flyball.rego.tree import Every, Module, Ref

SCHEMA = {
    "type": "object",
    "properties": {
        "user": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "grants": {"type": "array", "items": {"$ref": "#/$defs/grant"}}},
        },
        "action": {"enum": ["start", "stop"]},
        "target": {"oneOf": [{"$ref": "#/$defs/machine"}, {"$ref": "#/$defs/store"}]},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "$defs": {
        "grant": {"type": "object", "properties": {"region": {"type": "string"}, "parent": {"$ref": "#/$defs/grant"}}},
        "machine": {
            "allOf": [{"properties": {"kind": {"const": "machine"}}}, {"type": "object", "properties": {"gpus": {"type": "integer"}}}]
        },
        "store": {"type": "object", "properties": {"kind": {"const": "store"}, "size": {"type": ["integer", "null"]}}},
    },
}

MISTAKES = [
    (
        "a builtin that asks the network",
        'deny contains "x" if http.send({"url": input.url}).status_code != 200',
        [
            (
                "a.rego:3:22: rego_type_error: unsafe built-in function calls in expression: http.send",
                "http.send is refused: a policy that asks the network can be slow, wrong or different the next time",
            )
        ],
    ),
    (
        "a misspelt builtin",
        'p if startwith(input.x, "a")',
        [("a.rego:3:6: rego_type_error: undefined function startwith", "did you mean startswith?")],
    ),
    (
        "an unsafe variable",
        "p if y > 3",
        [("a.rego:3:6: rego_unsafe_var_error: var y is unsafe", "give y a value: y := ..., some y in ...")],
    ),
    (
        "two rules that need each other",
        "a if b\nb if a",
        [
            (
                "a.rego:3:1: rego_recursion_error: rule data.test.a is recursive: data.test.a -> data.test.b -> data.test.a",
                "compute it without asking for itself; graph.reachable and walk go through structures",
            ),
            (
                "a.rego:4:1: rego_recursion_error: rule data.test.b is recursive: data.test.b -> data.test.a -> data.test.b",
                "compute it without asking for itself; graph.reachable and walk go through structures",
            ),
        ],
    ),
    (
        "Rego v0",
        "allow_action[true] { input.x }",
        [("a.rego:3:1: rego_parse_error: `if` keyword is required before rule body", "in Rego v1 it is allow_action[true] if {")],
    ),
    (
        "a syntax error",
        "p if input.x ==\n",
        [("a.rego:3:16: rego_parse_error: unexpected eof token: expected a term", "a term is missing before it")],
    ),
    (
        "a rule that needs itself",
        "p if p",
        [
            (
                "a.rego:3:1: rego_recursion_error: rule data.test.p is recursive: data.test.p -> data.test.p",
                "compute it without asking for itself; graph.reachable and walk go through structures",
            )
        ],
    ),
    (
        "a cycle of three",
        "a if b\nb if c\nc if not a",
        [
            (
                "a.rego:3:1: rego_recursion_error: rule data.test.a is recursive: data.test.a -> data.test.b -> data.test.c -> data.test.a",
                "compute it without asking for itself; graph.reachable and walk go through structures",
            ),
            (
                "a.rego:4:1: rego_recursion_error: rule data.test.b is recursive: data.test.b -> data.test.c -> data.test.a -> data.test.b",
                "compute it without asking for itself; graph.reachable and walk go through structures",
            ),
            (
                "a.rego:5:1: rego_recursion_error: rule data.test.c is recursive: data.test.c -> data.test.a -> data.test.b -> data.test.c",
                "compute it without asking for itself; graph.reachable and walk go through structures",
            ),
        ],
    ),
    (
        "a cycle through a set",
        "p contains x if { some x in q }\nq contains x if { some x in p }",
        [
            (
                "a.rego:3:1: rego_recursion_error: rule data.test.p is recursive: data.test.p -> data.test.q -> data.test.p",
                "compute it without asking for itself; graph.reachable and walk go through structures",
            ),
            (
                "a.rego:4:1: rego_recursion_error: rule data.test.q is recursive: data.test.q -> data.test.p -> data.test.q",
                "compute it without asking for itself; graph.reachable and walk go through structures",
            ),
        ],
    ),
    (
        "a variable assigned twice",
        "p if { x := 1; x := 2 }",
        [("a.rego:3:16: rego_compile_error: var x assigned above", "give one of them another name")],
    ),
    (
        "a variable used before it is assigned",
        "p if { x == 1; x := 2 }",
        [("a.rego:3:16: rego_compile_error: var x referenced above", "give one of them another name")],
    ),
    (
        "a parameter assigned",
        "p(x) if { x := 2 }",
        [("a.rego:3:11: rego_compile_error: arg x redeclared", "give one of them another name")],
    ),
    (
        "a declaration nobody uses",
        "p if { some x; input.y }",
        [("a.rego:3:13: rego_compile_error: declared var x unused", "remove x, or write _ in its place")],
    ),
    (
        "an every nobody uses",
        "p if { every x in [1] { true } }",
        [("a.rego:3:14: rego_compile_error: declared var x unused", "remove x, or write _ in its place")],
    ),
    (
        "an assignment inside not",
        "p if { not x := 1 }",
        [("a.rego:3:8: rego_compile_error: cannot assign vars inside negated expression", "use == to compare")],
    ),
    (
        "an assignment to a call",
        "p if { count(input.x) := 1 }",
        [("a.rego:3:8: rego_compile_error: cannot assign to call", "use == to compare, or name a variable")],
    ),
    (
        "an unsafe variable under not",
        "p if not input.roles[i] == 1",
        [("a.rego:3:6: rego_unsafe_var_error: var i is unsafe", "give i a value: i := ..., some i in ...")],
    ),
    (
        "an unsafe wildcard under not",
        "p if not input.roles[_]",
        [("a.rego:3:6: rego_unsafe_var_error: var _ is unsafe", "name what is meant: some x in ...")],
    ),
    (
        "an unsafe variable in a comprehension",
        "p := [y | y > 1]",
        [("a.rego:3:11: rego_unsafe_var_error: var y is unsafe", "give y a value: y := ..., some y in ...")],
    ),
    (
        "an unsafe variable in every",
        "p if { every x in input.xs { x > y } }",
        [("a.rego:3:30: rego_unsafe_var_error: var y is unsafe", "give y a value: y := ..., some y in ...")],
    ),
    (
        "an unsafe variable in with",
        "p if { input.a == 1 with input as y }",
        [("a.rego:3:8: rego_unsafe_var_error: var y is unsafe", "give y a value: y := ..., some y in ...")],
    ),
    (
        "an unsafe variable in a template",
        'p := $"{x}"',
        [("a.rego:3:9: rego_unsafe_var_error: var x is unsafe", "give x a value: x := ..., some x in ...")],
    ),
    (
        "an unsafe variable in a head",
        "p contains x if input.y",
        [("a.rego:3:1: rego_unsafe_var_error: var x is unsafe", "give x a value: x := ..., some x in ...")],
    ),
    (
        "an unsafe value",
        "p := x if input.y",
        [("a.rego:3:1: rego_unsafe_var_error: var x is unsafe", "give x a value: x := ..., some x in ...")],
    ),
    (
        "a near miss of a variable",
        'p if { region := input.region; regoin == "eu" }',
        [("a.rego:3:32: rego_unsafe_var_error: var regoin is unsafe", "did you mean region?")],
    ),
    (
        "a value and a set",
        "p := 1\np contains 2",
        [
            (
                "a.rego:3:1: rego_type_error: conflicting rules data.test.p found",
                "a name is one value, a set, an object or a function with one number of arguments: see a.rego:3, a.rego:4",
            )
        ],
    ),
    (
        "a value and a function",
        "p := 1\np(x) := x",
        [
            (
                "a.rego:3:1: rego_type_error: conflicting rules data.test.p found",
                "a name is one value, a set, an object or a function with one number of arguments: see a.rego:3, a.rego:4",
            )
        ],
    ),
    (
        "functions of different arity",
        "p(x) := x\np(x, y) := [x, y]",
        [
            (
                "a.rego:3:1: rego_type_error: conflicting rules data.test.p found",
                "a name is one value, a set, an object or a function with one number of arguments: see a.rego:3, a.rego:4",
            )
        ],
    ),
    (
        "two defaults",
        "default p := 1\ndefault p := 2\np := 3 if input.x",
        [("a.rego:4:1: rego_type_error: multiple default rules data.test.p found at a.rego:3, a.rego:4", "keep one of them")],
    ),
    (
        "a default that is no constant",
        "default p := input.x",
        [("a.rego:3:14: rego_parse_error: illegal default rule (value cannot contain ref)", "the default is a constant")],
    ),
    (
        "a rule inside a rule",
        "p.q := 1\np.q.r := 2",
        [
            (
                "a.rego:3:1: rego_type_error: rule data.test.p.q conflicts with [data.test.p.q.r]",
                "give one of them another name: a rule with one value holds no other rules",
            )
        ],
    ),
    (
        "too many arguments",
        "p := count([1], [2], [3])",
        [("a.rego:3:6: rego_type_error: function count has arity 1, got 3 arguments", "give it 1 argument")],
    ),
    (
        "a captured result inside a term",
        "p := startswith(input.x, input.y, z) if z := true",
        [("a.rego:3:6: rego_type_error: function startswith has arity 2, got 3 arguments", "give it 2 arguments")],
    ),
    (
        "a rule used before a variable of its name",
        "q := 1\np if { q == 1; q := 2 }",
        [("a.rego:4:16: rego_compile_error: var q referenced above", "give one of them another name")],
    ),
    (
        "a variable of the wrong type as an operand",
        'p if { x := 1; startswith(x, "a") }',
        [
            (
                "a.rego:3:16: rego_type_error: startswith: invalid argument(s): have (number, string), want (string, string)",
                "x is number, and string is wanted",
            )
        ],
    ),
    (
        "too few arguments",
        'p if startswith("a")',
        [("a.rego:3:6: rego_type_error: function startswith has arity 2, got 1 argument", "give it 2 arguments")],
    ),
    (
        "a rule called",
        "q := 1\np if q(1)",
        [
            (
                "a.rego:4:6: rego_type_error: undefined function data.test.q",
                "data.test.q is a rule, no function: write it without the brackets",
            )
        ],
    ),
    (
        "a function of another package",
        "p if data.lib.f(1)",
        [("a.rego:3:6: rego_type_error: undefined function data.lib.f", "define it, import it, or name a builtin")],
    ),
    (
        "a misspelt function of its own",
        'is_admin(x) if x == "root"\np if is_admn(input.x)',
        [("a.rego:4:6: rego_type_error: undefined function is_admn", "did you mean is_admin?")],
    ),
    (
        "a number where a collection is wanted",
        "p := count(1)",
        [
            (
                (
                    "a.rego:3:6: rego_type_error: count: invalid argument(s): have (number), "
                    "want (any<array[any], object[any: any], set[any], string>)"
                ),
                "1 is number, and any<array[any], object[any: any], set[any], string> is wanted",
            )
        ],
    ),
    (
        "a text compared with a number",
        'p if "a" == 1',
        [
            (
                "a.rego:3:6: rego_type_error: match error: left: string, right: number",
                "the two sides are never equal: compare values of one type",
            )
        ],
    ),
    (
        "a variable compared with another type",
        'p if { x := 1; x == "a" }',
        [
            (
                "a.rego:3:16: rego_type_error: match error: left: number, right: string",
                "the two sides are never equal: compare values of one type",
            )
        ],
    ),
    (
        "an array taken apart as an object",
        'p if { [1, x] = {"a": 1} }',
        [
            (
                "a.rego:3:8: rego_type_error: match error: left: array<number, any>, right: object<a: number>",
                "the two sides are never equal: compare values of one type",
            )
        ],
    ),
    (
        "an argument of the wrong type for a function",
        "p := f(1)\nf(x) := upper(x)",
        [
            (
                "a.rego:3:6: rego_type_error: data.test.f: invalid argument(s): have (number), want (string)",
                "1 is number, and string is wanted",
            )
        ],
    ),
    (
        "a key that a rule does not have",
        'limits := {"cpu": 1}\np if limits.cpus > 2',
        [("a.rego:4:6: rego_type_error: undefined ref: data.test.limits.cpus", "did you mean cpu? data.test.limits has cpu")],
    ),
    (
        "a step into a text",
        'name := "x"\np if name.first',
        [("a.rego:4:6: rego_type_error: undefined ref: data.test.name.first", 'data.test.name is string: there is nothing at "first"')],
    ),
    (
        "a function as a value",
        "f(x) := x\np := f",
        [("a.rego:4:6: rego_type_error: undefined ref: data.test.f", "data.test.f is a function: call it")],
    ),
    (
        "with on nothing",
        "p if { input.x == 1 with foo as 2 }",
        [
            (
                "a.rego:3:26: rego_type_error: with keyword target must reference existing input, data, or a function",
                "name input, data, a path below one of them, or a function",
            )
        ],
    ),
    (
        "with inside a rule",
        'r := {"x": 1}\nq if r.x == 1\np if { q with data.test.r.x as 2 }',
        [
            (
                "a.rego:5:15: rego_compile_error: with keyword cannot partially replace virtual document(s)",
                "replace the whole of data.test.r",
            )
        ],
    ),
    (
        "with on an operator",
        "p if { input.x == 1 with eq as 2 }",
        [
            (
                "a.rego:3:26: rego_type_error: with keyword target must reference existing input, data, or a function",
                "name input, data, a path below one of them, or a function",
            )
        ],
    ),
    (
        "with on walk",
        "p if { walk(input, [_, v]) with walk as [] ; v }",
        [
            (
                "a.rego:3:33: rego_compile_error: with keyword replacing built-in function: target must not be a relation",
                "replace the function that calls it",
            )
        ],
    ),
    (
        "with of another arity",
        "f(x) := x\np if { f(1) with f as startswith }",
        [("a.rego:4:13: rego_type_error: data.test.f: arity mismatch", "data.test.f takes 1, startswith takes 2")],
    ),
    (
        "an import twice",
        "import data.a\nimport data.b as a\np := a",
        [("a.rego:4:1: rego_compile_error: import must not shadow import data.a", "give one of them another name: import data.b as ...")],
    ),
    (
        "an import over input",
        "import data.foo as input\np := input",
        [("a.rego:3:1: rego_compile_error: imports must not shadow input (use a different import name)", "import data.foo as ...")],
    ),
    ("a rule over input", "input := 1", [("a.rego:3:1: rego_compile_error: rules must not shadow input (use a different rule name)", "")]),
    (
        "a variable over data",
        "p if { data := 1 }",
        [("a.rego:3:8: rego_compile_error: variables must not shadow data (use a different variable name)", "")],
    ),
    (
        "a parameter over input",
        "p(input) := 1",
        [("a.rego:3:3: rego_compile_error: args must not shadow input (use a different variable name)", "")],
    ),
    (
        "a function shadowed",
        'p if { startswith := 1; startswith("a", "b") }',
        [("a.rego:3:25: rego_compile_error: called function startswith shadowed", "give the variable startswith another name")],
    ),
    (
        "a builtin of Rego v0",
        "p if any([true])",
        [("a.rego:3:6: rego_type_error: undefined function any", "any is no function of Rego v1: use `some x in xs; x`, or `true in xs`")],
    ),
    (
        "an unknown field of the input",
        'p if input.usr.name == "x"',
        [("a.rego:3:6: rego_type_error: undefined ref: input.usr.name", "did you mean user? input has action, labels, target, user")],
    ),
    (
        "an unknown field below",
        'p if input.user.nam == "x"',
        [("a.rego:3:6: rego_type_error: undefined ref: input.user.nam", "did you mean name? input.user has grants, name")],
    ),
    (
        "an unknown field through an array",
        'p if { some g in input.user.grants; g.regoin == "eu" }',
        [("a.rego:3:37: rego_type_error: undefined ref: g.regoin", "did you mean region? g has parent, region")],
    ),
    (
        "an unknown field in every case",
        "p if input.target.gpu == 1",
        [("a.rego:3:6: rego_type_error: undefined ref: input.target.gpu", "did you mean gpus? input.target has gpus, kind, size")],
    ),
    (
        "a field of another type",
        'p if input.target.gpus == "one"',
        [
            (
                "a.rego:3:6: rego_type_error: match error: left: number, right: string",
                "the two sides are never equal: compare values of one type",
            )
        ],
    ),
    (
        "a text that is none of the enum's type",
        "p if input.action == 3",
        [
            (
                "a.rego:3:6: rego_type_error: match error: left: string, right: number",
                "the two sides are never equal: compare values of one type",
            )
        ],
    ),
]


def module(source: str, file: str = "a.rego", package: str = "test") -> Module:
    return parse_module(file, f"package {package}\n\n{source}\n")


def refusal(modules: list[Module], schema: Mapping[str, Any] | None = None) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as refused:
        gate.check(modules, schema)
    return [(one.line(), one.fix) for one in refused.value.mistakes]


@pytest.mark.parametrize(("name", "source", "told"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_mistake(name: str, source: str, told: Any) -> None:
    with pytest.raises(Refused) as refused:
        gate.check([module(source)], SCHEMA if "input." in source and ("field" in name or "enum" in name) else None)
    assert [(one.line(), one.fix) for one in refused.value.mistakes] == told


def test_all_modules_are_told_of_at_once() -> None:
    one, other = module("p if y > 3", "one.rego", "one"), module("q if z > 3", "other.rego", "other")
    assert [line for line, _ in refusal([one, other])] == [
        "one.rego:3:6: rego_unsafe_var_error: var y is unsafe",
        "other.rego:3:6: rego_unsafe_var_error: var z is unsafe",
    ]


def test_a_caret_stands_under_the_mistake() -> None:
    source = 'package test\n\np if startwith(input.x, "a")\n'
    with pytest.raises(Refused) as refused:
        gate.check([parse_module("a.rego", source)])
    assert refused.value.mistakes[0].shown({"a.rego": source}).splitlines()[1:3] == ['  p if startwith(input.x, "a")', "       ^^^^^^^^^"]


def test_a_package_of_one_module_conflicts_with_a_rule_of_another() -> None:
    told = refusal([module("b := 1", "one.rego", "a"), module("c := 1", "other.rego", "a.b")])
    assert [line for line, _ in told] == [
        "one.rego:3:1: rego_type_error: rule data.a.b conflicts with [data.a.b.c]",
        "other.rego:1:1: rego_type_error: package a.b conflicts with rule data.a.b defined at one.rego:3",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "p if input.user.name == input.action",
        "p if input.labels.anything == input.user.grants[0].parent.parent.parent.whatever",
        "p if { some g in input.user.grants; g.region == input.target.kind }",
        "p if input.target.gpus > 1\nq if input.target.size > 1",
        'p if object.get(input, ["user", "nickname"], "") == ""',
        'p if { input.action == "start"; every g in input.user.grants { g.region == "eu" } }',
        'q if input.user.name == "x"\np if { q with input as {"user": {"name": "x"}} }',
    ],
)
def test_a_schema_lets_through_what_it_has(source: str) -> None:
    gate.check([module(source)], SCHEMA)


def test_a_definition_that_holds_itself_is_anything_from_there_on() -> None:
    gate.check([module("p if input.user.grants[0].parent.parent.surprise")], SCHEMA)


def ordered(source: str) -> list[str]:
    """The lines of the first rule as the gate orders them."""
    (rule, *_) = gate.check([module(source)]).rules
    said = ["every" if isinstance(line.what, Every) else show.term(line.what) for line in rule.body]
    return [f"not {text}" if line.negated else text for text, line in zip(said, rule.body, strict=True)]


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("p if { y > 3; y = input.x }", ["y = input.x", "y > 3"]),
        ("p if { not q[x]; x = input.y }\nq contains 1", ["x = input.y", "not data.test.q[x]"]),
        ("p if { z > y; y = x; x = 1; z = 2 }", ["x = 1", "z = 2", "y = x", "z > y"]),
        ("p if { count(ys) > 1; ys = [y | y = xs[_]]; xs = input.xs }", ["xs = input.xs", "ys = [y | ...]", "count(ys) > 1"]),
        ("p if { input.a == 1 with input as x; x = {} }", ["x = {}", "input.a == 1"]),
        ("p if { every y in xs { y > z }; z = 1; xs = [2] }", ["z = 1", "xs = [2]", "every"]),
        ("p if { x := 1; y := 2; x < y }", ["x = 1", "y = 2", "x < y"]),
        ("p if { [a, b] = [input.x, c]; c = input.z; a > b }", ["c = input.z", "[a, b] = [input.x, c]", "a > b"]),
        ("p if { count(xs, n); xs = input.xs; n > 1 }", ["xs = input.xs", "count(xs, n)", "n > 1"]),
        ("p if { i > 0; input.xs[i] }", ["input.xs[i]", "i > 0"]),
        ('p if { $"{x}" == "a"; x = input.x }', ["x = input.x", '$"{x}" == "a"']),
    ],
)
def test_lines_are_ordered_so_that_they_can_run(source: str, lines: list[str]) -> None:
    assert ordered(source) == lines


def test_names_mean_rules_imports_and_locals() -> None:
    source = "import data.lib.limits\nimport input.user as who\n\np if { x := limits.cpu; q; who.name; x }\nq := 1"
    assert ordered(source) == ["x = data.lib.limits.cpu", "data.test.q", "input.user.name", "x"]


def test_a_local_hides_a_rule_and_an_import() -> None:
    source = "import data.lib\n\nq := 1\np if { q := input.x; lib := q; lib }"
    rules = {show.term(rule.name): rule for rule in gate.check([module(source)]).rules}
    assert not any(isinstance(line.what, Ref) for line in rules["data.test.p"].body)


@pytest.mark.parametrize(
    ("source", "warned"),
    [
        ("p if { some g in data.grants; g.x == 1 }", "a.rego:3:18: warning: data.grants is gone through member by member"),
        ("p if { gs := data.grants; gs[_].x == 1 }", "a.rego:3:27: warning: data.grants is gone through member by member"),
        ("p if { every g in data.a.b { g } }", "a.rego:3:8: warning: data.a.b is gone through member by member"),
        ("p := [x | x := data.grants[_]]", "a.rego:3:16: warning: data.grants is gone through member by member"),
        ("p if { some k; data.grants[k].x }", "a.rego:3:16: warning: data.grants is gone through member by member"),
        ("import data.foo\np := 1", "a.rego:3:1: warning: import data.foo unused"),
        ("p if { x := input.y }", "a.rego:3:8: warning: assigned var x unused"),
        ("f(x) := 1", "a.rego:3:3: warning: unused argument x"),
        ("p if data.grants[input.user]", ""),
        ("p if { k := input.k; data.grants[k].x }", ""),
        ("p if { some x in q }\nq contains 1", ""),
        ('p if { some x in q.xs }\nq := {"xs": [1]}', ""),
        ("p if { some x in input.xs; x }", ""),
    ],
)
def test_warning(source: str, warned: str) -> None:
    warnings = [one.line() for one in gate.check([module(source)]).warnings]
    assert [one[: len(warned)] for one in warnings] == ([warned] if warned else [])


@pytest.mark.parametrize(
    ("source", "warned"),
    [
        ('p if not startswith(input.x, "a")', 'not startswith(input.x, "a") is undefined, and not true, where input.x is missing'),
        ("p if not input.x in {1, 2}", "not input.x in {1, 2} is undefined, and not true, where input.x is missing"),
        ("p if not data.xs[input.x]", "not data.xs[input.x] is undefined, and not true, where input.x is missing"),
        ("p if not input.x", ""),
        ("p if not input.x == 1", ""),
        ('p if not startswith(object.get(input, "x", ""), "a")', ""),
        ('p if { x := input.x; not startswith(x, "a") }', ""),
    ],
)
def test_a_trap_under_not(source: str, warned: str) -> None:
    assert [one.what for one in gate.check([module(source)]).warnings] == ([warned] if warned else [])


@pytest.mark.parametrize(("path", "warned"), [("user.name", False), ("user.nick", True), ("kind", False), ("size", True)])
def test_what_a_schema_requires_is_no_trap(path: str, warned: bool) -> None:
    one = {"properties": {"kind": {}, "size": {}}, "required": ["kind", "size"]}
    other = {"properties": {"kind": {}}, "required": ["kind"]}
    user = {"type": "object", "properties": {"name": {}, "nick": {}}, "required": ["name"]}
    schema = {"properties": {"user": {"$ref": "#/$defs/user"}}, "required": ["user"], "oneOf": [one, other], "$defs": {"user": user}}
    warnings = gate.check([module(f'p if not startswith(input.{path}, "a")')], schema).warnings
    assert bool(warnings) == warned


_LONG = "".join(f"\tinput.x{number} == {number}\n" for number in range(401))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"p if {{\n{_LONG}}}\n", "the body has 401 lines, and 400 is the most"),
        (f"p := 1 if {{\n\tinput.y\n}} else := 2 if {{\n{_LONG}}}\n", "the body has 401 lines, and 400 is the most"),
        (f"p if {{\n\tevery y in input.ys {{\n\t\ty\n{_LONG}\t}}\n}}\n", "the body has 402 lines, and 400 is the most"),
        (f"p := [1 |\n{_LONG}]\n", "the body has 401 lines, and 400 is the most"),
        (f"p := input{'.a' * 251}\n", "the reference has 251 steps, and 250 is the most"),
        ("p if input.x\n" * 20_001, "the set has 20001 rules, and 20000 is the most"),
    ],
)
def test_what_would_take_too_long_to_check_is_refused_first(text: str, what: str) -> None:
    with pytest.raises(Refused) as refused:
        rego.compile({"a.rego": f"package a\n\n{text}"}, entrypoints=["a/p"])
    assert [one.what for one in refused.value.mistakes] == [what]
    assert all(one.fix for one in refused.value.mistakes)


def test_what_is_just_small_enough_is_taken() -> None:
    body = "".join(f"\tinput.x{number} == {number}\n" for number in range(400))
    found = rego.compile({"a.rego": f"package a\n\np if {{\n{body}}}\n"}, entrypoints=["a/p"])
    assert found.eval("a/p", {f"x{number}": number for number in range(400)}) is True
