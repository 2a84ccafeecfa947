"""Corners of the language where an engine goes wrong without a word, with what OPA's documentation or source says of each.

The section of the documentation or the file of the source stands before the group of rows that it decides.
"""

from typing import Any

import pytest

from flyball.rego import UNDEFINED, Refused, compile  # noqa: A004 - it is what people call
from flyball.rego.error import Conflict
from flyball.rego.value import equal, plain

DATA = {
    "list": [1, 2, [3]],
    "flag": False,
    "none": None,
    "deep": {"a": {"b": 1}},
    "ten": {"1": "text", "a": 1},
    "base": {"x": 1, "y": {"z": 2}},
}
INPUT = {"xs": [3, 1, 2], "no": False, "null": None, "zero": 0, "text": "", "obj": {"k": "v"}, "half": 1.5, "one": 1.0, "mixed": [1, True]}
U = UNDEFINED

ROWS: list[tuple[str, Any]] = [
    # Policy Language, "Undefined": a rule whose value has an undefined part is undefined
    ("p := [1, input.miss]", U),
    ("p := {1, input.miss}", U),
    ('p := {"a": input.miss}', U),
    ("p := {input.miss: 1}", U),
    ("p := input.miss + 1", U),
    ("p := input.xs[input.miss]", U),
    ("f(x) := 1\np := f(input.miss)", U),
    ("p := 1 if input.miss == input.miss", U),
    ("p := 1 if input.miss != 1", U),
    ("p := [x | x := input.miss]", []),
    ("p := {x: 1 | x := input.miss}", {}),
    ("p := count({x | some x in input.miss})", 0),
    ("p := 1 if some x in input.miss", U),
    ("p := 1 in input.miss", U),
    ("p := count(input.miss)", U),
    ('p := sprintf("%v", [input.miss])', U),
    ("p := x if { x := 2 with input.xs as input.miss }", U),
    ("p := [1 | true with input.xs as input.miss]", []),
    ('p := $"{input.miss}"', "<undefined>"),
    # Policy Language, "Negation"; what a negated line's arguments hold is computed before it (compile.go; OPA's issue 8387)
    ("p if not input.miss", True),
    ("p if not input.no", True),
    ("p if not input.null", U),
    ("p if not input.zero", U),
    ("p if not input.text", U),
    ("p if not input.xs[9]", True),
    ("p if not count(input.miss) == 1", U),
    ("p if not input.miss == 1", True),
    ("q := false\np if not q", True),
    ("q if false\np if not q", True),
    ("q contains 1 if false\np if not q", U),
    ("q contains 1 if false\np if not q[1]", True),
    ("f(x) := false\np if not f(1)", True),
    ("f(x) if x == 2\np if not f(1)", True),
    # Policy Language, "Rules", "Functions": only false and undefined are no truth
    ("p if null", True),
    ("p if 0", True),
    ('p if ""', True),
    ("p if []", True),
    ("p if false", U),
    ("p := false", False),
    ("p := null", None),
    ("p := false if true", False),
    ("f(x) := x\np if f(false)", U),
    ("f(x) := x\np := f(false)", False),
    ("p if { x := input.no; x == false }", True),
    ("p if { x := input.no }", True),
    ("p if { input.no = x; x == false }", True),
    ("p if data.flag", U),
    ("p := x if { x := data.none }", None),
    # Policy Reference, "Equality"; topdown: one value per complete document, numbers are equal by value
    ("p := 1\np := 1.0", 1),
    ("f(x) := 1\nf(x) := 1.0\np := f(0)", 1),
    ("p contains 1\np contains 1.0", [1]),
    ("p := count({1, 1.0, 1e0, 10e-1})", 1),
    ("p := 1 == 1.0", True),
    ("p := {1: 2} == {1.0: 2.0}", True),
    ("p := {true, 1}", [True, 1]),
    ('p := {false, 0, null, ""}', [None, False, 0, ""]),
    ("p := [1] == [true]", False),
    ("x := [1, true]\np := x[0] == x[1]", False),
    ("p[1] := 1\np[1.0] := 1", {"1": 1}),
    ('p := {x: 1 | some x in [1, true, "1"]}', {"1": 1, "true": 1}),
    ("p := 0 == -0", True),
    ("p := input.one", 1),
    # term.go, Array.Get: an index is what is written as an integer; what arithmetic gives is
    ("p := input.xs[1.0]", U),
    ("p := input.xs[input.one]", U),
    ("p := input.xs[2 / 2]", 1),
    ("p := input.xs[0.5 + 0.5]", 1),
    ("p := input.xs[1e0]", U),
    ("p := input.xs[input.half]", U),
    ("p := input.xs[-1]", U),
    ('p := input.xs["0"]', U),
    ("p := input.xs[true]", U),
    ("p := input.obj[true]", U),
    ('x := "text"\np if x[_]', "rego_type_error"),
    ('p := "text"[0]', "rego_parse_error"),
    # Policy Language, "Default Keyword", "Else Keyword"
    ("default p := 1\np := 2 if input.miss", 1),
    ("default p := 1\np := false if true", False),
    ("default p := false\np if input.no", False),
    ("p := 1 if input.no\nelse := 2", 2),
    ("p := input.miss if true\nelse := 2", 2),
    ("p := false if true\nelse := 2", False),
    ("default p := 9\np := 1 if false\nelse := 2 if false", 9),
    ("f(x) := input.miss if x\nelse := 2\np := f(true)", 2),
    ("f(x) := false if x\nelse := 2\np := f(true)", False),
    ("default f(_) := 9\nf(x) := 1 if x == 1\np := [f(1), f(2)]", [1, 9]),
    ("default f(_) := 9\nf(x) := 1 if x == 1\np := f(input.miss)", U),
    ('f([x, 1]) := x\nf({"a": x}) := x\np := [f([2, 1]), f({"a": 3})]', [2, 3]),
    ("f(1) := 1\nf(true) := 2\np := [f(1), f(true)]", [1, 2]),
    ("default a.b := 1\na.b := 2 if false\np := a", {"b": 1}),
    # Policy Language, "With Keyword": evaluates anew, whatever has been asked before
    ("q := input.xs\np := [q, q, q] if { true }", [[3, 1, 2]] * 3),
    ("q := input\np := [a, b, c] if { a := q.zero; b := q with input as 5; c := q.zero }", [0, 5, 0]),
    ("f(x) := input.zero + x\np := [f(1), y, f(1)] if { y := f(1) with input.zero as 9 }", [1, 10, 1]),
    ("q := r\nr := data.deep.a.b\np := [q, x, q] if { x := q with data.deep.a.b as 7 }", [1, 7, 1]),
    ("q := r\nr := 1\np := [q, x, q] if { x := q with r as 7 }", [1, 7, 1]),
    ("q := count([1])\np := [q, x, q] if { x := q with count as 7 }", [1, 7, 1]),
    ("f(x) := x\nq := f(1)\ng(_) := 8\np := [q, x, q] if { x := q with f as g }", [1, 8, 1]),
    ("f(x) := x\np := [x, y] if { x := f(1) with f as 5; y := f(1) }", [5, 1]),
    ("q := input\np := x if { x := q with input.a.b as 1 with input.c as 2 with input.a.d as 3 with input as {} }", {}),
    ("q := input\np := x if { x := q with input as {} with input.a.b as 1 }", {"a": {"b": 1}}),
    ("q := input.xs\np := x if { x := q with input as {} }", U),
    ("q if not input.zero == 0\np if q with input.zero as 1", True),
    ("q := input.n\nr := x if { x := q with input.n as 1 }\np := [x, y] if { x := r; y := r with input.n as 2 }", [1, 1]),
    ("default q := 0\nq := 1 if input.on\np := [x, q] if { x := q with input.on as true }", [1, 0]),
    ("q contains input.n\np := [x, y] if { x := q with input.n as 1; y := q with input.n as 2 }", [[1], [2]]),
    ("p if { every x in [1, 2] { x < input.n with input.n as 5 } }", True),
    ("f(x) := x + 1\nm(x) := f(x) * 10\np := y if { y := m(1) with f as 4 }", 40),
    ('p := [x | some x in data.deep.a with data.deep as {"a": [1, 2]}]', [1, 2]),
    # Policy Language, "Every Keyword"
    ("p if every x in [] { x > 1 }", True),
    ("p if every x in {} { x > 1 }", True),
    ("p if every x in input.miss { x > 1 }", U),
    ("p if every x in input.text { x > 1 }", U),
    ("p if every x in input.xs { x.y }", U),
    ("p if not q\nq if every x in input.miss { x > 1 }", True),
    ('p if every k, v in {"a": 1} { k == "a"; v == 1 }', True),
    ("x := 5\np if every x in [1, 2] { x < 3 }", True),
    ("p := y if { y := 2; every x in [1, 2] { x <= y } }", 2),
    ("p if every x in [false, null] { x != 1 }", True),
    ("p if every x in [false] { x }", U),
    ('p if { every n in ["a"] { object.get(input, n, []) == []; not input[n] } }', True),
    ('p if { every n in ["a", "xs"] { count(object.get(input, n, [])) == 0 } }', U),
    # Policy Language, "Comprehensions": closures over what stands outside
    ("p := [y | some x in [1, 2]; y := [z | z := x * 10]]", [[10], [20]]),
    ("x := 1\np := [x | some x in [7, 8]]", [7, 8]),
    ("p := [r | some x in [1, 2]; r := {x: [y | some y in [1, 2, 3]; y > x]}]", [{"1": [2, 3]}, {"2": [3]}]),
    ("p := [x | some x in {3, 1, 2}]", [1, 2, 3]),
    ('p := [k | some k, _ in {"b": 1, "a": 2}]', ["a", "b"]),
    ('p := [x | some x in {"b", 2, true, null, [1], {"a": 1}, {1}, 1.5, false}]', [None, False, True, 1.5, 2, "b", [1], {"a": 1}, [1]]),
    ("p := [x | some x in input.xs]", [3, 1, 2]),
    ('p := [v | some v in {10: "b", 9: "a"}]', ["a", "b"]),
    ("p := {k: v | some k, v in [4, 5]}", {"0": 4, "1": 5}),
    ("p := {1: 2}[1.0]", 2),
    ("p := {[1]: 2}[[1]]", 2),
    ("p := {{1, 2}: 3}[{2, 1}]", 3),
    ("p := {null: 3}[null]", 3),
    # Data: an array is no set; a document of data with keys that look like numbers
    ("p if data.list == [1, 2, [3]]", True),
    ("p if {x | some x in data.list} == {[3], 2, 1}", True),
    ("p if data.list[2] == {3}", U),
    ("p := 3 in data.list[2]", True),
    ("p := 3 in data.list", False),
    ("p := {1, 2} == [1, 2]", False),
    ("p if {1, 2} == [1, 2]", "rego_type_error"),
    ('p := "v" in input.obj', True),
    ('p := "k" in input.obj', False),
    ('p := "k", "v" in input.obj', True),
    ("p := [0, 3] in [[0, 3]]", True),
    # Numbers: exact integers of any size, decimals (topdown/arithmetic.go)
    ("p := 9007199254740993 + 1", 9007199254740994),
    ("p := 9007199254740993 == 9007199254740992", False),
    ("p := 100000000000000000000 * 100000000000000000000", 10**40),
    ("p := 7 % 3", 1),
    ("p := -7 % 3", -1),
    ("p := 1 / 2", 0.5),
    ("p := 4 / 2", 2),
    ("p := 1 / 0", U),
    ("p := 1 % 0", U),
    ("p := 1.5 % 1", U),
    ("p := round(-2.5)", -3),
    ("p := round(2.5)", 3),
    ("p := ceil(-0.5)", 0),
    ("p := sum([])", 0),
    ("p := product([])", 1),
    ("p := max([])", U),
    ("p := 9 < 10", True),
    ('p := "9" < "10"', False),
    ('p := max({"9", "10"})', "9"),
    ("p := max([9, 10, 1e2])", 100),
    ('p := sort([10, 9, "a", null, 1.5])', [None, 1.5, 9, 10, "a"]),
    ('p := sort(["b", "B", "é", "a", "z"])', ["B", "a", "b", "z", "é"]),
    ("p := {1, 2} < {1, 3}", True),
    ("p := [1, 2] < [1, 2, 0]", True),
    ("p := [2] < [1, 2]", False),
    ("p := null < false", True),
    # sprintf, substring, indexof: by character; what does not fit is told in the text (Go's fmt)
    ('p := sprintf("%d", ["a"])', "%!d(string=a)"),
    ('p := sprintf("%d %d", [1])', "1 %!d(MISSING)"),
    ('p := sprintf("%d", [1, 2])', "1%!(EXTRA int=2)"),
    ('p := sprintf("%s", [input.xs])', "[3, 1, 2]"),
    ('p := sprintf("%v", [{"a": {1}}])', '{"a": {1}}'),
    ('p := sprintf("%z", [1])', "%!z(int=1)"),
    ('p := substring("añb", 1, 1)', "ñ"),
    ('p := substring("abc", 1, -1)', "bc"),
    ('p := substring("abc", -1, 1)', U),
    ('p := count("añb")', 3),
    ('p := indexof("añb", "b")', 2),
    ('p := to_number("0x1")', U),
    ('p := to_number("1e2")', 100),
    ("p := to_number(true)", 1),
    ("p := to_number(null)", 0),
    # Partial rules and heads of several parts (Policy Language, "Rule Heads containing References")
    ('p["a"].b := 1\np["a"].c := 2', {"a": {"b": 1, "c": 2}}),
    ("p[x] := y if { some x, y in [5, 6] }", {"0": 5, "1": 6}),
    ("p[x].y := x if { some x in [1, 2] }", {"1": {"y": 1}, "2": {"y": 2}}),
    ("q[x] contains y if { some x in [1, 2]; some y in [x, 3] }\np := q[1]", [1, 3]),
    ("q[1] := 2\np := q[1.0]", 2),
    ("q[true] := 2\np := [object.get(q, true, 0), object.get(q, 1, 0)]", [2, 0]),
    ("q contains [1, x] if { some x in [1, 2] }\np := [x | q[[1, x]]]", [1, 2]),
    ('q contains {"a": x} if { some x in [1, 2] }\np := [x | {"a": x} = y; q[y]]', [1, 2]),
    ('q.a := 1\nq[x] := 2 if { some x in ["b"] }\np := q', {"a": 1, "b": 2}),
    ("p := {k | data.test.q[k]}\nq.a := 1\nq.b := false", ["a"]),
    ("p := x if { x := data.test.q.a }\nq.a := null", None),
    # Partial rules over base documents, and below them (Policy Language, "Data")
    ('p := data.base.x with data.base as {"x": 5}', "rego_parse_error"),
    ("p := object.keys(data.deep) with data.deep as {}", "rego_parse_error"),
    ("p := data.ten[1]", "text"),  # storage: paths of base documents are text
    ("x := data.ten\np := x[1]", U),
    ('p := data.list["1"]', 2),
    ("p if data.test.p2\np2 if data.base", True),
    # Unification (Policy Language, "Unification Operator")
    ("p := [x, y] if { [x, [y]] = [1, [2]] }", [1, 2]),
    ('p := x if { {"a": [x, 2]} = {"a": [1, 2]} }', 1),
    ("p := x if { [x, x] = [1, 1.0] }", 1),
    ("p if { [x, x] = [1, true]; x }", "rego_type_error"),
    ("p if { [x, x] = input.mixed; x }", U),
    ("p := x if { x = 1; x = 1 }", 1),
    ("p := x if { y = x; y = 3 }", 3),
    ("p := [x | input.xs[x] = 1]", [1]),
    ("p := [[i, j] | input.xs[i] < input.xs[j]]", [[1, 0], [1, 2], [2, 0]]),
    ("p := [x | some x in input.xs; x != 1]", [3, 2]),
    ('p if { input = {"xs": _} }', U),
    ("p := [x | [x, _] = input.pairs[_]]", []),
    ('p := [y | some ["a", y] in [["a", 1], ["b", 2], ["a", 3], 5]]', [1, 3]),
    ('p := [y | some {"k": y} in [{"k": 1}, {"k": 2, "z": 1}, {"z": 1}]]', [1]),
]


