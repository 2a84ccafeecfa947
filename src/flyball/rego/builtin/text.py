"""Operations on strings. Places and lengths are counted in characters (code points), as OPA counts them."""

import re
from bisect import bisect_left
from typing import Any, Final

from flyball.rego.builtin.desk import LETTERS, STEPS, builtin, long, mistyped, too_large, unfit
from flyball.rego.builtin.number import exact, integer, is_number, small
from flyball.rego.error import BuiltinFault
from flyball.rego.type import BOOLEAN, NUMBER, STRING, array, object_of, one_of, set_of
from flyball.rego.value import Set, ordered

FEW: Final = 16  # texts that are compared with every part; more are put in order first

_ONE, _TWO = (STRING,), (STRING, STRING)
_STRINGS: Final = one_of(STRING, set_of(STRING), array(of=STRING))
# What Go holds for white space; Python's `strip` takes the separators 1C to 1F as well.
_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


@builtin("contains", _TWO, BOOLEAN)
def contains(text: Any, part: Any) -> bool:
    """Whether `part` stands in the text."""
    if type(text) is str and type(part) is str:
        return part in text
    raise mistyped("contains", text, part)


@builtin("startswith", _TWO, BOOLEAN)
def startswith(text: Any, part: Any) -> bool:
    """Whether the text starts with `part`."""
    if type(text) is str and type(part) is str:
        return text.startswith(part)
    raise mistyped("startswith", text, part)


@builtin("endswith", _TWO, BOOLEAN)
def endswith(text: Any, part: Any) -> bool:
    """Whether the text ends with `part`."""
    if type(text) is str and type(part) is str:
        return text.endswith(part)
    raise mistyped("endswith", text, part)


@builtin("strings.any_prefix_match", (_STRINGS, _STRINGS), BOOLEAN)
def any_prefix_match(texts: Any, parts: Any) -> bool:
    """Whether any text starts with any of the parts."""
    return _any_starts(_listed(texts), _listed(parts), "strings.any_prefix_match", (texts, parts))


@builtin("strings.any_suffix_match", (_STRINGS, _STRINGS), BOOLEAN)
def any_suffix_match(texts: Any, parts: Any) -> bool:
    """Whether any text ends with any of the parts."""
    backwards = [[text[::-1] for text in texts if type(text) is str] for texts in (_listed(texts), _listed(parts))]
    return _any_starts(backwards[0], backwards[1], "strings.any_suffix_match", (texts, parts))


def _listed(texts: Any) -> list[Any]:
    if type(texts) is str:
        return [texts]
    return list(texts) if type(texts) in {list, Set} else []


def _any_starts(texts: list[Any], parts: list[Any], name: str, operands: tuple[Any, Any]) -> bool:
    for operand in operands:
        if type(operand) is not str and (type(operand) not in {list, Set} or any(type(one) is not str for one in operand)):
            raise mistyped(name, *operands)
    if len(texts) <= FEW:
        starts = tuple(parts)
        return any(text.startswith(starts) for text in texts)
    texts.sort()  # a text that starts with a part is the first one that does not stand before it
    places = ((bisect_left(texts, part), part) for part in parts)
    return any(place < len(texts) and texts[place].startswith(part) for place, part in places)


@builtin("concat", (STRING, one_of(set_of(STRING), array(of=STRING))), STRING)
def concat(between: Any, texts: Any) -> str:
    """The texts of an array, or of a set in order, with `between` between them."""
    if type(between) is not str or type(texts) not in {list, Set} or any(type(text) is not str for text in texts):
        raise mistyped("concat", between, texts)
    parts = texts if type(texts) is list else ordered(texts)
    if len(parts) * len(between) > LETTERS:
        raise too_large("concat", LETTERS, "characters")
    return long("concat", between.join(parts))


@builtin("indexof", _TWO, NUMBER)
def indexof(text: Any, part: Any) -> int:
    """The place of the first `part`; -1 where there is none."""
    _searched("indexof", text, part)
    found: int = text.find(part)
    return found


@builtin("indexof_n", _TWO, array(of=NUMBER))
def indexof_n(text: Any, part: Any) -> list[int]:
    """The places of every `part`, also of those that overlap."""
    _searched("indexof_n", text, part)
    found: list[int] = []
    place = text.find(part)
    while place >= 0:
        found.append(place)
        if len(found) * len(part) > STEPS:
            raise too_large("indexof_n", STEPS, "characters to compare")
        place = text.find(part, place + 1)
    return found


def _searched(name: str, text: Any, part: Any) -> None:
    if type(text) is not str or type(part) is not str:
        raise mistyped(name, text, part)
    if not part:
        raise BuiltinFault(f"{name}: empty search character")


@builtin("strings.count", _TWO, NUMBER)
def count(text: Any, part: Any) -> int:
    """How often `part` stands in the text without overlapping; the empty text stands before, between and after all characters."""
    if type(text) is str and type(part) is str:
        return text.count(part)
    raise mistyped("strings.count", text, part)


@builtin("substring", (STRING, NUMBER, NUMBER), STRING)
def substring(text: Any, offset: Any, length: Any) -> str:
    """The `length` characters from `offset` on, or fewer; all of them where `length` is negative."""
    if type(text) is not str:
        raise mistyped("substring", text, offset, length)
    start, wanted = integer("substring", 2, offset), integer("substring", 3, length)
    if start < 0:
        raise BuiltinFault("substring: negative offset")
    return text[start:] if wanted < 0 else text[start : start + wanted]


