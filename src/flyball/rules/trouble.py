"""What several deliveries say of one trouble. Called by `core.inbox`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flyball.model.session import Signal

MOST_PARTS = 1_000


def joined(old: Signal | None, said: Sequence[Signal]) -> Signal:
    """Join what was known of a trouble with what one delivery says of it: it fires as long as any of its instances does.

    Of one instance, what fires counts. The words are those of the newest that fires, or of the last that ended.
    """
    parts, ordered = set(old.parts if old else ()), sorted(said, key=lambda one: one.firing)
    for one in ordered:
        if not one.firing:
            parts.discard(one.part)
        elif len(parts) < MOST_PARTS:
            parts.add(one.part)
    newest = old if old and parts and not ordered[-1].firing else ordered[-1]
    return replace(newest, firing=bool(parts), parts=tuple(sorted(parts)), seen=old.seen + 1 if old else 1)
