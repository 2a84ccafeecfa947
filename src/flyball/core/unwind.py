"""Put it back: from the recipe written before the deed, latest effect first. Called by `sessions` and by a person's roll-back."""

from __future__ import annotations

from dataclasses import replace

from flyball.core.attempt import Attempt
from flyball.core.guard import guard
from flyball.core.visit import Visit
from flyball.errors import NotReady
from flyball.model.action import Deed, Outcome, Recipe, Seen, Status
from flyball.rules.checks.freeze import in_force
from flyball.rules.lifecycle import move


class Unwind:
    """Undoes deeds. An undo was approved together with its deed: the approver saw the recipe."""

    def __init__(self, attempt: Attempt) -> None:
        """Keep what lies behind the door."""
        self.attempt, self.door, self.plugs = attempt, attempt.door, attempt.plugs
        self._busy: set[str] = set()  # undone right now, by a person or by the engine

    async def undo(self, deed: Deed, visit: Visit, why: str) -> Deed:
        """Undo one deed that stands, or finish an undo that a crash interrupted. A freeze that stops undoing leaves it as it is."""
        recipe = deed.recipe
        if recipe is None:
            return deed
        if deed.action.id in self._busy or self._frozen(deed):
            return deed
        self._busy.add(deed.action.id)
        try:
            return await self._through(deed, recipe, visit, why)
        finally:
            self._busy.discard(deed.action.id)

    async def _through(self, deed: Deed, recipe: Recipe, visit: Visit, why: str) -> Deed:
        """Undo, or find that it is undone: one caller at a time."""
        if deed.status is Status.DONE:
            undoing = replace(deed, status=move(deed.status, Status.UNDOING))
            entry = self.door.record.entry("action.undoing", undoing, visit, {"why": why})
            deed = await self.door.record.write(undoing, (entry,), visit)
        elif await self._seen(deed, recipe) is Seen.HAPPENED:
            return await self._end(deed, visit, Outcome(ok=True))
        return await self._end(deed, visit, await self._undo(deed, recipe))

    def _frozen(self, deed: Deed) -> bool:
        try:
            freezes = self.plugs.freezer.freezes()
        except NotReady:
            return True  # nobody can say whether it may run
        return in_force(freezes, deed.action, self.plugs.clock.now(), undo=True) is not None

    async def _undo(self, deed: Deed, recipe: Recipe) -> Outcome:
        kind = self.plugs.kinds.get(deed.action.kind)
        if kind is None or deed.action.target not in self.plugs.rules.catalogue:
            return Outcome(ok=False, error=f"{deed.action.kind} on {deed.action.target} is not configured any more")
        outcome, fault = await guard(kind.undo(self.attempt.hands(deed, undo=True), recipe), kind.spec.timeout_s)
        outcome = outcome or Outcome(ok=False, error=f"the undo failed: {fault}")
        if not outcome.ok and await self._seen(deed, recipe) is Seen.HAPPENED:
            return Outcome(ok=True)
        return outcome

    async def _seen(self, deed: Deed, recipe: Recipe) -> Seen:
        kind = self.plugs.kinds.get(deed.action.kind)
        if kind is None or deed.action.target not in self.plugs.rules.catalogue:
            return Seen.UNSURE
        seen, _ = await guard(kind.undone(self.attempt.hands(deed, undo=True), recipe), kind.spec.timeout_s)
        return seen or Seen.UNSURE

    async def _end(self, deed: Deed, visit: Visit, outcome: Outcome) -> Deed:
        ended = replace(deed, status=move(deed.status, Status.UNDONE if outcome.ok else Status.STUCK), why=outcome.error or deed.why)
        name = "action.undone" if outcome.ok else "action.stuck"
        return await self.door.record.write(ended, (self.door.record.entry(name, ended, visit, {"error": outcome.error}),), visit)
