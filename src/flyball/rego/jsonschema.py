"""JSON Schema (drafts 4, 6 and 7) in the words of gojsonschema, which OPA uses. Called by the schema builtins.

`jsonschema_rs` decides; what it finds is told as OPA tells it. References lead nowhere outside the schema, patterns are matched in linear
time.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

import jsonschema_rs

from flyball.rego.builtin.json import marshal
from flyball.rego.decode import loaded

Json = dict[str, Any]
_TYPES: Final = ("array", "boolean", "integer", "number", "null", "object", "string")
_DRAFTS: Final = {
    "http://json-schema.org/draft-04/schema": jsonschema_rs.Draft4Validator,
    "http://json-schema.org/draft-06/schema": jsonschema_rs.Draft6Validator,
    "http://json-schema.org/draft-07/schema": jsonschema_rs.Draft7Validator,
}
_LINEAR: Final = jsonschema_rs.RegexOptions(size_limit=1_000_000)
_ERRORS: Final = 1_000  # told of one document


def _mistyped(wanted: str, word: str) -> ValueError:
    return ValueError(f"Invalid type. Expected: {wanted}, given: {word}")


def check(schema: Any) -> None:
    """Raises ValueError in gojsonschema's words for the first thing in a schema that is not as drafts 4 to 7 have it."""
    if type(schema) is bool:
        return
    if type(schema) is not dict:
        raise ValueError("Expected: schema, given: Invalid JSON")
    for word, rule in _RULES.items():
        if word in schema:
            rule(word, schema[word])
    for low, high in (("minLength", "maxLength"), ("minProperties", "maxProperties")):
        if low in schema and high in schema and schema[low] > schema[high]:
            raise ValueError(f"{low} cannot be greater than {high}")


def _text(word: str, value: Any) -> None:
    if type(value) is not str:
        raise _mistyped("string", word)


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def _number(word: str, value: Any) -> None:
    if not _is_number(value):
        raise ValueError(f"{word} must be of a number")


def _edge(word: str, value: Any) -> None:
    if not _is_number(value) and type(value) is not bool:
        raise _mistyped("boolean/number", word)


def _multiple(word: str, value: Any) -> None:
    if not _is_number(value):
        raise _mistyped("number", word)
    if value <= 0:
        raise ValueError(f"{word} must be strictly greater than 0")


def _count(word: str, value: Any) -> None:
    if not _is_number(value) or value != int(value):
        raise ValueError(f"{word} must be of an integer")
    if value < 0:
        raise ValueError(f"{word} must be greater than or equal to 0")


def _flag(word: str, value: Any) -> None:
    if type(value) is not bool:
        raise ValueError(f"{word} must be of a boolean")


def _type(word: str, value: Any) -> None:
    named = value if type(value) is list else [value]
    seen = set()
    for one in named:
        if type(one) is not str:
            raise _mistyped("string/array of strings", word)
        if one not in _TYPES:
            valid = " ".join(_TYPES)
            raise ValueError(f"has a primitive type that is NOT VALID -- given: /{one}/ Expected valid values are:[{valid}]")
        if one in seen:
            raise ValueError(f"{one} type is duplicated")
        seen.add(one)


