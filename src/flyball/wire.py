"""Between JSON and nouns: the only validator in the core.

`dump` gives plain JSON values, `parse` rebuilds a noun from them and raises BadInput with the JSON pointer of the first thing that
does not fit. Fields that are missing take the noun's default, unknown fields are refused: a row written by a newer version is not
read as if it were understood.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, cast

from flyball.errors import BadInput
from flyball.model.ids import Doc, Json
from flyball.model.session import Ask, Finish, Propose

T = TypeVar("T")
Reader = Callable[[Any, str], Any]

TAGS: dict[str, type] = {"propose": Propose, "ask": Ask, "finish": Finish}
"""Members of the one tagged union, `session.Answer`, by the value of their key "is"."""
_TAG_OF = {cls: tag for tag, cls in TAGS.items()}


def dump(noun: object) -> dict[str, Json]:
    """Give a noun as a plain JSON object."""
    found = plain(noun)
    if not isinstance(found, dict):
        raise TypeError(f"{type(noun).__name__} is not a noun")
    return found


def plain(value: Any) -> Any:
    """Give any value of the model as plain JSON: objects, arrays, strings, numbers, booleans, null."""
    sort = type(value)
    return value if sort in _SCALARS else _DUMPERS[sort](value)


_SCALARS = frozenset({str, int, float, bool, types.NoneType})
Dumper = Callable[[Any], Any]


class _Dumpers(dict[type, Dumper]):
    """How the values of each class are dumped: chosen once per class, when the first of it comes."""

    def __missing__(self, cls: type) -> Dumper:
        found = self[cls] = _dumper(cls)
        return found


_DUMPERS = _Dumpers()


def _dumper(cls: type) -> Dumper:
    """Choose how values of a class are dumped. Scalars are taken as they are right here: most values are."""
    if is_dataclass(cls):
        names, tag = tuple(field.name for field in fields(cls)), _TAG_OF.get(cls)
        extra = {"is": tag} if tag else {}
        return lambda noun: (
            {name: value if (sort := type(value := getattr(noun, name))) in _SCALARS else _DUMPERS[sort](value) for name in names} | extra
        )
    if issubclass(cls, Enum):
        return lambda value: value.value
    if issubclass(cls, Mapping):
        return lambda held: {
            str(name): value if (sort := type(value)) in _SCALARS else _DUMPERS[sort](value) for name, value in held.items()
        }
    if issubclass(cls, Sequence):
        return lambda held: [value if (sort := type(value)) in _SCALARS else _DUMPERS[sort](value) for value in held]
    raise TypeError(f"{cls.__name__} has no place in a noun")


def parse(cls: type[T], doc: Json, at: str = "") -> T:
    """Rebuild a noun. Raises BadInput."""
    return cast("T", _reader(cast("Hashable", cls))(doc, at))


def _bad(at: str, why: str) -> BadInput:
    return BadInput(f"{at or '/'} {why}", "it does not have the documented shape", "compare it with the schema of its kind")


@cache
def _reader(hint: Any) -> Reader:
    """Choose once per annotation how its values are read."""
    if isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    found: Reader = lambda value, _at: value  # noqa: E731 any JSON is what it says
    if hint in _SCALARS:
        found = _scalar(hint)
    elif isinstance(hint, type) and issubclass(hint, Enum):
        found = _enum(hint)
    elif isinstance(hint, type) and is_dataclass(hint):
        found = _noun(hint)
    elif origin in (types.UnionType, typing.Union):
        found = _union(args)
    elif origin is tuple:
        found = _many(args[0]) if args[-1] is Ellipsis else _exact(args)
    elif origin is dict:
        found = _mapping(args[1])
    elif origin is Mapping:
        found = _object
    return found


def _object(value: Any, at: str) -> Any:
    if not isinstance(value, Mapping):
        raise _bad(at, f"must be an object, not {type(value).__name__}")
    return value


def _scalar(sort: type) -> Reader:
    def read(value: Any, at: str) -> Any:
        if sort is float and type(value) is int:
            return float(value)
        if type(value) is not sort:
            raise _bad(at, f"must be {sort.__name__}, not {type(value).__name__}")
        return value

    return read


def _enum(sort: type[Enum]) -> Reader:
    def read(value: Any, at: str) -> Any:
        try:
            return sort(value)
        except ValueError:
            raise _bad(at, f"must be one of {', '.join(str(one.value) for one in sort)}") from None

    return read


def _noun(sort: type) -> Reader:
    readers: dict[str, Reader] = {}
    exact: dict[str, object] = {}  # fields that hold scalars: a value of just that type needs no reader
    needed: set[str] = set()
    tag = {"is"} if sort in _TAG_OF else set()

    def learn() -> None:
        hints = typing.get_type_hints(sort)
        needed.update(f.name for f in fields(sort) if f.default is MISSING and f.default_factory is MISSING)
        exact.update({f.name: getattr(hints[f.name], "__supertype__", hints[f.name]) for f in fields(sort)})
        readers.update({f.name: _reader(hints[f.name]) for f in fields(sort)})

    def read(value: Any, at: str) -> Any:
        if not readers:  # late, because nouns may name each other
            learn()
        if not isinstance(value, Mapping):
            raise _bad(at, f"must be an object, not {type(value).__name__}")
        names = value.keys()
        if not needed <= names:
            raise _bad(f"{at}/{next(f.name for f in fields(sort) if f.name in needed - names)}", "is missing")
        if not names <= readers.keys():
            for name in names:
                if name not in readers and name not in tag:
                    raise _bad(f"{at}/{name}", "is not known here")
        return sort(
            **{
                name: item if type(item) is exact[name] else readers[name](item, f"{at}/{name}")
                for name, item in value.items()
                if name in readers
            }
        )

    return read


def _union(args: tuple[Any, ...]) -> Reader:
    if set(args) == set(TAGS.values()):
        return _tagged
    rest = [arg for arg in args if arg is not types.NoneType]
    if len(rest) != 1:
        return lambda value, _at: value  # the Json alias
    inner = _reader(rest[0])
    return lambda value, at: None if value is None else inner(value, at)


def _tagged(value: Any, at: str) -> Any:
    tag = value.get("is") if isinstance(value, Mapping) else None
    if tag not in TAGS:
        raise _bad(f"{at}/is", f"must be one of {', '.join(TAGS)}")
    return _reader(TAGS[tag])(value, at)


def _array(value: Any, at: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _bad(at, f"must be an array, not {type(value).__name__}")
    return value


def _many(item: Any) -> Reader:
    inner = _reader(item)
    return lambda value, at: tuple(inner(one, f"{at}/{index}") for index, one in enumerate(_array(value, at)))


def _exact(items: tuple[Any, ...]) -> Reader:
    inner = [_reader(item) for item in items]

    def read(value: Any, at: str) -> Any:
        if len(_array(value, at)) != len(inner):
            raise _bad(at, f"must have {len(inner)} items")
        return tuple(reader(one, f"{at}/{index}") for index, (reader, one) in enumerate(zip(inner, value, strict=True)))

    return read


def _mapping(item: Any) -> Reader:
    inner = _reader(item)

    def read(value: Any, at: str) -> Any:
        if not isinstance(value, Mapping):
            raise _bad(at, f"must be an object, not {type(value).__name__}")
        return {str(name): inner(one, f"{at}/{name}") for name, one in value.items()}

    return read


def parse_answer(doc: Doc) -> Propose | Ask | Finish:
    """Rebuild a brain's answer from its row."""
    return cast("Propose | Ask | Finish", _tagged(doc, ""))
