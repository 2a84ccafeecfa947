"""Writes terms as people write them, for messages. Called by every stage of the gate."""

import json
import re

from flyball.rego.gate.walk import is_binary
from flyball.rego.tree import Array, Call, Comprehension, Expr, Object, Ref, Scalar, SetOf, Template, Term, Var

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIGNS = {
    "plus": "+",
    "minus": "-",
    "mul": "*",
    "div": "/",
    "rem": "%",
    "and": "&",
    "or": "|",
    "eq": "=",
    "assign": ":=",
    "equal": "==",
    "neq": "!=",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
}
_BRACKETS = {"array": ("[", "]"), "set": ("{", "}"), "object": ("{", "}")}


def plain(name: str) -> str:
    """A variable as it was written: locals are made unique with a `#`, wildcards begin with `$`."""
    return "_" if name.startswith("$") else name.partition("#")[0]


def path(names: tuple[str, ...]) -> str:
    """`data.a["b-c"]` for the names data, a, b-c."""
    return names[0] + "".join(f".{one}" if _NAME.fullmatch(one) else f"[{json.dumps(one)}]" for one in names[1:])


def term(what: Term | Expr) -> str:  # noqa: PLR0911 - one for each kind of term
    """A term as text, in one line."""
    if isinstance(what, Expr):
        return "..."
    if isinstance(what, Scalar):
        return json.dumps(what.value, ensure_ascii=False)
    if isinstance(what, Var):
        return plain(what.name)
    if isinstance(what, Ref):
        return term(what.head) + "".join(map(_step, what.path))
    if isinstance(what, Array):
        return f"[{_listed(what.items)}]"
    if isinstance(what, SetOf):
        return f"{{{_listed(what.items)}}}" if what.items else "set()"
    if isinstance(what, Object):
        return f"{{{', '.join(f'{term(name)}: {term(value)}' for name, value in what.pairs)}}}"
    if isinstance(what, Call):
        return _call(what)
    if isinstance(what, Comprehension):
        left, right = _BRACKETS[what.kind]
        return f"{left}{term(what.key) + ': ' if what.key else ''}{term(what.head)} | ...{right}"
    return _template(what)


def _listed(items: tuple[Term, ...]) -> str:
    return ", ".join(map(term, items))


def _step(one: Term) -> str:
    if isinstance(one, Scalar) and isinstance(one.value, str) and _NAME.fullmatch(one.value):
        return f".{one.value}"
    return f"[{term(one)}]"


def _call(what: Call) -> str:
    name = ".".join(what.name)
    if is_binary(what, *_SIGNS):
        return f"{term(what.args[0])} {_SIGNS[name]} {term(what.args[1])}"
    return f"{name}({_listed(what.args)})"


def _template(what: Template) -> str:
    return '$"' + "".join(part if isinstance(part, str) else f"{{{term(part)}}}" for part in what.parts) + '"'
