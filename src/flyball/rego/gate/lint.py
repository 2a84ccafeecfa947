"""Stage 7: what is allowed, and slow or a trap. Called by the gate.

A look-up by key costs the same with ten members and with a hundred thousand; going through a document of `data` does not.

What stands inside of a negated line is computed before the line: where a field of the input is missing, `not startswith(input.x, "a")` is
undefined and not true, so a rule that denies by it does not deny. A field that the schema requires is never missing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from flyball.rego.error import Place
from flyball.rego.gate import schema as json_schema
from flyball.rego.gate import show
from flyball.rego.gate.note import Notes
from flyball.rego.gate.trie import Node, steps
from flyball.rego.gate.walk import (
    all_lines,
    body_variables,
    dotted,
    heads,
    inner,
    is_binary,
    line_variables,
    parts,
    pattern,
    terms,
    variables,
)
from flyball.rego.tree import Body, Call, Comprehension, Every, Expr, Ref, Rule, Template, Term, Var

_FIX = "keep it as an object, by what it is looked up by, and look that up: {}[key]"


def check(rules: Iterable[Rule], root: Node, schema: Mapping[str, Any] | None, notes: Notes) -> None:
    """Takes in the warnings of all rules."""
    for rule in rules:
        branch: Rule | None = rule
        while branch:
            bound = {name for arg in branch.args or () for name in variables(arg)}
            scanner = _Scanner(root, notes)
            scanner.body(branch.body, bound)
            scanner.head(branch, bound | body_variables(branch.body))
            branch = branch.otherwise
        for expr in all_lines(rule):
            if expr.negated:
                _negated(expr, schema or {}, notes)


def _negated(expr: Expr, schema: Mapping[str, Any], notes: Notes) -> None:
    what = expr.what
    if not isinstance(what, Call | Ref):
        return
    inside = list(parts(what))
    if is_binary(what, "eq", "equal"):
        inside = [step for side in what.args for step in (parts(side) if isinstance(side, Ref) else (side,))]
    for term in inside:
        for one in terms(term):
            names = dotted(one)
            if isinstance(one, Ref) and names and names[0] == "input" and not json_schema.required(schema, names[1:]):
                fix = f"ask for {show.term(one)} in a line of its own, or take it with object.get and a default"
                notes.warn(expr.place, f"not {show.term(what)} is undefined, and not true, where {show.term(one)} is missing", fix)


class _Scanner:
    """Goes through the bodies of one rule. `aliases` are variables that stand for a document of `data`."""

    def __init__(self, root: Node, notes: Notes) -> None:
        self.root = root
        self.notes = notes
        self.aliases: dict[str, str] = {}

    def head(self, rule: Rule, bound: set[str]) -> None:
        """What a rule gives."""
        for term in (*steps(rule), *(one for one in (rule.key, rule.value) if one is not None)):
            self._term(term, bound)

    def body(self, body: Body, bound: set[str]) -> None:
        """The lines of a body, in order; `bound` have a value before it."""
        known = set(bound)
        for expr in body:
            what = expr.what
            for term in heads(expr):
                self._term(term, known)
            if isinstance(what, Every):
                self._tell(self._given(what.domain), what.place)
                names = {one.name for side in (what.key, what.value) if side is not None for one in pattern(side)}
                self.body(what.body, known | names)
            if is_binary(what, "eq"):
                self._alias(*what.args)
            known |= line_variables(expr)

    def _alias(self, left: Term, right: Term) -> None:
        for one, other in ((left, right), (right, left)):
            name = self._given(other)
            if isinstance(one, Var) and name:
                self.aliases[one.name] = name

    def _term(self, term: Term, known: set[str]) -> None:
        if isinstance(term, Ref):
            for place, step in enumerate(term.path):
                if any(one.name not in known for one in pattern(step)):
                    self._tell(self._given(Ref(term.head, term.path[:place], term.place) if place else term.head), term.place)
                    break
        if isinstance(term, Comprehension):
            self.body(term.body, known)
        if isinstance(term, Comprehension | Template):
            for part in inner(term):
                self._term(part, known)
        for part in parts(term):
            self._term(part, known)

    def _given(self, term: Term) -> str:
        """The document of `data` that a term stands for; empty where it is none, or the value of rules."""
        if isinstance(term, Var):
            return self.aliases.get(term.name, "")
        names = dotted(term)
        if not names or names[0] != "data":
            return ""
        node: Node | None = self.root
        for name in names[1:]:
            node = node.find((name,)) if node else None
            if node and node.rules:
                return ""
        return "" if node else show.path(names)

    def _tell(self, name: str, place: Place) -> None:
        if name:
            self.notes.warn(place, f"{name} is gone through member by member: each decision costs more as it grows", _FIX.format(name))
