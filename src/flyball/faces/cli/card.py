"""An approval as a person reads it in a terminal: everything that the yes binds to, nothing that a model could dress up.

Used by `approvals show`, `approve` and the tour.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from flyball.faces.cli.show import plain, span, when

SHOWN = 8
STATES = {"ruled_out": "ruled out", "refuted": "tried and refuted"}


def card(doc: Mapping[str, Any], now: float) -> str:
    """Give the card as text. `now` is the server's clock, Unix seconds."""
    return "\n".join(_lines(doc, now))


def _lines(doc: Mapping[str, Any], now: float) -> Iterator[str]:
    quorum = doc.get("quorum") or {}
    yield f"{plain(doc['title'])}  [{plain(doc.get('zone'))}]  {plain(doc['state'])}"
    yield f"  id        {plain(doc['id'])}, session {plain(doc.get('session'))}, asked by {plain(doc.get('requester'))}"
    yield f"  expires   {when(doc.get('expires_at'))} ({_left(doc, now)}); {plain(doc.get('on_expiry'))}"
    group = plain(quorum.get("group")) or "anybody who may approve"
    yield f"  needs     {quorum.get('need') or 1} of {group}, has {quorum.get('got') or 0}"
    yield f"  policy    {plain(doc.get('rule'))}: {plain(doc.get('policy_reason'))} ({plain(doc.get('policy_digest'))})"
    yield f"  digest    {plain(doc['digest'])}"
    yield ""
    yield "Why"
    yield f"  {plain(doc.get('why'))} (confidence {float(doc.get('confidence') or 0):.2f})"
    yield from _hypotheses(doc)
    yield from _evidence(doc)
    yield from _deed(doc)


def _left(doc: Mapping[str, Any], now: float) -> str:
    left = float(doc.get("expires_at") or 0) - now
    return f"in {span(left)}" if left > 0 else f"{span(-left)} ago"


def _hypotheses(doc: Mapping[str, Any]) -> Iterator[str]:
    ranked = sorted(doc.get("hypotheses") or (), key=lambda one: -float(one.get("confidence") or 0))
    for one in ranked:
        state = str(one.get("state"))
        sure, name, because = float(one.get("confidence") or 0), plain(one.get("name")), plain(one.get("because"))
        yield f"  {sure:.2f}  {name}: {STATES.get(state, state)}. {because}".rstrip()


def _evidence(doc: Mapping[str, Any]) -> Iterator[str]:
    if doc.get("evidence"):
        yield ""
        yield "Evidence"
    for one in doc.get("evidence") or ():
        yield f"  {plain(one.get('id'))}  {plain(one.get('command')) or plain(one.get('origin'))}"
        lines = plain(one.get("text"), lines=True).splitlines()
        yield from (f"    | {line}" for line in lines[:SHOWN])
        if len(lines) > SHOWN or one.get("cut"):
            yield "    | ..."


def _deed(doc: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "What will be done, exactly"
    for argv in doc.get("argv") or ():
        yield f"  $ {plain(shlex.join(str(one) for one in argv))}"
    yield f"  arguments {_json(doc.get('args'))}"
    for number, one in enumerate(doc.get("plan") or (), 1):
        yield f"  step {number}    {plain(one.get('kind'))} on {plain(one.get('target'))} {_json(one.get('args'))}"
    if doc.get("diff"):
        yield "  diff"
        yield from (f"    {line}" for line in plain(doc["diff"], lines=True).splitlines())
    yield f"  touches   {_json(doc.get('blast'))}"
    yield f"  before    {_json(doc.get('before'))}"
    undo = doc.get("undo")
    kept = when(doc.get("undo_until"))
    yield f"  undo      {_json(undo)}{f', kept until {kept}' if kept else ''}" if undo else "  undo      none: this cannot be rolled back"
    for vote in doc.get("votes") or ():
        yield f"  vote      {plain(vote.get('by'))} {plain(vote.get('verb'))}: {plain(vote.get('reason'))}"


def _json(value: object) -> str:
    return plain(json.dumps(value)) if value else "nothing"
