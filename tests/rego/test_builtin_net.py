"""Ranges of addresses: what the compliance suite does not ask."""

from typing import Any

import pytest

from flyball.rego.value import Set
from rego.ask import ask


@pytest.mark.parametrize(
    ("name", "operands", "answer"),
    [
        ("net.cidr_contains", ("10.0.0.0/8", "10.1.2.3"), True),
        ("net.cidr_contains", ("10.0.0.0/8", "::ffff:10.1.2.3"), True),
        ("net.cidr_contains", ("10.0.0.0/8", "::1"), False),
        ("net.cidr_contains", ("::/0", "10.0.0.0/8"), False),
        ("net.cidr_contains", ("10.0.0.0/9", "10.0.0.0/8"), False),
        ("net.cidr_contains", ("10.0.0.0", "10.0.0.0"), "eval_builtin_error: net.cidr_contains: invalid CIDR address: 10.0.0.0"),
        ("net.cidr_contains", ("10.0.0.0/8", "x"),
         "eval_builtin_error: net.cidr_contains: not a valid textual representation of an IP address or CIDR: x"),
        ("net.cidr_contains", (1, "x"), "eval_type_error: net.cidr_contains: operand 1 must be string but got number"),
        ("net.cidr_is_valid", ("10.0.0.0/255.0.0.0",), False),
        ("net.cidr_is_valid", ("010.0.0.0/8",), False),
        ("net.cidr_is_valid", ("fe80::1%eth0/64",), False),
        ("net.cidr_is_valid", ("10.0.0.0/08",), True),
        ("net.cidr_is_valid", ("10.0.0.0/-1",), False),
        ("net.cidr_is_valid", ("10.0.0.0/٣",), False),
        ("net.cidr_is_valid", ("::ffff:10.0.0.0/104",), True),
        ("net.cidr_intersects", ("10.0.0.0/8", "10.1.0.0/16"), True),
        ("net.cidr_intersects", ("10.0.0.0/8", "::/0"), False),
        ("net.cidr_expand", ("10.0.0.5/30",), Set(["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"])),
        ("net.cidr_expand", ("::/127",), Set(["::", "::1"])),
        ("net.cidr_expand", ("10.0.0.0/15",), "eval_limit_error: net.cidr_expand: more than 65,536 addresses"),
        ("net.cidr_expand", ("::/0",), "eval_limit_error: net.cidr_expand: more than 65,536 addresses"),
        ("net.cidr_merge", (["10.0.0.0/25", "10.0.0.128/25", "::/128", "::1/128"],), Set(["10.0.0.0/24", "::/127"])),
        ("net.cidr_merge", (["130.1.2.3", "130.1.2.4"],), Set(["130.1.0.0/16"])),
        ("net.cidr_merge", (["::1"],), "eval_builtin_error: net.cidr_merge: IPv6 invalid: needs prefix length"),
        ("net.cidr_merge", ([1],), "eval_builtin_error: net.cidr_merge: element must be string"),
        ("net.cidr_merge", ("a",), "eval_builtin_error: net.cidr_merge: operand must be an array"),
        ("net.cidr_contains_matches", ({"a": "10.0.0.0/8"}, Set([("10.1.1.1"), "11.1.1.1"])), Set([["a", "10.1.1.1"]])),
        ("net.cidr_contains_matches", ([["10.0.0.0/8", "x"]], ["10.0.0.1"]), Set([[0, 0]])),
        ("net.cidr_contains_matches", (1, "a"),
         "eval_type_error: net.cidr_contains_matches: operand 1 must be one of {string, array, object, set} but got number"),
        ("net.cidr_contains_matches", ([[1]], "a"), "eval_type_error: net.cidr_contains_matches: operand 1 must be string but got number"),
        ("net.cidr_contains_matches", (["10.0.0.0/8"] * 1001, ["10.0.0.1"] * 1000),
         "eval_limit_error: net.cidr_contains_matches: more than 1,000,000 pairs"),
    ],
)  # fmt: skip
def test_answer(name: str, operands: tuple[Any, ...], answer: Any) -> None:
    assert ask(name, *operands) == answer
