"""Reads templates of Go's `text/template`. Called by `template.py`."""

import re
from ast import literal_eval
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeAlias

_NESTING: Final = 50
_LONGEST: Final = 262_144
_OPEN: Final = re.compile(r"\{\{(?:-(?=\s))?")
_CLOSE: Final = re.compile(r"(?:(?<=\s)-)?\}\}")
_COMMENT: Final = re.compile(r"\s*/\*.*?\*/\s*(?=-?\}\})", re.DOTALL)
_WORD: Final = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<string>\"(?:\\.|[^\"\\\n])*\"|`[^`]*`|'(?:\\.|[^'\\])+')"
    r"|(?P<number>[+-]?[0-9][0-9]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?)"
    r"|(?P<field>\.\w+)|(?P<variable>\$\w*)|(?P<name>\w+)|(?P<mark>:=|[=|(),.])",
)
_LITERAL: Final = re.compile(
    r"([\"'])(?:[^\\]|\\(?:[abfnrtv\\\"']|x[0-9a-fA-F]{2}|[0-7]{3}|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|U00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4}))*\1"
)
_BLOCKS: Final = frozenset(("if", "range", "with"))
_CONSTANTS: Final[dict[str, Any]] = {"true": True, "false": False, "nil": None}
FUNCTIONS: Final = frozenset(
    ("and", "or", "not", "len", "index", "slice", "print", "println", "printf", "html", "urlquery", "eq", "ne", "lt", "le", "gt", "ge")
)


@dataclass(frozen=True, slots=True)
class Operand:
    """`kind` is `dot`, `variable`, `constant`, `function` or `pipe`; `fields` are looked up in it one after the other."""

    kind: str
    value: Any = None
    fields: tuple[str, ...] = ()


