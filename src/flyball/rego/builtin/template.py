"""`strings.render_template`: Go's `text/template`, rendered with an object.

Not taken are `define`, `template`, `block`, `call` and `js`. As in OPA, numbers of the object come as text: `{{if .n}}` holds for 0 too,
and they compare with strings only. What is missing is written `<undefined>`.
"""

import html
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote_plus

from flyball.rego.builtin.desk import LETTERS, STEPS, builtin, mistyped, too_large
from flyball.rego.builtin.format import written
from flyball.rego.builtin.print import digits
from flyball.rego.builtin.script import Block, Command, Operand, Pipe, Script, parsed
from flyball.rego.decode import from_octets, octets
from flyball.rego.error import BuiltinFault
from flyball.rego.type import ANY, STRING, object_of
from flyball.rego.value import plain

_NAME: Final = "strings.render_template"


@builtin(_NAME, (STRING, object_of(STRING, ANY)), STRING)
def render_template(template: Any, values: Any) -> str:
    """The template with these values."""
    if type(template) is not str or type(values) is not dict:
        raise mistyped(_NAME, template, values)
    script = parsed(template)
    if isinstance(script, str):
        raise _wrong(script)
    return _Page(_spelled(plain(values))).text(script)


def _wrong(what: str) -> BuiltinFault:
    return BuiltinFault(f"{_NAME}: template: template: {what}")


def _spelled(value: Any) -> Any:
    """The value with its numbers as text."""
    if type(value) is list:
        return [_spelled(one) for one in value]
    if type(value) is dict:
        return {name: _spelled(held) for name, held in value.items()}
    return digits(value) if type(value) in {int, float} else value


class _Leave(Exception):
    """`break` or `continue`, on its way to its loop."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class _Page:
    """Writes one page. `names` holds the variables, those of the innermost block last."""

    def __init__(self, values: Any) -> None:
        self.dot = values
        self.names: list[tuple[str, Any]] = [("$", values)]
        self.parts: list[str] = []
        self.room = LETTERS
        self.left = STEPS // 50  # a step here is much longer than elsewhere

    def text(self, script: Script) -> str:
        """The whole page.

        Raises:
            BuiltinFault: it cannot be rendered.
            OverLimit: it is too long, or takes too long.
        """
        self._script(script)
        return "".join(self.parts)

    def _script(self, script: Script) -> None:
        depth = len(self.names)
        for one in script:
            self._step()
            if isinstance(one, str):
                self._put(one)
            elif isinstance(one, Pipe):
                value = self._pipe(one)
                if not one.names:
                    self._put("<undefined>" if value is None else _printed(value))
            else:
                self._block(one)
        del self.names[depth:]

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise too_large(_NAME, STEPS // 50, "steps")

    def _put(self, text: str) -> None:
        self.room -= len(text)
        if self.room < 0:
            raise too_large(_NAME, LETTERS, "characters")
        self.parts.append(text)

    def _block(self, block: Block) -> None:
        if block.kind in {"break", "continue"}:
            raise _Leave(block.kind)
        depth, dot = len(self.names), self.dot
        value = self._pipe(block.pipe) if block.pipe else None
        if block.kind == "range":
            self._loop(block, value, depth)
        elif _true(value):
            self.dot = value if block.kind == "with" else dot
            self._script(block.body)
        else:
            self._script(block.other)
        self.dot = dot
        del self.names[depth:]

    def _loop(self, block: Block, value: Any, depth: int) -> None:
        if value is not None and type(value) not in {list, dict}:
            raise _wrong(f"range can't iterate over {_printed(value)[:40]}")
        pairs = list(enumerate(value)) if type(value) is list else sorted((value or {}).items())
        if not pairs:
            self._script(block.other)
        names = block.pipe.names if block.pipe else ()
        for name, held in pairs:
            self._step()
            del self.names[depth:]
            self.names += zip(names, (name, held) if len(names) == 2 else (held,), strict=False)  # noqa: PLR2004 - a key and a value
            self.dot = held
            try:
                self._script(block.body)
            except _Leave as leave:
                if leave.what == "break":
                    break

    def _pipe(self, pipe: Pipe) -> Any:
        value: Any = None
        for place, command in enumerate(pipe.commands):
            value = self._command(command, [value] if place else [])
        if pipe.names and pipe.assigns:
            at = max(place for place, (name, _) in enumerate(self.names) if name == pipe.names[0])
            self.names[at] = (pipe.names[0], value)
        elif len(pipe.names) == 1:
            self.names.append((pipe.names[0], value))
        return value

    def _command(self, command: Command, last: list[Any]) -> Any:
        self._step()
        first, *others = command
        if first.kind == "function":
            return self._call(str(first.value), others, last)
        if others or last:
            raise _wrong(f"can't give argument to non-function {first.value or ''}{''.join(f'.{name}' for name in first.fields)}")
        return self._operand(first)

    def _call(self, name: str, operands: list[Operand], last: list[Any]) -> Any:
        if name in {"and", "or"}:
            found: Any = None
            for one in [*operands, *(Operand("constant", value) for value in last)]:
                found = self._operand(one)
                if _true(found) is (name == "or"):
                    break
            return found
        function, least, most = _FUNCTIONS[name]
        given = [*map(self._operand, operands), *last]
        if not least <= len(given) <= most:
            raise _wrong(f"wrong number of args for {name}: want {least} got {len(given)}")
        return function(*given)

    def _operand(self, operand: Operand) -> Any:
        value = operand.value
        if operand.kind == "dot":
            value = self.dot
        elif operand.kind == "variable":
            value = next(held for name, held in reversed(self.names) if name == operand.value)
        elif isinstance(value, Pipe):
            value = self._pipe(value)
        elif operand.kind == "function":
            value = self._call(str(operand.value), [], [])
        for name in operand.fields:
            if value is not None and type(value) is not dict:
                raise _wrong(f"can't evaluate field {name} in {_printed(value)[:40]}")
            value = value.get(name) if value else None
        return value


def _true(value: Any) -> bool:
    return bool(value)


def _printed(value: Any) -> str:
    """The value as Go's `fmt` shows it."""
    if type(value) is str:
        return value
    if value is None:
        return "<nil>"
    if type(value) is list:
        return f"[{' '.join(map(_printed, value))}]"
    if type(value) is dict:
        return f"map[{' '.join(f'{name}:{_printed(held)}' for name, held in sorted(value.items()))}]"
    return f"{value}".lower() if type(value) is bool else written("%v", [value])


