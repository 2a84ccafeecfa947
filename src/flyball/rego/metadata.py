"""What `rego.metadata.rule()` and `rego.metadata.chain()` give inside a rule: constants, known as soon as all modules are."""

from collections.abc import Iterable
from typing import Any

from flyball.rego.error import Mistake
from flyball.rego.tree import Annotation, Module, Ref, Rule, Scalar


def own_metadata(rule: Rule) -> dict[str, Any]:
    """The annotations of scope rule that stand nearest above the rule; empty where there are none."""
    return dict(rule.metadata)


def metadata_chain(rule: Rule, module: Module, modules: Iterable[Module]) -> list[dict[str, Any]]:
    """Annotations from the rule outwards: its own, nearest first, then of its document, its package, and the packages around that.

    A rule without any has an entry without annotations. `modules` are all that are compiled together, `module` among them. Where a document
    or package is annotated twice, which `redeclared` finds, the first counts.
    """
    path = rule_path(rule, module)
    own = [{"path": path, "annotations": one.fields} for one in rule.annotations if one.scope == "rule"]
    chain: list[dict[str, Any]] = own or [{"path": path}]
    held = list(modules)
    documents = [
        one.fields
        for other in held
        for sibling in other.rules
        for one in sibling.annotations
        if one.scope == "document" and rule_path(sibling, other) == path
    ]
    chain += [{"path": path, "annotations": fields} for fields in documents[:1]]
    for depth in range(len(module.package), 0, -1):
        around = module.package[:depth]
        scopes = ("package", "subpackages") if depth == len(module.package) else ("subpackages",)
        for scope in scopes:
            found = [one.fields for other in held if other.package == around for one in other.annotations if one.scope == scope]
            chain += [{"path": list(around), "annotations": fields} for fields in found[:1]]
    return chain


def rule_path(rule: Rule, module: Module) -> list[Any]:
    """The path of the rule without `data`, as far as it holds no variable."""
    path: list[Any] = list(module.package)
    if not isinstance(rule.name, Ref):
        return [*path, rule.name.name]
    path.append(getattr(rule.name.head, "name", ""))
    for part in rule.name.path:
        if not isinstance(part, Scalar):
            break
        path.append(part.value)
    return path


def redeclared(modules: Iterable[Module]) -> list[Mistake]:
    """Every annotation of a document or package that has one of that scope already."""
    mistakes: list[Mistake] = []
    first: dict[tuple[str, ...], Annotation] = {}
    for module in modules:
        found = [(repr(module.package), one) for one in module.annotations]
        found += [(repr(rule_path(rule, module)), one) for rule in module.rules for one in rule.annotations if one.scope == "document"]
        for path, one in found:
            before = first.setdefault((one.scope, path), one)
            if before is not one:
                where = f"{before.place.file}:{before.place.row}"
                what = f"{one.scope} annotation redeclared: {where}"
                mistakes.append(Mistake(one.place, "rego_type_error", what, "keep one of the two blocks"))
    return mistakes
