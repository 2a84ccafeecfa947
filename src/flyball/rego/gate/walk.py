"""Walks through a tree: the terms inside a term, the variables of a line. Called by every stage of the gate and by the planner."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from operator import is_
from typing import TypeGuard

from flyball.rego.builtin import TABLE
from flyball.rego.tree import (
    Array,
    Body,
    Call,
    Comprehension,
    Every,
    Expr,
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
)
from flyball.rego.work import spend

RESERVED = frozenset({"input", "data"})
BOTH = 2  # the sides of `=`


def parts(term: Term) -> tuple[Term, ...]:
    """The terms right inside `term` in the same scope: none of a comprehension or template, which have their own."""
    kind = type(term)  # asked of every term many times: comparing classes is what is fast
    if kind is Scalar or kind is Var:
        return ()
    if kind is Ref:
        return (term.head, *term.path)  # type: ignore[union-attr]  # its class is compared right above
    if kind is Call:
        return term.args  # type: ignore[union-attr]  # its class is compared right above
    if isinstance(term, Array | SetOf):
        return term.items
    if isinstance(term, Object):
        return tuple(side for pair in term.pairs for side in pair)
    return ()


def inner(term: Term) -> tuple[Term, ...]:
    """The terms right inside a comprehension's head or a template, which have a scope of their own."""
    if isinstance(term, Comprehension):
        return (term.head,) if term.key is None else (term.key, term.head)
    if isinstance(term, Template):
        return tuple(part for part in term.parts if not isinstance(part, str | Expr))  # the gate leaves no `Expr`
    return ()


def heads(expr: Expr) -> tuple[Term, ...]:
    """The terms of a line in its own scope: what it says, the domain it goes through, the values of `with`."""
    what, given = expr.what, tuple(one.value for one in expr.withs if not names_builtin(one.value))
    if isinstance(what, Some):
        return given
    if isinstance(what, SomeIn):
        return (*((what.key,) if what.key else ()), what.value, what.domain, *given)
    if isinstance(what, Every):
        return (what.domain, *given)
    return (what, *given)


def is_binary(term: object, *names: str) -> TypeGuard[Call]:
    """Whether a term is a call of one of these with two arguments."""
    return isinstance(term, Call) and len(term.name) == 1 and term.name[0] in names and len(term.args) == BOTH


def names_builtin(term: Term) -> bool:
    """Whether a term is the name of a builtin, as `with f as count` has it. Declared variables have other names by then."""
    return ".".join(dotted(term)) in TABLE


def terms(term: Term) -> Iterator[Term]:
    """`term` and every term inside it that has the same scope, outer ones first."""
    waiting, count = [term], 0
    while waiting:
        one = waiting.pop()
        count += 1
        yield one
        kind = type(one)
        if kind is not Scalar and kind is not Var:
            waiting.extend(reversed(parts(one)))
    spend(count)


def everything(term: Term) -> Iterator[Term]:
    """`term` and every term inside it, those in bodies too."""
    waiting, count = [term], 0
    while waiting:
        one = waiting.pop()
        count += 1
        yield one
        kind = type(one)
        if kind is Scalar or kind is Var:
            continue
        waiting.extend(reversed(parts(one)))
        if kind is Comprehension or kind is Template:
            below = list(inner(one))
            if isinstance(one, Comprehension):
                below += [side for expr in lines(one.body) for side in heads(expr)]
            waiting.extend(reversed(below))
    spend(count)


def lines(body: Body) -> Iterator[Expr]:
    """Every line of a body and of the `every` inside it; not those of comprehensions, which `everything` enters."""
    for expr in body:
        yield expr
        if isinstance(expr.what, Every):
            yield from lines(expr.what.body)


def all_terms(rule: Rule) -> Iterator[Term]:
    """Every term of a rule: head, body and those of its `else`."""
    head = (rule.name, *(rule.args or ()), rule.key, rule.value)
    for term in head:
        if term is not None:
            yield from everything(term)
    for expr in lines(rule.body):
        for term in heads(expr):
            yield from everything(term)
    if rule.otherwise:
        yield from all_terms(rule.otherwise)


