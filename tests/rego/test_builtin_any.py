"""Any builtin with any operands: a value, a documented fault, or a limit; soon; and nothing is changed."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flyball.rego.builtin import TABLE, World
from flyball.rego.error import BuiltinFault, Conflict, OverLimit
from flyball.rego.type import Type, admits
from flyball.rego.value import UNDEFINED, Set, key, name_of

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            "a",
            "1",
            "-1.5e3",
            "10Ki",
            "1.2.3-a.1",
            "{{.a}}",
            "{{range .b}}{{.}}{{end}}",
            "%d %v %[2]*.[1]f",
            "a/b",
            "/a/0",
            "*.{a,b}[!c]",
            "(a|b)*c$",
            "10.0.0.0/30",
            "::/0",
            "2006-01-02T15:04:05Z",
            "2024-02-29T01:02:03.5+01:00",
            "1h2m",
            "UTC",
            "Europe/Berlin",
            "W10=",
            "5b5d",
            '{"a": [1, {"b": null}]}',
            "a: &x [1]\nb: *x",
            "a=b&c=%20",
            "\ud800",
            "\udc80",
            "İßΣ",
            "[a-",
            "\\",
            "9" * 5000,
            "0x1",
            "add",
            "value",
        ]  # fmt: skip
    ),
)
NUMBERS = st.one_of(
    st.integers(-5, 20),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**63, -(2**63), 10**25, 1 << 13_990, 1e308, 5e-324, 1.5, -0.0, 1670006453141828752]),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)


def _members(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pairs = st.lists(st.tuples(st.one_of(TEXTS, inner), inner), max_size=4)
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(Set),
        pairs.map(lambda found: {key(name): held for name, held in found}),
    )


VALUES = st.recursive(LEAVES, _members, max_leaves=12)


def _fitting(wanted: Type) -> st.SearchStrategy[Any]:
    """Values that the type admits, mostly."""
    if wanted.kind == "union":
        return st.one_of([_fitting(one) for one in wanted.static if isinstance(one, Type)])
    if wanted.kind == "array":
        known = [_fitting(one) for one in wanted.static if isinstance(one, Type)]
        others = st.lists(_fitting(wanted.dynamic), max_size=4) if wanted.dynamic else st.just([])
        return st.tuples(st.tuples(*known), others).map(lambda found: [*found[0], *found[1]])
    if wanted.kind == "set":
        return st.lists(_fitting(wanted.dynamic) if wanted.dynamic else VALUES, max_size=4).map(Set)
    if wanted.kind == "object":
        known = {one[0]: _fitting(one[1]) for one in wanted.static if isinstance(one, tuple)}
        others = st.lists(st.tuples(_fitting(wanted.names or TEXT), _fitting(wanted.dynamic or TEXT)), max_size=4)
        return st.tuples(st.fixed_dictionaries(known), others).map(lambda found: {**{key(a): b for a, b in found[1]}, **found[0]})
    return {"string": TEXTS, "number": NUMBERS, "boolean": st.booleans(), "null": st.none()}.get(wanted.kind, VALUES)


TEXT = Type("string")


def _is_value(value: Any) -> bool:
    if type(value) is list:
        return all(map(_is_value, value))
    if type(value) is Set:
        return all(_is_value(member) and name == key(member) for name, member in value.held.items())
    if type(value) is dict:
        return all(map(_is_value, value.values()))
    return name_of(value) in {"null", "boolean", "number", "string"} and value == value and value not in {float("inf"), float("-inf")}


@pytest.mark.parametrize("name", sorted(TABLE))
@settings(deadline=1500, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_builtin_gives_a_value_of_its_type_or_a_documented_fault_and_changes_nothing(name: str, data: st.DataObject) -> None:
    one = TABLE[name]
    operands = [data.draw(st.one_of(_fitting(wanted), _fitting(wanted), VALUES)) for wanted in one.signature.args]
    before = copy.deepcopy(operands)
    try:
        answer = one.call(*([World(seed=3)] if one.worldly else []), *operands)
    except (BuiltinFault, OverLimit, Conflict) as fault:
        assert "\n" not in fault.what.replace("\\n", "") or name in fault.what
        assert isinstance(fault, Conflict) or fault.what.startswith(f"{name}:")
    else:
        assert answer is UNDEFINED or all(
            _is_value(one_answer) and admits(one.signature.result, one_answer) for one_answer in (answer if one.relation else [answer])
        )
    assert repr(operands) == repr(before)
