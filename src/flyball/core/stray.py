"""Actions that nobody has in hand any more: of a closed or cancelled session, or of a caller that is gone. `house` calls it.

At start, and whenever a closed session is looked at, every such action is ended: what may have happened is looked at, an undo that was
begun is finished, what still waits for a person is denied and its question withdrawn.
"""

from __future__ import annotations

from dataclasses import replace

from flyball import wire
from flyball.core.carry import Carry
from flyball.core.keys import Who
from flyball.core.visit import Visit
from flyball.model.action import Deed, Status
from flyball.model.approval import ApprovalState
from flyball.model.decision import Decision, Facts, Judged, Verdict
from flyball.model.grant import Key, Principal, Sort
from flyball.model.ids import KeyId, PrincipalId
from flyball.model.log import Row
from flyball.model.provenance import Integrity
from flyball.model.session import Phase, Session
from flyball.rules.provenance import Words

BEGUN = (Status.RUNNING, Status.UNKNOWN, Status.UNDOING)
WAITING = (Status.PROPOSED, Status.HELD)
MOST = 100_000


class Stray:
    """Ends what was left behind."""

    def __init__(self, carry: Carry) -> None:
        """Keep the parts behind the door."""
        self.carry, self.door, self.plugs = carry, carry.door, carry.plugs
        self.approvals, self.recover, self.unwind = carry.approvals, carry.recover, carry.unwind

    async def sweep(self) -> None:
        """End every stray there is. Called once at start, before any session is advanced."""
        for status in (*BEGUN, *WAITING):
            for row in self.plugs.store.rows("action", state=status.value, limit=MOST):
                await self._end(row)

    async def of(self, name: str) -> None:
        """End what a session has left behind, if it is closed."""
        found = self.plugs.store.find("session", name)
        if found is not None and found.state == Phase.CLOSED:
            for row in self.plugs.store.rows("action", session=name, limit=MOST):
                if row.state in (*BEGUN, *WAITING) and row.id not in self.carry.abroad:  # in the middle of its effect a look tells nothing
                    await self._end(row)

    async def _end(self, row: Row) -> None:
        session = self.door.keys.known(Session, "session", row.session)
        if session is None:
            return
        closed = session.phase is Phase.CLOSED
        deed = replace(wire.parse(Deed, row.body), version=row.version)
        if not closed and (row.id == session.current or deed.status in WAITING):
            return  # its session has it in hand, or whoever proposed it may still ask for it again
        visit = self._visit(session)
        if deed.status is Status.UNDOING:
            await self.unwind.undo(deed, visit, "continued after a crash")
        elif deed.status in BEGUN:
            await self.recover.settle(deed, visit)
        else:
            await self._deny(deed, visit)

    async def _deny(self, deed: Deed, visit: Visit) -> None:
        row = self.plugs.store.find("approval", deed.action.id)
        if row is not None and row.state in (ApprovalState.WAITING, ApprovalState.APPROVED):
            await self.approvals.end(self.approvals.load(row.id), visit, ApprovalState.VOID)
        no = Decision(verdict=Verdict.DENY, check="session", why=f"session {visit.session.id} is closed")
        facts = Facts(now=self.plugs.clock.now(), recipe=deed.recipe, zone=deed.zone, policy_digest=deed.policy_digest)
        await self.door.deny(deed, Judged(action=deed.action, facts=facts, decision=no, opinions=(no,)), visit)

    def _visit(self, session: Session) -> Visit:
        """Give the passage of recovery itself: it holds no key that any check would let pass, so it can start nothing new."""
        principal = Principal(id=PrincipalId("service:recovery"), sort=Sort.SERVICE)
        key = Key(id=KeyId("recovery"), hash="", principal=principal.id, sort=Sort.SERVICE, scopes=(), grant=session.grant)
        words = Words(origin="service:recovery", integrity=Integrity.OBSERVED)
        return Visit(who=Who(principal=principal, key=key, origin="recovery"), session=session, words=words)
