"""What one evaluation may cost, and the meter that counts it. Called by generated code, by `run` and by `value`.

Steps are counted where work is repeated: at every loop (all its rounds at once), at every call of a function with arguments, at every
`with` and wherever a value is compared, hashed or copied member by member. Rules are asked once per evaluation, so that a plan without
loops ends by itself. The clock is looked at once every `CHUNK` steps, and after every call of a builtin, which may take as long.
"""

import threading
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Final

from flyball.rego.error import OverLimit

CHUNK: Final = 10_000
clock: Final = perf_counter_ns  # generated code looks at it too


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation may cost at most.

    Attributes:
        steps: rounds of loops, calls and members visited.
        wall_ms: milliseconds.
        depth: how deep values may nest, and functions call each other.
        size: members of the result, counted through all its levels, and characters of its strings divided by 64.
    """

    steps: int = 10_000_000
    wall_ms: int = 1_000
    depth: int = 200
    size: int = 1_000_000


class Meter:
    """Counts down the steps of one evaluation. `left` is what generated code counts down; below zero it calls `refill`."""

    __slots__ = ("ends_ns", "left", "limits", "steps")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.left = min(CHUNK, limits.steps)
        self.steps = limits.steps - self.left
        self.ends_ns = clock() + limits.wall_ms * 1_000_000

    def spend(self, steps: int) -> None:
        """Counts steps; raises OverLimit."""
        self.left -= steps
        if self.left < 0:
            self.refill()

    def refill(self) -> None:
        """Takes the next steps from what is left in all; raises OverLimit where nothing is, or the time is over."""
        owed = -self.left
        if owed > self.steps:
            raise OverLimit(f"the evaluation took more than {self.limits.steps} steps")
        if clock() > self.ends_ns:
            raise OverLimit(f"the evaluation took longer than {self.limits.wall_ms} ms")
        self.steps -= owed
        self.left = min(CHUNK, self.steps)
        self.steps -= self.left


class _Now(threading.local):
    """The meter of the evaluation that this thread is in."""

    meter: Meter | None = None


NOW: Final = _Now()


def spend(steps: int) -> None:
    """Counts steps of the evaluation that this thread is in, if it is in one; raises OverLimit."""
    meter = NOW.meter
    if meter is not None:
        meter.spend(steps)
