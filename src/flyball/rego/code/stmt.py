"""Makes statements without blocks into Python. Called by `emit`."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from flyball.rego import ir
from flyball.rego.code import node
from flyball.rego.code.node import Code
from flyball.rego.code.pool import Names, Pool
from flyball.rego.code.scope import Scope, is_name
from flyball.rego.value import equal

KINDS: Final = {"array": "list", "object": "dict", "set": "Set"}


@dataclass(frozen=True, slots=True)
class Step:
    """A statement in Python: what is done, the condition under which it is defined (None: always; `NOT`: never), and what is known then."""

    code: Code
    test: ast.expr | None
    scope: Scope


NOT: Final = node.NO


class Maker:
    """Makes the statements of one function."""

    def __init__(self, pool: Pool, names: Names, clash: str) -> None:
        self.pool = pool
        self.names = names
        self.clash = clash  # what a conflict in this function is called
        self.plain = True  # whether it adds only to values that it surely made

    def step(self, stmt: ir.Stmt, scope: Scope) -> Step:
        """Makes one statement."""
        return STEPS[type(stmt)](self, stmt, scope)

    def read(self, operand: ir.Operand, scope: Scope) -> ast.expr:
        """An operand's value."""
        if isinstance(operand, ir.Const):
            return self.pool.const(operand.value)
        if operand not in scope.sure and operand not in ir.DOCUMENTS:
            self.names.unset.add(scope.name(operand))
        return self.names.take(scope.name(operand))

    def defined(self, operands: tuple[ir.Operand, ...], scope: Scope) -> list[ast.expr]:
        """Conditions under which all these operands are defined."""
        doubtful = dict.fromkeys(one for one in operands if not isinstance(one, ir.Const) and one not in scope.sure)
        return [node.differ(self.read(one, scope), node.name("U")) for one in doubtful]

    def guarded(self, operands: tuple[ir.Operand, ...], code: Code, scope: Scope, then: Scope) -> Step:
        """Code that runs if its operands are defined; the statement is undefined otherwise."""
        if any(not isinstance(one, ir.Const) and one in scope.none for one in operands):
            return Step([], NOT, then)
        tests = self.defined(operands, scope)
        if not tests:
            return Step(code, None, then)
        flag = self.names.fresh("g")
        test = node.both(tests)
        return Step([node.let(flag, test), node.when(node.name(flag), code)], node.name(flag), then)

    def found(self, target: int, value: ast.expr, operands: tuple[ir.Operand, ...], scope: Scope) -> Step:
        """`target = value`, undefined where the value is or an operand."""
        tests = self.defined(operands, scope)
        value = node.choose(node.both(tests), value, node.name("U")) if tests else value
        variable = scope.name(target)
        return Step([node.let(variable, value)], node.differ(node.name(variable), node.name("U")), scope.holds(target))

    def charge(self, steps: int) -> Code:
        """Counts steps."""
        meter = self.names.take("k")
        over = node.compare(node.attr(meter, "left"), ast.Lt(), node.const(0))
        return [node.less("k", "left", node.const(steps)), node.when(over, [node.do(node.method(meter, "refill"))])]

    def clocked(self) -> Code:
        """Looks at the clock. One call of a builtin may take as long as ten thousand steps, so that counting it says nothing."""
        over = node.compare(node.call("clock"), ast.Gt(), node.attr(self.names.take("k"), "ends_ns"))
        return [node.when(over, [node.do(node.method(self.names.take("k"), "refill"))])]

    def equal(self, left: ir.Operand, right: ir.Operand, scope: Scope) -> ast.expr:
        """Whether two defined operands are the same, as directly as their types allow."""
        if isinstance(left, ir.Const):
            left, right = right, left
        one, other = self.read(left, scope), self.read(right, scope)
        if not isinstance(right, ir.Const):
            return node.call("equal", one, other)
        kind = type(right.value)
        if kind is str:
            return node.compare(one, ast.Eq(), other)
        if kind is bool or right.value is None:
            return node.same(one, other)
        if kind is int or kind is float:
            same = node.compare(one, ast.Eq(), other)
            return node.both([same, node.differ(node.call("type", one), node.name("bool"))]) if right.value in {0, 1} else same
        return node.call("equal", one, other)


def _nop(_: Maker, __: ir.Nop, scope: Scope) -> Step:
    return Step([], None, scope)


