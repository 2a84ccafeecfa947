"""Globs with delimiters: `*` and `?` stop at them, `**` does not; `[abc]`, `[!a-c]` and `{one,other}` are as usual."""

import re
from functools import lru_cache
from typing import Any, Final

from flyball.rego.builtin.desk import builtin, mistyped, unfit
from flyball.rego.builtin.regex import compiled, literal
from flyball.rego.error import BuiltinFault
from flyball.rego.expression.machine import Budget, Regex
from flyball.rego.type import BOOLEAN, NULL, STRING, array, one_of
from flyball.rego.value import name_of

_SPECIAL: Final = re.compile(r"[*?\\\[\]{}]")
_PIECE: Final = re.compile(r"\*\*|[*?{},]|\[|(?:\\.|[^*?{},\[\\])+|\\\Z", re.DOTALL)
_CLASS: Final = re.compile(r"(!?)(?:(.)-(.)|((?:\\.|[^\]\\])+))\]", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)


@builtin("glob.match", (STRING, one_of(array(of=STRING), NULL), STRING), BOOLEAN)
def match(pattern: Any, delimiters: Any, text: Any) -> bool:
    """Whether the whole text is as the glob says. No delimiters mean the dot, null means none."""
    if type(pattern) is not str or type(text) is not str or (delimiters is not None and type(delimiters) is not list):
        raise mistyped("glob.match", pattern, delimiters, text)
    if delimiters is None:
        return _compiled(pattern, "").matches(text, Budget("glob.match"))
    for mark in delimiters:
        if type(mark) is not str or len(mark) != 1:
            wanted = "runes" if type(mark) is str else "strings"
            raise unfit("glob.match", 2, f"must be array of {wanted} but got array containing {name_of(mark)}")
    return _compiled(pattern, "".join(delimiters) or ".").matches(text, Budget("glob.match"))


@builtin("glob.quote_meta", (STRING,), STRING)
def quote_meta(pattern: Any) -> str:
    """A glob for exactly this text."""
    if type(pattern) is not str:
        raise mistyped("glob.quote_meta", pattern)
    return _SPECIAL.sub(r"\\\g<0>", pattern)


@lru_cache(maxsize=1024)
def _compiled(pattern: str, delimiters: str) -> Regex:
    within = f"[^{_classed(delimiters)}]" if delimiters else "."
    parts: list[str] = []
    at, depth = 0, 0
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
        else:
            part = {"**": ".*", "*": f"{within}*", "?": within}.get(piece) or literal(_ESCAPE.sub(r"\1", piece))
        parts.append(part)
    return compiled("glob.match", f"^(?s:{''.join(parts)}{')' * depth})$")


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
    return re.sub(r"[\\\]\[^\-]", r"\\\g<0>", marks)
