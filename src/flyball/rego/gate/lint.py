"""Stage 7: what is allowed and slow. Warns of every place that goes through a document of `data` member by member. Called by the gate.

A look-up by key costs the same with ten members and with a hundred thousand; going through them does not.
"""

from collections.abc import Iterable

from flyball.rego.error import Place
from flyball.rego.gate import show
from flyball.rego.gate.note import Notes
from flyball.rego.gate.trie import Node, steps
from flyball.rego.gate.walk import body_variables, dotted, heads, inner, is_binary, line_variables, parts, pattern, variables
from flyball.rego.tree import Body, Comprehension, Every, Ref, Rule, Template, Term, Var

_FIX = "keep it as an object, by what it is looked up by, and look that up: {}[key]"


def check(rules: Iterable[Rule], root: Node, notes: Notes) -> None:
    """Takes in the warnings of all rules."""
    for rule in rules:
        branch: Rule | None = rule
        while branch:
            bound = {name for arg in branch.args or () for name in variables(arg)}
            scanner = _Scanner(root, notes)
            scanner.body(branch.body, bound)
            scanner.head(branch, bound | body_variables(branch.body))
            branch = branch.otherwise


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
