"""Certificates and signing requests as Go's `crypto/x509` writes them in JSON, which is what policies for OPA expect.

Called by the certificate builtins. Absent lists are null and names of members are Go's. Whatever cannot be read is a ValueError that begins
with `x509:` or `asn1:`.
"""

import base64
import datetime as dt
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import AuthorityInformationAccessOID as Access
from cryptography.x509.oid import ExtensionOID as Oid

from flyball.rego.decode import block, standard
from flyball.rego.jose.key import FLAWS
from flyball.rego.pki.der import BOOLEAN, Piece, pieces

Json = dict[str, Any]
Read = TypeVar("Read")
CERTIFICATES: Final = 256  # of one text
_BEGIN: Final = b"-----BEGIN"
_FIRST, _FOURTH = 0xA0, 0xA3  # tags: the attributes of a request and the version of a certificate; its extensions
_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
PURPOSES: Final = {
    "2.5.29.37.0": 0,
    **{f"1.3.6.1.5.5.7.3.{place}": place for place in range(1, 10)},
    "1.3.6.1.4.1.311.10.3.3": 10,
    "2.16.840.1.113730.4.1": 11,
    "1.3.6.1.4.1.311.2.1.22": 12,
    "1.3.6.1.4.1.311.61.1.1": 13,
}
_SIGNATURES: Final = {
    "1.2.840.113549.1.1.2": 1,
    "1.2.840.113549.1.1.4": 2,
    "1.2.840.113549.1.1.5": 3,
    "1.3.14.3.2.29": 3,
    "1.2.840.113549.1.1.11": 4,
    "1.2.840.113549.1.1.12": 5,
    "1.2.840.113549.1.1.13": 6,
    "1.2.840.10040.4.3": 7,
    "2.16.840.1.101.3.4.3.2": 8,
    "1.2.840.10045.4.1": 9,
    "1.2.840.10045.4.3.2": 10,
    "1.2.840.10045.4.3.3": 11,
    "1.2.840.10045.4.3.4": 12,
    "1.3.101.112": 16,
}
_PSS: Final = "1.2.840.113549.1.1.10"
_PSS_HASHES: Final = {"sha256": 13, "sha384": 14, "sha512": 15}
_NAME_PARTS: Final = {
    "2.5.4.6": "Country",
    "2.5.4.7": "Locality",
    "2.5.4.8": "Province",
    "2.5.4.9": "StreetAddress",
    "2.5.4.10": "Organization",
    "2.5.4.11": "OrganizationalUnit",
    "2.5.4.17": "PostalCode",
}
_NAME_TEXTS: Final = {"2.5.4.3": "CommonName", "2.5.4.5": "SerialNumber"}
_HANDLED: Final = {f"2.5.29.{place}" for place in (14, 15, 17, 19, 30, 31, 32, 33, 35, 36, 37, 54)} | {
    Oid.AUTHORITY_INFORMATION_ACCESS.dotted_string
}


def certificates(text: str) -> list[x509.Certificate]:
    """The certificates of PEM blocks, of base64 of these, or of base64 of DER, one after the other. Raises ValueError."""
    raw = text.encode("ascii", "replace") if text.startswith(_BEGIN.decode()) else standard(text)
    der = b"".join(_blocks(raw)) if raw.startswith(_BEGIN) else raw
    try:
        listed = [piece.raw for piece in pieces(der)]
    except ValueError:
        raise ValueError("x509: malformed certificate") from None
    if len(listed) > CERTIFICATES:
        raise ValueError(f"x509: more than {CERTIFICATES} certificates")
    return [loaded(one) for one in listed]


def _blocks(raw: bytes) -> Iterable[bytes]:
    while (found := block(raw)) is not None:
        kind, der, raw = found
        if kind != "CERTIFICATE":
            raise ValueError(f"PEM block type is '{kind[:80]}', expected CERTIFICATE")
        yield der


def loaded(der: bytes) -> x509.Certificate:
    """One certificate, all of whose extensions can be read. Raises ValueError."""
    return _read("x509: malformed certificate", lambda: _whole(x509.load_der_x509_certificate(der)))


def _whole(one: x509.Certificate) -> x509.Certificate:
    _ = one.extensions, one.subject, one.issuer, one.version  # read on first use only
    return one


