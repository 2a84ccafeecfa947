"""A schema that queries can be checked against, made from its tree as gqlparser makes it. Called by the builtins and by `check`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from flyball.rego.builtin.print import quoted
from flyball.rego.graphql.parser import Node, Places, flaw
from flyball.rego.graphql.sdl import parse_schema
from flyball.rego.graphql.shape import base, is_compatible, type_text

_PARTS: Final = ("Directives", "Interfaces", "Fields", "Types", "EnumValues")
_INPUTS: Final = frozenset(("SCALAR", "ENUM", "INPUT_OBJECT"))
_OUTPUTS: Final = ("SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM")
_RESERVED: Final = frozenset(("true", "false", "null"))
_TWICE: Final = frozenset(("include", "skip", "deprecated", "specifiedBy", "defer"))  # may be declared again
# The types and directives of every schema (spec, 3.5, 3.13, 4.2).
_OWN: Final = """
scalar Int scalar Float scalar String scalar Boolean scalar ID
directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @deprecated(reason: String = "No longer supported")
  on FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE
directive @specifiedBy(url: String!) on SCALAR
directive @defer(if: Boolean = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT
type __Schema {
  description: String types: [__Type!]! queryType: __Type! mutationType: __Type subscriptionType: __Type directives: [__Directive!]!
}
type __Type {
  kind: __TypeKind! name: String description: String
  fields(includeDeprecated: Boolean = false): [__Field!] interfaces: [__Type!] possibleTypes: [__Type!]
  enumValues(includeDeprecated: Boolean = false): [__EnumValue!] inputFields: [__InputValue!] ofType: __Type specifiedByURL: String
}
type __Field {
  name: String! description: String args: [__InputValue!]! type: __Type! isDeprecated: Boolean! deprecationReason: String
}
type __InputValue { name: String! description: String type: __Type! defaultValue: String }
type __EnumValue { name: String! description: String isDeprecated: Boolean! deprecationReason: String }
enum __TypeKind { SCALAR OBJECT INTERFACE UNION ENUM INPUT_OBJECT LIST NON_NULL }
type __Directive {
  name: String! description: String locations: [__DirectiveLocation!]! args: [__InputValue!]! isRepeatable: Boolean!
}
enum __DirectiveLocation {
  QUERY MUTATION SUBSCRIPTION FIELD FRAGMENT_DEFINITION FRAGMENT_SPREAD INLINE_FRAGMENT VARIABLE_DEFINITION SCHEMA SCALAR OBJECT
  FIELD_DEFINITION ARGUMENT_DEFINITION INTERFACE UNION ENUM ENUM_VALUE INPUT_OBJECT INPUT_FIELD_DEFINITION
}
"""


@cache
def _own() -> Node:
    return parse_schema(_OWN, own=True)[0]


@dataclass(slots=True)
class Schema:
    """The types and directives by name; what each type may stand for, where each operation begins, and what was asked for."""

    places: Places
    types: dict[str, Node] = field(default_factory=dict)
    directives: dict[str, Node] = field(default_factory=dict)
    possible: dict[str, set[str]] = field(default_factory=dict)
    roots: dict[str, Node] = field(default_factory=dict)
    indexed: dict[tuple[int, str], tuple[dict[str, Node], list[Node]]] = field(default_factory=dict)

    def flaw(self, node: Node, what: str) -> ValueError:
        """What is wrong with a node."""
        return flaw(what, self.places.of(node))

    def index(self, node: Node, part: str) -> tuple[dict[str, Node], list[Node]]:
        """The fields, arguments or values of a node of the schema: by name, and those that must be given."""
        key = (id(node), part)
        if key not in self.indexed:
            listed = node.get(part, ())
            needed = [one for one in listed if one.get("Type", {}).get("NonNull") and "DefaultValue" not in one]
            self.indexed[key] = ({one["Name"]: one for one in reversed(listed)}, needed)
        return self.indexed[key]

    def member(self, kind: Node | None, name: str) -> Node | None:
        """The field of a type."""
        return None if kind is None else self.index(kind, "Fields")[0].get(name)


def load_schema(tree: Node, places: Places) -> Schema:
    """The schema of a tree. Raises ValueError in gqlparser's words where it does not hold."""
    schema = Schema(places)
    _declare(schema, tree)
    _enter(schema, tree)
    for _, kind in sorted(schema.types.items()):
        _check_definition(schema, kind)
    for name, one in sorted(schema.directives.items()):
        _check_name(schema, one)
        _check_arguments(schema, one, name)
    if not tree.get("Schema"):
        for operation in ("query", "mutation", "subscription"):
            if operation.title() in schema.types:
                schema.roots.setdefault(operation, schema.types[operation.title()])
    if "query" in schema.roots:
        query = schema.roots["query"]
        schema.roots["query"] = query | {"Fields": [*query.get("Fields", ()), *_introspection()]}
        schema.types[query["Name"]] = schema.roots["query"]
        schema.indexed.clear()  # the type is another now
    return schema


def _declare(schema: Schema, tree: Node) -> None:
    for one in (*_own()["Definitions"], *tree.get("Definitions", ())):
        if one["Name"] in schema.types:
            raise schema.flaw(one, f"Cannot redeclare type {one['Name']}.")
        schema.types[one["Name"]] = schema.places.put({**one}, schema.places.of(one))
    _extend(schema, tree.get("Extensions", ()))
    for kind in schema.types.values():
        _place(schema, kind)
    for one in (*_own()["Directives"], *tree.get("Directives", ())):
        if one["Name"] in schema.directives and one["Name"] not in _TWICE:
            raise schema.flaw(one, f"Cannot redeclare directive {one['Name']}.")
        schema.directives[one["Name"]] = one


@cache
def _introspection() -> tuple[Node, ...]:
    tree, _ = parse_schema("type Query { __schema: __Schema! __type(name: String!): __Type }")
    return tuple(tree["Definitions"][0]["Fields"])


def _extend(schema: Schema, extensions: Iterable[Node]) -> None:
    for one in extensions:
        name = one["Name"]
        kind = schema.types.get(name)
        if kind is None:
            kind = schema.places.put({"Kind": one["Kind"], "Name": name}, schema.places.of(one))
            schema.types[name] = kind
        if kind["Kind"] != one["Kind"]:
            raise schema.flaw(one, f"Cannot extend type {name} because the base type is a {kind['Kind']}, not {one['Kind']}.")
        for part in _PARTS:
            if part in one:
                kind[part] = [*kind.get(part, ()), *one[part]]


def _place(schema: Schema, kind: Node) -> None:
    name = kind["Name"]
    if kind["Kind"] == "UNION":
        schema.possible.setdefault(name, set()).update(kind.get("Types", ()))
    for above in kind.get("Interfaces", ()):
        schema.possible.setdefault(above, set()).add(name)
    if kind["Kind"] in {"OBJECT", "INPUT_OBJECT"}:
        schema.possible.setdefault(name, set()).add(name)


def _enter(schema: Schema, tree: Node) -> None:
    entries = tree.get("Schema", [])
    if len(entries) > 1:
        raise schema.flaw(entries[1], "Cannot have multiple schema entry points, consider schema extensions instead.")
    for entry in (*entries, *tree.get("SchemaExtension", ())):
        for one in entry.get("OperationTypes", ()):
            kind = schema.types.get(one["Type"])
            if kind is None:
                raise schema.flaw(one, f"Schema root {one['Operation']} refers to a type {one['Type']} that does not exist.")
            schema.roots[one["Operation"]] = kind


def _check_name(schema: Schema, node: Node) -> None:
    if node["Name"].startswith("__"):
        what = f'Name "{node["Name"]}" must not begin with "__", which is reserved by GraphQL introspection.'
        raise schema.flaw(node, what)


def _check_definition(schema: Schema, kind: Node) -> None:
    is_input = kind["Kind"] == "INPUT_OBJECT"
    for one in kind.get("Fields", ()):
        _check_name(schema, one)
        _check_type(schema, one)
        _check_arguments(schema, one)
        _check_directives(schema, one, "INPUT_FIELD_DEFINITION" if is_input else "FIELD_DEFINITION")
    for name in kind.get("Types", ()):
        if name not in schema.types:
            raise schema.flaw(kind, f"Undefined type {quoted(name)}.")
        if schema.types[name]["Kind"] != "OBJECT":
            raise schema.flaw(kind, f"{kind['Kind']} type {quoted(name)} must be OBJECT.")
    listed = frozenset(kind.get("Interfaces", ()))
    for name in kind.get("Interfaces", ()):
        _check_interface(schema, kind, name, listed)
    _check_content(schema, kind)
    if not kind.get("BuiltIn"):
        _check_name(schema, kind)
    _check_directives(schema, kind, kind["Kind"])


def _check_content(schema: Schema, kind: Node) -> None:
    what, name, fields = kind["Kind"], kind["Name"], kind.get("Fields", [])
    if what in {"OBJECT", "INTERFACE"} and not fields:
        raise schema.flaw(kind, f"{what} {name}: must define one or more fields.")
    if what == "INPUT_OBJECT" and not fields:
        raise schema.flaw(kind, f"{what} {name}: must define one or more input fields.")
    if what == "ENUM" and not kind.get("EnumValues"):
        raise schema.flaw(kind, f"{what} {name}: must define one or more unique enum values.")
    for value in kind.get("EnumValues", ()) if what == "ENUM" else ():
        if value["Name"] in _RESERVED:
            raise schema.flaw(kind, f"{what} {name}: non-enum value {value['Name']}.")
    seen = set()
    for one in fields:
        held = schema.types[base(one["Type"])]["Kind"]
        if what == "INPUT_OBJECT" and held not in _INPUTS:
            raise schema.flaw(one, f"{held} {one['Name']}: field must be one of SCALAR, ENUM, INPUT_OBJECT.")
        if what in {"OBJECT", "INTERFACE"} and held not in _OUTPUTS:
            raise schema.flaw(one, f"{what} {name}: field must be one of {', '.join(_OUTPUTS)}.")
        if one["Name"] in seen:
            raise schema.flaw(one, f"Field {name}.{one['Name']} can only be defined once.")
        seen.add(one["Name"])


def _check_type(schema: Schema, node: Node) -> None:
    name = base(node.get("Type", {}))
    if name not in schema.types:
        raise schema.flaw(node.get("Type", node), f"Undefined type {name}.")


def _check_arguments(schema: Schema, node: Node, directive: str = "") -> None:
    for one in node.get("Arguments", ()):
        _check_name(schema, one)
        _check_type(schema, one)
        kind = schema.types[base(one["Type"])]["Kind"]
        if kind not in _INPUTS:
            what = f"cannot use {type_text(one['Type'])} as argument {one['Name']} because {kind} is not a valid input type"
            raise schema.flaw(one, what)
        _check_directives(schema, one, "ARGUMENT_DEFINITION", directive)


def _check_directives(schema: Schema, node: Node, location: str, directive: str = "") -> None:
    for one in node.get("Directives", ()):
        name = one["Name"]
        _check_name(schema, one)
        if directive and name == directive:
            raise schema.flaw(one, f"Directive {name} cannot refer to itself.")
        if name not in schema.directives:
            raise schema.flaw(one, f"Undefined directive {name}.")
        if location not in schema.directives[name].get("Locations", ()):
            raise schema.flaw(one, f"Directive {name} is not applicable on {location}.")


def _check_interface(schema: Schema, kind: Node, name: str, listed: frozenset[str]) -> None:
    above = schema.types.get(name)
    if above is None:
        raise schema.flaw(kind, f"Undefined type {quoted(name)}.")
    if above["Kind"] != "INTERFACE":
        raise schema.flaw(kind, f"{quoted(name)} is a non interface type {above['Kind']}.")
    for wanted in above.get("Fields", ()):
        _check_field(schema, kind, name, wanted)
    for further in above.get("Interfaces", ()):
        if further not in listed:
            own = kind["Name"]
            if further == own:
                raise schema.flaw(kind, f"Type {own} cannot implement {name} because it would create a circular reference.")
            raise schema.flaw(kind, f"Type {own} must implement {further} because it is implemented by {name}.")


def _check_field(schema: Schema, kind: Node, above: str, wanted: Node) -> None:
    own, name = f"For {kind['Name']} to implement {above}", wanted["Name"]
    found = schema.member(kind, name)
    if found is None:
        raise schema.flaw(kind, f"{own} it must have a field called {name}.")
    _check_type(schema, wanted)
    if not _is_covariant(schema, wanted["Type"], found["Type"]):
        raise schema.flaw(found, f"{own} the field {name} must have type {type_text(wanted['Type'])}.")
    for argument in wanted.get("Arguments", ()):
        own_argument = schema.index(found, "Arguments")[0].get(argument["Name"])
        same = f"{own} the field {name} must have the same arguments but"
        if own_argument is None:
            raise schema.flaw(found, f"{same} it is missing {argument['Name']}.")
        if not is_compatible(argument.get("Type", {}), own_argument["Type"]):
            raise schema.flaw(own_argument, f"{same} {argument['Name']} has the wrong type.")
    for argument in schema.index(found, "Arguments")[1]:
        if argument["Name"] not in schema.index(wanted, "Arguments")[0]:
            what = f"any additional arguments on {name} must be optional or have a default value but {argument['Name']} is required."
            raise schema.flaw(argument, f"{own} {what}")


def _is_covariant(schema: Schema, wanted: Node, found: Node) -> bool:
    if wanted.get("NonNull") and not found.get("NonNull"):
        return False
    if "Elem" in wanted:
        return "Elem" in found and _is_covariant(schema, wanted["Elem"], found["Elem"])
    name, own = wanted.get("NamedType", ""), found.get("NamedType", "")
    return "Elem" not in found and (name == own or own in schema.possible.get(name, ()))
