"""A file of a person as a change that policy judges: a Terraform plan, Kubernetes objects, any YAML or JSON. Called by `policy check`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from flyball.backends.policy_answer import PolicyError
from flyball.backends.policy_study import document, without_nulls
from flyball.errors import BadInput, NotFound

FORMATS = ("terraform", "yaml", "json")
MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where the change would be made. An environment that policy does not know is treated with all strictness."""

    env: str
    region: str


def read(path: Path, form: str, where: Where) -> dict[str, Any]:
    """Give the input that policy is asked with. Raises NotFound, or BadInput with the line that is wrong."""
    try:
        raw = sys.stdin.buffer.read(MOST_BYTES + 1) if str(path) == "-" else path.read_bytes()
    except OSError as fault:
        raise NotFound(f"{path} cannot be read", fault.strerror or str(fault), "name a file, or - for standard input") from fault
    if len(raw) > MOST_BYTES:
        raise BadInput(f"{path} is too large", f"at most {MOST_BYTES} bytes are read", "judge its parts")
    name = "stdin" if str(path) == "-" else path.name
    args = _plan(name, _json(name, raw)) if form == "terraform" else _args(name, _yaml(name, raw) if form == "yaml" else _json(name, raw))
    return {
        "target": {"name": name, "env": where.env, "region": where.region},
        "kind": {"name": "terraform.apply" if form == "terraform" else "file.apply", "destructive": False},
        "call": {"args": args},
    }


def _json(name: str, raw: bytes) -> Any:
    try:
        return without_nulls(orjson.loads(raw))
    except (ValueError, RecursionError) as fault:
        raise BadInput(f"{name} is no JSON", str(fault)[:200], "correct the file, or name its format with --input-format") from fault


def _yaml(name: str, raw: bytes) -> Any:
    try:
        return document(name, raw)
    except PolicyError as fault:
        raise BadInput(fault.what, fault.why, fault.fix) from fault


def _plan(name: str, doc: Any) -> dict[str, Any]:
    """Give a plan as policy reads it. One without changes has no list of them."""
    if isinstance(doc, Mapping) and "values" in doc:
        raise BadInput(
            f"{name} is no plan", "it is a state: it says what there is, not what would change", "terraform show -json PLAN > FILE"
        )
    if not isinstance(doc, Mapping) or "format_version" not in doc or not isinstance(doc.get("resource_changes", []), list):
        raise BadInput(
            f"{name} is no plan", "it has no format_version, or its resource_changes are no list", "terraform show -json PLAN > FILE"
        )
    return {"plan": {**doc, "resource_changes": doc.get("resource_changes", [])}}


def _args(name: str, doc: Any) -> dict[str, Any]:
    """Give a document as policy reads it: Kubernetes objects as manifests, a mapping as it is, anything else below `items`."""
    many = doc if isinstance(doc, list) else [doc]
    flat = [one for item in many for one in _unlisted(item)]
    objects = [one for one in flat if isinstance(one, Mapping) and "apiVersion" in one and "kind" in one]
    if objects and len(objects) < len(flat):
        why = f"{len(objects)} of its {len(flat)} documents are Kubernetes objects: the others would hide them"
        raise BadInput(f"{name} is mixed", why, "judge its parts one by one")
    if objects:
        return {"manifests": objects}
    return dict(doc) if isinstance(doc, Mapping) else {"items": many}


def _unlisted(item: Any) -> list[Any]:
    """Give the members of a Kubernetes List, of a ServiceList and so on, and of the lists in it."""
    if isinstance(item, Mapping) and str(item.get("kind", "")).endswith("List") and isinstance(item.get("items"), list):
        return [one for member in item["items"] for one in _unlisted(member)]
    return [item]
