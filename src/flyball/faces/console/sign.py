"""Signing in by a one-time link and out again; the static files. The only pages that anybody may see: they show no data."""

from __future__ import annotations

import gzip
import mimetypes
from functools import cache

from fastapi import APIRouter, Request, Response

from flyball.errors import NotFound, SignInNeeded
from flyball.faces.console.link import KEY_S, use_link
from flyball.faces.console.page import STATIC, Page, back, bare
from flyball.faces.http.guard import COOKIE, Caller, TheHouse, same_site

router = APIRouter(route_class=Page, include_in_schema=False)
mimetypes.add_type("font/woff2", ".woff2")


@router.get("/sign-in")
async def sign_in(request: Request, next: str = "/") -> Response:  # noqa: A002 the name that a reader of the address expects
    """Say how to sign in. A link from elsewhere lands here because the cookie stays home; one click goes on."""
    return bare(request, "sign.html", fault=None, next=local(next))


@router.get("/login/{token}")
async def shown(request: Request, token: str) -> Response:
    """Show a button: whoever only fetches a link, a chat's preview for instance, must not use it up."""
    return bare(request, "login.html", token=token)


@router.post("/login/{token}")
async def consumed(request: Request, token: str, house: TheHouse) -> Response:
    """Use the link up and set the cookie: HttpOnly, SameSite=Strict, twelve hours."""
    origin = f"http {request.client.host if request.client else 'unknown'}"
    try:
        key, _ = await use_link(house, token if same_site(request) else "", origin)
    except SignInNeeded:
        await house.keys.refused("", origin, "POST /login")
        raise
    answer = back("/")
    answer.set_cookie(COOKIE, key, max_age=int(KEY_S), path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


@router.post("/sign-out")
async def sign_out(who: Caller, house: TheHouse) -> Response:
    """End the key of this cookie and forget it."""
    await house.keys.revoke(who.key.id, by=who.principal.id, reason="signed out")
    answer = back("/sign-in")
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def local(path: str) -> str:
    """Give a path of ours, or / where it is anything else."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


@cache
def files() -> dict[str, tuple[bytes, bytes, str]]:
    """Read every static file once: plain, packed, type. What is not among them does not exist."""
    found = {}
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            packed = b"" if path.suffix == ".woff2" else gzip.compress(raw, 9, mtime=0)
            found[path.relative_to(STATIC).as_posix()] = (raw, packed, mimetypes.guess_type(path.name)[0] or "text/plain")
    return found


@router.get("/static/{name:path}")
async def static(request: Request, name: str) -> Response:
    """Give a static file; one that is asked for with its stamp never changes."""
    if name not in files():
        raise NotFound(f"there is no file {name!r}")
    raw, packed, sort = files()[name]
    keep = "public, max-age=31536000, immutable" if "v" in request.query_params else "public, max-age=3600"
    headers = {"Cache-Control": keep, "Vary": "Accept-Encoding"}
    if packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type=sort, headers={**headers, "Content-Encoding": "gzip"})
    return Response(raw, media_type=sort, headers=headers)
