"""The grammar of schemas: types, directives and their extensions (spec, section 3). Called by the GraphQL builtins and by `schema`."""

from typing import Final

from flyball.rego.graphql.lexer import BLOCK, END, NAME, STRING, Token
from flyball.rego.graphql.parser import Node, Parser, Places

_KINDS: Final = {
    "scalar": "SCALAR",
    "type": "OBJECT",
    "interface": "INTERFACE",
    "union": "UNION",
    "enum": "ENUM",
    "input": "INPUT_OBJECT",
}
_OPERATIONS: Final = frozenset(("query", "mutation", "subscription"))
_LOCATIONS: Final = frozenset(
    [
        "QUERY",
        "MUTATION",
        "SUBSCRIPTION",
        "FIELD",
        "FRAGMENT_DEFINITION",
        "FRAGMENT_SPREAD",
        "INLINE_FRAGMENT",
        "VARIABLE_DEFINITION",
        "SCHEMA",
        "SCALAR",
        "OBJECT",
        "FIELD_DEFINITION",
        "ARGUMENT_DEFINITION",
        "INTERFACE",
        "UNION",
        "ENUM",
        "ENUM_VALUE",
        "INPUT_OBJECT",
        "INPUT_FIELD_DEFINITION",
    ]
)


def parse_schema(text: str, *, own: bool = False) -> tuple[Node, Places]:
    """The tree of a schema and where its nodes stand. Raises ValueError in gqlparser's words.

    Args:
        text: the document.
        own: whether these are the types that every schema has.
    """
    parser = Parser(text)
    tree: dict[str, list[Node]] = {"Schema": [], "SchemaExtension": [], "Directives": [], "Definitions": [], "Extensions": []}
    while parser.token.kind != END:
        described = parser.next() if parser.token.kind in {STRING, BLOCK} else None
        description = described.value if described else ""
        word = parser.token.value if parser.token.kind == NAME else ""
        if word in _KINDS:
            tree["Definitions"].append(_definition(parser, description, own=own))
        elif word == "schema":
            tree["Schema"].append(_schema(parser, description))
        elif word == "directive":
            tree["Directives"].append(_directive(parser, description))
        elif word == "extend":
            _extend(parser, tree, described)
        else:
            raise parser.unexpected()
    return parser.node((1, 1), tree), parser.places


def _extend(parser: Parser, tree: dict[str, list[Node]], described: Token | None) -> None:
    if described is not None and described.value:
        raise parser.unexpected(described)
    parser.keyword("extend")
    if parser.token.value == "schema":
        made = _schema(parser, "")
        tree["SchemaExtension"].append(made)
    elif parser.token.value in _KINDS:
        made = _definition(parser, "", own=False)
        tree["Extensions"].append(made)
    else:
        raise parser.unexpected()
    if not made.keys() & {"Directives", "OperationTypes", "Interfaces", "Fields", "Types", "EnumValues"}:
        raise parser.unexpected()


def _schema(parser: Parser, description: str) -> Node:
    parser.keyword("schema")
    place = parser.token.place
    members: Node = {"Description": description, "Directives": parser.directives(constant=True)}
    return parser.node(place, members | {"OperationTypes": parser.several("{}", lambda: _root(parser))})


def _root(parser: Parser) -> Node:
    place, token = parser.token.place, parser.next()
    if token.value not in _OPERATIONS:
        raise parser.unexpected(token)
    parser.expect(":")
    return parser.node(place, {"Operation": token.value, "Type": parser.name()})


def _definition(parser: Parser, description: str, *, own: bool) -> Node:
    kind = _KINDS[parser.next().value]
    place = parser.token.place
    members: Node = {"Kind": kind, "Description": description, "Name": parser.name(), "BuiltIn": own}
    if kind in {"OBJECT", "INTERFACE"}:
        members["Interfaces"] = _names(parser, "&") if _skip_word(parser, "implements") else []
    members["Directives"] = parser.directives(constant=True)
    if kind == "UNION":
        members["Types"] = _names(parser, "|") if parser.skip("=") else []
    elif kind == "ENUM":
        members["EnumValues"] = parser.several("{}", lambda: _enum(parser))
    elif kind == "INPUT_OBJECT":
        members["Fields"] = parser.several("{}", lambda: _input(parser))
    elif kind != "SCALAR":
        members["Fields"] = parser.several("{}", lambda: _field(parser))
    return parser.node(place, members)


def _skip_word(parser: Parser, word: str) -> bool:
    return parser.token.value == word and parser.skip(NAME)


def _names(parser: Parser, mark: str) -> list[str]:
    parser.skip(mark)
    names = [parser.name()]
    while parser.skip(mark):
        names.append(parser.name())
    return names


def _description(parser: Parser) -> str:
    return parser.next().value if parser.token.kind in {STRING, BLOCK} else ""


def _enum(parser: Parser) -> Node:
    place = parser.token.place
    members: Node = {"Description": _description(parser), "Name": parser.name()}
    return parser.node(place, members | {"Directives": parser.directives(constant=True)})


def _field(parser: Parser) -> Node:
    place = parser.token.place
    members: Node = {"Description": _description(parser), "Name": parser.name()}
    members["Arguments"] = parser.several("()", lambda: _input(parser))
    parser.expect(":")
    members["Type"] = parser.type()
    return parser.node(place, members | {"Directives": parser.directives(constant=True)})


def _input(parser: Parser) -> Node:
    place = parser.token.place
    members: Node = {"Description": _description(parser), "Name": parser.name()}
    parser.expect(":")
    members["Type"] = parser.type()
    members["DefaultValue"] = parser.value(constant=True) if parser.skip("=") else None
    return parser.node(place, members | {"Directives": parser.directives(constant=True)})


def _directive(parser: Parser, description: str) -> Node:
    parser.keyword("directive")
    parser.expect("@")
    place = parser.token.place
    members: Node = {"Description": description, "Name": parser.name()}
    members["Arguments"] = parser.several("()", lambda: _input(parser))
    members["IsRepeatable"] = _skip_word(parser, "repeatable")
    parser.keyword("on")
    parser.skip("|")
    members["Locations"] = [_location(parser)]
    while parser.skip("|"):
        members["Locations"].append(_location(parser))
    return parser.node(place, members)


def _location(parser: Parser) -> str:
    token = parser.expect(NAME)
    if token.value not in _LOCATIONS:
        raise parser.unexpected(token)
    return token.value
