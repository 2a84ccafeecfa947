"""JSON Schema 2020-12 by jsonschema-rs: compiled once per schema, errors in one line."""

from __future__ import annotations

import jsonschema_rs

from flyball.model.ids import Doc, Json


class JsonSchemaValidator:
    """Meets `ports.Validator`. Schemas are those of registered kinds and live as long as the process."""

    def __init__(self) -> None:
        """Start with none compiled."""
        self._compiled: dict[int, tuple[Doc, jsonschema_rs.Draft202012Validator]] = {}

    def fault(self, schema: Doc, value: Json) -> str:
        """Give the first fault with its JSON pointer, or an empty string."""
        known = self._compiled.get(id(schema))
        if known is None or known[0] is not schema:
            known = (schema, jsonschema_rs.Draft202012Validator(dict(schema)))
            self._compiled[id(schema)] = known
        if known[1].is_valid(value):
            return ""
        first = next(iter(known[1].iter_errors(value)))
        at = "/".join(str(part) for part in first.instance_path)
        return f"/{at}: {first.message}"[:300]
