"""Decision tables: does a condition hold on a result, which row decides, how sure is a hypothesis. Called by `play` and `check`.

Text in results is compared, never followed: whatever a log line says, it can only make a condition hold or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flyball.brains.runbook.schema import Branch, Condition, Row
from flyball.model.ids import Json

RECORD_WEIGHT = 2.0  # the stated prior counts as much as two outcomes


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing stands at that pointer; unlike null, which is a value."""


NOTHING = Nothing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What a decision table says of one hypothesis: state is confirmed, ruled_out or open; `row` is -1 for its else."""

    state: str
    because: str
    row: int = -1


def look_up(body: Json, pointer: str) -> Json | Nothing:
    """Give what stands at a JSON pointer (RFC 6901), or NOTHING."""
    here: Json = body
    for raw in pointer.split("/")[1:]:
        part = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(here, Mapping) and part in here:
            here = here[part]
        elif isinstance(here, Sequence) and not isinstance(here, str) and part.isascii() and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            return NOTHING
    return here


def _same(left: Json, right: Json) -> bool:
    """Equal as JSON: true is not 1."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _ordered(op: str, left: Json, right: Json) -> bool:
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    if not numbers or isinstance(left, bool) or isinstance(right, bool):
        return False
    return {"lt": left < right, "le": left <= right, "gt": left > right, "ge": left >= right}[op]  # type: ignore[operator]


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


def _contains(whole: Json, part: Json) -> bool:
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    if isinstance(whole, Mapping):
        return isinstance(part, str) and part in whole
    return isinstance(whole, Sequence) and any(_same(one, part) for one in whole)


def holds(condition: Condition, body: Json, opened_at: float) -> bool:
    """Say whether a condition holds on a result. What is not there makes every test fail but `exists: false`.

    `newer_than_s` and `older_than_s` count seconds back from `opened_at`, the moment the session was opened (Unix seconds), so
    that an answer does not change while the session goes on.
    """
    found, op, to = look_up(body, condition.at), condition.op, condition.to
    if op == "exists":
        return isinstance(found, Nothing) is not to
    if isinstance(found, Nothing):
        return False
    match op:
        case "eq":
            return _same(found, to)
        case "ne":
            return not _same(found, to)
        case "in":
            return _contains(to, found) if isinstance(to, Sequence) and not isinstance(to, str) else False
        case "contains":
            return _contains(found, to)
        case "has_text":
            return isinstance(to, str) and any(to in text for text in _texts(found))
        case "lacks_text":
            return isinstance(to, str) and not any(to in text for text in _texts(found))
        case "newer_than_s" | "older_than_s":
            edge = opened_at - to if isinstance(to, (int, float)) else 0.0
            return _ordered("gt" if op == "newer_than_s" else "lt", found, edge)
        case _:
            return _ordered(op, found, to) if op in {"lt", "le", "gt", "ge"} else False


def row_holds(row: Row, results: Mapping[str, Json], opened_at: float) -> bool:
    """Say whether every condition of a row holds; one without its result does not."""
    return all(one.value in results and holds(one, results[one.value], opened_at) for one in row.when)


def weigh(branch: Branch, results: Mapping[str, Json], opened_at: float) -> Weighed:
    """Give what the first row that holds says, or the hypothesis' else. `results` are by diagnose id."""
    for index, row in enumerate(branch.decide):
        if row_holds(row, results, opened_at):
            return Weighed(state="confirmed" if row.then == "confirm" else "ruled_out", because=row.because, row=index)
    missing = [step.id for step in branch.diagnose if step.id not in results]
    gap = f" (nothing known of {', '.join(missing)})" if missing else ""
    if branch.otherwise == "rule_out":
        return Weighed(state="ruled_out", because=f"nothing speaks for it{gap}")
    return Weighed(state="open", because=f"the evidence does not decide it{gap}")


def confidence(prior: float, tried: int, worked: int) -> float:
    """Mix the stated prior with the record: (2 prior + worked) / (2 + tried); Laplace's rule of succession where prior is 1/2."""
    tried = max(tried, 0)
    worked = min(max(worked, 0), tried)
    return round((RECORD_WEIGHT * prior + worked) / (RECORD_WEIGHT + tried), 4)
