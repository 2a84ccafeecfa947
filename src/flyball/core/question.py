"""The input document that policy sees (documented field by field in `defaults/policies/input.schema.json`). Called by `door`."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from flyball.model.action import Action
from flyball.model.decision import Facts
from flyball.model.grant import OBSERVER, Agent
from flyball.model.ids import Doc
from flyball.model.kind import KindSpec
from flyball.model.provenance import Integrity
from flyball.model.session import Session
from flyball.rules.pointer import within

SECRECY = ("public", "internal", "secret")


def question(action: Action, facts: Facts, session: Session, agent: Agent | None, before: Doc | None = None) -> Doc:
    """Build the policy input; what follows from the action alone is taken over from the question asked `before` about it.

    No field is ever null: null is truthy in Rego. Only asked for known kinds on known targets.
    """
    spec, target, grant = facts.spec, facts.target, facts.chain[0] if facts.chain else None
    if spec is None or target is None:
        raise LookupError(f"{action.id}: policy is not asked about unknown kinds or targets")
    left = facts.budget_cap - facts.budget.spent - facts.budget.held if facts.budget else 0
    plan: Doc = {"digest": session.plan[0] if session.plan else "", "approved": _approved(session, facts)}
    return {
        "schema": 1,
        "now": facts.now,
        "principal": {"id": f"agent:{action.agent}", "kind": "agent", "groups": [], "auth": {"amr": ["key"], "age_s": 0}},
        "agent": {
            "name": action.agent,
            "role": agent.role if agent else "observe" if action.agent == OBSERVER else "none",
            "key": facts.key.id if facts.key else "",
            "chain": [one.agent for one in facts.chain[1:]],
            "depth": grant.depth if grant else 0,
        },
        "session": {"id": session.id, "trigger": session.trigger, "steps": session.step, "plan": plan},
        "grant": {
            "id": grant.id if grant else "",
            "kinds": list(grant.kinds) if grant else [],
            "targets": list(grant.targets) if grant else [],
            "env": list(grant.envs) if grant else [],
            "regions": list(grant.regions) if grant else [],
            "ceiling": grant.ceiling.value if grant else "green",
            "uses_left": facts.uses_left,
            "expires_in_s": grant.expires_at - facts.now if grant else 0,
        },
        "kind": before["kind"] if before else _kind(action, spec),
        "target": {"name": target.name, "env": target.env, "region": target.region, "sensitivity": target.sensitivity, "known": True},
        "call": {
            "args": {name: item for name, item in _thawed(action.args).items() if f"/{name}" not in spec.sensitive},
            "digest": action.digest,
            "attempt": facts.attempt,
            "confidence": float(action.confidence),
            "purpose": action.purpose.value,
        },
        "provenance": before["provenance"] if before else {f"/{name}": _label(action, f"/{name}") for name in action.args},
        "context": {"integrity": facts.context.name.lower(), "sources": []},
        "blast": {"targets": int(facts.extra.get("targets", 1)), "share": facts.extra.get("share", 1.0)},
        "budget": {"micros_left": left},
        "pace": {"last_10m": facts.changes},
        "sandbox": {"level": facts.level},
        "review": {"overdue": facts.overdue_reviews},
        "risk": {"annotations": []},
        "shadow": facts.shadow,
    }


def _approved(session: Session, facts: Facts) -> bool:
    """Say whether a person has approved the plan in hand, and this action is one of its steps."""
    yes = facts.approval
    return yes is not None and yes.state in ("approved", "used") and bool(session.plan) and session.plan[0] in (yes.digest, *yes.covers)


def _label(action: Action, at: str) -> Doc:
    """Give the label of one argument as a whole: the least trusted of its leaves, vouched for only if every observed one is."""
    leaves = [action.provenance.get(leaf) for leaf in within(action.args, at)]
    known = [one for one in leaves if one is not None]
    integrity = min((one.integrity for one in known), default=Integrity.OBSERVED) if len(known) == len(leaves) else Integrity.OBSERVED
    doubtful = [one for one in known if one.integrity is Integrity.OBSERVED]
    return {
        "origin": ", ".join(sorted({one.origin for one in known}))[:500],
        "integrity": integrity.name.lower(),
        "endorsed": bool(doubtful) and len(known) == len(leaves) and all(one.endorsed for one in doubtful),
        "endorser": ", ".join(sorted({one.endorser for one in doubtful if one.endorser})),
        "secrecy": max((one.secrecy for one in known), key=SECRECY.index, default="secret"),
    }


def _kind(action: Action, spec: KindSpec) -> Doc:
    return {
        "name": spec.name,
        "digest": action.kind_digest,
        "effect": spec.reach.value,
        "sinks": list(spec.sinks),
        "min_integrity": Integrity.SYSTEM.name.lower(),
        "egress": spec.egress,
        "reversible": spec.reversible,
        "destructive": spec.destructive,
    }


def _thawed(node: Any) -> Any:
    if isinstance(node, (MappingProxyType, dict)):
        return {name: _thawed(item) for name, item in node.items()}
    return [_thawed(item) for item in node] if isinstance(node, list | tuple) else node
