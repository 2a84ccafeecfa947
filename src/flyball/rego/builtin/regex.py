"""Regular expressions of Go. No pattern and no text makes them take long: see `expression.machine`."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from flyball.rego.builtin.desk import LETTERS, MEMBERS, builtin, mistyped, too_large
from flyball.rego.builtin.number import integer
from flyball.rego.error import BuiltinFault
from flyball.rego.expression.machine import Budget, Regex, Spans
from flyball.rego.expression.machine import compiled as _compiled
from flyball.rego.type import BOOLEAN, NUMBER, STRING, array

_TWO = (STRING, STRING)
_THREE = (STRING, STRING, NUMBER)
_PATTERN: Final = 20_000  # characters
_TEMPLATE: Final = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")
_SPECIAL: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")


def compiled(name: str, pattern: str) -> Regex:
    """The pattern, ready for use.

    Raises:
        BuiltinFault: it is none that Go would take.
    """
    found = _compiled(pattern) if len(pattern) <= _PATTERN else "expression too large"
    if isinstance(found, str):
        raise BuiltinFault(f"{name}: error parsing regexp: {found}")
    return found


def literal(text: str) -> str:
    """A pattern for exactly this text."""
    return _SPECIAL.sub(r"\\\g<0>", text)


@builtin("regex.is_valid", (STRING,), BOOLEAN)
def is_valid(pattern: Any) -> bool:
    """Whether it is a regular expression; false for what is no string."""
    return type(pattern) is str and len(pattern) <= _PATTERN and not isinstance(_compiled(pattern), str)


@builtin("regex.match", _TWO, BOOLEAN)
def match(pattern: Any, text: Any) -> bool:
    """Whether the pattern matches anywhere in the text."""
    if type(pattern) is not str or type(text) is not str:
        raise mistyped("regex.match", pattern, text)
    return compiled("regex.match", pattern).matches(text, Budget("regex.match"))


def _matches(name: str, pattern: str, text: str, most: int = -1) -> Iterator[Spans]:
    """Every match from left to right; no empty one right after another match."""
    regex, budget = compiled(name, pattern), Budget(name)
    at, end, count = 0, -1, 0
    while at <= len(text) and count != most:
        found = regex.search(text, at, budget)
        if found is None:
            return
        start, stop = found[0]
        at = stop + (start == stop)
        if stop > start or start != end:
            count += 1
            yield found
        end = stop


@builtin("regex.find_n", _THREE, array(of=STRING))
def find_n(pattern: Any, text: Any, most: Any) -> list[str]:
    """The first `most` matches; all of them where that is negative."""
    limit = _limit("regex.find_n", pattern, text, most)
    return [text[slice(*found[0])] for found in _matches("regex.find_n", pattern, text, limit)]


@builtin("regex.find_all_string_submatch_n", _THREE, array(of=array(of=STRING)))
def find_all_string_submatch_n(pattern: Any, text: Any, most: Any) -> list[list[str]]:
    """The first `most` matches, each with the texts of its groups; a group that took no part has the empty one."""
    limit = _limit("regex.find_all_string_submatch_n", pattern, text, most)
    found = _matches("regex.find_all_string_submatch_n", pattern, text, limit)
    rows: list[list[str]] = []
    cells = 0
    for one in found:
        rows.append([text[start:end] if start >= 0 else "" for start, end in one])
        cells += len(rows[-1])
        if cells > MEMBERS:
            raise too_large("regex.find_all_string_submatch_n", MEMBERS, "strings")
    return rows


def _limit(name: str, pattern: Any, text: Any, most: Any) -> int:
    if type(pattern) is not str or type(text) is not str:
        raise mistyped(name, pattern, text, most)
    return max(integer(name, 3, most), -1)


@builtin("regex.split", _TWO, array(of=STRING))
def split(pattern: Any, text: Any) -> list[str]:
    """The parts between all matches."""
    if type(pattern) is not str or type(text) is not str:
        raise mistyped("regex.split", pattern, text)
    if pattern and not text:
        compiled("regex.split", pattern)
        return [""]
    parts, start, end = [], 0, 0
    for found in _matches("regex.split", pattern, text):
        end = found[0][0]
        if found[0][1]:
            parts.append(text[start:end])
        start = found[0][1]
    return parts if end == len(text) else [*parts, text[start:]]


@builtin("regex.replace", (STRING, STRING, STRING), STRING)
def replace(text: Any, pattern: Any, new: Any) -> str:
    """The text with every match replaced. In `new`, `$1`, `${1}` and `${name}` stand for groups and `$$` for a dollar."""
    if type(text) is not str or type(pattern) is not str or type(new) is not str:
        raise mistyped("regex.replace", text, pattern, new)
    names = compiled("regex.replace", pattern).names
    parts, start, room = [], 0, LETTERS
    for found in _matches("regex.replace", pattern, text):
        parts += [text[start : found[0][0]], _TEMPLATE.sub(_group(text, found, names), new) if "$" in new else new]
        room -= len(parts[-1]) + len(parts[-2])
        if room < 0:
            raise too_large("regex.replace", LETTERS, "characters")
        start = found[0][1]
    return "".join([*parts, text[start:]])


def _group(text: str, found: Spans, names: dict[str, int]) -> Callable[[re.Match[str]], str]:
    def new(part: re.Match[str]) -> str:
        if part[1]:
            return "$"
        name = part[2] or part[3]
        place = int(name) if name.isascii() and name.isdigit() and len(name) < 9 else names.get(name, -1)  # noqa: PLR2004 - what Go takes for a number
        start, end = found[place] if 0 <= place < len(found) else (-1, -1)
        return text[start:end] if start >= 0 else ""

    return new


@builtin("regex.template_match", (STRING, STRING, STRING, STRING), BOOLEAN)
def template_match(template: Any, text: Any, start: Any, end: Any) -> bool:
    """Whether the whole text is as the template says: patterns stand between `start` and `end`, everything else for itself."""
    operands = (template, text, start, end)
    if any(type(one) is not str for one in operands):
        raise mistyped("regex.template_match", *operands)
    for what, mark in (("start", start), ("end", end)):
        if len(mark.encode(errors="replace")) != 1:
            raise BuiltinFault(f"regex.template_match: {what} delimiter has to be exactly one character long but is {len(start)} long")
    pattern = _templated(template, start, end)
    return compiled("regex.template_match", pattern).matches(text, Budget("regex.template_match"))


def _templated(template: str, start: str, end: str) -> str:
    level, opened, after, parts = 0, 0, 0, ["^"]
    for place, mark in enumerate(template):
        if mark == start:
            level += 1
            opened = place if level == 1 else opened
        elif mark == end:
            level -= 1
            if not level:
                pattern = template[opened + 1 : place]
                compiled("regex.template_match", f"^{pattern}$")
                parts.append(f"{literal(template[after:opened])}({pattern})")
                after = place + 1
        if level < 0:
            break
    if level:
        raise BuiltinFault(f'regex.template_match: unbalanced braces in "{template[:100]}"')
    return "".join([*parts, literal(template[after:]), "$"])
