"""Makes calls into Python. Called by `emit`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flyball.rego import ir
from flyball.rego.builtin import TABLE
from flyball.rego.code import node
from flyball.rego.code.quick import LONG, in_place
from flyball.rego.code.scope import Scope
from flyball.rego.code.stmt import Maker, Step
from flyball.rego.run import WORLD

SMALL: Final = frozenset({"null", "boolean", "number"})  # kinds of results that cannot grow from call to call


@dataclass(frozen=True, slots=True)
class Target:
    """A function of the plan: its global name, and where a memory keeps what it gave (0: nowhere, it takes operands)."""

    name: str
    place: int


@dataclass(frozen=True, slots=True)
class Caller:
    """What calls may mean, and whether a builtin's error ends the evaluation."""

    funcs: Mapping[str, Target]
    strict: bool

    def step(self, make: Maker, stmt: ir.Call | ir.CallDynamic, scope: Scope) -> Step:
        """Makes one call."""
        if isinstance(stmt, ir.CallDynamic):
            path = node.pair(*(make.read(one, scope) for one in stmt.path))
            args = node.pair(*(make.read(one, scope) for one in stmt.args[len(ir.DOCUMENTS) :]))
            called = node.call("dispatch", node.name("TABLE"), node.name(scope.memory), path, args)
            return make.found(stmt.result, called, (*stmt.path, *stmt.args[len(ir.DOCUMENTS) :]), scope)
        target = self.funcs.get(stmt.func)
        return self._builtin(make, stmt, scope) if target is None else _func(make, stmt, scope, target)

    def _builtin(self, make: Maker, stmt: ir.Call, scope: Scope) -> Step:
        quick = in_place(make, stmt, scope, strict=self.strict)
        if quick:
            variable = scope.name(stmt.result)
            test = None if quick.sure else node.differ(node.name(variable), node.name("U"))
            code = [node.let(variable, quick.value), *(make.clocked() if stmt.func in LONG else [])]
            return Step(code, test, scope.holds(stmt.result, kind=quick.kind))
        builtin = TABLE[stmt.func]
        args = [make.read(one, scope) for one in stmt.args]
        if builtin.worldly:
            args.insert(0, node.item(node.name(scope.memory), node.const(WORLD)))
        called = node.call(make.pool.hold("b", builtin.call), *args)
        if builtin.signature.result.kind not in SMALL:
            called = node.call("paid", make.names.take("k"), called)
        step = make.found(stmt.result, called, stmt.args, scope)
        failed = [node.let(scope.name(stmt.result), node.name("U"))]
        code = step.code if self.strict else [node.trying(step.code, "BuiltinFault", failed)]
        return Step([*code, *make.clocked()], step.test, step.scope)


def _func(make: Maker, stmt: ir.Call, scope: Scope, target: Target) -> Step:
    args = stmt.args[len(ir.DOCUMENTS) :]
    called = node.call(target.name, node.name(scope.memory), *(make.read(one, scope) for one in args))
    if not target.place:
        return make.found(stmt.result, called, args, scope)
    variable = scope.name(stmt.result)
    known = node.let(variable, node.item(node.name(scope.memory), node.const(target.place)))
    ask = node.when(node.same(node.name(variable), node.name("NEVER")), [node.let(variable, called)])
    return Step([known, ask], node.differ(node.name(variable), node.name("U")), scope.holds(stmt.result))
