"""All of the core, put together over its plugs. `compose` builds one; faces hold it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flyball import wire
from flyball.core.advance import Advance
from flyball.core.approvals import Approvals
from flyball.core.attempt import Attempt
from flyball.core.carry import Carry
from flyball.core.door import Door
from flyball.core.freeze import Switch
from flyball.core.inbox import Inbox
from flyball.core.keys import Keys, Who
from flyball.core.recover import Recover
from flyball.core.remote import Remote
from flyball.core.sessions import Sessions, row_of
from flyball.core.stray import Stray
from flyball.core.unwind import Unwind
from flyball.core.visit import Visit
from flyball.errors import BadInput, Conflict, Moved, NotFound
from flyball.model.action import Deed, Status
from flyball.model.log import Change, Entry, Put, Row
from flyball.model.provenance import Integrity
from flyball.model.session import Phase, Session
from flyball.ports import Plugs
from flyball.rules.provenance import Words
from flyball.rules.unwind import undoable


class House:
    """The door and everything behind it."""

    def __init__(self, plugs: Plugs) -> None:
        """Build the parts and tie the knots between them."""
        self.plugs = plugs
        self.keys = Keys(plugs.store, plugs.clock)
        self.door = Door(plugs, self.keys)
        self.attempt = Attempt(self.door)
        self.approvals = Approvals(self.door, self.attempt)
        self.recover = Recover(self.attempt)
        self.unwind = Unwind(self.attempt)
        self.door.attempt, self.door.approvals, self.attempt.recover = self.attempt, self.approvals, self.recover
        self.sessions = Sessions(self.door)
        self.carry = Carry(self.sessions, self.approvals, self.recover, self.unwind)
        self.stray = Stray(self.carry)
        self.loop = Advance(self.sessions, self.carry)
        self.remote = Remote(self.sessions, self.carry)
        self.inbox = Inbox(self.sessions)
        self.switch = Switch(plugs)

    async def advance(self, session: str) -> None:
        """Do what the engine wakes for: one session, or (with an empty name) the inbox."""
        if session:
            await self.loop.advance(session)
            try:
                await self.stray.of(session)
            except Conflict:
                self.plugs.engine.wake(session)  # somebody else wrote it in between: look again
        else:
            await self.inbox.drain()

    async def start(self) -> None:
        """Pick up where the last process ended: freezes noticed, strays ended, every session woken that does not wait for a person."""
        await self.switch.notice()
        await self.stray.sweep()
        for phase in (Phase.OPEN, Phase.PARKED):
            for row in self.plugs.store.rows("session", state=phase.value, limit=100_000):
                if not self._asleep(row):
                    self.plugs.engine.wake(row.id, 0.0 if row.body.get("waiting") in ("approval", "answer", "brain") else row.due_at)
                elif row.due_at:
                    self.plugs.engine.wake(row.id, row.due_at)
        self.plugs.engine.wake("")

    def _asleep(self, row: Row) -> bool:
        """Say whether a session waits for a person who has not answered: an answer may be durable whose wake was lost in a crash."""
        find, body = self.plugs.store.find, row.body
        if body.get("waiting") == "approval":
            approval = find("approval", str(body.get("current")))
            return approval is not None and approval.state == "waiting"
        if body.get("waiting") == "answer":
            step = find("step", f"{row.id}.{body.get('step')}")
            return step is not None and not step.body.get("reply")
        return bool(body.get("paused"))

    def load_session(self, name: str) -> Session:
        """Give a session. Raises NotFound."""
        session = self.sessions.find(name)
        if session is None:
            raise NotFound(f"there is no session {name!r}", "", "flyball sessions list")
        return session

    def load_deed(self, name: str) -> Deed:
        """Give a deed. Raises NotFound."""
        deed = self.door.find(name)
        if deed is None:
            raise NotFound(f"there is no action {name!r}", "", "flyball sessions show")
        return deed

    async def act(self, who: Who, said: dict[str, Any]) -> Deed:
        """Submit an action of an agent outside this process. Raises UserError; the deed says what became of it."""
        return await self.remote.act(who, self.load_session(who.key.session), said)

    async def roll_back(self, who: Who, name: str, reason: str) -> Deed:
        """Put one deed back because a person says so, for as long as its undo is kept."""
        who.needs("operate")
        who.gives(reason)
        deed = self.load_deed(name)
        session = self.load_session(deed.action.session)
        kept = deed.recipe.keep_until if deed.recipe else 0.0
        if not undoable(deed):
            why = f"it is {deed.status.value} or has no undo"
            raise Moved(f"action {name} cannot be rolled back", why, f"flyball sessions show {session.id}")
        if kept and self.plugs.clock.now() > kept:
            raise Moved(f"action {name} cannot be rolled back any more", "its undo is no longer kept", "repair by a new task spec")
        words = Words(origin=str(who.principal.id), integrity=Integrity.PRINCIPAL)
        return await self.unwind.undo(deed, Visit(who=who, session=session, words=words), reason)

    async def settle(self, who: Who, name: str, verdict: str, reason: str) -> None:
        """Record what a person found out about a stuck action. The action stays stuck; its record says who looked and what they saw."""
        who.needs("operate")
        who.gives(reason)
        deed = self.load_deed(name)
        if deed.status is not Status.STUCK or verdict not in ("done", "failed"):
            why = "only a stuck one is settled, as done or failed"
            raise BadInput(f"action {name} is {deed.status.value}", why, "flyball sessions show")
        body = {"verdict": verdict, "reason": reason}
        entry = Entry(name="action.ruled", who=who.principal.id, session=deed.action.session, action=name, origin=who.origin, body=body)
        ruled = replace(deed, why=f"{deed.why}; {who.principal.id} says {verdict}: {reason}")
        put = Put(table="action", id=name, expect=deed.version, body=wire.dump(ruled), state="stuck", session=deed.action.session)
        await self.plugs.store.commit(Change(entries=(entry,), puts=(put,)))

    async def reply(self, who: Who, name: str, text: str) -> None:
        """Answer the question that a session waits with."""
        who.needs("approve")
        who.gives(text)
        session = self.load_session(name)
        row = self.plugs.store.find("step", f"{session.id}.{session.step}")
        if session.waiting != "answer" or row is None:
            raise Moved(f"session {name} asks nothing", f"it is {session.phase.value}", f"flyball sessions show {name}")
        entry = Entry(
            name="brain.answered", who=who.principal.id, session=name, origin=who.origin, body={"step": session.step, "text": text}
        )
        body = {**row.body, "reply": text, "replied_by": who.principal.id}
        await self._commit(
            Change(entries=(entry,), puts=(Put(table="step", id=row.id, expect=row.version, body=body, session=name),)), name
        )
        self.plugs.engine.wake(name)

    async def steer(self, who: Who, name: str, verb: str, reason: str) -> Session:
        """Pause, resume or cancel a session."""
        who.needs("operate")
        who.gives(reason)
        session = self.load_session(name)
        if session.phase is Phase.CLOSED:
            raise Moved(f"session {name} is closed", "", f"flyball sessions show {name}")
        entry = Entry(name=f"session.{verb}", who=who.principal.id, session=name, origin=who.origin, body={"reason": reason})
        ended: tuple[Entry, ...] = ()
        puts: tuple[Put, ...] = ()
        if verb == "cancel":
            now = self.plugs.clock.now()
            session = replace(session, phase=Phase.CLOSED, outcome="cancelled", summary=reason, closed_at=now, epoch=session.epoch + 1)
            ended, puts = self.sessions.ended_keys(session, "session cancelled")
            puts = (*puts, *self.sessions.released(session))
        else:
            session = replace(session, paused=verb == "pause")
        await self._commit(Change(entries=(entry, *ended), puts=(row_of(session), *puts)), name)
        self.plugs.engine.wake(name)
        self.plugs.engine.wake("")
        return replace(session, version=session.version + 1)

    async def _commit(self, change: Change, name: str) -> None:
        try:
            await self.plugs.store.commit(change)
        except Conflict:
            raise Moved(f"session {name} has just moved on", "it was written at the same moment", "look again, then repeat") from None
