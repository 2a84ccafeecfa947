"""A place in the tokens of one text, and how a mistake is raised there. Below every file of the parser."""

from typing import Final, NoReturn

from flyball.rego.error import Mistake, Place
from flyball.rego.front.advice import advise
from flyball.rego.front.lexer import KEYWORDS, Lexer, Token

DEPTH: Final = 100
"""How deep terms may stand in one another, counted in the text and in the tree that it makes."""

_CALLED: Final = {"ident": "identifier", "template": "string", "part": "string", "tail": "}"}


class Slip(Exception):
    """The first mistake of a statement; caught where the next statement begins."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.what)
        self.mistake = mistake


class Cursor:
    """The tokens of one text and the one that is looked at.

    Attributes:
        token: the one that is looked at; `at` is its index.
        open: the first tokens of the terms and bodies around the place.
        height: of the tree of the term that was read last.
        wild: how many wildcards were met.
    """

    def __init__(self, file: str, lexer: Lexer) -> None:
        self.file = file
        self.text = lexer.text
        self.tokens = lexer.tokens
        self.at = 0
        self.token = self.tokens[0]
        self.open: list[Token] = []
        self.height = self.wild = 0

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

    def expect(self, kind: str, expected: str = "") -> Token:
        """The token that is looked at, which has to be of that kind; goes on."""
        if self.token.kind != kind:
            self.unexpected(expected or kind)
        return self.step()

    def deeper(self, opening: Token) -> None:
        """A term or body opens. Whoever calls this takes it from `open` when it is closed."""
        self.open.append(opening)
        if len(self.open) > DEPTH:
            self.too_deep(opening)

    def touches(self) -> bool:
        """Whether a `.` or `[` follows the token directly: then a keyword is a name, the first of a reference."""
        after = self.tokens[self.at + 1]
        return not after.gap and after.kind in {".", "["}

    def place(self, token: Token) -> Place:
        """Where a token stands."""
        return Place(self.file, token.row, token.col, token.width)

    def since(self, start: Token) -> Place:
        """From `start` to the token before the one that is looked at; only as far as the row of `start` goes."""
        last = self.tokens[self.at - 1]
        if last.row == start.row:
            return Place(self.file, start.row, start.col, last.col + last.width - start.col)
        return Place(self.file, start.row, start.col, start.width)

    def slip(self, what: str, fix: str = "", at: Token | Place | None = None) -> NoReturn:
        """Raises the mistake; at the token that is looked at, where no other place is given."""
        place = at if isinstance(at, Place) else self.place(at or self.token)
        raise Slip(Mistake(place, "rego_parse_error", what, fix))

    def unexpected(self, expected: str, fix: str = "") -> NoReturn:
        """Raises that the token which is looked at cannot stand there; `fix` where nothing better is known."""
        token = self.token
        better, at = advise(self.tokens, self.at, self.open)
        if token.kind == "bad":
            self.slip(token.text, better)
        self.slip(f"unexpected {called(token)}: expected {expected}", better or fix, at)

    def too_deep(self, at: Token) -> NoReturn:
        """Raises that terms stand too deep in one another."""
        self.slip(f"nested deeper than {DEPTH} levels", "give parts of it names, in rules of their own", at)


def called(token: Token) -> str:
    """What a mistake calls the token."""
    if token.kind in KEYWORDS:
        return f"{token.kind} keyword"
    return f"{_CALLED.get(token.kind, token.kind)} token"
