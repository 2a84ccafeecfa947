"""Text of Rego to tokens and comments. Called by module.py. Never raises: what is no token becomes a token of kind `bad`."""

import re
import unicodedata
from typing import Final, NamedTuple

KEYWORDS: Final = frozenset(
    ("as", "contains", "default", "else", "every", "false", "if", "import", "in", "not", "null", "package", "some", "true", "with")
)
CLOSE: Final = {"{": "}", "[": "]", "(": ")"}

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
_ESCAPE: Final = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.?))", re.DOTALL)
_SHORT: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SINGLE: Final = re.compile(r"'[^'\n]*'")
_BOM: Final = "\ufeff"
_NEVER: Final = re.compile("[\0\ufeff\ud800-\udfff]")
_NEVER_NAMED: Final = {"\0": "illegal null character", _BOM: "illegal byte-order mark"}
_STRANGE: Final = {
    "'": 'strings stand in double quotes: "..."',
    "!": "write not for a negation, != for a difference",
    "?": "there is no ?: write a rule with else, or object.get",
    "$": 'a $ begins a template string: $"..."',
    "\\": "a row needs no \\ at its end",
    "@": 'a name has letters, digits and _; other keys stand in quotes: x["@a"]',
    "~": "write regex.match(pattern, text)",
    "^": "write bits.xor(a, b)",
}


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: a keyword, a mark (`:=`), or `ident`, `string`, `number`, `bad`, `eof`, or of a template `template` (its opening quote),
            `part` (text before an expression), `tail` (text at its end).
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
        self.at = self.begin = 1 if text.startswith(_BOM) else 0  # where to go on, and where the row began
        self.never = _NEVER.search(text, self.at)
        self.text = text[: self.never.start()] if self.never else text
        self.tokens: list[Token] = []
        self.comments: list[Comment] = []
        self.row = 1
        self.depth = 0
        self.open: list[tuple[Token, str, int]] = []  # templates around the place: where they begin, their quote, the depth outside
        self.line = self.gap = False

    def scan(self) -> "Lexer":
        """Reads the whole text."""
        text, match = self.text, _TOKEN.match
        while found := match(text, self.at):
            kind = found.lastgroup
            start = found.start(kind) if kind else found.end()
            if start != self.at:
                self.gap = True
                self._rows(self.at, start)
            self.at = found.end()
            if kind is None:
                break
            self._take(kind, start)
            if kind != "comment":
                self.line = self.gap = False
        if self.never:
            self._bad(
                self.at, self.at + 1, _NEVER_NAMED.get(self.never[0], "illegal utf-8 character"), "take it out, or write it as \\uXXXX"
            )
        last = self.tokens[-1] if self.tokens else Token("eof", "", 1, 0)
        end = Token("eof", "", last.row, last.col + last.width, 1, self.line, gap=True)
        self.tokens += (end, end)
        return self

    def _rows(self, start: int, end: int) -> None:
        """Counts the rows that end between two places."""
        if rows := self.text.count("\n", start, end):
            self.line = True
            self.row += rows
            self.begin = self.text.rindex("\n", start, end) + 1

    def _add(self, kind: str, meaning: str, start: int, fix: str = "") -> None:
        """The token from `start` to here."""
        self.tokens.append(Token(kind, meaning, self.row, start - self.begin + 1, self.at - start, self.line, self.gap, fix))

    def _bad(self, start: int, end: int, what: str, fix: str) -> None:
        self.tokens.append(Token("bad", what, self.row, start - self.begin + 1, end - start, self.line, self.gap, fix))

    def _take(self, kind: str, start: int) -> None:
        text, end = self.text, self.at
        match kind:
            case "ident":
                word = text[start:end]
                self._add(word if word in KEYWORDS else "ident", word, start)
            case "mark":
                self._mark(text[start:end], start)
            case "string":
                self._quoted("string", start, start + 1, end - 1)
            case "number":
                self._number(start)
            case "comment":
                self.gap = True
                self.comments.append(Comment(text[start + 1 : end].rstrip("\r"), self.row, start - self.begin + 1))
            case "raw":
                self._many("string", text[start + 1 : end - 1], start)
            case "template":
                self._add("template", "", start)
                self.line = self.gap = False
                self.open.append((self.tokens[-1], text[start + 1], self.depth))
                self._part(end)
            case _:
                self._strange(start)

    def _mark(self, mark: str, start: int) -> None:
        if mark == "{":
            self.depth += 1
        elif mark == "}":
            if self.open and self.open[-1][2] == self.depth:
                self._part(start)
                return
            self.depth -= 1
        self._add(mark, mark, start)

    def _part(self, start: int) -> None:
        """Text of a template from the `}` at `start` (or from there, where the template begins) up to the next `{` or its end."""
        opening, quote, _ = self.open[-1]
        begin = self.at
        found = _PART[quote].match(self.text, begin)
        end = found.end() if found else begin
        sign = self.text[end : end + 1]
        if sign not in {quote, "{"}:
            self.open.clear()
            self.at = end
            self._rows(start, end)
            what, fix = "non-terminated template string", f"close it with {quote}"
            self.tokens.append(Token("bad", what, opening.row, opening.col, opening.width, self.line, self.gap, fix))
            return
        self.at = end + 1
        kind = "part" if sign == "{" else "tail"
        if kind == "tail":
            self.open.pop()
        if quote == '"':
            self._quoted(kind, start, begin, end)
        else:
            self._many(kind, self.text[begin:end].replace("\\{", "{"), start)

    def _many(self, kind: str, meaning: str, start: int) -> None:
        """A token that may go over many rows."""
        end = self.text.find("\n", start, self.at)
        self.tokens.append(
            Token(kind, meaning, self.row, start - self.begin + 1, (self.at if end < 0 else end) - start, self.line, self.gap)
        )
        self._rows(start, self.at)

    def _quoted(self, kind: str, start: int, begin: int, end: int) -> None:
        inner = self.text[begin:end]
        if "\\" in inner:
            meaning, wrong = unescape(inner, brace=kind != "string")
            if wrong:
                at, width, fix = wrong
                self._bad(begin + at, begin + at + width, "illegal escape sequence in a string", fix)
                return
            inner = meaning
        self._add(kind, inner, start)

    def _number(self, start: int) -> None:
        after = self.text[self.at : self.at + 1]
        word = self.text[start : self.at]
        if not (after.isalnum() or after == "_" or (after == "." and "." not in word)):
            self._add("number", word, start)
            return
        rest = _NUMBER.match(self.text, start)
        self.at = rest.end() if rest else self.at
        word = self.text[start : self.at]
        what, fix = "illegal number format", 'a name begins with a letter or _; other keys stand in quotes: x["1a"]'
        if after == ".":
            what, fix = "expected fraction", "write digits after the ."
        elif after in "eE":
            what, fix = "expected exponent", "write digits after the e"
        self._add("bad", f"{what}: {word}", start, fix)

    def _open_ended(self, start: int, quote: str) -> None:
        """A string from `start` that nothing closes: in quotes it ends with its row, in backquotes with the text."""
        row_end = self.text.find("\n", start)
        row_end = len(self.text) if row_end < 0 else row_end
        fix = 'close it with " in the same row; text of several rows stands in `...`' if quote == '"' else "close it with `"
        if self.open:
            fix = "close the { of the template string with a } before it"
        self._bad(start, row_end, "non-terminated string", fix)
        self.at = row_end if quote == '"' else len(self.text)
        self._rows(start, self.at)

    def _strange(self, start: int) -> None:
        char = self.text[start]
        if char in {'"', "`"}:
            self._open_ended(start, char)
        elif found := _SINGLE.match(self.text, start):
            self.at = found.end()
            self._add("bad", "illegal ' character", start, _STRANGE["'"])
        else:
            what, fix = _foreign(char)
            self._add("bad", what, start, fix)


