"""What lies behind the door: decide again, write the intent, do, write what became of it. Only `core.door` calls `attempt`."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from flyball import wire
from flyball.core.door import Door
from flyball.core.gather import buckets, changes
from flyball.core.guard import guard
from flyball.core.visit import Visit
from flyball.errors import Conflict, NotReady, UserError
from flyball.model.action import Deed, Outcome, Purpose, Reach, Recipe, Seen, Status, Zone
from flyball.model.approval import Review
from flyball.model.decision import Decision, Judged, Verdict
from flyball.model.ids import Json, ValueId
from flyball.model.log import Change, Draw, Pass, Put, Settle
from flyball.model.provenance import Integrity, Value
from flyball.ports import Hands, Kind
from flyball.rules.blast import acted_on
from flyball.rules.checks.freeze import in_force
from flyball.rules.checks.policy import bound
from flyball.rules.decide import judge
from flyball.rules.digest import NotCanonical, commit, digest, even
from flyball.rules.lifecycle import move
from flyball.rules.retry import again, pause_s

if TYPE_CHECKING:
    from flyball.core.recover import Recover

LOSSES = 8
"""How often an attempt may lose a race for money, pace or an approval before it is told so."""


class Attempt:
    """Carries out what was allowed. `recover` is set by `core.house`."""

    recover: Recover

    def __init__(self, door: Door) -> None:
        """Keep the door."""
        self.door, self.plugs = door, door.plugs

    def hands(self, deed: Deed, *, undo: bool = False, keep_s: float = 0.0) -> Hands:
        """Give a kind what it needs to reach the world for one action."""
        action, rules = deed.action, self.plugs.rules
        return Hands(
            action=action,
            target=rules.catalogue[action.target],
            box=self.plugs.box,
            caller=self.plugs.caller,
            key=f"{action.id}:undo" if undo else action.id,
            now=self.plugs.clock.now(),
            keep_s=max(rules.undo_keep_s, keep_s),
        )

    async def attempt(self, deed: Deed, judged: Judged, visit: Visit) -> Deed:
        """Carry out an action that was just allowed. A loser of a race goes back to gathering."""
        kind = self.plugs.kinds[deed.action.kind]
        if kind.spec.reach is Reach.READ:
            return await self._look(kind, deed, judged, visit)
        for loss in range(LOSSES):
            try:
                recipe = await self.plan(kind, deed, judged)
            except UserError as fault:
                no = Decision(verdict=Verdict.DENY, check="plan", why=f"cannot be planned: {fault.what}: {fault.why}")
                return await self.door.deny(deed, replace(judged, decision=no, opinions=(no,)), visit)
            judged = judge(deed.action, self.door.facts.gather(replace(deed, recipe=recipe), visit, attempt=loss + 1, before=judged.facts))
            if judged.decision.verdict is Verdict.DENY:
                return await self.door.deny(deed, judged, visit)
            if judged.decision.verdict is Verdict.HOLD:
                return await self.door.hold(deed, judged, visit)
            try:
                started = await self._intend(deed, judged, visit)
            except Conflict:
                continue
            return await self._run(kind, started, visit)
        no = Decision(verdict=Verdict.DENY, check="race", why=f"lost the race for money, pace or approval {LOSSES} times")
        return await self.door.deny(deed, replace(judged, decision=no, opinions=(no,)), visit)

    async def plan(self, kind: Kind, deed: Deed, judged: Judged) -> Recipe:
        """Look at the target and write the recipe. Raises NotReady where it cannot be planned."""
        recipe, fault = await guard(kind.plan(self.hands(deed, keep_s=bound(judged.facts.policy, "keep_s", 0.0))), kind.spec.timeout_s)
        if recipe is None:
            raise NotReady(f"{deed.action.kind} on {deed.action.target}", fault)
        try:
            even(wire.plain(recipe))
        except NotCanonical as bad:
            raise NotReady(f"{deed.action.kind} wrote a recipe without a digest", str(bad)) from bad
        return recipe

    async def _intend(self, deed: Deed, judged: Judged, visit: Visit) -> Deed:
        """Write decision and intent, money and pace set aside, the approval consumed: one durable point before the deed."""
        facts, action = judged.facts, deed.action
        path = (Status.ALLOWED, Status.RUNNING)
        started = self.door.record.decided(deed, judged, *path, intended_at=facts.now, attempts=deed.attempts + 1)
        body: dict[str, Json] = {
            "recipe": facts.recipe_digest,
            "undo": bool(started.recipe and started.recipe.undo),
            "epoch": visit.session.epoch,
            "digest": action.digest,
        }
        draws = [Draw(account=f"uses:{grant.id}", amount=1, cap=grant.uses) for grant in facts.chain]
        if facts.cost_micros:
            draws.append(Draw(account=f"budget:{facts.chain[0].id}", amount=facts.cost_micros, cap=facts.budget_cap))
        puts: list[Put] = []
        if facts.approval is not None and facts.approval.state == "approved":
            puts.append(self.door.approvals.consumed(facts.approval, action))
            body["approval"] = facts.approval.id
        elif judged.facts.standing is not None and (facts.zone is Zone.RED or (facts.policy is not None and facts.policy.effect == "ask")):
            draws.append(Draw(account=f"standing:{judged.facts.standing.id}", amount=1, cap=judged.facts.standing.uses))
            body["standing"] = judged.facts.standing.id
        puts += self._leases(started)
        counted = Settle(account=changes(action.agent, facts.now), held=0, spent=1)
        more = Change(puts=tuple(puts), draws=tuple(draws), passes=self._passes(started, facts.now), settles=(counted,))
        entries = (
            self.door.record.entry("action.decided", started, visit, self.door.record.decision_body(started, judged)),
            self.door.record.entry("action.intended", started, visit, body),
        )
        return await self.door.record.write(started, entries, visit, more=more)

    def _leases(self, deed: Deed) -> list[Put]:
        """Give the leases that a change takes on what it acts on beside its session's own target: they end with the session."""
        told = self.plugs.kinds[deed.action.kind].spec.egress  # a notice about a target does not change it
        names = () if told else sorted(acted_on(deed.action.target, deed.recipe))
        rows = ((name, self.plugs.store.find("lease", name)) for name in names)
        free = ((name, row.version if row else 0) for name, row in rows if row is None or row.state != "held")
        return [Put(table="lease", id=name, expect=at, body={}, state="held", session=deed.action.session) for name, at in free]

    def _passes(self, deed: Deed, now: float) -> tuple[Pass, ...]:
        burst, interval_s = self.door.facts.rate(deed.action.kind)
        return tuple(Pass(bucket=name, now=now, burst=burst, interval_s=interval_s) for name in buckets(deed.action))

    async def _run(self, kind: Kind, deed: Deed, visit: Visit) -> Deed:
        """Do what was intended, unless a freeze came in between."""
        recipe = deed.recipe
        if recipe is None:
            raise LookupError(f"{deed.action.id}: an intent without a recipe")
        try:
            frozen = in_force(self.plugs.freezer.freezes(), deed.action, self.plugs.clock.now())
        except NotReady as fault:
            return await self.settle(deed, Outcome(ok=False, error=f"not started: {fault.what}", transient=True), visit)
        if frozen:
            return await self.settle(
                deed, Outcome(ok=False, error=f"not started: frozen by {frozen.by}: {frozen.reason}", transient=True), visit
            )
        outcome, _ = await self._do(kind, deed, recipe)
        if outcome is None:
            return await self.recover.settle(deed, visit)
        return await self.settle(deed, outcome, visit)

    async def _do(self, kind: Kind, deed: Deed, recipe: Recipe) -> tuple[Outcome | None, str]:
        """Call the kind, with bounded retry where that is harmless. None: nobody knows what happened, and the text says why not."""
        began, attempt = self.plugs.clock.mono(), deed.attempts or 1
        while True:
            with self.plugs.tracer.span("do", kind=deed.action.kind, attempt=attempt):
                outcome, fault = await guard(kind.do(self.hands(deed), recipe), kind.spec.timeout_s)
            if outcome is None:
                return None, fault
            if not again(kind.spec, deed.zone, outcome, attempt) or self.stopped(deed):
                took = self.plugs.clock.mono() - began
                kept, fault = self.contract(kind, outcome)
                if fault and kind.spec.reach is Reach.WRITE:
                    return None, fault  # it may well have happened: its word counts for nothing now, so somebody must look
                return replace(kept, took_s=took, tries=attempt, level=self.plugs.box.level.value), ""
            await self.plugs.clock.sleep(pause_s(attempt, self.plugs.clock.salt()[0] / 255))
            attempt += 1

    def stopped(self, deed: Deed) -> bool:
        """Say whether a freeze has come since; one that cannot be read counts."""
        try:
            return in_force(self.plugs.freezer.freezes(), deed.action, self.plugs.clock.now()) is not None
        except NotReady:
            return True

    def contract(self, kind: Kind, outcome: Outcome) -> tuple[Outcome, str]:
        """Hold a result against its contract: garbage never reaches the next step. Gives it in plain JSON, and what is wrong with it."""
        result = wire.plain(outcome.result)
        fault = self.plugs.validator.fault(kind.spec.result, result) if outcome.ok else ""
        try:
            result = even(result)
        except NotCanonical as bad:
            fault = str(bad)
        if not fault:
            return replace(outcome, result=result), ""
        fault = f"the result breaks its contract: {fault}"
        return replace(outcome, ok=False, result=None, error=fault), fault

    async def _look(self, kind: Kind, deed: Deed, judged: Judged, visit: Visit) -> Deed:
        """Carry out a read: one record, since nothing changes."""
        recipe = Recipe(before={}, undo={})
        outcome, fault = await self._do(kind, replace(deed, zone=judged.facts.zone), recipe)
        if outcome is None:
            outcome = Outcome(ok=False, error=fault, level=self.plugs.box.level.value)
        running = self.door.record.decided(deed, judged, Status.ALLOWED, Status.RUNNING, intended_at=judged.facts.now)
        entry = self.door.record.entry("action.decided", running, visit, self.door.record.decision_body(running, judged))
        while True:
            try:
                more = Change(entries=(entry,), passes=self._passes(deed, self.plugs.clock.now()))
                return await self.settle(running, outcome, visit, more=more)
            except Conflict as lost:
                if not lost.what.startswith("bucket:"):
                    raise
                await self.plugs.clock.sleep(self.door.facts.rate(deed.action.kind)[1])

    async def settle(self, deed: Deed, outcome: Outcome, visit: Visit, *, more: Change | None = None) -> Deed:
        """Write what became of a deed: outcome, result as a value, money settled, review due. The second durable point."""
        now, more = self.plugs.clock.now(), more or Change()
        status = move(deed.status, Status.DONE if outcome.ok else Status.FAILED)
        puts = list(more.puts)
        body: dict[str, Json] = {
            "ok": outcome.ok,
            "error": outcome.error,
            "took_s": round(outcome.took_s, 6),
            "tries": outcome.tries,
            "level": outcome.level,
        }
        result, settles = deed.result, []
        if outcome.result is not None:
            value = self.value(f"{deed.action.id}.out", outcome, deed)
            result, body["result"] = value.id, commit(base64.b64decode(value.salt), "result", value.body)
            puts.append(Put(table="value", id=value.id, expect=0, body=value, session=deed.action.session))
        settled = replace(deed, status=status, outcome=replace(outcome, result=None), settled_at=now, result=result)
        spec = self.plugs.kinds[deed.action.kind].spec
        changed = deed.recipe is not None and spec.reach is Reach.WRITE
        if changed:
            chain, _ = self.door.keys.chain(visit.who.key.grant)
            settles = [Settle(account=f"uses:{grant.id}", held=1, spent=1) for grant in chain]
            if deed.cost_micros and chain:
                settles.append(Settle(account=f"budget:{chain[0].id}", held=deed.cost_micros, spent=deed.cost_micros))
        told = spec.egress and deed.action.purpose is not Purpose.FIX  # a notice; any other change is looked at, whatever it calls itself
        if changed and outcome.ok and deed.zone is Zone.YELLOW and not told:
            puts.append(self._review(settled, now))
        entry = self.door.record.entry("action.done" if outcome.ok else "action.failed", settled, visit, body)
        change = Change(puts=tuple(puts), settles=tuple(settles), passes=more.passes)
        return await self.door.record.write(settled, (*more.entries, entry), visit, more=change)

    def _review(self, deed: Deed, now: float) -> Put:
        due_at = now + self.plugs.rules.review_s
        review = Review(id=deed.action.id, session=deed.action.session, agent=deed.action.agent, due_at=due_at)
        return Put(table="review", id=review.id, expect=0, body=wire.dump(review), state="waiting", session=review.session, due_at=due_at)

    def value(self, name: str, outcome: Outcome, deed: Deed) -> Value:
        """Give the result as a Value: what a kind returned is observed, whatever it says of itself."""
        return Value(
            id=ValueId(name),
            digest=digest(outcome.result),
            origin=f"kind:{deed.action.kind}@{deed.action.target}",
            integrity=Integrity.OBSERVED,
            body=outcome.result,
            salt=base64.b64encode(self.plugs.clock.salt()).decode(),
        )


SEEN_TO = {Seen.HAPPENED: Status.DONE, Seen.ABSENT: Status.FAILED, Seen.UNSURE: Status.STUCK}
"""How a probe settles what nobody knows."""
