"""Signing and checking by the name of the algorithm (RFC 7518, 8037). Called by the token builtins.

The kind of key must be the algorithm's own: a public key is never taken for a shared secret, `none` is no algorithm, and ES256 is P-256
alone. What needs chance to sign takes it from the caller, so that the same decision signs the same bytes again.
"""

import hmac
from collections.abc import Callable
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from flyball.rego.jose.key import CURVES, Material

Chance = Callable[[int], bytes]  # so many bytes of chance
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES: Final = {"256": CURVES["P-256"], "384": CURVES["P-384"], "512": CURVES["P-521"]}
ALGORITHMS: Final = frozenset(f"{family}{size}" for family in ("RS", "PS", "ES", "HS") for size in _HASHES) | {"EdDSA"}


def verified(alg: str, key: Material, message: bytes, signature: bytes) -> bool:
    """Whether `key` made `signature` over `message` by `alg`; False for an unknown algorithm and for a key that is not the algorithm's."""
    if alg not in ALGORITHMS:
        return False
    family, size = alg[:2], alg[2:]
    if family == "HS":
        return isinstance(key, bytes) and key != b"" and hmac.compare_digest(hmac.digest(key, message, f"sha{size}"), signature)
    try:
        if family == "ES" and isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES[size]):
            key.verify(_pair(signature, _half(key.curve)), message, ec.ECDSA(_HASHES[size]))
        elif family == "Ed" and isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif family in {"RS", "PS"} and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, _padding(family, _HASHES[size]), _HASHES[size])
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _padding(family: str, hashed: hashes.HashAlgorithm) -> padding.AsymmetricPadding:
    return padding.PKCS1v15() if family == "RS" else padding.PSS(padding.MGF1(hashed), padding.PSS.AUTO)


def _half(curve: ec.EllipticCurve) -> int:
    """How many bytes each of the two numbers of a signature has."""
    return (curve.key_size + 7) // 8


def _pair(signature: bytes, half: int) -> bytes:
    if len(signature) != 2 * half:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))


def signed(alg: str, key: Material, message: bytes, chance: Chance) -> bytes:
    """The signature of `key` over `message`. Raises ValueError for an unknown algorithm and for a key that is not the algorithm's."""
    if alg not in ALGORITHMS:
        raise ValueError(f"unknown JWS algorithm: {alg[:40]}")
    made = _SIGNERS[alg[:2]](alg[2:], key, message, chance)
    if made is None:
        raise ValueError(f"the key cannot sign by {alg}")
    return made


def _hs(size: str, key: Material, message: bytes, _chance: Chance) -> bytes | None:
    return hmac.digest(key, message, f"sha{size}") if isinstance(key, bytes) else None


def _rs(size: str, key: Material, message: bytes, _chance: Chance) -> bytes | None:
    return key.sign(message, padding.PKCS1v15(), _HASHES[size]) if isinstance(key, rsa.RSAPrivateKey) else None


def _es(size: str, key: Material, message: bytes, _chance: Chance) -> bytes | None:
    """RFC 6979: the same key and message give the same signature."""
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, _CURVES[size]):
        return None
    half = _half(key.curve)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(_HASHES[size], deterministic_signing=True)))
    return r.to_bytes(half) + s.to_bytes(half)


def _ed(_size: str, key: Material, message: bytes, _chance: Chance) -> bytes | None:
    return key.sign(message) if isinstance(key, ed25519.Ed25519PrivateKey) else None


def _ps(size: str, key: Material, message: bytes, chance: Chance) -> bytes | None:
    """RFC 8017, 8.1.1 and 9.1.1, by hand because the salt has to come from the caller; it is as long as the hash (RFC 7518, 3.5)."""
    if not isinstance(key, rsa.RSAPrivateKey):
        return None
    salt = chance(int(size) // 8)
    bits = key.key_size - 1
    length = (bits + 7) // 8
    digest = _hashed(size, bytes(8) + _hashed(size, message) + salt)
    data = (b"\x01" + salt).rjust(length - len(digest) - 1, b"\0")
    masked = int.from_bytes(data) ^ int.from_bytes(_mask(size, digest, len(data)))
    masked &= (1 << (8 * len(data) - (8 * length - bits))) - 1
    encoded = masked.to_bytes(len(data)) + digest + b"\xbc"
    numbers = key.private_numbers()
    made = pow(int.from_bytes(encoded), numbers.d, numbers.public_numbers.n)
    return made.to_bytes((key.key_size + 7) // 8)


def _hashed(size: str, data: bytes) -> bytes:
    made = hashes.Hash(_HASHES[size])
    made.update(data)
    return made.finalize()


def _mask(size: str, seed: bytes, length: int) -> bytes:
    rounds = range(-(-length // (int(size) // 8)))
    return b"".join(_hashed(size, seed + place.to_bytes(4)) for place in rounds)[:length]


_SIGNERS: Final[dict[str, Callable[[str, Any, bytes, Chance], bytes | None]]] = {"HS": _hs, "RS": _rs, "PS": _ps, "ES": _es, "Ed": _ed}
