"""A compiled policy as a document, and back: what one process compiles, another of the same version runs. Called by `backends/policy_*`.

Compiled code is functions over one table of names: `generate` puts there what they call and the constants that they share. Functions go
over as their code, builtins and what belongs to this package by name, values by what they hold. Nothing else is known: a name whose value
is of another sort is an error, never left out.
"""

import marshal
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from itertools import chain
from types import CellType, CodeType, FunctionType
from typing import Any, Final, cast

from flyball.rego.builtin import TABLE
from flyball.rego.code import RUNTIME, Compiled
from flyball.rego.error import Place
from flyball.rego.limit import Limits
from flyball.rego.policy import Policy
from flyball.rego.value import Key, Set, key

PACKAGE: Final = __package__
BLANK: Final = "BLANK"
SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
_BUILTINS: Final = {id(one.call): name for name, one in TABLE.items()}
_RUNTIME: Final = {id(value): name for name, value in RUNTIME.items()}


def packed(policy: Policy) -> dict[str, Any]:
    """What `unpacked` makes the policy from: without its plan, so that what it makes does not explain itself."""
    plans = policy.compiled.plans
    names = cast("FunctionType", next(iter(plans.values()))).__globals__
    own = {id(held): name for name, held in names.items() if type(held) is FunctionType and held.__globals__ is names}
    pack = _Packer(own).pack
    rest = {name: held for name, held in names.items() if id(held) not in own and RUNTIME.get(name) is not held and name != "__builtins__"}
    return {
        "digest": policy.digest,
        "strict": policy.strict,
        "plans": {name: own[id(plan)] for name, plan in plans.items()},
        "code": {name: marshal.dumps(names[name].__code__) for name in own.values()},
        "names": {name: pack(held) for name, held in rest.items()},
    }


def unpacked(doc: dict[str, Any], limits: Limits) -> Iterator[Policy | None]:
    """Makes a policy: None after each step on the way, then the policy."""
    names: dict[str, Any] = dict(RUNTIME)
    for name, code in doc["code"].items():
        names[name] = FunctionType(_code(code), names, name)
        yield None
    for name, held in doc["names"].items():
        names[name] = _unpack(held, names)
        yield None
    plans = {name: names[function] for name, function in doc["plans"].items()}
    yield Policy(None, doc["digest"], strict=doc["strict"], limits=limits, compiled=Compiled(plans, names[BLANK], []))


class _Packer:
    """Packs the values of one table of names. What is packed is a scalar, or a list that begins with a word for its sort."""

    def __init__(self, own: dict[int, str]) -> None:
        self.known = (("own", own), ("runtime", _RUNTIME), ("builtin", _BUILTINS))

    def pack(self, value: Any) -> Any:
        """Raises TypeError for a value that is of no known sort."""
        kind = type(value)
        if kind in SCALARS:
            return value
        for word, names in self.known:
            if id(value) in names:
                return [word, names[id(value)]]
        if kind not in SORTS or (kind is FunctionType and not value.__module__.startswith(f"{PACKAGE}.")):
            raise TypeError(f"a {kind.__name__} cannot be handed over")
        word, parts = SORTS[kind](value)
        return [word, *map(self.pack, parts)]


def _function(value: FunctionType) -> tuple[str, Iterable[Any]]:
    """One of this package by its name; one that was made by another with what it closes over."""
    if "<locals>" not in value.__qualname__:
        return "named", (value.__module__, value.__qualname__)
    cells = (cell.cell_contents for cell in value.__closure__ or ())
    return "made", (value.__module__, marshal.dumps(value.__code__), *cells)


SORTS: Final[dict[type, Callable[[Any], tuple[str, Iterable[Any]]]]] = {
    list: lambda value: ("list", value),
    tuple: lambda value: ("tuple", value),
    frozenset: lambda value: ("frozenset", value),
    dict: lambda value: ("dict", chain.from_iterable(value.items())),
    Set: lambda value: ("set", value),
    Key: lambda value: ("key", (value.value,)),
    Place: lambda value: ("place", (value.file, value.row, value.col, value.width)),
    FunctionType: _function,
}


def _unpack(held: Any, names: dict[str, Any]) -> Any:
    if type(held) is not list:
        return held
    return WORDS[held[0]](held[1:], names)


def _each(held: list[Any], names: dict[str, Any]) -> list[Any]:
    return [_unpack(one, names) for one in held]


def _mapping(held: list[Any], names: dict[str, Any]) -> dict[Any, Any]:
    found = iter(_each(held, names))
    return dict(zip(found, found, strict=True))


def _named(held: list[Any], _: dict[str, Any]) -> Any:
    return reduce(getattr, held[1].split("."), _module(held[0]))


def _made(held: list[Any], names: dict[str, Any]) -> FunctionType:
    cells = tuple(CellType(one) for one in _each(held[2:], names))
    return FunctionType(_code(held[1]), vars(_module(held[0])), closure=cells)


def _module(name: str) -> Any:
    if not name.startswith(f"{PACKAGE}."):
        raise ValueError(f"{name} is no part of {PACKAGE}")
    return sys.modules[name]


def _code(raw: bytes) -> CodeType:
    found = marshal.loads(raw)  # noqa: S302 - written by `packed`, in a process of this package
    if type(found) is not CodeType:
        raise ValueError("no code")
    return found


WORDS: Final[dict[str, Callable[[list[Any], dict[str, Any]], Any]]] = {
    "own": lambda held, names: names[held[0]],
    "runtime": lambda held, _: RUNTIME[held[0]],
    "builtin": lambda held, _: TABLE[held[0]].call,
    "list": _each,
    "tuple": lambda held, names: tuple(_each(held, names)),
    "frozenset": lambda held, names: frozenset(_each(held, names)),
    "dict": _mapping,
    "set": lambda held, names: Set(_each(held, names)),
    "key": lambda held, names: key(_unpack(held[0], names)),
    "place": lambda held, _: Place(*held),
    "named": _named,
    "made": _made,
}