def _reset(_: Maker, stmt: ir.Reset, scope: Scope) -> Step:
    then = scope.without(stmt.target)
    return Step([] if stmt.target in scope.none else [node.let(scope.name(stmt.target), node.name("U"))], None, then)


def _assign(make: Maker, stmt: ir.Assign, scope: Scope) -> Step:
    value = make.read(stmt.source, scope)
    sure = isinstance(stmt.source, ir.Const) or stmt.source in scope.sure
    then = scope.holds(stmt.target, kind=scope.kind(stmt.source)) if sure else scope.maybe([stmt.target])
    return Step([node.let(scope.name(stmt.target), value)], None, then)


def _assign_once(make: Maker, stmt: ir.AssignOnce, scope: Scope) -> Step:
    value = make.read(stmt.source, scope)
    put = node.let(scope.name(stmt.target), value)
    code: Code = [put]
    if stmt.target not in scope.none:
        held = make.read(stmt.target, scope.maybe([stmt.target]))
        clash = node.do(node.call("conflict", make.pool.const(make.clash), make.pool.const(stmt.place)))
        code = [
            node.when(node.same(held, node.name("U")), [put], [node.when(node.no(make.equal(stmt.target, stmt.source, scope)), [clash])])
        ]
    return make.guarded((stmt.source,), code, scope, scope.holds(stmt.target))


def _dot(make: Maker, stmt: ir.Dot, scope: Scope) -> Step:
    if isinstance(stmt.source, int) and stmt.source in scope.none:
        return Step([node.let(scope.name(stmt.target), node.name("U"))], NOT, scope)
    based, name = stmt.source in scope.base, make.read(stmt.key, scope)
    view = scope.views.get(stmt.source) if is_name(stmt.key) and isinstance(stmt.source, int) else None
    if view:
        value = node.method(make.names.take(view), "get", name, node.name("U"))
    else:
        source = make.read(stmt.source, scope)
        slow = node.call("base_dot" if based else "dot", source, name)
        quick = node.method(source, "get", name, node.name("U"))
        tests = [] if scope.kind(stmt.source) == "dict" else [node.kind_is(source, "dict")]
        tests += [] if scope.kind(stmt.key) == "str" else [node.kind_is(name, "str")]
        value = node.choose(node.both(tests), quick, slow) if tests else quick
    step = make.found(stmt.target, value, (), scope)
    return replace(step, scope=step.scope._replace(base=step.scope.base | {stmt.target})) if based else step


def is_text(operand: ir.Operand) -> bool:
    """Whether an operand is a constant string."""
    return isinstance(operand, ir.Const) and type(operand.value) is str


def _len(make: Maker, stmt: ir.Len, scope: Scope) -> Step:
    return make.found(stmt.target, node.call("length", make.read(stmt.source, scope)), (), scope)


def _make(kind: str, value: ast.expr) -> "Handler":
    def made(make: Maker, stmt: Any, scope: Scope) -> Step:
        new = value if make.plain else node.call("made", node.name("w"), value)
        return Step([node.let(scope.name(stmt.target), new)], None, scope.holds(stmt.target, kind=kind))

    return made


def _compared(*, wanted: bool) -> "Handler":
    def made(make: Maker, stmt: ir.Equal | ir.NotEqual, scope: Scope) -> Step:
        a, b = stmt.a, stmt.b
        if isinstance(a, ir.Const) and isinstance(b, ir.Const):
            return Step([], None if equal(a.value, b.value) == wanted else NOT, scope)
        if any(one in scope.none for one in _locals(a, b)):
            return Step([], NOT, scope)
        unknown = isinstance(a, ir.Const) or isinstance(b, ir.Const)
        tests = [] if wanted and unknown else make.defined((a, b), scope)  # what is undefined equals no constant
        test = make.equal(a, b, scope)
        known = scope.is_known(*_locals(a, b))
        for one, other in ((a, b), (b, a)) if wanted else ():
            if isinstance(other, ir.Const) and scope.kind(other) not in {"int", "float"}:
                known = known.is_kind(one, scope.kind(other))
        return Step([], node.both([*tests, test if wanted else node.no(test)]), known)

    return made


def _locals(*operands: ir.Operand) -> tuple[int, ...]:
    return tuple(one for one in operands if not isinstance(one, ir.Const))


