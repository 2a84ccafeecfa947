"""The loop. `advance` is level-triggered: it reads the session, runs until it must wait or is closed, and may be called at any time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flyball import wire
from flyball.core.approvals import Approvals
from flyball.core.guard import guard
from flyball.core.recover import Recover
from flyball.core.sessions import Sessions
from flyball.core.unwind import Unwind
from flyball.core.verify import Verify
from flyball.core.view import steps_of, view_of
from flyball.core.visit import Visit
from flyball.errors import BadInput, Conflict, Fenced, TooLarge
from flyball.model.action import Deed, Purpose, Status
from flyball.model.approval import ApprovalState
from flyball.model.grant import OBSERVER
from flyball.model.ids import Digest, Doc, Json
from flyball.model.log import Put
from flyball.model.session import Answer, Ask, Finish, Phase, Propose, Session, Step, Thought
from flyball.rules.bound import reached
from flyball.rules.lifecycle import SETTLED
from flyball.rules.unwind import order

FREEZE_LOOK_S = 2.0
BRAIN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why a session parks and when it looks again; 0 means only when woken."""

    reason: str
    at: float = 0.0


class Advance:
    """Moves sessions on. The engine sees to it that one session is advanced by one caller at a time."""

    def __init__(self, sessions: Sessions, approvals: Approvals, recover: Recover, unwind: Unwind) -> None:
        """Keep the parts behind the door."""
        self.sessions, self.door, self.plugs = sessions, sessions.door, sessions.plugs
        self.approvals, self.recover, self.unwind = approvals, recover, unwind
        self.verify = Verify(recover.attempt)
        self.abroad: set[str] = set()  # actions that a remote brain's call is carrying out in this process right now

    async def advance(self, name: str) -> None:
        """Move a session on until it must wait or is closed. A session that was taken over is left alone."""
        session = self.sessions.find(name)
        if session is None or session.phase is Phase.CLOSED:
            return
        try:
            session = await self.sessions.claim(session)
            while session.phase is not Phase.CLOSED:
                session, wait = await self._turn(session)
                if wait is not None:
                    await self._park(session, wait)
                    return
        except Fenced:
            self.sessions.forget(name)
        except Conflict:
            self.plugs.engine.wake(name)  # somebody else wrote the row in between: look again

    async def _park(self, session: Session, wait: Wait) -> None:
        if (session.phase, session.waiting, session.wake_at) != (Phase.PARKED, wait.reason, wait.at):
            session = await self.sessions.save(replace(session, phase=Phase.PARKED, waiting=wait.reason, wake_at=wait.at))
        if wait.at:
            self.plugs.engine.wake(session.id, wait.at)

    async def _turn(self, session: Session) -> tuple[Session, Wait | None]:
        """Finish what is in hand, or ask the brain for the next step."""
        if session.paused:
            return session, Wait(reason="paused")
        if session.current:
            deed, wait = await self._in_hand(session)
            if wait is None:
                session = await self._settled(session, deed)
            return session, wait
        steps = steps_of(self.plugs.store, session)
        if steps and isinstance(steps[-1].answer, Ask) and not steps[-1].reply:
            return session, Wait(reason="answer")
        answer = await self._next(session, steps)
        if answer is None:
            return session, await self._abroad(session)
        try:
            if isinstance(answer, Finish):
                return await self._close(session, answer, steps), None
            session = await self._step(session, answer)
        except (BadInput, TooLarge) as fault:
            why = f"the brain's answer cannot be written down: {fault.what}"
            session = await self._close(session, Finish(outcome="escalated", summary=why, thought=Thought(summary=why)), steps)
        return session, None

    async def _abroad(self, session: Session) -> Wait:
        """Carry on what a remote brain's actions left open: it proposes by itself, and several at once, so none is the one in hand."""
        ends = session.opened_at + self.plugs.rules.agents[session.agent].max_s
        waits = [Wait(reason="brain", at=ends)]
        for row in self.plugs.store.rows("action", session=session.id, limit=5000):
            if row.id in self.abroad:
                continue  # whoever submitted it is still at it
            deed = replace(wire.parse(Deed, row.body), version=row.version)
            if deed.action.agent != OBSERVER and (deed.status not in SETTLED or self.unproven(deed)):
                _, wait = await self._carry(session, deed)
                waits += [wait] if wait else []
        return min(waits, key=lambda one: one.at or ends)

    @staticmethod
    def unproven(deed: Deed) -> bool:
        """Say whether a fix still has to be proven, or put back."""
        fix = deed.status is Status.DONE and deed.action.purpose is Purpose.FIX
        return fix and (deed.verified is False or (deed.verified is None and bool(deed.action.verify)))

    async def _next(self, session: Session, steps: tuple[Step, ...]) -> Answer | None:
        """Ask the brain; past its bounds, or without an answer, the session is a person's."""
        why = reached(session, steps, self.plugs.rules.agents[session.agent], self.plugs.clock.now())
        brain = self.plugs.brains.get(self.plugs.rules.agents[session.agent].brain)
        if not why and brain is None:
            return None
        if not why and brain is not None:
            answer, fault = await guard(brain.next(view_of(self.plugs, session)), BRAIN_S)
            if isinstance(answer, Propose | Ask | Finish):
                return answer
            why = f"the brain gave no answer: {fault or type(answer).__name__}"
        return Finish(outcome="escalated", summary=why, thought=Thought(summary=why))

    async def _step(self, session: Session, answer: Answer) -> Session:
        """Write a brain's answer down before anything is done about it."""
        number = session.step + 1
        current, plan = "", session.plan
        if isinstance(answer, Propose):
            current = f"{session.id}.{number}"
            plan = self._digests(session, answer) or plan
        body: dict[str, Json] = {"number": number, "at": self.plugs.clock.now(), "answer": wire.dump(answer), "reply": "", "replied_by": ""}
        put = Put(table="step", id=f"{session.id}.{number}", expect=0, body=body, session=session.id)
        asked = isinstance(answer, Ask)
        entry = self.sessions.entry(session, "brain.asked" if asked else "brain.proposed", {"step": number, "answer": wire.dump(answer)})
        moved = replace(session, step=number, current=current, plan=plan, phase=Phase.OPEN, waiting="", wake_at=0.0)
        return await self.sessions.save(moved, entry, puts=(put,))

    def _digests(self, session: Session, answer: Propose) -> tuple[Digest, ...]:
        """Give the digests of a plan's steps. A step whose arguments are not exact yet has none: it is not covered by a yes to the plan."""
        visit = self.sessions.visit(session)
        admitted = (self.door.admit(one, visit, "plan") for one in answer.plan)
        return tuple(action.digest for action, fault in admitted if not fault)

    async def _in_hand(self, session: Session) -> tuple[Deed, Wait | None]:
        """Take the action in hand one move further; a Wait says that it cannot go on by itself."""
        deed = self.door.find(session.current)
        if deed is None:
            return await self._prove(session, await self._submit(session))
        return await self._carry(session, deed)

    async def _carry(self, session: Session, deed: Deed) -> tuple[Deed, Wait | None]:
        """Take an action that was begun earlier one move further."""
        visit = self.sessions.visit(session)
        if deed.status in (Status.RUNNING, Status.UNKNOWN):
            deed = await self.recover.settle(deed, visit)
        elif deed.status in (Status.PROPOSED, Status.HELD, Status.ALLOWED):
            deed = await self._held(deed, visit)
        return await self._prove(session, deed)

    async def _prove(self, session: Session, deed: Deed) -> tuple[Deed, Wait | None]:
        """Have a fix that was done looked at by the observer, and put back where it does not hold."""
        visit = self.sessions.visit(session)
        if deed.status is Status.HELD:
            return deed, self._held_wait(deed)
        if deed.status is Status.DONE and deed.action.purpose is Purpose.FIX and deed.verified is None:
            deed, at = await self.verify.look(deed, visit, self.sessions.visit(session, observer=True))
            if at:
                return deed, Wait(reason="verify", at=at)
        if deed.verified is False or deed.status is Status.UNDOING:
            return await self._put_back(session, deed)
        return deed, None

    async def _submit(self, session: Session) -> Deed:
        row = self.plugs.store.find("step", session.current)
        answer = wire.parse(Propose, row.body["answer"]) if row else None
        if answer is None:
            raise LookupError(f"{session.current}: no proposal is written down")
        covers = session.plan if answer.plan else ()
        card: Doc = {"thought": wire.dump(answer.thought), "plan": [wire.dump(one) for one in answer.plan or (answer.proposal,)]}
        return await self.door.submit(
            answer.proposal, self.sessions.visit(session, covers=tuple(Digest(one) for one in covers), card=card), session.current
        )

    async def _held(self, deed: Deed, visit: Visit) -> Deed:
        row = self.plugs.store.find("approval", deed.action.id)
        if row is not None and row.state in ("waiting", "approved"):
            approval = self.approvals.load(row.id)
            if self.plugs.clock.now() >= approval.expires_at and approval.state in (ApprovalState.WAITING, ApprovalState.APPROVED):
                await self.approvals.end(approval, visit, ApprovalState.EXPIRED)
        return await self.door.judge(deed, visit)

    def _held_wait(self, deed: Deed) -> Wait:
        now = self.plugs.clock.now()
        row = self.plugs.store.find("approval", deed.action.id)
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

    async def _settled(self, session: Session, deed: Deed) -> Session:
        """Let go of the action in hand and note whether it brought anything new."""
        if deed.status is Status.STUCK:
            why = f"{deed.action.id} is stuck: {deed.why}; a person must settle it"
            finish = Finish(outcome="stuck", summary=why, thought=Thought(summary=why))
            return await self._close(session, finish, steps_of(self.plugs.store, session))
        twin = any(
            step.deed and step.deed.action.id != deed.action.id and step.deed.action.digest == deed.action.digest
            for step in steps_of(self.plugs.store, session)
        )
        fruitless = twin or deed.status is not Status.DONE
        return await self.sessions.save(
            replace(session, current="", idle=session.idle + 1 if fruitless else 0, waiting="", phase=Phase.OPEN)
        )

    async def _close(self, session: Session, finish: Finish, steps: tuple[Step, ...]) -> Session:
        """Close: what the brain claims counts only as far as it is proven."""
        outcome, deeds = finish.outcome, [step.deed for step in steps if step.deed and step.deed.action.purpose is Purpose.FIX]
        open_ones = [key for key in session.signals if (row := self.plugs.store.find("signal", key)) and row.state != "resolved"]
        if outcome == "fixed" and not (deeds and deeds[-1].status is Status.DONE and deeds[-1].verified):
            outcome = "unproven"
        if outcome == "resolved" and open_ones:
            outcome = "unproven"
        if session.shadow or self.plugs.rules.shadow:
            outcome = "shadow"
        now = self.plugs.clock.now()
        closed = replace(
            session, phase=Phase.CLOSED, outcome=outcome, summary=finish.summary, closed_at=now, current="", waiting="", wake_at=0.0
        )
        body: dict[str, Json] = {
            "outcome": outcome,
            "claimed": finish.outcome,
            "summary": finish.summary,
            "thought": wire.dump(finish.thought),
        }
        entries, puts = self.sessions.ended_keys(session, "session closed")
        closed = await self.sessions.save(
            closed, self.sessions.entry(session, "session.closed", body), *entries, puts=(*self._released(session), *puts)
        )
        self.sessions.forget(session.id)
        self.plugs.engine.wake("")  # a lease is free: signals that waited for it may open their own session
        return closed

    def _released(self, session: Session) -> tuple[Put, ...]:
        lease = self.plugs.store.find("lease", session.target)
        if lease is None or lease.session != session.id:
            return ()
        return (Put(table="lease", id=lease.id, expect=lease.version, body={}, state="free"),)
