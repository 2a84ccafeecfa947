"""Tokens of GraphQL (spec, section 2.1). Called by `parser`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Final

from flyball.rego.builtin.print import quoted

NAME, INT, FLOAT, STRING, BLOCK = "Name", "Int", "Float", "String", "BlockString"
END, INVALID = "<EOF>", "<Invalid>"
_BLANK: Final = re.compile(r"(?:[\t ,\ufeff]|#[^\x00-\x08\x0a-\x1f]*)+")
_BREAK: Final = re.compile(r"\r\n?|\n")
_MARK: Final = re.compile(r"\.\.\.|[!$&():=@\[\]{}|]")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_STRING: Final = re.compile(r'"((?:[^"\\\x00-\x08\x0a-\x1f]|\\u[0-9a-fA-F]{4}|\\["\\/bfnrt])*+)"')
_BLOCK: Final = re.compile(r'"""((?:[^"\\\x00-\x08\x0b\x0c\x0e-\x1f]|\\"""|\\|"(?!""))*+)"""')
_ESCAPE: Final = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token; `kind` is one of the above or the mark itself, `place` is row and column, from 1."""

    kind: str
    value: str
    place: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.kind} {quoted(self.value)}" if self.value else self.kind


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a document, and then its end again and again; from where it makes no sense, invalid ones instead."""
    at, row, line = 0, 1, 0  # `line` is where the row begins
    while at < len(text):
        if found := _BREAK.match(text, at):
            row, line, at = row + 1, at + 1, found.end()  # a column after CR LF counts from the LF, as gqlparser counts
        elif found := _BLANK.match(text, at):
            at = found.end()
        elif text.startswith('"""', at):
            found = _BLOCK.match(text, at)
            start, at = at + 3, found.end() if found else len(text)
            for broken in _BREAK.finditer(text, start, at):
                row, line = row + 1, broken.end()
            if found is None:
                yield from repeat(Token(INVALID, "", (row, at - line + 1)))
            else:
                yield Token(BLOCK, _dedented(found[1].replace('\\"""', '"""')), (row, start - line + 1))
        else:
            token, at = _token(text, at, (row, at - line + 1))
            yield token
            if token.kind == INVALID:
                yield from repeat(token)
    yield from repeat(Token(END, "", (row, at - line + 1)))


def _token(text: str, at: int, place: tuple[int, int]) -> tuple[Token, int]:
    """The token that begins here and where it ends."""
    row, col = place
    if found := _MARK.match(text, at):
        return Token(found[0], "", place), found.end()
    if found := _NAME.match(text, at):
        return Token(NAME, found[0], place), found.end()
    if found := _STRING.match(text, at):
        return Token(STRING, _ESCAPE.sub(_unescaped, found[1]), (row, col + 1)), found.end()
    if (found := _NUMBER.match(text, at)) and not _is_cut(text, found):
        return Token(FLOAT if found[1] or found[2] else INT, found[0], place), found.end()
    return Token(INVALID, "", (row, col + (found.end() - at if found else 0))), at


def _is_cut(text: str, number: re.Match[str]) -> bool:
    """Whether the number goes on as no number does: `01`, `1.`, `1e`."""
    after = text[number.end() : number.end() + 1]
    return (
        (after.isdigit() and not number[1] and not number[2]) or (after == "." and not number[1]) or (after in {"e", "E"} and not number[2])
    )


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2])


def _dedented(text: str) -> str:
    """The value of a block string (spec, 2.9.4): without the indent that all lines but the first share, and blank lines at either end."""
    lines = _BREAK.split(text)
    indents = [len(line) - len(line.lstrip(" \t")) for line in lines[1:] if line.strip(" \t")]
    shared = min(indents, default=0)
    lines[1:] = [line[shared:] for line in lines[1:]]
    while lines and not lines[0].strip(" \t"):
        lines.pop(0)
    while lines and not lines[-1].strip(" \t"):
        lines.pop()
    return "\n".join(lines)
