"""Stage 5: rules that cannot stand beside each other. Called by the gate."""

from collections.abc import Iterable

from flyball.rego.gate import show
from flyball.rego.gate.note import TYPE, Notes
from flyball.rego.gate.trie import Node, steps
from flyball.rego.gate.walk import ground_prefix, terms
from flyball.rego.tree import Call, Module, Ref, Rule, Template, Term, Var

PARSE = "rego_parse_error"


def check(root: Node, modules: Iterable[Module], notes: Notes) -> None:
    """Takes in conflicts between rules of one name, between rules and packages, and defaults that are none."""
    for node in (root, *root.below()):
        if node.rules:
            _node(node, notes)
    for module in modules:
        _package(module, root, notes)


def _named(rule: Rule) -> str:
    return show.term(rule.name)


def _ground(rule: Rule) -> bool:
    path = steps(rule)
    return len(ground_prefix(path)) == len(path)


def _node(node: Node, notes: Notes) -> None:
    first, name = node.rules[0], _named(node.rules[0])
    complete = [rule for rule in node.rules if rule.key is None and _ground(rule)]
    kinds = {rule.key is None for rule in node.rules}
    arities = {len(rule.args) if rule.args is not None else 0 for rule in node.rules}
    inside = sorted({_named(rule) for below in node.below() for rule in below.rules})
    defaults = [rule for rule in node.rules if rule.default]
    if inside and any(map(_ground, node.rules)):
        fix = "give one of them another name: a rule with one value holds no other rules"
        notes.wrong(first.place, TYPE, f"rule {name} conflicts with [{' '.join(inside)}]", fix)
    elif len(kinds) > 1 or len(arities) > 1 or 0 < len(complete) < len(node.rules):
        others = ", ".join(f"{rule.place.file}:{rule.place.row}" for rule in node.rules)
        fix = f"a name is one value, a set, an object or a function with one number of arguments: see {others}"
        notes.wrong(first.place, TYPE, f"conflicting rules {name} found", fix)
    elif len(defaults) > 1:
        places = ", ".join(f"{rule.place.file}:{rule.place.row}" for rule in defaults)
        notes.wrong(defaults[1].place, TYPE, f"multiple default rules {name} found at {places}", "keep one of them")
    for rule in defaults:
        _default(rule, notes)


def _default(rule: Rule, notes: Notes) -> None:
    bad = next((one for one in terms(rule.value) if _varies(one)), None) if rule.value is not None else None
    if bad is not None:
        kind = {Var: "var", Call: "call", Template: "template string"}.get(type(bad), "ref")
        notes.wrong(
            rule.place, PARSE, f"illegal default rule (value cannot contain {kind})", "write a constant, or a comprehension of constants"
        )
    seen: set[str] = set()
    for arg in rule.args or ():
        if not isinstance(arg, Var):
            notes.wrong(rule.place, PARSE, "illegal default rule (arguments cannot contain values)", "write _ in their place")
        elif arg.name in seen:
            notes.wrong(rule.place, PARSE, "illegal default rule (arguments cannot be repeated)", "write _ in their place")
        else:
            seen.add(arg.name)


def _varies(term: Term) -> bool:
    return isinstance(term, Ref | Var | Call | Template)


def _package(module: Module, root: Node, notes: Notes) -> None:
    """A rule of one module may not stand where the package of another begins."""
    for end in range(1, len(module.package) + 1):
        node = root.find(module.package[:end])
        for rule in node.rules if node else ():
            if _ground(rule) and rule.place.file != module.file:
                package = show.path(("data", *module.package)).removeprefix("data.")
                what = f"package {package} conflicts with rule {_named(rule)} defined at {rule.place.file}:{rule.place.row}"
                notes.wrong(module.place, TYPE, what, "give the package or the rule another name")
                return
