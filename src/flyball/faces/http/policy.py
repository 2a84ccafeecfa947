"""Endpoints about policy: bundles for OPAs, their decision logs, questions in OPA's form, loading again."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from flyball.backends.policy_answer import PolicyError
from flyball.backends.policy_native import QueryFault
from flyball.backends.policy_shelf import Shelf
from flyball.errors import BadInput, NotFound
from flyball.faces.http.body import said
from flyball.faces.http.guard import Caller, TheHouse
from flyball.model.log import Change, Entry

router = APIRouter(prefix="/v1", tags=["policy"])
MOST_UNPACKED = 16 * 1_048_576
MOST_EVENTS = 5_000
MOST_RESULT = 4_096
_MEND = "send what OPA's decision log service sends: a gzipped JSON array of events"


def shelf_of(request: Request) -> Shelf:
    """Give the policies of this server. Raises NotFound where it was built without."""
    shelf: Shelf | None = getattr(request.app.state, "shelf", None)
    if shelf is None:
        raise NotFound("this server has no policies of its own", "", "flyball up serves them")
    return shelf


TheShelf = Annotated[Shelf, Depends(shelf_of)]


@router.get("/bundles/{name}")
async def bundle(name: str, request: Request, who: Caller, shelf: TheShelf) -> Response:
    """Give the policies as an OPA bundle (`flyball`), or 304 where the caller has it already."""
    who.needs("read")
    etag, raw = shelf.bundle(name.removesuffix(".tar.gz"))
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return Response(raw, media_type="application/gzip", headers={"ETag": etag})


@router.post("/logs", status_code=204)
@router.post("/logs/{partition}", status_code=204)
async def logs(request: Request, who: Caller, house: TheHouse, shelf: TheShelf) -> Response:
    """Take an OPA's decision log: each decision becomes an entry of the log."""
    who.needs("signal")
    events = list(read_events(await request.body(), request.headers.get("content-encoding", "")))
    entries = tuple(Entry(name="policy.decided", who=who.principal.id, origin=who.origin, body=entry_body(one)) for one in events)
    if entries:
        await house.plugs.store.commit(Change(entries=entries))
    kept = shelf.native.kept
    for one in events if kept is not None else ():
        if isinstance(one.get("input"), Mapping) and isinstance(one.get("result"), Mapping) and kept is not None:
            kept.write(one)
    return Response(status_code=204)


def read_events(raw: bytes, coding: str) -> Iterator[dict[str, Any]]:
    """Unpack and check a batch. Raises BadInput with one line that names the first event that is none."""
    if coding == "gzip":
        unpack = zlib.decompressobj(wbits=31)
        try:
            raw = unpack.decompress(raw, MOST_UNPACKED)
        except zlib.error as fault:
            raise BadInput("the batch is not gzipped", str(fault), _MEND) from fault
        if unpack.unconsumed_tail or not unpack.eof:
            raise BadInput("the batch is cut off, or too large", f"at most {MOST_UNPACKED} bytes are unpacked", _MEND)
    try:
        found = orjson.loads(raw)
    except ValueError as fault:
        raise BadInput("the batch is no JSON", str(fault)[:200], _MEND) from fault
    if not isinstance(found, list) or len(found) > MOST_EVENTS:
        raise BadInput("the batch is no list of events", f"it is a list of at most {MOST_EVENTS}", _MEND)
    for place, one in enumerate(found):
        if not isinstance(one, dict) or not all(isinstance(one.get(name), str) for name in ("decision_id", "timestamp")):
            raise BadInput(f"event {place} of the batch is none", "it has no decision_id or no timestamp", _MEND)
        yield one


def entry_body(event: Mapping[str, Any]) -> dict[str, Any]:
    """What the log keeps of a decision that was made elsewhere: bounded, the input as a digest."""
    result = orjson.dumps(event.get("result")).decode()
    bundles = event.get("bundles")
    revisions = (
        {name: one.get("revision", "") for name, one in bundles.items() if isinstance(one, dict)} if isinstance(bundles, dict) else {}
    )
    return {
        "decision_id": event["decision_id"][:128],
        "at": event["timestamp"][:64],
        "path": str(event.get("path", ""))[:256],
        "revisions": orjson.dumps(revisions, option=orjson.OPT_SORT_KEYS).decode()[:1024],
        "labels": orjson.dumps(event.get("labels"), option=orjson.OPT_SORT_KEYS).decode()[:1024],
        "input": f"sha256:{hashlib.sha256(orjson.dumps(event.get('input'), option=orjson.OPT_SORT_KEYS)).hexdigest()}",
        "result": result[:MOST_RESULT],
    }


@router.post("/data/{path:path}")
async def data(path: str, request: Request, who: Caller, shelf: TheShelf) -> Response:
    """Answer `{"input": ...}` with `{"result": ..., "decision_id": ...}`, as OPA's data API does; no result is undefined."""
    who.needs("read")
    raw = await request.body()
    doc = await said(request) if raw else {}
    try:
        found = await asyncio.to_thread(shelf.native.query, path.strip("/"), doc)
    except QueryFault as fault:
        return JSONResponse({"code": "internal_error", "message": str(fault)}, status_code=500)
    return JSONResponse({**found, "decision_id": hashlib.sha256(raw).hexdigest()[:32]})


@router.get("/policy")
async def shown(who: Caller, house: TheHouse, shelf: TheShelf) -> dict[str, Any]:
    """Show who answers for policy, with which set."""
    who.needs("read")
    policy = house.plugs.policy
    engine = "opa" if shelf.opa is not None else "native"
    return {"engine": engine, "digest": policy.digest, "rules": policy.count, "fault": shelf.opa.fault if shelf.opa is not None else ""}


@router.post("/policy/reload")
async def reload(who: Caller, shelf: TheShelf) -> dict[str, Any]:
    """Load the policies again. A set that fails the gate is refused, and the one that runs stays."""
    who.needs("operate")
    try:
        return await shelf.reload(str(who.principal.id))
    except PolicyError as fault:
        raise BadInput(fault.what, fault.why, fault.fix) from fault
