"""Budgets and pace as plain counters. Money is integer micro-currency."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`spent + held` never passes the cap that a draw names."""

    id: str
    spent: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A token bucket kept as one number (GCRA): the theoretical arrival time of the next call, Unix seconds."""

    id: str
    due_at: float = 0.0
