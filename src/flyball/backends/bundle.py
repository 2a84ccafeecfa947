"""OPA bundles: made for those who run an OPA, and read from where somebody else makes them. Called by `policy_shelf` and `policy_native`.

What a bundle is stands in `rego/bundle.py`. If it is signed, it has `.signatures.json`: one JWT over the SHA-256 of every other file.
A file of JSON is hashed as the compact text of its value with sorted keys, any other as it is.
https://www.openpolicyagent.org/docs/management-bundles
"""

import base64
import binascii
import gzip
import hashlib
import hmac
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from flyball.errors import BadInput
from flyball.rego.bundle import MANIFEST, MOST_BYTES, unpack
from flyball.rego.bundle import Contents as Bundle
from flyball.rego.bundle import read as contents
from flyball.rego.error import Refused

__all__ = ["MOST_BYTES", "Bundle", "Seal", "make", "read"]
SIGNATURES = ".signatures.json"
_MEND: Final = "ask whoever makes the bundle"


@dataclass(frozen=True, slots=True)
class Seal:
    """A key that signs or verifies. `alg` is HS256 (`key` is the secret) or RS256 (`key` is PEM: private to sign, public to verify)."""

    alg: str
    key: bytes
    kid: str = "flyball"
    scope: str = ""


def make(bundle: Bundle, seal: Seal | None = None) -> bytes:
    """Pack a bundle; the same bundle is packed into the same bytes. Raises BadInput for a key that is none."""
    manifest = {"revision": bundle.revision, "roots": list(bundle.roots), "rego_version": 1}
    files = {f"/{name.removeprefix('/')}": text.encode() for name, text in bundle.modules.items()}
    files |= {"/data.json": orjson.dumps(bundle.data), f"/{MANIFEST}": orjson.dumps(manifest)}
    if seal is not None:
        files[f"/{SIGNATURES}"] = orjson.dumps({"signatures": [_signed(files, seal)]})
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as packed:
        for name, raw in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            packed.addfile(info, io.BytesIO(raw))
    return gzip.compress(tar.getvalue(), mtime=0)


def read(raw: bytes, seal: Seal | None = None) -> Bundle:
    """Unpack a bundle, verified where a key is given.

    Raises:
        BadInput: it is malformed, too large, not signed with this key, or holds a file that was not signed.
    """
    try:
        files = unpack(raw)
        if seal is not None:
            _verify(files, seal)
        return contents(files)
    except Refused as fault:
        raise BadInput("the bundle cannot be used", fault.mistakes[0].what, _MEND) from fault


def _json(name: str, raw: bytes) -> dict[str, Any]:
    try:
        doc = orjson.loads(raw)
    except ValueError as fault:
        raise BadInput("the bundle cannot be used", f"{name} is no JSON", _MEND) from fault
    if not isinstance(doc, dict):
        raise BadInput("the bundle cannot be used", f"{name} is no object", _MEND)
    return doc


# ---- signatures


def _hash(name: str, raw: bytes) -> str:
    """SHA-256 of a file as signatures have it."""
    structured = name.endswith((".json", MANIFEST))
    return hashlib.sha256(_compact(raw) if structured else raw).hexdigest()


def _compact(raw: bytes) -> bytes:
    """As OPA writes a value: sorted keys, no spaces, and the two line separators of Unicode escaped."""
    text = orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS)
    return text.replace("\u2028".encode(), rb"\u2028").replace("\u2029".encode(), rb"\u2029")


def _signed(files: Mapping[str, bytes], seal: Seal) -> str:
    listed = [{"name": name.removeprefix("/"), "hash": _hash(name, raw), "algorithm": "SHA-256"} for name, raw in sorted(files.items())]
    claims: dict[str, Any] = {"files": listed, "keyid": seal.kid, **({"scope": seal.scope} if seal.scope else {})}
    head = {"alg": seal.alg, "kid": seal.kid, "typ": "JWT"}
    signed = b".".join(_coded(orjson.dumps(part)) for part in (head, claims))
    return b".".join((signed, _coded(_sign(signed, seal)))).decode()


