"""The loop. `advance` is level-triggered: it reads the session, runs until it must wait or is closed, and may be called at any time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from flyball import wire
from flyball.core.door import Door
from flyball.core.keys import Who, agent_principal
from flyball.core.visit import Visit
from flyball.errors import Conflict
from flyball.model.grant import OBSERVER, Agent, Grant
from flyball.model.ids import Digest, Doc
from flyball.model.log import Change, Entry, Put
from flyball.model.provenance import Integrity
from flyball.model.session import Phase, Session
from flyball.rules.provenance import Words

SCOPES = ("act",)


class Sessions:
    """Moves sessions on. The engine sees to it that one session is advanced by one caller at a time."""

    def __init__(self, door: Door) -> None:
        """Keep the door."""
        self.door, self.plugs, self.keys = door, door.plugs, door.keys
        self._who: dict[str, tuple[Who, Who]] = {}
        self._epoch: dict[str, int] = {}

    def find(self, name: str) -> Session | None:
        """Give a session as it stands, or None."""
        return self.keys.known(Session, "session", name)

    async def save(self, session: Session, *entries: Entry, puts: tuple[Put, ...] = ()) -> Session:
        """Write the session's row with entries, fenced by its epoch; one that closes begins a new one."""
        change = Change(entries=entries, puts=(row_of(session), *puts), fence=(session.id, session.epoch - (session.phase is Phase.CLOSED)))
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
        if self.holds(session):
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

    def released(self, session: Session) -> tuple[Put, ...]:
        """Give what frees every lease that a session holds: on its own target, and on what else it acted on."""
        held = self.plugs.store.rows("lease", session=session.id, state="held")
        body = {"freed_at": self.plugs.clock.now()}
        return tuple(Put(table="lease", id=one.id, expect=one.version, body=body, state="free", session=session.id) for one in held)

    def adopt(self, session: Session, who: tuple[Who, Who]) -> None:
        """Hold the keys of a session that this process has just opened or taken over, and the epoch that they hold for."""
        self._who[session.id], self._epoch[session.id] = who, session.epoch

    def holds(self, session: Session) -> bool:
        """Say whether this process has opened or taken over a session as it stands, and nobody has since."""
        return session.id in self._who and self._epoch[session.id] == session.epoch

    def forget(self, name: str) -> None:
        """Let go of the keys of a session that is closed or lost."""
        self._who.pop(name, None)
        self._epoch.pop(name, None)

    async def credentials(self, session: Session) -> tuple[Who, Who]:
        """Mint one key for the agent and one for the observer of a session."""
        agent = self.plugs.rules.agents[session.agent]
        pairs = ((session.agent, session.grant, agent), (OBSERVER, session.observer_grant, agent))
        made = await asyncio.gather(*(self._credential(name, self.load_grant(grant), owner) for name, grant, owner in pairs))
        return made[0], made[1]

    def load_grant(self, name: str) -> Grant:
        """Give a grant. Raises LookupError."""
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
