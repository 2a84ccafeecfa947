"""The status table of actions. `core` asks here before every move; nothing else sets a status."""

from __future__ import annotations

from flyball.model.action import Status

MOVES: dict[Status, tuple[Status, ...]] = {
    Status.PROPOSED: (Status.HELD, Status.ALLOWED, Status.DENIED),
    Status.HELD: (Status.ALLOWED, Status.DENIED),
    Status.ALLOWED: (Status.RUNNING, Status.DENIED),
    Status.RUNNING: (Status.DONE, Status.FAILED, Status.UNKNOWN),
    Status.UNKNOWN: (Status.DONE, Status.FAILED, Status.STUCK),
    Status.DONE: (Status.UNDOING,),
    Status.UNDOING: (Status.UNDONE, Status.STUCK),
    Status.DENIED: (),
    Status.FAILED: (),
    Status.STUCK: (),
    Status.UNDONE: (),
}

SETTLED = frozenset({Status.DENIED, Status.DONE, Status.FAILED, Status.STUCK, Status.UNDONE})
"""Nothing more happens by itself."""


class IllegalMoveError(Exception):
    """A bug: somebody tried a move that the table does not have."""


def move(now: Status, to: Status) -> Status:
    """Give `to` if the table has the move; raises IllegalMoveError otherwise."""
    if to not in MOVES[now]:
        raise IllegalMoveError(f"{now} -> {to} is not in the table")
    return to