def _list(word: str, value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError(f"{word} must be of an array")
    return value


def _names(word: str, value: Any) -> None:
    for one in _list(word, value):
        if type(one) is not str:
            raise _mistyped("string", word)
    _unique(word, value)


def _unique(word: str, value: Any) -> None:
    written = [marshal(one) for one in _list(word, value)]
    if len(set(written)) < len(written):
        raise ValueError(f"{word} items must be unique")


def _schemas(word: str, value: Any) -> None:
    for one in _list(word, value):
        check(one)


def _within(word: str, value: Any) -> None:
    if type(value) is not dict and type(value) is not bool:
        raise ValueError(f"{word} must be of an object")
    check(value)


def _inner(_word: str, value: Any) -> None:
    check(value)


def _others(word: str, value: Any) -> None:
    if type(value) is not dict and type(value) is not bool:
        raise _mistyped("boolean/schema", word)
    check(value)


def _items(word: str, value: Any) -> None:
    for one in value if type(value) is list else [value]:
        if type(one) is not dict and type(one) is not bool:
            raise _mistyped("schema/array of schemas", word)
        check(one)


def _definitions(word: str, value: Any) -> None:
    if type(value) is not dict or not all(type(one) in {dict, bool} for one in value.values()):
        raise _mistyped("array of schemas", word)
    _all(value.values())


def _properties(word: str, value: Any) -> None:
    if type(value) is not dict:
        raise ValueError(f"{word} must be of type object")
    _all(value.values())


def _patterns(word: str, value: Any) -> None:
    if type(value) is not dict:
        raise _mistyped("schema", word)
    _all(value.values())


def _dependencies(word: str, value: Any) -> None:
    if type(value) is not dict:
        raise ValueError(f"{word} must be of type object")
    for one in value.values():
        if type(one) is list and all(type(name) is str for name in one):
            continue
        if type(one) is not dict and type(one) is not bool:
            raise ValueError("dependency must be of type schema or array of strings")
        check(one)


def _all(schemas: Iterable[Any]) -> None:
    for one in schemas:
        check(one)


_RULES: Final[dict[str, Callable[[str, Any], object]]] = {
    "definitions": _definitions,
    **dict.fromkeys(("title", "description", "$ref"), _text),
    "type": _type,
    "properties": _properties,
    "additionalProperties": _others,
    "patternProperties": _patterns,
    "propertyNames": _within,
    "dependencies": _dependencies,
    "items": _items,
    "additionalItems": _others,
    "multipleOf": _multiple,
    **dict.fromkeys(("minimum", "maximum"), _number),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), _edge),
    **dict.fromkeys(("minLength", "maxLength", "minProperties", "maxProperties", "minItems", "maxItems"), _count),
    **dict.fromkeys(("pattern", "format"), _text),
    "required": _names,
    "uniqueItems": _flag,
    "contains": _inner,
    "enum": _unique,
    **dict.fromkeys(("oneOf", "anyOf", "allOf"), _schemas),
    **dict.fromkeys(("not", "if", "then", "else"), _within),
}


@lru_cache(maxsize=32)
def compiled(text: str) -> Any:
    """The validator of a schema, given as JSON. Raises ValueError in gojsonschema's words where it is none."""
    schema = loaded(text)
    check(schema)
    draft = schema.get("$schema") if type(schema) is dict else None
    kind = _DRAFTS.get(draft.rstrip("#") if type(draft) is str else "", jsonschema_rs.Draft7Validator)
    if draft is None and ('"exclusiveMinimum":true' in text or '"exclusiveMaximum":true' in text):
        kind = jsonschema_rs.Draft4Validator  # the form of draft 4, which OPA takes as well where no draft is named
    try:
        return kind(schema, offline=True, validate_formats=True, pattern_options=_LINEAR)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as flaw:
        what = str(flaw).partition("\n")[0]
        raise ValueError("pattern must be a valid regex" if what.endswith('is not a "regex"') else what) from None


def mistakes(validator: Any, document: Any) -> list[Json]:
    """What is wrong with a document: `type`, `field` and `desc` of each mistake, and `error`, which is the last two as one line."""
    found: list[Json] = []
    for error in validator.iter_errors(document):
        found += _told(error, document)
        if len(found) >= _ERRORS:
            break
    return found[:_ERRORS]


def _told(error: Any, document: Any) -> Iterator[Json]:
    field = ".".join(map(str, error.instance_path)) or "(root)"
    word, value = error.kind.name, error.kind.value
    for kind, desc in _around(error.schema_path):
        yield _mistake(kind, field, desc)
    if word in {"anyOf", "oneOf"}:
        one_of = word == "oneOf"
        desc = "Must validate one and only one schema (oneOf)" if one_of else "Must validate at least one schema (anyOf)"
        yield _mistake("number_one_of" if one_of else "number_any_of", field, desc)
        branches = value if all(value) else []  # of several that hold none is told
        for inner in min(branches, key=len, default=[]):
            yield from _told(inner, document)
    elif word == "additionalProperties" or (word == "falseSchema" and error.schema_path[-1:] == ["additionalProperties"]):
        for name in value or _held(document, error.instance_path):
            yield _mistake("additional_property_not_allowed", field, f"Additional property {name} is not allowed")
    elif word == "required" and "dependencies" in error.schema_path:
        yield _mistake("missing_dependency", field, f"Has a dependency on {value}")
    elif word in _SAID:
        name, say = _SAID[word]
        yield _mistake(name, field, say(field, value, error.instance))
    else:
        yield _mistake("internal", field, f"Internal Error {error.message}")


