"""How deep the statements of one function stand, and the ways out of where they stand. Called by `emit`.

Python takes twenty loops within each other, and nested conditions as long as its own stack holds. What would be deeper goes on in a
function within the function, which is made later, so that the making needs no deep stack either.
"""

import ast
from collections.abc import Callable
from typing import Final

from flyball.rego.code import node
from flyball.rego.code.node import Code
from flyball.rego.code.pool import Names
from flyball.rego.code.scope import Around, Frame, Scope
from flyball.rego.work import FLAG, spend

DEEP: Final = 30  # conditions within conditions
LOOPS: Final = 15  # loops within loops


class Nest:
    """Where the next statement will stand: in which loops and inner functions, how many conditions deep."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.around: tuple[Around, ...] = ()
        self.depth = 0
        self.later: list[tuple[str, tuple[Around, ...], Callable[[], Code]]] = []

    def deeper(self, frame: Frame, made: Callable[[], Code]) -> Code:
        """What stands one level deeper."""
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
        name, held = self.names.fresh("h"), self.names.fresh("y")
        inner = Around(loop=False, again=self.names.fresh("a") if any(one.loop for one in self.around) else "")
        self._expect(frame)
        self.later.append((name, (*self.around, inner), made))
        gives = node.differ(node.name(held), node.name("NEVER"))
        return [*self.opened(inner), node.let(held, node.call(name)), node.when(gives, [node.give(node.name(held))]), *self.closed(inner)]

    def _expect(self, frame: Frame | None) -> None:
        """Makes every flag that what is made later may need."""
        for one in within_loops(self.around):
            one.again = one.again or self.names.fresh("a")
        while frame:
            if frame.followed and not frame.skip:
                frame.skip = self.names.fresh("s")
            frame = frame.parent

    def inner(self) -> Code:
        """The functions within the function. Everything that they set is the outer function's."""
        code: Code = []
        while self.later:
            name, self.around, make = self.later.pop()
            made = make()
            stored = sorted(node.stored(made) - {"y"})
            self.names.unset.update(stored)
            code.append(node.define(name, [], [*([node.outer(stored)] if stored else []), *made, node.give(node.name("NEVER"))]))
        return code

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
            spend(1)
            index -= index > 0
            if goal.followed:
                goal.skip = goal.skip or self.names.fresh("s")
                code.append(node.let(goal.skip, node.YES))
            goal = goal.parent
        out = self.out(goal.where)
        flags, way = out[:-1], out[-1:]
        return [*code, *flags, *(goal.end(scope) if goal.end else []), *way]

    def out(self, where: tuple[Around, ...]) -> Code:
        """Leaves all loops and inner functions but these; the last statement is the one that goes.

        What an inner function goes on for ends with its call, so that falling out of it leaves what is around it too, but for a loop.
        """
        left = self.around[len(where) :]
        code: Code = []
        for one in within_loops(left):
            spend(FLAG)
            one.again = one.again or self.names.fresh("a")
            code.append(node.let(one.again, node.YES))
        return [*code, self.exit()] if left else []


def within_loops(found: tuple[Around, ...]) -> tuple[Around, ...]:
    """Those that stand in a loop of them."""
    first = next((at for at, one in enumerate(found) if one.loop), len(found))
    return found[first + 1 :]
