"""The intermediate representation: OPA's plan format as nouns, and a little more. From `planner` or `read`; made into Python by `code`.

What each statement does is said in OPA's documentation of its IR. A statement that is undefined ends its block; `Break(n)` ends the
block that is `n` levels out. Locals are numbered; 0 is `input`, 1 is `data`. More than OPA's: an operand may be any constant, so that
ground terms are made once, at load.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeAlias

from flyball.rego.error import NOWHERE, Place


@dataclass(frozen=True, slots=True)
class Const:
    """A ground value, in the form of `value.py`. Shared by every evaluation, so never changed."""

    value: Any


Local: TypeAlias = int
DOCUMENTS: Final = (0, 1)  # the locals that hold input and data
Operand: TypeAlias = Local | Const
Block: TypeAlias = tuple["Stmt", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stmt:
    """Any statement."""

    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Nop(Stmt):
    """Nothing."""


@dataclass(frozen=True, slots=True)
class ReturnLocal(Stmt):
    """Ends the function with this value (undefined where the local is)."""

    source: Local


@dataclass(frozen=True, slots=True)
class Call(Stmt):
    """Calls a function of the plan or a builtin by name; undefined where it gives undefined."""

    func: str
    args: tuple[Operand, ...]
    result: Local


@dataclass(frozen=True, slots=True)
class CallDynamic(Stmt):
    """Calls the function of the plan whose `path` is the values of these operands; undefined where there is none."""

    path: tuple[Operand, ...]
    args: tuple[Local, ...]
    result: Local


@dataclass(frozen=True, slots=True)
class Blocks(Stmt):
    """Runs blocks one after the other, each as far as it goes (OPA: BlockStmt)."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Break(Stmt):
    """Ends the block `index` levels out; 0 is the one it stands in."""

    index: int


@dataclass(frozen=True, slots=True)
class Dot(Stmt):
    """`target = source[key]`; undefined where there is none."""

    source: Operand
    key: Operand
    target: Local


@dataclass(frozen=True, slots=True)
class Len(Stmt):
    """`target = number of members`."""

    source: Operand
    target: Local


@dataclass(frozen=True, slots=True)
class Scan(Stmt):
    """Runs the block for every key and value of an array, object or set; undefined for anything else."""

    source: Local
    key: Local
    value: Local
    block: Block


@dataclass(frozen=True, slots=True)
class Not(Stmt):
    """Undefined exactly if the block runs to its end."""

    block: Block


@dataclass(frozen=True, slots=True)
class Assign(Stmt):
    """`target = source` (OPA: AssignVarStmt, AssignIntStmt and the Make statements of scalars)."""

    source: Operand
    target: Local


@dataclass(frozen=True, slots=True)
class AssignOnce(Stmt):
    """`target = source`; where the target is defined already and differs, the evaluation ends in a conflict."""

    source: Operand
    target: Local


@dataclass(frozen=True, slots=True)
class Reset(Stmt):
    """Makes a local undefined."""

    target: Local


@dataclass(frozen=True, slots=True)
class MakeArray(Stmt):
    """`target = []`."""

    target: Local


@dataclass(frozen=True, slots=True)
class MakeObject(Stmt):
    """`target = {}`."""

    target: Local


@dataclass(frozen=True, slots=True)
class MakeSet(Stmt):
    """`target = set()`."""

    target: Local


@dataclass(frozen=True, slots=True)
class Equal(Stmt):
    """Undefined unless both are the same."""

    a: Operand
    b: Operand


@dataclass(frozen=True, slots=True)
class NotEqual(Stmt):
    """Undefined if both are the same."""

    a: Operand
    b: Operand


@dataclass(frozen=True, slots=True)
class IsKind(Stmt):
    """Undefined unless the source is an `array`, `object` or `set`, as `kind` says."""

    source: Operand
    kind: str


@dataclass(frozen=True, slots=True)
class IsDefined(Stmt):
    """Undefined unless the local is defined."""

    source: Local


