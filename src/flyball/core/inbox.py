"""From outside to a session: raw bytes durable first, acknowledged second, understood third. One lease per target.

`faces` call `accept`; the engine calls `drain` and `dispatch`. What cannot be understood becomes a dead letter, never a lost one and
never one that blocks the next.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

from flyball import wire
from flyball.core.gather import SHOWN_S, shown_at
from flyball.core.guard import guard
from flyball.core.keys import Who
from flyball.core.sessions import Sessions, row_of
from flyball.errors import BadInput, Conflict, Moved, NotFound, TooLarge
from flyball.model.action import Reach, Zone
from flyball.model.grant import OBSERVER, Agent, Grant
from flyball.model.ids import Digest, Doc, GrantId, Json, SessionId, ValueId
from flyball.model.log import Change, Entry, Put, Row, Settle
from flyball.model.provenance import Integrity, Value
from flyball.model.session import Phase, Session, Signal
from flyball.rules.digest import commit, digest, even
from flyball.rules.trouble import joined

MOST_BYTES = 1_048_576
TRIES = 3
AT_ONCE = 1000
AGAIN_S = 1.0
MOST_NAME = 500  # characters of a signal's name in the entry that says what is wrong with it: it comes from outside
KEPT_HEADERS = ("content-type", "user-agent", "x-request-id")


class Inbox:
    """Takes deliveries in and opens sessions for what they say."""

    def __init__(self, sessions: Sessions) -> None:
        """Keep the loop that sessions are handed to."""
        self.sessions, self.plugs = sessions, sessions.plugs

    async def accept(self, source: str, raw: bytes, headers: Mapping[str, str], who: Who) -> tuple[str, bool]:
        """Write a delivery down. Gives its inbox id and whether it is new; durable on return. Raises NotFound, TooLarge."""
        who.needs("signal")
        plug = self.plugs.sources.get(source)
        if plug is None:
            raise NotFound(
                f"there is no source {source!r}", f"enabled are {', '.join(sorted(self.plugs.sources))}", "enable it in flyball.yaml"
            )
        if len(raw) > MOST_BYTES:
            raise TooLarge(f"the body has {len(raw)} bytes", f"at most {MOST_BYTES} are taken", "send fewer alerts at once")
        name = f"{source}:{plug.identify(raw, headers)}"
        seen = Settle(account=f"seen:{name}", held=0, spent=1)
        if self.plugs.store.find("inbox", name) is None:
            kept = {key: value for key, value in headers.items() if key in KEPT_HEADERS}
            salt = self.plugs.clock.salt()
            text = base64.b64encode(raw).decode()
            now = self.plugs.clock.now()
            body: dict[str, Json] = {"source": source, "raw": text, "headers": kept, "at": now, "from": who.principal.id}
            # Due when it came: what is read in another order could leave an alert firing that has resolved.
            put = Put(table="inbox", id=name, expect=0, body={**body, "tries": 0, "error": ""}, state="new", due_at=now)
            told: dict[str, Json] = {"inbox": name, "bytes": len(raw), "raw": commit(salt, "raw", text)}
            entry = Entry(name="signal.received", who=who.principal.id, origin=who.origin, body=told)
            try:
                await self.plugs.store.commit(Change(entries=(entry,), puts=(put,), settles=(seen,)))
            except Conflict:
                pass  # the same delivery arrived at the same moment: counted below
            else:
                self.plugs.engine.wake("")
                return name, True
        await self.plugs.store.commit(Change(settles=(seen,)))
        return name, False

    async def drain(self) -> None:
        """Understand what has arrived, oldest first, then open sessions. Called by the engine; safe to call again after a crash."""
        rows = self.plugs.store.rows("inbox", state="new", limit=AT_ONCE)
        if len(rows) == AT_ONCE:  # the rest in the next turn
            self.plugs.engine.wake("", self.plugs.clock.now())
        for row in rows:
            _, fault = await guard(self._read(row), 30.0)
            if fault:
                await self._again(row, fault)
        await self.dispatch()

    async def _read(self, row: Row) -> None:
        source, raw = str(row.body["source"]), base64.b64decode(str(row.body["raw"]))
        headers = row.body["headers"]
        plug = self.plugs.sources[source]
        try:
            signals = plug.read(raw, {key: str(value) for key, value in headers.items()} if isinstance(headers, Mapping) else {})
        except BadInput as bad:
            await self._bury(row, bad.lines())
            return
        told: dict[str, list[Signal]] = {}
        for signal in signals:
            told.setdefault(f"{signal.source}:{signal.key}", []).append(signal)
        puts = {name: self._signal(name, group) for name, group in told.items()}
        done = Put(table="inbox", id=row.id, expect=row.version, body={**row.body, "signals": sorted(puts)}, state="taken")
        await self.plugs.store.commit(Change(puts=(done, *puts.values())))
        for name in puts:
            found = self.plugs.store.find("signal", name)
            if found and found.session:
                self.plugs.engine.wake(found.session)

    def _signal(self, name: str, group: list[Signal]) -> Put:
        """Give the row of a trouble. One that comes back after it had resolved is new; a repeat of a known one is not."""
        row = self.plugs.store.find("signal", name)
        old = wire.parse(Signal, row.body) if row else None
        signal = joined(old, group)
        body = wire.dump(signal)
        if row is None or old is None:
            return Put(table="signal", id=name, expect=0, body=body, state="waiting" if signal.firing else "resolved")
        if not signal.firing:
            return Put(table="signal", id=name, expect=row.version, body=body, state="resolved", session=row.session)
        routed = row.state == "unrouted" and self._agent(signal) is not None  # told once, and again when it has somewhere to go
        anew = routed or row.state in ("resolved", "dead") or (row.state == "firing" and signal.at > old.at and self._closed(row.session))
        if anew:
            return Put(table="signal", id=name, expect=row.version, body=body, state="waiting")
        return Put(table="signal", id=name, expect=row.version, body=body, state=row.state, session=row.session)

    def _closed(self, session: str) -> bool:
        found = self.sessions.find(session)
        return found is None or found.phase is Phase.CLOSED

    async def _again(self, row: Row, fault: str) -> None:
        count = (tries if isinstance(tries := row.body["tries"], int) else 0) + 1
        if count >= TRIES:
            await self._bury(row, f"{fault} (after {count} tries)")
            return
        put = Put(table="inbox", id=row.id, expect=row.version, body={**row.body, "tries": count, "error": fault}, state="new")
        await self.plugs.store.commit(Change(puts=(put,)))
        self.plugs.engine.wake("", self.plugs.clock.now() + AGAIN_S)

    async def _bury(self, row: Row, why: str) -> None:
        entry = Entry(name="signal.dead", who=f"service:{row.body['source']}", body={"inbox": row.id, "why": why[:500]})
        put = Put(table="inbox", id=row.id, expect=row.version, body={**row.body, "error": why}, state="dead")
        await self.plugs.store.commit(Change(entries=(entry,), puts=(put,)))

    async def replay(self, name: str, who: Who) -> None:
        """Put a dead letter back in line. Raises NotFound."""
        who.needs("operate")
        row = self.plugs.store.find("inbox", name)
        if row is None or row.state != "dead":
            raise NotFound(f"there is no dead letter {name!r}", "", "flyball dlq list")
        entry = Entry(name="signal.replayed", who=who.principal.id, origin=who.origin, body={"inbox": name})
        put = Put(table="inbox", id=name, expect=row.version, body={**row.body, "tries": 0, "error": ""}, state="new")
        try:
            await self.plugs.store.commit(Change(entries=(entry,), puts=(put,)))
        except Conflict:
            raise Moved(f"dead letter {name} has changed", "somebody replayed it at the same moment", "flyball dlq list") from None
        self.plugs.engine.wake("")

    async def dispatch(self) -> None:
        """Open a session for every signal that waits and whose target nobody is working on."""
        for row in self.plugs.store.rows("signal", state="waiting", limit=100_000):
            _, fault = await guard(self._place(row), 30.0)
            if fault:
                entry = Entry(name="signal.dead", who="service:inbox", body={"signal": row.id[:MOST_NAME], "why": fault})
                put = Put(table="signal", id=row.id, expect=row.version, body=row.body, state="dead")
                await self.plugs.store.commit(Change(entries=(entry,), puts=(put,)))

    async def _place(self, row: Row) -> None:
        """Open a session for one signal, unless somebody works on its target already."""
        signal = wire.parse(Signal, row.body)
        lease = self.plugs.store.find("lease", signal.target)
        if lease is not None and lease.state == "held":
            return  # somebody works on that target: the end of that session looks here again
        if lease is not None and signal.at < shown_at(lease) - SHOWN_S and self.plugs.clock.now() < shown_at(lease):
            self.plugs.engine.wake("", shown_at(lease))  # it fired before that work ended, and may have passed with it
            return
        agent = self._agent(signal)
        if agent is None:
            await self._unrouted(row, signal)
            return
        try:
            session = await self._open(signal, row, agent, lease)
        except Conflict:
            return  # opened by somebody else at the same moment
        try:
            self.sessions.adopt(session, await self.sessions.credentials(session))
        finally:
            self.plugs.engine.wake(session.id)

    def _agent(self, signal: Signal) -> Agent | None:
        rules = self.plugs.rules
        name = signal.agent or rules.routes.get(signal.name) or rules.routes.get("", "")
        agent = rules.agents.get(name)
        return agent if agent and agent.enabled else None

    async def _unrouted(self, row: Row, signal: Signal) -> None:
        body = {"signal": row.id[:MOST_NAME], "why": "no enabled agent is routed to it"}
        entry = Entry(name="signal.unrouted", who=f"service:{signal.source}", body=body)
        put = Put(table="signal", id=row.id, expect=row.version, body=row.body, state="unrouted")
        await self.plugs.store.commit(Change(entries=(entry,), puts=(put,)))

    async def _open(self, signal: Signal, row: Row, agent: Agent, lease: Row | None) -> Session:
        """Open a session: grants narrowed to this work, the target leased, the signal kept as a value, in one transaction."""
        now, clock = self.plugs.clock.now(), self.plugs.clock
        name = SessionId(clock.new_id("s-"))
        grant, observer = self._grants(name, signal, agent, now)
        session = Session(
            id=name,
            key=row.id,
            title=signal.summary or f"{signal.name} on {signal.target}",
            agent=agent.name,
            target=signal.target,
            trigger=signal.source,
            phase=Phase.OPEN,
            epoch=1,
            opened_at=now,
            grant=grant.id,
            observer_grant=observer.id,
            signals=(row.id,),
            shadow=self.plugs.rules.shadow,
        )
        value = value_of(name, signal, clock.salt())
        about: Doc = {"signal": row.id, "name": signal.name, "target": signal.target}
        body = {**about, "agent": agent.name, "grant": wire.dump(grant)}
        entry = Entry(name="session.opened", who=f"service:{signal.source}", session=name, behalf=agent.owner, origin="engine", body=body)
        puts = (
            row_of(session),
            *(Put(table="grant", id=one.id, expect=0, body=wire.dump(one), session=name) for one in (grant, observer)),
            Put(table="lease", id=signal.target, expect=lease.version if lease else 0, body={}, state="held", session=name),
            Put(table="signal", id=row.id, expect=row.version, body=row.body, state="firing", session=name),
            Put(table="value", id=value.id, expect=0, body=wire.dump(value), session=name),
        )
        await self.plugs.store.commit(Change(entries=(entry,), puts=puts))
        return replace(session, version=1)

    def _grants(self, session: SessionId, signal: Signal, agent: Agent, now: float) -> tuple[Grant, Grant]:
        """Give the agent's grant, narrowed to this target and what it depends on, and the observer's: a read-only child in all but name."""
        rules = self.plugs.rules
        target = rules.catalogue.get(signal.target)
        near = (target.name, *target.depends_on) if target else ()
        targets = tuple(one for one in near if one in agent.targets)
        reads = tuple(name for name in agent.kinds if name in self.plugs.kinds and self.plugs.kinds[name].spec.reach is Reach.READ)
        grant = Grant(
            id=GrantId(self.plugs.clock.new_id("g")),
            agent=agent.name,
            session=session,
            kinds=tuple(name for name in agent.kinds if name in self.plugs.kinds),
            targets=targets,
            envs=agent.envs,
            regions=agent.regions or tuple(sorted({rules.catalogue[one].region for one in targets})),
            ceiling=agent.ceiling,
            uses=agent.max_steps,
            budget_micros=agent.budget_micros,
            not_before=now,
            expires_at=now + agent.max_s + rules.key_s,
        )
        name = GrantId(self.plugs.clock.new_id("g"))
        return grant, replace(grant, id=name, agent=OBSERVER, kinds=reads, ceiling=Zone.GREEN)


def value_of(session: SessionId, signal: Signal, salt: bytes) -> Value:
    """Give a signal as a value: observed, whatever it says."""
    whole = wire.plain(signal)
    body = {name: whole[name] for name in ("name", "summary", "labels", "annotations", "body")}
    return Value(
        id=ValueId(f"{session}.signal"),
        digest=Digest(digest(even(body))),
        origin=f"source:{signal.source}",
        integrity=Integrity.OBSERVED,
        body=body,
        salt=base64.b64encode(salt).decode(),
    )
