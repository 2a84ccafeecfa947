"""The syntax tree as `rego.parse_module` gives it."""

from typing import Any

import pytest

from flyball.rego.front import parse_module
from flyball.rego.front.dump import dump_module


def var(name: str) -> dict[str, Any]:
    return {"type": "var", "value": name}


def string(text: str) -> dict[str, Any]:
    return {"type": "string", "value": text}


def number(value: int) -> dict[str, Any]:
    return {"type": "number", "value": value}


def ref(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "ref", "value": list(parts)}


TRUE = {"type": "boolean", "value": True}


def test_a_module() -> None:
    text = "package foo.bar\n\nimport rego.v1\nimport data.a as b\n\np if { a = true }\n"
    assert dump_module(parse_module("x.rego", text)) == {
        "package": {"path": [var("data"), string("foo"), string("bar")]},
        "imports": [{"path": ref(var("rego"), string("v1"))}, {"path": ref(var("data"), string("a")), "alias": "b"}],
        "rules": [
            {
                "head": {"name": "p", "value": TRUE, "ref": [var("p")]},
                "body": [{"index": 0, "terms": [ref(var("eq")), var("a"), TRUE]}],
            }
        ],
    }
    assert dump_module(parse_module("x.rego", "package a")) == {"package": {"path": [var("data"), string("a")]}}


RULES: dict[str, dict[str, Any]] = {
    "default p := 1": {
        "head": {"name": "p", "value": number(1), "assign": True, "ref": [var("p")]},
        "body": [{"index": 0, "terms": TRUE}],
        "default": True,
    },
    "p contains x": {"head": {"name": "p", "key": var("x"), "ref": [var("p")]}, "body": [{"index": 0, "terms": TRUE}]},
    "a.f.g(x) = x if x else = 2": {
        "head": {"args": [var("x")], "value": var("x"), "ref": [var("a"), string("f"), string("g")]},
        "body": [{"index": 0, "terms": var("x")}],
        "else": {
            "head": {"args": [var("x")], "value": number(2), "ref": [var("a"), string("f"), string("g")]},
            "body": [{"index": 0, "terms": TRUE}],
        },
    },
}


@pytest.mark.parametrize("text", RULES)
def test_rules(text: str) -> None:
    assert dump_module(parse_module("x.rego", f"package a\n{text}"))["rules"] == [RULES[text]]


EXPRS: dict[str, dict[str, Any]] = {
    "some x, y": {"index": 0, "terms": {"symbols": [var("x"), var("y")]}},
    "some x in y": {
        "index": 0,
        "terms": {"symbols": [{"type": "call", "value": [ref(var("internal"), string("member_2")), var("x"), var("y")]}]},
    },
    "some k, x in y": {
        "index": 0,
        "terms": {"symbols": [{"type": "call", "value": [ref(var("internal"), string("member_3")), var("k"), var("x"), var("y")]}]},
    },
    "every x in y { x }": {
        "index": 0,
        "terms": {"key": None, "value": var("x"), "domain": var("y"), "body": [{"index": 0, "terms": var("x")}]},
    },
    "every k, x in y { x }": {
        "index": 0,
        "terms": {"key": var("k"), "value": var("x"), "domain": var("y"), "body": [{"index": 0, "terms": var("x")}]},
    },
    "not x with input as 1": {
        "index": 0,
        "terms": var("x"),
        "negated": True,
        "with": [{"target": ref(var("input")), "value": number(1)}],
    },
    "[1, {2}, {3: null}]": {
        "index": 0,
        "terms": {
            "type": "array",
            "value": [
                number(1),
                {"type": "set", "value": [number(2)]},
                {"type": "object", "value": [[number(3), {"type": "null", "value": None}]]},
            ],
        },
    },
    "[x | y]": {
        "index": 0,
        "terms": {"type": "arraycomprehension", "value": {"term": var("x"), "body": [{"index": 0, "terms": var("y")}]}},
    },
    "{k: x | y}": {
        "index": 0,
        "terms": {"type": "objectcomprehension", "value": {"key": var("k"), "value": var("x"), "body": [{"index": 0, "terms": var("y")}]}},
    },
    "f(a + 1).b[data.c]": {
        "index": 0,
        "terms": ref(
            {"type": "call", "value": [ref(var("f")), {"type": "call", "value": [ref(var("plus")), var("a"), number(1)]}]},
            string("b"),
            ref(var("data"), string("c")),
        ),
    },
    '$"a{x}{1}"': {
        "index": 0,
        "terms": {
            "type": "templatestring",
            "value": {"parts": [string("a"), {"index": 0, "terms": var("x")}, number(1)], "multi_line": False},
        },
    },
}


@pytest.mark.parametrize("text", EXPRS)
def test_expressions(text: str) -> None:
    [rule] = dump_module(parse_module("x.rego", f"package a\np if {text}"))["rules"]
    assert rule["body"] == [EXPRS[text]]
