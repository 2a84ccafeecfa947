"""Types of Rego values, as builtins declare them and the type check infers them. Called by `builtin` and `gate`.

A `Type` says what a value may be. `ANY` is everything; a union is written `one_of`. `static` members of arrays and objects are known one by
one, `dynamic` describes all others; `dynamic=None` says that there are none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flyball.rego.value import name_of, unkey


@dataclass(frozen=True, slots=True)
class Type:
    """One type. `kind` is `any`, `null`, `boolean`, `number`, `string`, `array`, `object`, `set` or `union`.

    Attributes:
        static: array: the types of the first members, by place; object: (key, type) of the properties that must be there; union: its
            branches.
        dynamic: array and set: the type of (other) members; object: the type of other values.
        names: object: the type of other keys.
    """

    kind: str
    static: tuple["Type", ...] | tuple[tuple[str, "Type"], ...] = ()
    dynamic: "Type | None" = None
    names: "Type | None" = None

    def __str__(self) -> str:
        """As OPA writes types: `array[any]`, `set[string]`, `object[string: any]`, `any<number, string>`."""
        if self.kind == "union":
            return f"any<{', '.join(sorted(str(one) for one in self.static))}>"
        if self.kind == "array":
            parts = [f"<{', '.join(str(one) for one in self.static)}>"] if self.static else []
            return f"array{''.join(parts)}{f'[{self.dynamic}]' if self.dynamic else ''}"
        if self.kind == "set":
            return f"set[{self.dynamic}]"
        if self.kind == "object":
            inside = ", ".join(f"{one[0]}: {one[1]}" for one in self.static if isinstance(one, tuple))
            parts = [f"<{inside}>"] if self.static else []
            return f"object{''.join(parts)}{f'[{self.names}: {self.dynamic}]' if self.dynamic else ''}"
        return self.kind


ANY: Final = Type("any")
NULL: Final = Type("null")
BOOLEAN: Final = Type("boolean")
NUMBER: Final = Type("number")
STRING: Final = Type("string")


def array(*static: Type, of: Type | None = None) -> Type:
    """An array with these first members and, where `of` is given, any number more of that type."""
    return Type("array", static, of)


def set_of(member: Type) -> Type:
    """A set."""
    return Type("set", dynamic=member)


def object_of(names: Type | None = None, values: Type | None = None, static: Mapping[str, Type] | None = None) -> Type:
    """An object with these properties and, where `names` and `values` are given, any number more."""
    return Type("object", tuple(sorted((static or {}).items())), values, names)


def one_of(*branches: Type) -> Type:
    """A value of one of these types."""
    return Type("union", branches)


def admits(wanted: Type, value: Any) -> bool:
    """Whether `value` is one of the values that the type stands for."""
    kind = wanted.kind
    if kind == "any":
        return True
    if kind == "union":
        return any(admits(one, value) for one in wanted.static if isinstance(one, Type))
    if kind != name_of(value):
        return False
    if kind == "array":
        return _admits_array(wanted, value)
    if kind == "set":
        return wanted.dynamic is None or wanted.dynamic == ANY or all(admits(wanted.dynamic, one) for one in value)
    return kind != "object" or _admits_object(wanted, value)


def _admits_array(wanted: Type, value: list[Any]) -> bool:
    known = [one for one in wanted.static if isinstance(one, Type)]
    if len(value) < len(known) or (wanted.dynamic is None and len(value) > len(known)):
        return False
    others = wanted.dynamic or ANY
    return all(map(admits, known, value)) and (others == ANY or all(admits(others, one) for one in value[len(known) :]))


def _admits_object(wanted: Type, value: dict[Any, Any]) -> bool:
    known = dict(one for one in wanted.static if isinstance(one, tuple))
    if not all(name in value and admits(held, value[name]) for name, held in known.items()):
        return False
    names, values = wanted.names, wanted.dynamic
    if names is None or values is None:
        return len(value) == len(known)
    if names == ANY and values == ANY:
        return True
    return all(name in known or (admits(names, unkey(name)) and admits(values, held)) for name, held in value.items())


ARRAY: Final = array(of=ANY)
OBJECT: Final = object_of(ANY, ANY)
SET: Final = set_of(ANY)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives."""

    args: tuple[Type, ...]
    result: Type = field(default=ANY)


def signature(args: Iterable[Type], result: Type) -> Signature:
    """A signature from any iterable."""
    return Signature(tuple(args), result)
