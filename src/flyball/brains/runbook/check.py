"""What is wrong with a runbook that has the right shape, found before it is used. Called by `flyball runbook check` and at start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import jsonschema_rs

from flyball import wire
from flyball.brains.runbook.refer import parse, texts
from flyball.brains.runbook.schema import Branch, Condition, Deal, Row, Runbook
from flyball.brains.runbook.schema import pointer as pointer_to
from flyball.model.action import Expect, Reach
from flyball.model.ids import Doc, Json
from flyball.model.kind import KindSpec
from flyball.rules.expect import compare

COMPARED = frozenset({"eq", "ne", "in", "lt", "le", "gt", "ge"})  # what a known value decides
RESOLVED = "signal.resolved"  # the one expectation that is no kind: the alert has cleared


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to correct: where (file and JSON pointer), what is wrong, and what to do."""

    file: str
    pointer: str
    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class _Fault:
    pointer: str
    what: str
    fix: str


def check(runbook: Runbook, kinds: Mapping[str, KindSpec]) -> tuple[Finding, ...]:
    """Give everything wrong with a runbook, in the file's order; empty means it may be used. `kinds` are the registered ones by name."""
    found: list[_Fault] = []
    for index, branch in enumerate(runbook.branches):
        at = f"/hypotheses/{index}"
        found.extend(_table(branch, at))
        found.extend(_diagnosis(branch, at, kinds))
        for number, deal in enumerate(branch.plan):
            found.extend(_deal(deal, f"{at}/actions/{number}", branch, kinds))
        if branch.plan and not branch.plan[-1].verify:
            last = f"{at}/actions/{len(branch.plan) - 1}"
            found.append(_Fault(last, "the plan's last step is verified by nothing", "add verify: what must be seen for it to have worked"))
    return tuple(Finding(file=runbook.file, pointer=one.pointer, what=one.what, fix=one.fix) for one in found)


# ---- decision tables


def _table(branch: Branch, at: str) -> Iterator[_Fault]:
    for index, row in enumerate(branch.decide):
        here = f"{at}/decide/{index}"
        if _never(row):
            yield _Fault(here, "the row never holds: its conditions exclude each other", "remove one of them, or the row")
            continue
        above = next((earlier for earlier in range(index) if _covers(branch.decide[earlier], row)), None)
        if above is not None:
            what = f"the row is never reached: whenever it holds, row {above} holds first"
            yield _Fault(here, what, "put it further up, or remove it")
    if not any(row.then == "confirm" for row in branch.decide):
        yield _Fault(f"{at}/decide", "nothing confirms this hypothesis, so its actions are never reached", "add a row with then: confirm")
    ids = {step.id for step in branch.diagnose}
    for index, row in enumerate(branch.decide):
        for number, one in enumerate(row.when):
            if one.value not in ids:
                yield _Fault(
                    f"{at}/decide/{index}/when/{number}/value",
                    f"this hypothesis reads no {one.value!r}",
                    f"list {one.value} under its diagnose, or name one of: {', '.join(sorted(ids))}",
                )


def _covers(earlier: Row, later: Row) -> bool:
    """Say whether `earlier` holds whenever `later` does: each of its conditions follows from one of the other's."""
    return all(any(_implies(given, wanted) for given in later.when) for wanted in earlier.when)


def _never(row: Row) -> bool:
    return any(_excludes(one, other) for index, one in enumerate(row.when) for other in row.when[index + 1 :])


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _equal(one: Json, other: Json) -> bool:
    return compare("eq", one, other)


def _meets(value: Json, condition: Condition) -> bool:
    """Say whether a known value meets a condition; False where that is not certain."""
    if condition.op == "has_text":
        return isinstance(value, str) and str(condition.to) in value
    return condition.op in COMPARED and compare(condition.op, value, condition.to)


def _implies(given: Condition, wanted: Condition) -> bool:
    """Say whether `wanted` follows from `given`; False where that is not certain."""
    if (given.value, given.at) != (wanted.value, wanted.at):
        return False
    if (given.op == wanted.op and _equal(given.to, wanted.to)) or (wanted.op == "exists" and wanted.to is True and given.op != "exists"):
        return True
    if given.op == "eq":
        return _meets(given.to, wanted)
    if given.op == "in" and isinstance(given.to, Sequence):
        return all(_meets(one, wanted) for one in given.to)
    return _narrower(given, wanted)


def _narrower(given: Condition, wanted: Condition) -> bool:
    """Say whether one text or bound is narrower than another of its sort."""
    ops, left, right = (given.op, wanted.op), _number(given.to), _number(wanted.to)
    if ops == ("has_text", "has_text"):
        return str(wanted.to) in str(given.to)
    if ops == ("lacks_text", "lacks_text"):
        return str(given.to) in str(wanted.to)
    if left is None or right is None:
        return False
    level = left == right and (given.op in {"lt", "gt"} or wanted.op in {"le", "ge"})
    higher = level or left > right
    lower = level or left < right
    return (
        (higher and {*ops} <= {"gt", "ge"})
        or (lower and {*ops} <= {"lt", "le"})
        or (left <= right and ops == ("newer_than_s", "newer_than_s"))
        or (left >= right and ops == ("older_than_s", "older_than_s"))
    )


