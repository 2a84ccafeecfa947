"""Whether a query fits a schema (spec, section 5). Called by the GraphQL builtins.

Goes through operations and then fragments as gqlparser does, what is inside before what is around it, and raises the first flaw found.
"""

from collections.abc import Iterator
from typing import Final

from flyball.rego.error import OverLimit
from flyball.rego.graphql.merge import Merger
from flyball.rego.graphql.parser import VARIABLE, Node, Places, flaw
from flyball.rego.graphql.schema import Schema
from flyball.rego.graphql.shape import base, is_compatible, type_text, value_text
from flyball.rego.graphql.value import Values

_STEPS: Final = 50_000  # selections and values looked at
_TYPENAME: Final[Node] = {"Name": "__typename", "Type": {"NamedType": "String", "NonNull": False}}
_LEAVES: Final = frozenset(("SCALAR", "ENUM"))
_INPUTS: Final = frozenset(("SCALAR", "ENUM", "INPUT_OBJECT"))
_COMPOSITES: Final = frozenset(("OBJECT", "INTERFACE", "UNION"))


def check_query(schema: Schema, tree: Node, places: Places) -> None:
    """Raises ValueError, in gqlparser's words, if the query does not fit the schema; OverLimit if telling takes too long."""
    operations, fragments = tree.get("Operations", []), tree.get("Fragments", [])
    walk = _Walk(schema, tree, places)
    for one in operations:
        walk.operation_of(one)
    walk.operation = None
    _turn_back(walk)
    for one in fragments:
        walk.fragment_of(one)


