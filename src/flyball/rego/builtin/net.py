"""Ranges of addresses (CIDR)."""

import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any, Final

from flyball.rego.builtin.desk import MEMBERS, builtin, mistyped, too_large, unfit
from flyball.rego.error import BuiltinFault
from flyball.rego.type import ANY, BOOLEAN, STRING, array, object_of, one_of, set_of
from flyball.rego.value import Set, name_of, ordered, unkey

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
_TWO = (STRING, STRING)
_ONE_OR_FIRST: Final = one_of(STRING, array(of=ANY))
_SEVERAL: Final = one_of(STRING, array(of=_ONE_OR_FIRST), object_of(STRING, _ONE_OR_FIRST), set_of(_ONE_OR_FIRST))
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_LENGTH: Final = re.compile(r"[0-9]{1,3}", re.ASCII)
_EXPANDED: Final = 65_536


@lru_cache(maxsize=4096)
def _address(text: str) -> Address | None:
    """The address that a text writes. An IPv4 address written as an IPv6 one is the IPv4 one, as in Go; a zone is none."""
    try:
        found = ip_address(text) if "%" not in text else None
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


@lru_cache(maxsize=4096)
def _network(text: str) -> Network | None:
    front, slash, length = text.partition("/")
    if not slash or not _LENGTH.fullmatch(length) or "%" in front:
        return None
    try:
        found = ip_network(f"{front}/{int(length)}", strict=False)
    except ValueError:
        return None
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        return IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    return found


def _range(name: str, text: str) -> Network:
    found = _network(text)
    if found is None:
        raise BuiltinFault(f"{name}: invalid CIDR address: {text[:100]}")
    return found


@builtin("net.cidr_is_valid", (STRING,), BOOLEAN)
def is_valid(text: Any) -> bool:
    """Whether it is a range; false for what is no string."""
    return type(text) is str and _network(text) is not None


@builtin("net.cidr_contains", _TWO, BOOLEAN)
def contains(outer: Any, inner: Any) -> bool:
    """Whether the range holds all of an address or range."""
    if type(outer) is not str or type(inner) is not str:
        raise mistyped("net.cidr_contains", outer, inner)
    return _contains("net.cidr_contains", outer, inner)


def _contains(name: str, outer: str, inner: str) -> bool:
    whole, address = _range(name, outer), _address(inner)
    if address is not None:
        return address in whole
    part = _network(inner)
    if part is None:
        raise BuiltinFault(f"{name}: not a valid textual representation of an IP address or CIDR: {inner[:100]}")
    return part.version == whole.version and part.network_address in whole and part.broadcast_address in whole


@builtin("net.cidr_intersects", _TWO, BOOLEAN)
def intersects(left: Any, right: Any) -> bool:
    """Whether two ranges have an address in common."""
    if type(left) is not str or type(right) is not str:
        raise mistyped("net.cidr_intersects", left, right)
    one, other = _range("net.cidr_intersects", left), _range("net.cidr_intersects", right)
    return one.version == other.version and (one.network_address in other or other.network_address in one)


@builtin("net.cidr_contains_matches", (_SEVERAL, _SEVERAL), set_of(array(ANY, ANY)))
def contains_matches(outer: Any, inner: Any) -> Set:
    """The pairs of which the first range holds the second. Each stands as its place, key or member; a text for itself."""
    operands = (outer, inner)
    if any(type(one) not in {str, list, dict, Set} for one in operands):
        raise mistyped("net.cidr_contains_matches", outer, inner)
    wholes, parts = (list(_named(place, one)) for place, one in enumerate(operands, 1))
    if len(wholes) * len(parts) > MEMBERS:
        raise too_large("net.cidr_contains_matches", MEMBERS, "pairs")
    name = "net.cidr_contains_matches"
    return Set([one, other] for one, whole in wholes for other, part in parts if _contains(name, whole, part))


def _named(place: int, operand: Any) -> Iterator[tuple[Any, str]]:
    pairs: list[tuple[Any, Any]]
    if type(operand) is str:
        pairs = [(operand, operand)]
    elif type(operand) is list:
        pairs = list(enumerate(operand))
    elif type(operand) is dict:
        pairs = [(unkey(name), held) for name, held in operand.items()]
    else:
        pairs = [(member, member) for member in ordered(operand)]
    for name, held in pairs:
        if type(held) is not str and (type(held) is not list or not held):
            raise BuiltinFault(f"net.cidr_contains_matches: operand {place}: element must be string or non-empty array")
        text = held if type(held) is str else held[0]
        if type(text) is not str:
            raise unfit("net.cidr_contains_matches", 1, f"must be string but got {name_of(text)}")
        yield name, text


@builtin("net.cidr_expand", (STRING,), set_of(STRING))
def expand(text: Any) -> Set:
    """Every address of the range."""
    if type(text) is not str:
        raise mistyped("net.cidr_expand", text)
    found = _range("net.cidr_expand", text)
    if found.num_addresses > _EXPANDED:
        raise too_large("net.cidr_expand", _EXPANDED, "addresses")
    return Set(map(str, found))


@builtin("net.cidr_merge", (one_of(array(of=STRING), set_of(STRING)),), set_of(STRING))
def merge(texts: Any) -> Set:
    """The fewest ranges that hold the same addresses. An IPv4 address without a length has the length of its class, as in Go."""
    if type(texts) not in {list, Set}:
        raise BuiltinFault("net.cidr_merge: operand must be an array")
    ranges = [_merged(text) for text in texts]
    short = collapse_addresses([one for one in ranges if isinstance(one, IPv4Network)])
    long = collapse_addresses([one for one in ranges if isinstance(one, IPv6Network)])
    return Set(map(str, [*short, *long]))


def _merged(text: Any) -> Network:
    if type(text) is not str:
        raise BuiltinFault("net.cidr_merge: element must be string")
    address = _address(text)
    if address is None:
        return _range("net.cidr_merge", text)
    if isinstance(address, IPv6Address):
        raise BuiltinFault("net.cidr_merge: IPv6 invalid: needs prefix length")
    first = int(address) >> 24
    length = 8 if first < 128 else 16 if first < 192 else 24  # noqa: PLR2004 - the first bits of the classes A, B and C
    return IPv4Network((int(address), length), strict=False)
