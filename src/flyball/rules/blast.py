"""What an action touches, by its recipe and the catalogue. Called by `core.gather`."""

from __future__ import annotations

from collections.abc import Mapping

from flyball.model.action import Recipe
from flyball.model.grant import Target


def acted_on(target: str, recipe: Recipe | None) -> frozenset[str]:
    """Give what an action changes: its own target, and those that its recipe names (`blast.targets`)."""
    named = recipe.blast.get("targets") if recipe else None
    return frozenset({target, *(str(one) for one in (named if isinstance(named, list | tuple) else ()))})


def touched(target: str, recipe: Recipe | None, catalogue: Mapping[str, Target]) -> frozenset[str]:
    """Give that, and where it interrupts (`blast.interrupts`) all that depends on it, however far."""
    found, before = acted_on(target, recipe), frozenset[str]()
    while recipe and recipe.blast.get("interrupts") is True and found != before:
        before, found = found, found | {one.name for one in catalogue.values() if found & set(one.depends_on)}
    return found
