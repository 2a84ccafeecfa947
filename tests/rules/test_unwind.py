"""Which deeds are put back: the fixes of one hypothesis that stand, latest effect first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.model.action import Deed, Purpose, Recipe, Status
from flyball.rules.unwind import order, undoable
from rules.allowed import ACTION

RECIPE = Recipe(before={"n": 1}, undo={"n": 1})


@st.composite
def deeds(draw: st.DrawFn) -> Deed:
    recipe = draw(st.sampled_from([RECIPE, replace(RECIPE, undo={}), None]))
    mine = replace(
        ACTION, purpose=draw(st.sampled_from(list(Purpose))), hypothesis=draw(st.sampled_from(["a", "b"])), step=draw(st.integers(1, 9))
    )
    return Deed(action=mine, status=draw(st.sampled_from(list(Status))), recipe=recipe, intended_at=draw(st.integers(0, 3)))


@given(st.lists(deeds(), max_size=8))
def test_only_what_stands_or_was_begun_is_put_back_and_the_latest_first(found: list[Deed]) -> None:
    mine = order(found, "a")
    for deed in found:
        fix = deed.action.purpose is Purpose.FIX and deed.action.hypothesis == "a"
        stands = deed.status is Status.DONE and deed.recipe is not None and bool(deed.recipe.undo)
        assert (deed in mine) == (fix and (stands or deed.status is Status.UNDOING))
    moments = [(deed.intended_at, deed.action.step) for deed in mine]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize("status", list(Status))
def test_only_what_is_done_and_has_a_recipe_can_be_undone(status: Status) -> None:
    deed = Deed(action=ACTION, status=status, recipe=RECIPE)
    assert undoable(deed) == (status is Status.DONE)
    assert not undoable(replace(deed, recipe=None))
    assert not undoable(replace(deed, recipe=replace(RECIPE, undo={})))