Command: TypeAlias = tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each with the value of the one before as its last operand. `names` are the variables that it declares or `assigns`."""

    commands: tuple[Command, ...]
    names: tuple[str, ...] = ()
    assigns: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """`kind` is `if`, `range`, `with`, `break` or `continue`."""

    kind: str
    pipe: Pipe | None = None
    body: "Script" = ()
    other: "Script" = ()


Script: TypeAlias = tuple["str | Pipe | Block", ...]
_Words: TypeAlias = list[tuple[str, str]]


@lru_cache(maxsize=128)
def parsed(text: str) -> Script | str:
    """The template, or what is wrong with it."""
    if len(text) > _LONGEST:
        return "too long"
    try:
        return _Reader(text).whole()
    except _MalformedError as fault:
        return str(fault)


class _MalformedError(ValueError):
    """A template that cannot be read."""


class _Reader:
    """Reads one template: `parts` are texts and actions that are still to be read, `known` the variables in sight."""

    def __init__(self, text: str) -> None:
        self.parts: list[str | _Words] = _parts(text)[::-1]
        self.known: list[str] = ["$"]
        self.open: list[str] = []
        self.words: _Words = []

    def whole(self) -> Script:
        """The template."""
        script, end = self._script()
        if end:
            raise _MalformedError(f"unexpected {{{{{end}}}}}")
        return script

    def _script(self) -> tuple[Script, str]:
        """What stands up to the next `else` or `end`, and which of them it is; the words behind `else` are left."""
        found: list[str | Pipe | Block] = []
        depth = len(self.known)
        while self.parts:
            part = self.parts.pop()
            if isinstance(part, str):
                found.append(part)
                continue
            self.words = part[::-1]
            word = self._peek()[1]
            if word in {"end", "else"}:
                self.words.pop()
                self._space()
                del self.known[depth:]
                return tuple(found), word
            found.append(self._block(word) if word in _BLOCKS | {"break", "continue"} else self._pipe())
            if self.words:
                raise _MalformedError(f"unexpected {self._peek()[1]!r}")
        return tuple(found), ""

    def _block(self, kind: str) -> Block:
        self.words.pop()
        if kind in {"break", "continue"}:
            if "range" not in self.open:
                raise _MalformedError(f"{{{{{kind}}}}} outside {{{{range}}}}")
            return Block(kind)
        if len(self.open) >= _NESTING:
            raise _MalformedError("nested too deeply")
        depth = len(self.known)
        self.open.append(kind)
        pipe = self._pipe(loops=kind == "range")
        if self.words:
            raise _MalformedError(f"unexpected {self._peek()[1]!r} in {kind}")
        body, end = self._script()
        self.open.pop()
        other: Script = ()
        if end == "else" and self.words:
            word = self._peek()[1]
            if word != kind or kind == "range":
                raise _MalformedError(f"unexpected {word!r} in else")
            other, end = (self._block(kind),), "end"
        elif end == "else":
            other, end = self._script()
        if end != "end":
            raise _MalformedError(f"no {{{{end}}}} of {{{{{kind}}}}}")
        del self.known[depth:]
        return Block(kind, pipe, body, other)

    def _space(self) -> None:
        while self._peek()[0] == "space":
            self.words.pop()

    def _peek(self) -> tuple[str, str]:
        return self.words[-1] if self.words else ("", "")

    def _pipe(self, *, loops: bool = False) -> Pipe:
        names, assigns = self._names(loops=loops)
        commands = [self._command()]
        while self._peek()[1] == "|":
            self.words.pop()
            commands.append(self._command())
            if commands[-1][0].kind != "function":
                raise _MalformedError("non executable command in pipeline")
        if not assigns:
            self.known += names
        return Pipe(tuple(commands), names, assigns)

    def _names(self, *, loops: bool) -> tuple[tuple[str, ...], bool]:
        """The variables before `:=` or `=`, if there are any."""
        marks = [word for kind, word in self.words[::-1] if kind != "space"]
        count = 3 if loops and marks[1:2] == [","] else 1
        if marks[count : count + 1] not in ([":="], ["="]) or not all(name[0] == "$" for name in marks[0:count:2]):
            return (), False
        names = tuple(marks[0:count:2])
        assigns = marks[count] == "="
        if assigns and (count > 1 or names[0] not in self.known):
            raise _MalformedError(f"undefined variable {names[0]!r}")
        while self.words.pop()[1] not in {":=", "="}:
            pass
        return names, assigns

    def _command(self) -> Command:
        found: list[Operand] = []
        while True:
            self._space()
            kind, word = self._peek()
            if not kind or word in {"|", ")"}:
                break
            found.append(self._operand())
        if not found:
            raise _MalformedError("missing value for command")
        return tuple(found)

    def _operand(self) -> Operand:
        kind, word = self.words.pop()
        if kind == "name" and word not in _CONSTANTS:
            if word not in FUNCTIONS:
                raise _MalformedError(f"function {word!r} not defined")
            return Operand("function", word)
        if kind == "field":
            return Operand("dot", None, (word[1:], *self._fields()))
        if word == ".":
            return Operand("dot", None, self._fields())
        if kind == "variable":
            if word not in self.known:
                raise _MalformedError(f"undefined variable {word!r}")
            return Operand("variable", word, self._fields())
        if word == "(":
            return self._group()
        if kind not in {"string", "number", "name"}:
            raise _MalformedError(f"unexpected {word!r} in operand")
        return Operand("constant", _CONSTANTS[word] if kind == "name" else _constant(word))

    def _group(self) -> Operand:
        self.open.append("(")
        if len(self.open) > _NESTING:
            raise _MalformedError("nested too deeply")
        pipe = self._pipe()
        self.open.pop()
        if not self.words or self.words.pop()[1] != ")":
            raise _MalformedError("unclosed left paren")
        return Operand("pipe", pipe, self._fields())

    def _fields(self) -> tuple[str, ...]:
        found = []
        while self._peek()[0] == "field":
            found.append(self.words.pop()[1][1:])
        return tuple(found)


def _constant(word: str) -> Any:
    """A string, a character (which is a number in Go) or a number."""
    if word[0] == "`":
        return word[1:-1]
    if word[0] in "\"'" and not _LITERAL.fullmatch(word):
        raise _MalformedError(f"bad constant {word[:40]}")
    try:
        found = literal_eval(word.lstrip("+"))
    except (ValueError, SyntaxError) as fault:
        raise _MalformedError(f"bad constant {word[:40]}") from fault
    if word[0] != "'":
        return found
    if len(found) != 1:
        raise _MalformedError(f"bad character constant {word[:40]}")
    return ord(found)


def _parts(text: str) -> list[str | _Words]:
    """Texts and the words of actions in turn. A hyphen inside of the braces takes the white space outside of them away."""
    found: list[str | _Words] = []
    at, trims = 0, False
    while opened := _OPEN.search(text, at):
        piece = text[at : opened.start()]
        piece = piece.lstrip() if trims else piece
        found.append(piece.rstrip() if opened[0].endswith("-") else piece)
        comment = _COMMENT.match(text, opened.end())
        words, at = ([], comment.end()) if comment else _words(text, opened.end())
        closed = _CLOSE.match(text, at)
        if not closed:
            raise _MalformedError("unclosed action")
        if not comment:
            found.append(words)
        trims, at = closed[0].startswith("-"), closed.end()
    found.append(text[at:].lstrip() if trims else text[at:])
    return [part for part in found if part != ""]


def _words(text: str, at: int) -> tuple[_Words, int]:
    found: _Words = []
    while not _CLOSE.match(text, at):
        word = _WORD.match(text, at)
        if not word:
            _unread(text[at : at + 20])
        found.append((str(word.lastgroup), word[0]))
        at = word.end()
    while found and found[-1][0] == "space":
        found.pop()
    while found and found[0][0] == "space":
        found.pop(0)
    return found, at


def _unread(text: str) -> NoReturn:
    raise _MalformedError(f"unexpected {text!r} in command" if text else "unclosed action")
