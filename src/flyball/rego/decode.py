"""Texts from outside as Go reads them: base64, JSON and PEM. Called by the builtins that OPA hands to Go's libraries.

What is wrong with a text is raised as a ValueError in Go's words, because policies and their tests compare them; `blame` makes it the fault
of the builtin that was asked. A string of Go is bytes; one of Python is characters. Bytes that are no UTF-8 stand in a string as lone
surrogates (PEP 383), so that what was decoded can be encoded, hashed and compared without loss.
"""

import binascii
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final, NoReturn

from flyball.rego.error import BuiltinFault, OverLimit

_STANDARD: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_URL: Final = _STANDARD - frozenset(b"+/") | frozenset(b"-_")
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_PADDED: Final = (2, 3)  # letters that padding may follow
_BREAKS: Final = b"\r\n"
_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
_DIGITS: Final = 4_000  # of a number that no float can hold
DEPTH: Final = 200  # how deep a document may be nested, so that nothing that goes through it runs out of stack


@contextmanager
def blame(name: str) -> Iterator[None]:
    """Whatever is wrong with what is read inside is the fault of the builtin `name`."""
    try:
        yield
    except ValueError as flaw:
        raise BuiltinFault(f"{name}: {flaw}") from None
    except RecursionError:
        raise OverLimit(f"{name}: nested too deeply") from None


def octets(text: str) -> bytes:
    """The bytes of a string, as Go holds it. A surrogate that stands for no byte becomes the replacement character."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _paired(text).encode()


def from_octets(raw: bytes) -> str:
    """The string of some bytes."""
    return raw.decode("utf-8", "surrogateescape")


def standard(text: str | bytes) -> bytes:
    """The bytes of a padded base64 text; line breaks are skipped."""
    raw = text if isinstance(text, bytes) else octets(text)
    try:
        return binascii.a2b_base64(raw.translate(None, _BREAKS), strict_mode=True)
    except binascii.Error:
        _illegal(raw, _STANDARD)


def url(text: str) -> bytes:
    """The bytes of a base64url text, with its padding or without."""
    raw = octets(text)
    if not raw.endswith(b"="):
        if len(raw) % 4 == 1:
            raise ValueError(f"illegal base64url string: {text}")
        raw += b"=" * (-len(raw) % 4)
    if b"+" in raw or b"/" in raw:
        _illegal(raw, _URL)
    try:
        return binascii.a2b_base64(raw.translate(_TO_STANDARD, _BREAKS), strict_mode=True)
    except binascii.Error:
        _illegal(raw, _URL)


def _illegal(raw: bytes, letters: frozenset[int]) -> NoReturn:
    """Says where base64 stops making sense, counted in bytes of the text as Go counts."""
    held = 0  # letters of the group of four that is being read
    for at, byte in enumerate(raw):
        if byte in letters:
            held = (held + 1) % 4
        elif byte == ord("=") and held in _PADDED:
            second = raw[at + 1 : at + 2] == b"=" and held == _PADDED[0]
            raise ValueError(f"illegal base64 data at input byte {min(at + 1 + second, len(raw))}")
        elif byte not in _BREAKS:
            raise ValueError(f"illegal base64 data at input byte {at}")
    raise ValueError(f"illegal base64 data at input byte {len(raw) - held}")


def loaded(text: str) -> Any:
    """The value of JSON text. The last of two equal names counts.

    Raises:
        ValueError: it is no JSON, or holds a number that is too large.
        RecursionError: it is nested too deep.
    """
    clean = octets(text).decode(errors="replace")
    value = json.loads(clean, parse_float=_number, parse_constant=no_number)
    if clean.count("[") + clean.count("{") > DEPTH:
        _shallow(value)
    return _mended(value) if _HALF.search(clean) else value


def _shallow(value: Any) -> None:
    layer = [value]
    for _ in range(DEPTH + 1):
        layer = [one for one in layer if type(one) in {dict, list}]
        if not layer:
            return
        layer = [inner for one in layer for inner in (one.values() if type(one) is dict else one)]
    raise RecursionError


def _number(text: str) -> int | float:
    found = float(text)
    if found not in {float("inf"), float("-inf")}:
        return found
    if Decimal(text).adjusted() > _DIGITS:
        raise ValueError(f"the number {text[:40]} is too large")
    return int(Decimal(text))


def no_number(text: str) -> NoReturn:
    """Refuses `NaN` and its like, which Python's JSON has."""
    raise ValueError(f"{text} is no JSON")


def _mended(value: Any) -> Any:
    """With the replacement character for half surrogate pairs, which Go's decoder puts there."""
    if type(value) is str:
        return _paired(value)
    if type(value) is list:
        return [_mended(one) for one in value]
    return {_paired(name): _mended(held) for name, held in value.items()} if type(value) is dict else value


def _paired(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def block(text: str | bytes) -> tuple[str, bytes, bytes] | None:
    """The first PEM block: its type, its bytes and what follows its last line. None if there is none.

    Blocks that are not whole are passed over; headers are skipped.
    """
    raw = b"\n" + (text if isinstance(text, bytes) else octets(text))
    at, end = 1, -1
    while True:
        start = raw.find(b"\n-----BEGIN ", at - 1) + 1
        if start == 0:
            return None
        at = _line_end(raw, start)
        first = raw[start:at].rstrip()
        if not first.endswith(b"-----"):
            continue
        kind = first[len(b"-----BEGIN ") : -len(b"-----")]
        if end < at:
            end = raw.find(b"\n-----END ", at - 1)
        if end < 0:
            return None
        last = raw[end + 1 : _line_end(raw, end + 1)].rstrip()
        body = _body(raw, at, end) if last == b"-----END %b-----" % kind else None
        if body is not None:
            return kind.decode("latin-1"), body, raw[_line_end(raw, end + 1) :]


def _line_end(raw: bytes, start: int) -> int:
    """The place after the line break that ends the line."""
    return raw.find(b"\n", start) + 1 or len(raw)


def _body(raw: bytes, start: int, end: int) -> bytes | None:
    while (colon := raw.find(b":", start, end)) >= 0 and colon < _line_end(raw, start):
        start = _line_end(raw, start)
    if raw.find(b"-", start, end) >= 0:  # another block begins inside
        return None
    try:
        return standard(raw[start:end].translate(None, b" \t"))
    except ValueError:
        return None
