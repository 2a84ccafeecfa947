"""Task specs: a structured piece of work, POSTed or dropped as a file. One that cannot be met is refused before any work."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import jsonschema_rs
import yaml

from flyball.errors import BadInput
from flyball.model.session import Signal

MOST_BYTES = 65_536

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Flyball task spec",
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "flyball/v1"},
        "kind": {"const": "Task"},
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$", "description": "unique name of this piece of work"}
            },
        },
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["goal", "target"],
            "properties": {
                "goal": {
                    "type": "string",
                    "minLength": 3,
                    "maxLength": 2000,
                    "description": "what shall be true afterwards",
                },
                "target": {"type": "string", "minLength": 1, "maxLength": 200, "description": "a service of the catalogue"},
                "alert": {"type": "string", "maxLength": 200, "description": "treat it as this alert name, to choose a runbook by name"},
                "agent": {"type": "string", "maxLength": 100, "description": "the agent to do it; routes choose otherwise"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}, "description": "labels as an alert would have"},
                "max_cost_micros": {"type": "integer", "minimum": 0, "description": "most it may cost; 0 means nothing"},
                "max_steps": {"type": "integer", "minimum": 1, "maximum": 200, "description": "most steps it may take"},
            },
        },
    },
}


class Spec:
    """Meets `ports.Source`."""

    name = "spec"

    def __init__(self) -> None:
        """Compile the schema once."""
        self._schema = jsonschema_rs.Draft202012Validator(SCHEMA)

    def identify(self, raw: bytes, headers: Mapping[str, str]) -> str:
        """Give the digest of the bytes: the same spec twice is one piece of work."""
        del headers
        return hashlib.sha256(raw).hexdigest()[:32]

    def read(self, raw: bytes, headers: Mapping[str, str]) -> tuple[Signal, ...]:
        """Parse YAML or JSON. Raises BadInput with the pointer of what is wrong, or with why it cannot be met."""
        del headers
        if len(raw) > MOST_BYTES:
            raise BadInput(f"the task spec has {len(raw)} bytes", f"at most {MOST_BYTES} are taken", "shorten it")
        try:
            doc = yaml.safe_load(raw)
        except (yaml.YAMLError, UnicodeDecodeError) as fault:
            raise BadInput("the task spec is not YAML", str(fault).splitlines()[0], "flyball schema Task") from fault
        for error in self._schema.iter_errors(doc):
            at = "/".join(str(part) for part in error.instance_path)
            raise BadInput(f"the task spec is wrong at /{at}", error.message[:200], "flyball schema Task")
        spec, name = doc["spec"], doc["metadata"]["name"]
        if spec.get("max_cost_micros") == 0:
            raise BadInput(
                "the task spec cannot be met", "max_cost_micros is 0: nothing may be spent", "raise max_cost_micros or leave it out"
            )
        labels = {**spec.get("labels", {}), "service": spec["target"]}
        return (
            Signal(
                source="spec",
                id=self.identify(raw, {}),
                key=f"spec:{name}",
                name=spec.get("alert", "Task"),
                target=spec["target"],
                summary=spec["goal"][:200],
                labels=labels,
                annotations={"goal": spec["goal"]},
                body=doc,
                agent=spec.get("agent", ""),
            ),
        )


SOURCE = Spec()
