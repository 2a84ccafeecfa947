"""Endpoints where people answer and stop things: approvals, reviews, freezes, dead letters, keys, standing grants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request

from flyball import wire
from flyball.errors import BadInput, Denied, NotFound
from flyball.faces.console.link import mint_link
from flyball.faces.http.body import said
from flyball.faces.http.guard import Caller, TheHouse
from flyball.model.grant import Principal, Sort, Standing
from flyball.model.ids import PrincipalId
from flyball.model.log import Change, Entry, Put
from flyball.views import approval as approvals

router = APIRouter(prefix="/v1", tags=["people"])
SCOPES = ("read", "signal", "act", "approve", "review", "operate", "admin")
LONGEST_STANDING_S = 8 * 3600.0
MOST_USES = 100
LINK_S = 900.0
LONGEST_KEY_S = 90 * 86_400.0


@router.get("/approvals")
async def listed(who: Caller, house: TheHouse, state: str = "waiting") -> dict[str, Any]:
    """List approvals, oldest deadline first."""
    who.needs("read")
    return {"approvals": approvals.waiting(house.plugs.store, state)}


@router.get("/approvals/{name}")
async def shown(name: str, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Show an approval's card."""
    who.needs("read")
    card = approvals.find(house.plugs.store, name)
    if card is None:
        raise NotFound(f"there is no approval {name!r}", "", "flyball approvals list")
    return card


