"""Arrays, objects, sets, and their comprehensions."""

from abc import ABC, abstractmethod
from typing import TypeAlias

from flyball.rego.front.cursor import Cursor
from flyball.rego.front.lexer import CLOSE, Lexer, Token
from flyball.rego.tree import Array, Body, Comprehension, Object, SetOf, Term

Begun: TypeAlias = tuple[Token, Term]
"""A term that was read as far as its first operator, behind its first token."""


class Composites(Cursor, ABC):
    """A cursor that reads what stands between brackets.

    Attributes:
        memo: composite terms that were read before, the index after each and its height, by the index of their first token. `[a | b`
            begins a comprehension or a list, which only a later token tells; so nothing is read more than twice.
    """

    def __init__(self, file: str, lexer: Lexer) -> None:
        super().__init__(file, lexer)
        self.memo: dict[int, tuple[Term, int, int]] = {}

    @abstractmethod
    def term(self) -> Term:
        """A term without operators."""

    @abstractmethod
    def infix(self, begun: Begun | None = None, *, listed: bool = False) -> Term:
        """A term with operators."""

    @abstractmethod
    def body(self, opening: Token, *, listed: bool = False) -> Body | None:
        """Expressions up to the bracket that closes `opening`; None where `listed` and a comma ends an expression."""

    def composite(self) -> Term:
        """`[...]` or `{...}`."""
        mark = self.at
        if known := self.memo.get(mark):
            term, after, self.height = known
            self.back(after)
            return term
        opening = self.step()
        self.deeper(opening)
        term = self._array(opening) if opening.kind == "[" else self._braced(opening)
        self.open.pop()
        self.memo[mark] = (term, self.at, self.height)
        return term

    def items(self, opening: Token, begun: Begun | None = None) -> tuple[Term, ...]:
        """Terms between commas, up to the bracket that closes `opening`. `begun` is the first one, as far as it was read."""
        end = CLOSE[opening.kind]
        items: list[Term] = []
        high = 0
        while begun or self.token.kind != end:
            items.append(self.infix(begun, listed=True))
            begun = None
            high = max(high, self.height)
            if self.token.kind == ",":
                self.step()
            elif self.token.kind != end:
                self.unexpected(f", or {end}", "put a comma between the items")
        self.step()
        self.height = high + 1
        return tuple(items)

    def _array(self, opening: Token) -> Array | Comprehension:
        if self.token.kind == "]":
            return Array(self.items(opening), self.since(opening))
        first = self._first(opening, "array")
        return first if isinstance(first, Comprehension) else Array(self.items(opening, first), self.since(opening))

    def _braced(self, opening: Token) -> SetOf | Object | Comprehension:
        if self.token.kind == "}":
            self.step()
            return Object((), self.since(opening))
        first = self._first(opening, "set")
        if isinstance(first, Comprehension):
            return first
        start, term = first
        term = self.infix(first, listed=True)
        if self.token.kind == ":":
            return self._object(opening, term)
        return SetOf(self.items(opening, (start, term)), self.since(opening))

    def _first(self, opening: Token, kind: str, key: Term | None = None) -> Begun | Comprehension:
        """The comprehension that begins with a term, or just the term with its first token. After `key` it is the value of the key."""
        mark, start = self.at, self.token
        high = self.height if key else 0
        head = self.term()
        if self.token.kind != "|":
            return start, head
        body = self._such(opening, max(high, self.height))
        if body is not None:
            return Comprehension(kind, head, body, key, self.since(opening))
        self.back(mark)
        return start, self.infix(listed=True)

    def _such(self, opening: Token, high: int) -> Body | None:
        """The body after `|`; None where it is none, but the right side of a union in a list."""
        self.step()
        body = self.body(opening, listed=True)
        self.height = max(high, self.height) + 1
        return body

    def _object(self, opening: Token, key: Term) -> Object | Comprehension:
        """An object from the first colon on."""
        pairs: list[tuple[Term, Term]] = []
        high = self.height
        self.step()
        first = self._first(opening, "object", key)
        if isinstance(first, Comprehension):
            return first
        pairs.append((key, self.infix(first, listed=True)))
        high = max(high, self.height)
        while self.token.kind != "}":
            if self.token.kind != ",":
                self.unexpected(", or }", "put a comma between the pairs")
            self.step()
            if self.token.kind == "}":
                break
            key = self.infix(listed=True)
            high = max(high, self.height)
            if self.token.kind != ":":
                self.unexpected(":", "an object has a value for every key: {key: value}")
            self.step()
            pairs.append((key, self.infix(listed=True)))
            high = max(high, self.height)
        self.step()
        self.height = high + 1
        return Object(tuple(pairs), self.since(opening))
