"""Makes one function of the plan into one Python function: the flow. Statements without blocks are made by `stmt` and `call`.

A block becomes nested conditions; a statement that is undefined falls out of them, to whatever follows the block. Where a `Break` must go
somewhere else than falling leads, what stands at its end is either written in place (if only one way leads there), or what lies between is
skipped by a flag.
"""

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from flyball.rego import ir
from flyball.rego.code import node
from flyball.rego.code.call import Caller
from flyball.rego.code.node import Code
from flyball.rego.code.pool import Names, Pool
from flyball.rego.code.scope import INPUT, Frame, Scope, changed, ways
from flyball.rego.code.stmt import NOT, Maker, Step
from flyball.rego.run import METER

Rest = Callable[[Scope], Code]
TWICE = 2


class Emitter:
    """Makes one function. `finish` makes what it ends with, given its value."""

    def __init__(self, make: Maker, caller: Caller, finish: Callable[[ast.expr], Code]) -> None:
        self.make = make
        self.caller = caller
        self.finish = finish

    def body(self, blocks: tuple[ir.Block, ...], params: tuple[int, ...]) -> Code:
        """Everything in the function: its blocks, and before them what they need."""
        written = changed(blocks)
        scope = Scope(frozenset(params[1:]), written - frozenset(params))
        code = self.chain(blocks, Frame(None), scope, lambda _: [])
        names = self.make.names
        before: Code = [node.let(f"l{local}", node.name("U")) for local in sorted(names.unset - frozenset(params))]
        if names.metered:
            before.append(node.let("k", node.item(node.name("m"), node.const(METER))))
        return [*before, *code]

    def chain(self, blocks: tuple[ir.Block, ...], parent: Frame, scope: Scope, rest: Rest) -> Code:
        """Blocks one after the other, then the rest."""
        if not blocks:
            return rest(scope)
        block, later = blocks[0], blocks[1:]
        found, leaves = ways(block)

        def after(known: Scope) -> Code:
            return self.chain(later, parent, scope.knows(known), rest)

        if leaves and found < TWICE:
            return self.flow(block, 0, Frame(parent, end=after), scope)
        then = after(scope.maybe(changed([block])))
        frame = Frame(parent, followed=bool(then))
        return self.skipping(frame, self.flow(block, 0, frame, scope), then)

    def skipping(self, frame: Frame, code: Code, then: Code) -> Code:
        """A block and what follows it, unless something in the block skips it."""
        if not frame.skip:
            return [*code, *then]
        test = node.no(node.name(frame.skip))
        return [node.let(frame.skip, node.NO), *code, *([node.when(test, then)] if then else [])]

    def flow(self, block: ir.Block, start: int, frame: Frame, scope: Scope) -> Code:
        """The statements of a block from one on."""
        code: Code = []
        for index in range(start, len(block)):
            stmt = block[index]
            if isinstance(stmt, ir.Break):
                return [*code, *self.leap(frame, stmt.index, scope)]
            if isinstance(stmt, ir.ReturnLocal):
                return [*code, *self.finish(self.make.read(stmt.source, scope))]
            if ir.inner(stmt):
                return [*code, *self.nest(block, index, frame, scope)]
            step = self.step(stmt, scope)
            code += step.code
            if step.test is NOT:
                return [*code, *self.leap(frame, 0, scope)]
            if step.test is not None:
                then = self.flow(block, index + 1, frame, step.scope)
                return [*code, *self.split(step.test, then, self.leap(frame, 0, scope.maybe(changed([block[index : index + 1]]))))]
            scope = step.scope
        return [*code, *(frame.finish(scope) if frame.finish else self.leap(frame, 0, scope))]

    def step(self, stmt: ir.Stmt, scope: Scope) -> Step:
        """A statement without blocks."""
        if isinstance(stmt, ir.Call | ir.CallDynamic):
            return self.caller.step(self.make, stmt, scope)
        return self.make.step(stmt, scope)

    def split(self, test: ast.expr, then: Code, otherwise: Code) -> Code:
        """`if test: then else: otherwise`, as short as possible."""
        if then:
            return [node.when(test, then, otherwise)]
        return [node.when(node.no(test), otherwise)] if otherwise else []

    def leap(self, frame: Frame, index: int, scope: Scope) -> Code:
        """Goes to the end of the block that is `index` levels out."""
        code: Code = []
        left: list[Frame] = []
        goal = frame
        while index or goal.clear:
            index -= index > 0
            if goal.followed:
                goal.skip = goal.skip or self.make.names.fresh("s")
                code.append(node.let(goal.skip, node.YES))
            if goal.loop:
                left.append(goal)
            goal = goal.parent or goal
        for inner in left[:-1]:
            inner.again = inner.again or self.make.names.fresh("a")
            code.append(node.let(inner.again, node.YES))
        return [*code, *(goal.end(scope) if goal.end else []), *([node.leave()] if left else [])]

    def nest(self, block: ir.Block, index: int, frame: Frame, scope: Scope) -> Code:
        """A statement with blocks, and everything after it."""
        stmt = block[index]

        def rest(known: Scope) -> Code:
            return self.flow(block, index + 1, frame, scope.knows(known))

        if isinstance(stmt, ir.Blocks):
            return self.chain(stmt.blocks, frame, scope, rest)
        if isinstance(stmt, ir.Not):
            then = rest(scope.maybe(changed([stmt.block])))
            inner = Frame(frame, skip=self.make.names.fresh("s"), followed=True)
            inner.finish = lambda _: [node.let(inner.skip, node.YES)]
            return self.skipping(inner, self.flow(stmt.block, 0, inner, scope), then)
        if isinstance(stmt, ir.With):
            return self.override(stmt, frame, scope, rest)
        return self.scan(cast("ir.Scan", stmt), frame, scope, rest)

    def scan(self, stmt: ir.Scan, frame: Frame, scope: Scope, rest: Rest) -> Code:
        """A loop, and everything after it."""
        make = self.make
        if stmt.source in scope.none:
            return self.leap(frame, 0, scope)
        source = make.read(stmt.source, scope)
        around = scope.maybe(changed([(stmt,)]))
        then = rest(around)
        inner = Frame(frame, followed=bool(then), loop=True)
        body = self.flow(stmt.block, 0, inner, around.holds(stmt.key, stmt.value))
        many, key, value = make.names.fresh("v"), scope.name(stmt.key), scope.name(stmt.value)
        ordered = "ordered_" if is_seen(stmt.block) else ""
        if is_read(stmt.key, stmt.block):
            body = [node.when(node.kind_is(node.name(key), "Key"), [node.let(key, node.attr(node.name(key), "value"))]), *body]
            code: Code = [node.let(many, node.call(f"{ordered}pairs", node.name(make.meter()), source))]
            looped = node.loop([key, value], node.name(many), body)
        else:
            code = [node.let(many, node.call(f"{ordered}values", node.name(make.meter()), source))]
            looped = node.loop([value], node.name(many), body)
        rounds: Code = [looped]
        if inner.again:
            rounds = [node.let(inner.again, node.NO), looped, node.when(node.name(inner.again), [node.leave()])]
        defined = node.differ(node.name(many), node.name("U"))
        return [*code, *self.split(defined, self.skipping(inner, rounds, then), self.leap(frame, 0, scope))]

    def override(self, stmt: ir.With, frame: Frame, scope: Scope, rest: Rest) -> Code:
        """A block with another input or data, and everything after it with this one."""
        make = self.make
        held, memory = make.names.fresh("d"), make.names.fresh("m")
        value = make.read(stmt.value, scope)
        old = node.name(scope.name(stmt.local))
        code: Code = [node.let(held, node.call("overlay", old, make.pool.const(stmt.path), value) if stmt.path else value)]
        inside = replace(scope, input=held, memory=memory) if stmt.local == INPUT else replace(scope, data=held, memory=memory)
        documents = (node.name(inside.input), node.name(inside.data))
        code.append(node.let(memory, node.call("fork", node.name(scope.memory), *documents, node.name("BLANK"))))
        if stmt.local == INPUT:
            inside = inside.maybe([INPUT])
        inner = Frame(frame, clear=True, finish=lambda known: rest(known if INPUT not in scope.sure else known.holds(INPUT)))
        return [*code, *self.flow(stmt.block, 0, inner, inside)]


def is_seen(block: ir.Block) -> bool:
    """Whether the order in which a block is run for members can be seen."""
    return any(
        isinstance(stmt, ir.ArrayAppend | ir.ResultAdd) or (isinstance(stmt, ir.Call) and stmt.func == "internal.print")
        for stmt in ir.walk((block,))
    )


def is_read(local: int, block: ir.Block) -> bool:
    """Whether a block reads a local."""
    return any(local in operands(stmt) for stmt in ir.walk((block,)))


def operands(stmt: ir.Stmt) -> tuple[ir.Operand, ...]:
    """What a statement itself reads."""
    found: list[ir.Operand] = []
    for field in ("source", "key", "value", "a", "b", "array", "object", "set", "path", "args"):
        if field in {"key", "value"} and isinstance(stmt, ir.Scan):
            continue
        held = getattr(stmt, field, None)
        found += held if isinstance(held, tuple) else [] if held is None else [held]
    return tuple(found)


__all__ = ["Emitter", "Names", "Pool"]
