"""Whether two simple patterns can match the same text. They have characters, `.`, sets such as `[a-z0]`, and `+` or `*` behind them."""

from typing import Any, Final

from flyball.rego.builtin.desk import builtin, mistyped, too_large
from flyball.rego.error import BuiltinFault
from flyball.rego.type import BOOLEAN, STRING

_WORK: Final = 1_000_000
_LAST: Final = "\U0010ffff"
Ranges = list[tuple[str, str]]
Piece = tuple[Ranges, bool]  # what one character may be; whether there may be any number of them


@builtin("regex.globs_match", (STRING, STRING), BOOLEAN)
def globs_match(left: Any, right: Any) -> bool:
    """Whether there is a text that both patterns match as a whole."""
    if type(left) is not str or type(right) is not str:
        raise mistyped("regex.globs_match", left, right)
    if len(left) * len(right) > _WORK:
        raise too_large("regex.globs_match", _WORK, "pairs of characters")
    return _meet(_Reader(left).pieces(), _Reader(right).pieces())


def _meet(one: list[Piece], other: list[Piece]) -> bool:
    """Goes through both at once: a state is how far each has come."""
    seen, waiting = {(0, 0)}, [(0, 0)]
    while waiting:
        at, to = waiting.pop()
        if at == len(one) and to == len(other):
            return True
        for state in _next(one, other, (at, to)):
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    return False


def _next(one: list[Piece], other: list[Piece], state: tuple[int, int]) -> list[tuple[int, int]]:
    at, to = state
    found = []
    first = one[at] if at < len(one) else None
    second = other[to] if to < len(other) else None
    if first and first[1]:
        found.append((at + 1, to))
    if second and second[1]:
        found.append((at, to + 1))
    if first and second and any(low <= last and start <= high for low, high in first[0] for start, last in second[0]):
        found.append((at + (not first[1]), to + (not second[1])))
    return found


class _Reader:
    """Reads one pattern; `at` is the place after what was read last."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def pieces(self) -> list[Piece]:
        """The pieces, in which a `+` has become the piece and any number more of it.

        Raises:
            BuiltinFault: it is no pattern.
        """
        found: list[Piece] = []
        while self.at < len(self.text):
            ranges = self._piece()
            flag = self.text[self.at : self.at + 1]
            if flag in {"+", "*"}:
                self.at += 1
            found += {"*": [(ranges, True)], "+": [(ranges, False), (ranges, True)]}.get(flag, [(ranges, False)])
        return found

    def _mark(self) -> tuple[str, bool]:
        """The next character, and whether it was escaped."""
        if self.text[self.at] != "\\":
            self.at += 1
            return self.text[self.at - 1], False
        if self.at + 1 == len(self.text):
            raise self._wrong("input ends with a \\ (escape) character")
        self.at += 2
        return self.text[self.at - 1], True

    def _piece(self) -> Ranges:
        mark, escaped = self._mark()
        if escaped:
            return [(mark, mark)]
        if mark == "]":
            raise self._wrong("set-close ']' with no preceding '['")
        if mark in "+*":
            raise self._wrong(f"flag '{mark}' must be preceded by a non-flag")
        if mark == ".":
            return [("\0", _LAST)]
        return self._set() if mark == "[" else [(mark, mark)]

    def _set(self) -> Ranges:
        found: Ranges = []
        before = ""
        while self.at < len(self.text):
            mark, escaped = self._mark()
            if mark == "]" and not escaped:
                return found
            if mark == "-" and not escaped:
                found.append((before, self._end(before)))
                before = ""
            else:
                found.append((mark, mark))
                before = mark
        raise self._wrong("found [ without matching ]")

    def _end(self, low: str) -> str:
        if not low:
            raise self._wrong("range character '-' must be preceded by a Unicode character")
        if self.at >= len(self.text) - 1:
            raise self._wrong("range character '-' must be followed by a Unicode character")
        high, escaped = self._mark()
        if high in "]-" and not escaped:
            raise self._wrong("range character '-' cannot be followed by a special symbol")
        if high < low:
            raise self._wrong(f"range is out of order: '{high}' comes before '{low}' in Unicode")
        return high

    def _wrong(self, what: str) -> BuiltinFault:
        return BuiltinFault(f"regex.globs_match: input:{self.text[:100]}, pos:{self.at}, {what}: the input provided is invalid")
