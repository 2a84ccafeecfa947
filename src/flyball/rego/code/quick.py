"""Builtins that are written in place, for operands of the usual types. Called by `call`.

Each is a condition on the types, the usual case, and the builtin itself for all else. What stands here must say the same as the builtin,
for every operand that the condition lets through.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flyball.rego import ir
from flyball.rego.builtin import TABLE
from flyball.rego.builtin.desk import long
from flyball.rego.code import node
from flyball.rego.code.scope import Scope
from flyball.rego.code.stmt import Maker, is_text
from flyball.rego.error import BuiltinFault
from flyball.rego.value import UNDEFINED, Set, Value

NUMBERS: Final = frozenset({int, float})
LARGE: Final = 1 << 53  # from here on, OPA may write a number with an exponent
SIZED: Final = frozenset({str, list, dict, Set})
LONG: Final = frozenset({"contains", "internal.member_2", "sprintf"})  # one call may go through a large value


@dataclass(frozen=True, slots=True)
class Quick:
    """A call in place. `sure`: whether it surely has a value; `kind`: the value's type, where it is known then."""

    value: ast.expr
    sure: bool = False
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """One call: its operands, as the plan and as Python has them."""

    make: Maker
    name: str
    args: tuple[ir.Operand, ...]
    scope: Scope
    strict: bool

    def values(self) -> list[ast.expr]:
        """The operands."""
        return [self.make.read(one, self.scope) for one in self.args]

    def slow(self) -> ast.expr:
        """The builtin itself; undefined where it fails, if that is what failing means."""
        call = TABLE[self.name].call
        return node.call(
            self.make.pool.hold("b", call) if self.strict else self.make.pool.once(("safe", self.name), lambda: safe(call)), *self.values()
        )

    def when(self, tests: Sequence[ast.expr | None], value: ast.expr, *, kind: str = "", sure: bool = False) -> Quick:
        """The value where all tests hold (None: known to hold), else what the builtin says."""
        needed = [one for one in tests if one is not None]
        if not needed:
            return Quick(value, sure=True, kind=kind)
        return Quick(node.choose(node.both(needed), value, self.slow()), sure=sure, kind=kind if sure else "")

    def is_kind(self, place: int, *kinds: str) -> ast.expr | None:
        """A test for an operand's type; None where it is known to hold."""
        operand, scope = self.args[place], self.scope
        if scope.kind(operand) in kinds:
            return None
        value = self.make.read(operand, scope)
        return node.kind_is(value, kinds[0]) if len(kinds) == 1 else node.compare(node.call("type", value), ast.In(), node.name("NUMBERS"))


def safe(call: Callable[..., Value]) -> Callable[..., Value]:
    """The builtin, undefined where it fails."""

    def called(*operands: Value) -> Value:
        try:
            return call(*operands)
        except BuiltinFault:
            return UNDEFINED

    return called


def _compared(op: ast.cmpop) -> "InPlace":
    def made(site: Site) -> Quick:
        tests = [site.is_kind(place, "int", "float") for place in (0, 1)]
        return site.when(tests, node.compare(site.values()[0], op, site.values()[1]), kind="bool", sure=True)

    return made


def _reckoned(op: ast.operator) -> "InPlace":
    def made(site: Site) -> Quick:
        left, right = site.values()
        return site.when([site.is_kind(0, "int"), site.is_kind(1, "int")], ast.BinOp(left, op, right, **node.AT), kind="int")

    return made


def _count(site: Site) -> Quick:
    (value,) = site.values()
    known = site.scope.kind(site.args[0]) in {"str", "list", "dict", "Set"}
    test = None if known else node.compare(node.call("type", value), ast.In(), node.name("SIZED"))
    return site.when([test], node.call("len", value), kind="int")


def _texts(value: Callable[[ast.expr, ast.expr], ast.expr]) -> "InPlace":
    def made(site: Site) -> Quick:
        return site.when([site.is_kind(0, "str"), site.is_kind(1, "str")], value(*site.values()), kind="bool")

    return made


def _is(*kinds: str) -> "InPlace":
    def made(site: Site) -> Quick:
        return Quick(site.is_kind(0, *kinds) or node.YES, sure=True, kind="bool")

    return made


