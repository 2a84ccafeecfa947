"""Decision tables: does a condition hold on a result, which row decides, how sure is a hypothesis. Called by `play` and `check`.

Text in results is compared, never followed: whatever a log line says, it can only make a condition hold or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flyball.brains.runbook.schema import Branch, Condition, Row
from flyball.model.ids import Json
from flyball.rules.expect import compare
from flyball.rules.pointer import MissingError, look

RECORD_WEIGHT = 2.0  # the stated prior counts as much as two outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What a decision table says of one hypothesis: state is confirmed, ruled_out or open; `row` is -1 for its else."""

    state: str
    because: str
    row: int = -1


def _texts(value: Json) -> Iterator[str]:
    """Give every text in a value, however deep."""
    left: list[Json] = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping):
            left.extend(part.values())
        elif isinstance(part, Sequence):
            left.extend(part)


def holds(condition: Condition, body: Json, opened_at: float) -> bool:
    """Say whether a condition holds on a result. What is not there makes every test fail but `exists: false`.

    `newer_than_s` and `older_than_s` count seconds back from `opened_at`, the moment the session was opened (Unix seconds), so
    that an answer does not change while the session goes on. `contains` also finds an item of a list; `has_text` and `lacks_text`
    look for a text in every text below the pointer.
    """
    op, to = condition.op, condition.to
    try:
        found = look(body, condition.at)
    except MissingError:
        return op == "exists" and to is False
    if op == "exists":
        return to is True
    if op in {"has_text", "lacks_text"}:
        return isinstance(to, str) and any(to in text for text in _texts(found)) is (op == "has_text")
    if op in {"newer_than_s", "older_than_s"}:
        return isinstance(to, (int, float)) and compare("gt" if op == "newer_than_s" else "lt", found, opened_at - to)
    if op == "contains" and isinstance(found, Sequence) and not isinstance(found, str):
        return any(compare("eq", one, to) for one in found)
    return compare(op, found, to)


def row_holds(row: Row, results: Mapping[str, Json], opened_at: float) -> bool:
    """Say whether every condition of a row holds; one without its result does not."""
    return all(one.value in results and holds(one, results[one.value], opened_at) for one in row.when)


def weigh(branch: Branch, results: Mapping[str, Json], opened_at: float) -> Weighed:
    """Give what the first row that holds says, or the hypothesis' else. `results` are by diagnose id."""
    for index, row in enumerate(branch.decide):
        if row_holds(row, results, opened_at):
            return Weighed(state="confirmed" if row.then == "confirm" else "ruled_out", because=row.because, row=index)
    missing = [step.id for step in branch.diagnose if step.id not in results]
    if missing:  # what nobody could look at rules nothing out
        return Weighed(state="open", because=f"nothing is known of {', '.join(missing)}")
    if branch.otherwise == "rule_out":
        return Weighed(state="ruled_out", because="nothing speaks for it")
    return Weighed(state="open", because="the evidence does not decide it")


def confidence(prior: float, tried: int, worked: int) -> float:
    """Mix the stated prior with the record: (2 prior + worked) / (2 + tried); Laplace's rule of succession where prior is 1/2."""
    tried = max(tried, 0)
    worked = min(max(worked, 0), tried)
    return round((RECORD_WEIGHT * prior + worked) / (RECORD_WEIGHT + tried), 4)
