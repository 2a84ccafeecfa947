"""Why an evaluation came out as it did. Made by `Policy.explain`, which runs the same plan with a hook before every statement.

A rule is asked at most once with the same input and data; each asking is an `Asked`, and each of its bodies a `Body`: fired with the values
that mattered, or failed at the first statement that did not hold. In a body that goes through something, the way that led farthest counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flyball.rego import ir
from flyball.rego.error import NOWHERE, Place
from flyball.rego.value import UNDEFINED, Set, Value, plain

MOST_ASKED: Final = 1_000  # askings that a trace holds; of those beyond, only what was reached is kept
MOST_LETTERS, MOST_MEMBERS = 200, 20

Seen = tuple[Place, str, tuple[Value, ...]]  # a statement, what it does, the values that it had


@dataclass(frozen=True, slots=True)
class Body:
    """One body of a rule in one asking.

    Attributes:
        place: where it stands.
        fired: how often it came to its end.
        values: fired: the statements of the first way to the end, with their values; failed: the statement that failed, with its values.
        missed: why it did not fire, in words; empty where it did.
    """

    place: Place
    fired: int
    values: tuple[Seen, ...]
    missed: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """One asking of a rule or function: its name (`data.pkg.rule`), its operands, what it gave (`UNDEFINED` where nothing)."""

    rule: str
    place: Place
    operands: tuple[Value, ...]
    value: Value
    bodies: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """An evaluation, its answer and its reasons.

    Attributes:
        policy, input, data: `sha256:` digests of what decided.
        now_ns, seed: the world that was given.
        result: the answer; `UNDEFINED` where there is none.
        fault: `code: what` of the fault that ended it; else empty.
        rules: in the order in which they were asked.
        reached: the lines that were reached, as (file, row); `lines` all that can be.
        printed: what the policy printed.
    """

    entrypoint: str
    policy: str
    input: str
    data: str
    now_ns: int
    seed: int
    result: Value
    fault: str
    rules: tuple[Asked, ...]
    reached: frozenset[tuple[str, int]]
    lines: frozenset[tuple[str, int]]
    printed: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """The decision as JSON. The same policy, input, data and world give the same record, bit for bit."""
        return {
            "entrypoint": self.entrypoint,
            "policy": self.policy,
            "input": self.input,
            "data": self.data,
            "world": {"now_ns": self.now_ns, "seed": self.seed},
            "result": None if self.result is UNDEFINED else plain(self.result),
            "defined": self.result is not UNDEFINED,
            "fault": self.fault,
            "rules": [_asked(one) for one in self.rules],
            "printed": list(self.printed),
        }

    def uncovered(self) -> dict[str, list[int]]:
        """The lines that were not reached, by file."""
        found: dict[str, list[int]] = {}
        for file, row in sorted(self.lines - self.reached):
            found.setdefault(file, []).append(row)
        return found


def _asked(one: Asked) -> dict[str, Any]:
    value = {} if one.value is UNDEFINED else {"value": brief(one.value)}
    operands = {"operands": [brief(operand) for operand in one.operands]} if one.operands else {}
    return {"rule": one.rule, "at": _at(one.place), **operands, **value, "bodies": [_body(body) for body in one.bodies]}


def _body(body: Body) -> dict[str, Any]:
    values = [{"at": _at(place), "what": what, "values": [brief(value) for value in values]} for place, what, values in body.values]
    return {"at": _at(body.place), "fired": body.fired, **({"missed": body.missed} if body.missed else {}), "values": values}


def _at(place: Place) -> str:
    return f"{place.file}:{place.row}:{place.col}"


def brief(value: Value) -> Any:
    """A value as JSON; a long text is cut, a large collection only counted."""
    kind = type(value)
    if kind is str:
        return value if len(value) <= MOST_LETTERS else f"{value[:MOST_LETTERS]}... ({len(value)} characters)"
    if value is UNDEFINED:
        return "undefined"
    if kind in {list, dict, Set}:
        return plain(value) if _is_small(value) else f"{ {list: 'array', dict: 'object', Set: 'set'}[kind] } of {len(value)}"
    return value


def _is_small(value: Value) -> bool:
    waiting, count = [value], 0
    while waiting:
        one = waiting.pop()
        kind = type(one)
        if kind is str and len(one) > MOST_LETTERS:
            return False
        if kind in {list, dict, Set}:
            count += len(one)
            if count > MOST_MEMBERS:
                return False
            waiting += one if kind is list else (one if kind is dict else one.held).values()
    return True


# ---- what the hooks need


@dataclass(frozen=True, slots=True)
class Span:
    """A body among the statements of its function: the first, the one that it ends with, the last."""

    place: Place
    first: int
    head: int
    last: int


@dataclass(slots=True)
class Chart:
    """The statements of one function, by number, and its bodies."""

    rule: str
    place: Place
    stmts: list[ir.Stmt]
    spans: list[Span]
    numbers: dict[int, int] = field(default_factory=dict)  # id of a statement -> its number
    within: dict[int, int] = field(default_factory=dict)  # number of a statement -> that of the outermost `Not` around it


PASSIVE = ir.Nop | ir.Break | ir.Blocks | ir.Reset | ir.ReturnLocal | ir.MakeArray | ir.MakeObject | ir.MakeSet


def chart(rule: str, place: Place, blocks: tuple[ir.Block, ...]) -> Chart:
    """The chart of a function."""
    made = Chart(rule, place, list(ir.walk(blocks)), [])
    for number, stmt in enumerate(made.stmts):
        made.numbers.setdefault(id(stmt), number)
        if isinstance(stmt, ir.Not):
            for below in range(number + 1, number + 1 + sum(1 for _ in ir.walk((stmt.block,)))):
                made.within.setdefault(below, number)
    for block in _bodies(blocks):
        inside = [made.numbers[id(stmt)] for stmt in ir.walk((block,))]
        head = made.numbers[id(_head(block))]
        made.spans.append(Span(made.stmts[head].place, min(inside), head, max(inside)))
    return made


def _bodies(blocks: Iterable[ir.Block]) -> Iterable[ir.Block]:
    """The blocks that are bodies; those of an `else` chain one by one."""
    for block in blocks:
        if len(block) == 1 and isinstance(block[0], ir.Blocks):
            yield from _bodies(block[0].blocks)
        elif not all(isinstance(stmt, PASSIVE) for stmt in block) and not _is_plumbing(block):
            yield block


def _is_plumbing(block: ir.Block) -> bool:
    first, last = block[0], block[-1]
    return (
        len(block) == len((first, last))
        and isinstance(first, ir.IsDefined)
        and isinstance(last, ir.AssignOnce)
        and last.source == first.source
    )


def _head(block: ir.Block) -> ir.Stmt:
    """The statement that a body ends with: inside its loops, before its return."""
    rest = [stmt for stmt in block if not isinstance(stmt, ir.ReturnLocal | ir.Break)] or list(block)
    last = rest[-1]
    return _head(last.block) if isinstance(last, ir.Scan | ir.With) and last.block else last


class Visit:
    """One asking while it runs. Called before every statement."""

    __slots__ = ("chart", "ends", "firsts", "latest", "operands", "value")

    def __init__(self, on: Chart, operands: tuple[Value, ...]) -> None:
        self.chart = on
        self.operands = operands
        self.value: Value = UNDEFINED
        self.firsts: dict[int, tuple[Value, ...]] = {}  # number -> the values it had first
        self.latest: dict[int, tuple[Value, ...]] = {}
        self.ends: dict[int, tuple[int, dict[int, tuple[Value, ...]]]] = {}  # head -> how often, and the way of the first time

    def __call__(self, number: int, *values: Value) -> None:
        """A statement is reached."""
        self.firsts.setdefault(number, values)
        self.latest[number] = values
        for span in self.chart.spans:
            if span.head == number:
                count, way = self.ends.get(number, (0, {}))
                way = way or {at: held for at, held in self.latest.items() if span.first <= at <= number}
                self.ends[number] = (count + 1, way)

    def leave(self, value: Value) -> None:
        """The asking has an answer."""
        self.value = value

    def asked(self) -> Asked:
        """The asking as a noun."""
        bodies = tuple(self._body(span) for span in self.chart.spans)
        return Asked(self.chart.rule, self.chart.place, self.operands, self.value, bodies)

    def _body(self, span: Span) -> Body:
        stmts = self.chart.stmts
        if span.head in self.ends:
            count, way = self.ends[span.head]
            return Body(span.place, count, tuple(self._seen(at, way[at]) for at in sorted(way) if way[at]))
        reached = [at for at in self.firsts if span.first <= at <= span.last]
        if not reached:
            return Body(span.place, 0, (), "not asked: the answer was known already")
        farthest = max(reached)
        failed = self.chart.within.get(farthest, farthest)
        told = self._cause(farthest)
        return Body(span.place, 0, (self._seen(told, self.firsts[told]),), why(stmts[failed]))

    def _cause(self, number: int) -> int:
        """The statement whose values say most: of a condition on what was called just before, the call."""
        stmts = self.chart.stmts
        stmt, before = stmts[number], stmts[max(0, number - 1)]
        called = isinstance(stmt, ir.NotEqual) and isinstance(before, ir.Call) and before.result == stmt.a and number - 1 in self.firsts
        return number - 1 if called else number

    def _seen(self, number: int, values: tuple[Value, ...]) -> Seen:
        stmt = self.chart.stmts[number]
        return stmt.place, word(stmt), values


def word(stmt: ir.Stmt) -> str:
    """What a statement does, in a word: the builtin or function that is called, `==`, `!=`, `.`."""
    if isinstance(stmt, ir.Call):
        return stmt.func
    names = {ir.Equal: "==", ir.NotEqual: "!=", ir.Dot: ".", ir.Scan: "each", ir.Not: "not", ir.With: "with"}
    return names.get(type(stmt), type(stmt).__name__.lower())


def why(stmt: ir.Stmt) -> str:
    """Why a body ended at a statement."""
    if isinstance(stmt, ir.NotEqual) and stmt.b == ir.Const(value=False):
        return "the condition is false"
    if isinstance(stmt, ir.IsUndefined):
        return "what must not hold does hold"
    said: Mapping[type[ir.Stmt], str] = {
        ir.Dot: "there is nothing at this key",
        ir.Equal: "the two are not equal",
        ir.NotEqual: "the two are equal",
        ir.Call: "the call has no value",
        ir.CallDynamic: "there is no such rule, or it has no value",
        ir.Scan: "there is nothing to go through, or nothing in it fits",
        ir.Not: "what must not hold does hold",
        ir.IsDefined: "it is undefined",
        ir.IsKind: "it is of another type",
    }
    return said.get(type(stmt), "it has no value")


OPERANDS: Final[Mapping[type[ir.Stmt], tuple[str, ...]]] = {
    ir.Dot: ("key",),
    ir.ObjectInsert: ("key", "value"),
    ir.ObjectInsertOnce: ("key", "value"),
    ir.ArrayAppend: ("value",),
    ir.SetAdd: ("value",),
    ir.Equal: ("a", "b"),
    ir.NotEqual: ("a", "b"),
    ir.Assign: ("source",),
    ir.AssignOnce: ("source",),
    ir.IsKind: ("source",),
}


def values(stmt: ir.Stmt) -> tuple[ir.Operand, ...]:
    """The operands of a statement whose values matter: not the documents, not what is looked into or added to."""
    if isinstance(stmt, ir.Call):
        return tuple(one for one in stmt.args if one not in ir.DOCUMENTS)
    return tuple(getattr(stmt, name) for name in OPERANDS.get(type(stmt), ()))


class Recorder:
    """What a traced evaluation tells, while it runs."""

    def __init__(self, charts: list[Chart]) -> None:
        self.charts = charts
        self.visits: list[Visit] = []
        self.others: dict[int, set[int]] = {}

    def enter(self, index: int, *operands: Value) -> Visit:
        """A function is asked."""
        visit = Visit(self.charts[index], operands)
        self.visits.append(visit)
        if len(self.visits) > 2 * MOST_ASKED:
            self._fold()
        return visit

    def _fold(self) -> None:
        """Keeps of the latest askings only what they reached. The outermost ones, that may still run, are among the first."""
        for visit in self.visits[MOST_ASKED:-MOST_ASKED]:
            self.others.setdefault(id(visit.chart), set()).update(visit.firsts)
        del self.visits[MOST_ASKED:-MOST_ASKED]

    def asked(self) -> tuple[Asked, ...]:
        """The askings, in order."""
        return tuple(visit.asked() for visit in self.visits[:MOST_ASKED])

    def reached(self) -> frozenset[tuple[str, int]]:
        """The lines that were reached."""
        numbers = [(visit.chart, number) for visit in self.visits for number in visit.firsts]
        numbers += [(one, number) for one in self.charts for number in self.others.get(id(one), ())]
        places = (one.stmts[number].place for one, number in numbers)
        return frozenset((place.file, place.row) for place in places if place != NOWHERE and place.row)


def lines(charts: Iterable[Chart]) -> frozenset[tuple[str, int]]:
    """The lines that can be reached: those of statements that do something."""
    stmts = (stmt for one in charts for stmt in one.stmts if not isinstance(stmt, PASSIVE))
    return frozenset((stmt.place.file, stmt.place.row) for stmt in stmts if stmt.place.row)
