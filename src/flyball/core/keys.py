"""Keys and principals: who is calling, and on what authority. `faces` and `sessions` call it; no call is anonymous."""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from dataclasses import dataclass, replace
from typing import TypeVar

from flyball import wire
from flyball.errors import BadInput, Denied, SignInNeeded
from flyball.model.grant import Grant, Key, Principal, Sort, Standing
from flyball.model.ids import Doc, GrantId, KeyId, PrincipalId, SessionId
from flyball.model.log import Change, Entry, Put, Row
from flyball.model.session import Session
from flyball.ports import Clock, Store

PREFIX = "fb"
PARTS = 4
MINUTE_S = 60.0
REASON_LEAST = 12
"""Characters of a justification: it goes into the log and is read by whoever comes after."""
REFUSALS_A_MINUTE = 120
"""Failed authentications that are written one by one; what comes on top in the same minute is counted."""
MOST_KNOWN = 4_096
"""Nouns kept parsed; past that they are parsed anew."""

T = TypeVar("T", Grant, Key, Principal, Session, Standing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """An authenticated caller. Authority is an argument, never ambient."""

    principal: Principal
    key: Key
    origin: str = ""  # from where: http 127.0.0.1, cli, engine

    def needs(self, scope: str) -> None:
        """Raise Denied where the key lacks a scope."""
        if scope not in self.key.scopes:
            raise Denied(f"{self.principal.id} may not do this", f"its key lacks the scope {scope!r}", "ask an admin for a key that has it")

    def gives(self, reason: str) -> None:
        """Raise Denied where this is no person, BadInput where the reason is too short for the log."""
        if self.principal.sort is not Sort.PERSON:
            raise Denied(f"{self.principal.id} may not do this", "only a person may", "sign in as a person")
        if len(reason.strip()) < REASON_LEAST:
            why = f"it goes into the log and takes {REASON_LEAST} characters or more"
            raise BadInput("a reason is missing", why, "say why, in a few words")


class Keys:
    """Mints, checks and revokes. Keys are opaque, minutes long, stored hashed, one per agent and session."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Keep the ports."""
        self._store, self._clock = store, clock
        self._known: dict[tuple[str, str], tuple[int, object]] = {}
        self._since, self._told, self._untold = -MINUTE_S, 0, 0

    def known(self, noun: type[T], table: str, name: str) -> T | None:
        """Give a noun as its row stands now. The row is looked up every time; one of a version that is known is not parsed again."""
        row = self._store.find(table, name)
        if row is None:
            return None
        version, known = self._known.get((table, name), (0, None))
        if version != row.version or not isinstance(known, noun):
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = wire.parse(noun, {**row.body, "version": row.version} if "version" in row.body else row.body)
            self._known[table, name] = (row.version, known)
        return known

    async def add(self, principal: Principal, *, by: str) -> None:
        """Write a principal, or its new groups, owner or state."""
        row = self._store.find("principal", principal.id)
        entry = Entry(name="principal.set", who=by, body=wire.dump(principal))
        put = Put(table="principal", id=principal.id, expect=row.version if row else 0, body=wire.dump(principal), state=principal.sort)
        await self._store.commit(Change(entries=(entry,), puts=(put,)))

    def find_principal(self, principal: str) -> Principal | None:
        """Give a principal as it is now."""
        return self.known(Principal, "principal", principal)

    async def mint(
        self, principal: Principal, scopes: tuple[str, ...], *, ttl_s: float, by: str, grant: Grant | None = None
    ) -> tuple[str, Key]:
        """Make a key and give its secret text, which is shown once and never stored."""
        now = self._clock.now()
        secret = base64.b32encode(self._clock.salt() + self._clock.salt()).decode().rstrip("=").lower()
        key = Key(
            id=KeyId(self._clock.new_id("k")),
            hash=hashlib.sha256(secret.encode()).hexdigest(),
            principal=principal.id,
            sort=principal.sort,
            scopes=scopes,
            grant=grant.id if grant else GrantId(""),
            session=grant.session if grant else SessionId(""),
            not_before=now,
            expires_at=now + ttl_s,
        )
        body: Doc = {"key": key.id, "principal": key.principal, "scopes": list(scopes), "expires_at": key.expires_at, "grant": key.grant}
        entry = Entry(name="key.issued", who=by, session=key.session, body=body)
        put = Put(table="key", id=key.id, expect=0, body=wire.dump(key), state="live", session=key.session, due_at=key.expires_at)
        await self._store.commit(Change(entries=(entry,), puts=(put,)))
        text = f"{PREFIX}_{key.id}_{secret}"
        return f"{text}_{zlib.crc32(text.encode()):08x}", key

    def authenticate(self, credential: str, origin: str) -> Who:
        """Give who presents a credential. Raises SignInNeeded, always with the same words: a guesser learns nothing."""
        key, now = self._find(credential), self._clock.now()
        if key is None or key.revoked or not key.not_before <= now < key.expires_at:
            raise self.refusal()
        principal = self.find_principal(key.principal)
        if principal is None or not principal.active or principal.sort is not key.sort:
            raise self.refusal()
        return Who(principal=principal, key=key, origin=origin)

    @staticmethod
    def refusal() -> SignInNeeded:
        """Give the one answer to every failed authentication."""
        return SignInNeeded(
            "sign-in needed", "no key was presented, or it does not count any more", "flyball login, or ask an admin for a key"
        )

    async def refused(self, credential: str, origin: str, what: str) -> None:
        """Record a failed authorisation: which key id it claimed, from where, for what; never the secret."""
        now = self._clock.now()
        if now - self._since >= MINUTE_S:
            self._since, self._told = now, 0
        if self._told >= REFUSALS_A_MINUTE:
            self._untold += 1  # counted, and told with the next one: a guesser must not be able to fill the disk
            return
        claimed = "".join(credential.split("_")[1:2])[:40] if credential.startswith(f"{PREFIX}_") else ""
        body: Doc = {"claimed": claimed if claimed.isalnum() else "", "what": what[:200], "untold_before": self._untold}
        self._told, self._untold = self._told + 1, 0
        await self._store.commit(Change(entries=(Entry(name="auth.refused", who="unknown", origin=origin, body=body),)))

    async def denied(self, who: Who | None, what: str) -> None:
        """Record that an authenticated caller asked for more than it may."""
        name, origin = (who.principal.id, who.origin) if who else ("unknown", "")
        await self._store.commit(Change(entries=(Entry(name="auth.denied", who=name, origin=origin, body={"what": what[:300]}),)))

    def _find(self, credential: str) -> Key | None:
        parts = credential.split("_")
        if len(parts) != PARTS or parts[0] != PREFIX or not credential.isascii():
            return None
        key = self.known(Key, "key", parts[1])
        hashed = hashlib.sha256(parts[2].encode()).hexdigest()
        whole = f"{zlib.crc32('_'.join(parts[:3]).encode()):08x}" == parts[3]
        return key if key and whole and hmac.compare_digest(hashed, key.hash) else None

    def load(self, key_id: str) -> Key | None:
        """Give a key as it is stored now."""
        return self.known(Key, "key", key_id)

    def chain(self, grant_id: str) -> tuple[tuple[Grant, ...], bool]:
        """Give the grants from the one in use up to its root, and whether none is missing."""
        found: list[Grant] = []
        wanted = grant_id
        while wanted and len(found) < 8:  # noqa: PLR2004 deeper chains are refused: the last one still names a parent
            grant = self.known(Grant, "grant", wanted)
            if grant is None:
                return tuple(found), False
            found.append(grant)
            wanted = grant.parent
        return tuple(found), bool(found) and not wanted

    async def revoke(self, key_id: str, *, by: str, reason: str) -> bool:
        """End a key at once; False where there is no live one."""
        row = self._store.find("key", key_id)
        if row is None or row.state != "live":
            return False
        entry, put = self.ended(row, by=by, reason=reason)
        await self._store.commit(Change(entries=(entry,), puts=(put,)))
        return True

    @staticmethod
    def ended(row: Row, *, by: str, reason: str) -> tuple[Entry, Put]:
        """Give the entry and the row that end a live key, for a transaction of the caller's."""
        key = replace(wire.parse(Key, row.body), revoked=True)
        entry = Entry(name="key.revoked", who=by, session=key.session, body={"key": key.id, "reason": reason})
        return entry, Put(table="key", id=key.id, expect=row.version, body=wire.dump(key), state="revoked", session=key.session)


def agent_principal(name: str, owner: str) -> Principal:
    """Give the principal of an agent."""
    return Principal(id=PrincipalId(f"agent:{name}"), sort=Sort.AGENT, owner=owner)
