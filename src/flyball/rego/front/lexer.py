"""Text of Rego to tokens and comments. Called by cursor.py. Never raises: what is no token becomes a token of kind `bad`."""

import re
from typing import Final, NamedTuple

KEYWORDS: Final = frozenset("as contains default else every false if import in not null package some true with".split())

_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*(?:
    (?P<ident>[A-Za-z_][A-Za-z_\d]*)
    |(?P<mark>:=|==|!=|<=|>=|[-+*/%&|=<>.,;:()\[\]{}])
    |(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*")
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    |(?P<comment>\#[^\n]*)
    |(?P<raw>`[^`]*`)
    |(?P<template>\$["`])
    |(?P<bad>[^ \t\r\n])
    |\Z)""",
    re.VERBOSE,
)
_PART: Final = {'"': re.compile(r'[^"\\\n{]*(?:\\.[^"\\\n{]*)*'), "`": re.compile(r"[^`\\{]*(?:\\\{?[^`\\{]*)*")}
_NUMBER: Final = re.compile(r"[\w.]+")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SHORT: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_REST_OF_WORD: Final = re.compile(r"[^\s\"`,;()\[\]{}]+|.", re.DOTALL)
_NEVER: Final = re.compile("[\0\ufeff\ud800-\udfff]")
_NAMED: Final = {"\0": "illegal null character", "\ufeff": "illegal byte-order mark"}
BOM: Final = "\ufeff"


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: a keyword, a mark (`:=`), or `ident`, `string`, `number`, `bad`, `eof`, or of a template `template` (its opening quote), `part` (text before an
            expression), `tail` (text at its end).
        text: as written; of strings and parts what they mean; of `bad` what is wrong.
        row, col, width: where it stands, from 1, in characters; the width ends at the end of the row.
        line: whether a row ended since the token before.
        gap: whether anything stands between it and the token before.
        fix: of `bad`, what to do next.
    """

    kind: str
    text: str
    row: int
    col: int
    width: int = 1
    line: bool = False
    gap: bool = False
    fix: str = ""


class Comment(NamedTuple):
    """One comment: what follows `#`, and where the `#` stands."""

    text: str
    row: int
    col: int


