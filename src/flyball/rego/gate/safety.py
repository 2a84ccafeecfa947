"""Stage 3: which variables have a value when they are needed. Orders each body so that it can run from top to bottom.

A line makes variables safe by unification (`x = input.y`), by going through a document (`data.xs[i]`), or as the result of a call that is
a line of its own. Everything else it needs must be safe before. Lines keep their order where they can, as in OPA.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from flyball.rego.error import Place
from flyball.rego.gate import show
from flyball.rego.gate.call import captures
from flyball.rego.gate.note import UNSAFE, Notes
from flyball.rego.gate.trie import Node, steps
from flyball.rego.gate.walk import (
    Seen,
    body_variables,
    closed_over,
    has_closures,
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
from flyball.rego.work import WIDE, at, spend


def order(rules: Iterable[Rule], root: Node, notes: Notes) -> tuple[Rule, ...]:
    """The rules with every body in an order that can be run."""
    return tuple(Orderer(root, notes).rule(rule) for rule in rules)


@dataclass(slots=True)
class _Line:
    """A line that waits for its turn.

    Attributes:
        own: its variables in its own scope.
        closed: those of the body that its closures need.
        names: both.
        asked: how many of them were not safe when it was asked last: as long as it is as many, its answer is the same.
    """

    expr: Expr
    own: set[str]
    closed: set[str]
    names: set[str]
    asked: int = -1


class Orderer:
    """Orders the bodies of one rule."""

    def __init__(self, root: Node, notes: Notes) -> None:
        self.root = root
        self.notes = notes
        self.seen: Seen = {}

    def rule(self, rule: Rule) -> Rule:
        """A rule and its `else` branches."""
        at(rule.place)
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
        safe = set(given)
        waiting, found = self._waiting(body, given), list[_Line]()
        while waiting:
            still: list[_Line] = []
            spend(len(waiting))
            for one in waiting:
                made = self._made(one, safe) if one.asked != len(one.names - safe) else None
                if made is None:
                    still.append(one)
                else:
                    found.append(one)
                    safe |= made
            if len(still) == len(waiting):
                self._unsafe(still, safe)
                return body
            waiting = still
        return self._closed([one.expr for one in found], given)

    def _closed(self, body: list[Expr], given: set[str]) -> Body:
        """The same lines, with the bodies inside them in order too."""
        safe, found = set(given), list[Expr]()
        for line in body:
            if not has_closures(line):
                found.append(line)
                safe |= line_variables(line)
                continue
            spend(len(safe) >> WIDE)
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

    def _waiting(self, body: Body, given: set[str]) -> list[_Line]:
        lines = [(line, line_variables(line)) for line in body]
        names = {name for _, own in lines for name in own} - given
        closed = [closed_over(line, self.seen) & names if has_closures(line) else set() for line in body]
        return [_Line(line, own, over, own | over) for (line, own), over in zip(lines, closed, strict=True)]

    def _made(self, one: "_Line", safe: set[str]) -> set[str] | None:
        """The variables that a line makes safe; None where it needs others that are not safe yet."""
        one.asked = len(one.names - safe)
        if not one.asked:
            return set()
        made = self.outputs(one.expr, safe)
        return None if one.own - safe - made or one.closed - safe else made

    def outputs(self, line: Expr, safe: set[str]) -> set[str]:
        """The variables that a line makes safe."""
        if line.negated or any(variables(one.value) - safe for one in line.withs if not names_builtin(one.value)):
            return set()
        what = line.what
        if isinstance(what, Every):
            return reached(what.domain, safe)
        found: set[str] = set()
        for term in heads(replace(line, withs=()) if line.withs else line):
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

    def _unsafe(self, lines: list["_Line"], safe: set[str]) -> None:
        first: dict[str, Place] = {}
        for one in lines:
            place = one.expr.place
            for name in (one.own - safe - self.outputs(one.expr, safe)) | (one.closed - safe):
                first[name] = min(first.get(name, place), place)
        for name, place in sorted(first.items()):
            self._tell(name, place, safe)

    def _tell(self, name: str, place: Place, safe: set[str]) -> None:
        shown = show.plain(name)
        near = self.notes.near(shown, lambda: sorted({*map(show.plain, safe), *(str(node.path[-1]) for node in self.root.below())}), 0.7)
        fix = f"did you mean {near}?" if near else f"give {shown} a value: {shown} := ..., some {shown} in ..."
        self.notes.wrong(place, UNSAFE, f"var {shown} is unsafe", "name what is meant: some x in ..." if shown == "_" else fix)


def reached(term: Term, safe: Container[str]) -> set[str]:
    """The variables that going through the references of a term makes safe: those in the path of a document that is known."""
    found: set[str] = set()
    refs = [(variables(one.head), {var.name for step in one.path for var in _free(step)}) for one in terms(term) if isinstance(one, Ref)]
    while refs:
        spend(len(refs))
        still = []
        for needs, gives in refs:
            if all(name in safe or name in found for name in needs):
                found |= gives
            else:
                still.append((needs, gives))
        if len(still) == len(refs):
            break
        refs = still
    return found


def _all(found: Iterable[Term]) -> set[str]:
    return {name for term in found for name in variables(term)}


def _free(step: Term) -> list[Var]:
    return [one for one in pattern(step) if one.name not in {"input", "data"}]


def _unified(left: Term, right: Term, safe: set[str]) -> set[str]:
    """The variables that `left = right` makes safe."""
    found: set[str] = set()
    spend(1 + (len(safe) >> WIDE))
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
    while pairs:
        still, known = [], len(found)
        for one, other in pairs:
            found |= _unified(one, other, safe | found)
            if (variables(one) | variables(other)) - safe - found:
                still.append((one, other))
        if len(found) == known:
            break
        pairs = still
    return found - safe
