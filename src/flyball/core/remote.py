"""Agents outside this process: they get a key for one session and submit actions with it. Called by `house`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from flyball import wire
from flyball.core.carry import Carry
from flyball.core.keys import Who, agent_principal
from flyball.core.sessions import SCOPES, Sessions
from flyball.core.visit import Visit
from flyball.errors import BadInput, Conflict, Denied, Fenced, Moved, NotReady
from flyball.model.action import Deed, Proposal, Purpose, Reach
from flyball.model.grant import Key, Sort
from flyball.model.provenance import Integrity
from flyball.model.session import Phase, Session
from flyball.rules.lifecycle import SETTLED
from flyball.rules.provenance import Words

BRAIN = "remote"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
KEY_S = 3600.0
LONGEST_KEY_S = 8 * 3600.0


class Remote:
    """The way in for a brain that runs elsewhere. Its sessions are opened by signals like all others."""

    def __init__(self, sessions: Sessions, carry: Carry) -> None:
        """Keep the sessions, and what carries on what a remote action leaves open."""
        self.sessions, self.carry = sessions, carry
        self.door, self.plugs = sessions.door, sessions.plugs

    async def mint(self, who: Who, session: Session, ttl_s: float = KEY_S) -> tuple[str, Key]:
        """Make a key for the agent of one open session. It ends with the session, or when a server takes the session over."""
        who.needs("admin")
        agent = self.plugs.rules.agents[session.agent]
        if who.principal.sort is not Sort.PERSON:
            raise Denied(f"{who.principal.id} may not do this", "only a person gives an agent its key", "sign in as a person")
        if agent.brain != BRAIN:
            raise BadInput(
                f"agent {agent.name} needs no key", f"its brain is {agent.brain!r} and runs in the server", f"set brain: {BRAIN}"
            )
        if not 0 < ttl_s <= LONGEST_KEY_S:
            raise BadInput("a key needs an end", f"ttl_s is more than 0 and at most {LONGEST_KEY_S:.0f}", "give ttl_s")
        self._open(session)
        principal = agent_principal(agent.name, agent.owner)
        return await self.sessions.keys.mint(
            principal, SCOPES, ttl_s=ttl_s, by=who.principal.id, grant=self.sessions.load_grant(session.grant)
        )

    async def act(self, who: Who, session: Session, said: dict[str, Any]) -> Deed:
        """Submit an action. `name` in what is said is its idempotency key: the same name is the same action. Raises UserError."""
        who.needs("act")
        self._open(session)
        short = str(said.pop("name", "")) or self.plugs.clock.new_id("r")
        if not NAME.fullmatch(short):
            raise BadInput("the action's name does not serve", "a name is 1 to 64 of A-Z a-z 0-9 _ -", "name it otherwise, or not at all")
        name = f"{session.id}.{short}"
        proposal = self._named(wire.parse(Proposal, said))
        words = Words(origin=str(who.principal.id), integrity=Integrity.OBSERVED)  # a model outside: its literals are what it has read
        if name in self.carry.abroad:
            raise Moved(f"action {name} is being carried out", "the same name was submitted a moment ago", f"GET /v1/actions/{name}")
        self.carry.abroad.add(name)
        deed: Deed | None = None
        try:
            deed = await self.door.submit(proposal, Visit(who=who, session=session, words=words), name)
        except Fenced:
            raise Moved(f"session {session.id} was taken over", "its keys have ended", "get a new key, then ask again") from None
        except Conflict:
            raise Moved(f"action {name} has just moved on", "it was written at the same moment", f"GET /v1/actions/{name}") from None
        finally:
            self.carry.abroad.discard(name)
            if deed is None or deed.status not in SETTLED or self.carry.unproven(deed):
                self.plugs.engine.wake(session.id)  # what is left open, also by a fault in the middle, is carried on from there
        return deed

    def _named(self, proposal: Proposal) -> Proposal:
        """Call a change a fix, whatever its proposer calls it: fixes are proven, put back and counted."""
        kind = self.plugs.kinds.get(proposal.kind)
        change = kind is not None and kind.spec.reach is Reach.WRITE and proposal.purpose is not Purpose.NOTIFY
        return replace(proposal, purpose=Purpose.FIX) if change and proposal.purpose is not Purpose.FIX else proposal

    def _open(self, session: Session) -> None:
        """Refuse where the session takes no actions now. Raises Moved or NotReady."""
        if session.phase is Phase.CLOSED or session.paused:
            state = "closed" if session.phase is Phase.CLOSED else "paused"
            raise Moved(f"session {session.id} is {state}", "it takes no actions", f"flyball sessions show {session.id}")
        if not self.sessions.holds(session):
            self.plugs.engine.wake(session.id)
            raise NotReady(
                f"session {session.id} is being picked up", "the server has just started", "get a new key in a moment, then ask again"
            )
