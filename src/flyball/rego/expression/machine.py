"""Matches a regular expression in a number of steps that has a limit.

Python's engine goes back and forth: some patterns make it take longer than the world will last. It is asked only where its steps cannot be
many, by a bound on the pattern and the length of the text. Everything else is matched by going through the text once, with all ways that
the pattern can be read at the same time (Thompson 1968, Pike 1987, as in RE2). Both find the match that Go finds: the leftmost, and of
those the one that the pattern prefers.
"""

import re
from functools import lru_cache
from typing import Final, TypeAlias

from flyball.rego.error import OverLimit
from flyball.rego.expression.node import LAST, At, Chars, Choice, Group, Node, Ranges, Repeat, Row, meet, others
from flyball.rego.expression.pattern import Unread, parsed

PROGRAM: Final = 20_000  # instructions
_TRIES: Final = 1_000_000  # steps of Python's engine, at worst
STEPS: Final = 1_000_000  # steps of the machine here, in one call of a builtin
_ATS: Final = {
    "start": r"\A", "end": r"\Z", "first": "(?m:^)", "last": "(?m:$)", "edge": r"(?a:\b)", "inside": r"(?a:\B)",
}  # fmt: skip
Spans: TypeAlias = list[tuple[int, int]]  # of the match and of its groups; (-1, -1) for one that took no part


