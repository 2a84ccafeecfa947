"""How a builtin is declared, and what it may know of the world. Called by every family."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from flyball.rego.error import OperandFault, OverLimit
from flyball.rego.type import Signature, Type, admits
from flyball.rego.value import name_of

Answer = Callable[..., Any]

# What one call may make: members of a collection, characters of a text, bits of a number (Python writes no more than 4,300 digits), and the
# steps that it may take where their number is more than what the call reads and writes. OPA has no such limits.
MEMBERS: Final = 1_000_000
LETTERS: Final = 16 * 1024 * 1024
BITS: Final = 14_000
STEPS: Final = 50_000_000


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
        return random.Random(f"{self.seed}:{what}".encode(errors="surrogatepass"))  # noqa: S311 - it must be repeatable; nothing secret is drawn from it


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


def mistyped(name: str, *operands: Any) -> OperandFault:
    """The fault of operands that do not fit what the builtin declares, in OPA's words. Made only once a builtin cannot go on."""
    for place, (wanted, operand) in enumerate(zip(DECLARED[name].signature.args, operands, strict=True), 1):
        if not admits(wanted, operand):
            return unfit(name, place, _misfit(wanted, operand))
    return OperandFault(f"{name}: operands do not fit")


def unfit(name: str, place: int, what: str) -> OperandFault:
    """The fault of one operand, said in words: `what` goes on after `operand 1`."""
    return OperandFault(f"{name}: operand {place} {what}")


def _misfit(wanted: Type, operand: Any) -> str:
    kind = name_of(operand)
    branches = [one for one in wanted.static if isinstance(one, Type)] if wanted.kind == "union" else [wanted]
    for branch in branches:
        inner = branch.dynamic
        if branch.kind == kind and kind in {"array", "set"} and inner is not None and not branch.static:
            stranger = next(member for member in operand if not admits(inner, member))
            return f"must be {kind} of {_plural(inner)} but got {kind} containing {name_of(stranger)}"
    names = [branch.kind for branch in branches]
    wants = names[0] if len(names) == 1 else f"one of {{{', '.join(names)}}}"
    return f"must be {wants} but got {kind}"


def _plural(wanted: Type) -> str:
    if wanted.kind == "union":
        return f"(any of {','.join(one.kind for one in wanted.static if isinstance(one, Type))})"
    return f"{wanted.kind}s"


def too_large(name: str, limit: int, what: str) -> OverLimit:
    """The fault of a call that would make more than `limit` of something."""
    return OverLimit(f"{name}: more than {limit:,} {what}")


def long(name: str, text: str) -> str:
    """The text, if it is not longer than one call may make."""
    if len(text) > LETTERS:
        raise too_large(name, LETTERS, "characters")
    return text
