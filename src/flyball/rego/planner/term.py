"""Terms: what computes a value. A term that is undefined ends the block that it is planned in."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from flyball.rego.builtin import TABLE
from flyball.rego.gate.safety import reached
from flyball.rego.gate.trie import Node
from flyball.rego.gate.walk import dotted, pattern
from flyball.rego.ir import (
    ArrayAppend,
    Assign,
    Blocks,
    Call,
    Const,
    Dot,
    IsDefined,
    MakeArray,
    MakeObject,
    MakeSet,
    ObjectInsert,
    ObjectInsertOnce,
    Operand,
    SetAdd,
)
from flyball.rego.planner.call import Calls
from flyball.rego.planner.frame import INPUT
from flyball.rego.tree import Array, Body, Comprehension, Expr, Object, Ref, Scalar, SetOf, Template, Term, Var
from flyball.rego.tree import Call as CallTerm
from flyball.rego.value import UNDEFINED, Set, key

TEMPLATE = "internal.template_string"


class Terms(Calls):
    """A frame that plans terms."""

    @abstractmethod
    def unify_with(self, operand: Operand, term: Term) -> None:
        """Plans that a value is what a term says."""

    @abstractmethod
    def document(self, path: tuple[Term, ...]) -> Operand:
        """Plans a reference below `data`."""

    @abstractmethod
    def lines(self, body: Body) -> None:
        """Plans the lines of a body."""

    def term(self, term: Term) -> Operand:  # noqa: PLR0911 - one for each kind of term
        """Plans a term; its value."""
        if id(term) in self.done:
            return self.done[id(term)]
        value = ground(term)
        if value is not UNDEFINED:
            return Const(value)
        if isinstance(term, Var):
            return self._variable(term)
        if isinstance(term, Ref):
            return self._ref(term)
        if isinstance(term, CallTerm):
            return self.called(term)
        if isinstance(term, Array | SetOf | Object):
            return self._composite(term)
        if isinstance(term, Comprehension):
            return self._comprehension(term)
        assert isinstance(term, Template)  # noqa: S101 - the last kind of term there is
        return self._template(term)

    def ready(self, term: Term) -> bool:
        """Whether all that a term needs has a value, or gets one by going through its references."""
        missing = self.unbound(term)
        return not missing or not missing - reached(term, self.bound)

    def terms(self, terms: Sequence[Term]) -> list[Operand]:
        """Plans several terms; one that needs a variable of another comes after it."""
        found: dict[int, Operand] = {}
        skipped: list[int] = []  # each needs a variable of one after it
        waiting = iter(range(len(terms)))
        while len(found) < len(terms):
            place = next((one for one in skipped if self.ready(terms[one])), None)
            if place is None:
                place = next(waiting)
                if not self.ready(terms[place]):
                    skipped.append(place)
                    continue
            else:
                skipped.remove(place)
            found[place] = self.term(terms[place])
        return [found[place] for place in range(len(terms))]

    def _variable(self, term: Var) -> Operand:
        if term.name == "input":
            self.emit(IsDefined(INPUT))
            return INPUT
        return self.document(()) if term.name == "data" else self.bound[term.name]

    # ---------------------------------------------------------------- references

    def _ref(self, term: Ref) -> Operand:
        if term.head == Var("data"):
            return self.document(term.path)
        source = INPUT if term.head == Var("input") else self.term(term.head)
        if isinstance(term.head, Var) and source != INPUT and any(type(ground(step)) is not str for step in term.path):
            copy = self.local()  # below `data` a number names a key too, below a variable it does not
            self.emit(Assign(source, copy))
            source = copy
        return self.steps(source, term.path)

    def steps(self, source: Operand, path: Sequence[Term]) -> Operand:
        """Plans the way from a value along a path."""
        for step in path:
            source = self.step(source, step)
        return source

    def step(self, source: Operand, step: Term) -> Operand:
        """Plans one step: a look-up where it is known, else a scan that binds it."""
        if any(one.name not in self.bound for one in pattern(step)):
            scan = self.scan(source)
            self.unify_with(scan.key, step)
            return scan.value
        name, local = self.term(step), self.named(source)
        mark = ("dot", local, name if isinstance(name, int) else (type(name.value), key(name.value)))
        return self.once(mark, lambda target: Dot(local, name, target))

    # ---------------------------------------------------------------- calls

    def called(self, term: CallTerm) -> Operand:
        """Plans a call for its value. Of a relation: one answer after the other."""
        name = ".".join(term.name)
        args = self.terms(term.args)
        result = self.call(term.name, args)
        return self.scan(result).value if name in TABLE and TABLE[name].relation else result

    # ---------------------------------------------------------------- values made of others

    def _composite(self, term: Array | SetOf | Object) -> Operand:
        target = self.local()
        if isinstance(term, Object):
            sides = self.terms([side for pair in term.pairs for side in pair])
            self.emit(MakeObject(target))
            for name, value in zip(sides[::2], sides[1::2], strict=True):
                self.emit(ObjectInsert(target, name, value))
            return target
        items = self.terms(term.items)
        self.emit(MakeArray(target) if isinstance(term, Array) else MakeSet(target))
        for item in items:
            self.emit(ArrayAppend(target, item) if isinstance(term, Array) else SetAdd(target, item))
        return target

    def _comprehension(self, term: Comprehension) -> Operand:
        target, place = self.local(), self.place
        self.emit({"array": MakeArray, "set": MakeSet, "object": MakeObject}[term.kind](target))

        def member() -> None:
            self.lines(term.body)
            if term.key is not None:
                name, value = self.terms((term.key, term.head))
                self.emit(ObjectInsertOnce(target, name, value))
            else:
                value = self.term(term.head)
                self.emit(ArrayAppend(target, value) if term.kind == "array" else SetAdd(target, value))

        self.emit(Blocks((self.region(member),)))
        self.place = place
        return target

    def _template(self, term: Template) -> Operand:
        """Parts that may be undefined come as sets of none or one: the builtin tells them from texts."""
        target, result = self.local(), self.local()
        parts: list[Operand] = []
        for part in term.parts:
            value = part if isinstance(part, str | Expr) else ground(part)
            if isinstance(value, str | int | float | None):
                parts.append(Const(value))
            else:
                parts.append(self._optional(part))
        self.emit(MakeArray(target))
        for one in parts:
            self.emit(ArrayAppend(target, one))
        self.emit(Call(self.maker.builtin(TEMPLATE, self.place), (target,), result))
        return result

    def _optional(self, term: Any) -> Operand:
        target = self.local()
        self.emit(MakeSet(target))
        self.emit(Blocks((self.region(lambda: self.emit(SetAdd(target, self.term(term)))),)))
        return target


def ground(term: Term) -> Any:
    """The value of a term that is the same in every evaluation; `UNDEFINED` where it is not."""
    if isinstance(term, Scalar):
        return term.value
    if isinstance(term, Array | SetOf):
        items = [ground(item) for item in term.items]
        if any(item is UNDEFINED for item in items):
            return UNDEFINED
        return items if isinstance(term, Array) else Set(items)
    if isinstance(term, Object):
        pairs = [(ground(name), ground(value)) for name, value in term.pairs]
        if any(side is UNDEFINED for pair in pairs for side in pair):
            return UNDEFINED
        return {key(name): value for name, value in pairs}
    return UNDEFINED


def function_named(term: Term, root: Node) -> tuple[str, ...]:
    """The name of the function that a term names; empty where it names none."""
    names = dotted(term)
    if not names or isinstance(term, CallTerm):
        return ()
    if names[0] == "data":
        node = root.find(names[1:])
        return names if node and node.arity is not None else ()
    return names if ".".join(names) in TABLE else ()
