"""Keys as policies write them: JWK, sets of JWK, PEM certificates and public keys. Called by the token builtins and by `signature`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from flyball.rego.decode import block, loaded, url

Material = Any  # a key of `cryptography`, or the bytes of a shared secret
CURVES: Final[dict[str, type[ec.EllipticCurve]]] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
FLAWS: Final = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion)  # what `cryptography` says of bad keys
_LETTERS: Final = 256 * 1024  # of one text of keys
_RSA_BITS: Final = (1024, 8192)  # below, anybody can break it; above, checking takes longer than a decision may
_EXPONENT: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Trusted:
    """One key that signatures may be checked with. `alg` and `kid` are empty where the key does not say."""

    material: Material
    alg: str = ""
    kid: str = ""


@lru_cache(maxsize=64)
def trusted(text: str) -> tuple[Trusted, ...]:
    """The keys of a PEM certificate or public key, of a JWK or of a set of them. Raises ValueError in OPA's words."""
    if len(text) > _LETTERS:
        raise ValueError(f"keys of more than {_LETTERS:,} characters")
    found = block(text)
    if found is not None:
        return (Trusted(_from_pem(*found)),)
    try:
        return tuple(Trusted(material(one), _said(one, "alg"), _said(one, "kid")) for one in _listed(loaded(text)))
    except ValueError as flaw:
        raise ValueError(f"failed to parse a JWK key (set): {flaw}") from None


def first(jwk: Any) -> Material:
    """The first key of a JWK or a set of them, already parsed; private parts are used."""
    listed = _listed(jwk)
    if not listed:
        raise ValueError("no keys found in JWK set")
    return material(listed[0])


def _from_pem(kind: str, der: bytes, rest: bytes) -> Material:
    if rest:
        raise ValueError("extra data after a PEM certificate block")
    if kind == "CERTIFICATE":
        return _parsed("certificate", der, lambda: x509.load_der_x509_certificate(der).public_key())
    if kind == "PUBLIC KEY":
        return _parsed("public key", der, lambda: load_der_public_key(der))
    raise ValueError("failed to extract a Key from the PEM certificate")


def _parsed(what: str, der: bytes, load: Callable[[], Material]) -> Material:
    try:
        return sound(load())
    except FLAWS as flaw:
        raise ValueError(f"failed to parse a PEM {what}: {flaw or f'{len(der)} bytes that make no sense'}") from None


def sound(key: Material) -> Material:
    """The key, unless it is an RSA key that is too small, too large or too slow to use. Raises ValueError."""
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        public = key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key
        if not _RSA_BITS[0] <= public.key_size <= _RSA_BITS[1] or public.public_numbers().e > _EXPONENT:
            raise ValueError(f"an RSA key of {public.key_size} bits: {_RSA_BITS[0]} to {_RSA_BITS[1]} are taken, with a small exponent")
    return key


def _listed(jwk: Any) -> list[Any]:
    if not isinstance(jwk, dict):
        raise ValueError("a JWK is a JSON object")  # noqa: TRY004 - one error for every text that is no key
    listed = jwk.get("keys", [jwk]) if "kty" not in jwk else [jwk]
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError("'keys' is an array of objects")
    return listed


def material(jwk: Mapping[str, Any]) -> Material:
    """The key that a JWK describes. Raises ValueError."""
    kind = _said(jwk, "kty")
    if kind not in _KINDS:
        raise ValueError(f"unknown key type (kty) {kind[:40]!r}")
    try:
        return sound(_KINDS[kind](jwk))
    except FLAWS as flaw:
        raise ValueError(f"{kind} key: {flaw}") from None


def _said(jwk: Mapping[str, Any], name: str) -> str:
    held = jwk.get(name, "")
    if not isinstance(held, str):
        raise ValueError(f"{name!r} is a string")  # noqa: TRY004 - one error for every text that is no key
    return held


def _octets(jwk: Mapping[str, Any], name: str) -> bytes:
    held = _said(jwk, name)
    if not held:
        raise ValueError(f"{name!r} is missing")
    return url(held)


def _number(jwk: Mapping[str, Any], name: str) -> int:
    held = _octets(jwk, name)
    if len(held) * 8 > _RSA_BITS[1]:
        raise ValueError(f"{name!r} is longer than {_RSA_BITS[1]} bits")
    return int.from_bytes(held)


def _rsa(jwk: Mapping[str, Any]) -> Material:
    public = rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n"))
    if "d" not in jwk:
        return public.public_key()
    d = _number(jwk, "d")
    if public.n.bit_length() < _RSA_BITS[0] or public.e > _EXPONENT:
        raise ValueError("the modulus is too small, or the exponent too large")
    p, q = (_number(jwk, "p"), _number(jwk, "q")) if "p" in jwk else rsa.rsa_recover_prime_factors(public.n, public.e, d)
    dp, dq, qi = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()


def _ec(jwk: Mapping[str, Any]) -> Material:
    name = _said(jwk, "crv")
    if name not in CURVES:
        raise ValueError(f"unknown curve {name[:40]!r}")
    public = ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), CURVES[name]())
    if "d" in jwk:
        return ec.EllipticCurvePrivateNumbers(_number(jwk, "d"), public).private_key()
    return public.public_key()


def _okp(jwk: Mapping[str, Any]) -> Material:
    if (name := _said(jwk, "crv")) != "Ed25519":
        raise ValueError(f"unknown curve {name[:40]!r}")
    if "d" in jwk:
        return ed25519.Ed25519PrivateKey.from_private_bytes(_octets(jwk, "d"))
    return ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk, "x"))


_KINDS: Final[dict[str, Callable[[Mapping[str, Any]], Material]]] = {
    "RSA": _rsa,
    "EC": _ec,
    "OKP": _okp,
    "oct": lambda jwk: _octets(jwk, "k"),
}
