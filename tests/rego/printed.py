"""Trees as text again: every operator in parentheses, every wildcard as `_`. What stands in the tests of the parser."""

import json

from flyball.rego.tree import (
    Array,
    Body,
    Call,
    Comprehension,
    Every,
    Expr,
    Import,
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

_OPERATORS = {
    "eq": "=",
    "assign": ":=",
    "equal": "==",
    "neq": "!=",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "plus": "+",
    "minus": "-",
    "mul": "*",
    "div": "/",
    "rem": "%",
    "and": "&",
    "or": "|",
}


def term(one: Term) -> str:
    match one:
        case Scalar(value):
            text = json.dumps(value)
        case Var(name):
            text = "_" if one.wild else name
        case Ref(head, path):
            text = term(head) + steps(path)
        case Array(items):
            text = f"[{', '.join(map(term, items))}]"
        case SetOf(items):
            text = f"{{{', '.join(map(term, items))}}}" if items else "set()"
        case Object(pairs):
            text = f"{{{', '.join(f'{term(key)}: {term(value)}' for key, value in pairs)}}}"
        case Comprehension(kind, head, inner, key):
            begin, end = "[]" if kind == "array" else "{}"
            text = f"{begin}{f'{term(key)}: ' if key else ''}{term(head)} | {body(inner)}{end}"
        case Call():
            text = call(one)
        case Template(parts):
            text = '$"' + "".join(quoted(part) if isinstance(part, str) else f"{{{embedded(part)}}}" for part in parts) + '"'
    return text


def quoted(text: str) -> str:
    return json.dumps(text)[1:-1].replace("{", "\\{")


def embedded(part: Term | Expr) -> str:
    return expr(part) if isinstance(part, Expr) else term(part)


def steps(path: tuple[Term, ...]) -> str:
    return "".join(f"[{term(step)}]" for step in path)


def call(one: Call, *, bare: bool = False) -> str:
    args = [term(arg) for arg in one.args]
    if one.name[0] == "internal" and one.name[1].startswith("member"):
        text = f"{', '.join(args[:-1])} in {args[-1]}"
    elif one.name[0] in _OPERATORS:
        text = f"{args[0]} {_OPERATORS[one.name[0]]} {args[1]}"
    else:
        return f"{one.name[0]}{''.join(f'.{part}' for part in one.name[1:])}({', '.join(args)})"
    return text if bare else f"({text})"


def body(exprs: Body) -> str:
    return "; ".join(map(expr, exprs))


def expr(one: Expr) -> str:
    what = one.what
    match what:
        case Some(names):
            text = f"some {', '.join(map(term, names))}"
        case SomeIn(key, value, domain):
            text = f"some {f'{term(key)}, ' if key else ''}{term(value)} in {term(domain)}"
        case Every(key, value, domain, inner):
            text = f"every {f'{term(key)}, ' if key else ''}{term(value)} in {term(domain)} {{ {body(inner)} }}"
        case Call():
            text = call(what, bare=True)
        case _:
            text = term(what)
    withs = "".join(f" with {term(one.target)} as {term(one.value)}" for one in one.withs)
    return f"{'not ' if one.negated else ''}{text}{withs}"


def rule(one: Rule, word: str = "") -> str:
    text = word
    if not word:
        args = f"({', '.join(map(term, one.args))})" if one.args is not None else ""
        text = ("default " if one.default else "") + term(one.name) + args
    if one.key is not None:
        text += f" contains {term(one.key)}"
    if one.value is not None:
        text += f" {':=' if one.assigned else '='} {term(one.value)}"
    if one.body:
        text += f" if {{ {body(one.body)} }}"
    return text + (f" {rule(one.otherwise, 'else')}" if one.otherwise else "")


def imported(one: Import) -> str:
    path = one.path[0] + "".join(f"[{json.dumps(part)}]" for part in one.path[1:])
    return f"import {path}" + (f" as {one.alias}" if one.alias else "")


def module(one: Module) -> str:
    package = one.package[0] + "".join(f"[{json.dumps(part)}]" for part in one.package[1:])
    return "\n".join([f"package {package}", *map(imported, one.imports), *map(rule, one.rules)])