def _foreign(char: str) -> tuple[str, str]:
    """What is wrong with a character that begins no token, and what to do."""
    category = unicodedata.category(char)
    if category in {"Pi", "Pf"} or char in "\u201e\u201f":
        return f"illegal {char} character", 'strings stand in plain double quotes: "..."'
    if category.startswith(("Z", "C")):
        return f"illegal character U+{ord(char):04X}", "write a plain space or tab"
    if category.startswith("L"):
        return f"illegal {char} character", "a name has the letters a to z, digits and _"
    return f"illegal {char} character", _STRANGE.get(char, "")


def unescape(inner: str, *, brace: bool = False) -> tuple[str, tuple[int, int, str] | None]:
    r"""What the inside of a quoted string means, or place, width and remedy of an escape that means nothing. `brace` allows `\{`."""
    parts: list[str] = []
    done = 0
    for found in _ESCAPE.finditer(inner):
        high, low, code, char = found.groups()
        parts.append(inner[done : found.start()])
        done = found.end()
        if high:
            parts.append(chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF)))
        elif code:
            value = chr(int(code, 16))
            if "\ud800" <= value <= "\udfff":
                return "", (found.start(), 6, "half of a pair: write both, as in \\ud83d\\ude00")
            parts.append(value)
        elif char in _SHORT:
            parts.append(_SHORT[char])
        elif char == "{" and brace:
            parts.append("{")
        else:
            fix = "write \\\\ for a backslash, or the string in `...`" if char != "u" else "\\u needs four hexadecimal digits"
            return "", (found.start(), len(found[0]), fix)
    parts.append(inner[done:])
    return "".join(parts), None
