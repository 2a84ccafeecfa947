"""What is known at one point of a function while it is made. Called by `emit`, `stmt` and `call`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from flyball.rego import ir
from flyball.rego.code.node import Code
from flyball.rego.work import spend

INPUT, DATA = ir.DOCUMENTS
NOTHING: Mapping[int, str] = {}


class Scope(NamedTuple):
    """One point. A tuple: there is one for each statement.

    Attributes:
        sure: locals that hold a value here.
        none: locals that are undefined here.
        base: locals that were looked up in data, step by step.
        views: the Python variables that hold locals as a dict, for those that are looked into more than once.
        kinds: the Python type of locals, where it is known.
        input, data, memory: the Python variables that hold them.
    """

    sure: frozenset[int]
    none: frozenset[int]
    base: frozenset[int] = frozenset({DATA})
    kinds: Mapping[int, str] = MappingProxyType({DATA: "dict"})
    views: Mapping[int, str] = MappingProxyType({INPUT: "q"})
    input: str = "l0"
    data: str = "l1"
    memory: str = "m"

    def name(self, local: int) -> str:
        """The variable of a local."""
        return self.input if local == INPUT else self.data if local == DATA else f"l{local}"

    def holds(self, *locals_: int, kind: str = "") -> "Scope":
        """After these got a value."""
        then = self.maybe(locals_)
        kinds = {**then.kinds, **dict.fromkeys(locals_, kind)} if kind else then.kinds
        return then._replace(sure=then.sure.union(locals_), kinds=kinds)

    def is_known(self, *locals_: int) -> "Scope":
        """Where these turn out to hold a value."""
        return self._replace(sure=self.sure.union(locals_))

    def is_kind(self, local: ir.Operand, kind: str) -> "Scope":
        """Where a local turns out to be of a type."""
        if isinstance(local, ir.Const):
            return self
        return self._replace(sure=self.sure | {local}, kinds={**self.kinds, local: kind})

    def kind(self, operand: ir.Operand) -> str:
        """The Python type of an operand; empty where it is not known."""
        return type(operand.value).__name__ if isinstance(operand, ir.Const) else self.kinds.get(operand, "")

    def maybe(self, locals_: Iterable[int]) -> "Scope":
        """After these may have been changed."""
        lost = frozenset(locals_)
        kinds, views = self.kinds, self.views
        if not lost.isdisjoint(kinds):
            kinds = {local: kind for local, kind in kinds.items() if local not in lost}
        if not lost.isdisjoint(views):
            views = {local: view for local, view in views.items() if local == INPUT or local not in lost}
        return self._replace(sure=self.sure - lost, none=self.none - lost, base=self.base - lost, kinds=kinds, views=views)

    def begins(self, own: frozenset[int]) -> "Scope":
        """Where a block begins that alone has these locals: nothing has set them yet."""
        return self._replace(none=self.none | own) if own else self

    def without(self, local: int) -> "Scope":
        """After this was made undefined."""
        then = self.maybe([local])
        return then._replace(none=then.none | {local})

    def restored(self, local: int, outer: "Scope") -> "Scope":
        """With what is known of a document that was changed for a while as it is known outside."""
        then, one = self.maybe([local]), {local}
        kinds = {**then.kinds, **({local: outer.kinds[local]} if local in outer.kinds else {})}
        sure, none, base = then.sure | one & outer.sure, then.none | one & outer.none, then.base | one & outer.base
        return then._replace(sure=sure, none=none, base=base, kinds=kinds, views={**then.views, INPUT: outer.views[INPUT]})

    def knows(self, other: "Scope") -> "Scope":
        """This point's documents with what is known at another."""
        views = {**other.views, INPUT: self.views[INPUT]}
        return self._replace(sure=other.sure, none=other.none, base=other.base, kinds=other.kinds, views=views)


@dataclass(slots=True)
class Around:
    """A loop or inner function that statements stand in. `again`: the variable that, when true after it, leaves what is around it too."""

    loop: bool
    again: str = ""


@dataclass(slots=True)
class Frame:
    """A block that is being made, and what its end means in Python.

    Falling out of the statements made for a block leads to its end, unless `end` says what stands there instead: then whoever reaches the
    end writes that in place.

    Attributes:
        parent: the block around it.
        where: the loops and functions that its end stands in.
        end: makes what stands at the end, in place of falling to it.
        finish: makes what is done when the block ran to its end, where that is more than its end.
        skip: the variable that, when true, skips what follows the block; made when it is first needed.
        followed: whether anything follows the block that is reached by falling.
        clear: whether its end is that of its parent (`with`).
    """

    parent: "Frame | None"
    where: tuple[Around, ...]
    end: Callable[[Scope], Code] | None = None
    finish: Callable[[Scope], Code] | None = None
    skip: str = ""
    followed: bool = False
    clear: bool = False


def ways(block: ir.Block) -> tuple[int, bool]:
    """In how many ways the end of a block is reached, and whether anything in it leaves it for further out."""
    found, leaves = _ways(block, (True,))
    open_end = not any(isinstance(stmt, ir.Break | ir.ReturnLocal) for stmt in block)
    return found + open_end, leaves


def _ways(block: ir.Block, ends: tuple[bool, ...]) -> tuple[int, bool]:
    """`ends` says of this block and of each around it whether its end is the one that is asked for."""
    found, leaves = 0, False
    spend(len(block))
    for stmt in block:
        if isinstance(stmt, ir.Break):
            within = stmt.index < len(ends)
            return found + (within and ends[stmt.index]), leaves or not within
        if isinstance(stmt, ir.ReturnLocal):
            return found, leaves
        clear = isinstance(stmt, ir.With)
        for inner in ir.inner(stmt):
            more, out = _ways(inner, (ends[0] and clear, *ends))
            found += more
            leaves = leaves or out
        found += ends[0] and fails(stmt)
    return found, leaves


SURE = ir.Nop | ir.Blocks | ir.Reset | ir.MakeArray | ir.MakeObject | ir.MakeSet | ir.With | ir.Assign


def fails(stmt: ir.Stmt) -> bool:
    """Whether a statement by itself may be undefined."""
    return not isinstance(stmt, SURE) and not (isinstance(stmt, ir.AssignOnce) and isinstance(stmt.source, ir.Const))


def is_name(operand: ir.Operand) -> bool:
    """Whether an operand is a text that can be no place in an array."""
    return isinstance(operand, ir.Const) and type(operand.value) is str and not operand.value.isdigit()
