"""Which deeds are put back, and in which order."""

from __future__ import annotations

from collections.abc import Iterable

from flyball.model.action import Deed, Purpose, Status


def undoable(deed: Deed) -> bool:
    """Say whether a deed stands and its recipe can put it back."""
    return deed.status is Status.DONE and deed.recipe is not None and bool(deed.recipe.undo)


def order(deeds: Iterable[Deed], hypothesis: str) -> tuple[Deed, ...]:
    """Give the fixes of one hypothesis that stand, or whose undo was begun and not ended, latest effect first."""
    fixes = (deed for deed in deeds if deed.action.purpose is Purpose.FIX and deed.action.hypothesis == hypothesis)
    mine = [deed for deed in fixes if undoable(deed) or deed.status is Status.UNDOING]
    return tuple(sorted(mine, key=lambda deed: (deed.intended_at, deed.action.step), reverse=True))
