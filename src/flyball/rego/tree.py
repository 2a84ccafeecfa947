"""The syntax tree of Rego v1: what the parser makes and the compiler reads. Nouns only.

Every node has a `place`. Wildcards `_` are variables of their own, named `$0`, `$1`, ... within a module, so that no two are the same.
Infix operators are calls: `a + b` is `Call(("plus",), (a, b))`. A name written in dots is a `Ref` whose path holds string scalars.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flyball.rego.error import NOWHERE, Place


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, boolean or null.

    Numbers are `int`, or `float` where they are written with a fraction or exponent, unless no float holds the whole number.
    """

    value: str | int | float | bool | None
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Var:
    """A variable, a rule's name, or one of `input` and `data`."""

    name: str
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def wild(self) -> bool:
        """Whether it was written `_`."""
        return self.name.startswith("$")


@dataclass(frozen=True, slots=True)
class Ref:
    """`head.a["b"][x]`: `head` is a Var as a rule, and may be any term (`[1, 2][i]`, `f(x).y`); `path` is never empty."""

    head: "Term"
    path: tuple["Term", ...]
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Array:
    """`[a, b]`."""

    items: tuple["Term", ...]
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class SetOf:
    """`{a, b}`, or `set()` when empty."""

    items: tuple["Term", ...]
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Object:
    """`{k: v}`."""

    pairs: tuple[tuple["Term", "Term"], ...]
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`[head | body]`, `{head | body}`, `{key: head | body}`. `kind` is `array`, `set` or `object`; `key` only for objects."""

    kind: str
    head: "Term"
    body: "Body"
    key: "Term | None" = None
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A call: `name` in parts (`("io", "jwt", "decode")`, `("plus",)`), before or after imports are resolved.

    Operators: `=` eq, `:=` assign, `==` equal, `!=` neq, `<` lt, `<=` lte, `>` gt, `>=` gte, `+` plus, `-` minus (also of sets), `*` mul,
    `/` div, `%` rem, `&` and, `|` or, `x in y` internal.member_2, `k, v in y` internal.member_3; unary minus is `minus(0, x)`, or part of a
    number.
    """

    name: tuple[str, ...]
    args: tuple["Term", ...]
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Template:
    """`$"a {x} b"`: strings and terms, never an empty string; an `Expr` only where `with` is written: `$"{x with input as 1}"`."""

    parts: tuple["str | Term | Expr", ...]
    place: Place = field(default=NOWHERE, compare=False)


Term: TypeAlias = Scalar | Var | Ref | Array | SetOf | Object | Comprehension | Call | Template


@dataclass(frozen=True, slots=True)
class Some:
    """`some x, y`: declares variables of the body."""

    vars: tuple[Var, ...]
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class SomeIn:
    """`some x in xs`, `some k, v in xs`. Key and value are patterns, the new variables in them are declared."""

    key: Term | None
    value: Term
    domain: Term
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Every:
    """`every x in xs { ... }`, `every k, v in xs { ... }`."""

    key: Term | None
    value: Term
    domain: Term
    body: "Body"
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class With:
    """`with target as value`: `target` is `input`, `data`, a path below one, or the name of a function."""

    target: Var | Ref
    value: Term
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Expr:
    """One line of a body."""

    what: Term | Some | SomeIn | Every
    negated: bool = False
    withs: tuple[With, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)


Body: TypeAlias = tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One `# METADATA` block. `scope` is rule, document, package or subpackages; `fields` are those that `rego.metadata.rule` gives."""

    scope: str
    fields: Mapping[str, Any]
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as written.

    Attributes:
        name: the head's reference: a `Var` (`p`) or a `Ref` (`p.q[x].r`). For `p contains x` the part before `contains`.
        args: the parameters of a function; None for every other rule.
        key: the member of a partial set (`p contains key`).
        value: the head's value; None where none is written (true is meant).
        assigned: whether the value was written with `:=` and not `=`.
        body: empty where none is written.
        otherwise: the `else` branch: a rule with the same name and args, its own value and body.
        default: `default p := v`.
        annotations: the `# METADATA` blocks above it, of scope rule and document, nearest first.
    """

    name: Var | Ref
    args: tuple[Term, ...] | None = None
    key: Term | None = None
    value: Term | None = None
    assigned: bool = False
    body: Body = ()
    otherwise: "Rule | None" = None
    default: bool = False
    annotations: tuple[Annotation, ...] = ()
    place: Place = field(default=NOWHERE, compare=False)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The annotations of scope rule nearest above it; empty where there are none."""
        return next((one.fields for one in self.annotations if one.scope == "rule"), {})


@dataclass(frozen=True, slots=True)
class Import:
    """`import path as alias`; `path` starts with data, input, rego or future."""

    path: tuple[str, ...]
    alias: str = ""
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Module:
    """One file. `package` without `data`: `package a.b` is `("a", "b")`. `annotations` are those of package and subpackages scope."""

    file: str
    package: tuple[str, ...]
    imports: tuple[Import, ...] = ()
    rules: tuple[Rule, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    text: str = field(default="", compare=False)
    place: Place = field(default=NOWHERE, compare=False)
