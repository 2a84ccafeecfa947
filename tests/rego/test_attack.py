"""Policies and inputs that try to hang, to fill memory, to run out of stack or to reach Python.

Each ends with an answer or a documented error.
"""

import contextlib
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from flyball.rego import UNDEFINED, RegoError, compile, compile_plan, compile_query  # noqa: A004 - it is what people call
from flyball.rego.value import plain

CPU_S = 4  # coverage makes everything several times as slow
GROWN_KIB = 512 * 1024


def doubled(first: str, more: str, last: str) -> str:
    """Sixty rules, each of which holds the one before twice: 2^60 parts, if anybody goes through all of them."""
    rules = [f"a0 := {first}", *(f"a{i} := {more.replace('@', f'a{i - 1}')}" for i in range(1, 60))]
    return "\n".join([*rules, f"p := {last.replace('@', 'a59').replace('#', 'a58')}"])


def deep(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


PAIR, TWIN = ("[1]", "[@, @]"), ('{"a": 1}', '{"a": @, "b": @}')
RULES: dict[str, tuple[str, Any]] = {
    "a pattern that backtracks": ('p if regex.match("(a+)+$", input)', "a" * 50_000 + "b"),
    "a pattern with many groups": ("p := regex.find_all_string_submatch_n(input, `a`, -1)", "(a*)" * 5_000),
    "a template with many groups": ('p if regex.template_match(input, "a", "{", "}")', "{a*}" * 5_000),
    "a pattern of patterns": ("p if regex.match(input, `a`)", "(a{0,30}){0,30}" * 50),
    "many patterns": ('p := [1 | some i in numbers.range(1, 1000000); regex.match(sprintf("a%d", [i]), "b")]', None),
    "a match at every place": ("p := count(regex.replace(input, ``, input))", "a" * 20_000),
    "globs that meet": ("p if regex.globs_match(input, input)", "a*" * 3_000),
    "a slow builtin in a loop": ("p if { some i in numbers.range(1, 1000000); json.unmarshal(input)[i] == 0 }", f"[{'1,' * 100_000}1]"),
    "a search in a loop": ('p if { some i in numbers.range(1, 1000000); contains(input, "ab") }', "a" * 10_000_000),
    "members in a loop": ("p if { some i in numbers.range(1, 1000000); i + 5000000 in input }", list(range(1_000_000))),
    "a wide number": ('p := count(sprintf("%999999999d", [1]))', None),
    "a precise number": ('p := count(sprintf("%.999999999f", [1.5]))', None),
    "an index of an operand": ('p := sprintf("%[999999999999]d", [1])', None),
    "many wide numbers": ("p := count(sprintf(input, [1]))", "%1000d" * 100_000),
    "a long range": ("p := numbers.range(1, 1000000000)", None),
    "ranges in ranges": ("r := numbers.range(1, 1000)\np := [x | some x in r; some y in r; some z in r; x + y + z == 1]", None),
    "a document too large to walk": (doubled(*PAIR, "count([1 | walk(@, [_, _])])"), None),
    "a document too large to compare": (doubled(*PAIR, "@ == [#, #, 1]"), None),
    "a document too large to be a member": (doubled(*PAIR, "{@}"), None),
    "a document too large to write": (doubled(*PAIR, "count(json.marshal(@))"), None),
    "a document too large to print": (doubled(*PAIR, 'count(sprintf("%v", [@]))'), None),
    "a document too large for YAML": (doubled(*PAIR, "count(yaml.marshal(@))"), None),
    "a document too large for a template": (doubled(*PAIR, 'count($"{@}")'), None),
    "a document too large for a schema": (doubled(*TWIN, 'json.match_schema(@, {"type": "object"})'), None),
    "a document too large to give": (doubled(*PAIR, "@"), None),
    "a document too large to lay over another": (doubled(*TWIN, "count(object.union(@, {`b`: #, `a`: #}))"), None),
    "a document too large to be a part": (doubled(*TWIN, "object.subset(@, {`b`: #, `a`: #})"), None),
    "a type too large to tell": (doubled(*PAIR, "startswith(@, 1)"), None),
    "types too large to match": (doubled(*PAIR, "1 if { @ == [#, #, 1] }"), None),
    "a text twice as long": (doubled('"aa"', 'concat("", [@, @])', "count(@)"), None),
    "a text twice as long by sprintf": (doubled('"aa"', 'sprintf("%s%s", [@, @])', "count(@)"), None),
    "a text twice as long by a template": (doubled('"aa"', '$"{@}{@}"', "count(@)"), None),
    "a text that replaces itself": (doubled('"aa"', 'replace(@, "a", @)', "count(@)"), None),
    "an array twice as long": (doubled("[1, 1]", "array.concat(@, @)", "count(@)"), None),
    "a number twice as long": (doubled("99999", "@ * @", "@"), None),
    "an array made flat": ("a := numbers.range(1, 1000000)\np := count(array.flatten([a | some i in numbers.range(1, 1000)]))", None),
    "a number with a long exponent": ('p := [to_number("1e999999999"), json.unmarshal("[1e999999999]"), units.parse("1e999999999")]', None),
    "a literal with a long exponent": ("p := 1e999999999", None),
    "a long number": ("p := [to_number(input), json.unmarshal(input)]", "9" * 1_000_000),
    "a shift": ("p := bits.lsh(1, 10000000000)", None),
    "a number of the input": ('p := [format_int(input, 2), sprintf("%v", [input])]', 10**100_000),
    "deep JSON": ("p := json.unmarshal(input)", "[" * 200_000),
    "deep YAML": ("p := yaml.unmarshal(input)", "[" * 100_000),
    "a YAML bomb": (
        "p := yaml.unmarshal(input)",
        "a: &a [x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)),
    ),
    "YAML of Python": ('p := yaml.unmarshal("!!python/object/apply:os.system [id]")', None),
    "many unions": ("p := count(object.union_n([{i: {j: 1}} | some i in numbers.range(1, 1000); some j in numbers.range(1, 1000)]))", None),
    "long unions": ("p := count(object.union_n([{i: 1} | some i in numbers.range(1, 200000)]))", None),
    "all paths of a graph": ("p := count(graph.reachable_paths({i: numbers.range(1, 14) | some i in numbers.range(1, 14)}, {1}))", None),
    "a full graph": ("p := count(graph.reachable({i: numbers.range(1, 2000) | some i in numbers.range(1, 2000)}, {1}))", None),
    "loops of a template": (
        'p := strings.render_template("{{range .x}}{{range $.x}}{{range $.x}}{{range $.x}}x{{end}}{{end}}{{end}}{{end}}", {"x": numbers.range(1, 1000)})',  # noqa: E501 - a policy is easier to read on one line
        None,
    ),
    "a glob of choices": ('p if glob.match(input, [], "a")', "{a,b}" * 3_000),
    "a glob in a glob": ('p if glob.match(input, [], "a")', "{" * 20_000),
    "a glob of stars": (f'p if glob.match(input, ["."], "{"a" * 1000}")', "*a" * 2_000),
    "all addresses": ('p := net.cidr_expand("::/0")', None),
    "many replacements": ('p := strings.replace_n({sprintf("%d", [i]): "x" | some i in numbers.range(1, 5000)}, input)', "1" * 200_000),
    "a long version": ("p := semver.compare(input, input)", f"1.0.0-{'a.' * 200_000}a"),
    "a long layout": ("p := time.parse_ns(input, input)", "2006" * 100_000),
    "a time zone that is a path": ('p := time.date([1, "../../../../etc/passwd"])', None),
    "a schema of itself": ('p := json.match_schema({}, {"$ref": "#"})', None),
    "a schema of a file": ('p := json.match_schema({}, {"$ref": "file:///etc/passwd"})', None),
    "a deep GraphQL query": ("p := graphql.parse_query(input)", "{a" * 50_000),
    "a token of dots": ("p := io.jwt.decode(input)", "." * 1_000_000),
    "a rule that a function stands for": ("f(x) := x\ng(x) := f(x)\np := x if { x := f(1) with f as g }", None),
    "two rules that stand for each other": ("q := 1\nr := q\ns := r\np := x if { x := r with q as s }", None),
    "worlds in worlds": (
        "f0 := input.a\n"
        + "\n".join(
            f"f{i} := [x, y] if {{ x := f{i - 1} with input.a as [0]; y := f{i - 1} with input.a as [{i}, input.a] }}" for i in range(1, 40)
        )
        + "\np := count(f39)",
        {"a": 1},
    ),
    "calls of calls": (
        "f0(x) := x\n" + "\n".join(f"f{i}(x) := f{i - 1}(x) + f{i - 1}(x + 1)" for i in range(1, 60)) + "\np := f59(1)",
        None,
    ),
    "deep parentheses": (f"p := {'(' * 20_000}1{')' * 20_000}", None),
    "a deep array": (f"p := {'[' * 20_000}1{']' * 20_000}", None),
    "deep comprehensions": (f"p := {'[x | x := ' * 300}1{']' * 300}", None),
    "deep calls": (f"p := {'count(' * 2_000}[]{')' * 2_000}", None),
    "deep templates": ("p := " + '$"{' * 200 + "1" + '}"' * 200, None),
    "a long sum": (f"p := {' + '.join(['1'] * 20_000)}", None),
    "many choices": ("p if {\n" + "\n".join(f"some x{i} in input\nx{i}" for i in range(60)) + "\n1 == 2 }", [1, 2, 3]),
    "deep input": ("p := {input, [input]}", deep(100_000)),
    "deep input, given": ("p := input", deep(100_000)),
    "deep input, ordered": ("p := [input] < [[input]]", deep(100_000)),
    "pairs of pairs": ("p := {[i, j]: 1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000)}", None),
}


def survived(ask: Callable[[], Any]) -> None:
    """Runs it; it must end in time, in bounds, with an answer or one of this package's errors."""
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(RegoError):
        ask()
    assert time.process_time() - before < CPU_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < GROWN_KIB


@pytest.mark.parametrize("name", RULES)
def test_limits_hold(name: str) -> None:
    source, given = RULES[name]
    survived(lambda: compile({"a.rego": f"package t\n{source}\n"}, entrypoints=["t/p"]).eval("t/p", given))


# Texts that are long, deep or full of what is compiled again and again
N, INF = range(400), range(5_000)


def body(lines: Iterable[str]) -> str:
    return "p if {\n" + "\n".join(lines) + "\n}"


def nested(levels: int, opening: str, inside: str, closing: str) -> str:
    return "p := " + "".join(opening.replace("#", str(at)) for at in range(levels)) + inside + closing * levels


def objects(name: str) -> str:
    return f"{{{', '.join(f'{{`{name}{i}`: {i}}}' for i in range(200))}}}"


COMPILED: dict[str, str] = {
    "a body of some": body(f"some x{i} in input" for i in N),
    "a body of some, too long": body(f"some x{i} in input" for i in INF),
    "a body that can only run backwards": body([*(f"x{i} = x{i + 1}" for i in N[:-2]), "x398 = 1"]),
    "an array that can only be bound backwards": f"p if [{', '.join(f'x{i}' for i in N)}] = [{', '.join(f'x{i + 1}' for i in N[:-1])}, 1]",
    "an array of calls": f"p := [{', '.join(f'count(input.a{i})' for i in range(1_500))}]",
    "a body of every": body(f"every x in input.a{i} {{ x }}" for i in N),
    "a body of comprehensions": body(f"x{i} := {{y | some y in input}}" for i in N),
    "a body of negations": body(f"not input.a{i}" for i in N),
    "a body of changed inputs": body(f"data.t.q with input.a{i} as 1" for i in N) + "\nq := input",
    "a line of changed inputs": f"p if data.t.q {' '.join(f'with input.a{i} as 1' for i in N)}\nq := input",
    "a long reference": f"p := input{''.join(f'[x{i}]' for i in range(250))}",
    "a long reference of names": f"p := input{'.a' * 50_000}",
    "references that need each other": f"p := [{', '.join(f'input[x{i}][a[x{i + 1}]]' for i in N)}]\na := {{}}",
    "references through all rules": "\n".join([*(f"r{i} := {i}" for i in range(500)), *(f"p contains data.t[x{i}]" for i in range(500))]),
    "a world for every line": body(f"data.t.r0 with data.t.z{i} as 1" for i in range(100))
    + "\n"
    + "\n".join(f"z{i} := {i}\nr{i} := [z{i}, r{i + 1}]" for i in range(100))
    + "\nr100 := 1",
    "two worlds for every rule": "\n".join(
        f"z{i} := 1\nr{i} := [r{i + 1}, x] if {{ x := r{i + 1} with data.t.z{i} as 2 }}" for i in range(40)
    )
    + f"\nr40 := [{', '.join(f'z{i}' for i in range(40))}]\np := r0",
    "two functions for every rule": "\n".join(
        f"f{i}(x) := x\nr{i} := [r{i + 1}, x] if {{ x := r{i + 1} with f{i} as {i} }}" for i in range(40)
    )
    + f"\nr40 := [{', '.join(f'f{i}(0)' for i in range(40))}]\np := r0",
    "a nest of comprehensions": nested(45, "[x# | x# := ", "1", "]"),
    "a nest of comprehensions that go through each other": nested(45, "{x# | some x# in ", "input", "}"),
    "a nest of objects of comprehensions": nested(45, "{x#: y# | some x#, y# in ", "input", "}"),
    "a nest of every": "p if { " + "".join(f"every x{i} in input {{ x{i}; " for i in range(45)) + "true" + "}" * 46,
    "many nests": "\n".join(f"p contains {nested(30, '[x# | some x# in ', 'input', ']')[5:]}" for _ in range(40)),
    "deep brackets around every member": f"p := {'[1, ' * 95}1{']' * 95}",
    "very many rules": "\n".join(f"r{i} := input.a{i}" for i in range(100_000)),
    "many rules, each of which needs the next": "\n".join(f"r{i} if r{i + 1}" for i in range(2_000)) + "\nr2000 := 1\np if r0",
    "many clauses": "\n".join(f"p := {i} if input.a == {i}" for i in range(2_000)),
    "many types": f"p := {{{', '.join(f'{{`a{i}`: {i}}}' for i in range(3_000))}}}",
    "many types to match": f"p if {objects('a')} == {objects('b')}",
    "many unknown names": "\n".join(f"r{i} := someunknownname{i}" for i in range(1_000)),
    "many unknown functions": "\n".join(f"r{i} := function{i}(1)" for i in range(1_000)),
    "a long unknown name": f"p := {'ab' * 50_000}\n{'ba' * 50_000} := 1",
    "a long text": "# " + "x" * 3_000_000,
}


@pytest.mark.parametrize("name", COMPILED)
def test_a_compilation_ends(name: str) -> None:
    survived(lambda: compile({"a.rego": f"package t\n{COMPILED[name]}\n"}))


PLANNED: dict[str, Any] = {
    "a nest of scans": (150, "ScanStmt", {"source": 0, "key": 2, "value": 3}),
    "a nest of negations": (150, "NotStmt", {}),
    "a nest of changed inputs": (150, "WithStmt", {"local": 0, "path": [], "value": {"type": "bool", "value": True}}),
}


def stmts(kind: str, count: int, **fields: Any) -> list[Any]:
    return [{"type": kind, "stmt": fields} for _ in range(count)]


@pytest.mark.parametrize("name", PLANNED)
def test_a_plan_of_nests_is_compiled_in_time(name: str) -> None:
    levels, kind, fields = PLANNED[name]
    block = {"stmts": [*stmts("BreakStmt", 1, index=levels)]}
    for _ in range(levels):
        block = {"stmts": [*stmts("MakeArrayStmt", 20, target=4), *stmts(kind, 1, block=block, **fields)]}
    plan = json.dumps({"plans": {"plans": [{"name": "p", "blocks": [block]}]}}).encode()
    survived(lambda: compile_plan(plan))


@pytest.mark.parametrize("count", [2_000, 20_000])
def test_a_long_plan_is_compiled_in_time(count: int) -> None:
    block = {"stmts": stmts("MakeArrayStmt", count, target=2)}
    plan = json.dumps({"plans": {"plans": [{"name": "p", "blocks": [block]}]}}).encode()
    survived(lambda: compile_plan(plan))


def test_a_long_query_is_compiled_in_time() -> None:
    survived(lambda: compile_query({"a.rego": "package t\nz := 1\n"}, "\n".join(f"some x{i} in data[y{i}]" for i in N)))


# Names and texts that mean something to Python, or to whatever made code of text
TEXTS = [
    *("__class__", "__import__('os')", "f0", "m", "k", "l0", "U", "q", "NEVER", "type", "equal", "None", "self", "lambda", "import os"),
    *(
        "'",
        '"',
        '"""',
        "\\",
        "\n",
        "\r\n",
        "\0",
        "\x1b[31m",
        "{}",
        "{0}",
        "%s",
        "${x}",
        "#",
        "; import os",
        "\u202e",
        "\ud800",
        "é",
        "a b",
        "",
    ),
]
WORDS = [
    "__class__",
    "__builtins__",
    "f0",
    "m",
    "k",
    "l0",
    "l1",
    "q",
    "U",
    "NEVER",
    "type",
    "equal",
    "clock",
    "None",
    "True",
    "self",
    "lambda",
    "exec",
    "_0",
    "b0",
]


def quoted(text: str) -> str:
    marks = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(marks.get(mark, mark if " " <= mark < "\ud800" else f"\\u{ord(mark):04x}") for mark in text) + '"'


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_a_text(text: str) -> None:
    if "\ud800" in text:
        survived(lambda: compile({"a.rego": f"package t\np := {quoted(text)}\n"}))
        return
    source = f"package t\np := {{{quoted(text)}: [input[{quoted(text)}], data.x[{quoted(text)}]]}}\nq[{quoted(text)}] := 1\ns contains {quoted(text)}\n"  # noqa: E501 - a policy is easier to read on one line
    policy = compile({f"{text}.rego": source})
    assert plain(policy.eval("t/p", {text: 1}, {"x": {text: 2}})) == {text: [1, 2]}
    assert plain(policy.eval("t"))["q"] == {text: 1}
    assert plain(policy.eval("t/s")) == [text]
    assert policy.explain("t/p", {text: 1}, {"x": {text: 2}}).result is not UNDEFINED


@pytest.mark.parametrize("word", WORDS)
def test_a_name_is_a_name(word: str) -> None:
    source = f"package {word}.t\n{word} := {{x: y | some x, {word} in input; y := f{word}({word})}}\nf{word}({word}) := [{word}]\n"
    policy = compile({f"{word}.rego": source}, entrypoints=[f"{word}/t/{word}"])
    assert plain(policy.eval(f"{word}/t/{word}", {"a": 1, word: 2})) == {"a": [1], word: [2]}


@pytest.mark.parametrize("text", TEXTS)
def test_a_package_of_any_name(text: str) -> None:
    survived(lambda: compile({"a.rego": f"package a[{quoted(text)}].b\np := data.a[{quoted(text)}].b.r\nr := 1\n"}).eval(f"a/{text}/b/p"))


@pytest.mark.parametrize(
    "text", [*TEXTS, "\0" * 1000, "package", "package t\np := " + "\0", 'package t\np := "\n"', "\ufeffpackage t\np := 1"]
)
def test_a_policy_of_any_text(text: str) -> None:
    survived(lambda: compile({text: text}))


@pytest.mark.parametrize(
    "given",
    [float("nan"), float("inf"), (1, 2), b"a", {1: 2}, {None: 1}, object(), {1}, sys, "\ud800", 1j],
    ids=lambda given: type(given).__name__,
)
def test_what_is_no_json(given: Any) -> None:
    source = 'package t\np := [input, {input}, input == 1, [input] < [1], sprintf("%v", [input]), json.marshal(input)] if true\n'
    survived(lambda: compile({"a.rego": source}).eval("t/p", given))