class _Walk:
    """One check."""

    def __init__(self, schema: Schema, tree: Node, places: Places) -> None:
        self.schema = schema
        self.tree = tree
        self.places = places
        self.named: dict[str, Node] = {one["Name"]: one for one in reversed(tree.get("Operations", []))}
        self.fragments: dict[str, Node] = {one["Name"]: one for one in reversed(tree.get("Fragments", []))}
        self.merger = Merger(schema, self.fragments, places)
        self.values = Values(schema, places)
        self.operation: Node | None = None
        self.variables: dict[str, Node] = {}
        self.used: set[str] = set()
        self.spread: set[str] = set()
        self.entered: set[str] = set()
        self.steps = 0

    def flaw(self, node: Node, what: str) -> ValueError:
        return flaw(what.removesuffix("."), self.places.of(node))

    def operation_of(self, one: Node) -> None:
        kind = self.schema.roots.get(one["Operation"] or "query")
        listed = one.get("VariableDefinitions", [])
        self.operation, self.entered, self.used = one, set(), set()
        self.variables = {variable["Variable"]: variable for variable in reversed(listed)}
        for variable in listed:
            if base(variable["Type"]) not in self.schema.types:
                raise self.flaw(variable, f'Unknown type "{base(variable["Type"])}".')
            if "DefaultValue" in variable:
                self._value(variable["DefaultValue"], variable["Type"], has_default=False)
            self._directives(variable, "VARIABLE_DEFINITION")
        self._directives(one, (one["Operation"] or "query").upper())
        self._selections(one, kind)
        if kind is None:
            raise self.flaw(one, f'Schema does not support operation type "{one["Operation"]}"')
        self._whole(one, listed)
        self.merger.check(one.get("SelectionSet", []), kind)

    def _whole(self, one: Node, listed: list[Node]) -> None:
        others = self.tree["Operations"]
        if not one["Name"] and len(others) > 1:
            raise self.flaw(one, "This anonymous operation must be the only defined operation.")
        if one["Name"] and self.named[one["Name"]] is not one:
            raise self.flaw(one, f'There can be only one operation named "{one["Name"]}".')
        of = f' in operation "{one["Name"]}"' if one["Name"] else ""
        if one["Operation"] == "subscription" and len(one.get("SelectionSet", [])) != 1:
            name = f'Subscription "{one["Name"]}"' if one["Name"] else "Anonymous Subscription"
            raise self.flaw(one, f"{name} must select only one top level field.")
        for variable in listed:
            name = variable["Variable"]
            if name not in self.used:
                raise self.flaw(variable, f'Variable "${name}" is never used{of}.')
            if self.variables[name] is not variable:
                raise self.flaw(variable, f'There can be only one variable named "${name}".')
            if self.schema.types[base(variable["Type"])]["Kind"] not in _INPUTS:
                raise self.flaw(variable, f'Variable "${name}" cannot be non-input type "{type_text(variable["Type"])}".')

    def fragment_of(self, one: Node) -> None:
        condition, name = one.get("TypeCondition", ""), one["Name"]
        kind = self.schema.types.get(condition)
        self.entered = set()
        self._directives(one, "FRAGMENT_DEFINITION")
        self._selections(one, kind)
        if kind is None:
            raise self.flaw(one, f'Unknown type "{condition}".')
        if kind["Kind"] not in _COMPOSITES:
            raise self.flaw(one, f'Fragment "{name}" cannot condition on non composite type "{condition}".')
        if name not in self.spread:
            raise self.flaw(one, f'Fragment "{name}" is never used.')
        if self.fragments[name] is not one:
            raise self.flaw(one, f'There can be only one fragment named "{name}".')
        self.merger.check(one.get("SelectionSet", []), kind)

    def _selections(self, around: Node, kind: Node | None) -> None:
        for one in around.get("SelectionSet", ()):
            self._step()
            if "Alias" in one:
                self._field(one, kind)
            elif "TypeCondition" in one:
                self._inline(one, kind)
            else:
                self._spread(one, kind)

    def _step(self) -> None:
        self.steps += 1
        if self.steps > _STEPS:
            raise OverLimit(f"graphql: more than {_STEPS:,} selections and values to check")

    def _field(self, one: Node, around: Node | None) -> None:
        found = _TYPENAME if one["Name"] == "__typename" else self.schema.member(around, one["Name"])
        kind = self.schema.types.get(base(found["Type"])) if found else None
        for argument in one.get("Arguments", ()):
            self._argument(argument, found)
        self._directives(one, "FIELD")
        self._selections(one, kind)
        if around is not None:
            if found is None:
                raise self.flaw(one, f'Cannot query field "{one["Name"]}" on type "{around["Name"]}".')
            self._arguments(one, found, (f'Field "{one["Name"]}"', f'field "{around["Name"]}.{one["Name"]}"'))
        if found is None or kind is None:
            return
        is_leaf, inside = kind["Kind"] in _LEAVES, one.get("SelectionSet")
        if is_leaf and inside:
            raise self.flaw(one, f'Field "{one["Name"]}" must not have a selection since type "{kind["Name"]}" has no subfields.')
        if not is_leaf and not inside:
            shown, name = type_text(found["Type"]), one["Name"]
            raise self.flaw(one, f'Field "{name}" of type "{shown}" must have a selection of subfields. Did you mean "{name} {{ ... }}"?')
        self.merger.check(inside or [], kind)

    def _arguments(self, one: Node, found: Node, words: tuple[str, str]) -> None:
        """That the arguments of a field or directive are known, there where they must be, and given once."""
        given: set[str] = set()
        known, needed = self.schema.index(found, "Arguments")
        for argument in one.get("Arguments", ()):
            name = argument["Name"]
            if name not in known:
                raise self.flaw(argument, f'Unknown argument "{name}" on {words[1]}.')
            if name in given:
                raise self.flaw(argument, f'There can be only one argument named "{name}".')
            given.add(name)
        for wanted in needed:
            if wanted["Name"] not in given:
                kind = type_text(wanted["Type"])
                raise self.flaw(one, f'{words[0]} argument "{wanted["Name"]}" of type "{kind}" is required, but it was not provided.')

    def _inline(self, one: Node, around: Node | None) -> None:
        condition = one["TypeCondition"]
        kind = self.schema.types.get(condition) if condition else around
        self._directives(one, "INLINE_FRAGMENT")
        self._selections(one, kind)
        if condition and kind is None:
            raise self.flaw(one, f'Unknown type "{condition}".')
        if condition and kind is not None and kind["Kind"] not in _COMPOSITES:
            raise self.flaw(one, f'Fragment cannot condition on non composite type "{condition}".')
        if condition and around is not None and not _overlaps(self.schema, around, kind):
            raise self.flaw(
                one, f'Fragment cannot be spread here as objects of type "{around["Name"]}" can never be of type "{condition}".'
            )
        self.merger.check(one.get("SelectionSet", []), kind)

    def _spread(self, one: Node, around: Node | None) -> None:
        name = one["Name"]
        found = self.fragments.get(name)
        self._directives(one, "FRAGMENT_SPREAD")
        if self.operation is not None:
            self.spread.add(name)
        if found is None:
            raise self.flaw(one, f'Unknown fragment "{name}".')
        condition = found.get("TypeCondition", "")
        kind = self.schema.types.get(condition)
        if name not in self.entered:
            self.entered.add(name)
            self._selections(found, kind)
        if around is not None and not _overlaps(self.schema, around, kind):
            what = f'cannot be spread here as objects of type "{around["Name"]}" can never be of type "{condition}".'
            raise self.flaw(one, f'Fragment "{name}" {what}')

    def _directives(self, node: Node, location: str) -> None:
        listed = node.get("Directives", ())
        seen: set[str] = set()
        for one in listed:
            name = one["Name"]
            found = self.schema.directives.get(name)
            for argument in one.get("Arguments", ()):
                self._argument(argument, found)
            if found is None:
                raise self.flaw(one, f'Unknown directive "@{name}".')
            if location not in found.get("Locations", ()):
                raise self.flaw(one, f'Directive "@{name}" may not be used on {location}.')
            self._arguments(one, found, (f'Directive "@{name}"', f'directive "@{name}"'))
            if name in seen and not found.get("IsRepeatable"):
                raise self.flaw(one, f'The directive "@{name}" can only be used once at this location.')
            seen.add(name)

    def _argument(self, one: Node, found: Node | None) -> None:
        wanted = self.schema.index(found, "Arguments")[0].get(one["Name"]) if found else None
        has_default = wanted is not None and _is_default(wanted)
        self._value(one["Value"], None if wanted is None else wanted["Type"], has_default=has_default)

    def _value(self, value: Node, wanted: Node | None, *, has_default: bool) -> None:
        self._step()
        if value["Kind"] == VARIABLE and self.operation is not None:
            self._variable(value, wanted, has_default=has_default)
        for child, inner in self.values.inside(value, wanted):
            self._value(child["Value"], None if inner is None else inner["Type"], has_default=inner is not None and _is_default(inner))
        self.values.check(value, wanted)

    def _variable(self, value: Node, wanted: Node | None, *, has_default: bool) -> None:
        name = value["Raw"]
        self.used.add(name)
        variable = self.variables.get(name)
        if variable is None:
            by = self.operation["Name"] if self.operation else ""
            of = f' by operation "{by}"' if by else ""
            raise self.flaw(value, f'Variable "${name}" is not defined{of}.')
        if wanted is not None:
            may_be_null = has_default or _is_default(variable)
            expected = {**wanted, "NonNull": False} if may_be_null else wanted
            if not is_compatible(variable["Type"], expected):
                own, other = type_text(variable["Type"]), type_text(wanted)
                raise self.flaw(value, f'Variable "{value_text(value)}" of type "{own}" used in position expecting type "{other}".')