def _read(what: str, how: Callable[[], Read]) -> Read:
    try:
        with warnings.catch_warnings():  # a serial number of zero is taken, as by Go
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return how()
    except (*FLAWS, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as flaw:
        raise ValueError(f"{what}: {flaw}") from None


def request(text: str) -> Json:
    """A signing request (PEM, base64 of it, or base64 of DER). Raises ValueError."""
    raw = text.encode("ascii", "replace") if text.startswith("-----BEGIN CERTIFICATE REQUEST-----") else standard(text)
    found = block(raw)
    if found is not None and found[0] != "CERTIFICATE REQUEST":
        raise ValueError("invalid PEM-encoded certificate signing request")
    der = raw if found is None else found[1]
    return _read("asn1: structure error", lambda: _request(x509.load_der_x509_csr(der)))


def _request(one: x509.CertificateSigningRequest) -> Json:
    tbs = next(pieces(one.tbs_certrequest_bytes))
    version, subject, spki, *rest = tbs.inside()
    attributes = [piece for piece in rest if piece.tag == _FIRST]
    wanted = [held for held in (attributes[0].inside() if attributes else []) if held.inside()[0].body == _EXTENSION_REQUEST]
    return {
        "Raw": b64(one.public_bytes(Encoding.DER)),
        "RawTBSCertificateRequest": b64(tbs.raw),
        "RawSubjectPublicKeyInfo": b64(spki.raw),
        "RawSubject": b64(subject.raw),
        "Version": int.from_bytes(version.body),
        "Signature": b64(one.signature),
        "SignatureAlgorithm": _signature(one),
        **_key(one),
        "Subject": _name(one.subject),
        "Attributes": None,
        "Extensions": _extensions(wanted[0].inside()[1].inside()[0].inside()) if wanted else None,
        "ExtraExtensions": None,
        **_alternatives(one.extensions),
    }


_EXTENSION_REQUEST: Final = bytes.fromhex("2a864886f70d01090e")  # 1.2.840.113549.1.9.14


def described(one: x509.Certificate) -> Json:
    """The certificate as JSON."""
    tbs = next(pieces(one.tbs_certificate_bytes))
    parts = [piece for piece in tbs.inside() if piece.tag != _FIRST]  # without the version
    serial, _algorithm, issuer, _validity, subject, spki, *rest = parts
    added = [piece for piece in rest if piece.tag == _FOURTH]
    extensions = _extensions(added[0].inside()[0].inside()) if added else None
    return {
        "Raw": b64(one.public_bytes(Encoding.DER)),
        "RawTBSCertificate": b64(tbs.raw),
        "RawSubjectPublicKeyInfo": b64(spki.raw),
        "RawSubject": b64(subject.raw),
        "RawIssuer": b64(issuer.raw),
        "Signature": b64(one.signature),
        "SignatureAlgorithm": _signature(one),
        **_key(one),
        "Version": one.version.value + 1,
        "SerialNumber": int.from_bytes(serial.body, signed=True),
        "Issuer": _name(one.issuer),
        "Subject": _name(one.subject),
        "NotBefore": _time(one.not_valid_before_utc),
        "NotAfter": _time(one.not_valid_after_utc),
        "Extensions": extensions,
        "ExtraExtensions": None,
        "UnhandledCriticalExtensions": [[int(part) for part in oid.split(".")] for oid in unhandled(one)] or None,
        **_use(one.extensions),
        **_alternatives(one.extensions),
        **_limits(one.extensions),
        **_policies(one.extensions),
    }


def b64(data: bytes) -> str:
    """Bytes as Go writes them in JSON."""
    return base64.b64encode(data).decode()


def _time(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _numbers(oid: x509.ObjectIdentifier) -> list[int]:
    return [int(part) for part in oid.dotted_string.split(".")]


def _extensions(listed: list[Piece]) -> list[Json]:
    described = []
    for one in listed:
        oid, *rest = one.inside()
        critical = len(rest) > 1 and rest[0].tag == BOOLEAN and rest[0].body != b"\0"
        described.append({"Id": _oid(oid.body), "Critical": critical, "Value": b64(rest[-1].body)})
    return described


def _oid(body: bytes) -> list[int]:
    numbers, number = [], 0
    for byte in body:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a number
            numbers.append(number)
            number = 0
    root = min(numbers[0] // 40, 2)
    return [root, numbers[0] - 40 * root, *numbers[1:]]


def _signature(one: x509.Certificate | x509.CertificateSigningRequest) -> int:
    oid = one.signature_algorithm_oid.dotted_string
    if oid != _PSS:
        return _SIGNATURES.get(oid, 0)
    try:
        hashed = one.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return 0
    return _PSS_HASHES.get(hashed.name, 0) if hashed else 0


def _key(one: x509.Certificate | x509.CertificateSigningRequest) -> Json:
    try:
        algorithm, described = public(one.public_key())
    except (UnsupportedAlgorithm, ValueError):
        algorithm, described = 0, None
    return {"PublicKeyAlgorithm": algorithm, "PublicKey": described}


def public(key: Any) -> tuple[int, Json | str | None]:
    """Go's number for the kind of a public key, and the key."""
    if isinstance(key, rsa.RSAPublicKey):
        return 1, {"N": key.public_numbers().n, "E": key.public_numbers().e}
    if isinstance(key, dsa.DSAPublicKey):
        numbers = key.public_numbers()
        group = numbers.parameter_numbers
        return 2, {"P": group.p, "Q": group.q, "G": group.g, "Y": numbers.y}
    if isinstance(key, ec.EllipticCurvePublicKey):
        return 3, {"Curve": {}, "X": key.public_numbers().x, "Y": key.public_numbers().y}
    if isinstance(key, ed25519.Ed25519PublicKey):
        return 4, b64(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return 0, None


def _name(name: x509.Name) -> Json:
    described: Json = dict.fromkeys(_NAME_PARTS.values()) | dict.fromkeys(_NAME_TEXTS.values(), "")
    for part in name:
        oid = part.oid.dotted_string
        if oid in _NAME_PARTS:
            described[_NAME_PARTS[oid]] = [*(described[_NAME_PARTS[oid]] or []), part.value]
        elif oid in _NAME_TEXTS:
            described[_NAME_TEXTS[oid]] = part.value
    values = [{"Type": _numbers(part.oid), "Value": b64(part.value) if isinstance(part.value, bytes) else part.value} for part in name]
    return described | {"Names": values or None, "ExtraNames": None}


def held(extensions: x509.Extensions, oid: x509.ObjectIdentifier) -> Any:
    """What the extension says; None where there is none."""
    return next((one.value for one in extensions if one.oid == oid), None)


def unhandled(one: x509.Certificate) -> list[str]:
    """The critical extensions that nothing here understands; a certificate that has one is good for nothing."""
    strange = []
    for extension in one.extensions:
        oid, value = extension.oid.dotted_string, extension.value
        known = oid in _HANDLED
        if isinstance(value, x509.SubjectAlternativeName):
            known = any(found is not None for found in _alternatives(one.extensions).values())
        elif isinstance(value, x509.NameConstraints):
            trees = [*(value.permitted_subtrees or []), *(value.excluded_subtrees or [])]
            known = all(isinstance(tree, _CONSTRAINED) for tree in trees)
        if extension.critical and not known:
            strange.append(oid)
    return strange


_CONSTRAINED: Final = (x509.DNSName, x509.RFC822Name, x509.IPAddress, x509.UniformResourceIdentifier)


def _use(extensions: x509.Extensions) -> Json:
    usage, purposes = held(extensions, Oid.KEY_USAGE), held(extensions, Oid.EXTENDED_KEY_USAGE) or ()
    basic = held(extensions, Oid.BASIC_CONSTRAINTS)
    length = None if basic is None else basic.path_length
    known = [PURPOSES[one.dotted_string] for one in purposes if one.dotted_string in PURPOSES]
    strange = [_numbers(one) for one in purposes if one.dotted_string not in PURPOSES]
    return {
        "KeyUsage": 0 if usage is None else used(usage),
        "ExtKeyUsage": known or None,
        "UnknownExtKeyUsage": strange or None,
        "BasicConstraintsValid": basic is not None,
        "IsCA": basic is not None and basic.ca,
        "MaxPathLen": length if length is not None else -1 if basic else 0,
        "MaxPathLenZero": length == 0,
        **_identities(extensions),
    }


def used(usage: x509.KeyUsage) -> int:
    """Go's bits for what a key may be used for."""
    names = _USAGES if usage.key_agreement else _USAGES[:-2]  # the last two have a meaning only with the agreement
    return sum(1 << place for place, name in enumerate(names) if getattr(usage, name))


def _identities(extensions: x509.Extensions) -> Json:
    own, above = held(extensions, Oid.SUBJECT_KEY_IDENTIFIER), held(extensions, Oid.AUTHORITY_KEY_IDENTIFIER)
    access = held(extensions, Oid.AUTHORITY_INFORMATION_ACCESS) or ()
    above_id = None if above is None else above.key_identifier
    links = {
        method: [one.access_location.value for one in access if one.access_method == method and _is_uri(one.access_location)] or None
        for method in (Access.OCSP, Access.CA_ISSUERS)
    }
    return {
        "SubjectKeyId": None if own is None else b64(own.digest),
        "AuthorityKeyId": None if above_id is None else b64(above_id),
        "OCSPServer": links[Access.OCSP],
        "IssuingCertificateURL": links[Access.CA_ISSUERS],
    }


def _is_uri(name: x509.GeneralName) -> bool:
    return isinstance(name, x509.UniformResourceIdentifier)


def _alternatives(extensions: x509.Extensions) -> Json:
    names = held(extensions, Oid.SUBJECT_ALTERNATIVE_NAME) or ()
    links = uris(extensions)
    return {
        "DNSNames": _values(names, x509.DNSName),
        "EmailAddresses": _values(names, x509.RFC822Name),
        "IPAddresses": [str(one) for one in _values(names, x509.IPAddress) or ()] or None,
        "URIs": None if links is None else [_link(one) for one in links],
    }


def uris(extensions: x509.Extensions) -> list[str] | None:
    """The links of the subject's alternative names."""
    return _values(held(extensions, Oid.SUBJECT_ALTERNATIVE_NAME) or (), x509.UniformResourceIdentifier)


def _values(names: Iterable[x509.GeneralName], kind: type[x509.GeneralName]) -> list[Any] | None:
    return [one.value for one in names if isinstance(one, kind)] or None


def _link(uri: str) -> Json:
    split = urlsplit(uri)
    is_opaque = not split.netloc and bool(split.scheme) and not split.path.startswith("/")
    user, _, host = split.netloc.rpartition("@")
    return {
        "Scheme": split.scheme,
        "Opaque": split.path if is_opaque else "",
        "User": {} if user else None,
        "Host": host,
        "Path": "" if is_opaque else split.path,
        "RawPath": "",
        "OmitHost": False,
        "ForceQuery": False,
        "RawQuery": split.query,
        "Fragment": split.fragment,
        "RawFragment": "",
    }


def _limits(extensions: x509.Extensions) -> Json:
    found = next((one for one in extensions if one.oid == Oid.NAME_CONSTRAINTS), None)
    described: Json = {"PermittedDNSDomainsCritical": found is not None and found.critical}
    for word, trees in (
        ("Permitted", found.value.permitted_subtrees if found else None),
        ("Excluded", found.value.excluded_subtrees if found else None),
    ):
        nets = _values(trees or (), x509.IPAddress) or []
        described |= {
            f"{word}DNSDomains": _values(trees or (), x509.DNSName),
            f"{word}IPRanges": [{"IP": str(net.network_address), "Mask": b64(net.netmask.packed)} for net in nets] or None,
            f"{word}EmailAddresses": _values(trees or (), x509.RFC822Name),
            f"{word}URIDomains": _values(trees or (), x509.UniformResourceIdentifier),
        }
    return described


def _policies(extensions: x509.Extensions) -> Json:
    points = held(extensions, Oid.CRL_DISTRIBUTION_POINTS) or ()
    policies = held(extensions, Oid.CERTIFICATE_POLICIES)
    inhibited = held(extensions, Oid.INHIBIT_ANY_POLICY)
    bounds = held(extensions, Oid.POLICY_CONSTRAINTS)
    mapping, explicit = (bounds.inhibit_policy_mapping, bounds.require_explicit_policy) if bounds else (None, None)
    skipped = None if inhibited is None else inhibited.skip_certs
    named = None if policies is None else [one.policy_identifier for one in policies]
    return {
        "CRLDistributionPoints": [name.value for point in points for name in point.full_name or () if _is_uri(name)] or None,
        "PolicyIdentifiers": None if named is None else [_numbers(one) for one in named],
        "Policies": None if named is None else [one.dotted_string for one in named],
        "InhibitAnyPolicy": skipped or 0,
        "InhibitAnyPolicyZero": skipped == 0,
        "InhibitPolicyMapping": mapping or 0,
        "InhibitPolicyMappingZero": mapping == 0,
        "RequireExplicitPolicy": explicit or 0,
        "RequireExplicitPolicyZero": explicit == 0,
        "PolicyMappings": None,
    }