def _excludes(one: Condition, other: Condition) -> bool:
    """Say whether two conditions on the same place can never hold together; False where that is not certain."""
    if (one.value, one.at) != (other.value, other.at):
        return False
    for first, second in ((one, other), (other, one)):
        if first.op == "exists" and first.to is False and not (second.op == "exists" and second.to is False):
            return True
        comparable = second.op in COMPARED
        if first.op == "eq" and comparable and not _meets(first.to, second):
            return True
        if first.op == "in" and comparable and isinstance(first.to, Sequence) and not any(_meets(value, second) for value in first.to):
            return True
        low, high = _number(first.to), _number(second.to)
        if first.op in {"gt", "ge"} and second.op in {"lt", "le"} and low is not None and high is not None:
            return low > high or (low == high and not (first.op == "ge" and second.op == "le"))
    return False


# ---- references and kinds


def _references(args: Json, at: str, ids: Sequence[str]) -> Iterator[_Fault]:
    for pointer, text in texts(args, at):
        try:
            reference = parse(text)
        except ValueError:
            what = f"{text!r} is no reference"
            yield _Fault(pointer, what, "write $signal:/pointer, $target:/pointer or $value:<diagnose id>/pointer")
            continue
        if reference is not None and reference.sort == "value" and reference.step not in ids:
            what = f"{text!r} names a diagnose step that is not read before it here"
            yield _Fault(pointer, what, f"name one of: {', '.join(ids) or 'none are read before it'}")


def _misfit(args: Doc, spec: KindSpec, at: str) -> Iterator[_Fault]:
    """Give where arguments do not fit their kind's schema; what a reference stands for is not known yet and fits."""
    plain = wire.plain(args)
    references = {pointer for pointer, text in texts(plain) if text.startswith("$")}
    for fault in jsonschema_rs.Draft202012Validator(wire.plain(spec.args)).iter_errors(plain):
        here = pointer_to(tuple(fault.instance_path))
        if here not in references:
            what = f"the arguments do not fit {spec.name}: {fault.message.splitlines()[0][:200]}"
            yield _Fault(at + here, what, f"see the arguments of {spec.name}: flyball kinds")


def _diagnosis(branch: Branch, at: str, kinds: Mapping[str, KindSpec]) -> Iterator[_Fault]:
    before: list[str] = []
    for index, step in enumerate(branch.diagnose):
        here = f"{at}/diagnose/{index}"
        if step.id not in branch.reused:
            spec = kinds.get(step.kind)
            if spec is None:
                yield _unknown(f"{here}/kind", step.kind, kinds)
            elif spec.reach is not Reach.READ:
                yield _Fault(f"{here}/kind", f"{step.kind} changes something", "diagnose by kinds that only read")
            else:
                yield from _misfit(step.args, spec, f"{here}/args")
        yield from _references(step.args, f"{here}/args", before)
        if step.id in before:
            yield _Fault(here, f"{step.id!r} is listed twice", "remove one of them")
        before.append(step.id)


def _unknown(at: str, kind: str, kinds: Mapping[str, KindSpec]) -> _Fault:
    return _Fault(at, f"there is no kind {kind!r}", f"use one of: {', '.join(sorted(kinds))}")


def _deal(deal: Deal, at: str, branch: Branch, kinds: Mapping[str, KindSpec]) -> Iterator[_Fault]:
    ids = [step.id for step in branch.diagnose]
    yield from _references(deal.args, f"{at}/args", ids)
    spec = kinds.get(deal.kind)
    if spec is None:
        yield _unknown(f"{at}/kind", deal.kind, kinds)
    elif not spec.reversible and not deal.irreversible:
        yield _Fault(
            at, f"{deal.kind} cannot be undone and the step does not say so", "add irreversible: true, or choose a kind with an undo"
        )
    elif spec.reversible and deal.irreversible:
        yield _Fault(f"{at}/irreversible", f"{deal.kind} can be undone", "remove irreversible")
    if spec is not None:
        yield from _misfit(deal.args, spec, f"{at}/args")
    if spec is not None and spec.reach is Reach.WRITE and deal.kind != "notify" and not deal.verify:
        yield _Fault(at, f"{deal.kind} changes something and nothing verifies it", "add verify: what must be seen for it to have worked")
    for index, one in enumerate(deal.verify):
        yield from _expect(one, f"{at}/verify/{index}", ids, kinds)


def _expect(one: Expect, at: str, ids: Sequence[str], kinds: Mapping[str, KindSpec]) -> Iterator[_Fault]:
    yield from _references(one.args, f"{at}/args", ids)
    if one.kind == RESOLVED:
        return
    spec = kinds.get(one.kind)
    if spec is None:
        yield _unknown(f"{at}/kind", one.kind, kinds)
    elif spec.reach is not Reach.READ:
        yield _Fault(f"{at}/kind", f"{one.kind} changes something", "verify by kinds that only read")
    else:
        yield from _misfit(one.args, spec, f"{at}/args")
