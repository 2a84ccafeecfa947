"""`rego.metadata.rule()` and `rego.metadata.chain()`: known when a set is checked, so they become constants. Called by the gate.

The chain goes outwards: the rule, its document, its package, the packages around it; each link has a path, and annotations where it has some.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flyball.rego.error import Place
from flyball.rego.gate.trie import steps
from flyball.rego.gate.walk import all_terms, ground_prefix, rebuild
from flyball.rego.tree import Array, Body, Call, Comprehension, Every, Expr, Module, Object, Rule, Scalar, Template, Term

RULE, CHAIN = ("rego", "metadata", "rule"), ("rego", "metadata", "chain")
Annotations = Mapping[str, Any]


def fold(rules: Sequence[Rule], modules: Iterable[Module]) -> tuple[Rule, ...]:
    """The rules with their calls of `rego.metadata` replaced by what they give."""
    held = tuple(modules)
    return tuple(_folded(rule, rules, held) if _calls(rule) else rule for rule in rules)


def _calls(rule: Rule) -> bool:
    return any(isinstance(term, Call) and term.name in {RULE, CHAIN} for term in all_terms(rule))


def _folded(rule: Rule, rules: Sequence[Rule], modules: Sequence[Module]) -> Rule:
    own = _shaped(rule.metadata, "rule") if rule.metadata.get("scope", "rule") == "rule" else {}
    return _Folder(own, _chain(rule, own, rules, modules)).rule(rule)


def _chain(rule: Rule, own: Annotations, rules: Sequence[Rule], modules: Sequence[Module]) -> list[Any]:
    path = [one.value for one in ground_prefix(steps(rule))]
    module = next(one for one in modules if one.file == rule.place.file and list(one.package) == path[: len(one.package)])
    chain: list[Any] = [_link(path, own)]
    beside = [one for one in rules if steps(one) == steps(rule) and one.metadata.get("scope") == "document"]
    chain += [_link(path, _shaped(one.metadata, "document")) for one in beside]
    chain.append(_link(module.package, next(iter(_scoped(modules, module.package, "package")), {})))
    for end in range(len(module.package), 0, -1):
        chain += [_link(module.package[:end], one) for one in _scoped(modules, module.package[:end], "subpackages")]
    return chain


def _scoped(modules: Sequence[Module], package: tuple[str, ...], scope: str) -> list[Annotations]:
    held = [one for module in modules if module.package == package for one in module.annotations]
    return [_shaped(one, scope) for one in held if one.get("scope", "package") == scope]


def _link(path: Sequence[Any], annotations: Annotations) -> dict[str, Any]:
    return {"path": list(path)} | ({"annotations": dict(annotations)} if annotations else {})


def _shaped(given: Annotations, scope: str) -> Annotations:
    """Annotations as OPA gives them: authors and related resources as objects."""
    if not given:
        return {}
    found = {"scope": scope, **given}
    if "authors" in found:
        found["authors"] = [_author(one) if isinstance(one, str) else one for one in found["authors"]]
    if "related_resources" in found:
        found["related_resources"] = [{"ref": one} if isinstance(one, str) else one for one in found["related_resources"]]
    return found


def _author(text: str) -> dict[str, str]:
    name, _, email = text.partition("<")
    return {"name": name.strip()} | ({"email": email.rstrip("> ")} if email else {})


class _Folder:
    """Puts the two constants of one rule in place."""

    def __init__(self, own: Annotations, chain: list[Any]) -> None:
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
            return replace(term, parts=tuple(one if isinstance(one, str) else self.term(one) for one in term.parts))
        return rebuild(term, self.term)


def literal(value: Any, place: Place) -> Term:
    """The term that stands for a JSON value."""
    if isinstance(value, Mapping):
        return Object(tuple((Scalar(str(name), place), literal(one, place)) for name, one in value.items()), place)
    if isinstance(value, list | tuple):
        return Array(tuple(literal(one, place) for one in value), place)
    return Scalar(value if isinstance(value, str | int | float | None) else str(value), place)
