"""Modules as the JSON that `rego.parse_module` gives: OPA's syntax tree, without comments and places. Called by that builtin."""

from typing import Any

from flyball.rego.front.term import kind_of
from flyball.rego.tree import (
    Array,
    Body,
    Call,
    Comprehension,
    Every,
    Expr,
    Module,
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

Json = dict[str, Any]
_TRUE = Scalar(value=True)


def dump_module(module: Module) -> Json:
    """`{"package": {"path": [...]}, "imports": [...], "rules": [...]}`; lists that are empty are left out."""
    found: Json = {"package": {"path": _named(("data", *module.package))}}
    if module.imports:
        found["imports"] = [
            {"path": {"type": "ref", "value": _named(one.path)}} | ({"alias": one.alias} if one.alias else {}) for one in module.imports
        ]
    if module.rules:
        found["rules"] = [_rule(one) for one in module.rules]
    return found


def _named(name: tuple[str, ...]) -> list[Json]:
    return [{"type": "string" if at else "var", "value": part} for at, part in enumerate(name)]


def _rule(rule: Rule) -> Json:
    ref = _ref(rule.name)
    head: Json = {"name": ref[0]["value"]} if len(ref) <= 2 else {}  # noqa: PLR2004 - a name, or a name and one key, as before refs in heads
    if rule.args:
        head["args"] = [_term(one) for one in rule.args]
    if rule.key is not None:
        head["key"] = _term(rule.key)
    else:
        head["value"] = _term(_TRUE if rule.value is None else rule.value)
    if rule.assigned:
        head["assign"] = True
    found: Json = {"head": head | {"ref": ref}, "body": _body(rule.body or (Expr(_TRUE),))}
    if rule.default:
        found["default"] = True
    if rule.otherwise:
        found["else"] = _rule(rule.otherwise)
    return found


def _body(body: Body) -> list[Json]:
    return [_expr(one, at) for at, one in enumerate(body)]


def _expr(expr: Expr, at: int) -> Json:
    found: Json = {"index": at}
    match expr.what:
        case Some(names):
            found["terms"] = {"symbols": [_term(one) for one in names]}
        case SomeIn(key, value, domain):
            pair = (value, domain) if key is None else (key, value, domain)
            found["terms"] = {"symbols": [_term(Call(("internal", f"member_{len(pair)}"), pair))]}
        case Every(key, value, domain, body):
            named = {"key": None if key is None else _term(key), "value": _term(value), "domain": _term(domain)}
            found["terms"] = named | {"body": _body(body)}
        case Call() as call:
            found["terms"] = _call(call)
        case term:
            found["terms"] = _term(term)
    if expr.negated:
        found["negated"] = True
    if expr.withs:
        found["with"] = [{"target": _term(one.target), "value": _term(one.value)} for one in expr.withs]
    return found


def _call(call: Call) -> list[Json]:
    return [{"type": "ref", "value": _named(call.name)}, *map(_term, call.args)]


def _ref(term: Var | Ref) -> list[Json]:
    if isinstance(term, Var):
        return [{"type": "var", "value": term.name}]
    return [_ref(term.head)[0] if isinstance(term.head, Var) else _term(term.head), *map(_term, term.path)]


def _term(term: Term) -> Json:
    kind = kind_of(term)
    value: Any
    match term:
        case Var(name):
            if name in {"input", "data"}:
                return {"type": "ref", "value": _ref(term)}
            value = name
        case Scalar(value):
            pass
        case Ref():
            value = _ref(term)
        case Array(items) | SetOf(items):
            value = [_term(one) for one in items]
        case Object(pairs):
            value = [[_term(key), _term(held)] for key, held in pairs]
        case Comprehension(sort, head, body, key):
            kind = f"{sort}comprehension"
            held = {"term": _term(head)} if key is None else {"key": _term(key), "value": _term(head)}
            value = held | {"body": _body(body)}
        case Call():
            value = _call(term)
        case Template(parts):
            kind = "templatestring"
            value = {"parts": [_part(one) for one in parts], "multi_line": False}
    return {"type": kind, "value": value}


def _part(part: str | Term | Expr) -> Json:
    """Strings and constants as terms; everything else as an expression, which may have no value."""
    if isinstance(part, str | Scalar):
        return _term(Scalar(part) if isinstance(part, str) else part)
    return _expr(part if isinstance(part, Expr) else Expr(part), 0)
