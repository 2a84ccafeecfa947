"""What shadow mode would have done over a span: "would have fixed n of m, would have been denied k". Folded from rows and log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flyball.model.log import Logged
from flyball.ports import Store

PAGE = 1000


def shadow(store: Store, since: float = 0.0, until: float = float("inf")) -> dict[str, Any]:
    """Count over the sessions in shadow that were opened within the span.

    A session would have been fixed where at least one change was proposed that nothing but shadow mode stopped; of those, `would_ask` also
    counts the changes that a person would have been asked about. `would_deny` counts changes that another check denied as well.
    """
    opened = {row.id: row.body.get("opened_at") for row in store.rows("session", limit=100_000) if row.body.get("shadow")}
    names = {name for name, at in opened.items() if isinstance(at, int | float) and since <= at < until}
    fixed: set[str] = set()
    asked: list[str] = []
    denied: dict[str, dict[str, Any]] = {}
    for one in _decided(store):
        verdicts = _verdicts(one)
        if one.entry.session not in names or "shadow" not in {check for _, check, _ in verdicts}:
            continue
        others = [opinion for opinion in verdicts if opinion[1] != "shadow"]
        no = [opinion for opinion in others if opinion[0] == "deny"]
        if no:
            denied[one.entry.action] = {"action": one.entry.action, "session": one.entry.session, "check": no[0][1], "why": no[0][2]}
            continue
        fixed.add(one.entry.session)
        if any(opinion[0] == "hold" for opinion in others):
            asked.append(one.entry.action)
    return {
        "would_fix": len(fixed),
        "of": len(names),
        "would_deny": len(denied),
        "would_ask": len(asked),
        "since": since,
        "sessions": sorted(fixed),
        "denied": [denied[name] for name in sorted(denied)],
    }


def _decided(store: Store) -> Iterator[Logged]:
    after = -1
    while found := store.entries(name="action.decided", after=after, limit=PAGE):
        yield from found
        after = found[-1].index


def _verdicts(one: Logged) -> list[tuple[str, str, str]]:
    body: Mapping[str, Any] = one.entry.body
    opinions = body.get("opinions") or ()
    return [(str(said[0]), str(said[1]), str(said[2])) for said in opinions]
