"""What stands in for a name: scopes, declarations, and the terms that names stand in. Called by `name`."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from flyball.rego.error import Place
from flyball.rego.gate.note import COMPILE, Notes
from flyball.rego.gate.walk import RESERVED, all_terms, everything, is_binary, lines, pattern, rebuild
from flyball.rego.tree import Body, Call, Comprehension, Expr, Ref, Rule, Scalar, Some, SomeIn, Template, Term, Var

Path = tuple[str, ...]
_TOLD: Final = {
    "seen": "var {} referenced above",
    "assigned": "var {} assigned above",
    "declared": "var {} declared above",
    "argument": "arg {} redeclared",
}


@dataclass(slots=True)
class Scope:
    """The names of one body. `hides` are declared somewhere in it; `locals` so far; `how` each name came up first."""

    hides: frozenset[str] = frozenset()
    locals: dict[str, str] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)


def declared(body: Body) -> frozenset[str]:
    """The names that a body declares, anywhere but in its comprehensions."""
    found: set[str] = set()
    for expr in lines(body):
        what = expr.what
        if is_binary(what, "assign"):
            found |= {one.name for one in pattern(what.args[0])}
        elif isinstance(what, Some):
            found |= {one.name for one in what.vars}
        elif isinstance(what, SomeIn):
            found |= {one.name for side in (what.key, what.value) if side for one in pattern(side)}
    return frozenset(found)


@dataclass(slots=True)
class Maker:
    """Numbers that make locals unique in all modules."""

    last: int = 0

    def local(self, name: str) -> str:
        """A name that no source can hold."""
        self.last += 1
        return f"{name}#{self.last}"


class Lookup:
    """Looks names up in the scopes around them. `names` are the rules and imports of a module."""

    def __init__(self, names: Mapping[str, Path], notes: Notes, count: Maker) -> None:
        self.names = names
        self.notes = notes
        self.count = count
        self.used: set[str] = set()
        self.computed: list[Expr] = []
        self.scopes: list[Scope] = []

    @abstractmethod
    def body(self, body: Body) -> Body:
        """The lines of a body, in the scope that is pushed already."""

    def term(self, term: Term) -> Term:  # noqa: PLR0911 - one for each kind of term
        """A term with its names resolved."""
        if isinstance(term, Var):
            return self.variable(term)
        if isinstance(term, Ref):
            head, path = self.term(term.head), tuple(map(self.term, term.path))
            if isinstance(head, Ref):
                return Ref(head.head, (*head.path, *path), term.place)
            return Ref(head, path, term.place)
        if isinstance(term, Call):
            return Call(self.callee(term), tuple(map(self.term, term.args)), term.place)
        if isinstance(term, Comprehension):
            return self._comprehension(term)
        if isinstance(term, Template):
            return replace(term, parts=tuple(part if isinstance(part, str) else self.term(self._part(part)) for part in term.parts))
        return rebuild(term, self.term)

    def _part(self, part: Term | Expr) -> Term:
        """A part of a template as a term: with `with` it is every value of a comprehension of its own."""
        if not isinstance(part, Expr):
            return part
        value, each = Var(f"${self.count.local('v')}", part.place), Var(f"${self.count.local('e')}", part.place)
        line = replace(part, what=Call(("eq",), (value, part.what), part.place))  # type: ignore[arg-type]  # the parser takes terms only
        return Ref(Comprehension("array", value, (line,), None, part.place), (each,), part.place)

    def _comprehension(self, term: Comprehension) -> Term:
        self.scopes.append(Scope(declared(term.body)))
        body = self.body(term.body)
        key = self.term(term.key) if term.key is not None else None
        head = self.term(term.head)
        used = names(key, head)
        self.unused(self.scopes.pop(), body, used)
        return replace(term, head=head, key=key, body=body)

    def variable(self, term: Var) -> Term:
        """A variable: a local, the path of a rule or an import, or what unification binds."""
        if term.name in RESERVED or term.wild:
            return term
        local = self.local(term.name)
        if local:
            return Var(local, term.place)
        hidden = any(term.name in scope.hides for scope in self.scopes)
        if not hidden and term.name in self.names:
            self.used.add(term.name)
            path = self.names[term.name]
            if len(path) == 1:
                return Var(path[0], term.place)
            return Ref(Var(path[0], term.place), tuple(Scalar(one, term.place) for one in path[1:]), term.place)
        self.scopes[-1].how.setdefault(term.name, "seen")
        return term

    def local(self, name: str) -> str:
        """The local that a name stands for here; empty where it stands for none."""
        return next((scope.locals[name] for scope in reversed(self.scopes) if name in scope.locals), "")

    def callee(self, call: Call) -> Path:
        """The function that a call means."""
        first = call.name[0]
        if self.local(first):
            self.notes.wrong(
                call.place, COMPILE, f"called function {'.'.join(call.name)} shadowed", f"give the variable {first} another name"
            )
            return call.name
        hidden = any(first in scope.hides for scope in self.scopes)
        if first in self.names and not hidden:
            self.used.add(first)
            return (*self.names[first], *call.name[1:])
        return call.name

    def declare(self, scope: Scope, term: Var, how: str) -> Term:
        """A new local of a scope; a name that is taken there already is a mistake."""
        if term.wild:
            return term
        before = scope.how.get(term.name)
        if before:
            self.notes.wrong(term.place, COMPILE, _TOLD[before].format(term.name), "give one of them another name")
            return term
        local = self.count.local(term.name)
        scope.locals[term.name], scope.how[term.name], scope.places[local] = local, how, term.place
        return Var(local, term.place)

    def unused(self, scope: Scope, body: Body, used: set[str]) -> None:
        """A variable declared with `some` or `every` and never used is a mistake in Rego; one assigned only a warning."""
        if not scope.locals:
            return
        count = Counter(one.name for one in all_terms(Rule(Var(""), body=body)) if isinstance(one, Var))
        for name, local in scope.locals.items():
            how, place = scope.how[name], scope.places.get(local)
            if place is None or name.startswith("__"):
                continue
            if how == "declared" and local not in count and local not in used:
                self.notes.wrong(place, COMPILE, f"declared var {name} unused", f"remove {name}, or write _ in its place")
            elif how == "assigned" and count[local] + (local in used) <= 1:
                self.notes.warn(place, f"assigned var {name} unused", "remove the line, or use the variable")

    def idle(self, scope: Scope, rule: Rule) -> None:
        """Warns of parameters that nothing uses."""
        if rule.args is None or rule.default:
            return
        count = Counter(one.name for one in all_terms(rule) if isinstance(one, Var))
        for name, local in scope.locals.items():
            if count[local] <= 1:
                self.notes.warn(scope.places[local], f"unused argument {name}", "write _ in its place")


def names(*found: Term | None) -> set[str]:
    """The variables of terms, those in their closures too."""
    return {one.name for term in found if term is not None for one in everything(term) if isinstance(one, Var)}
