"""Stage 3: which variables have a value when they are needed. Orders each body so that it can run from top to bottom.

A line makes variables safe by unification (`x = input.y`), by going through a document (`data.xs[i]`), or as the result of a call that is
a line of its own. Everything else it needs must be safe before. Lines keep their order where they can, as in OPA.
"""

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

from flyball.rego.error import Place
from flyball.rego.gate import show
from flyball.rego.gate.call import captures
from flyball.rego.gate.note import UNSAFE, Notes
from flyball.rego.gate.trie import Node, steps
from flyball.rego.gate.walk import (
    body_variables,
    closed_over,
    heads,
    inner,
    is_binary,
    line_variables,
    names_builtin,
    pattern,
    rebuild,
    terms,
    variables,
)
from flyball.rego.tree import Array, Body, Call, Comprehension, Every, Expr, Object, Ref, Rule, Template, Term, Var


def order(rules: Iterable[Rule], root: Node, notes: Notes) -> tuple[Rule, ...]:
    """The rules with every body in an order that can be run."""
    return tuple(Orderer(root, notes).rule(rule) for rule in rules)


class Orderer:
    """Orders the bodies of one rule."""

    def __init__(self, root: Node, notes: Notes) -> None:
        self.root = root
        self.notes = notes
        self.known: set[str] = set()

    def rule(self, rule: Rule) -> Rule:
        """A rule and its `else` branches."""
        self.known |= {one for line in rule.body for one in line_variables(line)}
        given = {name for arg in rule.args or () for name in variables(arg)}
        body = self.body(rule.body, given)
        safe = given | body_variables(body)
        path = steps(rule)
        head = (*path, *(one for one in (rule.key, rule.value) if one is not None))
        safe |= {one for term in head for one in reached(term, safe)}
        for term in head:
            self._needs(term, safe, rule.place)
        return replace(
            rule,
            name=replace(rule.name, path=tuple(self.closures(one, safe) for one in path)) if isinstance(rule.name, Ref) else rule.name,
            key=self.closures(rule.key, safe) if rule.key is not None else None,
            value=self.closures(rule.value, safe) if rule.value is not None else None,
            body=body,
            otherwise=self.rule(rule.otherwise) if rule.otherwise else None,
        )

    def body(self, body: Body, given: set[str]) -> Body:
        """The lines in an order that can be run; takes in what no order makes safe."""
        own, safe = body_variables(body), set(given)
        waiting, found = list(body), list[Expr]()
        while waiting:
            still: list[Expr] = []
            for line in waiting:
                if self._missing(line, safe, given, own):
                    still.append(line)
                else:
                    found.append(line)
                    safe |= self.outputs(line, safe)
            if len(still) == len(waiting):
                self._unsafe(still, safe, given, own)
                return body
            waiting = still
        return self._closed(found, given)

    def _closed(self, body: list[Expr], given: set[str]) -> Body:
        """The same lines, with the bodies inside them in order too."""
        safe, found = set(given), list[Expr]()
        for line in body:
            what = line.what
            if isinstance(what, Every):
                names = {one.name for side in (what.key, what.value) if side is not None for one in pattern(side)}
                inside = self.body(what.body, safe | names)
                what = replace(what, domain=self.closures(what.domain, safe), body=inside)
            else:
                what = self.closures(what, safe | line_variables(line))  # type: ignore[arg-type]  # `some` is gone by now
            withs = tuple(replace(one, value=self.closures(one.value, safe)) for one in line.withs)
            found.append(replace(line, what=what, withs=withs))
            safe |= line_variables(line)
        return tuple(found)

    def closures(self, term: Term, safe: set[str]) -> Term:
        """A term with the bodies of its comprehensions in order."""
        if isinstance(term, Comprehension):
            body = self.body(term.body, safe)
            known = safe | body_variables(body)
            for side in inner(term):
                self._needs(side, known | reached(side, known), term.place)
            key = self.closures(term.key, known) if term.key is not None else None
            return replace(term, key=key, head=self.closures(term.head, known), body=body)
        if isinstance(term, Template):
            for side in inner(term):
                self._needs(side, safe | reached(side, safe), side.place)
            return replace(term, parts=tuple(one if isinstance(one, str | Expr) else self.closures(one, safe) for one in term.parts))
        return rebuild(term, lambda one: self.closures(one, safe))

    # ---------------------------------------------------------------- one line

    def _missing(self, line: Expr, safe: set[str], given: set[str], own: set[str]) -> set[str]:
        """The variables that a line needs and that are not safe yet."""
        needed = line_variables(line) - safe - self.outputs(line, safe)
        return needed | (closed_over(line) & own - given - safe)

    def outputs(self, line: Expr, safe: set[str]) -> set[str]:
        """The variables that a line makes safe."""
        if line.negated or any(variables(one.value) - safe for one in line.withs if not names_builtin(one.value)):
            return set()
        what = line.what
        if isinstance(what, Every):
            return reached(what.domain, safe)
        found: set[str] = set()
        for term in heads(replace(line, withs=())):
            found |= reached(term, safe)
        if is_binary(what, "eq"):
            found |= _unified(what.args[0], what.args[1], safe | found)
        elif isinstance(what, Call) and captures(what, self.root) and not _all(what.args[:-1]) - safe - found:
            found |= {one.name for one in pattern(what.args[-1])}
        return found - safe

    # ---------------------------------------------------------------- mistakes

    def _needs(self, term: Term, safe: set[str], place: Place) -> None:
        for name in sorted(variables(term) - safe):
            self._tell(name, place, safe)

    def _unsafe(self, lines: list[Expr], safe: set[str], given: set[str], own: set[str]) -> None:
        first: dict[str, Place] = {}
        for line in lines:
            for name in self._missing(line, safe, given, own):
                first[name] = min(first.get(name, line.place), line.place)
        for name, place in sorted(first.items()):
            self._tell(name, place, safe)

    def _tell(self, name: str, place: Place, safe: set[str]) -> None:
        shown = show.plain(name)
        near = get_close_matches(
            shown, sorted({show.plain(one) for one in safe} | {str(node.path[-1]) for node in self.root.below()}), 1, 0.7
        )
        fix = f"did you mean {near[0]}?" if near else f"give {shown} a value: {shown} := ..., some {shown} in ..."
        self.notes.wrong(place, UNSAFE, f"var {shown} is unsafe", "name what is meant: some x in ..." if shown == "_" else fix)


