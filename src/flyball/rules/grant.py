"""What a grant covers, and whether a child is a provable subset of its parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flyball.model.action import Action, Zone
from flyball.model.grant import Grant, Target
from flyball.model.ids import Doc, Json
from flyball.rules.expect import compare
from flyball.rules.pointer import MissingError, look

RANK = {Zone.GREEN: 0, Zone.YELLOW: 1, Zone.RED: 2}


def fault(grant: Grant, action: Action, target: Target, zone: Zone, now: float) -> str:
    """Say why the grant does not cover the action, or "" where it does. Names are compared exactly."""
    broken = (
        grant.revoked,
        not grant.not_before <= now < grant.expires_at,
        grant.session not in ("", action.session),
        action.kind not in grant.kinds,
        action.target not in grant.targets,
        target.env not in grant.envs,
        target.region not in grant.regions,
        RANK[zone] > RANK[grant.ceiling],
    )
    if not any(broken):
        return _constraint_fault(grant.constraints, action)
    return (
        f"grant {grant.id} is revoked",
        f"grant {grant.id} holds only in {grant.not_before:.0f}..{grant.expires_at:.0f}",
        f"grant {grant.id} belongs to another session",
        f"kind {action.kind!r} is not in grant {grant.id}",
        f"target {action.target!r} is not in grant {grant.id}",
        f"environment {target.env!r} is not in grant {grant.id}",
        f"region {target.region!r} is not in grant {grant.id}",
        f"{zone} is above the ceiling {grant.ceiling} of grant {grant.id}",
    )[broken.index(True)]


def _constraint_fault(constraints: Doc, action: Action) -> str:
    rules = constraints.get(action.kind)
    if rules is None:
        return ""
    if not isinstance(rules, Mapping):
        return f"the constraints on {action.kind!r} are malformed"
    for where, rule in rules.items():
        try:
            value = look(action.args, where)
        except MissingError:
            return f"argument {where} is constrained but missing"
        if not isinstance(rule, Mapping) or not satisfies(value, rule):
            return f"argument {where} is outside what the grant allows"
    return ""


def satisfies(value: Json, rule: Mapping[str, Json]) -> bool:
    """Say whether a value meets one constraint; an unknown or empty constraint is never met."""
    if set(rule) == {"const"}:
        return compare("eq", value, rule["const"])
    if set(rule) == {"enum"}:
        return compare("in", value, rule["enum"])
    if set(rule) == {"prefix"}:
        return isinstance(value, str) and isinstance(rule["prefix"], str) and _under(value, rule["prefix"])
    if set(rule) == {"min", "max"}:
        return compare("ge", value, rule["min"]) and compare("le", value, rule["max"])
    return False


def _under(value: str, prefix: str) -> bool:
    return prefix.endswith("/") and value.startswith(prefix) and ".." not in value.split("/")


def wider(parent: Grant, child: Grant) -> str:
    """Say how the child is not provably within its parent, or "" where it is. An omitted qualifier is broader: refused."""
    reasons = (
        (parent.revoked or child.revoked, "a revoked grant has no children"),
        (child.parent != parent.id, "the child names another parent"),
        (child.session != parent.session, "the session differs"),
        (not child.kinds or not set(child.kinds) <= set(parent.kinds), "kinds are not a subset"),
        (not child.targets or not set(child.targets) <= set(parent.targets), "targets are not a subset"),
        (not child.envs or not set(child.envs) <= set(parent.envs), "environments are not a subset"),
        (not child.regions or not set(child.regions) <= set(parent.regions), "regions are not a subset"),
        (RANK[child.ceiling] > RANK[parent.ceiling], "the zone ceiling is higher"),
        (child.uses > parent.uses, "it has more uses"),
        (child.budget_micros > parent.budget_micros, "its budget is larger"),
        (child.not_before < parent.not_before or child.expires_at > parent.expires_at, "it lives longer"),
        (child.depth != parent.depth + 1, "the depth is wrong"),
    )
    for broken, why in reasons:
        if broken:
            return why
    for kind, rules in parent.constraints.items():
        if kind in child.kinds and not _implied(rules, child.constraints.get(kind)):
            return f"the constraints on {kind!r} are weaker"
    return ""


def _implied(parent: Json, child: Json) -> bool:
    """Say whether every constraint of the parent is provably implied by the child's."""
    if not isinstance(parent, Mapping) or not isinstance(child, Mapping):
        return False
    return all(where in child and _tighter(rule, child[where]) for where, rule in parent.items())


def _tighter(parent: Json, child: Json) -> bool:
    if not isinstance(parent, Mapping) or not isinstance(child, Mapping):
        return False
    if set(child) == {"const"}:
        return satisfies(child["const"], parent)
    if set(child) == {"enum"}:
        values = child["enum"]
        return isinstance(values, Sequence) and not isinstance(values, str) and all(satisfies(value, parent) for value in values)
    if set(parent) == set(child) == {"prefix"}:
        return isinstance(child["prefix"], str) and satisfies(child["prefix"], parent) and child["prefix"].endswith("/")
    if set(parent) == set(child) == {"min", "max"}:
        return compare("ge", child["min"], parent["min"]) and compare("le", child["max"], parent["max"])
    return False
