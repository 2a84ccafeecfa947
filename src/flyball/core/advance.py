"""The loop. `advance` is level-triggered: it reads the session, runs until it must wait or is closed, and may be called at any time."""

from __future__ import annotations

from dataclasses import replace

from flyball import wire
from flyball.core.carry import Carry, Wait
from flyball.core.guard import guard
from flyball.core.sessions import Sessions
from flyball.core.view import steps_of, view_of
from flyball.errors import BadInput, Conflict, Fenced, TooLarge
from flyball.model.action import Deed, Purpose, Status
from flyball.model.ids import Digest, Doc, Json
from flyball.model.log import Put
from flyball.model.session import Answer, Ask, Finish, Phase, Propose, Session, Step, Thought
from flyball.rules.bound import reached

BRAIN_S = 120.0
OTHERS_S, LOOK_S = 60.0, 1.0


class Advance:
    """Moves sessions on. The engine sees to it that one session is advanced by one caller at a time."""

    def __init__(self, sessions: Sessions, carry: Carry) -> None:
        """Keep the parts behind the door."""
        self.sessions, self.carry = sessions, carry
        self.door, self.plugs = sessions.door, sessions.plugs

    async def advance(self, name: str) -> None:
        """Move a session on until it must wait or is closed. A session that was taken over is left alone."""
        session = self.sessions.find(name)
        if session is None or session.phase is Phase.CLOSED:
            return
        try:
            if session.agent not in self.plugs.rules.agents:
                await self._close(
                    session, escalated(f"agent {session.agent} is not configured any more"), steps_of(self.plugs.store, session)
                )
                return
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
        same = (session.phase, session.waiting, bool(session.wake_at)) == (Phase.PARKED, wait.reason, bool(wait.at))
        if not same or wait.at < session.wake_at:  # a time written down that is too early costs one look after a start
            session = await self.sessions.save(replace(session, phase=Phase.PARKED, waiting=wait.reason, wake_at=wait.at))
        if wait.at:
            self.plugs.engine.wake(session.id, wait.at)

    async def _turn(self, session: Session) -> tuple[Session, Wait | None]:
        """Finish what is in hand, or ask the brain for the next step."""
        if session.paused:
            return session, Wait(reason="paused")
        if session.current:
            return await self._begun(session)
        steps = steps_of(self.plugs.store, session)
        ends = session.opened_at + self.plugs.rules.agents[session.agent].max_s
        if steps and isinstance(steps[-1].answer, Ask) and not steps[-1].reply and self.plugs.clock.now() < ends:
            return session, Wait(reason="answer", at=ends)  # a question that nobody answers must not hold its target for ever
        answer = await self._next(session, steps)
        if answer is None:
            return session, await self.carry.abroad_of(session)
        wait = self._others(session, answer)
        try:
            if wait is None:
                session = await (self._close(session, answer, steps) if isinstance(answer, Finish) else self._step(session, answer))
        except (BadInput, TooLarge) as fault:
            session = await self._close(session, escalated(f"the brain's answer cannot be written down: {fault.what}"), steps)
        return session, wait

    def _others(self, session: Session, answer: Answer) -> Wait | None:
        """Before a person is called: wait a little while others work on what the target depends on, their end may be the alert's."""
        target, now = self.plugs.rules.catalogue.get(session.target), self.plugs.clock.now()
        waits = isinstance(answer, Finish) and answer.outcome == "escalated" and now < session.opened_at + OTHERS_S
        busy = waits and target is not None and self.door.facts.at_work(target.depends_on, session.id, now)
        return Wait(reason="others", at=now + LOOK_S) if busy else None

    async def _begun(self, session: Session) -> tuple[Session, Wait | None]:
        """Finish what is in hand. What is too large for the log cannot be decided on the record: a person's."""
        try:
            deed, wait = await self._in_hand(session)
        except (BadInput, TooLarge) as fault:
            why = f"{session.current} cannot be written down: {fault.what}"
            return await self._close(session, escalated(why), steps_of(self.plugs.store, session)), None
        if wait is None:
            session = await self._settled(session, deed)
        return session, wait

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
        return escalated(why)

    async def _step(self, session: Session, answer: Answer) -> Session:
        """Write a brain's answer down before anything is done about it."""
        number, current, plan = session.step + 1, "", session.plan
        if isinstance(answer, Propose):
            current = f"{session.id}.{number}"
            plan = self._digests(session, answer) or plan
        body: dict[str, Json] = {"number": number, "at": self.plugs.clock.now(), "answer": wire.dump(answer), "reply": "", "replied_by": ""}
        put = Put(table="step", id=f"{session.id}.{number}", expect=0, body=body, session=session.id)
        name = "brain.asked" if isinstance(answer, Ask) else "brain.proposed"
        entry = self.sessions.entry(session, name, {"step": number, "answer": self._said(answer)})
        moved = replace(session, step=number, current=current, plan=plan, phase=Phase.OPEN, waiting="", wake_at=0.0)
        return await self.sessions.save(moved, entry, puts=(put,))

    def _said(self, answer: Answer) -> Doc:
        """Give an answer for the log: without the arguments of a kind that has sensitive ones; its decision holds them, as digests."""
        if not isinstance(answer, Propose):
            return wire.dump(answer)
        hidden = {name for name, kind in self.plugs.kinds.items() if kind.spec.sensitive}
        one, *plan = (replace(one, args={}) if one.kind in hidden else one for one in (answer.proposal, *answer.plan))
        return wire.dump(replace(answer, proposal=one, plan=tuple(plan)))

    def _digests(self, session: Session, answer: Propose) -> tuple[Digest, ...]:
        """Give the digests of a plan's steps. A step whose arguments are not exact yet has none: it is not covered by a yes to the plan."""
        visit = self.sessions.visit(session)
        admitted = (self.door.admit(one, visit, "plan") for one in answer.plan)
        return tuple(action.digest for action, fault in admitted if not fault)

    async def _in_hand(self, session: Session) -> tuple[Deed, Wait | None]:
        """Take the action in hand one move further; a Wait says that it cannot go on by itself."""
        deed = self.door.find(session.current)
        if deed is None:
            return await self.carry.prove(session, await self._submit(session))
        return await self.carry.on(session, deed)

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
        now, ended = self.plugs.clock.now(), replace(session, phase=Phase.CLOSED, current="", waiting="", wake_at=0.0)
        # A new epoch: an intent of a caller elsewhere that is on its way would take leases that nobody frees any more.
        closed = replace(ended, outcome=outcome, summary=finish.summary, closed_at=now, epoch=session.epoch + 1)
        body: dict[str, Json] = {
            "outcome": outcome,
            "claimed": finish.outcome,
            "summary": finish.summary,
            "thought": wire.dump(finish.thought),
        }
        entries, puts = self.sessions.ended_keys(session, "session closed")
        closed = await self.sessions.save(
            closed, self.sessions.entry(session, "session.closed", body), *entries, puts=(*self.sessions.released(session), *puts)
        )
        self.sessions.forget(session.id)
        self.plugs.engine.wake("")  # a lease is free: signals that waited for it may open their own session
        return closed


def escalated(why: str) -> Finish:
    """End a session that a person must take over."""
    return Finish(outcome="escalated", summary=why, thought=Thought(summary=why))
