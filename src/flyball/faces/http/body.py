"""Bodies of requests: strict JSON, one object, or one clear line."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from flyball.errors import BadInput
from flyball.rules.digest import NotCanonical, parse_strict


async def said(request: Request) -> dict[str, Any]:
    """Parse the body: duplicate keys, NaN, big integers and deep nesting are refused, as the digest would. Raises BadInput."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        doc = parse_strict(raw)
    except (NotCanonical, ValueError) as fault:
        raise BadInput("the body is not strict JSON", str(fault)[:200], "send one JSON object, every key once") from fault
    if not isinstance(doc, dict):
        raise BadInput("the body is not an object", f"it is {type(doc).__name__}", "send one JSON object")
    return doc
