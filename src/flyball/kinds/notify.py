"""`notify`: tells people something, through a webhook that the target's catalogue entry names, or in the log alone. Called by the door.

The call carries the action's id as `Idempotency-Key`: a receiver that knows the header takes it once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from flyball.errors import BadInput
from flyball.model.action import Outcome, Reach, Recipe, Seen
from flyball.model.call import Fetch
from flyball.model.kind import KindSpec
from flyball.ports import Hands

_LOG = "log"  # the channel that every target has: the record of the action is the message


class Notify:
    """Send one text to one channel."""

    spec = KindSpec(
        name="notify",
        title="Tell people on a channel of the service",
        reach=Reach.WRITE,
        args={
            "type": "object",
            "properties": {
                "channel": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$", "maxLength": 64},
                "text": {"type": "string", "minLength": 1, "maxLength": 4000},
            },
            "required": ["channel", "text"],
            "additionalProperties": False,
        },
        result={
            "type": "object",
            "properties": {"channel": {"type": "string"}, "sent": {"type": "boolean"}, "status": {"type": "integer"}},
            "required": ["channel", "sent", "status"],
            "additionalProperties": False,
        },
        sinks=("/channel",),
        endorse={"/channel": "target:channel"},
        reversible=False,
        destructive=False,
        idempotent=True,
        egress=True,
        timeout_s=10.0,
        errors=("unknown channel: not in facts.channels", "the receiver did not answer, or not with 2xx"),
    )

    async def plan(self, hands: Hands) -> Recipe:
        """Write down where it goes and the text. Raises BadInput for a channel that the catalogue entry does not name."""
        url = _url(hands)
        parts = urlsplit(url)
        shown = f"{parts.scheme}://{parts.netloc}/..." if url else _LOG  # the rest of a webhook's URL is as good as a password
        return Recipe(before={}, undo={}, argv=(("POST", shown),), diff=str(hands.action.args.get("text", "")))

    async def do(self, hands: Hands, recipe: Recipe) -> Outcome:  # noqa: ARG002 -- the port's shape; the action says it all
        """Send it; 2xx is done."""
        channel = str(hands.action.args.get("channel"))
        try:
            url = _url(hands)
        except BadInput as e:
            return Outcome(ok=False, error=f"{e.what}: {e.why}")
        if not url:
            return Outcome(ok=True, result={"channel": channel, "sent": False, "status": 0})
        said = {
            "text": hands.action.args.get("text"),
            "target": hands.target.name,
            "session": hands.action.session,
            "action": hands.action.id,
        }
        headers = (("Content-Type", "application/json"), ("Idempotency-Key", hands.key))
        fetch = Fetch(method="POST", url=url, headers=headers, body=json.dumps(said).encode(), timeout_s=8.0)
        got = await hands.caller.fetch(fetch, (url,))
        if got.status // 100 != 2:  # noqa: PLR2004 -- 2xx is success, RFC 9110
            passing = got.status == 0 or got.status >= 500  # noqa: PLR2004 -- 5xx may pass, RFC 9110
            return Outcome(
                ok=False, error=f"channel {channel}: {got.error or f'answered {got.status}'}", transient=passing, took_s=got.took_s
            )
        return Outcome(ok=True, result={"channel": channel, "sent": True, "status": got.status}, took_s=got.took_s)

    async def probe(self, hands: Hands, recipe: Recipe) -> Seen:  # noqa: ARG002 -- the port's shape
        """A webhook cannot be asked what it took; what goes to the log is there with the action."""
        return Seen.HAPPENED if hands.action.args.get("channel") == _LOG else Seen.UNSURE

    async def undo(self, hands: Hands, recipe: Recipe) -> Outcome:  # noqa: ARG002 -- the port's shape
        """What was said cannot be unsaid."""
        return Outcome(ok=False, error="a message that was sent cannot be taken back")

    async def undone(self, hands: Hands, recipe: Recipe) -> Seen:  # noqa: ARG002 -- the port's shape
        """Never."""
        return Seen.ABSENT


def _url(hands: Hands) -> str:
    """Give the channel's URL, or an empty string for the log. Raises BadInput."""
    name, channels = hands.action.args.get("channel"), hands.target.facts.get("channels")
    if name == _LOG:
        return ""
    url = channels.get(name) if isinstance(channels, Mapping) and isinstance(name, str) else None
    if not isinstance(url, str) or urlsplit(url).scheme not in {"http", "https"}:
        raise BadInput(f"no channel {ascii(name)[1:-1]}", "the catalogue entry does not name it", "add it to facts.channels, or use log")
    return url


KIND = Notify()
