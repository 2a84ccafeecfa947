"""Chains of certificates, checked as Go's `Certificate.Verify` checks them. Called by the certificate builtins.

Every certificate must be in its time, understood in all that is critical, allowed to sign what it signed (flag, usage, length of the path,
names), and allowed for the purpose asked. Signatures by MD5 and SHA-1 are worth nothing.
"""

import datetime as dt
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID as Oid

from flyball.rego.jose.key import sound
from flyball.rego.pki.certificate import PURPOSES, held, unhandled, used

Chain = list[x509.Certificate]
ANY_PURPOSE: Final = 0
SERVER: Final = 1
_SIGNATURES: Final = 100  # tried for one chain, as in Go
_COMPARISONS: Final = 250_000  # of names with constraints, as in Go
_V3: Final = x509.Version.v3
_MAY_SIGN: Final = 1 << 5  # `key_cert_sign` among Go's bits
_BROKEN: Final = frozenset(("md5", "sha1"))


@dataclass(slots=True)
class Asked:
    """What a chain is checked for: at which moment, for which host (empty: any), for which purposes (Go's numbers; one has to fit)."""

    moment: dt.datetime
    host: str = ""
    purposes: frozenset[int] = frozenset((SERVER,))
    comparisons: int = _COMPARISONS
    signatures: int = field(default=_SIGNATURES, init=False)


def chain(certificates: Chain, asked: Asked) -> Chain:
    """The chain from the last certificate (the leaf) to the first (the root), over those between. Raises ValueError if none holds."""
    if len(certificates) < 2:  # noqa: PLR2004 - a root and a leaf
        raise ValueError("must supply at least two certificates to be able to verify")
    root, *between, leaf = certificates
    if not _is_fit([leaf], asked, signs=False) or (asked.host and not _is_host(leaf, asked.host)):
        raise ValueError("x509: the leaf does not hold")
    found = [[leaf]] if leaf == root else _chains([leaf], root, between, asked)
    for one in found:
        if _serves(one, asked.purposes):
            return one
    raise ValueError("x509: certificate signed by unknown authority")


def _chains(so_far: Chain, root: x509.Certificate, between: list[x509.Certificate], asked: Asked) -> Iterator[list[x509.Certificate]]:
    for parent in (root, *between):
        if parent in so_far or parent.subject != so_far[-1].issuer or not _is_signed(so_far[-1], parent, asked):
            continue
        longer = [*so_far, parent]
        if not _is_fit(longer, asked, signs=True):
            continue
        if parent is root:
            yield longer
        else:
            yield from _chains(longer, root, between, asked)


def _is_signed(child: x509.Certificate, parent: x509.Certificate, asked: Asked) -> bool:
    asked.signatures -= 1
    if asked.signatures < 0:
        raise ValueError("x509: signature check attempts limit reached while verifying certificate chain")
    basic, usage = held(parent.extensions, Oid.BASIC_CONSTRAINTS), held(parent.extensions, Oid.KEY_USAGE)
    if (basic is None and parent.version is _V3) or (basic is not None and not basic.ca):
        return False
    if usage is not None and not used(usage) & _MAY_SIGN:
        return False
    try:
        hashed = child.signature_hash_algorithm
        if hashed is not None and hashed.name in _BROKEN:
            return False
        sound(parent.public_key())
        child.verify_directly_issued_by(parent)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _is_fit(so_far: Chain, asked: Asked, *, signs: bool) -> bool:
    """Whether the last of these may stand where it stands."""
    one = so_far[-1]
    if unhandled(one) or not one.not_valid_before_utc <= asked.moment <= one.not_valid_after_utc:
        return False
    basic = held(one.extensions, Oid.BASIC_CONSTRAINTS)
    if signs and basic is not None and basic.path_length is not None and len(so_far) - 2 > basic.path_length:
        return False
    limits = held(one.extensions, Oid.NAME_CONSTRAINTS)
    return not signs or limits is None or all(_is_within(below, limits, asked) for below in so_far[:-1])


def _serves(found: Chain, purposes: frozenset[int]) -> bool:
    """Whether one of the purposes is allowed by all; a certificate that names none allows all."""
    if ANY_PURPOSE in purposes:
        return True
    left = purposes
    for one in found:
        named = held(one.extensions, Oid.EXTENDED_KEY_USAGE)
        known = None if named is None else {PURPOSES.get(purpose.dotted_string) for purpose in named}
        if known is not None and ANY_PURPOSE not in known:
            left = frozenset(purpose for purpose in left if purpose in known)
    return bool(left)


def _is_host(leaf: x509.Certificate, host: str) -> bool:
    names = held(leaf.extensions, Oid.SUBJECT_ALTERNATIVE_NAME)
    if names is None:
        return False
    try:
        address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        return any(_is_matched(pattern, host) for pattern in names.get_values_for_type(x509.DNSName))
    return address in names.get_values_for_type(x509.IPAddress)


def _is_matched(pattern: str, host: str) -> bool:
    wanted, labels = pattern.lower().split("."), host.lower().removesuffix(".").split(".")
    if not all(labels) or len(wanted) != len(labels):
        return False
    return wanted[1:] == labels[1:] and (wanted[0] == labels[0] or (wanted[0] == "*" and len(wanted) > 1))


def _is_within(one: x509.Certificate, limits: x509.NameConstraints, asked: Asked) -> bool:
    permitted, excluded = limits.permitted_subtrees or [], limits.excluded_subtrees or []
    for name in held(one.extensions, Oid.SUBJECT_ALTERNATIVE_NAME) or ():
        kind = type(name)
        if kind not in _WITHIN:
            continue
        asked.comparisons -= len(permitted) + len(excluded)
        if asked.comparisons < 0:
            return False
        try:
            of_kind = [tree.value for tree in permitted if type(tree) is kind]
            if any(_WITHIN[kind](name.value, tree.value) for tree in excluded if type(tree) is kind):
                return False
            if of_kind and not any(_WITHIN[kind](name.value, tree) for tree in of_kind):
                return False
        except ValueError:
            return False
    return True


def _is_domain_within(domain: str, tree: str) -> bool:
    if not tree:
        return True
    labels, wanted = domain.lower().split("."), tree.lower().removeprefix(".").split(".")
    is_deep_enough = len(labels) > len(wanted) if tree.startswith(".") else len(labels) >= len(wanted)
    return is_deep_enough and labels[-len(wanted) :] == wanted


def _is_mail_within(mail: str, tree: str) -> bool:
    local, _, domain = mail.rpartition("@")
    if "@" in tree:
        wanted, _, host = tree.rpartition("@")
        return local == wanted and domain.lower() == host.lower()
    return _is_domain_within(domain, tree)


def _is_link_within(link: str, tree: str) -> bool:
    host = urlsplit(link).hostname
    if not host:
        raise ValueError("a URI without a host cannot be held to constraints")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _is_domain_within(host, tree)
    raise ValueError("a URI of an address cannot be held to constraints")


def _is_address_within(address: Any, tree: Any) -> bool:
    return bool(address.version == tree.version and address in tree)


_WITHIN: Final[dict[type[x509.GeneralName], Any]] = {
    x509.DNSName: _is_domain_within,
    x509.RFC822Name: _is_mail_within,
    x509.UniformResourceIdentifier: _is_link_within,
    x509.IPAddress: _is_address_within,
}
