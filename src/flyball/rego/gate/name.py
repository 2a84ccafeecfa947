"""Stage 1: what each name means. Rules and imports become paths from `data` or `input`, declared variables unique locals.

A name that is declared (`:=`, `some`, `every`, a parameter) stands for the local in its body and all closures; else for a rule of the
package or an import; else it is a variable that unification binds. Called by the gate.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from flyball.rego.builtin import REFUSED, TABLE
from flyball.rego.gate import show
from flyball.rego.gate.note import COMPILE, TYPE, Notes
from flyball.rego.gate.scope import Lookup, Maker, Path, Scope, declared, names
from flyball.rego.gate.walk import (
    RESERVED,
    dotted,
    is_binary,
    pattern,
    rebuild,
    terms,
)
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

_KINDS: Final = {Scalar: "scalar", Ref: "ref", SetOf: "set", Call: "call", Comprehension: "comprehension", Template: "template string"}
TRUE: Final = Scalar(True)  # noqa: FBT003 - the value that is meant


def resolve(modules: Iterable[Module], notes: Notes) -> tuple[Rule, ...]:
    """The rules of all modules with their names resolved."""
    held = tuple(modules)
    named: dict[Path, set[str]] = {}
    for module in held:
        for rule in module.rules:
            named.setdefault(module.package, set()).add(_first(rule))
    count = Maker()
    found: list[Rule] = []
    for module in held:
        known = {name: ("data", *module.package, name) for name in named.get(module.package, ())}
        imports = _imports(module, notes)
        resolver = Resolver(known | imports, notes, count)
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
        plain = f"import {show.path(one.path)}"
        text = f"{plain} as {one.alias}" if one.alias else plain
        if alias in found:
            notes.wrong(one.place, COMPILE, f"import must not shadow {written[alias]}", f"give one of them another name: {plain} as ...")
        elif alias in RESERVED and one.path != (alias,):
            notes.wrong(one.place, COMPILE, f"imports must not shadow {alias} (use a different import name)", f"{plain} as ...")
        else:
            found[alias], written[alias] = one.path, text
    return found


class Resolver(Lookup):
    """Resolves the rules of one module."""

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
        self.idle(self.scopes[0], changed)
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
        self.unused(self.scopes.pop(), body, names(*fixed, key, value))
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
                self.declare(scope, term, "argument")
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
                self.declare(self.scopes[-1], one, "declared")
            return None
        if isinstance(what, SomeIn):
            return self._some_in(expr, what)
        if isinstance(what, Every):
            return self._every(expr, what)
        if is_binary(what, "assign"):
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
            return self.declare(self.scopes[-1], term, "assigned")
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
            return self.term(term) if term.wild or term.name in taken else self.declare(self.scopes[-1], term, how)
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
        self.unused(self.scopes.pop(), body, set())
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
        return term if is_builtin and not self.local(names[0]) and names[0] not in self.names else self.term(term)
