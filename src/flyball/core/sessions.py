"""The loop. `advance` is level-triggered: it reads the session, runs until it must wait or is closed, and may be called at any time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

from flyball import wire
from flyball.core.approvals import Approvals
from flyball.core.attempt import Attempt
from flyball.core.door import Door, Visit
from flyball.core.guard import guard
from flyball.core.keys import Who, agent_principal
from flyball.core.recover import Recover
from flyball.core.unwind import Unwind
from flyball.core.verify import Verify
from flyball.core.view import steps_of, view_of
from flyball.errors import BadInput, Conflict, Fenced, TooLarge
from flyball.model.action import Deed, Purpose, Status
from flyball.model.approval import ApprovalState
from flyball.model.grant import OBSERVER, Agent, Grant
from flyball.model.ids import Digest, Doc, Json
from flyball.model.log import Change, Entry, Put
from flyball.model.provenance import Integrity
from flyball.model.session import Answer, Ask, Finish, Phase, Propose, Session, Step, Thought
from flyball.rules.provenance import Words
from flyball.rules.unwind import order

FREEZE_LOOK_S = 2.0
IDLE_MOST = 6
BRAIN_S = 120.0
SCOPES = ("act",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why a session parks and when it looks again; 0 means only when woken."""

    reason: str
    at: float = 0.0


