"""A person's yes to exactly one digest: asked, answered, consumed once, expired. Reviews of what already ran are answered here too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

from flyball import wire
from flyball.core.attempt import Attempt
from flyball.core.door import Door
from flyball.core.keys import Who
from flyball.core.record import pin, row_of, sealed
from flyball.core.visit import Visit
from flyball.errors import BadInput, Conflict, Denied, Moved, NotFound, UserError
from flyball.model.action import Action, Deed, Reach, Recipe, Status
from flyball.model.approval import Approval, ApprovalState, Review, Vote
from flyball.model.decision import Decision, Judged, Verdict
from flyball.model.ids import ActionId, Doc
from flyball.model.log import Change, Entry, Put
from flyball.model.provenance import Integrity, Origin
from flyball.rules.checks.policy import bound
from flyball.rules.digest import NotCanonical, even, freeze
from flyball.rules.pointer import MissingError, leaves, look

VERBS = {
    "approve": ApprovalState.APPROVED,
    "reject": ApprovalState.REJECTED,
    "edit": ApprovalState.EDITED,
    "changes": ApprovalState.CHANGES,
}


class Approvals:
    """Asks and answers. The asker never approves; one veto kills; expiry always denies."""

    def __init__(self, door: Door, attempt: Attempt) -> None:
        """Keep the door and what lies behind it."""
        self.door, self.attempt, self.plugs = door, attempt, door.plugs

    async def ask(self, deed: Deed, judged: Judged, visit: Visit) -> Deed:
        """Hold an action and ask: with its pre-state, its exact argv, how it will be undone and by which rule it is held."""
        action, facts = deed.action, judged.facts
        kind = self.plugs.kinds[action.kind]
        try:
            recipe = await self.attempt.plan(kind, deed, judged) if kind.spec.reach is Reach.WRITE else Recipe(before={}, undo={})
        except UserError as fault:
            no = Decision(verdict=Verdict.DENY, check="plan", why=f"cannot be planned: {fault.what}: {fault.why}")
            return await self.door.deny(deed, replace(judged, decision=no, opinions=(no,)), visit)
        held = replace(self.door.record.decided(deed, judged, Status.HELD), recipe=recipe)
        old, policy = self.plugs.store.find("approval", action.id), facts.policy
        asks = policy is not None and policy.effect == "ask"
        approval = Approval(
            id=action.id,
            session=action.session,
            digest=action.digest,
            before_digest=pin(replace(recipe, keep_until=0.0)),
            policy_digest=facts.policy_digest,
            covers=tuple(one for one in visit.covers if one != action.digest),
            requester=visit.who.principal.id,
            group=policy.group if policy else "",
            quorum=policy.quorum if policy and asks else 1,
            factor=policy.factor if policy else "none",
            rule=policy.rule if policy and asks else judged.decision.check,
            why=policy.reason if policy and asks else judged.decision.why,
            zone=facts.zone,
            asked_at=facts.now,
            expires_at=facts.now + min(self.plugs.rules.approve_s, bound(policy, "approve_within_s", inf)),
            recipe=recipe,
            card=visit.card,
        )
        told = wire.dump(approval)
        body = {name: told[name] for name in ("digest", "covers", "group", "quorum", "rule", "expires_at")}
        body |= {"before": approval.before_digest, "policy": approval.policy_digest, "again": old is not None}
        entries = (
            self.door.record.entry("action.decided", held, visit, self.door.record.decision_body(held, judged)),
            self.door.record.entry("approval.asked", held, visit, body),
        )
        put = self._put(replace(approval, version=old.version if old else 0))
        return await self.door.record.write(held, entries, visit, more=Change(puts=(put,)))

    @staticmethod
    def _put(approval: Approval) -> Put:
        live = approval.state in (ApprovalState.WAITING, ApprovalState.APPROVED)
        return Put(
            table="approval",
            id=approval.id,
            expect=approval.version,
            body=wire.dump(approval),
            state=approval.state.value,
            session=approval.session,
            due_at=approval.expires_at if live else 0.0,
        )

    def load(self, name: str) -> Approval:
        """Give an approval. Raises NotFound."""
        row = self.plugs.store.find("approval", name)
        if row is None:
            raise NotFound(f"there is no approval {name!r}", "", "flyball approvals list")
        return replace(wire.parse(Approval, row.body), version=row.version)

    async def answer(self, name: str, who: Who, verb: str, said: Mapping[str, Any]) -> Approval:
        """Record one person's answer: `said` holds digest, reason and, for an edit, args. Raises UserError; a lost race is Moved."""
        who.needs("approve")
        approval, reason = self.load(name), str(said.get("reason", "")).strip()
        self._admissible(approval, who, verb, str(said.get("digest", "")), reason)
        vote = Vote(by=who.principal.id, verb=verb, reason=reason, at=self.plugs.clock.now())
        votes = (*approval.votes, vote)
        enough = verb != "approve" or len(self.door.facts.standing_voters(replace(approval, votes=votes))) >= max(1, approval.quorum)
        now = vote.at
        answered = replace(approval, votes=votes, state=VERBS[verb] if enough else approval.state)
        if answered.state is ApprovalState.APPROVED:
            answered = replace(answered, expires_at=now + self.plugs.rules.execute_s)
        body = {"verb": verb, "reason": reason, "digest": approval.digest, "state": answered.state.value, "votes": len(votes)}
        entry = Entry(
            name="approval.answered", who=who.principal.id, session=approval.session, action=approval.id, origin=who.origin, body=body
        )
        puts = [self._put(answered)]
        if verb == "edit":
            puts.extend(self._edited(approval, who, said.get("args")))
        try:
            await self.plugs.store.commit(Change(entries=(entry,), puts=tuple(puts)))
        except Conflict:
            raise Moved(f"approval {name} has changed", "somebody answered at the same moment", f"flyball approvals show {name}") from None
        self.plugs.engine.wake(approval.session)
        return replace(answered, version=answered.version + 1)

    def _admissible(self, approval: Approval, who: Who, verb: str, shown: str, reason: str) -> None:
        again = f"flyball approvals show {approval.id}"
        if verb not in VERBS:
            raise BadInput(f"{verb!r} is no answer", f"an answer is one of {', '.join(VERBS)}", again)
        if fault := self.door.facts.may_vote(approval, who.principal.id):
            raise Denied(f"{who.principal.id} may not answer approval {approval.id}", fault, "ask somebody who may")
        if approval.state is not ApprovalState.WAITING:
            raise Moved(f"approval {approval.id} is {approval.state.value}", "it has been answered or has ended", again)
        if self.plugs.clock.now() >= approval.expires_at:
            raise Moved(f"approval {approval.id} has expired", "expiry always denies", "flyball sessions show " + approval.session)
        if shown != approval.digest:
            raise Moved(f"approval {approval.id} is for another digest", f"it binds to {approval.digest}", again)
        who.gives(reason)
        if verb == "approve" and approval.factor not in ("none", "key"):
            why = "this server cannot check that factor, and an unchecked one would be no factor"
            raise Denied(f"approval {approval.id} needs the factor {approval.factor!r}", why, "change `approvals` in the policy's data")
        if any(vote.by == who.principal.id for vote in approval.votes):
            raise Denied(f"{who.principal.id} has answered already", "every person counts once", "ask somebody else of the group")

    def _edited(self, approval: Approval, who: Who, args: Any) -> tuple[Put, ...]:
        """Give the rows of an edit: the old action is superseded, a new one with a new digest is judged anew."""
        deed = self.door.find(approval.id)
        if deed is None or not isinstance(args, Mapping):
            raise BadInput("an edit needs arguments", "`args` must be an object with all arguments of the action", "give the whole object")
        try:
            new = self._edit(deed.action, who, freeze(even(wire.plain(args))))
        except NotCanonical as bad:
            raise BadInput("the arguments have no digest", str(bad), "give plain JSON") from bad
        old = replace(deed, status=Status.DENIED, decision="approval", why=f"superseded by {new.id}")
        row = self.plugs.store.find("session", approval.session)
        if row is None:
            raise NotFound(f"there is no session {approval.session!r}")
        body, at = {**row.body, "current": new.id}, row.version
        current = Put(table="session", id=row.id, expect=at, body=body, state=row.state, session=row.session, due_at=row.due_at)
        return (row_of(old), row_of(Deed(action=new, status=Status.PROPOSED)), current)

    def _edit(self, action: Action, who: Who, args: Doc) -> Action:
        labels: dict[str, Origin] = {}
        for at, value in leaves(args):
            try:
                same = look(action.args, at) == value and at in action.provenance
            except MissingError:
                same = False
            mine = Origin(origin=f"principal:{who.principal.id}", integrity=Integrity.PRINCIPAL)
            labels[at] = action.provenance[at] if same else mine
        name, now = ActionId(f"{action.id}e1"), self.plugs.clock.now()
        return sealed(replace(action, id=name, args=args, provenance=labels, edited_by=who.principal.id, proposed_at=now))

    def consumed(self, approval: Approval, action: Action) -> Put:
        """Give the row that uses an approval up for one digest: it goes into the transaction that writes the intent."""
        used = (*approval.used, action.digest)
        left = {approval.digest, *approval.covers} - set(used)
        return self._put(replace(approval, used=used, state=approval.state if left else ApprovalState.USED))

    async def end(self, approval: Approval, visit: Visit, state: ApprovalState) -> None:
        """Record that time ran out (expired) or that nobody needs the answer any more (void). Either denies for good."""
        ended, body = replace(approval, state=state), {"digest": approval.digest}
        entry = Entry(name=f"approval.{state.value}", who="service:clock", session=approval.session, action=approval.id, body=body)
        fence = (visit.session.id, visit.session.epoch)
        await self.plugs.store.commit(Change(entries=(entry,), puts=(self._put(ended),), fence=fence))

    async def review(self, name: str, who: Who, said: Mapping[str, Any]) -> Review:
        """Record the look at a yellow action: fine or wrong, with a reason and, where wrong, a correction."""
        who.needs("review")
        row = self.plugs.store.find("review", name)
        if row is None:
            raise NotFound(f"there is no review {name!r}", "", "flyball reviews list")
        verdict, reason = str(said.get("verdict", "")), str(said.get("reason", "")).strip()
        who.gives(reason)
        if verdict not in ("fine", "wrong"):
            raise BadInput(f"{verdict!r} is no verdict", "a review is `fine` or `wrong`, with a reason", "say what you looked at")
        if row.state != "waiting":
            raise Moved(f"review {name} is {row.state}", "somebody has answered it", "flyball reviews list")
        now, by, correction = self.plugs.clock.now(), who.principal.id, str(said.get("correction", ""))
        done = replace(wire.parse(Review, row.body), state=verdict, by=by, reason=reason, correction=correction, at=now)
        body: Doc = {"verdict": verdict, "reason": reason, "correction": done.correction, "overdue": now > done.due_at}
        entry = Entry(name="review.answered", who=who.principal.id, session=done.session, action=name, origin=who.origin, body=body)
        put = Put(table="review", id=name, expect=row.version, body=wire.dump(done), state=verdict, session=done.session)
        await self.plugs.store.commit(Change(entries=(entry,), puts=(put,)))
        return done
