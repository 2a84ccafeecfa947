"""Private keys, read from PEM and written as Go writes them in JSON, or as JWK. Called by the certificate builtins."""

import base64
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from flyball.rego.decode import block, standard
from flyball.rego.jose.key import CURVES, FLAWS, sound
from flyball.rego.pki.certificate import Json, b64, described, loaded, public

_KINDS: Final = {"RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY"}
_BEGIN: Final = b"-----BEGIN"
_KEYS: Final = 64  # of one text


def keys(text: str) -> list[Any]:
    """The private keys among the PEM blocks of a text, or of base64 of one. Raises ValueError."""
    try:
        raw = standard(text)
    except ValueError:
        raw = text.encode("ascii", "replace")
    found = []
    while (one := block(raw)) is not None:
        kind, der, raw = one
        if kind in _KINDS:
            found.append(_loaded(der))
        if len(found) > _KEYS:
            raise ValueError(f"x509: more than {_KEYS} keys")
    return found


def _loaded(der: bytes) -> Any:
    try:
        return sound(load_der_private_key(der, None))
    except FLAWS as flaw:
        raise ValueError(f"x509: failed to parse private key: {flaw}") from None


def listed(key: Any) -> Json | str:
    """A private key as Go writes it. Raises ValueError."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return b64(seed + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    _, described = public(key.public_key())
    if not isinstance(described, dict) or not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("x509: unknown kind of private key")  # noqa: TRY004 - a key that was read, of a kind that Go does not know
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return described | {"D": key.private_numbers().private_value}
    numbers = key.private_numbers()
    reckoned = {"Dp": numbers.dmp1, "Dq": numbers.dmq1, "Qinv": numbers.iqmp, "CRTValues": []}
    return described | {"D": numbers.d, "Primes": [numbers.p, numbers.q], "Precomputed": reckoned}


def jwk(key: Any) -> Json:
    """A private key as JWK (RFC 7518, 8037). Raises ValueError."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        parts = {"d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
        parts |= {"n": numbers.public_numbers.n, "e": numbers.public_numbers.e}
        return {"kty": "RSA"} | {name: _short(number) for name, number in parts.items()}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        curve = next((name for name, kind in CURVES.items() if isinstance(key.curve, kind)), None)
        if curve is not None:
            size, place = (key.key_size + 7) // 8, key.private_numbers()
            parts = {"d": place.private_value, "x": place.public_numbers.x, "y": place.public_numbers.y}
            return {"kty": "EC", "crv": curve} | {name: _url(number.to_bytes(size)) for name, number in parts.items()}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return {"kty": "OKP", "crv": "Ed25519", "d": _url(seed), "x": _url(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))}
    raise ValueError("invalid key type")


def _short(number: int) -> str:
    return _url(number.to_bytes((number.bit_length() + 7) // 8))


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def pair(certificate: str, key: str) -> Json:
    """A certificate chain and the private key of its first certificate. Raises ValueError, also where the two do not belong together."""
    chain = _chain(certificate)
    if not chain:
        raise ValueError("tls: failed to find any PEM data in certificate input")
    private = _private(key)
    leaf = _leaf(chain[0])
    if leaf.public_key() != private.public_key():
        raise ValueError("tls: private key does not match public key")
    return {
        "Certificate": [b64(one) for one in chain],
        "PrivateKey": listed(private),
        "SupportedSignatureAlgorithms": None,
        "OCSPStaple": None,
        "SignedCertificateTimestamps": None,
        "Leaf": described(leaf),
    }


def _leaf(der: bytes) -> x509.Certificate:
    leaf = loaded(der)
    try:
        sound(leaf.public_key())
    except FLAWS as flaw:
        raise ValueError(f"tls: unknown public key algorithm: {flaw}") from None
    return leaf


def _opened(text: str) -> bytes:
    raw = text.encode("ascii", "replace")
    return raw if raw.startswith(_BEGIN) else standard(text)


def _chain(text: str) -> list[bytes]:
    raw = _opened(text)
    if not raw.startswith(_BEGIN):
        return [raw]
    found = []
    while (one := block(raw)) is not None:
        kind, der, raw = one
        if kind == "CERTIFICATE":
            found.append(der)
    return found


def _private(text: str) -> Any:
    raw = _opened(text)
    if not raw.startswith(_BEGIN):
        return _loaded(raw)
    while (one := block(raw)) is not None:
        kind, der, raw = one
        if kind in _KINDS:
            return _loaded(der)
    raise ValueError("tls: failed to find any PEM data in key input")