@builtin("lower", _ONE, STRING)
def lower(text: Any) -> str:
    """The text in small letters, character by character as in Go: Python would make two characters of `İ` and look around a `Σ`."""
    if type(text) is not str:
        raise mistyped("lower", text)
    return text.lower() if text.isascii() else "".join(mark.lower()[0] for mark in text)


@builtin("upper", _ONE, STRING)
def upper(text: Any) -> str:
    """The text in capital letters, character by character as in Go: Python would make two characters of `ß`."""
    if type(text) is not str:
        raise mistyped("upper", text)
    return text.upper() if text.isascii() else "".join(map(_capital, text))


def _capital(mark: str) -> str:
    return next((large for large in (mark.upper(), mark.title()) if len(large) == 1), mark)


@builtin("split", _TWO, array(of=STRING))
def split(text: Any, between: Any) -> list[str]:
    """The parts between every `between`; every character where that is empty."""
    if type(text) is str and type(between) is str:
        return text.split(between) if between else list(text)
    raise mistyped("split", text, between)


@builtin("replace", (STRING, STRING, STRING), STRING)
def replace(text: Any, old: Any, new: Any) -> str:
    """The text with `new` in the place of every `old`."""
    if type(text) is not str or type(old) is not str or type(new) is not str:
        raise mistyped("replace", text, old, new)
    if len(new) > len(old) and len(text) + text.count(old) * (len(new) - len(old)) > LETTERS:
        raise too_large("replace", LETTERS, "characters")
    return text.replace(old, new)


@builtin("strings.replace_n", (object_of(STRING, STRING), STRING), STRING)
def replace_n(patterns: Any, text: Any) -> str:
    """The text with the value of `patterns` in the place of every key, all at once. Where two keys fit, the one first in order counts."""
    if type(patterns) is not dict or type(text) is not str:
        raise mistyped("strings.replace_n", patterns if type(patterns) is not dict else {}, text)
    for what, held in (("key", patterns), ("value", patterns.values())):
        if any(type(one) is not str for one in held):
            raise unfit("strings.replace_n", 1, f"non-string {what} found in pattern object")
    if not patterns:
        return text
    if len(text) * (sum(map(len, patterns)) + len(patterns)) > STEPS:
        raise too_large("strings.replace_n", STEPS, "characters to compare")
    either, room = re.compile("|".join(map(re.escape, sorted(patterns)))), LETTERS

    def new(found: re.Match[str]) -> str:
        nonlocal room
        made: str = patterns[found[0]]
        room -= len(made)
        if room < 0:
            raise too_large("strings.replace_n", LETTERS, "characters")
        return made

    return either.sub(new, text)


@builtin("strings.reverse", _ONE, STRING)
def reverse(text: Any) -> str:
    """The characters in the opposite order."""
    if type(text) is str:
        return text[::-1]
    raise mistyped("strings.reverse", text)


@builtin("trim", _TWO, STRING)
def trim(text: Any, marks: Any) -> str:
    """The text without any of these characters at its ends."""
    if type(text) is str and type(marks) is str:
        return text.strip(marks)
    raise mistyped("trim", text, marks)


@builtin("trim_left", _TWO, STRING)
def trim_left(text: Any, marks: Any) -> str:
    """The text without any of these characters at its start."""
    if type(text) is str and type(marks) is str:
        return text.lstrip(marks)
    raise mistyped("trim_left", text, marks)


@builtin("trim_right", _TWO, STRING)
def trim_right(text: Any, marks: Any) -> str:
    """The text without any of these characters at its end."""
    if type(text) is str and type(marks) is str:
        return text.rstrip(marks)
    raise mistyped("trim_right", text, marks)


@builtin("trim_prefix", _TWO, STRING)
def trim_prefix(text: Any, part: Any) -> str:
    """The text without `part` at its start."""
    if type(text) is str and type(part) is str:
        return text.removeprefix(part)
    raise mistyped("trim_prefix", text, part)


@builtin("trim_suffix", _TWO, STRING)
def trim_suffix(text: Any, part: Any) -> str:
    """The text without `part` at its end."""
    if type(text) is str and type(part) is str:
        return text.removesuffix(part)
    raise mistyped("trim_suffix", text, part)


@builtin("trim_space", _ONE, STRING)
def trim_space(text: Any) -> str:
    """The text without white space at its ends."""
    if type(text) is str:
        return text.strip(_SPACE)
    raise mistyped("trim_space", text)


@builtin("format_int", (NUMBER, NUMBER), STRING)
def format_int(number: Any, radix: Any) -> str:
    """The whole part of the number, written to the base 2, 8, 10 or 16."""
    if not is_number(number) or not is_number(radix):
        raise mistyped("format_int", number, radix)
    form = {2: "b", 8: "o", 10: "d", 16: "x"}.get(radix) if type(radix) is int else None
    if form is None:
        raise unfit("format_int", 2, "must be one of {2, 8, 10, 16}")
    found = int(exact(number)) if type(number) is float else number
    small("format_int", found)
    return format(found, form)
