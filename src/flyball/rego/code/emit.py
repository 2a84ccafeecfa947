"""Makes one function of the plan into one Python function: the flow. Statements without blocks are made by `stmt` and `call`.

A block becomes nested conditions; a statement that is undefined falls out of them, to whatever follows the block. Where a `Break` must go
somewhere else than falling leads, what stands at its end is either written in place (if only one way leads there), or what lies between is
skipped by a flag. What would be nested too deeply for Python goes on in a function within the function.
"""

import ast
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, cast

from flyball.rego import ir
from flyball.rego.code import node
from flyball.rego.code.call import Caller
from flyball.rego.code.node import Code
from flyball.rego.code.own import Ownership
from flyball.rego.code.scope import DATA, INPUT, Around, Frame, Scope, changed, is_read, is_seen, ways
from flyball.rego.code.stmt import NOT, Maker, Step
from flyball.rego.run import VIEW

Rest = Callable[[Scope], Code]
TWICE: Final = 2
DEEP: Final = 30  # conditions within conditions
LOOPS: Final = 15  # loops within loops, of the 20 that Python allows


class Emitter:
    """Makes one function. `finish` makes what it ends with, given its value."""

    def __init__(self, make: Maker, caller: Caller, finish: Callable[[ast.expr], Code]) -> None:
        self.make = make
        self.caller = caller
        self.finish = finish
        self.around: tuple[Around, ...] = ()  # the loops and functions that the next statement will stand in
        self.depth = 0
        self.later: list[tuple[str, tuple[Around, ...], Callable[[], Code]]] = []

    def body(self, blocks: tuple[ir.Block, ...], params: tuple[int, ...], first: Code) -> Code:
        """Everything in the function: its blocks, and before them what they need and what comes `first`."""
        scope = Scope(frozenset(params) - {INPUT}, changed(blocks) - frozenset(params))
        self.own = Ownership(blocks, params)
        self.make.plain = self.own.plain
        if not self.own.plain:
            first = [node.let("w", ast.Dict([], [], **node.AT)), *first]
        code = self.chain(blocks, Frame(None, ()), scope, lambda _: [])
        inner: Code = []
        while self.later:
            name, self.around, made = self.later.pop()
            inner.append(self.function(name, made()))
        return [*self.make.names.prologue(), *first, *inner, *code]

    def function(self, name: str, code: Code) -> ast.stmt:
        """A function within the function; everything that it sets is the outer function's."""
        names = (one for stmt in code for one in ast.walk(stmt) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
        stored = sorted({one.id for one in names} - {"y"})
        self.make.names.unset.update(stored)
        return node.define(name, [], [*([node.outer(stored)] if stored else []), *code, node.give(node.name("NEVER"))])

    def chain(self, blocks: tuple[ir.Block, ...], parent: Frame, scope: Scope, rest: Rest) -> Code:
        """Blocks one after the other, then the rest."""
        before: list[tuple[ir.Block, Scope]] = []
        for at, block in enumerate(blocks):
            found, leaves = ways(block)
            if leaves and found < TWICE:
                after = partial(self.after, blocks[at + 1 :], parent, scope, rest)
                code = self.flow(block, 0, Frame(parent, self.around, end=after), scope)
                break
            before.append((block, scope))
            scope = scope.maybe(changed([block]))
        else:
            code = rest(scope)
        for block, known in reversed(before):
            frame = Frame(parent, self.around, followed=bool(code))
            code = self.skipping(frame, self.flow(block, 0, frame, known), code)
        return code

    def after(self, blocks: tuple[ir.Block, ...], parent: Frame, scope: Scope, rest: Rest, known: Scope) -> Code:
        """What comes after a block, written where its end is reached."""
        return self.chain(blocks, parent, scope.knows(known), rest)

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
                then = self.deeper(frame, partial(self.flow, block, index + 1, frame, step.scope))
                return [*code, *self.split(step.test, then, self.leap(frame, 0, scope.maybe(ir.targets(stmt))))]
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

    def deeper(self, frame: Frame, made: Callable[[], Code]) -> Code:
        """What stands one level deeper; in a function of its own where that would be too deep for Python, made later."""
        loops = 0
        for one in reversed(self.around):
            if not one.loop:
                break
            loops += 1
        if self.depth < DEEP and loops < LOOPS:
            self.depth += 1
            code = made()
            self.depth -= 1
            return code
        name, held = self.make.names.fresh("h"), self.make.names.fresh("y")
        inner = Around(loop=False, again=self.make.names.fresh("a"))
        self.expect(frame)
        self.later.append((name, (*self.around, inner), made))
        gives = node.differ(node.name(held), node.name("NEVER"))
        return [*self.opened(inner), node.let(held, node.call(name)), node.when(gives, [node.give(node.name(held))]), *self.closed(inner)]

    def expect(self, frame: Frame | None) -> None:
        """Makes every flag that what is made later may need."""
        for one in self.around:
            one.again = one.again or self.make.names.fresh("a")
        while frame:
            if frame.followed and not frame.skip:
                frame.skip = self.make.names.fresh("s")
            frame = frame.parent

    def opened(self, around: Around) -> Code:
        """What stands before a loop or an inner call."""
        return [node.let(around.again, node.NO)] if around.again else []

    def closed(self, around: Around) -> Code:
        """What stands after it."""
        return [node.when(node.name(around.again), [self.exit()])] if around.again and self.around else []

    def exit(self) -> ast.stmt:
        """Leaves the innermost loop or inner function."""
        return node.leave() if self.around[-1].loop else node.give(node.name("NEVER"))

    def leap(self, frame: Frame, index: int, scope: Scope) -> Code:
        """Goes to the end of the block that is `index` levels out."""
        code: Code = []
        goal = frame
        while (index or goal.clear) and goal.parent:
            index -= index > 0
            if goal.followed:
                goal.skip = goal.skip or self.make.names.fresh("s")
                code.append(node.let(goal.skip, node.YES))
            goal = goal.parent
        left = self.around[len(goal.where) :]
        for one in left[1:]:
            one.again = one.again or self.make.names.fresh("a")
            code.append(node.let(one.again, node.YES))
        return [*code, *(goal.end(scope) if goal.end else []), *([self.exit()] if left else [])]

    def nest(self, block: ir.Block, index: int, frame: Frame, scope: Scope) -> Code:
        """A statement with blocks, and everything after it."""
        stmt = block[index]
        rest = partial(self.rest, block, index + 1, frame, scope)
        if isinstance(stmt, ir.Blocks):
            return self.chain(stmt.blocks, frame, scope, rest)
        if isinstance(stmt, ir.Not):
            then = rest(scope.maybe(changed([stmt.block])))
            inner = Frame(frame, self.around, skip=self.make.names.fresh("s"), followed=True)
            inner.finish = lambda _: [node.let(inner.skip, node.YES)]
            return self.skipping(inner, self.flow(stmt.block, 0, inner, scope), then)
        if isinstance(stmt, ir.With):
            return self.override(stmt, frame, scope, rest)
        return self.scan(cast("ir.Scan", stmt), frame, scope, rest)

    def rest(self, block: ir.Block, index: int, frame: Frame, scope: Scope, known: Scope) -> Code:
        """The statements after one with blocks."""
        return self.flow(block, index, frame, scope.knows(known))

    def scan(self, stmt: ir.Scan, frame: Frame, scope: Scope, rest: Rest) -> Code:
        """A loop, and everything after it."""
        make = self.make
        if stmt.source in scope.none:
            return self.leap(frame, 0, scope)
        source = make.read(stmt.source, scope)
        after = scope.maybe(changed([(stmt,)]))
        then = rest(after)
        many, key, value = make.names.fresh("v"), scope.name(stmt.key), scope.name(stmt.value)
        keyed = is_read(stmt.key, stmt.block)
        how = ("ordered_" if is_seen(stmt.block) else "") + ("pairs" if keyed else "values")
        found = node.call(how, make.names.take("k"), source)
        code: Code = [node.let(many, node.call("snapshot", found) if self.own.is_moving(stmt) else found)]
        around, inner = Around(loop=True), Frame(frame, self.around, followed=bool(then))
        body = self.looped(stmt, around, inner, after)
        if keyed and not how.startswith("ordered"):
            body = [node.when(node.kind_is(node.name(key), "Key"), [node.let(key, node.attr(node.name(key), "value"))]), *body]
        looped = node.loop([key, value] if keyed else [value], node.name(many), body)
        rounds = [*self.opened(around), looped, *self.closed(around)]
        defined = node.differ(node.name(many), node.name("U"))
        return [*code, *self.split(defined, self.skipping(inner, rounds, then), self.leap(frame, 0, scope))]

    def looped(self, stmt: ir.Scan, around: Around, frame: Frame, scope: Scope) -> Code:
        """The body of a loop."""
        outer = self.around
        self.around = (*outer, around)
        frame.where = self.around
        code = self.deeper(frame, partial(self.flow, stmt.block, 0, frame, scope.holds(stmt.key, stmt.value)))
        self.around = outer
        return code

    def override(self, stmt: ir.With, frame: Frame, scope: Scope, rest: Rest) -> Code:
        """A block with another input or data, and everything after it with this one."""
        make = self.make
        held, view, memory = make.names.fresh("d"), make.names.fresh("q"), make.names.fresh("m")
        value, old = make.read(stmt.value, scope), make.read(stmt.local, scope)
        code: Code = [node.let(held, node.call("overlay", old, make.pool.const(stmt.path), value) if stmt.path else value)]
        inside = replace(scope if stmt.path else scope.maybe([stmt.local]), view=view, memory=memory)
        inside = replace(inside, input=held) if stmt.local == INPUT else replace(inside, data=held, base=inside.base | {DATA})
        documents = make.read(INPUT, inside), make.read(DATA, inside)
        code.append(node.let(memory, node.call("fork", node.name(scope.memory), *documents, node.name("BLANK"))))
        code.append(node.let(view, node.item(node.name(memory), node.const(VIEW))))
        inner = Frame(frame, self.around, clear=True, finish=lambda known: rest(known.restored(stmt.local, scope)))
        return [*code, *self.flow(stmt.block, 0, inner, inside)]
