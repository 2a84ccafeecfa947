"""Grants: a child is a provable subset, so whatever it covers its parent covers too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.model.action import Zone
from flyball.model.grant import Grant, Target
from flyball.model.ids import GrantId, SessionId
from flyball.rules.grant import fault, satisfies, wider
from rules.allowed import ACTION, NOW, SESSION, Case, cases

SOME = ("a", "b", "c")
NUMBERS = st.integers(-3, 3)
VALUES = NUMBERS | st.sampled_from(["/a/x", "/a/b/x", "/a/../b", "/ab", "/a/", "a", True, None])
RULE: Any = st.one_of(
    st.builds(lambda one: {"const": one}, VALUES),
    st.builds(lambda many: {"enum": many}, st.lists(VALUES, max_size=3)),
    st.builds(lambda one: {"prefix": one}, st.sampled_from(["/a/", "/a/b/", "/a", "", "/"])),
    st.builds(lambda low, high: {"min": low, "max": high}, NUMBERS, NUMBERS),
    st.sampled_from(
        [{}, {"min": 0}, {"regex": ".*"}, {"const": 1, "enum": [1]}, "*", None, {"enum": "abc"}, {"prefix": 3}, {"prefix": ["/a/"]}]
    ),
)
CONSTRAINTS = st.dictionaries(
    st.sampled_from(SOME), st.dictionaries(st.sampled_from(["/x", "/y"]), RULE, max_size=2) | st.just("*"), max_size=2
)
SUBSET = st.lists(st.sampled_from(SOME), unique=True).map(tuple)


@st.composite
def grants(draw: st.DrawFn, **more: Any) -> Grant:
    parts: dict[str, Any] = {
        "id": GrantId("g0"),
        "agent": "fixer",
        "session": SESSION,
        "kinds": draw(SUBSET),
        "targets": draw(SUBSET),
        "envs": draw(SUBSET),
        "regions": draw(SUBSET),
        "ceiling": draw(st.sampled_from(list(Zone))),
        "uses": draw(st.integers(0, 3)),
        "budget_micros": draw(st.integers(0, 3)),
        "not_before": NOW + draw(st.integers(-3, 0)),
        "expires_at": NOW + draw(st.integers(0, 3)),
        "constraints": draw(CONSTRAINTS),
    }
    return Grant(**(parts | more))


@st.composite
def families(draw: st.DrawFn) -> tuple[Grant, Grant]:
    """A parent and a child that is often within it: as its parent, with constraints of its own and one field drawn anew."""
    parent = draw(grants(kinds=SOME, targets=SOME, envs=SOME, regions=SOME))
    field = draw(st.sampled_from(["kinds", "targets", "envs", "regions", "ceiling", "uses", "not_before", "expires_at", "id"]))
    rules = draw(st.just(parent.constraints) | CONSTRAINTS)
    anew: dict[str, Any] = {"constraints": {**parent.constraints, **rules}, field: getattr(draw(grants()), field)}
    return parent, replace(parent, **(anew | {"id": GrantId("g1"), "parent": parent.id, "depth": 1}))


@settings(max_examples=300)
@given(
    family=families(),
    names=st.fixed_dictionaries({"kind": st.sampled_from(SOME), "target": st.sampled_from(SOME)}),
    place=st.fixed_dictionaries({"env": st.sampled_from(SOME), "region": st.sampled_from(SOME)}),
    zone=st.sampled_from(list(Zone)),
    args=st.dictionaries(st.sampled_from(["x", "y"]), VALUES),
    later=st.integers(-4, 4),
)
def test_whatever_a_child_covers_its_parent_covers(
    *, family: tuple[Grant, Grant], names: dict[str, str], place: dict[str, str], zone: Zone, args: dict[str, Any], later: int
) -> None:
    parent, child = family
    action = replace(ACTION, args=args, **names)
    target = Target(name=names["target"], **place)
    if not wider(parent, child) and not fault(child, action, target, zone, NOW + later):
        assert fault(parent, action, target, zone, NOW + later) == ""


@given(RULE, RULE, VALUES)
def test_a_tighter_constraint_lets_nothing_new_pass(upper: Any, lower: Any, value: Any) -> None:
    parent = Grant(
        id=GrantId("g0"),
        agent="a",
        session=SESSION,
        kinds=("k",),
        targets=("t",),
        envs=("e",),
        ceiling=Zone.RED,
        uses=1,
        budget_micros=1,
        not_before=0,
        expires_at=1,
        constraints={"k": {"/x": upper}},
    )
    child = replace(parent, id=GrantId("g1"), parent=parent.id, depth=1, constraints={"k": {"/x": lower}})
    if not wider(parent, child) and isinstance(lower, dict) and satisfies(value, lower):
        assert isinstance(upper, dict)
        assert satisfies(value, upper)


def whole() -> tuple[Grant, Grant]:
    parent = Grant(
        id=GrantId("g0"),
        agent="a",
        session=SESSION,
        kinds=("k", "l"),
        targets=("t",),
        envs=("e",),
        ceiling=Zone.YELLOW,
        uses=3,
        budget_micros=9,
        not_before=5,
        expires_at=10,
        constraints={"k": {"/x": {"min": 0, "max": 9}, "/p": {"prefix": "/srv/"}}},
    )
    return parent, replace(parent, id=GrantId("g1"), parent=parent.id, depth=1)


def test_a_child_that_is_as_wide_as_its_parent_is_within_it() -> None:
    assert wider(*whole()) == ""


@pytest.mark.parametrize(
    "more",
    [
        {"kinds": ()},
        {"kinds": ("k", "m")},
        {"kinds": ("*",)},
        {"targets": ()},
        {"targets": ("t", "u")},
        {"envs": ()},
        {"envs": ("e", "prod")},
        {"regions": ()},
        {"regions": ("", "r")},
        {"ceiling": Zone.RED},
        {"uses": 4},
        {"budget_micros": 10},
        {"not_before": 4},
        {"expires_at": 11},
        {"depth": 2},
        {"depth": 0},
        {"parent": GrantId("g7")},
        {"session": SessionId("")},
        {"revoked": True},
        {"constraints": {}},
        {"constraints": {"k": {}}},
        {"constraints": {"k": {"/x": {"min": 0, "max": 9}}}},
        {"constraints": {"k": {"/x": {"min": 0, "max": 10}, "/p": {"prefix": "/srv/"}}}},
        {"constraints": {"k": {"/x": {"min": 0, "max": 9}, "/p": {"prefix": "/"}}}},
        {"constraints": {"k": {"/x": {"min": 0, "max": 9}, "/p": {"prefix": "/srv"}}}},
        {"constraints": {"k": {"/x": {"min": 0, "max": 9}, "/p": {"prefix": "/srv/../etc/"}}}},
        {"constraints": {"k": {"/x": {"min": 0, "max": 9}, "/p": {"const": "/srv/../etc/passwd"}}}},
        {"constraints": {"k": {"/x": {"enum": [1, 10]}, "/p": {"prefix": "/srv/"}}}},
        {"constraints": {"k": {"/x": {"enum": "12"}, "/p": {"prefix": "/srv/"}}}},
        {"constraints": {"k": "*"}},
        {"constraints": {"k": {"/x": "*", "/p": {"prefix": "/srv/"}}}},
    ],
)
def test_a_child_that_is_wider_or_leaves_a_qualifier_out_is_refused(more: dict[str, Any]) -> None:
    parent, child = whole()
    assert wider(parent, replace(child, **more))


@pytest.mark.parametrize(
    "rules", [{"/x": {"const": 3}, "/p": {"const": "/srv/a"}}, {"/x": {"enum": [1, 2]}, "/p": {"prefix": "/srv/a/"}, "/more": {"const": 1}}]
)
def test_a_child_may_be_tighter(rules: Any) -> None:
    parent, child = whole()
    assert wider(parent, replace(child, constraints={"k": rules}, kinds=("k",))) == ""


def test_a_revoked_parent_has_no_children() -> None:
    parent, child = whole()
    assert wider(replace(parent, revoked=True), child)


@given(cases())
def test_constraints_that_are_malformed_or_on_a_missing_argument_cover_nothing(case: Case) -> None:
    grant, target = case.facts.chain[-1], case.facts.target
    assert target is not None
    rules: tuple[Any, ...] = ("*", ["/by"], {"/by": "*"}, {"/by": {}}, {"/gone": {"const": 1}}, {"by": {"const": 1}})
    for one in rules:
        assert fault(replace(grant, constraints={case.action.kind: one}), case.action, target, case.facts.zone, NOW)
    assert not fault(replace(grant, constraints={"other": "*"}), case.action, target, case.facts.zone, NOW)


@given(VALUES, RULE)
def test_a_prefix_never_leads_out_of_its_folder(value: Any, rule: Any) -> None:
    if isinstance(rule, dict) and set(rule) == {"prefix"} and satisfies(value, rule):
        assert value.startswith(rule["prefix"])
        assert rule["prefix"].endswith("/")
        assert ".." not in value.split("/")