class Budget:
    """The steps that one call may still take. `name` is the builtin that is blamed."""

    __slots__ = ("left", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.left = STEPS

    def spend(self, steps: int) -> None:
        """Takes steps.

        Raises:
            OverLimit: none are left.
        """
        self.left -= steps
        if self.left < 0:
            raise OverLimit(f"{self.name}: more than {STEPS:,} steps")


class _Class(dict[str, bool]):
    """Whether a character is in a set; learnt as characters come."""

    def __init__(self, ranges: Ranges) -> None:
        super().__init__()
        self.ranges = ranges

    def __missing__(self, mark: str) -> bool:
        code = ord(mark)
        found = self[mark] = any(low <= code <= high for low, high in self.ranges)
        return found


# An instruction: what it does, its operand, where to go on and, for a fork, where else.
_Instruction: TypeAlias = tuple[str, object, int, int]


class Regex:
    """A compiled pattern."""

    __slots__ = ("_degree", "_program", "_python", "_ways", "groups", "names", "node")

    def __init__(self, pattern: str) -> None:
        self.node, self.groups, self.names = parsed(pattern)
        self._program = _program(self.node)
        bound = _bound(self.node)
        self._ways, self._degree = bound or (0, 0)
        self._python = re.compile(_emitted(self.node)) if bound else None

    def search(self, text: str, at: int, budget: Budget) -> Spans | None:
        """The leftmost match from a place on."""
        length = len(text) - at + 1
        if self._python is not None and self._ways * length**self._degree <= _TRIES:
            budget.spend(length if self._degree > 1 else 1)
            found = self._python.search(text, at)
            return [found.span(number) for number in range(self.groups + 1)] if found else None
        return _Run(self._program, text, budget).search(at)

    def matches(self, text: str, budget: Budget) -> bool:
        """Whether there is a match anywhere."""
        return self.search(text, 0, budget) is not None


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Regex | str:
    """The pattern, or what is wrong with it."""
    try:
        return Regex(pattern)
    except Unread as fault:
        return str(fault)


class _Run:
    """One search. A thread is an instruction and the places that it has saved; threads of one place stand in order of preference."""

    def __init__(self, program: list[_Instruction], text: str, budget: Budget) -> None:
        self.program = program
        self.text = text
        self.anchored = program[program[0][2]][:2] == ("at", "start")
        self.budget = budget

    def search(self, at: int) -> Spans | None:
        """The leftmost match from `at` on."""
        threads: list[tuple[int, tuple[int, ...]]] = []
        found: tuple[int, ...] | None = None
        slots = (-1,) * self._slots()
        for place in range(at, len(self.text) + 1):
            if found is None:
                if self.anchored and place and not threads:
                    break
                threads = self._ready([*threads, (0, slots)], place)
            elif not threads:
                break
            mark = self.text[place] if place < len(self.text) else ""
            following: list[tuple[int, tuple[int, ...]]] = []
            for where, saved in threads:
                what, operand, next_, _ = self.program[where]
                if what == "match":
                    found = saved
                    break
                if mark and operand[mark]:  # type: ignore[index]  # the operand of `char` is a class
                    following.append((next_, saved))
            self.budget.spend(len(threads) + 1)
            threads = self._ready(following, place + 1) if found is not None else following
        return None if found is None else [(found[one], found[one + 1]) for one in range(0, len(found), 2)]

    def _slots(self) -> int:
        return 2 + max((int(str(one[1])) for one in self.program if one[0] == "save"), default=1) // 2 * 2

    def _ready(self, threads: list[tuple[int, tuple[int, ...]]], place: int) -> list[tuple[int, tuple[int, ...]]]:
        """The threads after everything that takes no character, each instruction once."""
        ready: list[tuple[int, tuple[int, ...]]] = []
        seen: set[int] = set()
        waiting = threads[::-1]
        while waiting:
            where, saved = waiting.pop()
            if where in seen:
                continue
            seen.add(where)
            what, operand, next_, other = self.program[where]
            if what == "fork":
                waiting += [(other, saved), (next_, saved)]
            elif what == "save":
                slot = int(str(operand))
                waiting.append((next_, (*saved[:slot], place, *saved[slot + 1 :])))
            elif what == "at":
                if self._holds(str(operand), place):
                    waiting.append((next_, saved))
            else:
                ready.append((where, saved))
        self.budget.spend(len(seen))
        return ready

    def _holds(self, kind: str, place: int) -> bool:
        if kind in {"start", "first"}:
            return place == 0 or (kind == "first" and self.text[place - 1] == "\n")
        if kind in {"end", "last"}:
            return place == len(self.text) or (kind == "last" and self.text[place] == "\n")
        edges = [0 <= one < len(self.text) and _is_word(self.text[one]) for one in (place - 1, place)]
        return (edges[0] is not edges[1]) is (kind == "edge")


def _is_word(mark: str) -> bool:
    return mark == "_" or (mark.isascii() and mark.isalnum())


class _Maker:
    """Makes a program from the end to the start: each part is told where to go on."""

    def __init__(self) -> None:
        self.made: list[_Instruction] = [("match", None, -1, -1)]  # the first one gives way to the start

    def add(self, what: str, operand: object, next_: int, other: int = -1) -> int:
        """Adds an instruction and gives its place.

        Raises:
            Unread: there are too many.
        """
        if len(self.made) >= PROGRAM:
            raise Unread("expression too large")
        self.made.append((what, operand, next_, other))
        return len(self.made) - 1

    def part(self, node: Node, next_: int) -> int:
        """Adds what matches a node, and gives the place where it starts."""
        if isinstance(node, Chars):
            return self.add("char", _Class(node.ranges), next_)
        if isinstance(node, At):
            return self.add("at", node.kind, next_)
        if isinstance(node, Row):
            for part in reversed(node.parts):
                next_ = self.part(part, next_)
            return next_
        if isinstance(node, Choice):
            starts = [self.part(way, next_) for way in node.ways]
            found = starts.pop()
            while starts:
                found = self.add("fork", None, starts.pop(), found)
            return found
        if isinstance(node, Group):
            inside = self.part(node.part, self.add("save", 2 * node.number + 1, next_))
            return self.add("save", 2 * node.number, inside)
        return self._repeat(node, next_)

    def _repeat(self, node: Repeat, next_: int) -> int:
        if node.most is None:
            # A loop whose part may be empty is one that is left out or run once and more, so that it prefers what Go prefers.
            if node.least == 0 and _nullable(node.part):
                inner = self._loop(node, next_, enters=True)
                return self._fork(node, inner, next_)
            found = self._loop(node, next_, enters=node.least > 0)
        else:
            found = next_
            for _ in range(node.most - node.least):
                found = self._fork(node, self.part(node.part, found), next_)
        for _ in range(node.least - (node.most is None and node.least > 0)):
            found = self.part(node.part, found)
        return found

    def _loop(self, node: Repeat, next_: int, *, enters: bool) -> int:
        """A loop that goes on as often as it can: it starts with its part if it `enters`, otherwise with the choice to leave."""
        fork = self.add("fork", None, -1, -1)
        start = self.part(node.part, fork)
        ways = (start, next_) if node.greedy else (next_, start)
        self.made[fork] = ("fork", None, *ways)
        return start if enters else fork

    def _fork(self, node: Repeat, inner: int, next_: int) -> int:
        return self.add("fork", None, *((inner, next_) if node.greedy else (next_, inner)))


def _program(node: Node) -> list[_Instruction]:
    maker = _Maker()
    end = maker.add("save", 1, maker.add("match", None, -1))
    maker.made[0] = ("save", 0, maker.part(node, end), -1)
    return maker.made


def _nullable(node: Node) -> bool:
    if isinstance(node, Chars):
        return False
    if isinstance(node, Row):
        return all(map(_nullable, node.parts))
    if isinstance(node, Choice):
        return any(map(_nullable, node.ways))
    if isinstance(node, Group):
        return _nullable(node.part)
    return isinstance(node, At) or node.least == 0 or _nullable(node.part)


class _Wild(Exception):
    """A pattern of which no bound is known."""


def _bound(node: Node) -> tuple[int, int] | None:
    """How many steps Python's engine takes at worst: `ways * length ** degree`; None where that cannot be said."""
    try:
        ways, loops, sure = _steps(node)
    except _Wild:
        return None
    return (ways * _size(node), loops + sure + (not _anchored(node))) if ways <= _TRIES else None


def _steps(node: Node) -> tuple[int, int, bool]:
    """The ways in which a part can be read, the loops in it that may give back what they took, and whether any never does."""
    if isinstance(node, Chars | At):
        return 1, 0, False
    if isinstance(node, Group):
        return _steps(node.part)
    if isinstance(node, Choice):
        several = [_steps(way) for way in node.ways]
        return sum(one[0] for one in several), max(one[1] for one in several), any(one[2] for one in several)
    if isinstance(node, Row):
        ways, loops, sure = 1, 0, False
        for part, after in zip(node.parts, (*node.parts[1:], None), strict=False):
            if isinstance(part, Repeat) and part.most is None and _never_back(part, after):
                sure = True
                continue
            more = _steps(part)
            ways, loops, sure = ways * more[0], loops + more[1], sure or more[2]
        return ways, loops, sure
    return _steps_repeat(node)


def _steps_repeat(node: Repeat) -> tuple[int, int, bool]:
    length = _fixed(node.part)
    if node.most is None:
        if not length:
            raise _Wild
        return 1, 1, False
    ways, loops, sure = _steps(node.part)
    if loops or sure or node.most > _TRIES or (ways > 1 and node.most > 8):  # noqa: PLR2004 - a power that is soon above every bound
        raise _Wild
    return (ways + (node.least < node.most)) ** node.most if ways > 1 else max(node.most - node.least + 1, 1), 0, False


def _fixed(node: Node) -> int:
    """The length of a part that can be read in one way only; 0 for any other."""
    if isinstance(node, Chars):
        return 1
    if isinstance(node, Group):
        return _fixed(node.part)
    if isinstance(node, Row):
        lengths = [_fixed(part) for part in node.parts]
        return sum(lengths) if all(lengths) else 0
    return 0


def _never_back(loop: Repeat, after: Node | None) -> bool:
    """Whether a loop over one set of characters cannot give any of them to what comes after it."""
    part = loop.part.part if isinstance(loop.part, Group) else loop.part
    first = _first(after)
    return isinstance(part, Chars) and first is not None and not meet(part.ranges, first)


def _first(node: Node | None) -> Ranges | None:
    """The characters that a part may start with; none at the end of a text; None where that is not known."""
    if isinstance(node, Chars):
        return node.ranges
    if isinstance(node, Group):
        return _first(node.part)
    if isinstance(node, Row) and node.parts:
        return _first(node.parts[0])
    if isinstance(node, Repeat) and node.least:
        return _first(node.part)
    return () if node == At("end") else None


def _anchored(node: Node) -> bool:
    if isinstance(node, Row) and node.parts:
        return _anchored(node.parts[0])
    return _anchored(node.part) if isinstance(node, Group) else node == At("start")


def _size(node: Node) -> int:
    if isinstance(node, Chars | At):
        return 1
    if isinstance(node, Group):
        return 1 + _size(node.part)
    if isinstance(node, Repeat):
        return 1 + _size(node.part) * max(node.least, node.most or 1, 1)
    return 1 + sum(map(_size, node.parts if isinstance(node, Row) else node.ways))


def _emitted(node: Node) -> str:
    """The pattern as Python writes it."""
    if isinstance(node, Chars):
        # Python goes through every character of a set in turn when it compiles one, so the smaller side of a wide one is written.
        wide = bool(node.ranges) and node.ranges[-1][1] == LAST
        ranges = others(node.ranges) if wide else node.ranges
        marks = "".join(f"{_code(low)}-{_code(high)}" if low < high else _code(low) for low, high in ranges)
        return f"[{'^' * wide}{marks}]" if marks else "(?s:.)" if wide else "(?!)"
    if isinstance(node, At):
        return _ATS[node.kind]
    if isinstance(node, Row):
        return "".join(f"(?:{_emitted(part)})" if isinstance(part, Choice) else _emitted(part) for part in node.parts)
    if isinstance(node, Choice):
        return "|".join(map(_emitted, node.ways))
    if isinstance(node, Group):
        return f"({_emitted(node.part)})"
    most = "" if node.most is None else node.most
    return f"(?:{_emitted(node.part)}){{{node.least},{most}}}{'' if node.greedy else '?'}"


def _code(code: int) -> str:
    return chr(code) if chr(code).isascii() and chr(code).isalnum() else f"\\U{code:08x}"
