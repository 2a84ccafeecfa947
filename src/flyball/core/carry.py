"""One action, carried on from where it stands: settled, judged again, proven or put back. Called by `advance` for every action begun."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flyball import wire
from flyball.core.approvals import Approvals
from flyball.core.recover import Recover
from flyball.core.sessions import Sessions
from flyball.core.unwind import Unwind
from flyball.core.verify import Verify
from flyball.core.visit import Visit
from flyball.model.action import Deed, Purpose, Status
from flyball.model.approval import ApprovalState
from flyball.model.grant import OBSERVER
from flyball.model.session import Session
from flyball.rules.lifecycle import SETTLED
from flyball.rules.unwind import order

FREEZE_LOOK_S, FIRST_LOOK_S = 2.0, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why a session parks and when it looks again; 0 means only when woken."""

    reason: str
    at: float = 0.0


class Carry:
    """Takes actions further. What cannot go on by itself gives a Wait."""

    def __init__(self, sessions: Sessions, approvals: Approvals, recover: Recover, unwind: Unwind) -> None:
        """Keep the parts behind the door."""
        self.sessions, self.door, self.plugs = sessions, sessions.door, sessions.plugs
        self.approvals, self.recover, self.unwind = approvals, recover, unwind
        self.verify = Verify(recover.attempt)
        self.abroad: set[str] = set()  # actions that a remote call is carrying out in this process right now

    @staticmethod
    def unproven(deed: Deed) -> bool:
        """Say whether a fix still has to be proven, or put back."""
        fix = deed.status is Status.DONE and deed.action.purpose is Purpose.FIX
        return fix and (deed.verified is False or (deed.verified is None and bool(deed.action.verify)))

    async def on(self, session: Session, deed: Deed) -> tuple[Deed, Wait | None]:
        """Take an action that was begun earlier one move further."""
        visit = self.sessions.visit(session)
        if deed.status in (Status.RUNNING, Status.UNKNOWN):
            deed = await self.recover.settle(deed, visit)
        elif deed.status in (Status.PROPOSED, Status.HELD, Status.ALLOWED):
            deed = await self._held(deed, visit)
        return await self.prove(session, deed)

    async def prove(self, session: Session, deed: Deed) -> tuple[Deed, Wait | None]:
        """Have a fix that was done looked at by the observer, and put back where it does not hold."""
        visit, now = self.sessions.visit(session), self.plugs.clock.now()
        if deed.status is Status.RUNNING:  # it goes on without us; a freeze or a cancel ends it at the next look
            return deed, Wait(reason="running", at=now + min(FREEZE_LOOK_S, FIRST_LOOK_S + (now - deed.intended_at) / 4))
        if deed.status is Status.HELD:
            return deed, self._held_wait(deed)
        if deed.status is Status.DONE and deed.action.purpose is Purpose.FIX and deed.verified is None:
            deed, at = await self.verify.look(deed, visit, self.sessions.visit(session, observer=True))
            if at:
                return deed, Wait(reason="verify", at=at)
        if deed.verified is False or deed.status is Status.UNDOING:
            return await self._put_back(session, deed)
        return deed, None

    async def _held(self, deed: Deed, visit: Visit) -> Deed:
        row = self.plugs.store.find("approval", deed.action.id)
        if row is not None and row.state in ("waiting", "approved"):
            approval = self.approvals.load(row.id)
            if self.plugs.clock.now() >= approval.expires_at and approval.state in (ApprovalState.WAITING, ApprovalState.APPROVED):
                await self.approvals.end(approval, visit, ApprovalState.EXPIRED)
        return await self.door.judge(deed, visit)

    def _held_wait(self, deed: Deed) -> Wait:
        now, row = self.plugs.clock.now(), self.plugs.store.find("approval", deed.action.id)
        if row is not None and row.state == "waiting":
            return Wait(reason="approval", at=row.due_at)
        if deed.decision == "pace":
            return Wait(reason="pace", at=now + self.door.facts.rate(deed.action.kind)[1])
        return Wait(reason=deed.decision, at=now + FREEZE_LOOK_S)

    async def _put_back(self, session: Session, deed: Deed) -> tuple[Deed, Wait | None]:
        """Unwind a hypothesis whose verification failed: every fix of it that stands, latest first. Safe to call again after a crash.

        An undo that a person began is ended, and nothing else. Gives the deed in hand as it is then, or the one
        whose undo is stuck, which a person must settle.
        """
        rows = self.plugs.store.rows("action", session=session.id, limit=5000)
        deeds = [replace(wire.parse(Deed, row.body), version=row.version) for row in rows]
        worst: Deed | None = None
        for one in order(deeds, deed.action.hypothesis) if deed.verified is False else (deed,):
            undone = await self.unwind.undo(one, self.sessions.visit(session), f"verification failed: {deed.verify_note}")
            if undone.status in (Status.DONE, Status.UNDOING):
                return deed, Wait(reason="freeze", at=self.plugs.clock.now() + FREEZE_LOOK_S)
            worst = undone if undone.status is Status.STUCK else worst
        return worst or self.door.find(deed.action.id) or deed, None

    async def abroad_of(self, session: Session) -> Wait:
        """Carry on what a remote brain's actions left open: it proposes by itself, and several at once, so none is the one in hand."""
        ends = session.opened_at + self.plugs.rules.agents[session.agent].max_s
        waits = [Wait(reason="brain", at=ends)]
        for row in self.plugs.store.rows("action", session=session.id, limit=5000):
            if row.id in self.abroad:
                continue  # whoever submitted it is still at it
            deed = replace(wire.parse(Deed, row.body), version=row.version)
            if deed.action.agent != OBSERVER and (deed.status not in SETTLED or self.unproven(deed)):
                _, wait = await self.on(session, deed)
                waits += [wait] if wait else []
        return min(waits, key=lambda one: one.at or ends)
