"""JSON: its text, and parts of documents by path."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from flyball.rego import decode
from flyball.rego.builtin.desk import LETTERS, builtin, mistyped, too_large, unfit
from flyball.rego.builtin.print import digits
from flyball.rego.decode import DEPTH
from flyball.rego.error import BuiltinFault, OverLimit
from flyball.rego.limit import spend
from flyball.rego.type import ANY, BOOLEAN, STRING, object_of
from flyball.rego.value import Set, name_of, ordered, unkey

_OPTIONS: Final = object_of(STRING, ANY, {"indent": STRING, "prefix": STRING, "pretty": BOOLEAN})
# Go's encoder hides what could end a script, and writes bytes that are no UTF-8 as the replacement character.
_HIDDEN: Final = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
_quoted: Final[Callable[[str], str]] = json.JSONEncoder(ensure_ascii=False).encode


class Writer:
    """Writes values as JSON the way Go does: names in order, no space; or spread over lines with `prefix` and `indent` before each."""

    def __init__(self, name: str, *, spread: bool = False, prefix: str = "", indent: str = "\t") -> None:
        self.name = name
        self.spread = spread
        self.prefix = prefix
        self.indent = indent
        self.parts: list[str] = []
        self.room = LETTERS

    def text(self, value: Any) -> str:
        """The text of a value.

        Raises:
            OverLimit: it is too long.
        """
        self._write(value, 0)
        return "".join(self.parts)

    def _put(self, text: str) -> None:
        self.room -= len(text)
        if self.room < 0:
            raise too_large(self.name, LETTERS, "characters")
        self.parts.append(text)

    def _line(self, depth: int) -> None:
        if self.spread:
            if len(self.indent) * depth > LETTERS:
                raise too_large(self.name, LETTERS, "characters")
            self._put(f"\n{self.prefix}{self.indent * depth}")

    def _write(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind is str:
            self._put(written(value))
        elif kind is int or kind is float:
            self._put(digits(value))
        elif kind is list or kind is Set:
            self._several("[]", [("", one) for one in (value if kind is list else ordered(value))], depth)
        elif kind is dict:
            between = '": ' if self.spread else '":'
            names = {name if type(name) is str else Writer(self.name).text(unkey(name)): held for name, held in value.items()}
            self._several("{}", [(written(name)[:-1] + between, names[name]) for name in sorted(names)], depth)
        else:
            self._put({True: "true", False: "false", None: "null"}[value])

    def _several(self, ends: str, members: list[tuple[str, Any]], depth: int) -> None:
        if not members:
            self._put(ends)
            return
        spend(len(members))
        for place, (front, member) in enumerate(members):
            self._put("," if place else ends[0])
            self._line(depth + 1)
            self._put(front)
            self._write(member, depth + 1)
        self._line(depth)
        self._put(ends[1])


def written(text: str) -> str:
    """A string as Go's encoder writes it."""
    quoted = _quoted(text)
    return _HIDDEN.sub(lambda mark: f"\\u{ord(mark[0]) if mark[0] < chr(0xD800) or mark[0] > chr(0xDFFF) else 0xFFFD:04x}", quoted)


@builtin("json.marshal", (ANY,), STRING)
def marshal(value: Any) -> str:
    """The value as JSON. Sets become arrays; keys that are no strings become their JSON."""
    return Writer("json.marshal").text(value)


@builtin("json.marshal_with_options", (ANY, _OPTIONS), STRING)
def marshal_with_options(value: Any, options: Any) -> str:
    """The value as JSON, spread over lines if `pretty` says so, or `indent` or `prefix` is given and `pretty` does not say otherwise."""
    name = "json.marshal_with_options"
    if type(options) is not dict:
        raise unfit(name, 2, f"must be object but got {name_of(options)}")
    for option in ordered(map(unkey, options)):
        if option not in {"indent", "prefix", "pretty"} if type(option) is str else True:
            raise unfit(name, 2, f"object contained unknown key {marshal(option)}")
        wanted = bool if option == "pretty" else str
        if type(options[option]) is not wanted:
            raise unfit(name, 2, f'key "{option}" failed cast to {"bool" if wanted is bool else "string"}')
    spread = options.get("pretty", "indent" in options or "prefix" in options)
    if not spread:
        return Writer(name).text(value)
    prefix = options.get("prefix", "")
    writer = Writer(name, spread=True, prefix=prefix, indent=options.get("indent", "\t"))
    writer.parts.append(prefix)
    return writer.text(value)


@builtin("json.unmarshal", (STRING,), ANY)
def unmarshal(text: Any) -> Any:
    """The value that JSON text writes."""
    if type(text) is not str:
        raise mistyped("json.unmarshal", text)
    return loaded("json.unmarshal", text)


@builtin("json.is_valid", (STRING,), BOOLEAN)
def is_valid(text: Any) -> bool:
    """Whether it is JSON text; false for what is no string."""
    try:
        if type(text) is str:
            json.loads(text, parse_float=len, parse_int=len, parse_constant=decode.no_number)
    except (ValueError, RecursionError):
        return False
    return type(text) is str


def loaded(name: str, text: str) -> Any:
    """The value of JSON text.

    Raises:
        BuiltinFault: it is no JSON.
        OverLimit: it is nested too deep.
    """
    try:
        return decode.loaded(text)
    except RecursionError as fault:
        raise too_deep(name) from fault
    except ValueError as fault:
        raise BuiltinFault(f"{name}: invalid JSON: {fault}") from fault


def too_deep(name: str) -> OverLimit:
    """The fault of a document that is nested too deep."""
    return OverLimit(f"{name}: nested deeper than {DEPTH}")
