"""What is known at one point of a function while it is made. Called by `emit`, `stmt` and `call`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from flyball.rego import ir
from flyball.rego.code.node import Code

INPUT, DATA = 0, 1


@dataclass(frozen=True, slots=True)
class Scope:
    """One point.

    Attributes:
        sure: locals that hold a value here.
        none: locals that are undefined here.
        base: locals that were looked up in data, step by step.
        input, data, memory: the Python variables that hold them.
    """

    sure: frozenset[int]
    none: frozenset[int]
    base: frozenset[int] = frozenset({DATA})
    input: str = "l0"
    data: str = "l1"
    memory: str = "m"

    def name(self, local: int) -> str:
        """The variable of a local."""
        return self.input if local == INPUT else self.data if local == DATA else f"l{local}"

    def holds(self, *locals_: int) -> "Scope":
        """After these got a value."""
        return replace(self, sure=self.sure.union(locals_), none=self.none.difference(locals_), base=self.base.difference(locals_))

    def maybe(self, locals_: Iterable[int]) -> "Scope":
        """After these may have been changed."""
        changed = frozenset(locals_)
        return replace(self, sure=self.sure - changed, none=self.none - changed, base=self.base - changed)

    def without(self, local: int) -> "Scope":
        """After this was made undefined."""
        return replace(self, sure=self.sure - {local}, none=self.none | {local})

    def knows(self, other: "Scope") -> "Scope":
        """This point's documents with what is known at another."""
        return replace(self, sure=other.sure, none=other.none, base=other.base)


@dataclass(slots=True)
class Frame:
    """A block that is being made, and what its end means in Python.

    Falling out of the statements made for a block leads to its end, unless `end` says what stands there instead: then whoever reaches the
    end writes that in place, and there is exactly one who does.

    Attributes:
        parent: the block around it.
        end: makes what stands at the end, in place of falling to it.
        skip: the variable that, when true, skips what follows the block; made when it is first needed.
        followed: whether anything follows the block that is reached by falling.
        loop: whether it is the body of a loop.
        clear: whether its end is that of its parent (`with`).
        again: the variable that, when true, leaves the loop around this loop as well; made when it is first needed.
        finish: makes what is done when the block ran to its end.
    """

    parent: "Frame | None"
    end: Callable[[Scope], Code] | None = None
    skip: str = ""
    followed: bool = False
    loop: bool = False
    clear: bool = False
    again: str = ""
    finish: Callable[[Scope], Code] | None = None


def changed(blocks: Iterable[ir.Block]) -> frozenset[int]:
    """The locals that these blocks may change."""
    return frozenset(local for stmt in ir.walk(tuple(blocks)) for local in targets(stmt))


def targets(stmt: ir.Stmt) -> tuple[int, ...]:
    """The locals that a statement itself sets or resets."""
    if isinstance(stmt, ir.Scan):
        return (stmt.key, stmt.value)
    if isinstance(stmt, ir.Call | ir.CallDynamic):
        return (stmt.result,)
    target = getattr(stmt, "target", None)
    return () if target is None else (target,)


def ways(block: ir.Block) -> tuple[int, bool]:
    """In how many ways the end of a block is reached (from within a loop counts as many), and whether anything leaves for further out."""
    found, leaves = _ways(block, (True,))
    open_end = not any(isinstance(stmt, ir.Break | ir.ReturnLocal) for stmt in block)
    return found + open_end, leaves


def _ways(block: ir.Block, ends: tuple[bool, ...]) -> tuple[int, bool]:
    """`ends` says of this block and of each around it whether its end is the one that is asked for."""
    found, leaves = 0, False
    for stmt in block:
        if isinstance(stmt, ir.Break):
            within = stmt.index < len(ends)
            return found + (within and ends[stmt.index]), leaves or not within
        if isinstance(stmt, ir.ReturnLocal):
            return found, leaves
        clear = isinstance(stmt, ir.With)
        for inner in ir.inner(stmt):
            more, out = _ways(inner, (ends[0] and clear, *ends))
            found += more * (2 if isinstance(stmt, ir.Scan) else 1)
            leaves = leaves or out
        found += ends[0] and fails(stmt)
    return found, leaves


def fails(stmt: ir.Stmt) -> bool:
    """Whether a statement by itself may be undefined."""
    sure = ir.Nop | ir.Blocks | ir.Reset | ir.MakeArray | ir.MakeObject | ir.MakeSet | ir.With
    return not isinstance(stmt, sure) and not (
        isinstance(stmt, ir.Assign) or (isinstance(stmt, ir.AssignOnce) and isinstance(stmt.source, ir.Const))
    )
