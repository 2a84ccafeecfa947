"""Stage 1: what each name means. Rules and imports become paths from `data` or `input`; declared variables become unique locals.

A name that is declared (`:=`, `some`, `every`, a parameter) stands for the local in its body and all closures; else for a rule of the package
or an import; else it is a variable that unification binds. Called by the gate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from flyball.rego.builtin import REFUSED, TABLE
from flyball.rego.error import Place
from flyball.rego.gate import show
from flyball.rego.gate.note import COMPILE, TYPE, Notes
from flyball.rego.gate.walk import RESERVED, all_terms, body_variables, closed_over, dotted, lines, pattern, rebuild, terms, variables
from flyball.rego.tree import (
    Array,
    Body,
    Call,
    Comprehension,
    Every,
    Expr,
    Module,
    Object,
    Ref,
    Rule,
    Scalar,
    SetOf,
    Some,
    SomeIn,
    Template,
    Term,
    Var,
    With,
)

Path = tuple[str, ...]
_TOLD: Final = {
    "seen": "var {} referenced above",
    "assigned": "var {} assigned above",
    "declared": "var {} declared above",
    "argument": "arg {} redeclared",
}
_KINDS: Final = {Scalar: "scalar", Ref: "ref", SetOf: "set", Call: "call", Comprehension: "comprehension", Template: "template string"}
TRUE: Final = Scalar(True)  # noqa: FBT003 - the value that is meant


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
        if isinstance(what, Call) and what.name == ("assign",) and len(what.args) == 2:
            found |= {one.name for one in pattern(what.args[0])}
        elif isinstance(what, Some):
            found |= {one.name for one in what.vars}
        elif isinstance(what, SomeIn):
            found |= {one.name for side in (what.key, what.value) if side for one in pattern(side)}
    return frozenset(found)


def resolve(modules: Iterable[Module], notes: Notes) -> tuple[Rule, ...]:
    """The rules of all modules with their names resolved."""
    held = tuple(modules)
    named: dict[Path, set[str]] = {}
    for module in held:
        for rule in module.rules:
            named.setdefault(module.package, set()).add(_first(rule))
    count = Counter()
    found: list[Rule] = []
    for module in held:
        names = {name: ("data", *module.package, name) for name in named.get(module.package, ())}
        imports = _imports(module, notes)
        resolver = Resolver(names | imports, notes, count)
        found += [resolver.rule(rule, module.package) for rule in module.rules]
        for one in module.imports:
            alias = one.alias or one.path[-1]
            if alias in imports and alias not in resolver.used:
                notes.warn(one.place, f"import {show.path(one.path)} unused", "remove it")
    return tuple(found)


def _first(rule: Rule) -> str:
    head = rule.name.head if isinstance(rule.name, Ref) else rule.name
    return head.name if isinstance(head, Var) else ""


def _imports(module: Module, notes: Notes) -> dict[str, Path]:
    found: dict[str, Path] = {}
    written: dict[str, str] = {}
    for one in module.imports:
        if one.path[0] in {"rego", "future"}:
            continue
        alias = one.alias or one.path[-1]
        text = f"import {show.path(one.path)}" + (f" as {one.alias}" if one.alias else "")
        if alias in found:
            notes.wrong(one.place, COMPILE, f"import must not shadow {written[alias]}", f"give one of them another name: {text} as ...")
        elif alias in RESERVED and one.path != (alias,):
            notes.wrong(one.place, COMPILE, f"imports must not shadow {alias} (use a different import name)", f"{text} as ...")
        else:
            found[alias], written[alias] = one.path, text
    return found


@dataclass(slots=True)
class Counter:
    """Numbers that make locals unique in all modules."""

    last: int = 0

    def local(self, name: str) -> str:
        """A name that no source can hold."""
        self.last += 1
        return f"{name}#{self.last}"


class Resolver:
    """Resolves the rules of one module."""

    def __init__(self, names: Mapping[str, Path], notes: Notes, count: Counter) -> None:
        self.names = names
        self.notes = notes
        self.count = count
        self.used: set[str] = set()
        self.computed: list[Expr] = []
        self.scopes: list[Scope] = []

    def rule(self, rule: Rule, package: Path) -> Rule:
        """One rule and its `else` branches."""
        name = rule.name if isinstance(rule.name, Ref) else Ref(rule.name, (), rule.place)
        first = _first(rule)
        if first in RESERVED:
            self.notes.wrong(rule.place, COMPILE, f"rules must not shadow {first} (use a different rule name)")
        self.scopes = [Scope(frozenset(one.name for arg in rule.args or () for one in pattern(arg)))]
        self.computed = []
        args = None if rule.args is None else tuple(map(self._argument, rule.args))
        path = tuple(Scalar(one, name.place) for one in (*package, first))
        changed = self._branch(replace(rule, name=replace(name, head=Var("data", name.place), path=(*path, *name.path)), args=args))
        self._idle(self.scopes[0], changed)
        return changed

    def query(self, rule: Rule) -> Rule:
        """The lines of a query, as a rule without a name: nothing declared in them can be unused, the answer holds it."""
        self.scopes = [Scope(), Scope(declared(rule.body))]
        return replace(rule, body=self.body(rule.body))

    def _branch(self, rule: Rule) -> Rule:
        self.scopes.append(Scope(declared(rule.body), {}, dict(self.scopes[0].how)))
        body = (*self.body(rule.body), *self.computed)
        name = rule.name
        fixed = [self.term(step) for step in name.path] if isinstance(name, Ref) else []
        key = self.term(rule.key) if rule.key is not None else None
        value = self.term(rule.value) if rule.value is not None else None
        used = {one for term in (*fixed, key, value) if term is not None for one in variables(term) | _closures(term)}
        self._unused(self.scopes.pop(), body, used)
        otherwise = self._branch(replace(rule.otherwise, name=rule.name, args=rule.args)) if rule.otherwise else None
        named = replace(name, path=tuple(fixed)) if isinstance(name, Ref) else name
        return replace(rule, name=named, key=key, value=value, body=body or (Expr(TRUE, place=rule.place),), otherwise=otherwise)

    def _argument(self, term: Term) -> Term:
        """A parameter. One that must be computed is compared at the end of the body."""
        if any(isinstance(one, Ref | Comprehension | Template) for one in terms(term)):
            param = Var(f"${self.count.local('a')}", term.place)
            self.computed.append(Expr(Call(("eq",), (param, self._parameter(term)), term.place), place=term.place))
            return param
        return self._parameter(term)

    def _parameter(self, term: Term) -> Term:
        if isinstance(term, Var):
            if term.name in RESERVED:
                self.notes.wrong(term.place, COMPILE, f"args must not shadow {term.name} (use a different variable name)")
            scope = self.scopes[0]
            if term.name not in scope.locals:
                self._declare(scope, term, "argument")
            return replace(term, name=scope.locals.get(term.name, term.name))
        if isinstance(term, Array):
            return rebuild(term, self._parameter)
        if isinstance(term, Object):
            return replace(term, pairs=tuple((self.term(name), self._parameter(value)) for name, value in term.pairs))
        if isinstance(term, Call):
            self.notes.wrong(term.place, COMPILE, "rule arguments cannot contain calls", "take a variable, and compare it in the body")
        return self.term(term)

    # ---------------------------------------------------------------- bodies

    def body(self, body: Body) -> Body:
        """The lines of a body, in the scope that is pushed already."""
        found: list[Expr] = []
        for expr in body:
            changed = self._line(expr)
            if changed is not None:
                found.append(changed)
        return tuple(found) if found or not body else (Expr(TRUE, place=body[0].place),)

    def _line(self, expr: Expr) -> Expr | None:
        what = expr.what
        if isinstance(what, Some):
            for one in what.vars:
                self._declare(self.scopes[-1], one, "declared")
            return None
        if isinstance(what, SomeIn):
            return self._some_in(expr, what)
        if isinstance(what, Every):
            return self._every(expr, what)
        if isinstance(what, Call) and what.name == ("assign",) and len(what.args) == 2:
            return self._assign(expr, what)
        return replace(expr, what=self.term(what), withs=self._withs(expr))

    def _assign(self, expr: Expr, what: Call) -> Expr:
        if expr.negated:
            self.notes.wrong(expr.place, COMPILE, "cannot assign vars inside negated expression", "use == to compare")
        value = self.term(what.args[1])
        withs = self._withs(expr)
        target = self._target(what.args[0])
        return replace(expr, what=replace(what, name=("eq",), args=(target, value)), withs=withs)

    def _target(self, term: Term) -> Term:
        if isinstance(term, Var):
            if term.name in RESERVED:
                self.notes.wrong(term.place, COMPILE, f"variables must not shadow {term.name} (use a different variable name)")
                return term
            return self._declare(self.scopes[-1], term, "assigned")
        if isinstance(term, Array):
            return rebuild(term, self._target)
        if isinstance(term, Object):
            return replace(term, pairs=tuple((self.term(name), self._target(value)) for name, value in term.pairs))
        kind = _KINDS[type(term)]
        if isinstance(term, Scalar):
            kind = {str: "string", bool: "boolean", type(None): "null"}.get(type(term.value), "number")
        self.notes.wrong(term.place, COMPILE, f"cannot assign to {kind}", "use == to compare, or name a variable")
        return term

    def _some_in(self, expr: Expr, what: SomeIn) -> Expr:
        domain = self.term(what.domain)
        withs = self._withs(expr)
        taken = {one.name for one in pattern(what.domain)}
        fixed = [self._pattern(side, taken, "declared") if side is not None else None for side in (what.key, what.value)]
        key = fixed[0] if fixed[0] is not None else Var(f"${self.count.local('k')}", what.place)
        value = fixed[1] if fixed[1] is not None else what.value
        source = domain if isinstance(domain, Ref) else Ref(domain, (), what.domain.place)
        member = replace(source, path=(*source.path, key))
        return replace(expr, what=Call(("eq",), (value, member), what.place), withs=withs)

    def _pattern(self, term: Term, taken: set[str], how: str) -> Term:
        """A side of `some ... in`: its variables are new, unless the domain has them."""
        if isinstance(term, Var):
            return self.term(term) if term.wild or term.name in taken else self._declare(self.scopes[-1], term, how)
        if isinstance(term, Array):
            return rebuild(term, lambda one: self._pattern(one, taken, how))
        if isinstance(term, Object):
            return replace(term, pairs=tuple((self.term(name), self._pattern(value, taken, how)) for name, value in term.pairs))
        return self.term(term)

    def _every(self, expr: Expr, what: Every) -> Expr:
        domain, withs = self.term(what.domain), self._withs(expr)
        self.scopes.append(Scope(declared(what.body) | {one.name for side in (what.key, what.value) if side for one in pattern(side)}))
        key = self._pattern(what.key, set(), "declared") if what.key is not None else None
        value = self._pattern(what.value, set(), "declared")
        body = self.body(what.body)
        self._unused(self.scopes.pop(), body, set())
        return replace(expr, what=replace(what, key=key, value=value, domain=domain, body=body), withs=withs)

    def _withs(self, expr: Expr) -> tuple[With, ...]:
        return tuple(replace(one, target=self._with_target(one), value=self._function(one.value)) for one in expr.withs)

    def _with_target(self, one: With) -> Var | Ref:
        found = self._function(one.target)
        names = dotted(found)
        if isinstance(found, Var | Ref) and names and (names[0] in RESERVED or ".".join(names) in TABLE or ".".join(names) in REFUSED):
            return found
        what = "with keyword target must reference existing input, data, or a function"
        self.notes.wrong(one.target.place, TYPE, what, "name input, data, a path below one of them, or a function")
        return one.target

    def _function(self, term: Term) -> Term:
        """A term that may be the name of a function."""
        names = dotted(term)
        is_builtin = ".".join(names) in TABLE or ".".join(names) in REFUSED
        return term if is_builtin and not self._local(names[0]) and names[0] not in self.names else self.term(term)

    # ---------------------------------------------------------------- terms

    def term(self, term: Term) -> Term:
        """A term with its names resolved."""
        if isinstance(term, Var):
            return self._variable(term)
        if isinstance(term, Ref):
            head, path = self.term(term.head), tuple(map(self.term, term.path))
            if isinstance(head, Ref):
                return replace(term, head=head.head, path=(*head.path, *path))
            return replace(term, head=head, path=path)
        if isinstance(term, Call):
            return replace(term, name=self._callee(term), args=tuple(map(self.term, term.args)))
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
        used = {one for side in (key, head) if side is not None for one in variables(side) | _closures(side)}
        self._unused(self.scopes.pop(), body, used)
        return replace(term, head=head, key=key, body=body)

    def _variable(self, term: Var) -> Term:
        if term.name in RESERVED or term.wild:
            return term
        local = self._local(term.name)
        if local:
            return replace(term, name=local)
        hidden = any(term.name in scope.hides for scope in self.scopes)
        if not hidden and term.name in self.names:
            self.used.add(term.name)
            path = self.names[term.name]
            if len(path) == 1:
                return replace(term, name=path[0])
            return Ref(Var(path[0], term.place), tuple(Scalar(one, term.place) for one in path[1:]), term.place)
        self.scopes[-1].how.setdefault(term.name, "seen")
        return term

    def _local(self, name: str) -> str:
        return next((scope.locals[name] for scope in reversed(self.scopes) if name in scope.locals), "")

    def _callee(self, call: Call) -> Path:
        first = call.name[0]
        if self._local(first):
            self.notes.wrong(
                call.place, COMPILE, f"called function {'.'.join(call.name)} shadowed", f"give the variable {first} another name"
            )
            return call.name
        hidden = any(first in scope.hides for scope in self.scopes)
        if first in self.names and not hidden:
            self.used.add(first)
            return (*self.names[first], *call.name[1:])
        return call.name

    # ---------------------------------------------------------------- declarations

    def _declare(self, scope: Scope, term: Var, how: str) -> Term:
        if term.wild:
            return term
        before = scope.how.get(term.name)
        if before:
            self.notes.wrong(term.place, COMPILE, _TOLD[before].format(term.name), "give one of them another name")
            return term
        local = self.count.local(term.name)
        scope.locals[term.name], scope.how[term.name], scope.places[local] = local, how, term.place
        return replace(term, name=local)

    def _unused(self, scope: Scope, body: Body, used: set[str]) -> None:
        """A variable declared with `some` or `every` and never used is a mistake in Rego; one assigned only a warning."""
        inside = used | body_variables(body)
        for expr in body:
            inside |= closed_over(expr)
        for name, local in scope.locals.items():
            how, place = scope.how[name], scope.places.get(local)
            if place is None or name.startswith("__"):
                continue
            if how == "declared" and local not in inside:
                self.notes.wrong(place, COMPILE, f"declared var {name} unused", f"remove {name}, or write _ in its place")
            elif how == "assigned" and _mentions(body, local) + (local in used) < 2:
                self.notes.warn(place, f"assigned var {name} unused", "remove the line, or use the variable")

    def _idle(self, scope: Scope, rule: Rule) -> None:
        """Warns of parameters that nothing uses."""
        if rule.args is None or rule.default:
            return
        for name, local in scope.locals.items():
            if sum(isinstance(one, Var) and one.name == local for one in all_terms(rule)) < 2:
                self.notes.warn(scope.places[local], f"unused argument {name}", "write _ in its place")


def _mentions(body: Body, local: str) -> int:
    whole = Rule(Var(""), body=body)
    return sum(isinstance(one, Var) and one.name == local for one in all_terms(whole))


def _closures(term: Term) -> set[str]:
    return closed_over(Expr(term))
