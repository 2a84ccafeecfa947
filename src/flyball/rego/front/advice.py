"""What to do about a token that cannot stand where it stands: the slips that people make, and one line for each. Called by cursor.py."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from flyball.rego.front.lexer import CLOSE, KEYWORDS, Token

_OTHER_WORDS: Final = {
    "and": "conditions that must all hold stand in rows of their own, or apart by ;",
    "or": "write a second rule of the same name, or x in {a, b}",
    "elif": "write else if",
    "elsif": "write else if",
    "elseif": "write else if",
    "return": "the value of a rule stands in its head: name := value if { ... }",
    "for": "write some x in xs, or every x in xs { ... }",
    "foreach": "write some x in xs, or every x in xs { ... }",
}
_PAIRS: Final = {
    ("&", "&"): _OTHER_WORDS["and"],
    ("|", "|"): _OTHER_WORDS["or"],
    ("=", ">"): "write >= for at least",
    ("=", "<"): "write <= for at most",
    ("<", ">"): "write != for not equal",
    ("==", "="): "write == for a comparison",
    (":", "="): "write := in one word",
    ("/", "/"): "comments begin with #",
    ("/", "*"): "comments begin with #",
    (",", ","): "take one of the commas away",
}


def advise(tokens: Sequence[Token], at: int, opened: Sequence[Token]) -> tuple[str, Token]:
    """What to do about the token of that index, inside of the brackets `opened`, and the token to point at; an empty text for no advice."""
    token = tokens[at]
    fix = token.fix or _paired(tokens, at) or (_OTHER_WORDS.get(token.text, "") if token.kind == "ident" else "")
    fix = fix or _balanced(tokens, at, opened) or ("take the comma away" if token.kind == "," else "")
    return (fix, token) if fix or token.kind == "bad" else _misspelt(token, tokens[at - 1])


def _paired(tokens: Sequence[Token], at: int) -> str:
    """About two marks that make no mark of Rego together."""
    found = (
        _PAIRS.get((left.kind, right.kind), "")
        for left, right in zip(tokens[at - 1 : at + 1], tokens[at : at + 2], strict=False)
        if not right.gap
    )
    return next(filter(None, found), "")


def _balanced(tokens: Sequence[Token], at: int, opened: Sequence[Token]) -> str:
    """About brackets that nothing closes, or that close nothing."""
    kind = tokens[at].kind
    if not opened:
        return "nothing is open here: take it away, or open it before" if kind in CLOSE.values() else ""
    inner = f"close the {opened[-1].kind} of row {opened[-1].row}, column {opened[-1].col}"
    if kind == "eof":
        return inner
    if kind in CLOSE.values():
        return f"{inner} before it"
    return f"{inner} before this row" if kind in {"if", "default", "import"} and _begins_rule(tokens, at) else ""


def _misspelt(token: Token, before: Token) -> tuple[str, Token]:
    """About a word that is nearly a keyword."""
    for word in (token, before):
        if word.kind == "ident" and (word is token or not token.line) and (near := get_close_matches(word.text, KEYWORDS, 1, 0.75)):
            return f"did you mean {near[0]}?", word
    return "", token


def _begins_rule(tokens: Sequence[Token], at: int) -> bool:
    """Whether the row of the token begins in the first column, as rules do."""
    row = tokens[at].row
    while at and tokens[at - 1].row == row:
        at -= 1
    return tokens[at].col == 1
