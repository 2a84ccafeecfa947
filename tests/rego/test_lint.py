"""What a set of policies says in vain."""

from __future__ import annotations

import pytest

from flyball.rego.lint import lint
from flyball.rego.policy import parse

HEAD = "package p\n\nimport rego.v1\n\n"
TABLES = {"roles": {"a": ["x"]}, "limit": 3}


def found(*texts: str) -> list[str]:
    modules = parse({f"m{place}.rego": text for place, text in enumerate(texts)})
    return [f"{one.place.row}: {one.what}" for one in lint(modules, ["p/answer"], TABLES)]


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ("answer := deny\n\ndeny contains 1 if data.limit > 2\n", []),
        ("answer := 1\n\ndeney contains 1\n", ["7: no rule reads `deney`"]),
        ("answer := 1\n\na if b\n\nb if a\n", []),  # a circle is for the gate
        ("answer := f(1)\n\nf(x) := g(x)\n\ng(x) := x\n", []),
        ("answer := f(1)\n\nf(x) := x\n\nf(x, y) := x + y\n", []),
        ("answer := 1\n\ntest_it if answer == 1\n\ntodo_test_more if false\n", []),
        ("answer := data.rolse\n", ["5: there is no `data.rolse`"]),
        ("answer := data.roles.b\n", ["5: there is no `data.roles.b`"]),
        ("answer := data.roles.a[0]\n", []),
        ("answer := data.roles[input.role]\n", []),
        ("answer := data.limit.deeper\n", []),  # what a value holds is not a table
        ("answer := data.p.nothing\n", ["5: there is no `data.p.nothing`"]),
        ("answer := [x | some x in data.rolse]\n", ["5: there is no `data.rolse`"]),
        ("answer := count\n\ncount := 3\n", ["7: a rule named `count`"]),
        ("ok := 1\n", ["1: no rule `p.answer`", "5: no rule reads `ok`"]),
    ],
)
def test_what_is_said_in_vain(rules: str, wanted: list[str]) -> None:
    assert found(HEAD + rules) == wanted


def test_what_another_package_has_is_known_by_its_name() -> None:
    other = "package p.q\n\nimport rego.v1\n\ndeny contains 1\n"
    assert found(f"{HEAD}import data.p.q\n\nanswer := q.deny\n", other) == []
    lost = found(f"{HEAD}import data.p.q\n\nanswer := q.denny\n", other)
    assert lost == ["5: no rule reads `deny`", "7: there is no `data.p.q.denny`"]
