"""`http.probe`: asks a service over HTTP whether it answers, at the origin of its health URL only. Called by the door and by the observer.

A server that does not answer is a fact, not a failure: status 0 and the reason.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flyball.errors import BadInput
from flyball.model.action import Outcome, Reach, Recipe, Seen
from flyball.model.call import Fetch
from flyball.model.ids import Doc
from flyball.model.kind import KindSpec
from flyball.ports import Hands

_HEAD = 2_000  # characters of the body that are kept


class HttpProbe:
    """One GET to the target's own origin."""

    spec = KindSpec(
        name="http.probe",
        title="Ask the service over HTTP whether it answers",
        reach=Reach.READ,
        args={
            "type": "object",
            "properties": {
                "service": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$", "maxLength": 64},
                "path": {
                    "type": "string",
                    "pattern": r"^/(?:[A-Za-z0-9_.~!$&'()*+,;=:@%?-][A-Za-z0-9_.~!$&'()*+,;=:@%/?-]*)?$",
                    "maxLength": 512,
                },
                "expect_status": {"type": "integer", "minimum": 100, "maximum": 599},
            },
            "additionalProperties": False,
        },
        result={
            "type": "object",
            "properties": {
                "status": {"type": "integer", "minimum": 0, "maximum": 999},
                "ok": {"type": "boolean"},
                "took_ms": {"type": "number", "minimum": 0},
                "body_head": {"type": "string", "maxLength": 12 * _HEAD},
                "error": {"type": "string"},
            },
            "required": ["status", "ok", "took_ms", "body_head", "error"],
            "additionalProperties": False,
        },
        reversible=True,
        idempotent=True,
        egress=True,
        timeout_s=6.0,
        errors=("fact missing: the catalogue entry has no health_url", "path not allowed: it must stay on the service's own origin"),
    )

    async def plan(self, hands: Hands) -> Recipe:
        """Write down the one call. Raises BadInput where the catalogue entry or the path does not serve."""
        return Recipe(before={}, undo={}, argv=(("GET", _url(hands)[0]),))

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome:  # noqa: ARG002 -- the port's shape; a look needs no recipe
        """Ask once. `ok` in the result: the status is the expected one, or any 2xx where none was named."""
        try:
            url, origin = _url(hands)
        except BadInput as e:
            return Outcome(ok=False, error=f"{e.what}: {e.why}")
        got = await hands.caller.fetch(
            Fetch(method="GET", url=url, headers=(("Accept", "*/*"),), timeout_s=5.0, max_bytes=65_536), (origin,)
        )
        wanted = hands.action.args.get("expect_status")
        fine = got.status == wanted if isinstance(wanted, int) else got.status // 100 == 2  # noqa: PLR2004 -- 2xx is success, RFC 9110
        text = got.body.decode("utf-8", "backslashreplace")[:_HEAD]
        shown = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
        result: Doc = {"status": got.status, "ok": fine, "took_ms": round(got.took_s * 1000, 3), "body_head": shown, "error": got.error}
        return Outcome(ok=True, result=result, took_s=got.took_s)

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen:  # noqa: ARG002 -- the port's shape
        """A look leaves nothing behind: what was lost may simply be asked again."""
        return Seen.ABSENT

    async def undo(self, hands: Hands, recipe: Recipe) -> Outcome:  # noqa: ARG002 -- the port's shape
        """Nothing was changed, so nothing is put back."""
        return Outcome(ok=True)

    async def undone(self, hands: Hands, recipe: Recipe) -> Seen:  # noqa: ARG002 -- the port's shape
        """The pre-state was never left."""
        return Seen.HAPPENED


def _url(hands: Hands) -> tuple[str, str]:
    """Give the URL to ask and its origin. Raises BadInput."""
    health = hands.target.facts.get("health_url")
    parts = urlsplit(health) if isinstance(health, str) else None
    if not isinstance(health, str) or parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise BadInput("the catalogue entry names no health_url", "a probe asks that origin only", "add facts.health_url to the target")
    service = hands.action.args.get("service", hands.target.name)
    if service != hands.target.name:
        raise BadInput(f"the service is not {hands.target.name}", "the argument and the target differ", "name the target itself")
    origin = f"{parts.scheme}://{parts.netloc}"
    path = hands.action.args.get("path")
    if path is None:
        return health, origin
    if (
        not isinstance(path, str)
        or not path.startswith("/")
        or path.startswith("//")
        or not path.isascii()
        or not path.isprintable()
        or " " in path
    ):
        raise BadInput(
            "the path does not serve",
            "it must begin with one slash and hold no spaces or control characters",
            "give a path such as /healthz",
        )
    return origin + path, origin


KIND = HttpProbe()
