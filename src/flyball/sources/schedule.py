"""Schedules: cron lines that open a session. The server's clock loop asks `due`; a tick missed while it was down runs once, not often."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import orjson
from cronsim import CronSim, CronSimError

from flyball.errors import BadInput
from flyball.model.session import Signal


class Schedule:
    """Meets `ports.Source`: reads the small documents that `tick` makes."""

    name = "schedule"

    def identify(self, raw: bytes, headers: Mapping[str, str]) -> str:
        """Give the digest of the bytes: one tick of one schedule is one delivery."""
        del headers
        return hashlib.sha256(raw).hexdigest()[:32]

    def read(self, raw: bytes, headers: Mapping[str, str]) -> tuple[Signal, ...]:
        """Parse a tick. Raises BadInput."""
        del headers
        try:
            doc = orjson.loads(raw)
            name, target, tick = str(doc["name"]), doc["target"], float(doc["tick"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as fault:
            raise BadInput("this is not a tick of a schedule", str(fault), "schedules are set in flyball.yaml") from fault
        if not isinstance(target, str) or not math.isfinite(tick):
            raise BadInput("this is not a tick of a schedule", "target is a text and tick a time", "schedules are set in flyball.yaml")
        return (
            Signal(
                source="schedule",
                id=f"{name}:{tick:.0f}",
                key=f"schedule:{name}",
                name=str(doc.get("alert", "Schedule")),
                target=target,
                at=tick,
                summary=str(doc.get("goal", name))[:200],
                labels={"service": target, "schedule": name},
                annotations={"goal": str(doc.get("goal", name))},
                body=doc,
                agent=str(doc.get("agent", "")),
            ),
        )


def check(cron: str) -> str:
    """Say what is wrong with a cron line, or ""."""
    try:
        CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as fault:
        return str(fault)
    return ""


def next_tick(cron: str, after: float) -> float:
    """Give the next time of a cron line after `after`; Unix seconds, UTC."""
    return float(next(CronSim(cron, datetime.fromtimestamp(after, UTC))).timestamp())


def last_tick(cron: str, now: float) -> float:
    """Give the latest time of a cron line at or before `now`, within the last 32 days; 0.0 if there is none."""
    start = datetime.fromtimestamp(now, UTC) - timedelta(days=32)
    found = 0.0
    for tick in CronSim(cron, datetime.fromtimestamp(now, UTC) + timedelta(seconds=1), reverse=True):
        if tick < start:
            break
        found = tick.timestamp()
        break
    return float(found)


SOURCE = Schedule()
