"""Digests and message authentication codes, in hexadecimal."""

import hashlib
import hmac
from typing import Any, Final

from flyball.rego.builtin.desk import builtin, mistyped
from flyball.rego.decode import octets
from flyball.rego.type import BOOLEAN, STRING

_ONE: Final = (STRING,)
_TWO: Final = (STRING, STRING)


def _declare(algorithm: str) -> None:
    name = f"crypto.{algorithm}"

    @builtin(name, _ONE, STRING)
    def digest(text: Any) -> str:
        if type(text) is not str:
            raise mistyped(name, text)
        return hashlib.new(algorithm, octets(text), usedforsecurity=False).hexdigest()


def _declare_keyed(algorithm: str) -> None:
    name = f"crypto.hmac.{algorithm}"

    @builtin(name, _TWO, STRING)
    def authenticate(text: Any, secret: Any) -> str:
        if type(text) is not str or type(secret) is not str:
            raise mistyped(name, text, secret)
        return hmac.digest(octets(secret), octets(text), algorithm).hex()


for _algorithm in ("md5", "sha1", "sha256"):
    _declare(_algorithm)
for _algorithm in ("md5", "sha1", "sha256", "sha512"):
    _declare_keyed(_algorithm)


@builtin("crypto.hmac.equal", _TWO, BOOLEAN)
def is_same(left: Any, right: Any) -> bool:
    """Whether two codes are the same; how long it takes does not tell where they differ."""
    if type(left) is not str or type(right) is not str:
        raise mistyped("crypto.hmac.equal", left, right)
    return hmac.compare_digest(octets(left), octets(right))
