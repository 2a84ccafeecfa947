"""A place in the tokens of one text, and how a mistake is raised there. Below every file of the parser."""

from typing import Final, NoReturn

from flyball.rego.error import Mistake, Place
from flyball.rego.front.lexer import KEYWORDS, Lexer, Token

DEPTH: Final = 100
"""How deep terms may stand in one another, counted in the text and in the tree that it makes."""

CLOSE: Final = {"{": "}", "[": "]", "(": ")"}


class Slip(Exception):  # noqa: N818 - a mistake of the author, no error of the program
    """The first mistake of a statement; caught where the next statement begins."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.what)
        self.mistake = mistake


class Cursor:
    """The tokens of one text and the one that is looked at.

    Attributes:
        token: the one that is looked at; `at` is its index.
        wild: how many wildcards were met.
        depth: how many terms are open around the place.
        height: of the tree of the term that was read last.
        memo: composite terms that were read before, by the index of their first token: where a text can be read in two ways, nothing is
            read twice.
    """

    def __init__(self, file: str, lexer: Lexer) -> None:
        self.file = file
        self.tokens = lexer.tokens
        self.at = 0
        self.token = self.tokens[0]
        self.wild = self.depth = self.height = 0

    def step(self) -> Token:
        """Goes to the next token; the one that was looked at."""
        token = self.token
        self.at += 1
        self.token = self.tokens[self.at]
        return token

    def back(self, mark: int) -> None:
        """Goes to the token of that index."""
        self.at = mark
        self.token = self.tokens[mark]

    def place(self, token: Token) -> Place:
        """Where a token stands."""
        return Place(self.file, token.row, token.col, token.width)

    def since(self, start: Token) -> Place:
        """From `start` to the token before the one that is looked at, or to the end of the row."""
        last = self.tokens[self.at - 1]
        width = last.col + last.width - start.col if last.row == start.row else start.width
        return Place(self.file, start.row, start.col, width)

    def slip(self, what: str, fix: str = "", at: Token | Place | None = None) -> NoReturn:
        """Raises the mistake."""
        at = at or self.token
        place = at if isinstance(at, Place) else self.place(at)
        raise Slip(Mistake(place, "rego_parse_error", what, fix))

    def unexpected(self, expected: str = "", fix: str = "") -> NoReturn:
        """Raises that the token which is looked at cannot stand there."""
        token = self.token
        if token.kind == "bad":
            self.slip(token.text, token.fix)
        what = f"unexpected {called(token)}"
        self.slip(f"{what}: expected {expected}" if expected else what, fix)

    def expect(self, kind: str, expected: str = "") -> Token:
        """The token that is looked at, which has to be of that kind; goes on."""
        if self.token.kind != kind:
            self.unexpected(expected or kind)
        return self.step()

    def deeper(self) -> None:
        """A term opens. Whoever calls this takes one from `depth` when it is closed."""
        self.depth += 1
        if self.depth > DEPTH:
            self.too_deep()

    def too_deep(self, at: Token | None = None) -> NoReturn:
        """Raises that terms stand too deep in one another."""
        self.slip(f"nested deeper than {DEPTH} levels", "give parts of it names in rules of their own", at)

    def touches(self) -> bool:
        """Whether the next token but one, a `.` or `[`, follows directly: then a keyword begins a reference."""
        after = self.tokens[self.at + 1]
        return not after.gap and after.kind in {".", "["}


def called(token: Token) -> str:
    """What a mistake calls the token."""
    if token.kind in KEYWORDS:
        return f"{token.kind} keyword"
    named = {"ident": "identifier", "part": "template string", "tail": "template string"}
    return f"{named.get(token.kind, token.kind)} token"
