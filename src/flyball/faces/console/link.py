"""One-time links: how a person gets into the console without typing a key. `flyball up` prints one; `/login/<token>` consumes it.

A link is a row of the table `link`: its id is the SHA-256 of the token, so that reading the database gives nobody a way in. It is used
once (compare-and-set from live to used) and ends by itself.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from flyball.core.house import House
from flyball.errors import Conflict, NotFound, SignInNeeded
from flyball.model.grant import Key
from flyball.model.ids import Doc
from flyball.model.log import Change, Entry, Put

TABLE = "link"
KEY_S = 12 * 3600.0
"""How long a person stays signed in."""


async def mint_link(house: House, principal: str, scopes: Sequence[str], ttl_s: float) -> str:
    """Make a one-time link for a principal that exists and give its token: the page is `/login/<token>`.

    The key that it turns into holds `scopes` for twelve hours. Raises NotFound where there is no such principal.
    """
    if house.keys.find_principal(principal) is None:
        raise NotFound(f"there is no principal {principal!r}", "a link signs in somebody who exists", "flyball keys create")
    clock = house.plugs.clock
    token = base64.b32encode(clock.salt() + clock.salt()).decode().rstrip("=").lower()
    expires_at = clock.now() + ttl_s
    body: Doc = {"principal": principal, "scopes": list(scopes), "expires_at": expires_at}
    entry = Entry(name="link.made", who=principal, body=body)
    put = Put(table=TABLE, id=_name(token), expect=0, body=body, state="live", due_at=expires_at)
    await house.plugs.store.commit(Change(entries=(entry,), puts=(put,)))
    return token


async def use_link(house: House, token: str, origin: str) -> tuple[str, Key]:
    """Use a link up and give a fresh key with its text. Raises SignInNeeded, always with the same words, where it does not count."""
    row = house.plugs.store.find(TABLE, _name(token)) if token.isascii() else None
    who = str(row.body.get("principal", "")) if row else ""
    principal, now = house.keys.find_principal(who) if who else None, house.plugs.clock.now()
    if row is None or row.state != "live" or now >= row.due_at or principal is None or not principal.active:
        raise refusal()
    entry = Entry(name="link.used", who=who, origin=origin, body={"principal": who})
    put = Put(table=TABLE, id=row.id, expect=row.version, body=row.body, state="used")
    try:
        await house.plugs.store.commit(Change(entries=(entry,), puts=(put,)))
    except Conflict:
        raise refusal() from None
    scopes = row.body.get("scopes")
    names = tuple(str(one) for one in scopes) if isinstance(scopes, list | tuple) else ()
    return await house.keys.mint(principal, names, ttl_s=KEY_S, by=who)


def refusal() -> SignInNeeded:
    """Give the one answer to every link that does not count: used, ended, never made."""
    return SignInNeeded("this link does not count any more", "a link works once and for a short time", "flyball login prints a new one")


def _name(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
