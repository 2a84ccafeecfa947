"""The parser: what it reads, as trees; its limits; that nothing else than Refused leaves it.

OPA's compliance suite stands beside the repository, in `shared/conformance/rego/`.
"""

import gzip
import inspect
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.rego.error import Place, Refused
from flyball.rego.front import parse_body, parse_module
from flyball.rego.front.cursor import DEPTH
from flyball.rego.front.module import SIZE
from flyball.rego.tree import Call, Expr, Import, Ref, Rule, Scalar, Template, Var
from rego import printed

WHERE = Path("shared", "conformance", "rego", "cases.jsonl.gz")


def find_cases() -> Path | None:
    return next((up / WHERE for up in Path(__file__).resolve().parents if (up / WHERE).is_file()), None)


def load_cases() -> Iterator[dict[str, Any]]:
    found = find_cases()
    if found is None:
        pytest.skip(f"no {WHERE} beside the repository")
    with gzip.open(found, "rt") as lines:
        yield from map(json.loads, lines)


def rules(text: str) -> tuple[Rule, ...]:
    return parse_module("a.rego", f"package a\n{text}").rules


def value(text: str) -> Any:
    [rule] = rules(f"p := {text}")
    assert isinstance(rule.value, Scalar)
    return rule.value.value


def mistakes(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(Refused) as caught:
        parse_module("a.rego", text)
    return [(one.place.row, one.place.col, one.what) for one in caught.value.mistakes]


def test_every_module_and_query_of_the_suite_parses() -> None:
    count = 0
    for case in load_cases():
        parse_body("query", case["query"])
        for number, text in enumerate(case.get("modules", ())):
            parse_module(f"{case['note']}-{number}.rego", text)
        count += 1
    assert count == 1639


def test_what_is_printed_is_read_as_the_same_tree() -> None:
    for case in load_cases():
        for text in case.get("modules", ()):
            once = printed.module(parse_module("a.rego", text))
            assert printed.module(parse_module("a.rego", once)) == once, text


TERMS = {
    "a + b * c - d": "((a + (b * c)) - d)",
    "a - b - c": "((a - b) - c)",
    "a | b & c | d": "((a | (b & c)) | d)",
    "a & b + c": "(a & (b + c))",
    "a == b | c": "(a == (b | c))",
    "a < b == c": "((a < b) == c)",
    "x in a | b": "(x in (a | b))",
    "x == y in z": "((x == y) in z)",
    "x in y in z": "((x in y) in z)",
    "(k, v in xs)": "(k, v in xs)",
    "[x in y]": "[(x in y)]",
    "[a, b in c]": "[a, (b in c)]",
    "f((a, b in c))": "f((a, b in c))",
    "f(a, b in c)": "f(a, (b in c))",
    "{a, b in c}": "{a, (b in c)}",
    "-1 - -2": "(-1 - -2)",
    "- 1": "-1",
    "5 -3": "(5 - 3)",
    ".5 + -.5": "(0.5 + -0.5)",
    "1e3 % 2 / 3": "((1000.0 % 2) / 3)",
    "a.b[c].d[0]": 'a["b"][c]["d"][0]',
    'a["b"].in.if': 'a["b"]["in"]["if"]',
    "f(x).y[z]": 'f(x)["y"][z]',
    "[1, 2][i]": "[1, 2][i]",
    "{1: 2}[1].a": '{1: 2}[1]["a"]',
    "(a + b)[0]": "(a + b)[0]",
    "[x | y]": "[x | y]",
    "[x | y, z]": "[(x | y), z]",
    "[x | y | z]": "[x | y | z]",
    "[x + 1 | y]": "[((x + 1) | y)]",
    "[(x + 1) | y]": "[(x + 1) | y]",
    "{x | y}": "{x | y}",
    "{x | y, z}": "{(x | y), z}",
    "{x | y; z = 1}": "{x | y; z = 1}",
    "{a: b | c}": "{a: b | c}",
    "{a: b | c, d: e}": "{a: (b | c), d: e}",
    "{a + 1: b}": "{(a + 1): b}",
    "{a + b, c}": "{(a + b), c}",
    "{(a | b): c}": "{(a | b): c}",
    "{a: b + c | d}": "{a: ((b + c) | d)}",
    "[x | a, b in c]": "[x | a, b in c]",
    "[[a | b, c] | [d | e, f]]": "[[(a | b), c] | [(d | e), f]]",
    "set()": "set()",
    "{}": "{}",
    "[]": "[]",
    "[\n1,\n2,\n]": "[1, 2]",
    "{1, 2,}": "{1, 2}",
    "{1: 2, 3: 4,}": "{1: 2, 3: 4}",
    "f(\n1,\n)": "f(1)",
    "a.b.c(1)": "a.b.c(1)",
    'a["b"](1)': "a.b(1)",
    "contains(x, y)": "contains(x, y)",
    "$`a{x}\\{`": '$"a{x}\\{"',
    '$"{a}{"b"}"': '$"{a}{"b"}"',
    '$"{$"{a}"}"': '$"{$"{a}"}"',
    '$"{{1: 2}}"': '$"{{1: 2}}"',
    '$"{x with input as 1}"': '$"{x with input as 1}"',
    "# comment\n1": "1",
    "`a\\n`": '"a\\\\n"',
}


@pytest.mark.parametrize("text", TERMS)
def test_terms_bind_as_in_opa(text: str) -> None:
    [rule] = rules(f"p := {text}")
    assert rule.value is not None
    assert printed.term(rule.value) == TERMS[text]


BODIES = {
    "some x, y; x = y": "some x, y; x = y",
    "some x in xs": "some x in xs",
    "some k, [v, _] in xs with input as 1": "some k, [v, _] in xs with input as 1",
    "every k, v in xs { k; v } with data.a as b": 'every k, v in xs { k; v } with data["a"] as b',
    "every x in {1, 2} { x > 1 }": "every x in {1, 2} { x > 1 }",
    "not x with input.a as 1 with f as g": 'not x with input["a"] as 1 with f as g',
    "x := a, b in c": "x := (a, b in c)",
    "x\ny": "x; y",
    "x;y;\nz": "x; y; z",
    "x\r\n\ty": "x; y",
    "x # one\n# two\ny": "x; y",
    "a\n+ b": "a + b",
    "a\n[b]": "a; [b]",
    "not.x == 1": 'not["x"] == 1',
    "some.x; every.y; with.z": 'some["x"]; every["y"]; with["z"]',
    "some x\nin.y": 'some x; in["y"]',
    "if.x\nin.y": 'if["x"]; in["y"]',
    'x == "a"; x != "b"': 'x == "a"; x != "b"',
    "x in {1, 2}": "x in {1, 2}",
}


@pytest.mark.parametrize("text", BODIES)
def test_bodies(text: str) -> None:
    [rule] = rules(f"p if {{\n{text}\n}}")
    assert printed.body(rule.body) == BODIES[text]
    assert printed.body(parse_body("query", text)) == BODIES[text]


RULES = {
    "p if x": "p if { x }",
    "p if not x == 1": "p if { not x == 1 }",
    "p if\n  x": "p if { x }",
    "p = 1": "p = 1",
    "p := 1 if { x } else := 2 if y else = 3": "p := 1 if { x } else := 2 if { y } else = 3",
    "p if { x }\nelse if { y }": "p if { x } else if { y }",
    "p contains x if { x := 1 }": "p contains x if { x := 1 }",
    "p contains 1": "p contains 1",
    "p.q[x].r := v if { x = v }": 'p["q"][x]["r"] := v if { x = v }',
    "p[x] contains y if { x = y }": "p[x] contains y if { x = y }",
    "p [x] := 1": "p[x] := 1",
    "f(x, [y, _]) := y": "f(x, [y, _]) := y",
    "f (x) if x": "f(x) if { x }",
    "a.f(x) := y if { y = x }": 'a["f"](x) := y if { y = x }',
    "f() := 1": "f() := 1",
    "default p := {1: [true, null]}": "default p := {1: [true, null]}",
    "default f(x, _) = 1": "default f(x, _) = 1",
    "default p := [x | x = 1]": "default p := [x | x = 1]",
    "default p.q := 1": 'default p["q"] := 1',
    "p if {1, 2} == {x | x = 1}": "p if { {1, 2} == {x | x = 1} }",
    'p if {"a": 1}.a': 'p if { {"a": 1}["a"] }',
    "p if {x: y | z}": "p if { {x: y | z} }",
    "p if {x | y}": "p if { {x | y} }",
    "p if { {x | y} }": "p if { {x | y} }",
    "p if x else if {y | z}": "p if { x } else if { y | z }",
    "if.x := 1": 'if["x"] := 1',
    "default.x := 1": 'default["x"] := 1',
    "default in.x := 1": 'default in["x"] := 1',
    "contains.x contains 1": 'contains["x"] contains 1',
    "p if { a }\nin.x := 1": 'p if { a }\nin["x"] := 1',
    "p if { a } q := 1": "p if { a }\nq := 1",
}


@pytest.mark.parametrize("text", RULES)
def test_rules(text: str) -> None:
    assert "\n".join(map(printed.rule, rules(text))) == RULES[text]


@pytest.mark.parametrize(
    ("text", "path", "alias"),
    [
        ("import data.a.b", ("data", "a", "b"), ""),
        ("import input", ("input",), ""),
        ('import data.a["b-c"] as d', ("data", "a", "b-c"), "d"),
        ("import data.if.x", ("data", "if", "x"), ""),
        ("import data.a.in as in_", ("data", "a", "in"), "in_"),
        ("import rego.v1", ("rego", "v1"), ""),
        ("import future.keywords", ("future", "keywords"), ""),
        ("import future.keywords.every", ("future", "keywords", "every"), ""),
    ],
)
def test_imports(text: str, path: tuple[str, ...], alias: str) -> None:
    assert parse_module("a.rego", f"package a\n{text}\n").imports == (Import(path, alias),)


@pytest.mark.parametrize(("text", "path"), [("a", ("a",)), ('a["b-c"].d', ("a", "b-c", "d")), ("if.in", ("if", "in")), ("in", ("in",))])
def test_packages(text: str, path: tuple[str, ...]) -> None:
    assert parse_module("a.rego", f"package {text}").package == path


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("0", 0),
        ("-7", -7),
        ("9" * 400, int("9" * 400)),
        ("1.5", 1.5),
        ("1e2", 100.0),
        ("1E-2", 0.01),
        ("1e23", 10**23),
        ("1e400", 10**400),
        ("9007199254740993.0", 9007199254740993),
        ("0.1", 0.1),
        ("0e5", 0.0),
        ('"\\ud83d\\ude00\\u00e9\\n\\/"', "\U0001f600é\n/"),
        ('"\U0001f600"', "\U0001f600"),
        ('""', ""),
        ("`a\nb\\`", "a\nb\\"),
        ("true", True),
        ("null", None),
    ],
)
def test_scalars(text: str, held: Any) -> None:
    found = value(text)
    assert found == held
    assert type(found) is type(held)


