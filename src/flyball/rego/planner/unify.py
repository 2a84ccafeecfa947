"""Unification: `a = b`. Binds what has no value yet, takes composites apart, compares the rest."""

from typing import TypeGuard

from flyball.rego.gate.walk import RESERVED
from flyball.rego.ir import Const, Dot, Equal, IsKind, Len, Operand
from flyball.rego.planner.term import Terms
from flyball.rego.tree import Array, Object, Scalar, Term, Var
from flyball.rego.value import key


class Unifier(Terms):
    """A frame that plans unification."""

    def unify(self, left: Term, right: Term) -> None:
        """Plans `left = right`."""
        for one, other in ((left, right), (right, left)):
            if self._open(one) and self.ready(other):
                self._bind(one.name, self.term(other))
                return
        if isinstance(left, Array) and isinstance(right, Array):
            if len(left.items) != len(right.items):
                self.fail()
            self._pairs(list(zip(left.items, right.items, strict=False)))
        elif isinstance(left, Object) and isinstance(right, Object) and _same_keys(left, right):
            values = {_name(name): value for name, value in right.pairs}
            self._pairs([(value, values[_name(name)]) for name, value in left.pairs])
        else:
            self._one_side(left, right)

    def _open(self, term: Term) -> TypeGuard[Var]:
        """Whether a term is a variable without a value."""
        return isinstance(term, Var) and term.name not in self.bound and term.name not in RESERVED

    def fail(self) -> None:
        """Plans the end of the block."""
        self.emit(Equal(Const(True), Const(False)))  # noqa: FBT003 - constants of the plan

    def _bind(self, name: str, operand: Operand) -> None:
        """Binds a variable, unless planning the other side has bound it (`x = xs[x]`)."""
        if name in self.bound:
            self.emit(Equal(self.bound[name], operand))
        else:
            self.bind(name, operand)

    def _pairs(self, pairs: list[tuple[Term, Term]]) -> None:
        while pairs:
            place = next((at for at, (one, other) in enumerate(pairs) if self.ready(one) or self.ready(other)), 0)
            self.unify(*pairs.pop(place))

    def _one_side(self, left: Term, right: Term) -> None:
        """One side has a value, the other is compared with it or taken apart."""
        if isinstance(left, Array | Object) and self.ready(right):
            self.unify_with(self.term(right), left)
        elif isinstance(right, Array | Object) and self.ready(left):
            self.unify_with(self.term(left), right)
        else:
            first, second = self.terms((left, right))
            self.emit(Equal(first, second))

    def unify_with(self, operand: Operand, term: Term) -> None:
        """Plans that a value is what a term says."""
        if self._open(term):
            self.bind(term.name, operand)
        elif isinstance(term, Array) and self.unbound(term):
            self._array(self.named(operand), term)
        elif isinstance(term, Object) and self.unbound(term):
            self._object(self.named(operand), term)
        else:
            self.emit(Equal(operand, self.term(term)))

    def _array(self, operand: Operand, term: Array) -> None:
        self.emit(IsKind(operand, "array"))
        self._length(operand, len(term.items))
        self._members(operand, [(Const(place), item) for place, item in enumerate(term.items)])

    def _object(self, operand: Operand, term: Object) -> None:
        self.emit(IsKind(operand, "object"))
        self._length(operand, len(term.pairs))
        names = self.terms([name for name, _ in term.pairs])
        self._members(operand, list(zip(names, (value for _, value in term.pairs), strict=True)))

    def _length(self, operand: Operand, wanted: int) -> None:
        found = self.local()
        self.emit(Len(operand, found))
        self.emit(Equal(found, Const(wanted)))

    def _members(self, operand: Operand, members: list[tuple[Operand, Term]]) -> None:
        """Variables first: another member may need them."""
        for name, term in sorted(members, key=lambda member: not isinstance(member[1], Var | Scalar)):
            if isinstance(term, Var) and term.wild:
                continue
            target = self.local()
            self.emit(Dot(operand, name, target))
            self.unify_with(target, term)


def _same_keys(left: Object, right: Object) -> bool:
    names = [name for name, _ in (*left.pairs, *right.pairs)]
    if not all(isinstance(name, Scalar) for name in names):
        return False
    return {_name(name) for name, _ in left.pairs} == {_name(name) for name, _ in right.pairs}


def _name(term: Term) -> object:
    """A scalar as a key: to Python true is 1, to Rego it is not."""
    return key(term.value) if isinstance(term, Scalar) else term
