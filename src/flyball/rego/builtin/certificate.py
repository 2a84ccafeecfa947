"""X.509 certificates, signing requests and private keys: read into the shapes of Go's `crypto/x509`, and checked up to a root."""

import datetime as dt
from typing import Any, Final

from flyball.rego.builtin.desk import World, builtin, mistyped, too_large
from flyball.rego.decode import blame, standard
from flyball.rego.pki import private
from flyball.rego.pki.certificate import certificates, described, request, uris
from flyball.rego.pki.chain import Asked, chain
from flyball.rego.type import ANY, ARRAY, BOOLEAN, NULL, OBJECT, STRING, array, object_of, one_of
from flyball.rego.value import Set, Value

_LETTERS: Final = 1024 * 1024  # of one text of certificates or keys
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INT64: Final = 2**63
_PURPOSES: Final = {
    f"KeyUsage{name}": place
    for place, name in enumerate(
        (
            "Any",
            "ServerAuth",
            "ClientAuth",
            "CodeSigning",
            "EmailProtection",
            "IPSECEndSystem",
            "IPSECTunnel",
            "IPSECUser",
            "TimeStamping",
            "OCSPSigning",
            "MicrosoftServerGatedCrypto",
            "NetscapeServerGatedCrypto",
            "MicrosoftCommercialCodeSigning",
            "MicrosoftKernelCodeSigning",
        )
    )
}


def _text(name: str, *operands: Any) -> None:
    """Checks that the operands are texts that are not too long to be read."""
    for operand in operands:
        if type(operand) is not str:
            raise mistyped(name, *operands)
        if len(operand) > _LETTERS:
            raise too_large(name, _LETTERS, "characters")


@builtin("crypto.x509.parse_certificates", (STRING,), array(of=object_of(STRING, ANY)))
def parse_certificates(text: Any) -> list[Value]:
    """What each certificate says."""
    _text("crypto.x509.parse_certificates", text)
    with blame("crypto.x509.parse_certificates"):
        return [described(one) | {"URIStrings": uris(one.extensions)} for one in certificates(text)]


@builtin("crypto.x509.parse_and_verify_certificates", (STRING,), array(BOOLEAN, array(of=object_of(STRING, ANY))), worldly=True)
def verify(world: World, text: Any) -> list[Value]:
    """Whether the last certificate leads to the first one, over those between, for a server, now; and the chain that it goes by."""
    _text("crypto.x509.parse_and_verify_certificates", text)
    found = _chain(text, Asked(_moment(world.now_ns)))
    return [bool(found), [described(one) | {"URIStrings": uris(one.extensions)} for one in found]]


@builtin(
    "crypto.x509.parse_and_verify_certificates_with_options",
    (STRING, OBJECT),
    array(BOOLEAN, array(of=object_of(STRING, ANY))),
    worldly=True,
)
def verify_with_options(world: World, text: Any, options: Any) -> list[Value]:
    """As `verify`, for the host, moment and purposes of the options."""
    name = "crypto.x509.parse_and_verify_certificates_with_options"
    if type(options) is not dict:
        raise mistyped(name, text, options)
    _text(name, text)
    with blame(name):
        asked = _asked(options, world)
    found = _chain(text, asked)
    return [bool(found), [described(one) for one in found]]


def _chain(text: str, asked: Asked) -> list[Any]:
    try:
        return chain(certificates(text), asked)
    except ValueError:
        return []


def _moment(now_ns: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=now_ns // 1000)


def _asked(options: dict[Any, Value], world: World) -> Asked:
    asked = Asked(_moment(world.now_ns))
    for name, value in options.items():
        if type(name) is not str:
            continue
        if name == "DNSName":
            if type(value) is not str:
                raise ValueError("'DNSName' should be a string")
            asked.host = value.strip('"')
        elif name == "CurrentTime":
            asked.moment = _moment(_whole(name, value))
        elif name == "MaxConstraintComparisons":
            asked.comparisons = _whole(name, value) or asked.comparisons
        elif name == "KeyUsages":
            asked.purposes = _purposes(value) or asked.purposes
        else:
            raise ValueError("invalid key option")
    return asked


def _whole(name: str, value: Value) -> int:
    if type(value) is not int or not -_INT64 <= value < _INT64:
        raise ValueError(f"'{name}' should be a valid int64 number" if type(value) in {int, float} else f"'{name}' should be a number")
    return value


def _purposes(value: Value) -> frozenset[int]:
    if type(value) is not list and type(value) is not Set:
        raise ValueError("'KeyUsages' should be an Array or Set")
    names = [one.strip('"') for one in value if type(one) is str]
    strange = [name for name in names if name not in _PURPOSES]
    if strange:
        raise ValueError(f"invalid entries for 'KeyUsages' found: [{' '.join(strange)}]")
    return frozenset(_PURPOSES[name] for name in names)


@builtin("crypto.x509.parse_certificate_request", (STRING,), object_of(STRING, ANY))
def parse_certificate_request(text: Any) -> dict[str, Value]:
    """What a signing request asks for."""
    _text("crypto.x509.parse_certificate_request", text)
    with blame("crypto.x509.parse_certificate_request"):
        return request(text)


@builtin("crypto.x509.parse_keypair", (STRING, STRING), object_of(STRING, ANY))
def parse_keypair(certificate: Any, key: Any) -> dict[str, Value]:
    """A certificate with its private key."""
    _text("crypto.x509.parse_keypair", certificate, key)
    with blame("crypto.x509.parse_keypair"):
        return private.pair(certificate, key)


@builtin("crypto.x509.parse_rsa_private_key", (STRING,), object_of(STRING, ANY))
def parse_rsa_private_key(text: Any) -> dict[str, Value] | None:
    """The first private key of a text as JWK; null where there is none."""
    name = "crypto.x509.parse_rsa_private_key"
    _text(name, text)
    with blame(name):
        if not text:
            raise ValueError("input PEM data was empty")
        if not text.startswith("-----BEGIN"):
            standard(text)
        found = private.keys(text)
        return private.jwk(found[0]) if found else None


@builtin("crypto.parse_private_keys", (STRING,), one_of(ARRAY, NULL))
def parse_private_keys(text: Any) -> list[Value] | None:
    """All private keys of a text; null for an empty one."""
    _text("crypto.parse_private_keys", text)
    with blame("crypto.parse_private_keys"):
        return [private.listed(one) for one in private.keys(text)] if text else None