class Lexer:
    """One text on its way to tokens. `tokens` ends with two of kind `eof`, so that one can always look ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.comments: list[Comment] = []
        self.at = self.begin = 1 if text.startswith(BOM) else 0  # where to go on, and where the row began
        self.row = 1
        self.depth = 0
        self.open: list[tuple[str, int]] = []  # templates around the place: their quote, and the depth of braces outside
        self.line = self.gap = False

    def scan(self) -> "Lexer":
        """Reads the whole text."""
        never = _NEVER.search(self.text, self.at)
        text = self.text[: never.start()] if never else self.text
        match = _TOKEN.match
        while found := match(text, self.at):
            kind = found.lastgroup
            start = found.start(kind) if kind else found.end()
            if start != self.at:
                self._space(text, start)
            self.at = found.end()
            if kind is None:
                break
            self._take(kind, text, start)
            if kind != "comment":
                self.line = self.gap = False
        if never:
            self._bad(self.at, 1, _NAMED.get(never[0], "illegal utf-8 character"), "take the character out, or write it as \\uXXXX")
        end = Token("eof", "", self.row, self.at - self.begin + 1, 1, self.line, gap=True)
        self.tokens += (end, end)
        return self

    def _space(self, text: str, start: int) -> None:
        self.gap = True
        if rows := text.count("\n", self.at, start):
            self.line = True
            self._rows(rows, text, start)

    def _rows(self, rows: int, text: str, end: int) -> None:
        self.row += rows
        self.begin = text.rindex("\n", 0, end) + 1

    def _add(self, kind: str, meaning: str, start: int) -> None:
        self.tokens.append(Token(kind, meaning, self.row, start - self.begin + 1, self.at - start, self.line, self.gap))

    def _bad(self, start: int, width: int, what: str, fix: str) -> None:
        self.tokens.append(Token("bad", what, self.row, start - self.begin + 1, width, self.line, self.gap, fix))

    def _take(self, kind: str, text: str, start: int) -> None:
        if kind == "ident":
            word = text[start : self.at]
            self._add(word if word in KEYWORDS else "ident", word, start)
        elif kind == "mark":
            self._mark(text, start)
        elif kind == "string":
            self._string("string", text[start + 1 : self.at - 1], start)
        elif kind == "number":
            self._number(text, start)
        elif kind == "comment":
            self.gap = True
            self.comments.append(Comment(text[start + 1 : self.at].rstrip("\r"), self.row, start - self.begin + 1))
        elif kind == "raw":
            self._many("string", text[start + 1 : self.at - 1], start)
        elif kind == "template":
            self._add("template", "", start)
            self.line = self.gap = False
            self.open.append((text[start + 1], self.depth))
            self._part(text, self.at)
        else:
            self._strange(text, start)

    def _mark(self, text: str, start: int) -> None:
        mark = text[start : self.at]
        if mark == "{":
            self.depth += 1
        elif mark == "}":
            if self.open and self.open[-1][1] == self.depth:
                self._part(text, start)
                return
            self.depth -= 1
        self._add(mark, mark, start)

    def _part(self, text: str, start: int) -> None:
        quote, _ = self.open[-1]
        found = _PART[quote].match(text, self.at)
        inner = found[0] if found else ""
        self.at += len(inner)
        ends = text[self.at : self.at + 1]
        if ends not in {quote, "{"}:
            self.open.pop()
            self._open_ended(text, start, "template string")
            return
        kind = "part" if ends == "{" else "tail"
        if kind == "tail":
            self.open.pop()
        self.at += 1
        if quote == '"':
            self._string(kind, inner, start)
        else:
            self._many(kind, inner.replace("\\{", "{"), start)

    def _many(self, kind: str, meaning: str, start: int) -> None:
        """A token that may go over many rows."""
        rows = self.text.count("\n", start, self.at)
        width = self.text.index("\n", start) - start if rows else self.at - start
        self.tokens.append(Token(kind, meaning, self.row, start - self.begin + 1, width, self.line, self.gap))
        if rows:
            self._rows(rows, self.text, self.at)

    def _string(self, kind: str, inner: str, start: int) -> None:
        if "\\" in inner:
            first = self.text.index(inner, start)
            try:
                inner = unescape(inner, brace=kind != "string")
            except EscapeError as wrong:
                self._bad(first + wrong.at, wrong.width, "illegal escape sequence in a string", wrong.fix)
                return
        self._add(kind, inner, start)

    def _number(self, text: str, start: int) -> None:
        after = text[self.at : self.at + 1]
        word = text[start : self.at]
        if after.isalnum() or after == "_" or (after == "." and "." not in word):
            rest = _NUMBER.match(text, start)
            self.at = max(self.at, rest.end()) if rest else self.at
            what = "expected fraction" if after == "." else "expected exponent" if after in "eE" else "illegal number format"
            self._bad(start, self.at - start, f"{what} in {text[start : self.at]}", "")
        else:
            self._add("number", word, start)

    def _open_ended(self, text: str, start: int, what: str, quote: str = '"') -> None:
        end = text.find("\n", start) if quote == '"' else len(text)
        self.at = end if end >= 0 else len(text)
        fix = 'close it with " in the same row; text of several rows stands in `...`' if quote == '"' else "close it with `"
        row_end = text.find("\n", start)
        self._bad(start, (row_end if row_end >= 0 else len(text)) - start, f"non-terminated {what}", fix)
        if quote == "`" and (rows := text.count("\n", start)):
            self._rows(rows, text, self.at)

    def _strange(self, text: str, start: int) -> None:
        char = text[start]
        if char in '"`':
            self._open_ended(text, start, "string", char)
            return
        self._bad(start, 1, f"illegal {char} character", "")


class EscapeError(ValueError):
    """An escape that means nothing: where it begins in the text, and how wide it is."""

    def __init__(self, at: int, width: int, fix: str) -> None:
        super().__init__(fix)
        self.at, self.width, self.fix = at, width, fix


def unescape(inner: str, *, brace: bool = False) -> str:
    """What the inside of a quoted string means; raises EscapeError. `brace` allows `\\{`, as in templates."""
    parts: list[str] = []
    done = 0
    high = ""
    for found in _ESCAPE.finditer(inner):
        if high and found.start() != done:
            break
        code, char = found.groups()
        parts.append(inner[done : found.start()])
        done = found.end()
        if code is not None:
            value = chr(int(code, 16))
            if high:
                if not "\udc00" <= value <= "\udfff":
                    break
                value = (high + value).encode("utf-16", "surrogatepass").decode("utf-16")
                high = ""
            elif "\ud800" <= value <= "\udbff":
                high = value
                continue
            elif "\udc00" <= value <= "\udfff":
                raise EscapeError(found.start(), 6, "a low surrogate needs its high one before it, as in \\ud83d\\ude00")
            parts.append(value)
        elif high:
            break
        elif char in _SHORT:
            parts.append(_SHORT[char])
        elif char == "{" and brace:
            parts.append("{")
        else:
            raise EscapeError(
                found.start(),
                len(found[0]),
                'write \\\\ for a backslash, or the string in `...`; known are \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX',
            )
    if high:
        raise EscapeError(done - 6, 6, "a high surrogate needs its low one after it, as in \\ud83d\\ude00")
    parts.append(inner[done:])
    return "".join(parts)
