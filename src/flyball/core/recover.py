"""Intents without an outcome: settled by looking, or shown to a person; never guessed, and red never retried by itself."""

from __future__ import annotations

from dataclasses import replace

from flyball.core.attempt import SEEN_TO, Attempt
from flyball.core.guard import guard
from flyball.core.visit import Visit
from flyball.model.action import Deed, Outcome, Seen, Status
from flyball.model.session import Phase
from flyball.ports import Lasting
from flyball.rules.lifecycle import move


class Recover:
    """Settles what a crash, a timeout or a fault left open. Called by `attempt` and by `sessions` after a restart."""

    def __init__(self, attempt: Attempt) -> None:
        """Keep what lies behind the door."""
        self.attempt, self.door, self.plugs = attempt, attempt.door, attempt.plugs

    async def settle(self, deed: Deed, visit: Visit) -> Deed:
        """Look whether an intended effect happened and write it down. What still runs goes on, unless it was called off."""
        kind, seen = self.plugs.kinds.get(deed.action.kind), await self._probe(deed)
        if seen is Seen.RUNNING and (visit.session.phase is Phase.CLOSED or self.attempt.stopped(deed)):
            if isinstance(kind, Lasting) and deed.recipe is not None:
                await guard(kind.end(self.attempt.hands(deed), deed.recipe), kind.spec.timeout_s)
            seen = await self._probe(deed)
        if seen is Seen.RUNNING:
            return deed
        if isinstance(seen, Outcome):
            return await self.attempt.settle(deed, self.attempt.contract(self.plugs.kinds[deed.action.kind], seen)[0], visit)
        if deed.status is Status.RUNNING:
            deed = await self._unknown(deed, visit)
        to = move(Status.UNKNOWN, SEEN_TO[seen])
        if to is Status.STUCK:
            return await self._stuck(deed, visit, f"nobody can tell whether {deed.action.kind} happened")
        error = "" if to is Status.DONE else "it did not happen"
        outcome = Outcome(ok=to is Status.DONE, error=error, transient=to is not Status.DONE, level=self.plugs.box.level.value)
        return await self.attempt.settle(deed, outcome, visit)

    async def _unknown(self, deed: Deed, visit: Visit) -> Deed:
        lost = replace(deed, status=move(deed.status, Status.UNKNOWN))
        entry = self.door.record.entry("action.unknown", lost, visit, {"why": "an intent without an outcome"})
        return await self.door.record.write(lost, (entry,), visit)

    async def _stuck(self, deed: Deed, visit: Visit, why: str) -> Deed:
        stuck = replace(deed, status=move(deed.status, Status.STUCK), why=why)
        return await self.door.record.write(stuck, (self.door.record.entry("action.stuck", stuck, visit, {"why": why}),), visit)

    async def _probe(self, deed: Deed) -> Seen | Outcome:
        kind = self.plugs.kinds.get(deed.action.kind)
        if kind is None or deed.recipe is None or deed.action.target not in self.plugs.rules.catalogue:
            return Seen.UNSURE  # taken out of the configuration since
        seen, _ = await guard(kind.probe(self.attempt.hands(deed), deed.recipe), kind.spec.timeout_s)
        return seen or Seen.UNSURE