def test_wildcards_are_variables_of_their_own() -> None:
    first, second, third = rules("f(_, _) := 1 if _ else := 2\ng(_) := 1\np := [_ | _, 1]")
    names = [arg.name for rule in (first, first.otherwise, second) if rule for arg in rule.args or () if isinstance(arg, Var)]
    assert len({*names}) == len(names) == 5
    assert all(name.startswith("$") for name in names)
    assert third.value is not None
    assert len({name for name in repr(third.value).split("'") if name.startswith("$")}) == 2


def test_places_count_characters() -> None:
    [rule] = rules('p if {\r\n\tx := "é"; foo.bar(y)\n}')
    first, second = rule.body
    assert rule.place == Place("a.rego", 2, 1, 1)
    assert first.place == Place("a.rego", 3, 2, 8)
    assert second.place == Place("a.rego", 3, 12, 10)
    assert isinstance(first.what, Call)
    assert first.what.args[1].place == Place("a.rego", 3, 7, 3)
    assert isinstance(second.what, Call)
    assert second.what.place == Place("a.rego", 3, 12, 7)


def test_a_byte_order_mark_at_the_beginning_takes_no_column() -> None:
    assert mistakes("\ufeffpackage a b") == [(1, 11, "rule must have value assignment and/or body declaration")]


