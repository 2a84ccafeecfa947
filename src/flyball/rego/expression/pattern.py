"""Reads the regular expressions of Go (RE2's syntax, with its Perl forms), and says in Go's words what is wrong with them."""

import re
import unicodedata
from functools import lru_cache
from typing import Final, NoReturn

from flyball.rego.expression.node import LAST, At, Chars, Choice, Group, Node, Ranges, Repeat, Row, joined, others

_NESTING: Final = 100
_REPEAT: Final = 1000
_FOLDED: Final = 2_000  # characters of a set whose other cases are looked for one by one
_COUNT: Final = re.compile(r"\{([0-9]{1,6})(,([0-9]{0,6}))?\}")
_NAME: Final = re.compile(r"\(\?P?<([A-Za-z0-9_]+)>")
_FLAGS: Final = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])")
_DIGIT: Final[Ranges] = ((0x30, 0x39),)
_SPACE: Final[Ranges] = ((9, 10), (12, 13), (32, 32))
_WORD: Final[Ranges] = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_PERL: Final = {"d": _DIGIT, "s": _SPACE, "w": _WORD}
_POSIX: Final[dict[str, Ranges]] = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)), "alpha": ((0x41, 0x5A), (0x61, 0x7A)), "ascii": ((0, 0x7F),),
    "blank": ((9, 9), (32, 32)), "cntrl": ((0, 0x1F), (0x7F, 0x7F)), "digit": _DIGIT, "graph": ((0x21, 0x7E),), "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),), "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)), "space": ((9, 13), (32, 32)),
    "upper": ((0x41, 0x5A),), "word": _WORD, "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}  # fmt: skip
_PLAIN: Final = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_PLACES: Final = {"A": "start", "z": "end", "b": "edge", "B": "inside"}
# Letters whose other cases Python's `lower` and `upper` do not lead to: the long s and the sign of Kelvin.
_ORBIT: Final = {"s": "\u017f", "S": "\u017f", "\u017f": "sS", "k": "\u212a", "K": "\u212a", "\u212a": "kK"}


class Unread(ValueError):
    """A pattern that Go would not take; says why."""


def parsed(pattern: str) -> tuple[Node, int, dict[str, int]]:
    """The pattern, the number of its groups, and their numbers by name.

    Raises:
        Unread: it is none.
    """
    reader = _Reader(pattern)
    node = reader.choice(0)
    if reader.at < len(pattern):
        raise Unread(f"unexpected ): `{pattern}`")
    return node, reader.groups, reader.names


@lru_cache(maxsize=64)
def _category(name: str) -> Ranges | None:
    """The characters of a general category of Unicode; scripts are not known here."""
    if name == "Any":
        return ((0, LAST),)
    if not re.fullmatch("[CLMNPSZ][a-z]?", name):
        return None
    found = joined((code, code) for code in range(LAST + 1) if unicodedata.category(chr(code)).startswith(name))
    return found or None


def _folded(ranges: Ranges) -> Ranges:
    """The characters in both cases."""
    found = list(ranges)
    for low, high in ranges:
        for code in range(low, min(high, low + _FOLDED) + 1):
            mark = chr(code)
            cases = (mark.lower(), mark.upper(), mark.title(), *_ORBIT.get(mark, ""))
            found += [(ord(case), ord(case)) for case in cases if len(case) == 1]
    return joined(found)


