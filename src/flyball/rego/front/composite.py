"""Arrays, objects, sets, and their comprehensions."""

from abc import ABC, abstractmethod

from flyball.rego.front.cursor import Cursor
from flyball.rego.front.lexer import CLOSE, Lexer, Token
from flyball.rego.tree import Array, Body, Comprehension, Object, SetOf, Term


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
    def infix(self, begun: tuple[Token, Term] | None = None, *, listed: bool = False) -> Term:
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
        if opening.kind == "[":
            found = self._members(opening, "array")
            term = found if isinstance(found, Comprehension) else Array(found, self.since(opening))
        else:
            term = self._braced(opening)
        self.open.pop()
        self.memo[mark] = (term, self.at, self.height)
        return term

    def items(self, opening: Token) -> tuple[Term, ...]:
        """Terms between commas, up to the bracket that closes `opening`."""
        end = CLOSE[opening.kind]
        items: list[Term] = []
        high = 0
        while self.token.kind != end:
            items.append(self.infix(listed=True))
            high = max(high, self.height)
            if self.token.kind == ",":
                self.step()
            elif self.token.kind != end:
                self.unexpected(f", or {end}", "put a comma between the items")
        self.step()
        self.height = high + 1
        return tuple(items)

    def _members(self, opening: Token, kind: str) -> tuple[Term, ...] | Comprehension:
        mark = self.at
        if self.token.kind != CLOSE[opening.kind]:
            head = self.term()
            if self.token.kind == "|" and (body := self._such(opening)) is not None:
                return Comprehension(kind, head, body, None, self.since(opening))
            self.back(mark)
        return self.items(opening)

    def _such(self, opening: Token) -> Body | None:
        """The body after `|`; None where it is none but the right side of a union, in a list."""
        high = self.height
        self.step()
        body = self.body(opening, listed=True)
        self.height = max(high, self.height) + 1
        return body

    def _braced(self, opening: Token) -> Term:
        if self.token.kind == "}":
            self.step()
            return Object((), self.since(opening))
        mark, start = self.at, self.token
        left = self.term()
        if self.token.kind not in {"|", ",", "}", ":"}:
            left = self.infix((start, left), listed=True)
        if self.token.kind == ":":
            return self._object(opening, left)
        self.back(mark)
        found = self._members(opening, "set")
        return found if isinstance(found, Comprehension) else SetOf(found, self.since(opening))

    def _object(self, opening: Token, key: Term) -> Object | Comprehension:
        """An object from the first colon on."""
        high = self.height
        self.step()
        mark, start = self.at, self.token
        value = self.term()
        if self.token.kind == "|":
            self.height = max(high, self.height)
            if (body := self._such(opening)) is not None:
                return Comprehension("object", value, body, key, self.since(opening))
            self.back(mark)
            value = self.infix(listed=True)
        else:
            value = self.infix((start, value), listed=True)
        pairs = [(key, value)]
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
