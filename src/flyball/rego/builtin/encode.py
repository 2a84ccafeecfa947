"""Texts of bytes: base64, hexadecimal, queries of URLs.

A string of Go is bytes; one of Python is characters. Bytes that are no UTF-8 stand in a string as lone surrogates (PEP 383), so that what
was decoded can be encoded, hashed and compared without loss.
"""

import base64
import re
from typing import Any, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from flyball.rego.builtin.desk import builtin, mistyped, unfit
from flyball.rego.error import BuiltinFault
from flyball.rego.type import BOOLEAN, STRING, array, object_of, one_of, set_of
from flyball.rego.value import Set, ordered

_ONE = (STRING,)
_STANDARD: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_NO_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def octets(text: str) -> bytes:
    """The bytes of a string, as Go holds it. A surrogate that stands for no byte becomes the replacement character."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        halves = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return halves.encode()


def from_octets(raw: bytes) -> str:
    """The string of some bytes."""
    return raw.decode("utf-8", "surrogateescape")


@builtin("base64.encode", _ONE, STRING)
def base64_encode(text: Any) -> str:
    """Base64 (RFC 4648, section 4)."""
    return base64.b64encode(_raw("base64.encode", text)).decode()


@builtin("base64.decode", _ONE, STRING)
def base64_decode(text: Any) -> str:
    """The text of base64, which must be padded."""
    if type(text) is not str:
        raise mistyped("base64.decode", text)
    return _unbased("base64.decode", text)


@builtin("base64.is_valid", _ONE, BOOLEAN)
def base64_is_valid(text: Any) -> bool:
    """Whether it is padded base64; false for what is no string."""
    return type(text) is str and _STANDARD.fullmatch(_joined(text)) is not None


@builtin("base64url.encode", _ONE, STRING)
def base64url_encode(text: Any) -> str:
    """Base64 for URLs (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(_raw("base64url.encode", text)).decode()


@builtin("base64url.encode_no_pad", _ONE, STRING)
def base64url_encode_no_pad(text: Any) -> str:
    """Base64 for URLs without padding."""
    return base64.urlsafe_b64encode(_raw("base64url.encode_no_pad", text)).decode().rstrip("=")


@builtin("base64url.decode", _ONE, STRING)
def base64url_decode(text: Any) -> str:
    """The text of base64 for URLs, padded or not."""
    if type(text) is not str:
        raise mistyped("base64url.decode", text)
    padded = text
    if not text.endswith("="):
        if len(octets(text)) % 4 == 1:
            raise BuiltinFault(f"base64url.decode: illegal base64url string: {text[:100]}")
        padded += "=" * (-len(octets(text)) % 4)
    if "+" in text or "/" in text:
        raise BuiltinFault(f"base64url.decode: illegal base64 data at input byte {min(text.find(mark) % (1 << 62) for mark in '+/')}")
    return _unbased("base64url.decode", padded.replace("-", "+").replace("_", "/"))


def _raw(name: str, text: Any) -> bytes:
    if type(text) is not str:
        raise mistyped(name, text)
    return octets(text)


def _joined(text: str) -> str:
    """Without line ends, which Go's decoder passes over."""
    return text.replace("\r", "").replace("\n", "")


def _unbased(name: str, text: str) -> str:
    joined = _joined(text)
    if not _STANDARD.fullmatch(joined):
        bad = re.match(r"[A-Za-z0-9+/]*", joined)
        raise BuiltinFault(f"{name}: illegal base64 data at input byte {bad.end() if bad else 0}")
    return from_octets(base64.b64decode(joined))


@builtin("hex.encode", _ONE, STRING)
def hex_encode(text: Any) -> str:
    """Two hexadecimal digits for each byte."""
    return _raw("hex.encode", text).hex()


@builtin("hex.decode", _ONE, STRING)
def hex_decode(text: Any) -> str:
    """The text of hexadecimal digits."""
    if type(text) is not str:
        raise mistyped("hex.decode", text)
    if bad := re.search(r"[^0-9A-Fa-f]", text):
        raise BuiltinFault(f"hex.decode: encoding/hex: invalid byte: U+{ord(bad[0]):04X} '{bad[0]}'")
    if len(text) % 2:
        raise BuiltinFault("hex.decode: encoding/hex: odd length hex string")
    return from_octets(bytes.fromhex(text))


@builtin("urlquery.encode", _ONE, STRING)
def urlquery_encode(text: Any) -> str:
    """The text as it stands in the query of a URL."""
    return _escaped(_raw("urlquery.encode", text))


@builtin("urlquery.decode", _ONE, STRING)
def urlquery_decode(text: Any) -> str:
    """The text of a part of the query of a URL."""
    if type(text) is not str:
        raise mistyped("urlquery.decode", text)
    return _unescaped("urlquery.decode", text)


def _escaped(raw: bytes) -> str:
    return quote_from_bytes(raw, safe=" ").replace(" ", "+")


def _unescaped(name: str, text: str) -> str:
    if bad := _NO_ESCAPE.search(text):
        raise BuiltinFault(f'{name}: invalid URL escape "{text[bad.start() : bad.start() + 3]}"')
    return from_octets(unquote_to_bytes(octets(text.replace("+", " "))))


@builtin("urlquery.encode_object", (object_of(STRING, one_of(STRING, array(of=STRING), set_of(STRING))),), STRING)
def urlquery_encode_object(whole: Any) -> str:
    """The query of a URL, keys in order. A value may be several."""
    if type(whole) is not dict:
        raise mistyped("urlquery.encode_object", whole)
    parts = []
    for name in sorted(map(_text, whole)):
        value = whole[name]
        values = ordered(value) if type(value) is Set else value if type(value) is list else [value]
        if any(type(one) is not str for one in values):
            raise unfit("urlquery.encode_object", 1, "values must be string, array[string], or set[string]")
        parts += [f"{_escaped(octets(name))}={_escaped(octets(one))}" for one in values]
    return "&".join(parts)


def _text(name: Any) -> str:
    if type(name) is not str:
        raise unfit("urlquery.encode_object", 1, "values must be string, array[string], or set[string]")
    return name


@builtin("urlquery.decode_object", _ONE, object_of(STRING, array(of=STRING)))
def urlquery_decode_object(text: Any) -> dict[str, list[str]]:
    """The values of the query of a URL, by name."""
    if type(text) is not str:
        raise mistyped("urlquery.decode_object", text)
    found: dict[str, list[str]] = {}
    for part in text.split("&"):
        if ";" in part:
            raise BuiltinFault("urlquery.decode_object: invalid semicolon separator in query")
        name, _, value = part.partition("=")
        if part:
            found.setdefault(_unescaped("urlquery.decode_object", name), []).append(_unescaped("urlquery.decode_object", value))
    return found
