"""The grammar of queries: operations and fragments (spec, section 2.2 on). Called by the GraphQL builtins."""

from typing import Final

from flyball.rego.graphql.lexer import END, NAME
from flyball.rego.graphql.parser import Node, Parser, Places

_OPERATIONS: Final = ("query", "mutation", "subscription")


def parse_query(text: str) -> tuple[Node, Places]:
    """The tree of a query and where its nodes stand. Raises ValueError in gqlparser's words."""
    parser = Parser(text)
    operations, fragments = [], []
    while (token := parser.token).kind != END:
        if token.kind == "{" or (token.kind == NAME and token.value in _OPERATIONS):
            operations.append(_operation(parser))
        elif token.kind == NAME and token.value == "fragment":
            fragments.append(_fragment(parser))
        else:
            raise parser.unexpected()
    return parser.node((1, 1), {"Operations": operations, "Fragments": fragments}), parser.places


def _operation(parser: Parser) -> Node:
    place = parser.token.place
    if parser.token.kind == "{":
        return parser.node(place, {"Operation": "query", "Name": "", "SelectionSet": _selections(parser)})
    members: Node = {"Operation": parser.next().value, "Name": parser.next().value if parser.token.kind == NAME else ""}
    members["VariableDefinitions"] = _variables(parser)
    members["Directives"] = parser.directives(constant=False)
    members["SelectionSet"] = _selections(parser)
    return parser.node(place, members)


def _variables(parser: Parser) -> list[Node]:
    return parser.several("()", lambda: _variable(parser), least=0)


def _variable(parser: Parser) -> Node:
    place = parser.token.place
    parser.expect("$")
    members: Node = {"Variable": parser.name()}
    parser.expect(":")
    members["Type"] = parser.type()
    members["DefaultValue"] = parser.value(constant=True) if parser.skip("=") else None
    members["Directives"] = parser.directives(constant=False)
    return parser.node(place, members | {"Used": False})


def _selections(parser: Parser) -> list[Node]:
    if parser.token.kind != "{":
        parser.expect("{")
    return parser.several("{}", lambda: _selection(parser))


def _selection(parser: Parser) -> Node:
    place = parser.token.place
    if not parser.skip("..."):
        return _field(parser)
    place = parser.token.place
    if parser.token.kind == NAME and parser.token.value != "on":
        return parser.node(place, {"Name": parser.name(), "Directives": parser.directives(constant=False)})
    condition = ""
    if parser.token.value == "on":
        parser.next()
        condition = parser.name()
    members: Node = {"TypeCondition": condition, "Directives": parser.directives(constant=False)}
    return parser.node(place, members | {"SelectionSet": _selections(parser)})


def _field(parser: Parser) -> Node:
    place, alias = parser.token.place, parser.name()
    members: Node = {"Alias": alias, "Name": parser.name() if parser.skip(":") else alias}
    members["Arguments"] = parser.arguments(constant=False)
    members["Directives"] = parser.directives(constant=False)
    members["SelectionSet"] = _selections(parser) if parser.token.kind == "{" else []
    return parser.node(place, members)


def _fragment(parser: Parser) -> Node:
    place = parser.token.place
    parser.keyword("fragment")
    if parser.token.value == "on":
        raise parser.unexpected()
    members: Node = {"Name": parser.name(), "VariableDefinition": _variables(parser)}
    parser.keyword("on")
    members["TypeCondition"] = parser.name()
    members["Directives"] = parser.directives(constant=False)
    members["SelectionSet"] = _selections(parser)
    return parser.node(place, members)
