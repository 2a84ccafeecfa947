"""The status table: what it has, what it does not, and that every status is reached."""

import pytest

from flyball.model.action import Status
from flyball.rules.lifecycle import MOVES, SETTLED, IllegalMoveError, move

PAIRS = [(now, to) for now in Status for to in Status]


@pytest.mark.parametrize(("now", "to"), PAIRS)
def test_a_move_is_in_the_table_or_illegal(now: Status, to: Status) -> None:
    if to in MOVES[now]:
        assert move(now, to) is to
    else:
        with pytest.raises(IllegalMoveError, match=f"{now} -> {to}"):
            move(now, to)


def test_the_table_knows_every_status_and_reaches_it_from_the_first() -> None:
    assert set(MOVES) == set(Status)
    reached, left = {Status.PROPOSED}, [Status.PROPOSED]
    while left:
        for to in MOVES[left.pop()]:
            if to not in reached:
                reached.add(to)
                left.append(to)
    assert reached == set(Status)


def test_nothing_runs_that_was_not_allowed_and_nothing_ends_that_did_not_run() -> None:
    into = {to: {now for now in Status if to in MOVES[now]} for to in Status}
    assert into[Status.RUNNING] == {Status.ALLOWED}
    assert into[Status.DONE] == into[Status.FAILED] == {Status.RUNNING, Status.UNKNOWN}
    assert into[Status.UNDOING] == {Status.DONE}
    assert into[Status.PROPOSED] == set()


def test_only_a_deed_that_stands_moves_on_from_a_settled_status() -> None:
    assert {status for status in SETTLED if MOVES[status]} == {Status.DONE}