def _member(site: Site) -> Quick | None:
    """Whether something is a member: of a constant collection of texts by hash, else of an array when it is a text itself."""
    collection = site.args[1]
    value, members = site.values()
    if not isinstance(collection, ir.Const):
        return site.when([site.is_kind(0, "str"), site.is_kind(1, "list")], node.compare(value, ast.In(), members), kind="bool", sure=True)
    if not isinstance(collection.value, list | Set) or any(type(one) is not str for one in collection.value):
        return None
    found = node.compare(value, ast.In(), node.name(site.make.pool.hold("c", frozenset(collection.value))))
    test = site.is_kind(0, "str")
    return Quick(node.both([test, found]) if test else found, sure=True, kind="bool")


def _object_get(site: Site) -> Quick | None:
    if not is_text(site.args[1]):
        return None
    source, name, default = site.values()
    return site.when([site.is_kind(0, "dict")], node.method(source, "get", name, default))


def _same(*, wanted: bool) -> "InPlace":
    def made(site: Site) -> Quick:
        test = site.make.equal(site.args[0], site.args[1], site.scope)
        return Quick(test if wanted else node.no(test), sure=True, kind="bool")

    return made


VERB: Final = re.compile(r"%[sdv]|%%")
ANY_VERB: Final = re.compile(r"%")


def _sprintf(site: Site) -> Quick | None:
    form = site.args[0]
    if not isinstance(form, ir.Const) or type(form.value) is not str or ANY_VERB.search(VERB.sub("", form.value)):
        return None
    text, call = form.value, TABLE["sprintf"].call
    made = site.make.pool.once(("sprintf", text, site.strict), lambda: written(text, call if site.strict else safe(call)))
    return Quick(node.call(made, site.values()[1]))


def written(form: str, slow: Callable[..., Value]) -> Callable[[Value], Value]:
    """`sprintf` with a known format: texts for %s and %v, usual integers for %d and %v; all else goes to the builtin."""
    verbs = [one for one in VERB.findall(form) if one != "%%"]
    kinds = [{"%s": frozenset({str}), "%d": frozenset({int}), "%v": frozenset({str, int})}[one] for one in verbs]
    quick = form.replace("%v", "%s")

    def call(operands: Value) -> Value:
        if type(operands) is list and len(operands) == len(kinds):
            for one, kind in zip(operands, kinds, strict=True):
                if type(one) not in kind or (type(one) is int and not -LARGE < one < LARGE):
                    break
            else:
                return long("sprintf", quick % tuple(operands))
        return slow(form, operands)

    return call


InPlace = Callable[[Site], Quick | None]
QUICK: Final[Mapping[str, InPlace]] = {
    "lt": _compared(ast.Lt()),
    "lte": _compared(ast.LtE()),
    "gt": _compared(ast.Gt()),
    "gte": _compared(ast.GtE()),
    "equal": _same(wanted=True),
    "neq": _same(wanted=False),
    "plus": _reckoned(ast.Add()),
    "minus": _reckoned(ast.Sub()),
    "count": _count,
    "startswith": _texts(lambda text, part: node.method(text, "startswith", part)),
    "endswith": _texts(lambda text, part: node.method(text, "endswith", part)),
    "contains": _texts(lambda text, part: node.compare(part, ast.In(), text)),
    "internal.member_2": _member,
    "object.get": _object_get,
    "is_string": _is("str"),
    "is_boolean": _is("bool"),
    "is_number": _is("int", "float"),
    "is_array": _is("list"),
    "is_object": _is("dict"),
    "is_set": _is("Set"),
    "is_null": _is("NoneType"),
    "sprintf": _sprintf,
}


def in_place(make: Maker, stmt: ir.Call, scope: Scope, *, strict: bool) -> Quick | None:
    """A call of a builtin in place, where all its operands are defined; None for a builtin that is called."""
    if stmt.func not in QUICK or any(one not in scope.sure for one in stmt.args if isinstance(one, int)):
        return None
    return QUICK[stmt.func](Site(make, stmt.func, stmt.args, scope, strict))


NAMES: Final[dict[str, Any]] = {"NUMBERS": NUMBERS, "SIZED": SIZED, "len": len, "NoneType": type(None)}