@router.post("/approvals/{name}/{verb}")
async def answer(name: str, verb: str, request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Approve, reject, edit or ask for changes: with the digest that was shown and a reason."""
    approval = await house.approvals.answer(name, who, verb, await said(request))
    return {**wire.dump(approval), "action": f"{name}e1" if verb == "edit" else name}


@router.get("/reviews")
async def reviews(who: Caller, house: TheHouse, state: str = "waiting") -> dict[str, Any]:
    """List yellow actions that wait for a look, earliest deadline first."""
    who.needs("read")
    return {"reviews": [row.body for row in house.plugs.store.rows("review", state=state)]}


@router.post("/reviews/{name}")
async def review(name: str, request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Record the look at a yellow action."""
    return wire.dump(await house.approvals.review(name, who, await said(request)))


@router.get("/freezes")
async def freezes(who: Caller, house: TheHouse) -> dict[str, Any]:
    """List freezes, thawed ones too."""
    who.needs("read")
    return {"freezes": [wire.dump(one) for one in house.plugs.freezer.freezes()]}


@router.post("/freezes")
async def freeze(request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Freeze a scope."""
    doc = await said(request)
    made = await house.switch.freeze(who, str(doc.get("scope", "all")), str(doc.get("reason", "")), undoing=doc.get("undoing") is True)
    return wire.dump(made)


@router.post("/freezes/{name}/thaw")
async def thaw(name: str, request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Pause a freeze until an end."""
    doc = await said(request)
    for_s = doc.get("for_s", 0)
    return wire.dump(
        await house.switch.thaw(who, name, str(doc.get("reason", "")), float(for_s) if isinstance(for_s, int | float) else 0.0)
    )


@router.delete("/freezes/{name}")
async def lift(name: str, request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Lift a freeze for good."""
    await house.switch.lift(who, name, str((await said(request)).get("reason", "")))
    return {"lifted": name}


@router.get("/dlq")
async def letters(who: Caller, house: TheHouse) -> dict[str, Any]:
    """List dead letters."""
    who.needs("read")
    shown_ = ("source", "at", "error", "raw", "tries")
    rows = house.plugs.store.rows("inbox", state="dead")
    return {"letters": [{"id": row.id, **{name: row.body.get(name) for name in shown_}} for row in rows]}


@router.post("/dlq/{name}/replay")
async def replay(name: str, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Put a dead letter back in line."""
    await house.inbox.replay(name, who)
    return {"replayed": name}


@router.get("/keys")
async def keys(who: Caller, house: TheHouse) -> dict[str, Any]:
    """List live keys: never their secrets, which are not stored."""
    who.needs("admin")
    shown_ = ("id", "principal", "scopes", "session", "expires_at")
    return {"keys": [{name: row.body.get(name) for name in shown_} for row in house.plugs.store.rows("key", state="live", limit=5000)]}


@router.post("/keys")
async def mint(request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Make a key for a person or a service. Its text is in this answer and nowhere else."""
    who.needs("admin")
    doc = await said(request)
    name, scopes, ttl_s = str(doc.get("principal", "")), doc.get("scopes"), doc.get("ttl_s", 3600)
    sort = name.partition(":")[0]
    if sort not in (Sort.PERSON, Sort.SERVICE) or not name.partition(":")[2]:
        raise BadInput(
            f"{name!r} is no principal for a key",
            "it is person:NAME or service:NAME; agents get theirs with their session",
            "flyball keys create --help",
        )
    if not isinstance(scopes, list) or not scopes or any(one not in SCOPES for one in scopes):
        raise BadInput("a key needs scopes", f"they are {', '.join(SCOPES)}", "name each one")
    if not isinstance(ttl_s, int | float) or not 0 < ttl_s <= LONGEST_KEY_S:
        raise BadInput("a key needs an end", f"ttl_s is more than 0 and at most {LONGEST_KEY_S:.0f}", "flyball keys create --ttl 30d")
    if sort == Sort.SERVICE and {"approve", "review", "admin"} & set(scopes):
        raise Denied("a service may not approve", "approve, review and admin are for people", "give the key to a person")
    principal = house.keys.find_principal(name)
    if principal is None:
        principal = Principal(id=PrincipalId(name), sort=Sort(sort), owner=str(who.principal.id))
        await house.keys.add(principal, by=who.principal.id)
    text, key = await house.keys.mint(principal, tuple(scopes), ttl_s=float(ttl_s), by=who.principal.id)
    return {"key": text, "id": key.id, "expires_at": key.expires_at}


@router.delete("/keys/{name}")
async def revoke(name: str, who: Caller, house: TheHouse) -> dict[str, Any]:
    """End a key at once."""
    who.needs("admin")
    if not await house.keys.revoke(name, by=who.principal.id, reason="revoked by a person"):
        raise NotFound(f"there is no live key {name!r}", "", "flyball keys list")
    return {"revoked": name}


@router.post("/links")
async def link(request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Make a one-time link to the console: for oneself, or with the scope admin for somebody else; never with more scopes."""
    doc = await said(request)
    name, mine = str(doc.get("principal", "") or who.principal.id), str(who.principal.id)
    if who.principal.sort is not Sort.PERSON:
        raise Denied("only a person makes a link", "", "sign in as a person")
    if name != mine:
        who.needs("admin")
    scopes = [one for one in who.key.scopes if name == mine or one in ("read", "approve", "review", "operate")]
    token = await mint_link(house, name, scopes, LINK_S)
    return {"path": f"/login/{token}", "principal": name, "expires_at": house.plugs.clock.now() + LINK_S}


@router.get("/standing")
async def standing(who: Caller, house: TheHouse) -> dict[str, Any]:
    """List standing grants with what is left of them."""
    who.needs("read")
    rows = house.plugs.store.rows("standing")
    return {"standing": [{**row.body, "used": sum(house.plugs.store.counter(f"standing:{row.body.get('id')}"))} for row in rows]}


@router.post("/standing")
async def stand(request: Request, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Give a standing yes: exact agent, kind and target, bounded by time and count, never for destructive kinds."""
    who.needs("approve")
    doc, plugs = await said(request), house.plugs
    agent, kind, target = (str(doc.get(name, "")) for name in ("agent", "kind", "target"))
    uses, for_s, reason = doc.get("uses"), doc.get("for_s"), str(doc.get("reason", ""))
    if who.principal.sort is not Sort.PERSON:
        raise Denied("only a person gives a standing grant", "", "sign in as a person")
    if agent not in plugs.rules.agents or kind not in plugs.kinds or target not in plugs.rules.catalogue:
        raise BadInput("a standing grant names one known agent, kind and target", f"{agent!r}, {kind!r}, {target!r}", "flyball agents show")
    if plugs.kinds[kind].spec.destructive:
        raise Denied("no standing grant for a destructive kind", f"{kind} destroys", "approve it each time")
    bounded = isinstance(uses, int) and 1 <= uses <= MOST_USES and isinstance(for_s, int | float) and 0 < for_s <= LONGEST_STANDING_S
    if not bounded or not reason.strip():
        raise BadInput(
            "a standing grant needs bounds and a reason", f"uses of 1 to {MOST_USES}, for_s of at most 28800", "say how often and how long"
        )
    name = f"{agent}|{kind}|{target}"
    row = plugs.store.find("standing", name)
    grant = Standing(
        id=plugs.clock.new_id("y"),
        agent=agent,
        kind=kind,
        target=target,
        uses=uses if isinstance(uses, int) else 0,
        expires_at=plugs.clock.now() + (for_s if isinstance(for_s, int | float) else 0.0),
        by=who.principal.id,
        reason=reason,
    )
    entry = Entry(name="standing.given", who=who.principal.id, origin=who.origin, body=wire.dump(grant))
    put = Put(table="standing", id=name, expect=row.version if row else 0, body=wire.dump(grant), state="live")
    await plugs.store.commit(Change(entries=(entry,), puts=(put,)))
    return wire.dump(grant)


@router.delete("/standing/{name}")
async def unstand(name: str, who: Caller, house: TheHouse) -> dict[str, Any]:
    """Take a standing grant back."""
    who.needs("approve")
    for row in house.plugs.store.rows("standing", state="live"):
        if row.body.get("id") == name:
            ended = replace(wire.parse(Standing, row.body), revoked=True)
            entry = Entry(name="standing.revoked", who=who.principal.id, origin=who.origin, body={"id": name})
            put = Put(table="standing", id=row.id, expect=row.version, body=wire.dump(ended), state="revoked")
            await house.plugs.store.commit(Change(entries=(entry,), puts=(put,)))
            return {"revoked": name}
    raise NotFound(f"there is no standing grant {name!r}", "", "flyball grants list")