def _sign(signed: bytes, seal: Seal) -> bytes:
    if seal.alg == "HS256":
        return hmac.digest(seal.key, signed, "sha256")
    try:
        key = serialization.load_pem_private_key(seal.key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise BadInput(
            "the key for signing bundles cannot be used", str(fault)[:200], "give a private key in PEM, without a password"
        ) from fault
    if not isinstance(key, rsa.RSAPrivateKey):
        raise BadInput("the key for signing bundles cannot be used", "RS256 signs with an RSA key", "give one, or sign with HS256")
    return key.sign(signed, padding.PKCS1v15(), hashes.SHA256())


def _verify(files: dict[str, bytes], seal: Seal) -> None:
    """Check the signature, and that it names every file with its hash and no other. Takes the signature's file away."""
    listed = _claims(files.pop(SIGNATURES, b""), seal).get("files")
    if not isinstance(listed, list):
        raise BadInput("the bundle's signature is malformed", "it names no files", _MEND)
    wanted = {str(one.get("name")).removeprefix("/"): one for one in listed if isinstance(one, dict)}
    if wanted.keys() != files.keys():
        odd = min(wanted.keys() ^ files.keys())
        raise BadInput("the bundle does not match its signature", f"{odd} is {'missing' if odd in wanted else 'not signed'}", _MEND)
    for name, raw in files.items():
        if wanted[name].get("algorithm") != "SHA-256":
            raise BadInput("the bundle's signature is malformed", f"{name} is not hashed with SHA-256", _MEND)
        try:
            found = _hash(name, raw)
        except ValueError as fault:
            raise BadInput("the bundle cannot be used", f"{name} is no JSON", _MEND) from fault
        if not hmac.compare_digest(found, str(wanted[name].get("hash")).lower()):
            raise BadInput("the bundle does not match its signature", f"{name} was changed", _MEND)


def _claims(raw: bytes, seal: Seal) -> dict[str, Any]:
    if not raw:
        raise BadInput("the bundle is not signed", f"it has no {SIGNATURES}", _MEND)
    tokens = _json(SIGNATURES, raw).get("signatures")
    if not isinstance(tokens, list) or len(tokens) != 1 or not isinstance(tokens[0], str):
        raise BadInput("the bundle's signature is malformed", "it holds not exactly one token", _MEND)
    head, _, rest = tokens[0].partition(".")
    body, _, signature = rest.partition(".")
    try:
        said, claims, given = orjson.loads(_decoded(head)), orjson.loads(_decoded(body)), _decoded(signature)
    except (ValueError, binascii.Error) as fault:
        raise BadInput("the bundle's signature is malformed", "it is no JWT", _MEND) from fault
    if not isinstance(said, dict) or not isinstance(claims, dict) or said.get("alg") != seal.alg:
        raise BadInput("the bundle's signature does not count", f"it is not made with {seal.alg}", _MEND)
    if not _holds(f"{head}.{body}".encode(), given, seal):
        raise BadInput("the bundle's signature does not count", "it was made with another key", _MEND)
    if str(claims.get("scope", "")) != seal.scope:
        raise BadInput("the bundle's signature does not count", f"its scope is not {seal.scope!r}", _MEND)
    return claims


def _holds(signed: bytes, given: bytes, seal: Seal) -> bool:
    if seal.alg == "HS256":
        return hmac.compare_digest(hmac.digest(seal.key, signed, "sha256"), given)
    try:
        key = serialization.load_pem_public_key(seal.key)
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise BadInput("the key for verifying bundles cannot be used", str(fault)[:200], "give a public key in PEM") from fault
    if not isinstance(key, rsa.RSAPublicKey):
        raise BadInput("the key for verifying bundles cannot be used", "RS256 verifies with an RSA key", "give one, or use HS256")
    try:
        key.verify(given, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _coded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