def _held(document: Any, path: list[str | int]) -> Any:
    for step in path:
        document = document[step]
    return document


def _mistake(kind: str, field: str, desc: str) -> Json:
    return {"error": f"{field}: {desc}", "type": kind, "field": field, "desc": desc}


def _around(path: list[str | int]) -> Iterator[tuple[str, str]]:
    """What gojsonschema says besides, where the mistake was found under a condition."""
    for before, word in zip(["", *path], path, strict=False):
        if word in _BESIDES and before not in {"properties", "patternProperties", "definitions", "dependencies"}:
            yield _BESIDES[word]


_BESIDES: Final[dict[str | int, tuple[str, str]]] = {
    "allOf": ("number_all_of", "Must validate all the schemas (allOf)"),
    "then": ("condition_then", 'Must validate "then" as "if" was valid'),
    "else": ("condition_else", 'Must validate "else" as "if" was not valid'),
}


def _given(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", type(None): "null"}
    return names.get(type(value), "number")


def _expected(types: list[str]) -> str:
    return types[0] if len(types) == 1 else f"[{','.join(types)}]"


# keyword -> gojsonschema's type, and its description of (field, the keyword's value, the part of the document)
_SAID: Final[dict[str, tuple[str, Callable[[str, Any, Any], str]]]] = {
    "type": ("invalid_type", lambda _, value, part: f"Invalid type. Expected: {_expected(value)}, given: {_given(part)}"),
    "required": ("required", lambda _, value, __: f"{value} is required"),
    "enum": ("enum", lambda field, value, _: f"{field} must be one of the following: {', '.join(map(marshal, value)) or '(none)'}"),
    "const": ("const", lambda field, value, _: f"{field} does not match: {marshal(value)}"),
    "minLength": ("string_gte", lambda _, value, __: f"String length must be greater than or equal to {value}"),
    "maxLength": ("string_lte", lambda _, value, __: f"String length must be less than or equal to {value}"),
    "pattern": ("pattern", lambda _, value, __: f"Does not match pattern '{value}'"),
    "format": ("format", lambda _, value, __: f"Does not match format '{value}'"),
    "multipleOf": ("multiple_of", lambda _, value, __: f"Must be a multiple of {marshal(value)}"),
    "minimum": ("number_gte", lambda _, value, __: f"Must be greater than or equal to {marshal(value)}"),
    "exclusiveMinimum": ("number_gt", lambda _, value, __: f"Must be greater than {marshal(value)}"),
    "maximum": ("number_lte", lambda _, value, __: f"Must be less than or equal to {marshal(value)}"),
    "exclusiveMaximum": ("number_lt", lambda _, value, __: f"Must be less than {marshal(value)}"),
    "minItems": ("array_min_items", lambda _, value, __: f"Array must have at least {value} items"),
    "maxItems": ("array_max_items", lambda _, value, __: f"Array must have at most {value} items"),
    "uniqueItems": ("unique", lambda _, __, ___: "array items must be unique"),
    "contains": ("contains", lambda _, __, ___: "At least one of the items must match"),
    "additionalItems": ("array_no_additional_items", lambda _, __, ___: "No additional items allowed on array"),
    "minProperties": ("array_min_properties", lambda _, value, __: f"Must have at least {value} properties"),
    "maxProperties": ("array_max_properties", lambda _, value, __: f"Must have at most {value} properties"),
    "propertyNames": ("invalid_property_name", lambda _, value, __: f"Property name of {marshal(value.instance)} does not match"),
    "not": ("number_not", lambda _, __, ___: "Must not validate the schema (not)"),
    "falseSchema": ("false", lambda _, __, ___: "False always fails validation"),
}
