"""Who is calling: a bearer key or the console's cookie. No call is anonymous, localhost included; every refusal is recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flyball.core.house import House
from flyball.core.keys import Who
from flyball.errors import Denied, SignInNeeded, StoreError, StoreFull, UserError

COOKIE = "flyball"
MOST_BODY = 1_048_576


def house_of(request: Request) -> House:
    """Give the house that this server serves."""
    house: House = request.app.state.house
    return house


def credential_of(request: Request) -> str:
    """Give the key that a request carries, or ""."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.cookies.get(COOKIE, "")


async def who_of(request: Request) -> Who:
    """Authenticate. Raises SignInNeeded; a cookie counts for a change only from our own pages."""
    house, credential = house_of(request), credential_of(request)
    origin = f"http {request.client.host if request.client else 'unknown'}"
    try:
        who = house.keys.authenticate(credential, origin)
        bearer = request.headers.get("authorization", "").partition(" ")[0].lower() == "bearer"
        if not bearer and request.method not in ("GET", "HEAD") and not same_site(request):
            raise house.keys.refusal()
    except SignInNeeded:
        await house.keys.refused(credential, origin, f"{request.method} {request.url.path}")
        raise
    request.state.who = who
    return who


def same_site(request: Request) -> bool:
    """Say whether a request with a cookie comes from our own pages."""
    origin = request.headers.get("origin", "")
    return origin.partition("://")[2] == request.headers.get("host", "") and bool(origin)


Caller = Annotated[Who, Depends(who_of)]
TheHouse = Annotated[House, Depends(house_of)]


async def told(request: Request, fault: Exception) -> Response:
    """Answer with what, why, fix and the status of the error; a denial is recorded."""
    if isinstance(fault, Denied):
        with suppress(StoreError):  # a full disk: the answer stays a no
            await house_of(request).keys.denied(getattr(request.state, "who", None), f"{request.method} {request.url.path}: {fault.why}")
    if isinstance(fault, UserError):
        return JSONResponse({"what": fault.what, "why": fault.why, "fix": fault.fix}, status_code=fault.status)
    if isinstance(fault, RequestValidationError):
        first = fault.errors()[0]
        what = f"{'/'.join(str(part) for part in first['loc'])}: {first['msg']}"
        return JSONResponse({"what": what, "why": "the call does not fit the API", "fix": "see /v1/openapi.json"}, status_code=422)
    full = isinstance(fault, StoreFull)
    what = str(fault) if full else "the server could not do this"
    why = "nothing was written, so nothing was done" if full else type(fault).__name__
    return JSONResponse({"what": what, "why": why, "fix": "flyball doctor"}, status_code=503)


class Limit:
    """ASGI middleware: refuse bodies over the limit before they are read into memory, and say so in one line."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the app."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what comes in."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MOST_BODY:
            await _too_large(scope, receive, send)
            return
        seen = 0
        begun = False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MOST_BODY:
                raise TooMuch
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except TooMuch:
            if not begun:
                await _too_large(scope, receive, send)


class TooMuch(BaseException):
    """Ends the reading of a body that says no length and goes on and on. No handler of the app may take it for an error of its own."""


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    doc = {"what": "the body is too large", "why": f"at most {MOST_BODY} bytes are taken", "fix": "send less at once"}
    await JSONResponse(doc, status_code=413)(scope, receive, send)


Handler = Callable[[Request, Exception], Awaitable[Response]]
