"""Texts of bytes: base64, hexadecimal, queries of URLs.

A string of Go is bytes; one of Python is characters. Bytes that are no UTF-8 stand in a string as lone surrogates (PEP 383), so that what
was decoded can be encoded, hashed and compared without loss.
"""

import base64
import re
from typing import Any, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from flyball.rego.builtin.desk import builtin, mistyped, unfit
from flyball.rego.decode import blame, from_octets, octets, standard, url
from flyball.rego.error import BuiltinFault
from flyball.rego.type import BOOLEAN, STRING, array, object_of, one_of, set_of
from flyball.rego.value import Set, ordered

_ONE = (STRING,)
_STANDARD: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_NO_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@builtin("base64.encode", _ONE, STRING)
def base64_encode(text: Any) -> str:
    """Base64 (RFC 4648, section 4)."""
    return base64.b64encode(_raw("base64.encode", text)).decode()


@builtin("base64.decode", _ONE, STRING)
def base64_decode(text: Any) -> str:
    """The text of base64, which must be padded."""
    if type(text) is not str:
        raise mistyped("base64.decode", text)
    with blame("base64.decode"):
        return from_octets(standard(text))


@builtin("base64.is_valid", _ONE, BOOLEAN)
def base64_is_valid(text: Any) -> bool:
    """Whether it is padded base64; false for what is no string."""
    return type(text) is str and _STANDARD.fullmatch(text.replace("\r", "").replace("\n", "")) is not None


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
    with blame("base64url.decode"):
        return from_octets(url(text))


def _raw(name: str, text: Any) -> bytes:
    if type(text) is not str:
        raise mistyped(name, text)
    return octets(text)


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
