"""A plan read word by word: the slowest and plainest evaluator of the IR, to hold generated code against. Used by `test_limit`."""

import contextlib
from typing import Any

from flyball.rego import UNDEFINED, World, ir
from flyball.rego.builtin import TABLE
from flyball.rego.code.layout import Layout
from flyball.rego.code.own import MAKERS
from flyball.rego.error import BuiltinFault, Conflict
from flyball.rego.run import base_dot, dot, merge, overlay
from flyball.rego.value import Set, equal, key, ordered, unkey

MADE = {ir.MakeArray: list, ir.MakeObject: dict, ir.MakeSet: Set}


def is_seen(block: ir.Block) -> bool:
    """Whether anything outside can tell in which order a block ran for the members."""
    layout = Layout((block,))
    return layout.is_seen(layout.all())


class Fail(Exception):
    """A statement is undefined."""


class Leave(Exception):
    def __init__(self, levels: int) -> None:
        self.levels = levels


class Return(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class Oracle:
    """One program."""

    def __init__(self, program: ir.Program) -> None:
        self.funcs = {func.name: func for func in program.funcs}
        self.paths = {func.path: func for func in program.funcs if func.path}
        self.plans = {plan.name: plan for plan in program.plans}

    def results(self, name: str, given: Any, data: Any) -> list[Any]:
        call = Call(self, {0: given, 1: data})
        with contextlib.suppress(Return):
            for block in self.plans[name].blocks:
                call.block(block)
        return call.results

    def ask(self, func: ir.Func, args: list[Any]) -> Any:
        call = Call(self, dict(zip(func.params, args, strict=True)))
        try:
            for block in func.blocks:
                call.block(block)
        except Return as found:
            return found.value
        return UNDEFINED


class Call:
    """One asking of a function or plan."""

    def __init__(self, oracle: Oracle, locals_: dict[int, Any]) -> None:
        self.oracle = oracle
        self.locals = locals_
        self.results: list[Any] = []
        self.mine: dict[int, Any] = {}
        self.base = {1}

    def block(self, block: ir.Block) -> bool:
        """Whether the block ran to its end."""
        try:
            for stmt in block:
                self.stmt(stmt)
        except Fail:
            return False
        except Leave as leave:
            if leave.levels:
                raise Leave(leave.levels - 1) from None
            return False
        return True

    def value(self, operand: ir.Operand) -> Any:
        return operand.value if isinstance(operand, ir.Const) else self.locals.get(operand, UNDEFINED)

    def need(self, operand: ir.Operand) -> Any:
        found = self.value(operand)
        if found is UNDEFINED:
            raise Fail
        return found

    def put(self, target: int, value: Any) -> None:
        """Sets a local, undefined too where the statement is."""
        self.locals[target] = value
        self.base.discard(target)
        self.check(holds=value is not UNDEFINED)

    def check(self, *, holds: bool) -> None:
        if not holds:
            raise Fail

    def stmt(self, stmt: Any) -> None:  # noqa: C901, PLR0912 - one case for every statement that there is
        self.base -= set(ir.targets(stmt)) if not isinstance(stmt, ir.Dot) else set()
        match stmt:
            case ir.Nop():
                pass
            case ir.Break(index):
                raise Leave(index)
            case ir.ReturnLocal(source):
                raise Return(self.value(source))
            case ir.Blocks(blocks):
                for block in blocks:
                    self.block(block)
            case ir.Not(block):
                self.check(holds=not self.block(block))
            case ir.Assign(source, target):
                self.locals[target] = self.value(source)
            case ir.Reset(target):
                self.locals[target] = UNDEFINED
            case ir.AssignOnce(source, target):
                value, held = self.need(source), self.value(target)
                if held is not UNDEFINED and not equal(held, value):
                    raise Conflict("")
                self.locals[target] = held if held is not UNDEFINED else value
            case ir.Equal(a, b):
                self.check(holds=equal(self.need(a), self.need(b)))
            case ir.NotEqual(a, b):
                self.check(holds=not equal(self.need(a), self.need(b)))
            case ir.IsKind(source, kind):
                self.check(holds=type(self.value(source)) is {"array": list, "object": dict, "set": Set}[kind])
            case ir.IsDefined(source):
                self.check(holds=self.value(source) is not UNDEFINED)
            case ir.IsUndefined(source):
                self.check(holds=self.value(source) is UNDEFINED)
            case ir.Len(source, target):
                held = self.value(source)
                self.put(target, len(held) if type(held) in {str, list, dict, Set} else UNDEFINED)
            case ir.ObjectMerge(a, b, target):
                upper, lower = self.value(a), self.value(b)
                self.put(target, UNDEFINED if UNDEFINED in (upper, lower) else merge(upper, lower))
            case ir.ResultAdd(value):
                found = self.value(value)
                self.results += [found] if type(found) is dict else []
            case _:
                self.other(stmt)

    def other(self, stmt: Any) -> None:
        if isinstance(stmt, ir.Dot):
            based = stmt.source in self.base
            found = (base_dot if based else dot)(self.value(stmt.source), self.value(stmt.key))
            self.put(stmt.target, found)
            self.base |= {stmt.target} if based else set()
        elif type(stmt) in MADE:
            made = MADE[type(stmt)]()
            self.mine[id(made)] = self.locals[stmt.target] = made
        elif isinstance(stmt, ir.Scan):
            self.scan(stmt)
        elif isinstance(stmt, ir.With):
            before = self.locals.get(stmt.local, UNDEFINED)
            self.locals[stmt.local] = overlay(before, stmt.path, self.value(stmt.value))
            try:
                ran = self.block(stmt.block)
            finally:
                self.locals[stmt.local] = before
            self.check(holds=ran)
        elif isinstance(stmt, ir.Call | ir.CallDynamic):
            found = UNDEFINED
            with contextlib.suppress(Fail):
                found = self.called(stmt)
            self.put(stmt.result, found)
        else:
            self.add(stmt)

    def called(self, stmt: Any) -> Any:
        if isinstance(stmt, ir.CallDynamic):
            path = tuple(self.need(one) for one in stmt.path)
            func = self.oracle.paths.get(path) if all(type(one) is str for one in path) else None
        else:
            func = self.oracle.funcs.get(stmt.func)
        args = [*map(self.value, stmt.args[:2]), *map(self.need, stmt.args[2:])] if func or isinstance(stmt, ir.CallDynamic) else []
        if isinstance(stmt, ir.CallDynamic) or func:
            return self.oracle.ask(func, args) if func and len(func.params) == len(args) else UNDEFINED
        builtin = TABLE[stmt.func]
        try:
            return builtin.call(*([World()] if builtin.worldly else []), *map(self.need, stmt.args))
        except BuiltinFault:
            return UNDEFINED

    def add(self, stmt: Any) -> None:
        target, value = self.need(ir.mutated(stmt) or 0), self.need(stmt.value)
        mine = id(target) in self.mine
        if isinstance(stmt, ir.ArrayAppend | ir.SetAdd):
            fits = type(target) is MADE[MAKERS[type(stmt)]]
            if not fits or not (mine or (type(target) is Set and value in target)):
                raise Conflict("")
            target.append(value) if type(target) is list else target.add(value)
            return
        name = key(self.need(stmt.key))
        held = target.get(name, UNDEFINED) if type(target) is dict else UNDEFINED
        if type(target) is not dict or not (mine or equal(held, value)):
            raise Conflict("")
        if isinstance(stmt, ir.ObjectInsertOnce) and held is not UNDEFINED:
            self.check_same(held, value)
        elif mine:
            target[name] = value

    def check_same(self, held: Any, value: Any) -> None:
        if not equal(held, value):
            raise Conflict("")

    def scan(self, stmt: ir.Scan) -> None:
        source = self.need(stmt.source)
        if type(source) is list:
            pairs = list(enumerate(source))
        elif type(source) is dict:
            names = ordered(map(unkey, source)) if is_seen(stmt.block) else list(map(unkey, source))
            pairs = [(name, source[key(name)]) for name in names]
        elif type(source) is Set:
            pairs = [(one, one) for one in (ordered(source) if is_seen(stmt.block) else source)]
        else:
            raise Fail
        for name, member in pairs:
            self.locals[stmt.key], self.locals[stmt.value] = name, member
            self.base -= {stmt.key, stmt.value}
            self.block(stmt.block)