def test_rows_go_on_after_text_of_several_rows() -> None:
    [rule, after] = rules("p := [`a\nb`, $`c\n{x}\nd`, y]\nq := 1")
    assert rule.value is not None
    assert [item.place.row for item in rule.value.items] == [2, 3, 5]  # type: ignore[union-attr]  # an array, by its text
    assert after.place.row == 6


def test_templates_keep_text_and_terms_in_turn() -> None:
    [rule] = rules('p := $"a\\n{x}{y.z} \\{"')
    assert rule.value == Template(("a\n", Var("x"), Ref(Var("y"), (Scalar("z"),)), " {"))


def test_several_mistakes_of_one_file_are_told_where_the_next_rule_is_sure() -> None:
    text = "package a\n\np if {\n\tx ==\n}\n\nq := 'a'\n\n# about r\nr := 1\n\nr { true }\n\ns if {\n\tx\n\nt := 01\n"
    assert mistakes(text) == [
        (5, 1, "unexpected } token: expected a term"),
        (7, 6, "illegal ' character"),
        (12, 1, "`if` keyword is required before rule body"),
        (17, 6, "expected number without leading zero"),
    ]


def test_at_most_twenty_mistakes_are_told() -> None:
    assert len(mistakes("package a\n" + "\np {}\n" * 50)) == 20


