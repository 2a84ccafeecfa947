"""Freeze and thaw. The switch itself is a file, so that it works with the server down; what the server sees of it, it records."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from flyball import wire
from flyball.core.keys import Who
from flyball.errors import BadInput, Conflict, Denied, Moved, NotFound
from flyball.model.grant import Freeze, Sort
from flyball.model.log import Change, Entry, Put
from flyball.ports import Plugs
from flyball.rules.checks.freeze import is_scope


class Switch:
    """Freezes, thaws for a while, lifts for good."""

    def __init__(self, plugs: Plugs) -> None:
        """Keep the ports."""
        self.plugs = plugs

    async def freeze(self, who: Who, scope: str, reason: str, *, undoing: bool = False) -> Freeze:
        """Stop doing (and undoing) in a scope at once: the file is written first, the record second."""
        who.needs("operate")
        if not is_scope(scope):
            raise BadInput("that is no scope", "a scope is all, agent:NAME, target:NAME or kind:NAME", "flyball freeze all --reason ...")
        if not reason.strip():
            raise BadInput("a reason is missing", "it is shown to everybody whose work stops", "add --reason")
        freeze = Freeze(
            id=self.plugs.clock.new_id("f"),
            scope=scope,
            reason=reason.strip(),
            by=who.principal.id,
            at=self.plugs.clock.now(),
            undoing=undoing,
        )
        self.plugs.freezer.freeze(freeze)
        await self.notice()
        return freeze

    async def thaw(self, who: Who, name: str, reason: str, for_s: float) -> Freeze:
        """Pause a freeze until an end time; after it the freeze is in force again. Only a person thaws."""
        freeze = self._mine(who, name, reason)
        await self.notice()  # a freeze made while nobody looked is recorded before its thaw
        if for_s <= 0:
            raise BadInput("a thaw needs an end", "it holds for more than zero seconds and then ends", "add --for 30m")
        thawed = replace(freeze, thawed_until=self.plugs.clock.now() + for_s, thawed_by=who.principal.id, thaw_reason=reason.strip())
        self.plugs.freezer.freeze(thawed)
        await self.notice()
        return thawed

    async def lift(self, who: Who, name: str, reason: str) -> None:
        """Remove a freeze for good. Only a person lifts."""
        freeze = self._mine(who, name, reason)
        body = {"id": name, "scope": freeze.scope, "reason": reason.strip()}
        row = self.plugs.store.find("freeze", name)
        puts = (Put(table="freeze", id=name, expect=row.version, body={**row.body, "lifted": True}, state="lifted"),) if row else ()
        entry = Entry(name="freeze.lifted", who=who.principal.id, origin=who.origin, body=body)
        try:
            await self.plugs.store.commit(Change(entries=(entry,), puts=puts))
        except Conflict:
            raise Moved(f"freeze {name} has just changed", "it was written at the same moment", "look again, then repeat") from None
        self.plugs.freezer.lift(name)  # last: a crash in between leaves it frozen

    def _mine(self, who: Who, name: str, reason: str) -> Freeze:
        who.needs("operate")
        if who.principal.sort is not Sort.PERSON:
            raise Denied(f"{who.principal.id} may not thaw", "only a person may", "sign in as a person")
        if not reason.strip():
            raise BadInput("a reason is missing", "a thaw is recorded with its reason", "add --reason")
        for freeze in self.plugs.freezer.freezes():
            if freeze.id == name:
                return freeze
        raise NotFound(f"there is no freeze {name!r}", "", "flyball freeze list")

    async def notice(self) -> None:
        """Record every freeze and thaw on file that the log does not know yet: also those made while the server was down."""
        for freeze in self.plugs.freezer.freezes():
            row = self.plugs.store.find("freeze", freeze.id)
            body: dict[str, Any] = wire.dump(freeze)
            if row is not None and row.body == body:
                continue
            thawed = row is not None and freeze.thawed_until > 0
            entry = Entry(name="freeze.thawed" if thawed else "freeze.set", who=freeze.thawed_by if thawed else freeze.by, body=body)
            put = Put(table="freeze", id=freeze.id, expect=row.version if row else 0, body=body, state="set")
            with suppress(Conflict):  # somebody else has just recorded it
                await self.plugs.store.commit(Change(entries=(entry,), puts=(put,)))