def answer(source: str) -> Any:
    return compile({"corner.rego": f"package test\n\n{source}\n"}, entrypoints=["test/p"]).eval("test/p", INPUT, DATA)


@pytest.mark.parametrize(("source", "wanted"), ROWS, ids=[source for source, _ in ROWS])
def test_corner(source: str, wanted: Any) -> None:
    if isinstance(wanted, str) and wanted.startswith("rego_"):
        with pytest.raises(Refused, match=wanted):
            answer(source)
        return
    found = answer(source)
    assert found is wanted if wanted is UNDEFINED else equal(plain(found), wanted), found


# Policy Language, "Complete Definitions", "Functions", "Generating Objects": two values for one document
CONFLICTS = [
    "p := 1\np := 2 if true",
    "p := 1\np := true if input.xs",
    "p := false if input.xs\np := true if input.xs",
    "p[1] := 1\np[1.0] := 2",
    "p[x] := y if { some x in [1, 1]; some y in [1, 2] }",
    "f(x) := 1\nf(x) := true\np := f(1)",
    "p := {x: y | some x in [1]; some y in [1, 2]}",
    "p := 1 if q\nq if f(1)\nf(x) := 1 if x\nf(x) := 2 if x",
    "p := [1] if input.xs\np := {1} if input.xs",
    "p[x].y := z if { some x in [1]; some z in [1, 2] }",
]


@pytest.mark.parametrize("source", CONFLICTS)
def test_two_values_for_one_document(source: str) -> None:
    with pytest.raises(Conflict):
        answer(source)
