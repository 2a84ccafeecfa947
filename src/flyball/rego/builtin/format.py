"""`sprintf`: Go's `fmt` in full, its marks for mistakes (`%!d(string=x)`, `%!v(MISSING)`) too.

Operands reach it as in OPA: numbers and strings as they are, everything else as the text that Rego writes for it.
"""

import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from flyball.rego.builtin.desk import LETTERS, builtin, mistyped, too_large
from flyball.rego.builtin.print import digits, quoted, shown
from flyball.rego.decode import octets
from flyball.rego.type import ARRAY, STRING

_INDEX: Final = r"\[[^\]]*\]|\["
_DIRECTIVE: Final = re.compile(
    rf"%(?P<flags>[#0+\- ]*)(?P<index>{_INDEX})?(?P<width>\*|[0-9]+)?"
    rf"(?:(?P<dot>\.)(?P<later>{_INDEX})?(?P<precision>\*|[0-9]*))?(?P<last>{_INDEX})?(?P<verb>.)?",
    re.DOTALL,
)
_INDEX_DIGITS: Final = 7
_FIXED: Final = range(-4, 6)  # exponents that are not written
_RUNES: Final = range(0x110000)
_SURROGATES: Final = range(0xD800, 0xE000)
_WIDEST: Final = 1_000_000
_SMALL: Final = range(-(1 << 63), 1 << 63)
_RADIX: Final = {"d": "d", "v": "d", "s": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_FRONT: Final = {"b": "0b", "x": "0x", "X": "0X"}
_NUMBERED: Final = "cqU"  # verbs that show an integer as a character
Operand = int | float | str


@dataclass(frozen=True, slots=True)
class _Form:
    """How one operand is to be written."""

    verb: str
    flags: frozenset[str] = frozenset()
    width: int = 0
    precision: int | None = None

    def padded(self, text: str) -> str:
        """The text, as wide as was asked for."""
        if "-" in self.flags:
            return text.ljust(self.width)
        return text.rjust(self.width, "0" if "0" in self.flags else " ")


@builtin("sprintf", (STRING, ARRAY), STRING)
def sprintf(form: Any, operands: Any) -> str:
    """The text that a form of Go makes of these operands."""
    if type(form) is not str or type(operands) is not list:
        raise mistyped("sprintf", form, operands)
    return written(form, [_operand(one) for one in operands])


def written(form: str, operands: list[Operand]) -> str:
    """What the form makes of these operands.

    Raises:
        OverLimit: it is too long.
    """
    return _Writer(operands).text(form)


def _operand(value: Any) -> Operand:
    if type(value) is int:
        written = digits(value)
        return written if "e" in written else value
    if type(value) is float:
        digits(value)  # refuses what is no number
        return value
    return value if type(value) is str else shown(value)


class _Writer:
    """Writes one form. `at` is the operand that comes next."""

    def __init__(self, operands: list[Operand]) -> None:
        self.operands = operands
        self.at = 0
        self.reordered = False
        self.good = True

    def text(self, form: str) -> str:
        """The whole text.

        Raises:
            OverLimit: it is too long.
        """
        parts: list[str] = []
        room, end = LETTERS, 0
        for found in _DIRECTIVE.finditer(form):
            parts += [form[end : found.start()], self._directive(found)]
            end = found.end()
            room -= len(parts[-1]) + len(parts[-2])
            if room < 0:
                raise too_large("sprintf", LETTERS, "characters")
        parts.append(form[end:])
        if not self.reordered and self.at < len(self.operands):
            parts.append(f"%!(EXTRA {', '.join(_typed(one, _Form('v')) for one in self.operands[self.at :])})")
        return "".join(parts)

    def _directive(self, found: re.Match[str]) -> str:
        self.good = True
        flags, marks = frozenset(found["flags"]), ""
        indexed = self._pick(found["index"])
        width = self._number(found["width"])
        if found["width"] == "*":
            marks += "%!(BADWIDTH)" if width is None else ""
            flags |= {"-"} if width is not None and width < 0 else set()
            width, indexed = abs(width or 0), False
        elif found["width"] and indexed:
            self.good = False
        precision: int | None = None
        if found["dot"]:
            self.good = self.good and not indexed
            indexed = self._pick(found["later"])
            precision = self._number(found["precision"]) if found["precision"] else 0
            if found["precision"] == "*":
                precision, indexed = (None if precision is None or precision < 0 else precision), False
                marks += "%!(BADPREC)" if precision is None else ""
        if not indexed:
            self._pick(found["last"])
        tall = any(found[what] and found[what] != "*" and int(found[what][:9]) > _WIDEST for what in ("width", "precision"))
        if not found["verb"] or tall:
            return f"{marks}%!(NOVERB)"
        return marks + self._operand(_Form(found["verb"], flags, width or 0, precision))

    def _operand(self, form: _Form) -> str:
        if form.verb == "%":
            return "%"
        if not self.good:
            return f"%!{form.verb}(BADINDEX)"
        if self.at >= len(self.operands):
            return f"%!{form.verb}(MISSING)"
        self.at += 1
        return _written(self.operands[self.at - 1], form)

    def _pick(self, index: str | None) -> bool:
        if index is None:
            return False
        self.reordered = True
        number = index[1:-1]
        good = number.isascii() and number.isdigit() and len(number) < _INDEX_DIGITS
        if good and 0 < int(number) <= len(self.operands):
            self.at = int(number) - 1
        else:
            self.good = False
        return good

    def _number(self, text: str | None) -> int | None:
        if text != "*":
            return int(text[:9]) if text else None
        operand = self.operands[self.at] if self.at < len(self.operands) else None
        self.at += self.at < len(self.operands)
        return operand if type(operand) is int and abs(operand) <= _WIDEST else None


def _typed(operand: Operand, form: _Form) -> str:
    return f"{_kind(operand)}={_written(operand, form)}"


def _kind(operand: Operand) -> str:
    if type(operand) is int:
        return "int" if operand in _SMALL else "*big.Int"
    return "float64" if type(operand) is float else "string"


def _written(operand: Operand, form: _Form) -> str:
    if form.verb == "T":
        return form.padded(_kind(operand)[: form.precision])
    if form.verb == "v":
        form = replace(form, flags=form.flags - {"#", "+"}, verb="q" if type(operand) is str and "#" in form.flags else "v")
    how = _string if type(operand) is str else _float if type(operand) is float else _integer
    written = how(operand, form)  # type: ignore[arg-type]  # each takes the type that it is picked for
    if written is not None:
        return written
    if type(operand) is int and operand not in _SMALL:
        return f"%!{form.verb}(big.Int={operand})"
    return f"%!{form.verb}({_typed(operand, replace(form, verb='v'))})"


def _integer(number: int, form: _Form) -> str | None:
    verb, flags = form.verb, form.flags
    if verb in _NUMBERED and number in _SMALL:
        return _character(number, form)
    if verb not in _RADIX or (verb == "s" and number in _SMALL):
        return None
    plain = replace(form, flags=flags - {"0"})
    if form.precision == 0 and number == 0:
        return plain.padded("")
    sign = "-" if number < 0 else "+" if "+" in flags else " " if " " in flags else ""
    least = form.precision
    if least is None:
        least = form.width - len(sign) if "0" in flags and "-" not in flags else 0
    text = format(abs(number), _RADIX[verb]).rjust(least, "0")
    if "#" in flags:
        text = f"0{text}" if verb == "o" and text[0] != "0" else _FRONT.get(verb, "") + text
    return plain.padded(f"{sign}{'0o' if verb == 'O' else ''}{text}")


def _character(number: int, form: _Form) -> str:
    mark = chr(number) if number in _RUNES and number not in _SURROGATES else "\ufffd"
    if form.verb == "c":
        return form.padded(mark)
    if form.verb == "q":
        inside = {"'": "\\'", '"': '"'}.get(mark) or quoted(mark, plain="+" in form.flags)[1:-1]
        return form.padded(f"'{inside}'")
    name = f"U+{number & ((1 << 64) - 1):0{max(form.precision or 0, 4)}X}"
    shows = "#" in form.flags and number in _RUNES and mark.isprintable()
    return replace(form, flags=form.flags - {"0"}).padded(f"{name} '{mark}'" if shows else name)


def _float(number: float, form: _Form) -> str | None:
    if form.verb not in set("vbgGxXfFeE"):
        return None
    text = _digits(abs(number), form)
    sign = "-" if math.copysign(1, number) < 0 else "+" if "+" in form.flags else " " if " " in form.flags else ""
    if sign and "0" in form.flags and "-" not in form.flags:
        return sign + text.rjust(form.width - 1, "0")
    return form.padded(sign + text)


def _digits(number: float, form: _Form) -> str:
    verb, precision = form.verb.replace("v", "g").replace("F", "f"), form.precision
    if verb in "feE":
        return format(number, f"{'#' if '#' in form.flags else ''}.{6 if precision is None else precision}{verb}")
    if verb == "b":
        fraction, exponent = math.frexp(number)
        return f"{int(fraction * (1 << 53))}p{exponent - 53:+d}"
    if verb in "xX":
        front, exponent_text = number.hex().split("p")
        text = f"{front.rstrip('0').rstrip('.') if number else '0x0'}p{int(exponent_text):+03d}"
        return text.upper() if verb == "X" else text
    if "#" in form.flags:
        return format(number, f"#.{6 if precision is None else precision}{verb}")
    return format(number, f".{precision}{verb}") if precision is not None else shortest(number, verb)


def shortest(number: float, verb: str) -> str:
    """As few digits as tell the number from all others; an exponent below 1e-4 and from 1e6 up (Python's `repr` has none up to 1e16)."""
    _, figures, scale = Decimal(repr(number)).normalize().as_tuple()
    exponent = len(figures) + int(scale) - 1
    if number and exponent not in _FIXED:
        return format(number, f".{len(figures) - 1}{'e' if verb == 'g' else 'E'}")
    return format(number, f".{max(-int(scale), 0)}f")


def _string(text: str, form: _Form) -> str | None:
    verb, flags = form.verb, form.flags
    if verb in "xX":
        raw = octets(text)[: form.precision]
        return form.padded(_hexed(raw, form))
    if verb not in "svq":
        return None
    text = text[: form.precision]
    if verb == "q":
        if "#" in flags and "`" not in text and all(mark.isprintable() or mark == "\t" for mark in text):
            return form.padded(f"`{text}`")
        text = quoted(text, plain="+" in flags)
    return form.padded(text)


def _hexed(raw: bytes, form: _Form) -> str:
    front = ("0x" if "#" in form.flags else "") if raw else ""
    text = raw.hex(" ").replace(" ", f" {front}") if " " in form.flags else raw.hex()
    return (front + text).upper() if form.verb == "X" else front + text
