"""What happened in a session, as one document: for the API, the console, the report. Folded from rows and log, nothing kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flyball.model.log import Logged, Row
from flyball.ports import Store

LISTED = (
    *("id", "title", "agent", "target", "trigger", "phase", "waiting", "opened_at", "closed_at", "outcome"),
    *("summary", "step", "signals", "paused", "shadow", "wake_at", "epoch"),
)
VALUE = ("origin", "digest", "integrity", "body")
ENDED = ("fixed", "resolved", "cancelled", "shadow")
"""Outcomes that leave nothing to a person: the alert is gone, a person ended the session, or people do the work anyway."""
UNRESOLVED = ("spec", "schedule", "tail")
"""Sources that bring work and never say that it is over."""
CAME_BACK = "came back later"
DAY_S = 86_400.0
HEAVIEST = ("green", "yellow", "red")


def listed(store: Store, phase: str = "", limit: int = 200) -> list[dict[str, Any]]:
    """Give sessions, newest first."""
    rows = sorted(store.rows("session", state=phase, limit=100_000), key=lambda row: float(_number(row.body, "opened_at")), reverse=True)
    return [brief(store, row) for row in rows[:limit]]


def brief(store: Store, row: Row) -> dict[str, Any]:
    """Give one session's line: with the heaviest zone it reached and what it cost."""
    deeds = store.rows("action", session=row.id, limit=5000)
    fixes = [deed for deed in deeds if _map(deed.body, "action").get("purpose") == "fix"]
    zone = max((str(deed.body.get("zone")) for deed in fixes), key=_rank, default="green")
    return {name: row.body.get(name) for name in LISTED} | {
        "zone": zone,
        "cost_micros": sum(int(_number(deed.body, "cost_micros")) for deed in deeds if deed.state in ("done", "undone")),
    }


def handed_over(store: Store, now: float) -> list[Row]:
    """Give the closed sessions that left their work to a person, newest first, as long as an alert of theirs fires.

    What never resolves, because nothing says so, is given for a day.
    """
    names = dict.fromkeys(row.session for row in store.rows("signal", state="firing", limit=5000))
    found = [row for name in names if (row := store.find("session", name)) and row.state == "closed" and row.body["outcome"] not in ENDED]
    kept = [row for row in found if row.body["trigger"] not in UNRESOLVED or _number(row.body, "closed_at") > now - DAY_S]
    return sorted(kept, key=lambda row: _number(row.body, "closed_at"), reverse=True)


def closed_since(store: Store, at: float) -> list[Row]:
    """Give the sessions that were closed after a time, the last one first."""
    found = [row for row in store.rows("session", state="closed", limit=100_000) if _number(row.body, "closed_at") > at]
    return sorted(found, key=lambda row: _number(row.body, "closed_at"), reverse=True)


def stuck(store: Store) -> list[Row]:
    """Give the actions of which nobody has said yet what became of them. One that a person has settled stays stuck in its row alone."""
    rows = store.rows("action", state="stuck", limit=5000)
    ruled = {one.entry.action for name in {row.session for row in rows} for one in store.entries(session=name, name="action.ruled")}
    return [row for row in rows if row.id not in ruled]


def page(store: Store, name: str) -> dict[str, Any] | None:
    """Give all that is known of a session, or None."""
    row = store.find("session", name)
    if row is None:
        return None
    deeds = sorted(store.rows("action", session=name, limit=5000), key=_order)
    values = {one.id: one.body for one in store.rows("value", session=name, limit=5000)}
    keys = row.body.get("signals")
    found = [store.find("signal", str(key)) for key in keys] if isinstance(keys, list | tuple) else []
    signals = [_signal(one, name) for one in found if one]
    steps = sorted(store.rows("step", session=name, limit=5000), key=lambda one: _number(one.body, "number"))
    return {
        "session": brief(store, row) | {"plan": row.body.get("plan"), "current": row.body.get("current")},
        "signals": signals,
        "steps": [one.body for one in steps],
        "deeds": [deed_doc(one, values) for one in deeds],
        "approvals": [one.body for one in store.rows("approval", session=name)],
        "reviews": [one.body for one in store.rows("review", session=name)],
        "values": {one.id: {part: one.body.get(part) for part in VALUE} for one in store.rows("value", session=name, limit=5000)},
        "log": [entry_doc(one) for one in store.entries(session=name, limit=5000)],
    }


def _signal(row: Row, session: str) -> dict[str, Any]:
    """Give a signal as a session had it. Of one that came back since, under another session, time and state are those of today."""
    mine = row.session == session
    return {**row.body, "state": row.state} if mine else {**row.body, "state": CAME_BACK, "at": 0.0}


def deed_doc(row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
    """Give an action with its result."""
    value = values.get(str(row.body.get("result")))
    return {**row.body, "status": row.state, "value": value["body"] if value else None}


def entry_doc(one: Logged) -> dict[str, Any]:
    """Give a log entry as the API shows it."""
    entry = one.entry
    return {
        "index": one.index,
        "at": one.at,
        "name": entry.name,
        "who": entry.who,
        "behalf": entry.behalf,
        "origin": entry.origin,
        "session": entry.session,
        "action": entry.action,
        "body": entry.body,
    }


def _order(row: Row) -> tuple[float, list[tuple[int, str]]]:
    """Order actions as they were proposed: neither an edit's name nor one that a remote agent chose says when."""
    parts = re.findall(r"\d+|\D+", row.id)
    return _number(_map(row.body, "action"), "proposed_at"), [(int(one), "") if one.isdecimal() else (0, one) for one in parts]


def _map(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


def _number(body: Mapping[str, Any], name: str) -> float:
    found = body.get(name)
    return found if isinstance(found, int | float) else 0


def _rank(zone: str) -> int:
    return HEAVIEST.index(zone) if zone in HEAVIEST else 0


def names(entries: Sequence[Logged]) -> list[str]:
    """Give entry names in order: handy for a look at a session's path."""
    return [one.entry.name for one in entries]
