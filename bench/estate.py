"""The estate of `policy.py`: agents, grants and inputs, made from a seed. The same in every process."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

Json = dict[str, Any]
RULES = Path(__file__).with_name("rules.rego").read_text()
ENTRYPOINT = "bench/decision"
ENVS = ("prod", "staging", "dev")
REGIONS = ("eu-central-1", "eu-west-1", "us-east-1")
ACTIONS = tuple(f"{what}:{verb}" for what in ("node", "pod", "bucket", "index", "queue", "table") for verb in ("read", "scale", "delete"))
NOW_S = 1_750_000_000


def data(agents: int = 1_000, grants: int = 10_000) -> Json:
    """Give the tables beside the rules: `grants` in all, spread over the agents and looked up by agent."""
    chance = random.Random(7)
    ids = ["FinanceAgent", *(f"agent-{number:05}" for number in range(1, agents))]
    return {
        "agents": {name: _agent(name, chance) for name in ids},
        "grants": {name: [_grant(chance) for _ in range(max(1, grants // agents))] for name in ids},
        "roles": {"operator": [*ACTIONS, "allocate_budget"], "reader": [one for one in ACTIONS if one.endswith("read")]},
        "budgets": {f"team-{number}": {"limit": 50_000, "spent": chance.randrange(20_000)} for number in range(40)},
        "settings": {
            "kill_switch": False,
            "destructive": ["bucket:delete", "table:delete", "index:delete"],
            "isolated": ["node:delete", "pod:delete"],
            "floors": {"node:delete": 0.7, "bucket:delete": 0.8, "table:delete": 0.8, "node:scale": 0.5},
            "index_regions": ["eu-central-1", "eu-west-1"],
            "labels": ["owner", "cost_center"],
            "freezes": [{"from": NOW_S + 86_400 * day, "until": NOW_S + 86_400 * day + 3_600, "why": "release"} for day in range(3, 8)],
            "rate": 60,
        },
    }


def flat(tables: Json) -> Json:
    """Give the same tables with the grants as one array, which has to be scanned."""
    rows = [grant | {"agent": name} for name, grants in tables["grants"].items() for grant in grants]
    return tables | {"grants": rows}


SCAN = RULES.replace(
    "	some grant in data.grants[input.agent.id]\n", "	some grant in data.grants\n	grant.agent == input.agent.id\n"
)


def _agent(name: str, chance: random.Random) -> Json:
    role = "operator" if chance.random() < 0.95 else "reader"
    return {"role": role, "team": f"team-{chance.randrange(40)}", "active": True, "budget": 10_000, "owner": f"{name}@example.org"}


def _grant(chance: random.Random) -> Json:
    what = chance.choice(("node", "pod", "bucket", "index", "queue", "table"))
    return {
        "action": chance.choice((f"{what}:*", "*:read", "*:scale")),
        "envs": chance.sample(ENVS, 2),
        "regions": chance.sample(REGIONS, 2),
        "expires": NOW_S + chance.randrange(86_400 * 90),
    }


def inputs(tables: Json, count: int = 1_000) -> list[Json]:
    """Give questions of about 2.7 KiB each, one in five of which is denied for a reason."""
    chance = random.Random(11)
    names = list(tables["agents"])
    return [_input(tables, chance.choice(names), chance, bad=number % 5 == 0) for number in range(count)]


def _input(tables: Json, agent: str, chance: random.Random, *, bad: bool) -> Json:
    grant = chance.choice(tables["grants"][agent])
    name = next(one for one in chance.sample(ACTIONS, len(ACTIONS)) if _covers(grant["action"], one))
    env, region = chance.choice(grant["envs"]), chance.choice(grant["regions"])
    found: Json = {
        "agent": {"id": agent, "confidence": 0.95, "spent": chance.randrange(2_000), "actions_per_minute": chance.randrange(30)},
        "action": {"name": name, "cost": chance.randrange(150), "reason": "the queue grows and the nodes are full " * 5},
        "target": {"env": env, "region": region, "name": f"cluster-{chance.randrange(50)}"},
        "now": NOW_S + chance.randrange(3_600),
        "provenance": {"target": "operator", "arguments": "observed"},
        "plan": {"resources": [_resource(number, chance) for number in range(6)]},
    }
    if bad:
        _spoil(found, chance)
    return found


def _covers(pattern: str, name: str) -> bool:
    left, right = pattern.split(":")
    what, verb = name.split(":")
    return left in {"*", what} and right in {"*", verb}


def _resource(number: int, chance: random.Random) -> Json:
    return {
        "name": f"resource-{number}-{chance.randrange(10_000)}",
        "kind": chance.choice(("node_pool", "bucket", "index", "queue")),
        "change": "update",
        "region": "eu-central-1",
        "gpu": "T4",
        "encrypted": True,
        "protected": False,
        "sensitivity": "internal",
        "tags": {"owner": "platform", "cost_center": f"cc-{chance.randrange(90)}", "purpose": chance.choice(("training", "serving"))},
        "nodes": {"before": 4, "after": 4 + chance.randrange(4)},
        "ingress": [{"cidr": "10.0.0.0/8", "port": 8080}, {"cidr": "0.0.0.0/0", "port": 443}],
    }


def _spoil(found: Json, chance: random.Random) -> None:
    resource = chance.choice(found["plan"]["resources"])
    which = chance.randrange(6)
    if which == 0:
        resource["ingress"][1]["port"] = 22
    elif which == 1:
        resource["tags"].pop("owner")
    elif which == 2:
        resource["nodes"]["after"] = 40
    elif which == 3:
        resource.update(change="delete", protected=True)
    elif which == 4:
        found["agent"]["confidence"] = 0.3
        found["agent"]["actions_per_minute"] = 61
    else:
        found["provenance"]["target"] = "untrusted"
