"""Whether values in a query are of the types that they stand for (spec, 5.6). Called by `check`."""

from collections.abc import Iterator
from typing import Final

from flyball.rego.graphql.parser import (
    BLOCK_VALUE,
    BOOLEAN_VALUE,
    ENUM_VALUE,
    FLOAT_VALUE,
    INT_VALUE,
    LIST_VALUE,
    NULL_VALUE,
    OBJECT_VALUE,
    STRING_VALUE,
    VARIABLE,
    Node,
    Places,
    flaw,
)
from flyball.rego.graphql.schema import Schema
from flyball.rego.graphql.shape import base, type_text, value_text

_TAKEN: Final = {
    INT_VALUE: frozenset(("Int", "Float", "ID")),
    FLOAT_VALUE: frozenset(("Float",)),
    STRING_VALUE: frozenset(("String", "ID")),
    BLOCK_VALUE: frozenset(("String", "ID")),
    BOOLEAN_VALUE: frozenset(("Boolean",)),
    ENUM_VALUE: frozenset[str](),
}
_SCALARS: Final = {
    "Int": "Int cannot represent non-integer value: ",
    "Float": "Float cannot represent non numeric value: ",
    "String": "String cannot represent a non string value: ",
    "Boolean": "Boolean cannot represent a non boolean value: ",
    "ID": "ID cannot represent a non-string and non-integer value: ",
}
_INT: Final = 2**63


class Values:
    """The check of values against one schema."""

    def __init__(self, schema: Schema, places: Places) -> None:
        self.schema = schema
        self.places = places

    def flaw(self, node: Node, what: str) -> ValueError:
        """What is wrong with a value."""
        return flaw(what.removesuffix("."), self.places.of(node))

    def inside(self, value: Node, wanted: Node | None) -> Iterator[tuple[Node, Node | None]]:
        """What stands in a list or object, with what it stands for (an input field, or a node that has only a `Type`)."""
        kind = self.schema.types.get(base(wanted)) if wanted else None
        for child in value.get("Children", ()):
            if value["Kind"] == OBJECT_VALUE:
                yield child, self.schema.member(kind, child.get("Name", ""))
            else:
                yield child, {"Type": wanted["Elem"]} if wanted and "Elem" in wanted else None

    def check(self, value: Node, wanted: Node | None) -> None:
        """Raises ValueError, in gqlparser's words, if the value is not of the type; nothing is known of scalars that the schema made."""
        if value["Kind"] == OBJECT_VALUE:
            self._once(value)
        kind = self.schema.types.get(base(wanted)) if wanted else None
        if wanted is None or kind is None or (kind["Kind"] == "SCALAR" and kind["Name"] not in _SCALARS):
            return
        what = value["Kind"]
        if what == NULL_VALUE:
            if wanted.get("NonNull"):
                raise self.flaw(value, f'Expected value of type "{type_text(wanted)}", found null.')
        elif what == LIST_VALUE:
            if "Elem" not in wanted:
                raise self._unexpected(value, wanted, kind)
        elif what == OBJECT_VALUE:
            self._object(value, kind)
        elif what != VARIABLE:
            self._leaf(value, wanted, kind)

    def _once(self, value: Node) -> None:
        seen = set()
        for child in value.get("Children", ()):
            name = child.get("Name", "")
            if name in seen:
                raise self.flaw(child, f'There can be only one input field named "{name}".')
            seen.add(name)

    def _leaf(self, value: Node, wanted: Node, kind: Node) -> None:
        what, name = value["Kind"], kind["Name"]
        if kind["Kind"] == "ENUM" and what == ENUM_VALUE:
            if value["Raw"] not in self.schema.index(kind, "EnumValues")[0]:
                raise self.flaw(value, f'Value "{value["Raw"]}" does not exist in "{type_text(wanted)}" enum.')
        elif name not in _TAKEN.get(what, ()) or (name == "Int" and not _is_int(value["Raw"])):
            raise self._unexpected(value, wanted, kind)

    def _object(self, value: Node, kind: Node) -> None:
        given = {child.get("Name", ""): child for child in value.get("Children", ())}
        for one in self.schema.index(kind, "Fields")[1]:
            if one["Name"] not in given:
                shown = type_text(one["Type"])
                raise self.flaw(value, f'Field "{kind["Name"]}.{one["Name"]}" of required type "{shown}" was not provided.')
        for name, child in given.items():
            if self.schema.member(kind, name) is None:
                raise self.flaw(child, f'Field "{name}" is not defined by type "{kind["Name"]}".')

    def _unexpected(self, value: Node, wanted: Node, kind: Node) -> ValueError:
        shown, found = type_text(wanted), value_text(value)
        if kind["Kind"] == "ENUM":
            return self.flaw(value, f'Enum "{shown}" cannot represent non-enum value: {found}.')
        if shown.removesuffix("!") in _SCALARS:
            return self.flaw(value, f"{_SCALARS[shown.removesuffix('!')]}{found}")
        return self.flaw(value, f'Expected value of type "{shown}", found {found}.')


def _is_int(raw: str) -> bool:
    try:
        return -_INT <= int(raw) < _INT
    except ValueError:
        return False
