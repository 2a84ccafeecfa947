"""About twenty of the thirty rules of `rules.rego`, as a person would write them in Python: what no engine can be faster than."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

Json = dict[str, Any]


def decide(given: Json, data: Json) -> Json:
    """Give the decision."""
    agent, action, target, now = given["agent"], given["action"], given["target"], given["now"]
    settings, known = data["settings"], data["agents"].get(agent["id"])
    reasons = _of_agent(given, data, known) if known else ["the agent is not known"]
    for resource in given["plan"]["resources"]:
        reasons += _of_resource(resource, target, settings)
    covered = any(
        fnmatchcase(action["name"], grant["action"])
        and target["env"] in grant["envs"]
        and target["region"] in grant["regions"]
        and now < grant["expires"]
        for grant in data["grants"].get(agent["id"], ())
    )
    why = [f"yellow: costs more than 100 ({action['cost']})"] if action["cost"] > 100 else []
    if target["env"] == "prod" and not 8 <= now / 3600 % 24 < 18:
        why.append("yellow: outside office hours")
    return {"allow": covered and not reasons, "zone": "yellow" if why else "green", "reasons": reasons, "why_zone": why, "obligations": []}


def _of_agent(given: Json, data: Json, known: Json) -> list[str]:
    agent, action, settings = given["agent"], given["action"], data["settings"]
    found = []
    if action["name"] not in data["roles"][known["role"]]:
        found.append(f"role {known['role']} may not {action['name']}")
    if agent["confidence"] < settings["floors"].get(action["name"], 0):
        found.append("confidence is too low")
    if agent["spent"] + action["cost"] > known["budget"]:
        found.append("the budget of the agent is spent")
    budget = data["budgets"][known["team"]]
    if budget["spent"] + action["cost"] > budget["limit"]:
        found.append("the budget of the team is spent")
    if agent["actions_per_minute"] > settings["rate"]:
        found.append("too many actions this minute")
    if given["provenance"]["target"] == "untrusted":
        found.append("untrusted words decide where it goes")
    return found


def _of_resource(resource: Json, target: Json, settings: Json) -> list[str]:
    found = []
    if target["env"] != "prod" and resource["gpu"] in {"A100", "H100"}:
        found.append(f"{resource['name']}: {resource['gpu']} is for production only")
    if resource["kind"] == "index" and resource["region"] not in settings["index_regions"]:
        found.append(f"{resource['name']}: an index may not be in {resource['region']}")
    found += [
        f"{resource['name']}: port {rule['port']}" for rule in resource["ingress"] if rule["cidr"] == "0.0.0.0/0" and rule["port"] != 443
    ]
    found += [f"{resource['name']}: the label {label} is missing" for label in settings["labels"] if label not in resource["tags"]]
    if resource["nodes"]["after"] > resource["nodes"]["before"] * 2:
        found.append(f"{resource['name']}: too many nodes")
    if resource["change"] == "delete" and resource["protected"]:
        found.append(f"{resource['name']} is protected")
    return found