def _overlaps(schema: Schema, around: Node, kind: Node | None) -> bool:
    """Whether something can be of both types."""
    if kind is None or kind["Kind"] not in _COMPOSITES or around["Kind"] not in _COMPOSITES:
        return True  # another rule says so
    return not schema.possible.get(around["Name"], set()).isdisjoint(schema.possible.get(kind["Name"], ()))


def _turn_back(walk: _Walk) -> None:
    """Raises ValueError for a fragment that comes back to itself over the spreads in it."""
    fragments, done = walk.fragments, set[str]()
    for first in reversed(fragments):
        path = {first: _spreads(fragments[first])}
        while path and first not in done:
            name, rest = path.popitem()
            spread = next(rest, None)
            if spread is None:
                done.add(name)
                continue
            path[name], further = rest, spread["Name"]
            if further in path:
                steps = list(path)
                via = ", ".join(f'"{step}"' for step in steps[steps.index(further) + 1 :])
                raise walk.flaw(spread, f'Cannot spread fragment "{further}" within itself{" via " if via else ""}{via}.')
            if further in fragments and further not in done:
                path[further] = _spreads(fragments[further])


def _is_default(node: Node) -> bool:
    """Whether there is a default that is not null."""
    return "DefaultValue" in node and node["DefaultValue"]["Raw"] != "null"


def _spreads(around: Node) -> Iterator[Node]:
    """The spreads inside a node, however deep."""
    for one in around.get("SelectionSet", ()):
        if "Alias" not in one and "TypeCondition" not in one:
            yield one
        yield from _spreads(one)