def test_rows_that_do_not_surely_begin_a_rule_tell_nothing_more() -> None:
    assert mistakes("package a\np if {\nx ==\ny := = \nz == = 1\n}\n") == [(4, 6, "unexpected = token: expected a term")]


def test_a_query_needs_an_expression() -> None:
    with pytest.raises(Refused, match="unexpected eof token: expected a term"):
        parse_body("query", " # nothing\n")


NESTED = {
    "arrays": ("[", "]"),
    "sets": ("{", "}"),
    "objects": ("{1: ", "}"),
    "parentheses": ("(", ")"),
    "calls": ("f(", ")"),
    "references": ("a[", "]"),
    "comprehensions": ("[x | ", "]"),
    "lists that might be comprehensions": ("[x | ", ", y]"),
    "templates": ('$"{', '}"'),
    "every": ("[x | every x in xs {", "}]"),
    "minus": ("1 - ", ""),
    "in": ("1 in ", ""),
}


@pytest.mark.parametrize("sort", NESTED)
def test_what_is_nested_too_deeply_is_refused_and_nothing_grows(sort: str) -> None:
    before, after = NESTED[sort]
    for depth in (DEPTH + 1, 20_000):
        begun = time.thread_time()
        with pytest.raises(Refused, match="nested deeper than 100 levels"):
            parse_module("a.rego", f"package a\np := {before * depth}1{after * depth}")
        assert time.thread_time() - begun < 5
    assert parse_module("a.rego", f"package a\np := {before * 30}1{after * 30}").rules


def test_long_chains_of_else_are_refused() -> None:
    with pytest.raises(Refused, match="nested deeper"):
        rules("p if x" + " else := 1 if x" * 1000)
    assert rules("p if x" + " else := 1 if x" * 50)


def test_a_full_stack_is_a_mistake_too() -> None:
    def deep(depth: int) -> list[str]:
        if depth:
            return deep(depth - 1)
        found = []
        for parse, text in ((parse_module, "package a\np := "), (parse_body, "")):
            with pytest.raises(Refused) as caught:
                parse("a.rego", text + "[" * 90 + "]" * 90)
            found.append(caught.value.mistakes[0].what)
        return found

    assert deep(sys.getrecursionlimit() - len(inspect.stack()) - 200) == ["nested too deeply"] * 2