@dataclass(frozen=True, slots=True)
class IsUndefined(Stmt):
    """Undefined unless the local is undefined."""

    source: Local


@dataclass(frozen=True, slots=True)
class ArrayAppend(Stmt):
    """Adds to the end of an array."""

    array: Local
    value: Operand


@dataclass(frozen=True, slots=True)
class ObjectInsert(Stmt):
    """Sets a key of an object."""

    object: Local
    key: Operand
    value: Operand


@dataclass(frozen=True, slots=True)
class ObjectInsertOnce(Stmt):
    """Sets a key of an object; where it has another value already, the evaluation ends in a conflict."""

    object: Local
    key: Operand
    value: Operand


@dataclass(frozen=True, slots=True)
class ObjectMerge(Stmt):
    """`target = a` laid over `b`, recursively."""

    a: Local
    b: Local
    target: Local


@dataclass(frozen=True, slots=True)
class SetAdd(Stmt):
    """Adds to a set."""

    set: Local
    value: Operand


@dataclass(frozen=True, slots=True)
class With(Stmt):
    """Runs the block with `local` (input or data) changed at `path` (all of it where empty); rules are asked anew inside."""

    local: Local
    path: tuple[str, ...]
    value: Operand
    block: Block


@dataclass(frozen=True, slots=True)
class ResultAdd(Stmt):
    """Adds a local to the results of the plan."""

    value: Local


@dataclass(frozen=True, slots=True)
class Func:
    """A function of the plan. A rule is a function of (input, data) alone; `path` says which one (`("g0", "pkg", "rule")`)."""

    name: str
    params: tuple[Local, ...]
    result: Local
    blocks: tuple[Block, ...]
    path: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """An entrypoint: its blocks add results."""

    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """Everything that is made into Python together. `builtins` names the builtins that its calls may mean."""

    plans: tuple[Plan, ...]
    funcs: tuple[Func, ...]
    builtins: frozenset[str] = frozenset()


def inner(stmt: Stmt) -> tuple[Block, ...]:
    """The blocks directly within a statement."""
    if isinstance(stmt, Blocks):
        return stmt.blocks
    return (stmt.block,) if isinstance(stmt, Scan | Not | With) else ()


def walk(blocks: tuple[Block, ...]) -> Iterator[Stmt]:
    """Every statement in these blocks, those within others too, in the order of the plan."""
    waiting = [stmt for block in reversed(blocks) for stmt in reversed(block)]
    while waiting:
        stmt = waiting.pop()
        yield stmt
        waiting += [one for block in reversed(inner(stmt)) for one in reversed(block)]


def targets(stmt: Stmt) -> tuple[Local, ...]:
    """The locals that a statement itself sets or resets; not those whose value it adds to."""
    if isinstance(stmt, Scan):
        return (stmt.key, stmt.value)
    if isinstance(stmt, Call | CallDynamic):
        return (stmt.result,)
    target = getattr(stmt, "target", None)
    return () if target is None else (target,)


READS: Final = ("source", "key", "value", "a", "b", "array", "object", "set", "path", "args")
_READ: Final[dict[type[Stmt], tuple[str, ...]]] = {
    kind: tuple(name for name in READS if name in {one.name for one in fields(kind)}) for kind in Stmt.__subclasses__()
} | {Scan: ("source",), With: ("local", "value")}


def operands(stmt: Stmt) -> tuple[Operand, ...]:
    """What a statement itself reads, a value that it adds to included."""
    found: list[Operand] = []
    for name in _READ[type(stmt)]:
        held = getattr(stmt, name)
        found += held if isinstance(held, tuple) else (held,)
    return tuple(found)


def mutated(stmt: Stmt) -> Local | None:
    """The local whose value a statement adds to."""
    if isinstance(stmt, ArrayAppend):
        return stmt.array
    if isinstance(stmt, ObjectInsert | ObjectInsertOnce):
        return stmt.object
    return stmt.set if isinstance(stmt, SetAdd) else None
