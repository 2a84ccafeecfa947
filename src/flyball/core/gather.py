"""The only look-ups that a decision rests on. Called by the door before an action is admitted to run, and by `attempt` right before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import ceil

from flyball import wire
from flyball.core.keys import Keys
from flyball.core.question import question
from flyball.core.record import pin
from flyball.core.visit import Visit
from flyball.errors import NotReady
from flyball.model.action import Action, Deed, Reach, Recipe
from flyball.model.approval import Approval
from flyball.model.decision import Facts
from flyball.model.grant import Freeze, Sort, Standing
from flyball.model.ids import Digest
from flyball.model.log import Row
from flyball.model.money import Account, Bucket
from flyball.model.policy import PolicyAnswer
from flyball.ports import Plugs
from flyball.rules.blast import acted_on, touched
from flyball.rules.provenance import lowest
from flyball.rules.zone import zone_of

WINDOW_S = 600.0
SHOWN_S = 10.0


class Gather:
    """Gathers facts. What cannot be found out is missing, and a missing fact never widens."""

    def __init__(self, plugs: Plugs, keys: Keys, pins: Mapping[str, Digest]) -> None:
        """Keep the ports and the digests that kinds are pinned by."""
        self.plugs, self.keys, self.pins = plugs, keys, pins

    def gather(self, deed: Deed, visit: Visit, *, attempt: int = 1, before: Facts | None = None) -> Facts:
        """Look everything up that a decision may look at: the only look-ups there are.

        `before` are facts of the same action: what follows from the action alone is taken from there.
        """
        action, recipe, waited = deed.action, deed.recipe, before is None and deed.decision == "lease"
        plugs, rules = self.plugs, self.plugs.rules
        now = plugs.clock.now()
        kind = plugs.kinds.get(action.kind)
        target = rules.catalogue.get(action.target)
        key = self.keys.load(visit.who.key.id)
        chain, whole = self.keys.chain(key.grant) if key else ((), False)
        approval = self.find_approval(action)
        cost = recipe.blast.get("cost_micros") if recipe else None
        cost = cost if isinstance(cost, int) else kind.spec.cost_micros if kind else 0
        targets = len(touched(action.target, recipe, rules.catalogue))
        pinned = pin(recipe) if recipe else Digest("")
        standing = self.keys.known(Standing, "standing", f"{action.agent}|{action.kind}|{action.target}")
        facts = Facts(
            now=now,
            spec=kind.spec if kind else None,
            enabled=kind is not None and action.kind_digest == self.pins[action.kind],
            target=target,
            args_fault=before.args_fault if before else plugs.validator.fault(kind.spec.args, wire.plain(action.args)) if kind else "",
            key=key,
            chain=chain,
            chain_whole=whole,
            uses_left=min((grant.uses - self._drawn(f"uses:{grant.id}") for grant in chain), default=0),
            freezes=self._freezes(),
            policy_digest=Digest(plugs.policy.digest),
            context=lowest(action.provenance),
            cost_micros=cost,
            budget=self._account(chain[0].id) if chain else None,
            budget_cap=chain[0].budget_micros if chain else 0,
            pace=tuple((Bucket(id=name, due_at=plugs.store.bucket(name)), *self.rate(action.kind)) for name in buckets(action)),
            approval=approval,
            approvers=self.standing_voters(approval) if approval else (),
            standing=standing,
            standing_left=standing.uses - self._drawn(f"standing:{standing.id}") if standing else 0,
            recipe=recipe,
            recipe_digest=pinned,
            before_digest=pin(replace(recipe, keep_until=0.0)) if recipe and recipe.keep_until else pinned,
            level=plugs.box.level.value,
            overdue_reviews=self._overdue(action.agent, now),
            breakpoints=rules.breakpoints if kind and kind.spec.reach is Reach.WRITE else (),
            changes=self._changes(action.agent, now),
            others=self.others(action, recipe, now if waited else 0.0),
            waited=waited,
            attempt=attempt,
            shadow=rules.shadow or visit.session.shadow,
            extra={"cost_micros": float(cost), "targets": float(targets), "share": min(1.0, targets / max(1, len(rules.catalogue)))},
        )
        if kind and target and not facts.args_fault and plugs.policy.count:
            asked = question(action, facts, visit.session, rules.agents.get(action.agent), before.asked if before else None)
            answer = plugs.policy.ask(asked)
            zone, digest = zone_of(kind.spec, target, answer, overdue=facts.overdue_reviews), Digest(plugs.policy.digest)
            standing = standing if self._stands(standing, answer) else None
            facts = replace(facts, asked=asked, policy=answer, policy_digest=digest, zone=zone, standing=standing)
        return facts

    def _stands(self, grant: Standing | None, answer: PolicyAnswer) -> bool:
        """Say whether whoever gave a standing yes could give this yes now, alone."""
        by = self.keys.find_principal(grant.by) if grant else None
        return by is not None and by.active and answer.quorum <= 1 and (not answer.group or answer.group in by.groups)

    def rate(self, kind: str) -> tuple[float, float]:
        """Give burst and interval of a kind."""
        return self.plugs.rules.rates.kinds.get(kind, self.plugs.rules.rates.default)

    def others(self, action: Action, recipe: Recipe | None, now: float) -> tuple[str, ...]:
        """Give the other sessions that are at work on what an action changes, or were a moment before `now`."""
        return self.at_work(sorted(acted_on(action.target, recipe)), action.session, now)

    def at_work(self, names: Iterable[str], session: str, now: float) -> tuple[str, ...]:
        """Give the sessions beside one that are at work on any of these targets, or were a moment before `now`."""
        rows = [row for name in names if (row := self.plugs.store.find("lease", name))]
        return tuple(row.session for row in rows if row.session != session and (row.state == "held" or now < shown_at(row)))

    def _changes(self, agent: str, now: float) -> int:
        """Count an agent's changes in ten minutes: those of this window, and of the last one its share that still lies within."""
        window, into = divmod(now, WINDOW_S)
        this, last = (self._drawn(changes(agent, (window - back) * WINDOW_S)) for back in (0, 1))
        return this + ceil(last * (1 - into / WINDOW_S))

    def _freezes(self) -> tuple[Freeze, ...] | None:
        try:
            return self.plugs.freezer.freezes()
        except NotReady:
            return None

    def _overdue(self, agent: str, now: float) -> int:
        rows = self.plugs.store.rows
        soonest = rows("review", state="waiting", limit=1)  # cheap: the store is asked the same by everybody, unlike what is due by now
        due = rows("review", state="waiting", due_by=now, limit=100) if soonest and soonest[0].due_at <= now else ()
        return sum(row.body.get("agent") == agent for row in due)

    def _drawn(self, account: str) -> int:
        return sum(self.plugs.store.counter(account))

    def _account(self, grant: str) -> Account:
        spent, held = self.plugs.store.counter(f"budget:{grant}")
        return Account(id=f"budget:{grant}", spent=spent, held=held)

    def find_approval(self, action: Action) -> Approval | None:
        """Give the approval of this action, or the one of the plan it belongs to."""
        row = self.plugs.store.find("approval", action.id)
        if row is None:
            for other in self.plugs.store.rows("approval", session=action.session, state="approved"):
                covers = other.body.get("covers")
                if isinstance(covers, list) and action.digest in covers:
                    row = other
        return replace(wire.parse(Approval, row.body), version=row.version) if row else None

    def may_vote(self, approval: Approval, who: str) -> str:
        """Say why somebody may not answer, or "" where they may: a person, active, in the group, and not the asker."""
        principal = self.keys.find_principal(who)
        if principal is None or principal.sort is not Sort.PERSON:
            return "only a person may answer an approval"
        if not principal.active:
            return "this account is not active"
        if who == approval.requester:
            return "the one who asks never approves"
        if approval.group and approval.group not in principal.groups:
            return f"policy asks for somebody of the group {approval.group!r}"
        return ""

    def standing_voters(self, approval: Approval) -> tuple[str, ...]:
        """Give the distinct people whose yes counts now: somebody who has left the group since does not."""
        said_yes = {vote.by for vote in approval.votes if vote.verb == "approve"}
        return tuple(sorted(who for who in said_yes if not self.may_vote(approval, who)))


def shown_at(lease: Row) -> float:
    """Give when what the holder of a free lease has done can be seen by whatever raises alerts."""
    freed_at = lease.body.get("freed_at")
    return freed_at + SHOWN_S if isinstance(freed_at, int | float) else 0.0


def changes(agent: str, now: float) -> str:
    """Name the account that counts an agent's changes in one window of ten minutes."""
    return f"changes:{agent}:{now // WINDOW_S:.0f}"


def buckets(action: Action) -> tuple[str, ...]:
    """Name the pace buckets of an action: one per agent and kind, one per target and kind."""
    return (f"pace:agent:{action.agent}:{action.kind}", f"pace:target:{action.target}:{action.kind}")
