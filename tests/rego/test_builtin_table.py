"""What the builtins declare: their functions take it, and OPA declares the same."""

import inspect
from typing import Any

import pytest

from flyball.rego.builtin import REFUSED, TABLE
from flyball.rego.builtin.desk import builtin
from flyball.rego.type import ANY, ARRAY, NUMBER, STRING, Type, admits, array, object_of, one_of, set_of
from flyball.rego.value import Set
from rego.suite import find_archive, read_cases

# OPA's declaration says less than its function checks, or the other way round.
LOOSER = {"crypto.parse_private_keys", "json.remove", "json.filter", "net.cidr_contains_matches", "units.parse"}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_function_takes_what_is_declared(name: str) -> None:
    one = TABLE[name]
    taken = [place for place in inspect.signature(one.call).parameters.values() if place.default is inspect.Parameter.empty]
    assert len(taken) == len(one.signature.args) + one.worldly


def test_nothing_is_both_answered_and_refused_and_nothing_is_declared_twice() -> None:
    assert not TABLE.keys() & REFUSED.keys()
    with pytest.raises(ValueError, match="declared twice"):
        builtin("count", (ANY,), ANY)(len)


def _kinds(one: Type) -> Any:
    if one.kind == "union":
        return frozenset(_kinds(branch) for branch in one.static if isinstance(branch, Type))
    return one.kind


def _opa_kinds(one: dict[str, Any]) -> Any:
    return frozenset(map(_opa_kinds, one["of"])) if one["type"] == "any" and one.get("of") else one["type"]


def test_builtins_are_declared_as_opa_declares_them() -> None:
    archive = find_archive()
    if archive is None:
        pytest.skip("the conformance suite is not beside the repository")
    plans = [case["plan"] or {} for case in read_cases(archive)]
    declared = {one["name"]: one["decl"] for plan in plans for one in plan.get("static", {}).get("builtin_funcs", [])}
    known = declared.keys() & TABLE.keys() - LOOSER
    assert len(known) > 150
    for name in known:
        ours, theirs = TABLE[name].signature, declared[name]
        assert [_kinds(wanted) for wanted in ours.args] == [_opa_kinds(wanted) for wanted in theirs.get("args") or []], name
        assert _kinds(ours.result) == _opa_kinds(theirs["result"]) or "any" in {ours.result.kind, theirs["result"]["type"]}, name


@pytest.mark.parametrize(
    ("wanted", "value", "fits"),
    [
        (ANY, None, True),
        (NUMBER, True, False),
        (NUMBER, 1.5, True),
        (one_of(NUMBER, STRING), "a", True),
        (one_of(NUMBER, STRING), None, False),
        (array(NUMBER, STRING), [1, "a"], True),
        (array(NUMBER, STRING), [1, "a", "b"], False),
        (array(NUMBER, of=STRING), [1, "a", "b"], True),
        (array(NUMBER, of=STRING), [], False),
        (array(of=NUMBER), [1, "a"], False),
        (ARRAY, [None, {}], True),
        (set_of(STRING), Set(["a"]), True),
        (set_of(STRING), Set([1]), False),
        (set_of(STRING), ["a"], False),
        (object_of(STRING, NUMBER), {"a": 1}, True),
        (object_of(STRING, NUMBER), {1: 1}, False),
        (object_of(STRING, NUMBER), {"a": "b"}, False),
        (object_of(static={"a": NUMBER}), {"a": 1}, True),
        (object_of(static={"a": NUMBER}), {"a": 1, "b": 2}, False),
        (object_of(STRING, STRING, {"a": NUMBER}), {"a": 1, "b": "c"}, True),
        (object_of(STRING, STRING, {"a": NUMBER}), {"b": "c"}, False),
    ],
)
def test_a_type_admits_its_values(wanted: Type, value: Any, fits: bool) -> None:
    assert admits(wanted, value) is fits
