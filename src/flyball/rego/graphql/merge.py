"""Whether fields that answer under the same name can be merged (spec, 5.3.2). Called by `check`.

Two fields clash if they may answer together and are not the same field with the same arguments, or if what they give has another shape.
Every pair is looked at once, and there is an end to how
many.
"""

from collections.abc import Mapping
from typing import Final

from flyball.rego.error import OverLimit
from flyball.rego.graphql.parser import Node, Places, flaw
from flyball.rego.graphql.schema import Schema
from flyball.rego.graphql.shape import base, type_text, value_text

_STEPS: Final = 100_000  # fields collected, pairs compared
_LEAVES: Final = frozenset(("SCALAR", "ENUM"))
Found = tuple[Node, Node, Node]  # a field, the type that it is selected from, and its definition
Grouped = dict[str, list[Found]]


class Merger:
    """The check of one document."""

    def __init__(self, schema: Schema, fragments: Mapping[str, Node], places: Places) -> None:
        self.schema = schema
        self.fragments = fragments
        self.places = places
        self.grouped: dict[tuple[int, str], Grouped] = {}
        self.checked: set[tuple[int, str]] = set()
        self.done: set[tuple[int, int, bool]] = set()
        self.steps = 0

    def _step(self) -> None:
        self.steps += 1
        if self.steps > _STEPS:
            raise OverLimit(f"graphql: more than {_STEPS:,} fields and pairs of them to compare")

    def check(self, selections: list[Node], kind: Node | None) -> None:
        """Raises ValueError, in gqlparser's words, for two selected fields that clash."""
        key = (id(selections), kind["Name"] if kind else "")
        if not selections or key in self.checked:
            return
        self.checked.add(key)
        for name, found in self._grouped(selections, kind).items():
            for place, one in enumerate(found):
                for other in found[place + 1 :]:
                    why = self._clash(one, other, apart=False)
                    if why:
                        what = f'Fields "{name}" conflict because {why}. '
                        advice = "Use different aliases on the fields to fetch both if this was intentional"
                        raise flaw(what + advice, self.places.of(other[0]))

    def _grouped(self, selections: list[Node], kind: Node | None) -> Grouped:
        name = kind["Name"] if kind else ""
        key = (id(selections), name)
        if key not in self.grouped:
            self.grouped[key] = {}
            self._collect(selections, kind, self.grouped[key], set())
        return self.grouped[key]

    def _collect(self, selections: list[Node], kind: Node | None, into: Grouped, entered: set[str]) -> None:
        for one in selections:
            self._step()
            if "Alias" in one:
                found = self.schema.member(kind, one["Name"])
                if kind is not None and found is not None:
                    into.setdefault(one["Alias"] or one["Name"], []).append((one, kind, found))
                continue
            inside = one if "TypeCondition" in one else self.fragments.get(one["Name"], {})
            if inside is not one:
                if one["Name"] in entered:
                    continue
                entered.add(one["Name"])
            condition = inside.get("TypeCondition")
            self._collect(inside.get("SelectionSet", []), self.schema.types.get(condition) if condition else kind, into, entered)

    def _clash(self, one: Found, other: Found, *, apart: bool) -> str:
        """Why two fields clash; empty if they do not. `apart` says that they never answer together."""
        (field, around, found), (second, second_around, second_found) = one, other
        apart = apart or (around["Name"] != second_around["Name"] and around["Kind"] == second_around["Kind"] == "OBJECT")
        key = (id(field), id(second), apart)
        self._step()
        if field is second or key in self.done:
            return ""
        self.done.add(key)
        if not apart and field["Name"] != second["Name"]:
            return f'"{field["Name"]}" and "{second["Name"]}" are different fields'
        if not apart and _given(field) != _given(second):
            return "they have differing arguments"
        if self._is_other(found["Type"], second_found["Type"]):
            return f'they return conflicting types "{type_text(found["Type"])}" and "{type_text(second_found["Type"])}"'
        return self._clash_inside(one, other, apart=apart)

    def _clash_inside(self, one: Found, other: Found, *, apart: bool) -> str:
        groups = [
            self._grouped(field.get("SelectionSet", []), self.schema.types.get(base(found["Type"]))) for field, _, found in (one, other)
        ]
        for name in groups[0].keys() & groups[1].keys():
            for inner in groups[0][name]:
                for second in groups[1][name]:
                    why = self._clash(inner, second, apart=apart)
                    if why:
                        return f'subfields "{name}" conflict because {why}'
        return ""

    def _is_other(self, kind: Node, second: Node) -> bool:
        """Whether two types cannot be merged: lists, non-null and leaves must be the same."""
        if ("Elem" in kind) != ("Elem" in second) or bool(kind.get("NonNull")) != bool(second.get("NonNull")):
            return True
        if "Elem" in kind:
            return self._is_other(kind["Elem"], second["Elem"])
        name, other = kind.get("NamedType", ""), second.get("NamedType", "")
        kinds = [self.schema.types[one]["Kind"] for one in (name, other) if one in self.schema.types]
        return name != other and any(one in _LEAVES for one in kinds)


def _given(field: Node) -> dict[str, str]:
    return {one.get("Name", ""): value_text(one["Value"]) for one in field.get("Arguments", ())}
