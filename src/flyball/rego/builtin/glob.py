"""Globs with delimiters: `*` and `?` stop at them, `**` does not; `[abc]`, `[!a-c]` and `{one,other}` are as usual.

A glob is turned into a regular expression. Python's engine is the faster one for the globs of everyday policies, RE2 the one that never
takes long: where the first could go back and forth too often, the second is asked.
"""

import re
from functools import lru_cache
from typing import Any, Final

from flyball.rego.builtin.desk import builtin, mistyped, unfit
from flyball.rego.builtin.regex import found_in, literal
from flyball.rego.error import BuiltinFault
from flyball.rego.type import BOOLEAN, NULL, STRING, array, one_of
from flyball.rego.value import name_of

_SPECIAL: Final = re.compile(r"[*?\\\[\]{}]")
_PIECE: Final = re.compile(r"\*\*|[*?{},]|\[|(?:\\.|[^*?{},\[\\])+|\\\Z", re.DOTALL)
_CLASS: Final = re.compile(r"(!?)(?:(.)-(.)|((?:\\.|[^\]\\])+))\]", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_TRIES: Final = 200_000  # steps that Python's engine may take at worst


class _Glob:
    """A compiled glob. `stars` is how many parts can be of any length, `ways` in how many ways its braces can be read."""

    __slots__ = ("pattern", "python", "stars", "ways")

    def __init__(self, pattern: str, stars: int, ways: int) -> None:
        self.pattern = f"^(?s:{pattern})$"
        self.python = re.compile(f"(?s:{pattern})")
        self.stars = stars
        self.ways = ways

    def matches(self, text: str) -> bool:
        """Whether the whole text is as the glob says."""
        if self.ways * len(self.pattern) * (len(text) + 1) ** self.stars <= _TRIES:
            return self.python.fullmatch(text) is not None
        return found_in("glob.match", self.pattern, text)


@builtin("glob.match", (STRING, one_of(array(of=STRING), NULL), STRING), BOOLEAN)
def match(pattern: Any, delimiters: Any, text: Any) -> bool:
    """Whether the whole text is as the glob says. No delimiters mean the dot, null means none."""
    if type(pattern) is not str or type(text) is not str or (delimiters is not None and type(delimiters) is not list):
        raise mistyped("glob.match", pattern, delimiters, text)
    if delimiters is None:
        return _compiled(pattern, "").matches(text)
    for mark in delimiters:
        if type(mark) is not str or len(mark) != 1:
            wanted = "runes" if type(mark) is str else "strings"
            raise unfit("glob.match", 2, f"must be array of {wanted} but got array containing {name_of(mark)}")
    return _compiled(pattern, "".join(delimiters) or ".").matches(text)


@builtin("glob.quote_meta", (STRING,), STRING)
def quote_meta(pattern: Any) -> str:
    """A glob for exactly this text."""
    if type(pattern) is not str:
        raise mistyped("glob.quote_meta", pattern)
    return _SPECIAL.sub(r"\\\g<0>", pattern)


@lru_cache(maxsize=1024)
def _compiled(pattern: str, delimiters: str) -> _Glob:
    within = f"[^{_classed(delimiters)}]" if delimiters else "."
    parts: list[str] = []
    at, depth, stars, ways = 0, 0, 0, 1
    while at < len(pattern):
        found = _PIECE.match(pattern, at)
        piece = found[0] if found else pattern[at]
        at += len(piece)
        if piece == "[":
            part, at = _class(pattern, at)
        elif piece == "{":
            depth, part = depth + 1, "(?:"
        elif piece in {",", "}"} and depth:
            depth, part = depth - (piece == "}"), "|" if piece == "," else ")"
            ways = min(ways * 2, _TRIES + 1)
        else:
            part = {"**": ".*", "*": f"{within}*", "?": within}.get(piece) or literal(_ESCAPE.sub(r"\1", piece))
            stars += piece[0] == "*"
        parts.append(part)
    return _Glob("".join(parts) + ")" * depth, stars, ways)


def _class(pattern: str, at: int) -> tuple[str, int]:
    found = _CLASS.match(pattern, at)
    if not found:
        raise BuiltinFault("glob.match: could not parse range")
    _not, low, high, marks = found.groups()
    if low and high < low:
        raise BuiltinFault(f"glob.match: hi character '{high}' should be greater than lo '{low}'")
    inside = f"{_classed(low)}-{_classed(high)}" if low else _classed(_ESCAPE.sub(r"\1", marks))
    return f"[{'^' if _not else ''}{inside}]", found.end()


def _classed(marks: str) -> str:
    return re.sub(r"[\\\]\[^\-&~|]", r"\\\g<0>", marks)
