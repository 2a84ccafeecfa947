"""Who may do what: agent, kind, target, environment, ceiling, until when, and why. From manifests, live grants and standing grants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyball.model.action import Reach
from flyball.model.grant import Agent
from flyball.model.kind import KindSpec
from flyball.ports import Rules, Store

GOING = 1_000
"""Sessions under way that are looked at, of each phase."""
LATEST = 2_000
"""Entries of the log that are looked at: however long it is, the page takes as long."""


def permits(store: Store, rules: Rules, kinds: Mapping[str, KindSpec], now: float) -> list[dict[str, Any]]:
    """Give one row per agent, kind and target that a manifest names; live grants and standing grants narrow or widen it in the open."""
    going = [row.id for phase in ("open", "parked") for row in store.rows("session", state=phase, limit=GOING)]
    grants = [row.body for name in going for row in store.rows("grant", session=name)]  # a closed session's keys are revoked
    live = [one for one in grants if _ends(one) > now and not one.get("revoked")]
    standing = [row.body for row in store.rows("standing", state="live", limit=1000) if _ends(row.body) > now]
    used = _used(store)
    return [
        _row(agent, (kind, target), (rules, kinds, now), (live, standing, used))
        for agent in sorted(rules.agents.values(), key=lambda one: one.name)
        for kind in agent.kinds
        for target in agent.targets
    ]


def _row(
    agent: Agent, what: tuple[str, str], world: tuple[Rules, Mapping[str, KindSpec], float], found: tuple[Any, Any, Any]
) -> dict[str, Any]:
    kind, target = what
    rules, kinds, _ = world
    live, standing, used = found
    spec, place = kinds.get(kind), rules.catalogue.get(target)
    env = place.env if place else ""
    why, may = f"the manifest of {agent.name} names the kind and the target", True
    for no, words in (
        (not agent.enabled, f"{agent.name} is not enabled"),
        (spec is None, f"the kind {kind} is not enabled"),
        (place is None, f"the catalogue has no {target}"),
        (place is not None and env not in agent.envs, f"{agent.name} may not act in {env}"),
        (place is not None and bool(agent.regions) and place.region not in agent.regions, f"{agent.name} may not act in that region"),
    ):
        if no:
            why, may = words, False
    grants = [
        one for one in live if one.get("agent") == agent.name and kind in (one.get("kinds") or ()) and target in (one.get("targets") or ())
    ]
    yes = [one for one in standing if (one.get("agent"), one.get("kind"), one.get("target")) == (agent.name, kind, target)]
    if yes:
        why += f"; {yes[0]['by']} gave a standing yes: {yes[0]['reason']}"
    return {
        "agent": agent.name,
        "kind": kind,
        "target": target,
        "env": env,
        "reach": spec.reach.value if spec else Reach.WRITE.value,
        "ceiling": agent.ceiling.value,
        "may": may,
        "why": why,
        "grants": [{"id": one.get("id"), "session": one.get("session"), "until": one.get("expires_at")} for one in grants],
        "until": max((_ends(one) for one in (*grants, *yes)), default=0.0),
        "standing": bool(yes),
        "last_used": used.get((agent.name, kind, target), 0.0),
    }


def _ends(body: Mapping[str, Any]) -> float:
    found = body.get("expires_at")
    return float(found) if isinstance(found, int | float) else 0.0


def _used(store: Store) -> dict[tuple[str, str, str], float]:
    """Give when each agent last did each kind to each target, as far as the newest entries of the log tell."""
    last: dict[tuple[str, str, str], float] = {}
    for one in store.entries(after=store.size() - 1 - LATEST, limit=LATEST, name="action.done"):
        row = store.find("action", one.entry.action)
        action = row.body.get("action") if row else None
        if isinstance(action, Mapping):
            last[str(action.get("agent")), str(action.get("kind")), str(action.get("target"))] = one.at
    return last
