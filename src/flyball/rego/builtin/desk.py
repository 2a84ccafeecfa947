"""How a builtin is declared, and what it may know of the world. Called by every family."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from flyball.rego.type import Signature, Type

Answer = Callable[..., Any]


@dataclass(slots=True)
class World:
    """What an evaluation may know beyond its input and data. The caller gives it; the same world gives the same answer.

    Attributes:
        now_ns: nanoseconds since 1970, UTC; the same throughout one evaluation.
        seed: what chance is drawn from (`rand.intn`, `uuid.rfc4122`).
        memo: whatever a builtin keeps for the length of one evaluation.
        printed: lines of `print`, in order.
    """

    now_ns: int = 0
    seed: int = 0
    memo: dict[Any, Any] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)

    def chance(self, what: str) -> random.Random:
        """A generator that depends on the seed and on what it is for."""
        return random.Random(f"{self.seed}:{what}")  # noqa: S311 - it must be repeatable; nothing secret is drawn from it


@dataclass(frozen=True, slots=True)
class Builtin:
    """One builtin.

    Attributes:
        call: gives a value, or `UNDEFINED`; raises `BuiltinFault` (`OperandFault` for an operand of the wrong type). Operands are values of
            `value.py`, never undefined, and are never changed.
        worldly: whether `call` takes a `World` before its operands.
        relation: whether `call` gives a list of answers, each tried in turn (`walk`).
    """

    name: str
    signature: Signature
    call: Answer
    worldly: bool = False
    relation: bool = False


DECLARED: dict[str, Builtin] = {}

# Builtins that OPA has and this package refuses at load, with the reason that is shown.
REFUSED: Final[dict[str, str]] = {
    "http.send": "a policy that asks the network can be slow, wrong or different the next time",
    "net.lookup_ip_addr": "a policy that asks the network can be slow, wrong or different the next time",
    "opa.runtime": "there is no OPA around this policy",
}


def builtin(
    name: str, args: tuple[Type, ...], result: Type, *, worldly: bool = False, relation: bool = False
) -> Callable[[Answer], Answer]:
    """Declares a builtin. The function may be used by its family as well."""

    def declare(call: Answer) -> Answer:
        if name in DECLARED:
            raise ValueError(f"the builtin {name} is declared twice")
        DECLARED[name] = Builtin(name, Signature(args, result), call, worldly, relation)
        return call

    return declare
