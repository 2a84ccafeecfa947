"""Canonical JSON and the digests over it: what an approval binds to and what an entry of the log is made of.

Only a strict subset of JSON has a digest: objects with ASCII keys, arrays, NFC strings, whole numbers within 2**53 - 1,
ordinary fractions, true, false, null. Within it, the output equals RFC 8785 and the fast encoder used outside
(orjson with sorted keys) byte for byte; a test holds all three together. Anything else is refused, never repaired.

Callers: the door (`admit`), everything that records or approves by digest, and `wire.py` for reading.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from math import isfinite
from types import MappingProxyType
from typing import Any
from unicodedata import is_normalized

from flyball.model.ids import Digest
from flyball.rules.pointer import join

MOST_DEPTH = 64
"""How many arrays and objects may stand inside each other."""

MOST_INTEGER = 2**53 - 1
"""The largest whole number that every JSON reader keeps exact (RFC 7493, section 2.2)."""

LEAST_FRACTION = 1e-4
"""Fractions nearer to zero are written with an exponent, and encoders differ in how."""

LEAST_SALT_BYTES = 16
"""A commitment over a guessable value is only as good as its salt: 128 bits (RFC 9901, section 9.3)."""

_Path = tuple["_Path", str | int] | None
_SCALARS = frozenset({str, int, float, bool, type(None)})


class NotCanonical(ValueError):
    """A value outside the subset. `path` is a JSON pointer (RFC 6901) to it, "" for the whole; `why` is one phrase."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path or 'the value'}: {why}")
        self.path = path
        self.why = why


def canonical(value: Any, *, fold: bool = False) -> bytes:
    """The one UTF-8 encoding of a value of the subset (RFC 8785), made `even` first with `fold`. Raises NotCanonical."""
    return _encode(_plain(value, None, 0, fold=fold)).encode()


def digest(value: Any, *, fold: bool = False) -> Digest:
    """The name of a value: "sha256:" and 64 hex digits over its canonical bytes. Raises NotCanonical."""
    return Digest("sha256:" + sha256(canonical(value, fold=fold)).hexdigest())


def trace_of(session: str) -> str:
    """The W3C trace id of everything that is done for a session: 32 hex digits, found from the record without being written in it."""
    return sha256(b"trace:" + session.encode()).hexdigest()[:32]


def even(value: Any) -> Any:
    """A deep copy in plain dicts and lists in which a whole number held as a fraction (1.0) is an integer (1).

    For values whose fields are floats by their type, such as times and confidences: RFC 8785 writes 1.0 and 1 alike,
    the fast encoder does not, so `canonical` takes 1 only. Raises NotCanonical for what is still outside the subset.
    """
    return _plain(value, None, 0, fold=True)


def freeze(value: Any) -> Any:
    """A deep copy that cannot be changed: mappings become read-only, arrays become tuples. Raises NotCanonical.

    Its digest is that of the value, however the value changes afterwards.
    """
    return _frozen(_plain(value, None, 0))


def thaw(value: Any) -> Any:
    """A deep copy in plain dicts and lists: the opposite of `freeze`. Raises NotCanonical."""
    return _plain(value, None, 0)


