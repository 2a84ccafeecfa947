"""Makes one function of the plan into one Python function: the flow. Statements without blocks are made by `stmt` and `call`.

A block becomes nested conditions; a statement that is undefined falls out of them, to whatever follows the block. Where a `Break` must go
somewhere else than falling leads, what stands at its end is either written in place (if only one way leads there), or what lies between is
skipped by a flag.
"""

import ast
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from flyball.rego import ir
from flyball.rego.code import node
from flyball.rego.code.call import Caller
from flyball.rego.code.layout import Layout, Span
from flyball.rego.code.nest import Nest
from flyball.rego.code.node import Code
from flyball.rego.code.own import Ownership
from flyball.rego.code.scope import DATA, INPUT, Around, Frame, Scope, fails, ways
from flyball.rego.code.stmt import NOT, Maker, Step
from flyball.rego.run import VIEW
from flyball.rego.trace import PASSIVE, Chart, values
from flyball.rego.work import MADE, WIDE, spend

Rest = Callable[[Scope], Code]
Owned = list[frozenset[int]] | None
TWICE: Final = 2
NESTING: Final = (ir.Blocks, ir.Scan, ir.Not, ir.With)
FLOW: Final = (*NESTING, ir.Break, ir.ReturnLocal)


class Emitter:
    """Makes one function. `finish` makes what it ends with, given its value."""

    def __init__(self, make: Maker, caller: Caller, finish: Callable[[ast.expr], Code]) -> None:
        self.make = make
        self.caller = caller
        self.finish = finish
        self.nest = Nest(make.names)
        self.chart: Chart | None = None  # where every statement is told to a trace, by number

    def body(self, blocks: tuple[ir.Block, ...], params: tuple[int, ...], first: Code) -> Code:
        """Everything in the function: its blocks, and before them what they need and what comes `first`."""
        self.layout = Layout(blocks)
        given = frozenset(params)
        own = [one - given for one in self.layout.own(blocks)]
        scope = Scope(given - {INPUT}, self.layout.changed(self.layout.all()).difference(given, *own))
        self.own = Ownership(self.layout, params)
        self.make.plain = self.own.plain
        if not self.own.plain:
            first = [node.let("w", ast.Dict([], [], **node.AT)), *first]
        code = self.chain(blocks, Frame(None, ()), scope, lambda _: [], own)
        inner = self.nest.inner()
        self.make.names.unset.difference_update(f"l{local}" for local in params)
        return [*self.make.names.prologue(), *first, *inner, *code]

    def chain(self, blocks: tuple[ir.Block, ...], parent: Frame, scope: Scope, rest: Rest, own: Owned = None) -> Code:
        """Blocks one after the other, then the rest.

        `own` are the locals that each block has for itself: a rule may have thousands of clauses, and each begins knowing of its own only.
        """
        before: list[tuple[ir.Block, Scope]] = []
        for at, block in enumerate(blocks):
            found, leaves = ways(block)
            mine = own[at] if own else frozenset()
            known = scope.begins(mine)
            if leaves and found < TWICE:
                after = partial(self.after, (blocks[at + 1 :], own[at + 1 :] if own else None), parent, scope, rest)
                code = self.flow(block, 0, Frame(parent, self.nest.around, end=after), known)
                break
            before.append((block, known))
            scope = self.past(block, known).maybe(mine)
        else:
            code = rest(scope)
        for block, known in reversed(before):
            frame = Frame(parent, self.nest.around, followed=bool(code))
            code = skipping(frame, self.flow(block, 0, frame, known), code)
        return code

    def past(self, block: ir.Block, scope: Scope) -> Scope:
        """What is known after a block: of one that can only run to its end, all that it does."""
        if any(fails(stmt) or isinstance(stmt, FLOW) for stmt in block):
            return scope.maybe(self.layout.changed(self.layout.of(block)))
        spend(len(block) * MADE >> 1)
        for stmt in block:
            scope = self.step(stmt, scope).scope
        return scope

    def after(self, blocks: tuple[tuple[ir.Block, ...], Owned], parent: Frame, scope: Scope, rest: Rest, known: Scope) -> Code:
        """What comes after a block, written where its end is reached."""
        return self.chain(blocks[0], parent, scope.knows(known), rest, blocks[1])

    def flow(self, block: ir.Block, start: int, frame: Frame, scope: Scope) -> Code:
        """The statements of a block from one on."""
        code: Code = []
        for index in range(start, len(block)):
            stmt = block[index]
            spend(MADE + ((len(scope.sure) + len(scope.none) + len(scope.kinds)) >> WIDE))
            code += self.hook(stmt, scope)
            if isinstance(stmt, ir.Break):
                return [*code, *self.nest.leap(frame, stmt.index, scope)]
            if isinstance(stmt, ir.ReturnLocal):
                return [*code, *self.finish(self.make.read(stmt.source, scope))]
            if isinstance(stmt, NESTING):
                return [*code, *self.within(block, index, frame, scope)]
            step = self.step(stmt, scope)
            code += step.code
            if step.test is NOT:
                return [*code, *self.nest.leap(frame, 0, scope)]
            if step.test is not None:
                then = self.nest.deeper(frame, partial(self.onward, block, index, frame, step.scope))
                return [*code, *split(step.test, then, self.nest.leap(frame, 0, scope.maybe(ir.targets(stmt))))]
            scope = step.scope
        return [*code, *(frame.finish(scope) if frame.finish else self.nest.leap(frame, 0, scope))]

    def onward(self, block: ir.Block, index: int, frame: Frame, scope: Scope) -> Code:
        """The statements of a block after one that is defined."""
        stmt = block[index]
        code, scope = self.seen(stmt.target, self.layout.of(block, index + 1), scope) if isinstance(stmt, ir.Dot) else ([], scope)
        return [*code, *self.flow(block, index + 1, frame, scope)]

    def seen(self, local: int, span: Span, scope: Scope) -> tuple[Code, Scope]:
        """Makes a view of a local that these statements look into more than once."""
        if self.layout.looks(local, span) < TWICE:
            return [], scope
        name, value = self.make.names.fresh("x"), self.make.read(local, scope)
        made = node.choose(node.kind_is(value, "dict"), value, node.call("view", value))
        return [node.let(name, made)], scope._replace(views={**scope.views, local: name})

    def hook(self, stmt: ir.Stmt, scope: Scope) -> Code:
        """Tells the trace that a statement is reached, with the values that it has."""
        if not self.chart or isinstance(stmt, PASSIVE):
            return []
        held = [self.make.read(one, scope) for one in values(stmt)]
        return [node.do(node.call("e", node.const(self.chart.numbers[id(stmt)]), *held))]

    def step(self, stmt: ir.Stmt, scope: Scope) -> Step:
        """A statement without blocks."""
        if isinstance(stmt, ir.Call | ir.CallDynamic):
            return self.caller.step(self.make, stmt, scope)
        return self.make.step(stmt, scope)

    def within(self, block: ir.Block, index: int, frame: Frame, scope: Scope) -> Code:
        """A statement with blocks, and everything after it."""
        stmt = block[index]
        rest = partial(self.rest, block, index + 1, frame, scope)
        if isinstance(stmt, ir.Blocks):
            return self.chain(stmt.blocks, frame, scope, rest)
        if isinstance(stmt, ir.Not):
            then = rest(scope.maybe(self.layout.changed(self.layout.within(stmt))))
            inner = Frame(frame, self.nest.around, skip=self.make.names.fresh("s"), followed=True)
            inner.finish = lambda _: [node.let(inner.skip, node.YES)]
            return skipping(inner, self.flow(stmt.block, 0, inner, scope), then)
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
            return self.nest.leap(frame, 0, scope)
        source = make.read(stmt.source, scope)
        after = scope.maybe(self.layout.changed(self.layout.with_inner(stmt)))
        then = rest(after)
        many, key, value = make.names.fresh("v"), scope.name(stmt.key), scope.name(stmt.value)
        keyed = self.own.reads[stmt.key] > 0
        how = ("ordered_" if self.layout.is_seen(self.layout.within(stmt)) else "") + ("pairs" if keyed else "values")
        found = node.call(how, make.names.take("k"), source)
        code: Code = [node.let(many, node.call("snapshot", found) if self.own.is_moving(stmt) else found)]
        around, inner = Around(loop=True), Frame(frame, self.nest.around, followed=bool(then))
        body = self.looped(stmt, around, inner, after)
        if keyed and not how.startswith("ordered"):
            body = [node.when(node.kind_is(node.name(key), "Key"), [node.let(key, node.attr(node.name(key), "value"))]), *body]
        looped = node.loop([key, value] if keyed else [value], node.name(many), body)
        rounds = [*self.nest.opened(around), looped, *self.nest.closed(around)]
        defined = node.differ(node.name(many), node.name("U"))
        return [*code, *split(defined, skipping(inner, rounds, then), self.nest.leap(frame, 0, scope))]

    def looped(self, stmt: ir.Scan, around: Around, frame: Frame, scope: Scope) -> Code:
        """The body of a loop."""
        start, stop = self.layout.within(stmt)
        spend((stop - start) >> WIDE)
        outer = self.nest.around
        self.nest.around = (*outer, around)
        if self.own.is_once(stmt):
            frame.finish = lambda _: self.nest.out(outer)
        frame.where = self.nest.around
        code, inside = self.seen(stmt.value, self.layout.within(stmt), scope.holds(stmt.key, stmt.value))
        code += self.nest.deeper(frame, partial(self.flow, stmt.block, 0, frame, inside))
        self.nest.around = outer
        return code

    def override(self, stmt: ir.With, frame: Frame, scope: Scope, rest: Rest) -> Code:
        """A block with another input or data, and everything after it with this one."""
        make = self.make
        held, view, memory = make.names.fresh("d"), make.names.fresh("q"), make.names.fresh("m")
        value, old = make.read(stmt.value, scope), make.read(stmt.local, scope)
        code: Code = [node.let(held, node.call("overlay", old, make.pool.const(stmt.path), value) if stmt.path else value)]
        before = scope if stmt.path else scope.maybe([stmt.local])
        inside = before._replace(views={**scope.views, INPUT: view}, memory=memory)
        inside = inside._replace(input=held) if stmt.local == INPUT else inside._replace(data=held, base=inside.base | {DATA})
        documents = make.read(INPUT, inside), make.read(DATA, inside)
        code.append(node.let(memory, node.call("fork", node.name(scope.memory), *documents, node.name("BLANK"))))
        code.append(node.let(view, node.item(node.name(memory), node.const(VIEW))))
        inner = Frame(frame, self.nest.around, clear=True, finish=lambda known: rest(known.restored(stmt.local, scope)))
        return [*code, *self.flow(stmt.block, 0, inner, inside)]


def skipping(frame: Frame, code: Code, then: Code) -> Code:
    """A block and what follows it, unless something in the block skips it."""
    if not frame.skip:
        return [*code, *then]
    test = node.no(node.name(frame.skip))
    return [node.let(frame.skip, node.NO), *code, *([node.when(test, then)] if then else [])]


def split(test: ast.expr, then: Code, otherwise: Code) -> Code:
    """`if test: then else: otherwise`, as short as possible."""
    if then:
        return [node.when(test, then, otherwise)]
    return [node.when(node.no(test), otherwise)] if otherwise else []
