"""Token buckets kept as one number (GCRA)."""

from __future__ import annotations

from dataclasses import replace

from flyball.model.money import Bucket


def passes(bucket: Bucket, now: float, burst: float, interval_s: float) -> bool:
    """Say whether one more call fits at `now`."""
    return burst >= 1 and max(bucket.due_at, now) - now <= (burst - 1) * interval_s


def take(bucket: Bucket, now: float, interval_s: float) -> Bucket:
    """Give the bucket after one call at `now`."""
    return replace(bucket, due_at=max(bucket.due_at, now) + interval_s)
