"""Types of Rego values, as builtins declare them and the type check infers them. Called by `builtin` and `gate`.

A `Type` says what a value may be. `ANY` is everything; a union is written `one_of`. `static` members of arrays and objects are known one by
one, `dynamic` describes all others; `dynamic=None` says that there are none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final


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