def reached(term: Term, safe: set[str]) -> set[str]:
    """The variables that going through the references of a term makes safe: those in the path of a document that is known."""
    found: set[str] = set()
    refs = [one for one in terms(term) if isinstance(one, Ref)]
    for _ in refs:
        for ref in refs:
            if not variables(ref.head) - safe - found:
                found |= {one.name for step in ref.path for one in _free(step)}
    return found


def _all(found: Iterable[Term]) -> set[str]:
    return {name for term in found for name in variables(term)}


def _free(step: Term) -> list[Var]:
    return [one for one in pattern(step) if one.name not in {"input", "data"}]


def _unified(left: Term, right: Term, safe: set[str]) -> set[str]:
    """The variables that `left = right` makes safe."""
    found: set[str] = set()
    for one, other in ((left, right), (right, left)):
        if not variables(other) - safe:
            found |= {var.name for var in pattern(one)}
    if found:
        return found
    if isinstance(left, Array) and isinstance(right, Array) and len(left.items) == len(right.items):
        pairs = list(zip(left.items, right.items, strict=True))
    elif isinstance(left, Object) and isinstance(right, Object):
        values = dict(right.pairs)
        pairs = [(value, values[name]) for name, value in left.pairs if name in values]
    else:
        return found
    for _ in pairs:
        for one, other in pairs:
            found |= _unified(one, other, safe | found)
    return found - safe
