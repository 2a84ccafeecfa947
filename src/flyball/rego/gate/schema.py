"""A JSON Schema of the input as a type. Called by `kind`.

As in OPA, an object with `properties` has these and no others, unless `additionalProperties` or `patternProperties` allow more in so many
words. What the schema does not say may be anything. A definition that holds itself is anything from there on.
"""

from collections.abc import Mapping
from typing import Any, Final

from flyball.rego.gate import shape
from flyball.rego.type import ANY, BOOLEAN, NULL, NUMBER, STRING, Type, array, object_of

_KINDS: Final = {"string": STRING, "number": NUMBER, "integer": NUMBER, "boolean": BOOLEAN, "null": NULL}
_CASES: Final = ("then", "else")


def typed(schema: Mapping[str, Any]) -> Type:
    """The type of what fits a schema."""
    return _Reader(schema).of(schema, ())


class _Reader:
    """Reads one schema; `$ref` is looked up in it."""

    def __init__(self, whole: Mapping[str, Any]) -> None:
        self.whole = whole

    def of(self, schema: Any, inside: tuple[str, ...]) -> Type:
        """The type of a part; `inside` are the references that lead to it."""
        if not isinstance(schema, Mapping):
            return ANY
        if isinstance(schema.get("$ref"), str):
            ref = schema["$ref"]
            return ANY if ref in inside else self.of(self._found(ref), (*inside, ref))
        for word in ("oneOf", "anyOf"):
            if isinstance(schema.get(word), list):
                own = {name: held for name, held in schema.items() if name != word}
                return shape.join(self._both(own, one, inside) for one in schema[word])
        if isinstance(schema.get("allOf"), list):
            found = {name: held for name, held in schema.items() if name != "allOf"}
            for one in schema["allOf"]:
                found = _merged(found, self._resolved(one))
            return self.of(found, inside)
        for word in _CASES:
            if isinstance(schema.get(word), Mapping):
                schema = _merged({name: held for name, held in schema.items() if name not in {"if", word}}, self._resolved(schema[word]))
        return self._plain(schema, inside)

    def _both(self, own: Mapping[str, Any], one: Any, inside: tuple[str, ...]) -> Type:
        return self.of(_merged(own, self._resolved(one)), inside)

    def _plain(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> Type:
        if "const" in schema:
            return shape.of_value(schema["const"])
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return shape.join(map(shape.of_value, schema["enum"]))
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return shape.join(self._one(one, schema, inside) for one in kinds)
        if kinds is None:
            kinds = "object" if "properties" in schema else "array" if "items" in schema or "prefixItems" in schema else ""
        return self._one(kinds, schema, inside)

    def _one(self, kind: Any, schema: Mapping[str, Any], inside: tuple[str, ...]) -> Type:
        if kind == "object":
            return self._object(schema, inside)
        if kind == "array":
            first = [self.of(one, inside) for one in schema.get("prefixItems", ())]
            more = schema.get("items", True)
            return array(*first, of=None if more is False else self.of(more, inside))
        return _KINDS.get(kind, ANY)

    def _object(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> Type:
        known = {name: self.of(held, inside) for name, held in schema.get("properties", {}).items()}
        more = schema.get("additionalProperties", not known)
        if schema.get("patternProperties"):
            more = True
        return object_of(static=known) if more is False else object_of(STRING, self.of(more, inside), known)

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        """A part with the reference that it is followed, so that its properties can be merged."""
        seen: set[str] = set()
        while isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str) and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            schema = self._found(schema["$ref"])
        return schema if isinstance(schema, Mapping) else {}

    def _found(self, ref: str) -> Any:
        """What `#/a/b` points at; anything for what stands in other files."""
        found: Any = self.whole
        if not ref.startswith("#"):
            return {}
        for step in ref[1:].split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


def _merged(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """Two parts that hold together."""
    found = dict(left) | dict(right)
    known = {**left.get("properties", {}), **right.get("properties", {})}
    if known:
        found["properties"] = known
    return found
