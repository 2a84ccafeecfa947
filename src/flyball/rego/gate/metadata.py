"""`rego.metadata.rule()` and `.chain()`: known when a set is checked, so they become constants. Called by the gate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flyball.rego.error import Place
from flyball.rego.gate.walk import all_terms, rebuild
from flyball.rego.metadata import metadata_chain, own_metadata
from flyball.rego.tree import Array, Body, Call, Comprehension, Every, Expr, Module, Object, Rule, Scalar, Template, Term

RULE, CHAIN = ("rego", "metadata", "rule"), ("rego", "metadata", "chain")


def fold(rules: Sequence[Rule], modules: Sequence[Module]) -> tuple[Rule, ...]:
    """The rules with their calls of `rego.metadata` replaced by what they give; `rules` are those of the modules, in order."""
    written = [(rule, module) for module in modules for rule in module.rules]
    return tuple(_folded(rule, *origin, modules) if _calls(rule) else rule for rule, origin in zip(rules, written, strict=True))


def _calls(rule: Rule) -> bool:
    return any(isinstance(term, Call) and term.name in {RULE, CHAIN} for term in all_terms(rule))


def _folded(rule: Rule, written: Rule, module: Module, modules: Sequence[Module]) -> Rule:
    return _Folder(own_metadata(written), metadata_chain(written, module, modules)).rule(rule)


class _Folder:
    """Puts the two constants of one rule in place."""

    def __init__(self, own: Mapping[str, Any], chain: list[Any]) -> None:
        self.known: Mapping[tuple[str, ...], Any] = {RULE: own, CHAIN: chain}

    def rule(self, rule: Rule) -> Rule:
        """A rule and its `else` branches."""
        return replace(
            rule,
            key=self.term(rule.key) if rule.key is not None else None,
            value=self.term(rule.value) if rule.value is not None else None,
            body=self.body(rule.body),
            otherwise=self.rule(rule.otherwise) if rule.otherwise else None,
        )

    def body(self, body: Body) -> Body:
        """The lines of a body."""
        return tuple(map(self.line, body))

    def line(self, expr: Expr) -> Expr:
        """One line: a call with one argument hands its value to it."""
        what = expr.what
        if isinstance(what, Call) and what.name in self.known and what.args:
            return replace(expr, what=Call(("eq",), (what.args[0], self.term(replace(what, args=()))), what.place))
        if isinstance(what, Every):
            return replace(expr, what=replace(what, domain=self.term(what.domain), body=self.body(what.body)))
        return replace(expr, what=self.term(what))  # type: ignore[arg-type]  # `some` is gone by now

    def term(self, term: Term) -> Term:
        """A term with the calls in it replaced."""
        if isinstance(term, Call) and term.name in self.known:
            return literal(self.known[term.name], term.place)
        if isinstance(term, Comprehension):
            key = self.term(term.key) if term.key is not None else None
            return replace(term, head=self.term(term.head), key=key, body=self.body(term.body))
        if isinstance(term, Template):
            return replace(term, parts=tuple(one if isinstance(one, str | Expr) else self.term(one) for one in term.parts))
        return rebuild(term, self.term)


def literal(value: Any, place: Place) -> Term:
    """The term that stands for a JSON value."""
    if isinstance(value, Mapping):
        return Object(tuple((Scalar(str(name), place), literal(one, place)) for name, one in value.items()), place)
    if isinstance(value, list | tuple):
        return Array(tuple(literal(one, place) for one in value), place)
    return Scalar(value if isinstance(value, str | int | float | None) else str(value), place)
