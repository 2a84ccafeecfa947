"""GraphQL: queries and schemas read, and checked against each other. Trees are gqlparser's, without positions and without what is empty."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from flyball.rego.builtin.desk import builtin, mistyped, too_large
from flyball.rego.decode import blame
from flyball.rego.error import BuiltinFault
from flyball.rego.graphql.check import check_query
from flyball.rego.graphql.parser import Node, Places
from flyball.rego.graphql.query import parse_query
from flyball.rego.graphql.schema import Schema, load_schema
from flyball.rego.graphql.sdl import parse_schema
from flyball.rego.graphql.shape import fitted
from flyball.rego.type import ANY, BOOLEAN, OBJECT, STRING, array, object_of, one_of
from flyball.rego.value import Value

_LETTERS: Final = 256 * 1024  # of one document
_DOCUMENT: Final = one_of(STRING, object_of(ANY, ANY))


@builtin("graphql.parse_query", (STRING,), OBJECT)
def query(text: Any) -> Node:
    """The tree of a query."""
    return _read("graphql.parse_query", text, parse_query)


@builtin("graphql.parse_schema", (STRING,), OBJECT)
def schema(text: Any) -> Node:
    """The tree of a schema."""
    return _read("graphql.parse_schema", text, parse_schema)


@builtin("graphql.parse", (_DOCUMENT, _DOCUMENT), array(OBJECT, OBJECT))
def parse(asked: Any, types: Any) -> list[Value]:
    """The trees of a query and a schema that fit each other."""
    name = "graphql.parse"
    if type(asked) not in {str, dict} or type(types) not in {str, dict}:
        raise mistyped(name, asked, types)
    with blame(name):
        return _checked(name, asked, types)


@builtin("graphql.parse_and_verify", (_DOCUMENT, _DOCUMENT), array(BOOLEAN, OBJECT, OBJECT))
def parse_and_verify(asked: Any, types: Any) -> list[Value]:
    """Whether a query and a schema fit each other, and their trees; these are empty unless they do."""
    try:
        with blame("graphql.parse_and_verify"):
            return [True, *_checked("graphql.parse_and_verify", asked, types)]
    except BuiltinFault:
        return [False, {}, {}]


@builtin("graphql.is_valid", (_DOCUMENT, _DOCUMENT), BOOLEAN)
def is_valid(asked: Any, types: Any) -> bool:
    """Whether a query and a schema fit each other."""
    try:
        with blame("graphql.is_valid"):
            return bool(_checked("graphql.is_valid", asked, types))
    except BuiltinFault:
        return False


@builtin("graphql.schema_is_valid", (_DOCUMENT,), BOOLEAN)
def schema_is_valid(types: Any) -> bool:
    """Whether a schema holds."""
    name = "graphql.schema_is_valid"
    try:
        with blame(name):
            return bool(_schema(name, types))
    except BuiltinFault:
        return False


def _read(name: str, text: Any, parser: Callable[[str], tuple[Node, Places]]) -> Node:
    if type(text) is not str:
        raise mistyped(name, text)
    with blame(name):
        return parser(_short(name, text))[0]


def _short(name: str, text: str) -> str:
    if len(text) > _LETTERS:
        raise too_large(name, _LETTERS, "characters")
    return text


@lru_cache(maxsize=8)
def _known(text: str) -> tuple[Node, Schema]:
    """The tree of a schema, and what it makes; a policy asks for the same one again and again."""
    tree, places = parse_schema(text)
    return tree, load_schema(tree, places)


def _schema(name: str, given: Any) -> tuple[Node, Schema]:
    if type(given) is str:
        return _known(_short(name, given))
    tree = fitted(given, "schema")
    return tree, load_schema(tree, Places())


def _checked(name: str, asked: Any, types: Any) -> list[Value]:
    query_tree, places = parse_query(_short(name, asked)) if type(asked) is str else (fitted(asked, "query"), Places())
    schema_tree, loaded = _schema(name, types)
    check_query(loaded, query_tree, places)
    return [query_tree, schema_tree]
