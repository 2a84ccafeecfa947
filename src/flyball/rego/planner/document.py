"""Documents below `data`: values of rules and the data given, merged. Data given counts where both have a key.

A path of constants is known when it is planned. Where a step is known only when it runs and there are rules below, every branch is planned:
each child that has rules, then what the data has besides. What the branches find is gathered, then gone through, so that what follows is
planned once.
"""

from collections.abc import Callable, Sequence

from flyball.rego.gate.trie import Node
from flyball.rego.gate.walk import pattern
from flyball.rego.ir import (
    ArrayAppend,
    Assign,
    Block,
    Blocks,
    Const,
    Dot,
    Equal,
    IsDefined,
    MakeArray,
    MakeObject,
    NotEqual,
    ObjectInsert,
    ObjectMerge,
    Operand,
    Reset,
)
from flyball.rego.planner.frame import DATA
from flyball.rego.planner.unify import Unifier
from flyball.rego.tree import Scalar, Term
from flyball.rego.value import unkey

Path = tuple[Term, ...]
Done = Callable[[Operand], None]


class Documents(Unifier):
    """A frame that plans references below `data`."""

    def document(self, path: Path) -> Operand:
        """Plans a reference below `data`."""
        node: Node | None = None if () in self.context.shadows else self.maker.root
        for place, step in enumerate(path):
            if node is None or not node.children:
                return self._given(path)
            if not isinstance(step, Scalar):
                return self._branches(node, path)
            node = self.context.child(node, step.value)
            if node and node.rules:
                return self.steps(self._value(node), path[place + 1 :])
        return self._extent(node, path) if node else self._given(path)

    def _value(self, node: Node) -> Operand:
        if node.arity is not None:  # the gate has refused functions as values; what is left is data at the same place
            return self._given(tuple(map(Scalar, node.path)))
        return self.rule(node)

    def _given(self, path: Path) -> Operand:
        """What the data itself has. Numbers of a path name keys of objects too: `data.xs[2]`."""
        return self.steps(DATA, path)

    # ---------------------------------------------------------------- whole documents

    def _extent(self, node: Node, path: Path) -> Operand:
        """All below a node: rules, and the data given laid over them."""
        ruled, merged = self._ruled(node), self.local()

        def lay() -> None:
            given = self._given(path)
            self.emit(ObjectMerge(self.named(given), ruled, merged))

        self.emit(Assign(ruled, merged))
        self.emit(Blocks((self.region(lay),)))
        return merged

    def _ruled(self, node: Node) -> int:
        target = self.local()
        self.emit(MakeObject(target))
        for name in sorted(node.children, key=str):
            child = self.context.child(node, unkey(name))
            if child is None or child.arity is not None:
                continue
            self.emit(Blocks((self.region(lambda child=child: self._insert(target, child)),)))  # type: ignore[misc]  # bound now, not later
        return target

    def _insert(self, target: int, child: Node) -> None:
        value = self.rule(child) if child.rules else self._ruled(child)
        self.emit(ObjectInsert(target, Const(child.path[-1]), value))

    # ---------------------------------------------------------------- branches

    def _branches(self, node: Node, path: Path) -> Operand:
        """A reference with a step that only running tells; `node` is where the constants before it lead."""
        new = sorted(self.unbound_in(path))
        place = len(node.path)
        if not new:
            target = self.local()
            self.emit(Reset(target))
            self.emit(Blocks((self.region(lambda: self._way(node, path, place, lambda value: self.emit(Assign(value, target)))),)))
            self.emit(IsDefined(target))
            return target
        rows, kept = self.local(), [name for name in new if not name.startswith("$")]
        self.emit(MakeArray(rows))

        def row(value: Operand) -> None:
            target = self.local()
            self.emit(MakeArray(target))
            for one in (*(self.bound[name] for name in kept), value):
                self.emit(ArrayAppend(target, one))
            self.emit(ArrayAppend(rows, target))

        self.emit(Blocks((self.region(lambda: self._way(node, path, place, row)),)))
        found = self.scan(rows).value
        self.bound |= {name: self._at(found, number) for number, name in enumerate(kept)} | dict.fromkeys(set(new) - set(kept), Const(None))
        return self._at(found, len(kept))

    def _at(self, row: Operand, number: int) -> int:
        target = self.local()
        self.emit(Dot(row, Const(number), target))
        return target

    def _way(self, node: Node, path: Path, place: int, done: Done) -> None:
        """Plans all ways from a node to the end of the path."""
        here = tuple(map(Scalar, node.path))
        if place == len(path):
            done(self._extent(node, here) if node.children else self._given(here))
            return
        step = path[place]
        if isinstance(step, Scalar):
            child = self.context.child(node, step.value)
            if child is None:
                done(self.steps(self._given(here), path[place:]))
            else:
                self._into(child, path, place + 1, done)
            return
        wanted = None if any(one.name not in self.bound for one in pattern(step)) else self.term(step)
        children = [one for name in sorted(node.children, key=str) if (one := self.context.child(node, unkey(name)))]
        taken = [Const(child.path[-1]) for child in children]
        blocks: list[Block] = []
        for child, name in zip(children, taken, strict=True):

            def ruled(child: Node = child, name: Const = name) -> None:
                self._match(name, wanted, step)
                self._into(child, path, place + 1, done)

            blocks.append(self.region(ruled))
        blocks.append(self.region(lambda: done(self.steps(self._besides(here, taken, wanted, step), path[place + 1 :]))))
        self.emit(Blocks(tuple(blocks)))

    def _match(self, name: Operand, wanted: Operand | None, step: Term) -> None:
        if wanted is None:
            self.unify_with(name, step)
        else:
            self.emit(Equal(wanted, name))

    def _into(self, child: Node, path: Path, place: int, done: Done) -> None:
        if child.rules and child.arity is None:
            done(self.steps(self.rule(child), path[place:]))
        else:
            self._way(child, path, place, done)

    def _besides(self, here: Path, taken: Sequence[Const], wanted: Operand | None, step: Term) -> Operand:
        """What the data has at a place besides the children with rules."""
        source = self._given(here)
        if wanted is None:
            scan = self.scan(source)
            for name in taken:
                self.emit(NotEqual(scan.key, name))
            self.unify_with(scan.key, step)
            return scan.value
        for name in taken:
            self.emit(NotEqual(wanted, name))
        target = self.local()
        self.emit(Dot(source, wanted, target))
        return target
