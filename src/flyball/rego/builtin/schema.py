"""JSON Schema: whether a schema holds, and whether a document fits one."""

from typing import Any, Final

from flyball.rego.builtin.desk import builtin, too_large
from flyball.rego.builtin.json import Writer
from flyball.rego.decode import blame, loaded
from flyball.rego.jsonschema import compiled, mistakes
from flyball.rego.type import ANY, BOOLEAN, NULL, STRING, array, object_of, one_of
from flyball.rego.value import Value, plain

_LETTERS: Final = 1024 * 1024  # of one schema
_GIVEN: Final = one_of(STRING, object_of(ANY, ANY))


@builtin("json.verify_schema", (_GIVEN,), array(BOOLEAN, one_of(STRING, NULL)))
def verify_schema(schema: Any) -> list[Value]:
    """Whether a schema (an object, or JSON text) holds, and what is wrong with it."""
    try:
        compiled(_text("json.verify_schema", schema))
    except ValueError as flaw:
        return [False, f"jsonschema: {flaw}"]
    except RecursionError:
        return [False, "jsonschema: nested too deeply"]
    return [True, None]


@builtin("json.match_schema", (_GIVEN, _GIVEN), array(BOOLEAN, array(of=object_of(STRING, STRING))))
def match_schema(document: Any, schema: Any) -> list[Value]:
    """Whether a document fits a schema (each an object, or JSON text), and every mistake in it."""
    name = "json.match_schema"
    with blame(name):
        part = _document(document)
        found = mistakes(compiled(_text(name, schema)), part)
        return [not found, found]


def _document(given: Any) -> Any:
    if type(given) is str:
        try:
            return loaded(given)
        except ValueError:
            raise ValueError("invalid JSON string") from None
    if type(given) is not dict and type(given) is not list:
        raise ValueError("wrong type, expected string or object")
    return plain(given)


def _text(name: str, given: Any) -> str:
    text = Writer(name).text(_document(given))
    if len(text) > _LETTERS:
        raise too_large(name, _LETTERS, "characters")
    return text