class _Marks:
    """Reads characters and sets of them. `at` is the place that comes next, `flags` what `(?i)` and the like have switched on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.flags: frozenset[str] = frozenset()

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _step(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def _chars(self, ranges: Ranges) -> Chars:
        return Chars(_folded(ranges) if "i" in self.flags else ranges)

    def _set(self) -> Chars:
        start = self.at
        self.at += 1
        negated = self._peek() == "^"
        self.at += negated
        found: list[tuple[int, int]] = []
        first = True
        while first or self._peek() != "]":
            if self.at >= len(self.text):
                raise Unread(f"missing closing ]: `{self.text[start:]}`")
            found += self._member(start)
            first = False
        self.at += 1
        ranges = joined(found)
        ranges = _folded(ranges) if "i" in self.flags else ranges
        return Chars(others(ranges) if negated else ranges)

    def _member(self, start: int) -> Ranges:
        if posix := re.compile(r"\[:(\^?)([a-z]*):\]").match(self.text, self.at):
            if posix[2] not in _POSIX:
                raise Unread(f"invalid character class range: `{posix[0]}`")
            self.at = posix.end()
            return others(_POSIX[posix[2]]) if posix[1] else _POSIX[posix[2]]
        begin = self.at
        low = self._code(start)
        if len(low) > 1 or low[0][0] != low[0][1] or self._peek() != "-" or self.text[self.at + 1 : self.at + 2] in {"", "]"}:
            return low
        self.at += 1
        high = self._code(start)
        if high[0][0] != high[-1][1] or high[0][0] < low[0][0]:
            raise Unread(f"invalid character class range: `{self.text[begin : self.at]}`")
        return ((low[0][0], high[0][0]),)

    def _code(self, start: int) -> Ranges:
        if self.at >= len(self.text):
            raise Unread(f"missing closing ]: `{self.text[start:]}`")
        mark = self._step()
        return self._escape() if mark == "\\" else ((ord(mark), ord(mark)),)

    def _escape(self) -> Ranges:
        """What stands behind a backslash."""
        begin = self.at - 1
        if self.at >= len(self.text):
            raise Unread("trailing backslash at end of expression: ``")
        mark = self._step()
        if mark.lower() in _PERL and mark.isascii():
            ranges = _PERL[mark.lower()]
            return ranges if mark.islower() else others(ranges)
        if mark in "pP":
            return self._unicode(begin, negated=mark == "P")
        code = _PLAIN.get(mark)
        if mark in "01234567" and (mark == "0" or self._peek() in set("01234567")):
            octal = re.match("[0-7]{1,3}", self.text[self.at - 1 : self.at + 2])
            code = int(octal[0] if octal else mark, 8)
            self.at += len(octal[0] if octal else mark) - 1
        elif mark == "x":
            hexed = re.compile(r"\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{2})").match(self.text, self.at)
            code = int(hexed[1] or hexed[2], 16) if hexed else None
            self.at = hexed.end() if hexed else self.at
        elif code is None and mark.isascii() and not mark.isalnum():
            code = ord(mark)
        if code is None or code > LAST:
            self._bad_escape(begin)
        return _folded(((code, code),)) if "i" in self.flags else ((code, code),)

    def _unicode(self, begin: int, *, negated: bool) -> Ranges:
        found = re.compile(r"\{(\^?)(\w+)\}|([A-Z])").match(self.text, self.at)
        ranges = _category(found[2] or found[3]) if found else None
        if found is None or ranges is None:
            raise Unread(f"invalid character class range: `{self.text[begin : found.end() if found else self.at + 1]}`")
        self.at = found.end()
        return others(ranges) if negated is not bool(found[1]) else ranges

    def _bad_escape(self, begin: int) -> NoReturn:
        raise Unread(f"invalid escape sequence: `{self.text[begin : self.at]}`")


class _Reader(_Marks):
    """Reads one pattern; `groups` and `names` are those that it has come by."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.groups = 0
        self.names: dict[str, int] = {}

    def choice(self, depth: int) -> Node:
        """What stands up to the next `)` or the end."""
        if depth > _NESTING:
            raise Unread(f"expression nests too deeply: `{self.text[:100]}`")
        ways = [self._row(depth)]
        while self._peek() == "|":
            self.at += 1
            ways.append(self._row(depth))
        return ways[0] if len(ways) == 1 else Choice(tuple(ways))

    def _row(self, depth: int) -> Node:
        parts: list[Node] = []
        while self._peek() not in {"", "|", ")"}:
            found = self._quoted() if self.text.startswith("\\Q", self.at) else self._part(depth)
            parts += found[:-1]
            parts += map(self._repeated, found[-1:])
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def _quoted(self) -> list[Node]:
        end = self.text.find("\\E", self.at + 2)
        inside = self.text[self.at + 2 : end if end >= 0 else len(self.text)]
        self.at = end + 2 if end >= 0 else len(self.text)
        return [self._chars(((ord(mark), ord(mark)),)) for mark in inside]

    def _part(self, depth: int) -> list[Node]:
        mark, start = self._peek(), self.at
        if self._operator():
            raise Unread(f"missing argument to repetition operator: `{self.text[start : self.at]}`")
        if mark == "(":
            return self._group(depth)
        if mark == "[":
            return [self._set()]
        self.at += 1
        if mark == ".":
            return [Chars(((0, LAST),) if "s" in self.flags else ((0, 9), (11, LAST)))]
        if mark in {"^", "$"}:
            kinds = ("first", "last") if "m" in self.flags else ("start", "end")
            return [At(kinds[mark == "$"])]
        if mark == "\\":
            return [At(_PLACES[self._step()]) if self._peek() in _PLACES else Chars(self._escape())]
        return [self._chars(((ord(mark), ord(mark)),))]

    def _operator(self) -> tuple[int, int | None] | None:
        """How often what stands before is repeated, at least and at most."""
        if found := _COUNT.match(self.text, self.at):
            self.at = found.end()
            least, most = int(found[1]), int(found[3]) if found[3] else None if found[2] else int(found[1])
            if max(least, most or 0) > _REPEAT or (most is not None and most < least):
                raise Unread(f"invalid repeat count: `{found[0]}`")
            return least, most
        mark = self._peek()
        if not mark or mark not in "*+?":
            return None
        self.at += 1
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[mark]

    def _repeated(self, part: Node) -> Node:
        first = self.at
        operator = self._operator()
        if operator is None:
            return part
        greedy = self._peek() != "?"
        self.at += not greedy
        if self._operator():
            raise Unread(f"invalid nested repetition operator: `{self.text[first : self.at]}`")
        return Repeat(part, *operator, greedy is not ("U" in self.flags))

    def _group(self, depth: int) -> list[Node]:
        before = self.flags
        number: int | None = None
        if name := _NAME.match(self.text, self.at):
            self.at = name.end()
            if name[1] in self.names:
                raise Unread(f"duplicate capture group name: `{name[1]}`")
            number = self.groups = self.groups + 1
            self.names[name[1]] = number
        elif flags := _FLAGS.match(self.text, self.at):
            self.at = flags.end()
            self.flags = (self.flags | set(flags[1])) - set(flags[2] or "")
            if flags[3] == ")":
                return []
        elif self.text.startswith("(?", self.at):
            named = re.match(r"\(\?P?<[^=!]?", self.text[self.at :])
            what = "invalid named capture" if named and named[0][-1] != "<" else "invalid or unsupported Perl syntax"
            raise Unread(f"{what}: `{self.text[self.at : self.at + 3]}`")
        else:
            self.at += 1
            number = self.groups = self.groups + 1
        part = self.choice(depth + 1)
        if self._peek() != ")":
            raise Unread(f"missing closing ): `{self.text}`")
        self.at += 1
        self.flags = before
        return [part if number is None else Group(number, part)]