def _is_kind(make: Maker, stmt: ir.IsKind, scope: Scope) -> Step:
    return Step([], node.kind_is(make.read(stmt.source, scope), KINDS[stmt.kind]), scope.is_kind(stmt.source, KINDS[stmt.kind]))


def _is_defined(make: Maker, stmt: ir.IsDefined, scope: Scope) -> Step:
    if stmt.source in scope.none:
        return Step([], NOT, scope)
    tests = make.defined((stmt.source,), scope)
    return Step([], node.both(tests) if tests else None, scope.is_known(stmt.source))


def _is_undefined(make: Maker, stmt: ir.IsUndefined, scope: Scope) -> Step:
    if stmt.source in scope.sure:
        return Step([], NOT, scope)
    if stmt.source in scope.none:
        return Step([], None, scope)
    return Step([], node.same(make.read(stmt.source, scope), node.name("U")), scope.without(stmt.source))


def _adds(how: str, quick: Callable[[Maker, Any, list[ast.expr]], ast.stmt]) -> "Handler":
    """Something that adds to a value: `quick` where the function surely made it, else `how` looks first."""

    def made(make: Maker, stmt: Any, scope: Scope) -> Step:
        keyed = (stmt.object, stmt.key) if isinstance(stmt, ir.ObjectInsert | ir.ObjectInsertOnce) else ir.operands(stmt)[1:]
        operands = (*keyed, stmt.value)
        values = [make.read(one, scope) for one in operands]
        slow = node.do(node.call(how, node.name("w"), *values, make.pool.const(stmt.place)))
        return make.guarded(operands, [quick(make, stmt, values) if make.plain else slow], scope, scope)

    return made


def _append(_: Maker, __: ir.ArrayAppend, values: list[ast.expr]) -> ast.stmt:
    return node.do(node.method(values[0], "append", values[1]))


def _insert(_: Maker, stmt: ir.ObjectInsert, values: list[ast.expr]) -> ast.stmt:
    return node.put(*values) if is_text(stmt.key) else node.do(node.call("insert", *values))


def _insert_once(make: Maker, stmt: ir.ObjectInsertOnce, values: list[ast.expr]) -> ast.stmt:
    return node.do(node.call("insert_once", *values, make.pool.const(stmt.place)))


def _add(_: Maker, __: ir.SetAdd, values: list[ast.expr]) -> ast.stmt:
    return node.do(node.method(values[0], "add", values[1]))


def _object_merge(make: Maker, stmt: ir.ObjectMerge, scope: Scope) -> Step:
    return make.found(stmt.target, node.call("merge", make.read(stmt.a, scope), make.read(stmt.b, scope)), (stmt.a, stmt.b), scope)


def _result_add(make: Maker, stmt: ir.ResultAdd, scope: Scope) -> Step:
    value = make.read(stmt.value, scope)
    add = node.do(node.method(node.name("r"), "append", value))
    return (
        Step([add], None, scope) if scope.kind(stmt.value) == "dict" else Step([node.when(node.kind_is(value, "dict"), [add])], None, scope)
    )


Handler = Callable[[Maker, Any, Scope], Step]
STEPS: Final[dict[type[ir.Stmt], Handler]] = {
    ir.Nop: _nop,
    ir.Reset: _reset,
    ir.Assign: _assign,
    ir.AssignOnce: _assign_once,
    ir.Dot: _dot,
    ir.Len: _len,
    ir.MakeArray: _make("list", ast.List([], node.LOAD, **node.AT)),
    ir.MakeObject: _make("dict", ast.Dict([], [], **node.AT)),
    ir.MakeSet: _make("Set", node.call("Set")),
    ir.Equal: _compared(wanted=True),
    ir.NotEqual: _compared(wanted=False),
    ir.IsKind: _is_kind,
    ir.IsDefined: _is_defined,
    ir.IsUndefined: _is_undefined,
    ir.ArrayAppend: _adds("append_mine", _append),
    ir.ObjectInsert: _adds("insert_mine", _insert),
    ir.ObjectInsertOnce: _adds("insert_once_mine", _insert_once),
    ir.SetAdd: _adds("add_mine", _add),
    ir.ObjectMerge: _object_merge,
    ir.ResultAdd: _result_add,
}
