"""What a function may add to without a look: values that it made itself. Called by `emit` and `stmt`.

The input, the data and what rules gave are seen by others too: they must never change, whatever a plan says. A function whose every local
that is added to comes from a Make statement of the right kind is plain. In any other it is checked, while it runs, that what is added to
was made by this very call.
"""

from collections import Counter

from flyball.rego import ir

MAKERS = {
    ir.ArrayAppend: ir.MakeArray,
    ir.ObjectInsert: ir.MakeObject,
    ir.ObjectInsertOnce: ir.MakeObject,
    ir.SetAdd: ir.MakeSet,
}

PRINT = "internal.print"
LASTING = (*MAKERS, ir.AssignOnce, ir.ResultAdd, ir.ReturnLocal, ir.Break)  # what a later round of a loop may still change, or leaves it


class Ownership:
    """The values that a function makes, and where they go.

    Attributes:
        plain: whether it adds only to values that it surely made.
    """

    def __init__(self, blocks: tuple[ir.Block, ...], params: tuple[int, ...]) -> None:
        self.stmts = list(ir.walk(blocks))
        adds = [(local, MAKERS[type(stmt)]) for stmt in self.stmts if (local := ir.mutated(stmt)) is not None]
        writers: dict[int, set[type[ir.Stmt]]] = {}
        for stmt in self.stmts:
            for local in ir.targets(stmt):
                writers.setdefault(local, set()).add(type(stmt))
        self.plain = all(local not in params and writers.get(local, set()) <= {maker, ir.Reset} for local, maker in adds)
        self.reads = Counter(one for stmt in self.stmts for one in ir.operands(stmt) if isinstance(one, int))
        self.reads.update(stmt.target for stmt in self.stmts if isinstance(stmt, ir.AssignOnce))
        self._reach: dict[frozenset[int], frozenset[int]] = {}

    def is_moving(self, scan: ir.Scan) -> bool:
        """Whether the block of a scan may add to the very value that is scanned."""
        adds = frozenset(local for stmt in ir.walk((scan.block,)) if (local := ir.mutated(stmt)) is not None)
        return bool(adds) and (not self.plain or scan.source in self._reached(adds))

    def is_once(self, scan: ir.Scan) -> bool:
        """Whether a scan is over when its block has run to its end once: all that it does is to set a flag, and it would set it again."""
        if not scan.block or not isinstance(last := scan.block[-1], ir.Assign) or not isinstance(last.source, ir.Const):
            return False
        stmts = list(ir.walk((scan.block,)))
        if any(isinstance(stmt, LASTING) or (isinstance(stmt, ir.Call) and stmt.func == PRINT) for stmt in stmts):
            return False
        set_ = {local for stmt in stmts for local in ir.targets(stmt)} | {scan.key, scan.value}
        inside = Counter(one for stmt in stmts for one in ir.operands(stmt) if isinstance(one, int) and one in set_)
        return all(inside[local] == self.reads[local] for local in set_ - {last.target})

    def _reached(self, locals_: frozenset[int]) -> frozenset[int]:
        """The locals that may hold the values of these, or something that they are in, or something in them."""
        if locals_ not in self._reach:
            found = set(locals_)
            size = 0
            while size != len(found):
                size = len(found)
                for stmt in self.stmts:
                    if any(one in found for one in ir.operands(stmt) if isinstance(one, int)):
                        found.update(_receivers(stmt))
            self._reach[locals_] = frozenset(found)
        return self._reach[locals_]


def _receivers(stmt: ir.Stmt) -> tuple[int, ...]:
    added = ir.mutated(stmt)
    changed = (stmt.local,) if isinstance(stmt, ir.With) else ()
    return (*ir.targets(stmt), *(() if added is None else (added,)), *changed)
