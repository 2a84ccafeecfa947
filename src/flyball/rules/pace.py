"""Pace: a token bucket kept as one number. The store asks it for every Pass, the pace check to say how long to wait.

This is the Generic Cell Rate Algorithm (ITU-T I.371, virtual scheduling): `due_at` is the theoretical arrival time of the
next call. In any stretch of t seconds at most burst + t / interval calls pass.
"""

from __future__ import annotations

from math import isfinite

from flyball.model.money import Bucket

SLACK_S = 2.5e-7
"""Forgiven rounding per call of the burst: a sum of Unix seconds is off by up to half of 2.4e-7 in this century."""


def passes(bucket: Bucket, now: float, burst: float, interval_s: float) -> bool:
    """Whether one more call may pass at `now` (Unix seconds).

    `burst` calls may pass at once, then one per `interval_s` seconds. A burst under 1 lets nothing pass; an interval of 0
    has no limit beyond that. Numbers that are negative, infinite or not numbers let nothing pass.
    """
    if not (isfinite(now) and isfinite(burst) and isfinite(interval_s) and isfinite(bucket.due_at)) or burst < 1 or interval_s < 0:
        return False
    return max(bucket.due_at, now) - now <= (burst - 1) * interval_s + min(SLACK_S * burst, interval_s / 2)


def take(bucket: Bucket, now: float, interval_s: float) -> Bucket:
    """Give the bucket after one call has passed at `now`; ask `passes` first."""
    return Bucket(id=bucket.id, due_at=max(bucket.due_at, now) + interval_s)