def all_lines(rule: Rule) -> Iterator[Expr]:
    """Every line of a rule, of its closures and of its `else`, outer ones first."""
    yield from lines(rule.body)
    for term in all_terms(replace(rule, otherwise=None) if rule.otherwise else rule):
        if isinstance(term, Comprehension):
            yield from lines(term.body)
    if rule.otherwise:
        yield from all_lines(rule.otherwise)


def variables(term: Term) -> set[str]:
    """The variables of a term in its own scope, without `input` and `data`."""
    return {one.name for one in terms(term) if isinstance(one, Var)} - RESERVED


def line_variables(expr: Expr) -> set[str]:
    """The variables of a line in its own scope."""
    return {name for term in heads(expr) for name in variables(term)}


def body_variables(body: Body) -> set[str]:
    """The variables of a body in its own scope."""
    return {name for expr in body for name in line_variables(expr)}


Seen = dict[int, set[str]]


def closed_over(expr: Expr, seen: Seen) -> set[str]:
    """All variables that stand in the closures of a line: comprehensions, templates and the body of `every`.

    `seen` keeps what was found in each closure, by its identity, for whoever asks of the closures around it too.
    """
    found = {name for term in heads(expr) for one in terms(term) for name in _inside(one, seen)}
    if isinstance(expr.what, Every):
        found |= _in_body(expr.what.body, seen)
    return found


def _inside(term: Term, seen: Seen) -> Iterable[str]:
    if not isinstance(term, Comprehension | Template):
        return ()
    if id(term) not in seen:
        found = {name for part in inner(term) for one in terms(part) for name in _inside(one, seen)}
        found |= {name for part in inner(term) for name in variables(part)}
        seen[id(term)] = found | _in_body(term.body, seen) if isinstance(term, Comprehension) else found
    return seen[id(term)]


def _in_body(body: Body, seen: Seen) -> set[str]:
    if id(body) not in seen:
        seen[id(body)] = {name for line in body for name in line_variables(line) | closed_over(line, seen)}
    return seen[id(body)]


def has_closures(expr: Expr) -> bool:
    """Whether a line has a body of its own in it, or a template."""
    return isinstance(expr.what, Every) or any(isinstance(one, Comprehension | Template) for term in heads(expr) for one in terms(term))


def pattern(term: Term) -> Iterator[Var]:
    """The variables that taking a value apart along `term` binds: those in arrays and in values of objects."""
    if isinstance(term, Var):
        yield term
    elif isinstance(term, Array):
        for item in term.items:
            yield from pattern(item)
    elif isinstance(term, Object):
        for _, value in term.pairs:
            yield from pattern(value)


def rebuild(term: Term, change: Callable[[Term], Term]) -> Term:
    """`term` with every term right inside it (of its own scope) changed; `term` itself where none is."""
    if isinstance(term, Ref):
        head, path = change(term.head), _each(term.path, change)
        return term if head is term.head and path is term.path else Ref(head, path, term.place)
    if isinstance(term, Array | SetOf):
        items = _each(term.items, change)
        return term if items is term.items else type(term)(items, term.place)
    if isinstance(term, Object):
        return Object(tuple((change(name), change(value)) for name, value in term.pairs), term.place)
    if isinstance(term, Call):
        args = _each(term.args, change)
        return term if args is term.args else Call(term.name, args, term.place)
    return term


def _each(found: tuple[Term, ...], change: Callable[[Term], Term]) -> tuple[Term, ...]:
    """All of them changed; the very same tuple where nothing is."""
    made = tuple(map(change, found))
    return found if all(map(is_, made, found)) else made


def ground_prefix(path: tuple[Term, ...]) -> tuple[Scalar, ...]:
    """The leading scalars of a path."""
    found: list[Scalar] = []
    for term in path:
        if not isinstance(term, Scalar):
            break
        found.append(term)
    return tuple(found)


def dotted(term: Term) -> tuple[str, ...]:
    """The names of a term written in dots (`io.jwt.decode`); empty for anything else."""
    if isinstance(term, Var):
        return (term.name,)
    if isinstance(term, Ref) and isinstance(term.head, Var):
        names = tuple(part.value for part in term.path if isinstance(part, Scalar) and isinstance(part.value, str))
        return (term.head.name, *names) if len(names) == len(term.path) else ()
    return ()