def _len(value: Any) -> int:
    if type(value) in {list, dict}:
        return len(value)
    if type(value) is str:
        return len(octets(value))
    raise _wrong(f"len of {_printed(value)[:40]}")


def _index(value: Any, *steps: Any) -> Any:
    for step in steps:
        if type(value) is dict and type(step) is str:
            value = value.get(step)
        elif type(value) is list and type(step) is int and 0 <= step < len(value):
            value = value[step]
        else:
            raise _wrong(f"cannot index {_printed(value)[:40]} with {_printed(step)[:40]}")
    return value


def _slice(value: Any, *ends: Any) -> Any:
    whole = octets(value) if type(value) is str else value
    places = [*ends[:2], *(0, len(whole))[len(ends) :]] if type(whole) in {bytes, list} else []
    if not all(type(place) is int for place in places) or not places or not 0 <= places[0] <= places[1] <= len(whole):
        raise _wrong("cannot slice: index out of range")
    part = whole[places[0] : places[1]]
    return from_octets(part) if type(part) is bytes else part


def _print(*values: Any) -> str:
    parts = []
    for place, value in enumerate(values):
        if place and type(value) is not str and type(values[place - 1]) is not str:
            parts.append(" ")
        parts.append(_printed(value))
    return "".join(parts)


def _alike(one: Any, other: Any) -> None:
    kinds = [type(one), type(other)]
    if kinds[0] is not kinds[1] or kinds[0] in {list, dict}:
        raise _wrong("incompatible types for comparison")


def _eq(one: Any, *others: Any) -> bool:
    for other in others:
        if one is not None and other is not None:
            _alike(one, other)
        if one == other:
            return True
    return False


def _less(one: Any, other: Any) -> bool:
    _alike(one, other)
    if type(one) is bool or one is None:
        raise _wrong("invalid type for comparison")
    return bool(one < other)


def _printf(form: Any, *values: Any) -> str:
    if type(form) is not str:
        raise _wrong("printf: its form is no string")
    return written(form, [value if type(value) in {int, float, str} else _printed(value) for value in values])


def _escaped(value: str) -> str:
    return html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;").replace("\0", "\ufffd")


_ANY_NUMBER: Final = 1_000
_FUNCTIONS: Final[dict[str, tuple[Callable[..., Any], int, int]]] = {
    "not": (lambda value: not _true(value), 1, 1),
    "len": (_len, 1, 1),
    "index": (_index, 1, _ANY_NUMBER),
    "slice": (_slice, 1, 3),
    "print": (_print, 0, _ANY_NUMBER),
    "println": (lambda *values: " ".join(map(_printed, values)) + "\n", 0, _ANY_NUMBER),
    "printf": (_printf, 1, _ANY_NUMBER),
    "html": (lambda *values: _escaped(_print(*values)), 1, _ANY_NUMBER),
    "urlquery": (lambda *values: quote_plus(octets(_print(*values))), 1, _ANY_NUMBER),
    "eq": (_eq, 2, _ANY_NUMBER),
    "ne": (lambda one, other: not _eq(one, other), 2, 2),
    "lt": (_less, 2, 2),
    "le": (lambda one, other: not _less(other, one), 2, 2),
    "gt": (lambda one, other: _less(other, one), 2, 2),
    "ge": (lambda one, other: not _less(one, other), 2, 2),
}
