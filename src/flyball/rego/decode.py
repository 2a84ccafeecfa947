"""Texts from outside as Go reads them: base64, JSON and PEM. Called by the builtins that OPA hands to Go's libraries.

What is wrong with a text is raised as a ValueError in Go's words, because policies and their tests compare them; `blame` makes it the fault
of the builtin that was asked.
"""

import binascii
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from flyball.rego.error import BuiltinFault, OverLimit
from flyball.rego.value import Value, plain

_STANDARD: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_URL: Final = _STANDARD - frozenset(b"+/") | frozenset(b"-_")
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_PADDED: Final = (2, 3)  # letters that padding may follow
_BREAKS: Final = b"\r\n"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPED: Final = re.compile("[<>&\u2028\u2029]")


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
    """The text in UTF-8. Half a surrogate pair, which JSON can write and UTF-8 cannot, becomes U+FFFD as in Go."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text).encode()


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


def loaded(text: str | bytes) -> Any:
    """The value of a JSON text. The last of two equal keys counts; numbers that no float can hold are refused."""
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_refused)
    except RecursionError:
        raise ValueError("exceeded max depth") from None


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(f"number {text[:40]} is out of range")
    return number


def _refused(text: str) -> NoReturn:
    raise ValueError(f"invalid character {text[0]!r} looking for beginning of value")


def block(text: str | bytes) -> tuple[str, bytes, bytes] | None:
    """The first PEM block: its type, its bytes and what follows its last line. None if there is none.

    Blocks that are not whole are passed over; headers are skipped.
    """
    raw = text if isinstance(text, bytes) else octets(text)
    at, end = 0, -1
    while True:
        start = 0 if at == 0 and raw.startswith(b"-----BEGIN ") else raw.find(b"\n-----BEGIN ", at) + 1
        if start == 0 and not (at == 0 and raw.startswith(b"-----BEGIN ")):
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


def dumped(value: Value) -> str:
    """The value as JSON in Go's way: keys in order, nothing between, and `<`, `>`, `&` and two line separators escaped."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return _ESCAPED.sub(lambda mark: f"\\u{ord(mark.group()):04x}", text)
