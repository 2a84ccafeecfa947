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
    ("=", "="): "write == in one word",
    ("==", "="): "write == for a comparison",
    (":", "="): "write := in one word",
    ("/", "/"): "comments begin with #",
    ("/", "*"): "comments begin with #",
    (",", ","): "take one of the commas away",
}


def advise(tokens: Sequence[Token], at: int, opened: Sequence[Token]) -> tuple[str, Token]:
    """What to do about the token of that index, inside of the brackets `opened`, and the token to point at; an empty text for no advice."""
    token, before, after = tokens[at], tokens[at - 1], tokens[at + 1]
    fix = token.fix or _PAIRS.get((before.kind, token.kind)) or _PAIRS.get((token.kind, after.kind)) or _balanced(tokens, at, opened)
    if not fix and token.kind in KEYWORDS and not after.gap and after.kind in {".", "["}:
        fix = f"right before a {after.kind} it is a name: put a space between"
    elif not fix and token.kind in {"=", ":="} and opened and opened[-1].kind in {"(", "["}:
        fix = "inside of brackets a comparison is written =="
    elif not fix and token.kind == ",":
        fix = "take the comma away"
    return (fix, token) if fix or token.kind == "bad" else _word(token, before)


def _balanced(tokens: Sequence[Token], at: int, opened: Sequence[Token]) -> str:
    """About brackets that nothing closes, or that close nothing."""
    token = tokens[at]
    if not opened:
        return "nothing is open here: take it away, or open it before" if token.kind in CLOSE.values() else ""
    inner = opened[-1]
    named = f"close the {inner.kind if inner.kind in CLOSE else 'template string'} of row {inner.row}, column {inner.col}"
    if token.kind == "eof":
        return named
    if inner.row < token.row and _begins_rule(tokens, at):
        return f"{named} before this row"
    wrong = (token.kind in CLOSE.values() and token.kind != CLOSE.get(inner.kind)) or token.kind == "if"
    return f"{named} before it" if wrong else ""


def _word(token: Token, before: Token) -> tuple[str, Token]:
    """About a word that other languages have, or that is nearly a keyword: this one, or the one before it in the row."""
    for word in (token, before):
        if word.kind != "ident" or (word is before and token.line):
            continue
        if word.text in _OTHER_WORDS:
            return _OTHER_WORDS[word.text], word
        if near := get_close_matches(word.text, KEYWORDS, 1, 0.75):
            return f"did you mean {near[0]}?", word
    return "", token


def _begins_rule(tokens: Sequence[Token], at: int) -> bool:
    """Whether the row of the token begins with a name in the first column, as rules do."""
    row = tokens[at].row
    while at and tokens[at - 1].row == row:
        at -= 1
    return tokens[at].col == 1 and tokens[at].kind in {"ident", "default", "import"}