def parse_strict(raw: bytes, most_bytes: int = 1_000_000) -> Any:
    """Reads JSON that means one thing only; gives plain dicts, lists and scalars.

    Refused with NotCanonical: more than `most_bytes`, anything but UTF-8, two members of one name, NaN and infinities,
    numbers past the range of exact whole numbers or of floats, lone surrogates, more than `MOST_DEPTH` levels. A whole
    number written as a fraction (1.0) is read as 1, which is what RFC 8785 makes of it. The result may still hold what
    `canonical` refuses (other keys than ASCII, strings that are not NFC, very small fractions).
    """
    if len(raw) > most_bytes:
        raise NotCanonical("", f"{len(raw)} bytes are more than the {most_bytes} that are read here")
    try:
        value = json.loads(
            raw.decode(),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise NotCanonical("", f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotCanonical("", f"line {error.lineno}, column {error.colno} is not JSON: {error.msg}") from None
    except RecursionError:
        raise NotCanonical("", f"more than {MOST_DEPTH} levels deep") from None
    if b"\\u" in raw or raw.count(b"[") + raw.count(b"{") > MOST_DEPTH:  # else it is neither deep nor holds half a surrogate pair
        _check_read(value, None, 0)
    return value


def disclosure(salt: bytes, name: str, value: Any) -> str:
    """What is kept apart from the log so that a commitment can be opened: base64url of canonical [salt, name, value].

    RFC 9901, section 4.2.1, with the salt as unpadded base64url. Raises ValueError for a salt under 16 bytes, and
    NotCanonical.
    """
    if len(salt) < LEAST_SALT_BYTES:
        raise ValueError(f"a salt of {len(salt)} bytes is too short: give at least {LEAST_SALT_BYTES} random bytes")
    return _base64url(canonical([_base64url(salt), name, value]))


def commit(salt: bytes, name: str, value: Any) -> str:
    """What stands in the log in place of a sensitive field: base64url of SHA-256 over its disclosure (RFC 9901, 4.2.3).

    Erasing the salt and the value makes it meaningless and leaves every proof over the log whole. Raises as
    `disclosure` does.
    """
    return disclosure_digest(disclosure(salt, name, value))


def disclosure_digest(shown: str) -> str:
    """The commitment that a disclosure opens. Raises UnicodeEncodeError where it is not ASCII, so not a disclosure."""
    return _base64url(sha256(shown.encode("ascii")).digest())


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
"""The text of a value that has been checked. ASCII keys sort alike by code point and by UTF-16 unit."""


def _base64url(raw: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _plain(value: Any, path: _Path, depth: int, *, fold: bool = False) -> Any:
    """Copies a value of the subset into plain dicts and lists, or says what is outside the subset and where."""
    sort = type(value)
    if sort is list or sort is tuple:
        _refuse_depth(path, depth)
        items = enumerate(value)
        return [one if type(one) is str and one.isascii() else _plain(one, (path, at), depth + 1, fold=fold) for at, one in items]
    if sort is dict or (sort not in _SCALARS and isinstance(value, Mapping)):
        _refuse_depth(path, depth)
        copy = {}
        for key, one in value.items():
            if type(key) is not str or not key.isascii():
                raise NotCanonical(_pointer(path), f"the key {key!a:.80} is not ASCII text")
            copy[key] = one if type(one) is str and one.isascii() else _plain(one, (path, key), depth + 1, fold=fold)
        return copy
    if fold and sort is float:
        value = _folded(value)
    why = _why_not(value)
    if why:
        raise NotCanonical(_pointer(path), why)
    return value


def _why_not(value: Any) -> str:
    """Why a scalar is outside the subset; "" where it is inside. Subclasses are outside: encoders treat them apart."""
    if value is None or type(value) is bool:
        return ""
    if type(value) is str:
        return "" if value.isascii() else _why_not_text(value)
    if type(value) is int:
        return "" if -MOST_INTEGER <= value <= MOST_INTEGER else "a whole number past 2**53 - 1: write it as a string"
    if type(value) is float:
        return _why_not_fraction(value)
    return f"a {type(value).__name__} is not JSON"


def _why_not_text(text: str) -> str:
    if _has_surrogate(text):
        return "text with half a surrogate pair cannot be written as UTF-8"
    return "" if is_normalized("NFC", text) else "text that is not in Unicode's normal form C (NFC)"


def _why_not_fraction(number: float) -> str:
    if not isfinite(number):
        return "not a finite number"
    if number.is_integer():
        return "a whole number held as a fraction: give it as an integer"
    return "" if abs(number) >= LEAST_FRACTION else f"a fraction nearer to zero than {LEAST_FRACTION}"


def _frozen(plain: Any) -> Any:
    if type(plain) is dict:
        return MappingProxyType({key: _frozen(one) for key, one in plain.items()})
    if type(plain) is list:
        return tuple(_frozen(one) for one in plain)
    return plain


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """One object as read; refuses two members of one name, since readers differ in which of them they keep."""
    read: dict[str, Any] = {}
    for name, value in pairs:
        if name in read:
            raise NotCanonical("", f"the key {name!a:.80} stands twice in one object")
        read[name] = value
    return read


def _integer(digits: str) -> int:
    # Counted before it is converted: converting takes time that grows with the square of the digits.
    if len(digits) > len(str(-MOST_INTEGER)) or abs(int(digits)) > MOST_INTEGER:
        raise NotCanonical("", f"the whole number {digits[:20]} is past 2**53 - 1")
    return int(digits)


def _fraction(digits: str) -> float | int:
    number = float(digits)
    if not isfinite(number):
        raise NotCanonical("", f"the number {digits[:20]} is past what a float can hold")
    if number.is_integer() and abs(number) > MOST_INTEGER:
        raise NotCanonical("", f"the whole number {digits[:20]} is past 2**53 - 1")
    return _folded(number)


def _folded(number: float) -> float | int:
    """The number as an integer where it is a whole one (NaN and infinities are not)."""
    return int(number) if number.is_integer() else number


def _constant(name: str) -> Any:
    raise NotCanonical("", f"{name} is not a JSON number")


def _check_read(value: Any, path: _Path, depth: int) -> None:
    """Refuses what only the whole shows once it is read: depth, and halves of surrogate pairs written as escapes."""
    if type(value) is dict:
        _refuse_depth(path, depth)
        for key, one in value.items():
            _check_read(key, path, depth)
            _check_read(one, (path, key), depth + 1)
    elif type(value) is list:
        _refuse_depth(path, depth)
        for at, one in enumerate(value):
            _check_read(one, (path, at), depth + 1)
    elif type(value) is str and _has_surrogate(value):
        raise NotCanonical(_pointer(path), "text with half a surrogate pair cannot be written as UTF-8")


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text)


def _refuse_depth(path: _Path, depth: int) -> None:
    if depth >= MOST_DEPTH:
        raise NotCanonical(_pointer(path), f"more than {MOST_DEPTH} levels deep")


def _pointer(path: _Path) -> str:
    """The JSON pointer (RFC 6901) of a place."""
    keys = []
    while path is not None:
        path, key = path
        keys.append(key)
    pointer = ""
    for key in reversed(keys):
        pointer = join(pointer, key)
    return pointer