def test_a_text_too_large_is_refused() -> None:
    with pytest.raises(Refused, match=f"at most {SIZE} are read"):
        parse_module("a.rego", "package a\n" + " " * SIZE)


def test_what_might_be_read_twice_is_read_in_time_that_grows_with_the_text() -> None:
    for text in ("[a | " * 40 + "b, c" + "], c" * 39 + "]", "[a | " * 40 + "(", "{a: b | " * 40 + "c, d: e" + "}, d: e" * 39 + "}"):
        begun = time.thread_time()
        with nullcontext() if "(" not in text else pytest.raises(Refused):
            parse_body("query", text)
        assert time.thread_time() - begun < 1


def test_a_realistic_file_is_read_in_milliseconds() -> None:
    rule = (
        '# METADATA\n# title: one of many\nallow if {\n\tsome grant in data.grants[input.agent]\n\tgrant.action == "restart"\n'
        '\tinput.target.kind in {"service", "node"}\n\tnot frozen(input.at, {"zone": grant.zone})\n}\n'
    )
    text = "package a\n\n" + "\n".join([rule] * 30)
    times = []
    for _ in range(5):
        begun = time.thread_time()
        parse_module("a.rego", text)
        times.append(time.thread_time() - begun)
    assert min(times) < 0.05


def only_refused(text: str) -> None:
    for parse in (parse_module, parse_body):
        try:
            parse("a.rego", text)
        except Refused as refused:
            rows = text.split("\n")
            for one in refused.mistakes:
                assert 1 <= one.place.row <= len(rows)
                assert 1 <= one.place.col <= len(rows[one.place.row - 1]) + 2
                assert one.place.width >= 1
                assert one.what
                assert "\n" not in one.line() or "\n" in one.what
                one.shown({"a.rego": text})


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    only_refused(text)
    only_refused(f"package a\np := {text}")


PIECES = (
    *("package a", "import data.b", "p", "f(x)", "default", "contains", "if", "else", "not", "some", "every", "in", "with", "as", "null"),
    *("true", "_", ":=", "=", "==", "|", "&", "+", "-", "*", ".", ",", ";", ":", "(", ")", "[", "]", "{", "}", '"', "`", '$"', "$`", "\\{"),
    *(
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        " ",
        "#",
        "# METADATA\n# title: x\n",
        "# METADATA\n# - [",
        '"a"',
        "0",
        "1.5",
        "1e999",
        "'",
        "“",
        "\ufeff",
        "\0",
    ),
    *("\\", "!", "1a", "\ud800", "data.a[x]", "set()", '"\\u12"', "input"),
)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_words_of_rego_in_any_order_are_read_or_refused(words: list[str]) -> None:
    only_refused("".join(words))
    only_refused("package a\n" + " ".join(words))


@cache
def corpus() -> list[str]:
    return [text for case in load_cases() for text in case.get("modules", ())]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_a_module_with_a_slip_is_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    text = chance.choice(corpus())[:5000]
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(("", *PIECES)) + text[at + chance.randint(0, 3) :]
    only_refused(text)


def test_a_mistake_is_shown_with_a_caret_under_it() -> None:
    text = "package a\r\np if {\r\n\tinput.x == “a”\r\n}\r\n"
    with pytest.raises(Refused) as caught:
        parse_module("a.rego", text)
    assert caught.value.mistakes[0].shown({"a.rego": text}).split("\n") == [
        "a.rego:3:13: rego_parse_error: illegal “ character",
        "  \tinput.x == “a”",
        "  \t           ^",
        '  strings stand in plain double quotes: "..."',
    ]


def test_a_name_of_two_words_is_one_expression_with_its_place() -> None:
    [expr] = parse_body("query", "data.a.b = x")
    assert expr == Expr(Call(("eq",), (Ref(Var("data"), (Scalar("a"), Scalar("b"))), Var("x"))))
    assert expr.place == Place("query", 1, 1, 12)
