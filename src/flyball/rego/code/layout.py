"""What stands where in one function of the plan: asked of many parts of it, gone through once. Called by `emit` and `own`.

Statements are numbered in the order of the plan, those within others too, so that every block is a stretch of numbers: `(start, stop)`.
"""

from bisect import bisect_left
from typing import Final

from flyball.rego import ir
from flyball.rego.code.scope import is_name
from flyball.rego.work import STMT, spend

PRINT: Final = "internal.print"
Span = tuple[int, int]


class Layout:
    """The statements of some blocks by number. `stmts` holds them all."""

    def __init__(self, blocks: tuple[ir.Block, ...]) -> None:
        self.stmts: list[ir.Stmt] = []
        self._number: dict[int, int] = {}
        self._stop: list[int] = []
        waiting: list[ir.Stmt | int] = [stmt for block in reversed(blocks) for stmt in reversed(block)]
        while waiting:
            one = waiting.pop()
            if isinstance(one, int):
                self._stop[one] = len(self.stmts)
                continue
            number = len(self.stmts)
            self.stmts.append(one)
            self._number.setdefault(id(one), number)
            self._stop.append(number + 1)
            below = ir.inner(one)
            if below:
                waiting.append(number)
                waiting += [stmt for block in reversed(below) for stmt in reversed(block)]
        spend(STMT * len(self.stmts))
        self._note()

    def _note(self) -> None:
        self._targets: list[int] = []
        self._added: list[int] = []
        self._places: list[Span] = []  # of a statement: where its targets and what it adds to begin in the two lists
        self._arrays: list[Span] = []  # number and local of what makes an array, or adds to one
        self._appends: list[Span] = []
        self._told: list[int] = []  # statements whose order is seen from outside
        self._looks: dict[int, list[int]] = {}  # local -> the statements that look for a name in it
        for number, stmt in enumerate(self.stmts):
            self._places.append((len(self._targets), len(self._added)))
            self._targets += ir.targets(stmt)
            added = ir.mutated(stmt)
            if added is not None:
                self._added.append(added)
            if isinstance(stmt, ir.MakeArray):
                self._arrays.append((number, stmt.target))
            elif isinstance(stmt, ir.ArrayAppend):
                self._appends.append((number, stmt.array))
            elif isinstance(stmt, ir.ResultAdd) or (isinstance(stmt, ir.Call) and stmt.func == PRINT):
                self._told.append(number)
            elif isinstance(stmt, ir.Dot) and isinstance(stmt.source, int) and is_name(stmt.key):
                self._looks.setdefault(stmt.source, []).append(number)
        self._places.append((len(self._targets), len(self._added)))

    def of(self, block: ir.Block, index: int = 0) -> Span:
        """The statements of a block from one on, and all within them."""
        if index >= len(block):
            return 0, 0
        return self._number[id(block[index])], self._stop[self._number[id(block[-1])]]

    def with_inner(self, stmt: ir.Stmt) -> Span:
        """A statement and all within it."""
        number = self._number[id(stmt)]
        return number, self._stop[number]

    def within(self, stmt: ir.Stmt) -> Span:
        """All within a statement."""
        number = self._number[id(stmt)]
        return number + 1, self._stop[number]

    def all(self) -> Span:
        """Everything."""
        return 0, len(self.stmts)

    def changed(self, span: Span) -> frozenset[int]:
        """The locals that these statements may set or reset."""
        return frozenset(self._targets[self._places[span[0]][0] : self._places[span[1]][0]])

    def added(self, span: Span) -> frozenset[int]:
        """The locals whose values these statements add to."""
        return frozenset(self._added[self._places[span[0]][1] : self._places[span[1]][1]])

    def is_seen(self, span: Span) -> bool:
        """Whether the order in which these are run for members can be seen: in an array from outside of them, in results, in print."""
        told = bisect_left(self._told, span[0])
        if told < len(self._told) and self._told[told] < span[1]:
            return True
        return not _locals(self._appends, span) <= _locals(self._arrays, span)

    def own(self, blocks: tuple[ir.Block, ...]) -> list[frozenset[int]]:
        """For each of these blocks, the locals that no other of them mentions."""
        first: dict[int, int] = {}
        shared: set[int] = set()
        for at, block in enumerate(blocks):
            start, stop = self.of(block)
            for stmt in self.stmts[start:stop]:
                for one in (*ir.targets(stmt), *ir.operands(stmt)):
                    if isinstance(one, int) and first.setdefault(one, at) != at:
                        shared.add(one)
        found: list[set[int]] = [set() for _ in blocks]
        for local, at in first.items():
            if local not in shared:
                found[at].add(local)
        return list(map(frozenset, found))

    def looks(self, local: int, span: Span) -> int:
        """How often these look for a text in a local, where a dict says all that there is to find."""
        found = self._looks.get(local, [])
        return bisect_left(found, span[1]) - bisect_left(found, span[0])


def _locals(found: list[Span], span: Span) -> set[int]:
    """The locals of those that stand in a span."""
    return {local for _, local in found[bisect_left(found, (span[0], 0)) : bisect_left(found, (span[1], 0))]}
