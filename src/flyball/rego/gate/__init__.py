"""The gate: refuses what OPA's compiler refuses, and orders what it lets through for the planner.

The stages, one file each: `size` (what is too large), `name` (what each name means), `metadata` (rego.metadata calls), `call` (what is
called), `safety` (variables are bound when they are needed), `recursion`, `conflict` (rules beside each other), `kind` (types), `lint`
(warnings). A stage runs only if the ones before found no mistake: what it would say else is a consequence.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flyball.rego.gate import call, conflict, kind, lint, metadata, name, recursion, safety, size
from flyball.rego.gate.note import Checked, Notes
from flyball.rego.gate.trie import Node, plant
from flyball.rego.metadata import redeclared
from flyball.rego.tree import Module

__all__ = ["Checked", "Node", "check", "plant"]


def check(modules: Sequence[Module], schema: Mapping[str, Any] | None = None) -> Checked:
    """The rules of a set of modules, checked and in order. `schema` is a JSON Schema of the input.

    Raises:
        Refused: the set has mistakes; it holds all that the stage found, in all modules.
    """
    notes = Notes(dict.fromkeys(redeclared(modules)))
    size.check(modules, notes)
    notes.settle()
    rules = name.resolve(modules, notes)
    notes.settle()
    packages = frozenset(module.package for module in modules)
    root = plant(rules, packages)
    call.check(rules, root, notes)
    notes.settle()
    rules = safety.order(metadata.fold(rules, modules), root, notes)
    notes.settle()
    root = plant(rules, packages)
    graph = recursion.check(root, notes)
    conflict.check(root, modules, notes)
    notes.settle()
    kind.check(root, graph, schema, notes)
    notes.settle()
    lint.check(rules, root, schema, notes)
    return Checked(rules, packages, tuple(sorted(notes.warnings, key=lambda one: (one.place, one.what))))
