"""The observer: its own key, its own grant, its own looks through the door. It never asks the executor whether it worked."""

from __future__ import annotations

from dataclasses import replace

from flyball import wire
from flyball.core.attempt import Attempt
from flyball.core.guard import guard
from flyball.core.visit import Visit
from flyball.errors import Conflict
from flyball.model.action import Deed, Expect, Outcome, Proposal, Purpose, Seen, Status
from flyball.model.ids import Json
from flyball.model.log import Change, Put
from flyball.rules.expect import holds, told

RESOLVED = "signal.resolved"
PATIENCE_S = 5.0
SLOWER = 1.4
"""Looks get rarer; a `resolved` that arrives wakes the session at once."""
LONGEST_S = 4.0
HELD_S = 2.0


class Verify:
    """Proves that a fix worked, or finds that it did not."""

    def __init__(self, attempt: Attempt) -> None:
        """Keep what lies behind the door."""
        self.attempt, self.door, self.plugs = attempt, attempt.door, attempt.plugs

    async def look(self, deed: Deed, visit: Visit, observer: Visit) -> tuple[Deed, float]:
        """Look once at every postcondition. Gives the deed and when to look again; 0 when the verdict is in."""
        now, notes, good, over = self.plugs.clock.now(), [], True, False
        for number, expect in enumerate(deed.action.verify):
            held, note = await self._one(deed, expect, observer, f"{deed.action.id}.v{deed.checks}.{number}")
            if held is None:
                return deed, now + HELD_S  # nobody may look now: that says nothing about the deed
            good, over = good and held, over or (not held and now >= deed.settled_at + expect.within_s)
            notes.append(("met: " if held else "not met: ") + note)
        if not deed.action.verify:
            (good, notes), over = await self._probe(deed), True
        if not good and not over:
            waiting = replace(deed, checks=deed.checks + 1)
            waiting = await self.door.record.write(waiting, (), visit)
            pause = min((one.every_s for one in deed.action.verify), default=1.0) * SLOWER**deed.checks
            return waiting, now + min(pause, LONGEST_S)
        judged = replace(deed, verified=good, verify_note="; ".join(notes), checks=deed.checks + 1)
        body: dict[str, Json] = {"verified": good, "notes": list(notes), "looks": judged.checks, "observer": observer.who.key.id}
        entry = self.door.record.entry("action.verified" if good else "action.refuted", judged, observer, body)
        judged = await self.door.record.write(judged, (entry,), visit)
        await self._tally(deed.action.hypothesis, worked=good)
        return judged, 0.0

    async def _one(self, deed: Deed, expect: Expect, observer: Visit, name: str) -> tuple[bool | None, str]:
        if expect.kind == RESOLVED:
            keys = observer.session.signals
            states = [row.state for key in keys if (row := self.plugs.store.find("signal", key))]
            return bool(states) and all(state == "resolved" for state in states), "the alert has resolved"
        service = expect.args.get("service")
        target = service if isinstance(service, str) and service in self.plugs.rules.catalogue else deed.action.target
        why = f"does {deed.action.id} hold what was expected?"
        proposal = Proposal(kind=expect.kind, target=target, args=expect.args, purpose=Purpose.VERIFY, why=why, confidence=1.0)
        seen = await self.door.submit(proposal, observer, name)
        if seen.status is Status.HELD:
            return None, seen.why
        row = self.plugs.store.find("value", seen.result) if seen.result else None
        result: Json = row.body.get("body") if row else None
        if row is None:
            return False, f"{expect.kind}: {seen.outcome.error if seen.outcome else seen.why}"
        return holds(expect, result), told(expect, result)

    async def _probe(self, deed: Deed) -> tuple[bool, list[str]]:
        """Fall back on the kind's own probe where nothing was expected: weaker, and said so."""
        kind = self.plugs.kinds[deed.action.kind]
        if deed.recipe is None:
            return False, ["no recipe, no probe"]
        seen, fault = await guard(kind.probe(self.attempt.hands(deed), deed.recipe), kind.spec.timeout_s + PATIENCE_S)
        good = seen.ok if isinstance(seen, Outcome) else seen is Seen.HAPPENED
        return good, [f"no postcondition was stated; the kind's probe says {'it ended' if isinstance(seen, Outcome) else seen or fault}"]

    async def _tally(self, hypothesis: str, *, worked: bool) -> None:
        """Count the outcome in the hypothesis' own record."""
        for _ in range(8):
            row = self.plugs.store.find("record", hypothesis) if hypothesis else None
            if not hypothesis:
                return
            body = wire.plain(row.body) if row else {"tried": 0, "worked": 0}
            body = {"tried": body["tried"] + 1, "worked": body["worked"] + worked}
            try:
                await self.plugs.store.commit(
                    Change(puts=(Put(table="record", id=hypothesis, expect=row.version if row else 0, body=body),))
                )
            except Conflict:
                continue
            return
