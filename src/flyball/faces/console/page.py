"""How a page is made: templates, the headers of every answer, errors as pages, the frame around the content. Called by every page.

Every answer carries a strict content security policy: scripts only with the nonce of this one answer, no inline style, nothing from
elsewhere. Text is escaped by the templates and marked by `text.seen`, which sees every value that a template prints.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flyball import __version__
from flyball.core.house import House
from flyball.core.keys import Who
from flyball.errors import BadInput, FlyballError, NotReady, SignInNeeded, UserError
from flyball.faces.console import draw, text
from flyball.faces.http.guard import house_of, told

HERE = Path(__file__).parent
STATIC = HERE / "static"
"""Everything below is sent to anybody: no data lies there."""
STAMP = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(STATIC.rglob("*")) if path.is_file())).hexdigest()[:10]
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PLACES = (
    ("Operate", (("house", "Now", "/"), ("inbox", "Approvals", "/approvals"), ("eye", "Reviews", "/reviews"))),
    ("", (("activity", "Sessions", "/sessions"), ("archive-x", "Dead letters", "/letters"))),
    ("Govern", (("bot", "Agents", "/agents"), ("snowflake", "Freeze", "/freeze"), ("scroll-text", "Log", "/log"))),
)


def environment() -> Environment:
    """Build the templates' world: everything escaped, everything marked, a missing name is an error."""
    world = Environment(
        loader=FileSystemLoader(HERE / "template"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for one in (
        text.lasting,
        text.left,
        text.clock,
        text.moment,
        text.money,
        text.person,
        text.initials,
        text.argv,
        text.pretty,
        text.brief,
    ):
        world.filters[one.__name__] = one
    world.filters |= {"seal": text.seal, "diff": text.diff, "path": lambda part: quote(str(part), safe="")}
    world.globals |= {"icon": draw.icon, "bar": draw.bar, "ring": draw.ring, "lane": draw.lane, "stamp": STAMP, "version": __version__}
    return world


WORLD = environment()


class Page(APIRoute):
    """A route whose every answer, errors included, is a page with the console's headers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route: a nonce before, errors as pages, headers after."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            request.state.nonce = house_of(request).plugs.clock.salt().hex()
            try:
                answer = await inner(request)
            except SignInNeeded as fault:
                answer = _sign_in(request, fault)
            except FlyballError as fault:
                answer = await failed(request, fault)
            answer.headers["Content-Security-Policy"] = POLICY.format(nonce=request.state.nonce)
            answer.headers["X-Content-Type-Options"] = "nosniff"
            answer.headers["Referrer-Policy"] = "same-origin"
            answer.headers.setdefault("Cache-Control", "no-store")
            return answer

        return handler


def _sign_in(request: Request, fault: SignInNeeded) -> Response:
    """Send who only looks to the page that says how to sign in; a change is refused where it was asked for."""
    if request.method == "GET" and "hx-request" not in request.headers:
        return RedirectResponse(f"/sign-in?next={quote(request.url.path)}", 303)
    return bare(request, "sign.html", fault.status, fault=fault, next="/")


async def failed(request: Request, fault: FlyballError) -> Response:
    """Give an error as a page: what, why, what to do next. Denials are recorded as the API records them."""
    status = (await told(request, fault)).status_code
    shown = fault if isinstance(fault, UserError) else NotReady("the server could not do this", str(fault), "flyball doctor")
    who = getattr(request.state, "who", None)
    if who is None:
        return bare(request, "sign.html", status, fault=shown, next="/")
    return render(request, "fault.html", status, fault=shown, here="")


def bare(request: Request, name: str, status: int = 200, **more: Any) -> HTMLResponse:
    """Render a page that shows no data: nobody is signed in yet."""
    return HTMLResponse(WORLD.get_template(name).render(nonce=request.state.nonce, **more), status)


def render(request: Request, name: str, status: int = 200, **more: Any) -> HTMLResponse:
    """Render a page or a part of one for somebody who is signed in."""
    house, who = house_of(request), request.state.who
    return HTMLResponse(WORLD.get_template(name).render(nonce=request.state.nonce, **frame(house, who), **more), status)


def frame(house: House, who: Who) -> dict[str, Any]:
    """Give what stands around every page: counts of what waits, the door, who is signed in."""
    plugs, store = house.plugs, house.plugs.store
    now = plugs.clock.now()
    try:
        frozen = [one for one in plugs.freezer.freezes() if one.thawed_until <= now]
        unread = ""
    except NotReady as fault:
        frozen, unread = [], fault.what
    counts = {
        "/approvals": store.count("approval", "waiting"),
        "/reviews": store.count("review", "waiting"),
        "/letters": store.count("inbox", "dead"),
    }
    return {
        "now": now,
        "who": who,
        "places": PLACES,
        "counts": counts,
        "hot": ("/approvals",),
        "frozen": frozen,
        "unread": unread,
        "acting": store.count("session", "open"),
        "parked": store.count("session", "parked"),
        "shadow": plugs.rules.shadow,
        "envs": sorted({one.env for one in plugs.rules.catalogue.values()}),
        "targets": len(plugs.rules.catalogue),
        "log_size": store.size(),
    }


def may(who: Who, scope: str) -> str:
    """Say why a button is not offered, or "" where it is."""
    return "" if scope in who.key.scopes else f"your key lacks the scope {scope!r}"


async def form(request: Request) -> dict[str, str]:
    """Read a form's fields: each at most once, text only, 64 kB together. Raises BadInput."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise BadInput("this is not a form", "a form is sent as application/x-www-form-urlencoded", "use the page")
    found: dict[str, str] = {}
    async with request.form(max_files=0, max_fields=20) as fields:
        for name, value in fields.multi_items():
            if name in found or not isinstance(value, str):
                raise BadInput(f"the field {name!r} is there twice", "every field is sent once", "use the page")
            found[name] = value.replace("\r\n", "\n")
    return found


def back(path: str) -> Response:
    """Answer a form that was taken: the browser goes on with a GET, so that a reload sends nothing again."""
    return RedirectResponse(path, 303)