class Sessions:
    """Moves sessions on. The engine sees to it that one session is advanced by one caller at a time."""

    def __init__(self, door: Door, attempt: Attempt, approvals: Approvals, recover: Recover, unwind: Unwind) -> None:
        """Keep the parts behind the door."""
        self.door, self.plugs, self.keys = door, door.plugs, door.keys
        self.approvals, self.recover, self.unwind = approvals, recover, unwind
        self.verify = Verify(attempt)
        self._who: dict[str, tuple[Who, Who]] = {}
        self._epoch: dict[str, int] = {}

    def find(self, name: str) -> Session | None:
        """Give a session as it stands, or None."""
        row = self.plugs.store.find("session", name)
        return replace(wire.parse(Session, row.body), version=row.version) if row else None

    async def save(self, session: Session, *entries: Entry, puts: tuple[Put, ...] = ()) -> Session:
        """Write the session's row with entries, fenced by its epoch."""
        change = Change(entries=entries, puts=(row_of(session), *puts), fence=(session.id, session.epoch))
        await self.plugs.store.commit(change)
        return replace(session, version=session.version + 1)

    def entry(self, session: Session, name: str, body: Doc, who: str = "") -> Entry:
        """Give a log entry about a session."""
        agent = self.plugs.rules.agents.get(session.agent)
        return Entry(
            name=name,
            who=who or f"agent:{session.agent}",
            session=session.id,
            behalf=agent.owner if agent else "",
            origin="engine",
            body=body,
        )

    async def claim(self, session: Session) -> Session:
        """Take a session over: a new epoch fences whoever held it, old keys end, the agent and the observer get new ones."""
        if session.id in self._who and self._epoch[session.id] == session.epoch:
            return session
        claimed = replace(session, epoch=session.epoch + 1)
        entries, puts = self.ended_keys(session, "taken over")
        entry = self.entry(session, "session.claimed", {"epoch": claimed.epoch}, "service:engine")
        await self.plugs.store.commit(Change(entries=(entry, *entries), puts=(row_of(claimed), *puts)))
        self.adopt(claimed, await self.credentials(claimed))
        return replace(claimed, version=claimed.version + 1)

    def ended_keys(self, session: Session, reason: str) -> tuple[tuple[Entry, ...], tuple[Put, ...]]:
        """Give what ends the keys of a session: they end in the transaction that ends their use."""
        ended = [
            self.keys.ended(row, by="service:engine", reason=reason)
            for row in self.plugs.store.rows("key", session=session.id, state="live", limit=5000)
        ]
        return tuple(entry for entry, _ in ended), tuple(put for _, put in ended)

    def adopt(self, session: Session, who: tuple[Who, Who]) -> None:
        """Hold the keys of a session that this process has just opened or taken over, and the epoch that they hold for."""
        self._who[session.id], self._epoch[session.id] = who, session.epoch

    def forget(self, name: str) -> None:
        """Let go of the keys of a session that is closed or lost."""
        self._who.pop(name, None)
        self._epoch.pop(name, None)

    async def credentials(self, session: Session) -> tuple[Who, Who]:
        """Mint one key for the agent and one for the observer of a session."""
        agent = self.plugs.rules.agents[session.agent]
        pairs = ((session.agent, session.grant, agent), (OBSERVER, session.observer_grant, agent))
        made = await asyncio.gather(*(self._credential(name, self._grant(grant), owner) for name, grant, owner in pairs))
        return made[0], made[1]

    def _grant(self, name: str) -> Grant:
        row = self.plugs.store.find("grant", name)
        if row is None:
            raise LookupError(f"grant {name} is gone")
        return wire.parse(Grant, row.body)

    async def _credential(self, name: str, grant: Grant, agent: Agent) -> Who:
        principal = agent_principal(name, agent.owner)
        if self.keys.find_principal(principal.id) is None:
            with suppress(Conflict):  # another session has just written the same principal
                await self.keys.add(principal, by="service:engine")
        _, key = await self.keys.mint(principal, SCOPES, ttl_s=agent.max_s + self.plugs.rules.key_s, by="service:engine", grant=grant)
        return Who(principal=principal, key=key, origin="engine")

    def visit(self, session: Session, *, observer: bool = False, covers: tuple[Digest, ...] = (), card: Doc | None = None) -> Visit:
        """Give the passage of the session's agent, or of its observer, through the door."""
        if observer:
            words = Words(origin="service:observer", integrity=Integrity.SYSTEM)
        else:
            name = self.plugs.rules.agents[session.agent].brain
            brain = self.plugs.brains.get(name)
            words = Words(origin=f"brain:{name}", integrity=Integrity(brain.literal_integrity) if brain else Integrity.OBSERVED)
        return Visit(who=self._who[session.id][observer], session=session, words=words, covers=covers, card=card or {})

    async def advance(self, name: str) -> None:
        """Move a session on until it must wait or is closed. A session that was taken over is left alone."""
        session = self.find(name)
        if session is None or session.phase is Phase.CLOSED:
            return
        try:
            session = await self.claim(session)
            while session.phase is not Phase.CLOSED:
                session, wait = await self._turn(session)
                if wait is not None:
                    await self._park(session, wait)
                    return
        except Fenced:
            self.forget(name)
        except Conflict:
            self.plugs.engine.wake(name)  # somebody else wrote the row in between: look again

    async def _park(self, session: Session, wait: Wait) -> None:
        if (session.phase, session.waiting, session.wake_at) != (Phase.PARKED, wait.reason, wait.at):
            session = await self.save(replace(session, phase=Phase.PARKED, waiting=wait.reason, wake_at=wait.at))
        if wait.at:
            self.plugs.engine.wake(session.id, wait.at)

    async def _turn(self, session: Session) -> tuple[Session, Wait | None]:
        """Finish what is in hand, or ask the brain for the next step."""
        if session.paused:
            return session, Wait(reason="paused")
        if session.current:
            deed, wait = await self._in_hand(session)
            if wait is None and deed is not None:
                session = await self._settled(session, deed)
            return session, wait
        steps = steps_of(self.plugs.store, session)
        if steps and isinstance(steps[-1].answer, Ask) and not steps[-1].reply:
            return session, Wait(reason="answer")
        answer = await self._next(session, steps)
        if answer is None:
            return session, Wait(reason="brain")  # a remote brain proposes by itself
        try:
            if isinstance(answer, Finish):
                return await self._close(session, answer, steps), None
            session = await self._step(session, answer)
        except (BadInput, TooLarge) as fault:
            why = f"the brain's answer cannot be written down: {fault.what}"
            session = await self._close(session, Finish(outcome="escalated", summary=why, thought=Thought(summary=why)), steps)
        return session, None

    async def _next(self, session: Session, steps: tuple[Step, ...]) -> Answer | None:
        """Ask the brain; past its bounds, or without an answer, the session is a person's."""
        why = self._over(session, steps)
        brain = self.plugs.brains.get(self.plugs.rules.agents[session.agent].brain)
        if not why and brain is None:
            return None
        if not why and brain is not None:
            answer, fault = await guard(brain.next(view_of(self.plugs, session)), BRAIN_S)
            if isinstance(answer, Propose | Ask | Finish):
                return answer
            why = f"the brain gave no answer: {fault or type(answer).__name__}"
        return Finish(outcome="escalated", summary=why, thought=Thought(summary=why))

    def _over(self, session: Session, steps: tuple[Step, ...]) -> str:
        """Say which bound of autonomy is reached, if any."""
        agent = self.plugs.rules.agents[session.agent]
        fixes = [step.deed for step in steps if step.deed and step.deed.action.purpose is Purpose.FIX]
        failed = [deed for deed in fixes if deed.status is not Status.DONE or deed.verified is False]
        bounds = (
            (session.step >= agent.max_steps, f"{agent.max_steps} steps without an end"),
            (self.plugs.clock.now() - session.opened_at > agent.max_s, f"{agent.max_s:g} s have passed"),
            (len(failed) >= agent.max_fixes, f"{len(failed)} fixes did not work"),
            (session.idle >= IDLE_MOST, f"{session.idle} steps brought nothing new"),
        )
        return next((f"stopped: {why}; a person must look" for over, why in bounds if over), "")

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
        entry = self.entry(session, "brain.asked" if asked else "brain.proposed", {"step": number, "answer": wire.dump(answer)})
        moved = replace(session, step=number, current=current, plan=plan, phase=Phase.OPEN, waiting="", wake_at=0.0)
        return await self.save(moved, entry, puts=(put,))

    def _digests(self, session: Session, answer: Propose) -> tuple[Digest, ...]:
        """Give the digests of a plan's steps. A step whose arguments are not exact yet has none: it is not covered by a yes to the plan."""
        visit = self.visit(session)
        admitted = (self.door.admit(one, visit, "plan") for one in answer.plan)
        return tuple(action.digest for action, fault in admitted if not fault)

    async def _in_hand(self, session: Session) -> tuple[Deed | None, Wait | None]:
        """Take the action in hand one move further; a Wait says that it cannot go on by itself."""
        visit = self.visit(session)
        deed = self.door.find(session.current)
        if deed is None:
            deed = await self._submit(session)
        elif deed.status in (Status.RUNNING, Status.UNKNOWN):
            deed = await self.recover.settle(deed, visit)
        elif deed.status in (Status.PROPOSED, Status.HELD, Status.ALLOWED):
            deed = await self._held(deed, visit)
        if deed.status is Status.HELD:
            return deed, self._held_wait(deed)
        if deed.status is Status.DONE and deed.action.purpose is Purpose.FIX and deed.verified is None:
            deed, at = await self.verify.look(deed, visit, self.visit(session, observer=True))
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
            answer.proposal, self.visit(session, covers=tuple(Digest(one) for one in covers), card=card), session.current
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
            return Wait(reason="pace", at=now + self.door.rate(deed.action.kind)[1])
        return Wait(reason=deed.decision, at=now + FREEZE_LOOK_S)

    async def _put_back(self, session: Session, deed: Deed) -> tuple[Deed, Wait | None]:
        """Unwind a hypothesis whose verification failed: every fix of it that stands, latest first. Safe to call again after a crash.

        An undo that a person began is ended, and nothing else. Gives the deed in hand as it is then, or the one whose undo is stuck,
        which a person must settle.
        """
        rows = self.plugs.store.rows("action", session=session.id, limit=5000)
        deeds = [replace(wire.parse(Deed, row.body), version=row.version) for row in rows]
        worst: Deed | None = None
        for one in order(deeds, deed.action.hypothesis) if deed.verified is False else (deed,):
            undone = await self.unwind.undo(one, self.visit(session), f"verification failed: {deed.verify_note}")
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
        return await self.save(replace(session, current="", idle=session.idle + 1 if fruitless else 0, waiting="", phase=Phase.OPEN))

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
        entries, puts = self.ended_keys(session, "session closed")
        closed = await self.save(closed, self.entry(session, "session.closed", body), *entries, puts=(*self._released(session), *puts))
        self.forget(session.id)
        self.plugs.engine.wake("")  # a lease is free: signals that waited for it may open their own session
        return closed

    def _released(self, session: Session) -> tuple[Put, ...]:
        lease = self.plugs.store.find("lease", session.target)
        if lease is None or lease.session != session.id:
            return ()
        return (Put(table="lease", id=lease.id, expect=lease.version, body={}, state="free"),)


def row_of(session: Session) -> Put:
    """Give the row of a session."""
    return Put(
        table="session",
        id=session.id,
        expect=session.version,
        body=wire.dump(session),
        state=session.phase.value,
        session=session.id,
        due_at=session.wake_at,
    )
