"""Refuses what is too large to be read: bodies, references and sets that nobody writes by hand. What they may cost is counted in `work`.

Called first, by `gate`. OPA has no such limits; nobody writes rules of this size by hand, and whoever makes them can make more of them.
"""

from collections.abc import Sequence
from typing import Final

from flyball.rego.gate.note import COMPILE, Notes
from flyball.rego.gate.walk import all_terms
from flyball.rego.tree import Body, Comprehension, Every, Module, Ref, Rule

LINES: Final = 400  # of one body
STEPS: Final = 250  # of one reference
RULES: Final = 20_000  # of a set


def check(modules: Sequence[Module], notes: Notes) -> None:
    """Notes what is too large."""
    count = sum(len(module.rules) for module in modules)
    if count > RULES:
        notes.wrong(modules[-1].place, COMPILE, f"the set has {count} rules, and {RULES} is the most", "put what is data into data")
    for module in modules:
        for rule in module.rules:
            _rule(rule, notes)


def _rule(rule: Rule, notes: Notes) -> None:
    branch: Rule | None = rule
    while branch:
        _body(branch.body, notes)
        branch = branch.otherwise
    for term in all_terms(rule):
        if isinstance(term, Comprehension):
            _body(term.body, notes)
        elif isinstance(term, Ref) and len(term.path) > STEPS:
            notes.wrong(term.place, COMPILE, f"the reference has {len(term.path)} steps, and {STEPS} is the most", "name a part of it")


def _body(body: Body, notes: Notes) -> None:
    if len(body) > LINES:
        notes.wrong(body[0].place, COMPILE, f"the body has {len(body)} lines, and {LINES} is the most", "split it into rules")
    for expr in body:
        if isinstance(expr.what, Every):
            _body(expr.what.body, notes)
