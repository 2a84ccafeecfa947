"""What can go wrong with a policy, drawn at the top. Raised by every file of this package; shown to people by its callers.

RegoError
  Refused        a set of policies that must not be used; carries every Mistake found
  Fault          an evaluation that has no answer
    Conflict       two different values for one document (`eval_conflict_error`)
    BuiltinFault   a builtin's own error (`eval_builtin_error`), or an operand of the wrong type (`eval_type_error`)
    OverLimit      too many steps, too long, too deep, too large
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a source: file name, row and column (both from 1, in characters), width in characters."""

    file: str = ""
    row: int = 0
    col: int = 0
    width: int = 1


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Mistake:
    """One reason to refuse a set of policies.

    Attributes:
        code: OPA's word for its class: `rego_parse_error`, `rego_compile_error`, `rego_type_error`, `rego_unsafe_var_error`,
            `rego_recursion_error`.
        what: what is wrong, one line, no full stop.
        fix: what to do next, one line; empty where nothing better can be said than `what`.
    """

    place: Place
    code: str
    what: str
    fix: str = ""

    def line(self) -> str:
        """`file:row:col: code: what`, as compilers print it."""
        at = f"{self.place.file}:{self.place.row}:{self.place.col}: " if self.place.row else ""
        return f"{at}{self.code}: {self.what}"

    def shown(self, sources: Mapping[str, str]) -> str:
        """The line, the source line with a caret under the place, and what to do next."""
        lines = [self.line()]
        text = sources.get(self.place.file, "").split("\n")
        if 0 < self.place.row <= len(text):
            source = text[self.place.row - 1].rstrip("\r")
            before = "".join("\t" if mark == "\t" else " " for mark in source[: self.place.col - 1])
            lines += [f"  {source}", f"  {before}{'^' * max(1, min(self.place.width, len(source) - self.place.col + 1))}"]
        if self.fix:
            lines.append(f"  {self.fix}")
        return "\n".join(lines)


class RegoError(Exception):
    """Everything that this package raises on purpose."""


class Refused(RegoError):
    """A set of policies that must not be used. `mistakes` holds every one found, in order of place; never empty."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda one: (one.place, one.code, one.what)))
        super().__init__("\n".join(one.line() for one in self.mistakes))


class Fault(RegoError):
    """An evaluation that has no answer. `code` is OPA's word for it; `what` one line; `place` where it is known."""

    code = "eval_internal_error"

    def __init__(self, what: str, place: Place = NOWHERE) -> None:
        super().__init__(what)
        self.what = what
        self.place = place


class Conflict(Fault):
    """Two different values for one document."""

    code = "eval_conflict_error"


class BuiltinFault(Fault):
    """A builtin that cannot answer. Not strict: its call is undefined. Strict: the evaluation has no answer."""

    code = "eval_builtin_error"


class OperandFault(BuiltinFault):
    """An operand of the wrong type or outside what the builtin takes."""

    code = "eval_type_error"


class OverLimit(Fault):
    """The evaluation was ended by a limit. `what` names it."""

    code = "eval_limit_error"
