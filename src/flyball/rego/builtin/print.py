"""Values as text, the way people read them: `print`, string templates, and what `%v` of `sprintf` shows."""

from itertools import islice, product
from typing import Any, Final

from flyball.rego.builtin.desk import World, builtin, long, mistyped, too_large
from flyball.rego.builtin.number import small
from flyball.rego.error import Conflict, Fault
from flyball.rego.limit import spend
from flyball.rego.type import ARRAY, BOOLEAN, SET, STRING, array
from flyball.rego.value import Set, key, ordered, unkey

_LINES: Final = 10_000
_FLOAT_BITS: Final = 1024
_FIXED: Final = range(-6, 21)  # exponents that are not written
_BYTES: Final = range(0xDC80, 0xDD00)
_SHORT: Final = 0xFFFF
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
# A number above every float, with this many zeros at its end, was written with an exponent and is shown with one.
_ZEROS: Final = "0" * 25


def digits(number: float) -> str:
    """The number as JSON writes it.

    A float is written without an exponent from 1e-6 up to 1e21 as in Go, where Python's `repr` uses one from 1e-4 down and from 1e16 up.
    """
    if type(number) is int:
        if number.bit_length() <= _FLOAT_BITS:
            return str(number)
        small("number", number)
        text = str(number)
        front = text.rstrip("0")
        return f"{front}e{len(text) - len(front)}" if text.endswith(_ZEROS) else text
    text = repr(number)
    if "n" in text:  # nan, inf: Python's JSON reads them
        raise Fault(f"{text} is no number of Rego")
    if "e" not in text:
        return text
    front, exponent = text.split("e")
    if int(exponent) in _FIXED:
        return format(number, f".{max(len(front.strip('-').replace('.', '')) - 1 - int(exponent), 0)}f")
    return f"{front}e{int(exponent):+d}"


def quoted(text: str, *, plain: bool = False) -> str:
    """The text between quotation marks, with Go's escapes for what cannot be printed; `plain` escapes all that is not ASCII."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(_escaped(mark, plain=plain) for mark in text)}"'


def _escaped(mark: str, *, plain: bool) -> str:
    if mark in _ESCAPES or (mark.isprintable() and (mark.isascii() or not plain)):
        return _ESCAPES.get(mark, mark)
    code = ord(mark)
    if code in _BYTES:  # a byte that is no UTF-8
        return f"\\x{code & 0xFF:02x}"
    return f"\\x{code:02x}" if mark.isascii() else f"\\u{code:04x}" if code <= _SHORT else f"\\U{code:08x}"


def shown(value: Any) -> str:
    """The value as Rego writes it: sets and the keys of objects in order, strings quoted."""
    kind = type(value)
    if kind is str:
        return quoted(value)
    if kind is int or kind is float:
        return digits(value)
    if kind is list or kind is dict or kind is Set:
        spend(len(value))
    if kind is list:
        return f"[{', '.join(map(shown, value))}]"
    if kind is Set:
        return f"{{{', '.join(map(shown, ordered(value)))}}}" if len(value) else "set()"
    if kind is dict:
        return f"{{{', '.join(f'{shown(name)}: {shown(value[key(name)])}' for name in ordered(map(unkey, value)))}}}"
    return {True: "true", False: "false", None: "null"}[value]


def plainly(value: Any) -> str:
    """The value as `shown`, a string as it is."""
    return value if type(value) is str else shown(value)


def _lines(name: str, operands: list[Any]) -> list[list[str]]:
    """Every way to pick one member of each set. A set stands for an operand: empty where that is undefined."""
    choices = [
        [plainly(one) for one in ordered(operand)] or ["<undefined>"] if type(operand) is Set else [plainly(operand)]
        for operand in operands
    ]
    picked = [list(one) for one in islice(product(*choices), _LINES + 1)]
    if len(picked) > _LINES:
        raise too_large(name, _LINES, "lines")
    return picked


@builtin("internal.print", (array(of=SET),), BOOLEAN, worldly=True)
def show(world: World, operands: Any) -> bool:
    """Adds a line to what the world has printed; one for each choice where an operand has several values."""
    if type(operands) is not list:
        raise mistyped("internal.print", operands)
    world.printed += [long("internal.print", " ".join(parts)) for parts in _lines("internal.print", operands)]
    return True


@builtin("trace", (STRING,), BOOLEAN, worldly=True)
def trace(world: World, note: Any) -> bool:
    """Adds a note to what the world has printed."""
    if type(note) is not str:
        raise mistyped("trace", note)
    world.printed.append(note)
    return True


@builtin("internal.template_string", (ARRAY,), STRING)
def template_string(parts: Any) -> str:
    """The text of a string template. Each set among its parts stands for an expression: its value, or none.

    Raises:
        Conflict: an expression has several values.
    """
    if type(parts) is not list:
        raise mistyped("internal.template_string", parts)
    if any(type(part) is Set and len(part) > 1 for part in parts):
        raise Conflict("template-strings must not produce multiple outputs")
    return long("internal.template_string", "".join(_lines("internal.template_string", parts)[0]))
